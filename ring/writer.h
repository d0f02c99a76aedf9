/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The writer's handle: its life is in writer.c, a slot's way in loan.c, a frame's in publish.c. */
#ifndef WRITER_H
#define WRITER_H

#include <pthread.h>

#include "store.h"

/* How often the writer looks for dead readers and for its name when nothing makes it look. */
#define HOUSEKEEPING_NS INT64_C(1000000000)

struct shmring_writer {
    _Atomic uint32_t refs; /* the user's, and one a loan */
    uint32_t generation;   /* fork_generation() when it was made */
    pthread_mutex_t mutex; /* all below, and every claim and publish; never held while sleeping */
    struct shmring_writer_options options;
    struct store *store;        /* the present segment's */
    struct store *predecessors; /* superseded ones that readers have not left, oldest first */
    _Atomic uint32_t interrupted;
    uint32_t sleepers;
    bool ended, discont;
    int64_t next_housekeeping;
    struct shmring_writer_stats stats; /* the writer's, and of segments that are gone */
    char name[SHMRING_MAX_NAME + 1];
};

static inline bool writer_is_inherited(const struct shmring_writer *w) {
    return w->generation != fork_generation();
}

static inline uint64_t writer_next_seq(const struct shmring_writer *w) {
    /* Relaxed: nobody else writes it. */
    return atomic_load_explicit(&w->store->seg->header->head, memory_order_relaxed);
}

/* A loan's reference; the last one frees the handle. */
void writer_unref(struct shmring_writer *writer);

/* With the mutex held: moves to a new segment by the writer's options. 0 or -errno. */
int writer_supersede(struct shmring_writer *writer, struct shmring_error *error);
/* With the mutex held: a predecessor is done with; its counts stay. */
void writer_drop_store(struct shmring_writer *writer, struct store *store);
/* With the mutex held: the counters in the header, for tools. */
void writer_show_counters(struct shmring_writer *writer);

#endif
