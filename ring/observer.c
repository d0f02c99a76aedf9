/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "frame.h"
#include "futex.h"
#include "mutex.h"

#define PROBE_NS INT64_C(100000000)
/* A writer that laps a copy this often in a row is faster than memory: give the copy a pause. */
#define COPY_TRIES 16
#define OBSERVE_NOTHING 100

struct shmring_observer {
    pthread_mutex_t mutex;        /* seg; never held while sleeping */
    uint32_t generation;          /* fork_generation() when it was made */
    struct segment *seg;          /* of its header one page is mapped, to sleep on */
    _Atomic uint32_t interrupted; /* never raised */
};

static int open_segment(const char *name, struct segment **opened, struct shmring_error *error) {
    struct segment *seg = NULL;
    struct layout_header header;
    int result = segment_look(name, SEGMENT_OBSERVE, &seg, &header, error);
    if (result == -ENOENT)
        return error_set(error, -ENOENT, "there is no ring '%s': is its writer running?", name);
    if (result < 0)
        return result;
    result = segment_map_event(seg);
    if (result == 0)
        *opened = seg;
    else
        segment_unref(seg);
    return result < 0
               ? error_set(error, result, "cannot observe ring '%s': %s", name, strerror(-result))
               : 0;
}

void shmring_observer_close(struct shmring_observer *o) {
    if (!o)
        return;
    segment_unref(o->seg);
    mutex_end(&o->mutex);
    free(o);
}

int shmring_observer_open(const char *name, struct shmring_observer **observer,
                          struct shmring_error *error) {
    int result = name_check(name, error);
    if (result < 0)
        return result;
    struct shmring_observer *o = calloc(1, sizeof *o);
    if (!o)
        return error_set(error, -ENOMEM, "no memory to observe ring '%s'", name);
    pthread_mutex_init(&o->mutex, NULL);
    o->generation = fork_generation();
    result = open_segment(name, &o->seg, error);
    if (result == 0)
        *observer = o;
    else
        shmring_observer_close(o);
    return result;
}

/* ---- The newest frame ---- */

static int unreadable(const struct segment *seg, int result, struct shmring_error *error) {
    if (result == -EPROTO)
        return error_set(error, result, "ring '%s' was cut off", seg->name);
    return error_set(error, result, "cannot read ring '%s': %s", seg->name, strerror(-result));
}

static int read_descriptor(const struct segment *seg, uint64_t seq, uint64_t *descriptor) {
    off_t at = (off_t)(seg->g.ring_offset + (seq & (seg->g.capacity - 1)) * sizeof *descriptor);
    ssize_t got = pread(seg->frames_fd, descriptor, sizeof *descriptor, at);
    return got == sizeof *descriptor ? 0 : got < 0 ? -errno : -EPROTO;
}

static int copy_frame(const struct segment *seg, uint64_t seq, struct shmring_frame **frame,
                      struct shmring_error *error) {
    uint64_t descriptor;
    uint32_t slot;
    int result = read_descriptor(seg, seq, &descriptor);
    if (result < 0)
        return unreadable(seg, result, error);
    if (!segment_slot_of(seg, descriptor, seq, &slot))
        return -EAGAIN;
    return frame_observe(seg, slot, seq, frame, error);
}

static int read_header(const struct segment *seg, struct layout_header *header,
                       struct shmring_error *error) {
    int result = segment_read_header(seg, header);
    return result < 0 ? unreadable(seg, result, error) : 0;
}

/* Newer than AFTER. OBSERVE_NOTHING: none, or torn every time. */
static int copy_newest(const struct segment *seg, uint64_t after, struct shmring_frame **frame,
                       struct shmring_error *error) {
    struct layout_header header;
    int result = -EAGAIN;
    for (int tries = 0; tries < COPY_TRIES && result == -EAGAIN; tries++) {
        result = read_header(seg, &header, error);
        if (result < 0)
            return result;
        uint64_t head = atomic_load_explicit(&header.head, memory_order_relaxed);
        if (head <= seg->g.base || head - 1 <= after)
            return OBSERVE_NOTHING;
        result = copy_frame(seg, head - 1, frame, error);
    }
    return result == -EAGAIN ? OBSERVE_NOTHING : result;
}

