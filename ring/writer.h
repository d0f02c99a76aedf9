/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The writer's handle: its life is in writer.c, a slot's way in loan.c, a frame's in publish.c. */
#ifndef WRITER_H
#define WRITER_H

#include <pthread.h>

#include "distributor.h"

/* How often the writer looks for dead readers and for its names when nothing makes it look. */
#define HOUSEKEEPING_NS INT64_C(500000000)

struct shmring_writer {
    _Atomic uint32_t refs; /* the user's, and one a loan */
    uint32_t generation;   /* fork_generation() when it was made */
    pthread_mutex_t mutex; /* all below, and every claim and publish; never held while sleeping */
    struct shmring_writer_options options;
    struct distributor *distributor; /* of the present segment */
    struct distributor
        *predecessors; /* of superseded ones that readers have not left, oldest first */
    _Atomic uint32_t interrupted;
    uint32_t sleepers, watchers;
    bool ended, discont;
    bool moving;        /* readers drain the present segment, so that its memory can be had */
    bool names_missing; /* somebody removed one, and there was no room to move yet */
    bool broken;        /* its memory could not be had again */
    bool is_pacer;      /* told to the timeline */
    int64_t next_housekeeping;
    int64_t origin_ns; /* CLOCK_MONOTONIC time of pts 0, where the caller gives no clock_ns */
    uint64_t last_reader_id;
    uint32_t seen_notice;
    struct shmring_writer_stats stats; /* the writer's, and of segments that are gone */
    char name[SHMRING_MAX_NAME + 1];
};

static inline bool writer_lock(struct shmring_writer *w) {
    return fork_lock(&w->mutex, w->generation);
}

bool writer_is_interrupted(struct shmring_writer *writer);

/* A loan's reference; the last one frees the handle. */
void writer_unref(struct shmring_writer *writer);

/* All with the mutex held. */

/* Moves to a new segment by the writer's options. Where there is no room for both, into the room
 * of the present one, once readers have read it: waits for that until DEADLINE. 0 or -errno. */
int writer_supersede(struct shmring_writer *writer, int64_t deadline, struct shmring_error *error);
/* Moves when somebody removed a name. */
#define AT_ONCE INT64_C(0) /* a deadline that has passed */
void writer_recover_names(struct shmring_writer *writer, int64_t deadline);
/* After an end, the next stream begins. */
void writer_begin_stream(struct shmring_writer *writer);
/* Predecessors whose readers died or left. */
void writer_drop_deserted(struct shmring_writer *writer);
/* Observers read the counters as they are now: by every call that counts. */
void writer_show_counters(struct shmring_writer *writer);
/* The dead, the names, and the counters in the header, twice a second. */
void writer_keep_house(struct shmring_writer *writer, int64_t now_ns);
/* Waits until no lossless reader of the present segment has a frame to take, at most for the
 * patience. SHMRING_OK, SHMRING_INTERRUPTED, or SHMRING_TIMEOUT at DEADLINE. */
int writer_wait_drained(struct shmring_writer *writer, int64_t deadline);
/* CODE, and who is waited for. */
int writer_explain_wait(struct shmring_writer *writer, int code, struct shmring_error *error);

/* Sleeps until the segment's doorbell, last read as BELL, rings. Releases the mutex meanwhile.
 * SHMRING_OK: look again. (wait.c) */
int writer_sleep(struct shmring_writer *writer, struct distributor *d, uint32_t bell,
                 int64_t slice_ns);
uint32_t writer_read_bell(const struct distributor *d);

#endif
