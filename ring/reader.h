/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reader's handle: its takes are in reader.c, its way to a ring and on to the next segment in
 * follow.c, what it does when there is nothing more in ends.c. */
#ifndef READER_H
#define READER_H

#include <pthread.h>

#include "attachment.h"

/* How often a reader without frames asks whether its writer lives. */
#define PROBE_NS INT64_C(100000000)
/* There is nothing to sleep on while a writer is absent. */
#define LOOKOUT_NS INT64_C(10000000)

struct shmring_reader {
    pthread_mutex_t mutex; /* all below; never held while sleeping */
    uint32_t generation;   /* fork_generation() when it was made */
    _Atomic uint32_t interrupted;
    struct shmring_reader_options options;
    struct attachment *at; /* NULL: not attached */
    struct copies *copies;
    struct segment *shared; /* its mapping is used: see testing.h */
    uint32_t leaves;        /* counts shmring_reader_leave() */
    int end;                /* SHMRING_ENDED, _CLOSED or _LOST, until it is resumed; else 0 */
    struct shmring_error end_error;
    int64_t next_probe;
    int64_t stays_since;  /* superseded, and the name leads to the old segment since then; or 0 */
    bool is_lost;         /* its writer died, and it waits for the next one */
    bool had_frame;       /* of this attachment */
    uint64_t newest;      /* the newest frame it had */
    uint8_t instance[16]; /* of the ring it had that from */
    uint64_t told;        /* of the frames it did not get, those that frames have told of */
    struct shmring_reader_stats stats; /* of attachments that are over */
    char name[SHMRING_MAX_NAME + 1];
};

/* Of the segment it is attached to. */
static inline uint32_t reader_state(const struct shmring_reader *r) {
    /* Acquire: pairs with set_state in writer.c; the head read after it is the last. */
    return atomic_load_explicit(&r->at->seg->header->state, memory_order_acquire);
}

/* All with the mutex held. */

/* Sleeps until SEG's event, last read as EVENT, changes; of NULL: only time passes. Releases the
 * mutex meanwhile. SHMRING_OK: look again. */
int reader_sleep(struct shmring_reader *reader, struct segment *seg, uint32_t event,
                 int64_t slice_ns);

/* Leaves the segment. */
void reader_detach(struct shmring_reader *reader);

/* Tries to attach to what has the name; else waits. TAKE_NOTHING: look again, also when attached.
 */
int reader_attach(struct shmring_reader *reader, int64_t deadline, struct shmring_error *error);

/* To the segment that has the name now; ours is left last. Every call looks anew. An enum follow,
 * SHMRING_ENDED or -errno. */
enum follow { FOLLOWED = 200, NOT_YET, STAYS, GONE };
int reader_follow(struct shmring_reader *reader, struct shmring_error *error);
/* What has the name now was left by a writer that died, also half-made. */
bool reader_is_left_behind(const struct shmring_reader *reader);

/* There was nothing to take, and the writer was ALIVE. TAKE_NOTHING: more may come; an end; or as
 * attachment_take. */
int reader_at_rest(struct shmring_reader *reader, bool alive, struct shmring_frame **frame,
                   struct shmring_error *error);
/* What to do at an end: tell it, until the caller says go on, or wait for what comes. */
int reader_conclude(struct shmring_reader *reader, int end, struct shmring_error *error);

#endif