/* ---- Where it moved, how it ended ---- */

/* Superseded, or so it seemed, and nothing has the name. */
static int end_without_successor(const struct segment *seg) {
    struct layout_header header;
    if (segment_read_header(seg, &header) < 0)
        return SHMRING_LOST;
    uint32_t state = atomic_load_explicit(&header.state, memory_order_relaxed);
    if (state == STATE_ENDED)
        return SHMRING_ENDED;
    return state == STATE_ACTIVE ? SHMRING_LOST : SHMRING_CLOSED;
}

/* To what has the name now. */
static int follow(struct shmring_observer *o, bool alive, struct shmring_error *error) {
    struct segment *seg = NULL;
    if (segment_has_name(o->seg))
        return alive ? OBSERVE_NOTHING : SHMRING_LOST;
    int result = open_segment(o->seg->name, &seg, error);
    if (result == -ENOENT)
        return alive ? OBSERVE_NOTHING : end_without_successor(o->seg);
    if (result < 0)
        return result == -EAGAIN ? OBSERVE_NOTHING : result;
    struct segment *old = o->seg;
    o->seg = seg; /* first: as in reader_detach */
    segment_unref(old);
    return OBSERVE_NOTHING;
}

/* The writer's lock was asked before the state, the state before the head. */
static int end_of(struct shmring_observer *o, bool alive, uint32_t state,
                  struct shmring_error *error) {
    if (state == STATE_ENDED)
        return SHMRING_ENDED;
    if (state == STATE_CLOSED)
        return SHMRING_CLOSED;
    if (state == STATE_SUPERSEDED || !alive)
        return follow(o, alive, error);
    return OBSERVE_NOTHING;
}

static int look(struct shmring_observer *o, uint64_t after, uint32_t *event,
                struct shmring_frame **frame, struct shmring_error *error) {
    struct layout_header header;
    bool alive = segment_has_writer(o->seg);
    int result = read_header(o->seg, &header, error);
    if (result < 0)
        return result;
    /* Before the state and the head that count: those are read anew. */
    *event = atomic_load_explicit(&header.event, memory_order_relaxed);
    result = read_header(o->seg, &header, error);
    if (result == 0)
        result = copy_newest(o->seg, after, frame, error);
    if (result == OBSERVE_NOTHING)
        result = end_of(o, alive, atomic_load_explicit(&header.state, memory_order_relaxed), error);
    return result;
}

/* Releases the mutex meanwhile. OBSERVE_NOTHING: look again. */
static int sleep_on(struct shmring_observer *o, struct segment *seg, uint32_t event,
                    int64_t slice) {
    if (slice <= 0)
        return SHMRING_TIMEOUT;
    if (o->seg != seg) /* followed to another segment: its event was not read yet */
        return OBSERVE_NOTHING;
    segment_ref(seg);
    pthread_mutex_unlock(&o->mutex);
    int result = futex_wait(&seg->header->event, event, &o->interrupted, slice);
    pthread_mutex_lock(&o->mutex);
    segment_unref(seg);
    return result == -EINTR ? SHMRING_INTERRUPTED : OBSERVE_NOTHING;
}

static int latest_locked(struct shmring_observer *o, uint64_t after, int64_t timeout_ns,
                         struct shmring_frame **frame, struct shmring_error *error) {
    int64_t deadline = deadline_after(timeout_ns);
    int result = OBSERVE_NOTHING;
    while (result == OBSERVE_NOTHING) {
        struct segment *seg = o->seg;
        uint32_t event = 0;
        result = look(o, after, &event, frame, error);
        if (result == OBSERVE_NOTHING)
            result = sleep_on(o, seg, event, deadline_left(deadline, PROBE_NS));
    }
    return result;
}

int shmring_observer_latest(struct shmring_observer *o, uint64_t after, int64_t timeout_ns,
                            struct shmring_frame **frame, struct shmring_error *error) {
    *frame = NULL;
    if (!fork_lock(&o->mutex, o->generation))
        return fork_refuse("observer", o->seg->name, error);
    int result = latest_locked(o, after, timeout_ns, frame, error);
    pthread_mutex_unlock(&o->mutex);
    return result;
}
