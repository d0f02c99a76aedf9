/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writers that this project's predecessors have. The arguments are KEY=VALUE, as measure.h
 * lists them. What carries the frames is one shared memory object:
 *
 *   bench-predecessors ring NAME    a ring of bytes, which writer and reader poll
 *   bench-predecessors frame NAME   one frame
 *
 * The ring: u32 each of head (at 0), tail (4), capacity (8), reserved (12), then the data (16).
 * head and tail only grow, and wrap at 2^32; capacity is a power of two. A message is its length
 * (u32) and its bytes, split where the data ends.
 *
 * The frame: a packed header of 24 bytes (int width, height, channels; int64 milliseconds; int
 * valid), then the pixels. Nobody waits: who reads slowly misses frames, and may see half of two.
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

static _Noreturn void fail(const char *what) {
    perror(what);
    exit(1);
}

static void *make_memory(const char *name, size_t size) {
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || posix_fallocate(fd, 0, (off_t)size) != 0)
        fail(name);
    void *made = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (made == MAP_FAILED)
        fail("mmap");
    close(fd);
    return made;
}

/* ---- The ring of bytes ---- */

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
    struct byte_ring *ring = make_memory(name, sizeof(struct byte_ring) + capacity);
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

static void run_ring(const char *name, struct pen *pen, void *picture) {
    struct byte_ring *ring = make_ring(name, capacity_for(pen->size));
    while (pen_next(pen)) {
        pen_write(pen, picture);
        write_message(ring, picture, (uint32_t)pen->size);
    }
}

/* ---- The single frame ---- */

struct __attribute__((packed)) header {
    int32_t width, height, channels;
    int64_t timestamp_ms;
    int32_t valid;
};

static void write_frame(struct header *header, const void *picture, size_t size) {
    header->valid = 0;
    atomic_thread_fence(memory_order_seq_cst);
    memcpy(header + 1, picture, size);
    header->timestamp_ms = now_ns() / 1000000;
    atomic_thread_fence(memory_order_seq_cst);
    header->valid = 1;
}

static void run_frame(const char *name, struct pen *pen, void *picture, char **argv) {
    struct header *header = make_memory(name, sizeof *header + pen->size);
    header->width = (int32_t)number_argument(argv, "width", 1920);
    header->height = (int32_t)number_argument(argv, "height", 1080);
    header->channels = 3;
    while (pen_next(pen)) {
        pen_write(pen, picture);
        write_frame(header, picture, pen->size);
    }
}

int main(int argc, char **argv) {
    struct pen pen;
    if (argc < 3 || (strcmp(argv[1], "ring") != 0 && strcmp(argv[1], "frame") != 0)) {
        fprintf(stderr, "usage: %s ring|frame NAME [KEY=VALUE...]\n", argv[0]);
        return 2;
    }
    pen_init(&pen, argv + 3);
    void *picture = calloc(1, pen.size);
    if (!picture)
        fail("calloc");
    if (strcmp(argv[1], "ring") == 0)
        run_ring(argv[2], &pen, picture);
    else
        run_frame(argv[2], &pen, picture, argv + 3);
    shm_unlink(argv[2]);
    free(picture);
    return 0;
}
