/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "timeline.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "mutex.h"
#include "versioned.h"

#define SECOND INT64_C(1000000000)
/* A paced frame further from now than this is of another clock. */
#define FAR_BEHIND (10 * SECOND)
#define FAR_AHEAD SECOND
/* 146 years: sums of three such times fit in 64 bits. */
#define FAR_AWAY (INT64_MAX / 4)

struct shmring_timeline {
    _Atomic uint32_t refs;
    pthread_mutex_t mutex;
    int64_t shift;
    int pacers; /* writers with a lossless reader that is waited for */
};

struct shmring_timeline *shmring_timeline_new(void) {
    struct shmring_timeline *timeline = calloc(1, sizeof *timeline);
    if (!timeline)
        return NULL;
    atomic_init(&timeline->refs, 1);
    pthread_mutex_init(&timeline->mutex, NULL);
    return timeline;
}

struct shmring_timeline *shmring_timeline_ref(struct shmring_timeline *timeline) {
    atomic_fetch_add_explicit(&timeline->refs, 1, memory_order_relaxed);
    return timeline;
}

void shmring_timeline_unref(struct shmring_timeline *timeline) {
    /* Acquire-release: the last one must see everybody's use before it frees. */
    if (!timeline || atomic_fetch_sub_explicit(&timeline->refs, 1, memory_order_acq_rel) != 1)
        return;
    mutex_end(&timeline->mutex);
    free(timeline);
}

void timeline_count_pacer(struct shmring_timeline *timeline, int change) {
    pthread_mutex_lock(&timeline->mutex);
    timeline->pacers += change;
    pthread_mutex_unlock(&timeline->mutex);
}

static int64_t bounded(int64_t ns) {
    return ns > FAR_AWAY ? FAR_AWAY : ns < -FAR_AWAY ? -FAR_AWAY : ns;
}

/* What to add so that a frame that is EARLY (negative: late) is due now; 0 where it may be early or
 * late. */
static int64_t correction(const struct shmring_timeline *timeline,
                          const struct shmring_timing *timing, int64_t early) {
    int64_t latency = bounded(timing->latency_ns);
    if (timing->paced)
        return early < -FAR_BEHIND - latency || early > FAR_AHEAD + latency ? -early : 0;
    /* Ahead, with a lossless reader: it sets the pace, and records exact distances. */
    return early < 0 || timeline->pacers == 0 ? -early : 0;
}

int64_t shmring_timeline_stamp(struct shmring_timeline *timeline, const struct shmring_timing *told,
                               int64_t pts_ns, int64_t now_ns, bool *jumped) {
    struct shmring_timing known = SHMRING_TIMING_INIT, *timing = &known;
    versioned_read(&known, sizeof known, told);
    int64_t due = now_ns;
    bool moved = false;
    if (pts_ns != SHMRING_TIME_NONE) {
        pthread_mutex_lock(&timeline->mutex);
        due = bounded(timing->origin_ns) + bounded(pts_ns) + bounded(timeline->shift);
        int64_t add = correction(timeline, timing, due - now_ns);
        moved = add != 0;
        timeline->shift = bounded(timeline->shift + add);
        due += add;
        pthread_mutex_unlock(&timeline->mutex);
    }
    if (jumped)
        *jumped = timing->paced && moved;
    return due;
}

int64_t shmring_timeline_get_shift(struct shmring_timeline *timeline) {
    pthread_mutex_lock(&timeline->mutex);
    int64_t shift = timeline->shift;
    pthread_mutex_unlock(&timeline->mutex);
    return shift;
}

void shmring_timeline_add(struct shmring_timeline *timeline, int64_t ns) {
    pthread_mutex_lock(&timeline->mutex);
    timeline->shift = bounded(timeline->shift + bounded(ns));
    pthread_mutex_unlock(&timeline->mutex);
}

void shmring_timeline_reset(struct shmring_timeline *timeline) {
    pthread_mutex_lock(&timeline->mutex);
    timeline->shift = 0;
    pthread_mutex_unlock(&timeline->mutex);
}
