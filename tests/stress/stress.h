/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the stress tests share: frames whose every byte is known, and readers that misbehave within
 * their rights while asserting I4 to I7. */
#ifndef STRESS_H
#define STRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "testing.h"

#define REQUIRE(condition, ...)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s; ", __FILE__, __LINE__, #condition);              \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* What happened, over all processes of a test that shares it. */
struct stress_tally {
    _Atomic uint64_t opened, adopted, resizes, published, taken;
    _Atomic uint64_t hung, torn, lost; /* failures: waited in vain; I4; I5 or I6 */
};
extern struct stress_tally *stress_tally;

#define TALLY(what) atomic_fetch_add_explicit(&stress_tally->what, 1, memory_order_relaxed)
/* Counts the failure as one of its kind, too. */
#define REQUIRE_OR(kind, condition, ...)                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            TALLY(kind);                                                                           \
        REQUIRE(condition, __VA_ARGS__);                                                           \
    } while (0)

struct random {
    uint64_t state;
};
/* 0 to below - 1 */
uint32_t random_below(struct random *random, uint32_t below);

/* Whether SCENARIO is one of COUNT that are WANTED; of none, all are. */
bool stress_is_wanted(const char *scenario, int count, char **wanted);

/* A ring name nobody else has. */
void stress_name(char name[64], const char *test);

struct stress_plan {
    char name[64];
    uint64_t frames;
    uint32_t frame_size;   /* bytes at most; each frame has its own size */
    uint32_t flush_every;  /* frames; 0: never */
    uint32_t resize_every; /* frames; 0: never */
    uint32_t sizes;        /* that it is made and resized with: 6 slots, 7, ... */
    uint64_t seed;
};

/* Opens the plan's ring. */
struct shmring_writer *stress_open(const struct stress_plan *plan);
/* Publishes the plan's frames. */
void stress_publish(struct shmring_writer *writer, const struct stress_plan *plan);
/* Publishes them, ends the stream; returns what it counted. */
struct shmring_writer_stats stress_write(struct shmring_writer *writer,
                                         const struct stress_plan *plan);

#define STRESS_OPTIONS(how, frames, hold)                                                          \
    {                                                                                              \
        .struct_size = sizeof(struct shmring_reader_options), .mode = how, .depth = frames,        \
        .lease = hold,                                                                             \
    }

struct stress_reader {
    const struct stress_plan *plan;
    struct shmring_reader_options options;
    uint32_t hold;           /* frames it holds at most */
    uint32_t leave_every;    /* frames; 0: stays to the end */
    struct segment *mapping; /* see testing.h; NULL: its own */
    uint64_t seed;
};

/* Attaches; returns the handle for stress_read(). */
struct shmring_reader *stress_attach(const struct stress_reader *job);
/* Reads to the end. */
void stress_read(const struct stress_reader *job, struct shmring_reader *reader);

/* Reads by a handle that goes on after what its options say, to the end that they do not. */
void stress_follow(const struct stress_reader *job);

/* Copies the newest frames out to the end of the stream; returns how many. */
uint64_t stress_observe(const struct stress_plan *plan);

uint32_t stress_readers(struct shmring_writer *writer);

/* Of a ring whose writer closed it: no name, no temporary one. */
void stress_require_nothing_left(const char *name);

/* I7: nobody has a claim on any slot. */
void stress_require_all_free(struct shmring_writer *writer);

#endif
