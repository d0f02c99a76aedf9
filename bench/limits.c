/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this machine can do at best. The arguments are KEY=VALUE, as measure.h lists them:
 *
 *   bench-limits write NAME [sleep=1]   two frames in shared memory and nothing else: as fast as
 *   bench-limits read NAME [sleep=1]    two cores write and read; spinning, or by one futex
 *   bench-limits copy                   memcpy from as many frames to as many as a ring has
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "measure.h"

#define FRAMES 2
#define SLOTS 8 /* of a ring, by default */
#define PAGE 4096

struct pair {
    _Atomic uint32_t written, is_read;
    uint64_t size;
};

static _Noreturn void fail(const char *what) {
    perror(what);
    exit(1);
}

static void *frame_of(struct pair *pair, uint32_t number) {
    return (uint8_t *)pair + PAGE + number % FRAMES * ((pair->size + PAGE - 1) / PAGE * PAGE);
}

static size_t total(uint64_t size) {
    return PAGE + FRAMES * ((size + PAGE - 1) / PAGE * PAGE);
}

static struct pair *map(int fd, size_t size) {
    struct pair *pair = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (pair == MAP_FAILED)
        fail("mmap");
    close(fd);
    return pair;
}

static void wait_while(_Atomic uint32_t *word, uint32_t value, bool sleep) {
    /* Acquire: what the other end did to the frame is seen. */
    while (atomic_load_explicit(word, memory_order_acquire) == value)
        if (sleep)
            syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static void count_up(_Atomic uint32_t *word, bool sleep) {
    /* Release: who sees the new count sees what was done to the frame. */
    atomic_fetch_add_explicit(word, 1, memory_order_release);
    if (sleep)
        syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static int run_write(const char *name, char **argv) {
    struct pen pen;
    pen_init(&pen, argv);
    bool sleep = number_argument(argv, "sleep", 0) != 0;
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || posix_fallocate(fd, 0, (off_t)total(pen.size)) != 0)
        fail(name);
    struct pair *pair = map(fd, total(pen.size));
    pair->size = pen.size;
    for (uint32_t number = 0; pen_next(&pen); number++) {
        wait_while(&pair->is_read, number - FRAMES, sleep);
        pen_write(&pen, frame_of(pair, number));
        count_up(&pair->written, sleep);
    }
    shm_unlink(name);
    return 0;
}

static int open_written(const char *name) {
    int fd;
    while ((fd = shm_open(name, O_RDWR, 0)) < 0 || lseek(fd, 0, SEEK_END) == 0)
        close(fd);
    return fd;
}

static int run_read(const char *name, char **argv) {
    struct eye eye;
    eye_init(&eye, argv);
    bool sleep = number_argument(argv, "sleep", 0) != 0, more;
    int fd = open_written(name);
    struct pair *pair = map(fd, (size_t)lseek(fd, 0, SEEK_END));
    uint32_t number = 0;
    do {
        wait_while(&pair->written, number, sleep);
        more = eye_look(&eye, frame_of(pair, number++), pair->size);
        count_up(&pair->is_read, sleep);
    } while (more);
    wait_for_goodbye();
    return 0;
}

static uint8_t *frames_of(uint64_t size) {
    uint8_t *frames = malloc(SLOTS * size);
    if (!frames)
        fail("malloc");
    memset(frames, 1, SLOTS * size);
    return frames;
}

static int run_copy(const char *name, char **argv) {
    struct pen pen;
    pen_init(&pen, argv);
    uint8_t *from = frames_of(pen.size), *to = frames_of(pen.size);
    for (uint64_t i = 0; pen_next(&pen); i = (i + 1) % SLOTS) {
        memcpy(to + i * pen.size, from + i * pen.size, pen.size);
        pen_write(&pen, to + i * pen.size);
    }
    free(from);
    free(to);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(const char *name, char **argv);
} commands[] = {{"write", run_write}, {"read", run_read}, {"copy", run_copy}};

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 2 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argv[2], argv + 3);
    fprintf(stderr, "usage: %s write|read|copy NAME [KEY=VALUE...]\n", argv[0]);
    return 2;
}
