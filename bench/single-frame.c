/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A peer's writer: one frame in a mapped file, as this project's predecessors have it. Before the
 * pixels a packed header of 24 bytes: int width, height, channels; int64 milliseconds; int valid.
 * Nobody waits: who reads slowly misses frames, and may see half of two.
 *
 *   bench-single-frame NAME [KEY=VALUE as measure.h lists them]
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "measure.h"

struct __attribute__((packed)) header {
    int32_t width, height, channels;
    int64_t timestamp_ms;
    int32_t valid;
};

static struct header *make_frame(const char *name, size_t size) {
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || posix_fallocate(fd, 0, (off_t)size) != 0)
        return NULL;
    void *made = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    close(fd);
    return made == MAP_FAILED ? NULL : made;
}

static void write_frame(struct header *header, const void *picture, size_t size) {
    header->valid = 0;
    atomic_thread_fence(memory_order_seq_cst);
    memcpy(header + 1, picture, size);
    header->timestamp_ms = now_ns() / 1000000;
    atomic_thread_fence(memory_order_seq_cst);
    header->valid = 1;
}

int main(int argc, char **argv) {
    struct pen pen;
    if (argc < 2) {
        fprintf(stderr, "usage: %s NAME [KEY=VALUE...]\n", argv[0]);
        return 2;
    }
    pen_init(&pen, argv + 2);
    uint8_t *picture = calloc(1, pen.size);
    struct header *header = make_frame(argv[1], sizeof *header + pen.size);
    if (!picture || !header) {
        perror("cannot make the frame");
        return 1;
    }
    header->width = (int32_t)number_argument(argv + 2, "width", 1920);
    header->height = (int32_t)number_argument(argv + 2, "height", 1080);
    header->channels = 3;
    while (pen_next(&pen)) {
        pen_write(&pen, picture);
        write_frame(header, picture, pen.size);
    }
    shm_unlink(argv[1]);
    free(picture);
    return 0;
}
