/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>

#include "error.h"
#include "frame.h"
#include "futex.h"

#define PROBE_NS INT64_C(100000000)
/* A writer that laps a copy this often in a row is faster than memory: give the copy a pause. */
#define COPY_TRIES 16
#define OBSERVE_NOTHING 100

struct shmring_observer {
    struct segment *seg;
    _Atomic uint32_t interrupted; /* never raised */
};

static int open_segment(const char *name, struct segment **seg, struct shmring_error *error) {
    int result = segment_open(name, SEGMENT_OBSERVE, NULL, seg, error);
    if (result == -ENOENT)
        return error_set(error, -ENOENT, "there is no ring '%s': is its writer running?", name);
    return result;
}

int shmring_observer_open(const char *name, struct shmring_observer **observer,
                          struct shmring_error *error) {
    int result = name_check(name, error);
    if (result < 0)
        return result;
    struct shmring_observer *o = calloc(1, sizeof *o);
    if (!o)
        return error_set(error, -ENOMEM, "no memory to observe ring '%s'", name);
    result = open_segment(name, &o->seg, error);
    if (result == 0)
        *observer = o;
    else
        free(o);
    return result;
}

void shmring_observer_close(struct shmring_observer *o) {
    if (!o)
        return;
    segment_unref(o->seg);
    free(o);
}

/* The newest frame, if newer than AFTER. OBSERVE_NOTHING: none, or torn every time. */
static int copy_newest(struct segment *seg, uint64_t after, struct shmring_frame **frame) {
    for (int tries = 0; tries < COPY_TRIES; tries++) {
        /* Acquire, both: pairs with the releases in store_publish. */
        uint64_t head = atomic_load_explicit(&seg->header->head, memory_order_acquire);
        if (head <= seg->g.base || head - 1 <= after)
            return OBSERVE_NOTHING;
        uint64_t descriptor =
            atomic_load_explicit(segment_descriptor(seg, head - 1), memory_order_acquire);
        uint32_t slot = descriptor & 0xffff;
        if (descriptor >> 16 != head - 1 || slot >= seg->g.slots)
            continue;
        int result = frame_copy(seg, slot, head - 1, frame);
        if (result != -EAGAIN)
            return result;
    }
    return OBSERVE_NOTHING;
}

/* To what has the name now. */
static int follow(struct shmring_observer *o, struct shmring_error *error) {
    struct segment *seg = NULL;
    int result = open_segment(o->seg->name, &seg, error);
    if (result == -ENOENT)
        return SHMRING_CLOSED;
    if (result < 0)
        return result == -EAGAIN ? OBSERVE_NOTHING : result;
    segment_unref(o->seg);
    o->seg = seg;
    return OBSERVE_NOTHING;
}

/* The writer's lock was asked before the state, the state before the head. */
static int end_of(struct shmring_observer *o, bool alive, uint32_t state,
                  struct shmring_error *error) {
    if (state == STATE_ENDED)
        return SHMRING_ENDED;
    if (state == STATE_CLOSED)
        return SHMRING_CLOSED;
    if (state == STATE_SUPERSEDED || (!alive && !segment_has_name(o->seg)))
        return follow(o, error);
    return alive ? OBSERVE_NOTHING : SHMRING_LOST;
}

static int look(struct shmring_observer *o, uint64_t after, struct shmring_frame **frame,
                struct shmring_error *error) {
    bool alive = segment_has_writer(o->seg);
    uint32_t state = atomic_load_explicit(&o->seg->header->state, memory_order_acquire);
    int result = copy_newest(o->seg, after, frame);
    if (result == OBSERVE_NOTHING)
        result = end_of(o, alive, state, error);
    return result;
}

int shmring_observer_latest(struct shmring_observer *o, uint64_t after, int64_t timeout_ns,
                            struct shmring_frame **frame, struct shmring_error *error) {
    int64_t deadline = deadline_after(timeout_ns);
    *frame = NULL;
    for (;;) {
        uint32_t event = atomic_load_explicit(&o->seg->header->event, memory_order_acquire);
        struct segment *seg = o->seg;
        int result = look(o, after, frame, error);
        int64_t slice = deadline_left(deadline, PROBE_NS);
        if (result != OBSERVE_NOTHING)
            return result;
        if (slice == 0)
            return SHMRING_TIMEOUT;
        if (o->seg == seg &&
            futex_wait(&seg->header->event, event, &o->interrupted, slice) == -EINTR)
            return SHMRING_INTERRUPTED;
    }
}
