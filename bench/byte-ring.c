/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A peer's writer: a ring of bytes as this project's predecessors have it. One shared memory object
 *
 *   0 head   4 tail   8 capacity   12 reserved   16 data[capacity]      u32 each
 *
 * head and tail only grow (and wrap at 2^32), capacity is a power of two, a message is its length
 * (u32) and its bytes, split where the data ends. Writer and reader poll.
 *
 *   bench-byte-ring NAME [KEY=VALUE as measure.h lists them]
 */
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "measure.h"

#define MESSAGES 8 /* that the ring holds at least, as many as shmring's default slots */

struct byte_ring {
    _Atomic uint32_t head, tail;
    uint32_t capacity, reserved;
    uint8_t data[];
};

static uint32_t capacity_for(uint64_t size) {
    uint32_t capacity = 64;
    while (capacity < MESSAGES * (size + sizeof(uint32_t)))
        capacity *= 2;
    return capacity;
}

static struct byte_ring *make_ring(const char *name, uint32_t capacity) {
    size_t size = sizeof(struct byte_ring) + capacity;
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || posix_fallocate(fd, 0, (off_t)size) != 0)
        return NULL;
    struct byte_ring *ring =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    close(fd);
    if (ring == MAP_FAILED)
        return NULL;
    ring->capacity = capacity;
    return ring;
}

static void write_raw(struct byte_ring *ring, uint32_t at, const void *bytes, uint32_t size) {
    uint32_t offset = at & (ring->capacity - 1), first = ring->capacity - offset;
    if (first > size)
        first = size;
    memcpy(ring->data + offset, bytes, first);
    memcpy(ring->data, (const uint8_t *)bytes + first, size - first);
}

static void wait_for_room(struct byte_ring *ring, uint32_t head, uint32_t size) {
    /* Acquire: the reader has read what we are about to overwrite. */
    while (ring->capacity - (head - atomic_load_explicit(&ring->tail, memory_order_acquire)) < size)
        sched_yield();
}

static void write_message(struct byte_ring *ring, const void *picture, uint32_t size) {
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    wait_for_room(ring, head, sizeof size + size);
    write_raw(ring, head, &size, sizeof size);
    write_raw(ring, head + sizeof size, picture, size);
    /* Release: who sees the new head sees the message. */
    atomic_store_explicit(&ring->head, head + sizeof size + size, memory_order_release);
}

int main(int argc, char **argv) {
    struct pen pen;
    if (argc < 2) {
        fprintf(stderr, "usage: %s NAME [KEY=VALUE...]\n", argv[0]);
        return 2;
    }
    pen_init(&pen, argv + 2);
    uint8_t *picture = calloc(1, pen.size);
    struct byte_ring *ring = make_ring(argv[1], capacity_for(pen.size));
    if (!picture || !ring) {
        perror("cannot make the byte ring");
        return 1;
    }
    while (pen_next(&pen)) {
        pen_write(&pen, picture);
        write_message(ring, picture, (uint32_t)pen.size);
    }
    shm_unlink(argv[1]);
    free(picture);
    return 0;
}
