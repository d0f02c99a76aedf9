/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "attachment.h"
#include "error.h"
#include "futex.h"
#include "testing.h"

/* How often a reader without frames asks whether its writer lives. */
#define PROBE_NS INT64_C(100000000)
/* There is nothing to sleep on while a name is absent, or between two segments. */
#define LOOKOUT_NS INT64_C(10000000)
#define BETWEEN_NS INT64_C(1000000)

struct shmring_reader {
    pthread_mutex_t mutex; /* all below; never held while sleeping */
    uint32_t generation;   /* fork_generation() when it was made */
    _Atomic uint32_t interrupted;
    struct shmring_reader_options options;
    struct attachment *at; /* NULL: not attached */
    struct segment *over;  /* see testing.h */
    bool between;          /* superseded, and its successor is not there yet */
    int64_t next_probe;
    struct shmring_reader_stats stats; /* of attachments that are over */
    char name[SHMRING_MAX_NAME + 1];
};

static bool is_inherited(const struct shmring_reader *r) {
    return r->generation != fork_generation();
}

static int not_ours(const struct shmring_reader *r, struct shmring_error *error) {
    return error_set(
        error, -ECHILD,
        "this reader of ring '%s' belongs to the parent process: open one after fork()", r->name);
}

/* ---- Life ---- */

static const char *options_problem(const struct shmring_reader_options *options) {
    if (options->mode != SHMRING_MODE_ALL && options->mode != SHMRING_MODE_LATEST)
        return "no such mode";
    if (options->mode == SHMRING_MODE_LATEST && (options->depth < 1 || options->depth > UINT16_MAX))
        return "depth must be 1 to 65535";
    if (options->lease > SHMRING_MAX_SLOTS)
        return "lease must be 0 to 256";
    return NULL;
}

int shmring_reader_new(const char *name, const struct shmring_reader_options *options,
                       struct shmring_reader **reader, struct shmring_error *error) {
    static const struct shmring_reader_options defaults = SHMRING_READER_OPTIONS_INIT;
    options = options ? options : &defaults;
    int result = name_check(name, error);
    if (result < 0)
        return result;
    const char *problem = options_problem(options);
    if (problem)
        return error_set(error, -EINVAL, "no reader of ring '%s': %s", name, problem);
    struct shmring_reader *r = calloc(1, sizeof *r);
    if (!r)
        return error_set(error, -ENOMEM, "no memory for a reader of ring '%s'", name);
    pthread_mutex_init(&r->mutex, NULL);
    r->generation = fork_generation();
    r->options = *options;
    memcpy(r->name, name, strlen(name) + 1);
    *reader = r;
    return 0;
}

static void add_counters(struct shmring_reader_stats *stats, const struct attachment *at) {
    uint64_t flushed = attachment_flushed(at);
    stats->received += at->received;
    stats->copied += at->copied;
    stats->flushed += flushed;
    stats->dropped += at->missed - flushed;
}

static void leave(struct shmring_reader *r) {
    if (!r->at)
        return;
    if (!is_inherited(r))
        add_counters(&r->stats, r->at);
    attachment_leave(r->at);
    r->at = NULL;
}

void shmring_reader_free(struct shmring_reader *r) {
    if (!r)
        return;
    leave(r);
    if (r->over)
        segment_unref(r->over);
    pthread_mutex_destroy(&r->mutex);
    free(r);
}

void reader_share_mapping(struct shmring_reader *r, struct segment *seg) {
    r->over = segment_ref(seg);
}

void shmring_reader_interrupt(struct shmring_reader *r, bool interrupted) {
    futex_interrupt(&r->interrupted, interrupted, NULL);
}

static bool is_interrupted(struct shmring_reader *r) {
    return atomic_load_explicit(&r->interrupted, memory_order_acquire);
}

/* ---- Sleeping ---- */

/* Releases the mutex meanwhile. SEG may be NULL: then only time passes. SHMRING_OK: look again. */
static int sleep_on(struct shmring_reader *r, struct segment *seg, uint32_t event, int64_t slice) {
    static const _Atomic uint32_t silent;
    if (slice == 0)
        return SHMRING_TIMEOUT;
    if (seg)
        segment_ref(seg);
    pthread_mutex_unlock(&r->mutex);
    int result = futex_wait(seg ? &seg->header->event : &silent, event, &r->interrupted, slice);
    pthread_mutex_lock(&r->mutex);
    segment_unref(seg);
    return result == -EINTR ? SHMRING_INTERRUPTED : SHMRING_OK;
}

/* ---- Attaching ---- */

static bool is_active(const struct segment *seg) {
    return atomic_load_explicit(&seg->header->state, memory_order_acquire) == STATE_ACTIVE;
}

/* What is left under a name until the next writer comes is not a ring to attach to. */
static int check_alive(struct segment *seg, struct shmring_error *error) {
    char writer[64];
    segment_writer_text(seg->header, writer, sizeof writer);
    if (!segment_has_writer(seg))
        return error_set(error, -ENOENT, "ring '%s' was left behind by %s, which died", seg->name,
                         writer);
    if (!is_active(seg))
        return error_set(error, -ENOENT, "ring '%s' of %s has ended", seg->name, writer);
    return 0;
}

/* 0; -ENOENT or -EAGAIN: not now; or an error. */
static int try_attach(struct shmring_reader *r, struct shmring_error *error) {
    struct segment *seg = NULL;
    int result = segment_open(r->name, SEGMENT_ATTACH, r->over, &seg, error);
    if (result == -ENOENT)
        return error_set(error, -ENOENT, "there is no ring '%s': is its writer running?", r->name);
    if (result == -EAGAIN)
        return error_set(error, -EAGAIN,
                         "ring '%s' has no .ctl that belongs to it: its writer is just starting, "
                         "or somebody removed it",
                         r->name);
    if (result < 0)
        return result;
    result = check_alive(seg, error);
    if (result == 0)
        return attachment_join(seg, &r->options, 0, &r->at, error);
    segment_unref(seg);
    return result;
}

static int attach_locked(struct shmring_reader *r, int64_t timeout_ns,
                         struct shmring_error *error) {
    int64_t deadline = deadline_after(timeout_ns);
    int result = SHMRING_OK;
    while (result == SHMRING_OK && !r->at) {
        if (is_interrupted(r))
            return SHMRING_INTERRUPTED;
        int tried = try_attach(r, error);
        if (tried == -ENOENT || tried == -EAGAIN)
            result = sleep_on(r, NULL, 0, deadline_left(deadline, LOOKOUT_NS));
        else
            result = tried;
    }
    r->between = false;
    return result;
}

int shmring_reader_attach(struct shmring_reader *r, int64_t timeout_ns,
                          struct shmring_error *error) {
    if (is_inherited(r))
        return not_ours(r, error);
    pthread_mutex_lock(&r->mutex);
    int result = attach_locked(r, timeout_ns, error);
    pthread_mutex_unlock(&r->mutex);
    return result;
}

/* ---- Taking ---- */

/* To the segment that superseded ours; we leave ours last. TAKE_NOTHING: it is not there yet. */
static int follow(struct shmring_reader *r, struct shmring_error *error) {
    struct segment *seg = NULL;
    struct attachment *next = NULL;
    r->between = true;
    int result = segment_open(r->name, SEGMENT_ATTACH, NULL, &seg, error);
    if (result == -ENOENT) /* came and went */
        return SHMRING_CLOSED;
    if (result == 0 && seg->inode == r->at->seg->inode && seg->device == r->at->seg->device) {
        segment_unref(seg);
        result = -EAGAIN;
    } else if (result == 0) {
        result = attachment_join(seg, &r->options, r->at->cursor, &next, error);
    }
    if (result < 0)
        return result == -EAGAIN ? TAKE_NOTHING : result;
    leave(r);
    r->at = next;
    r->between = false;
    return TAKE_NOTHING;
}

static int lost(struct shmring_reader *r, struct shmring_error *error) {
    char writer[64];
    segment_writer_text(r->at->seg->header, writer, sizeof writer);
    error_set(error, -EPIPE, "the writer of ring '%s', %s, died", r->name, writer);
    return SHMRING_LOST;
}

/* Nothing to take, and the state says that nothing will come. */
static int at_the_end(struct shmring_reader *r, uint32_t state, struct shmring_error *error) {
    if (state == STATE_ENDED)
        return SHMRING_ENDED;
    if (state == STATE_CLOSED)
        return SHMRING_CLOSED;
    int result = follow(r, error);
    if (result != SHMRING_CLOSED)
        return result;
    /* The successor's end is written to us too, where we were all it had to say it to. */
    state = atomic_load_explicit(&r->at->seg->header->state, memory_order_acquire);
    if (state == STATE_ACTIVE) /* nobody superseded it: the name was removed by hand */
        return lost(r, error);
    return state == STATE_ENDED ? SHMRING_ENDED : SHMRING_CLOSED;
}

static int look(struct shmring_reader *r, struct shmring_frame **frame,
                struct shmring_error *error) {
    int result = attachment_take(r->at, frame);
    if (result != TAKE_NOTHING)
        return result;
    /* Acquire: pairs with set_state in writer.c; the head read after it is the last. */
    uint32_t state = atomic_load_explicit(&r->at->seg->header->state, memory_order_acquire);
    if (state == STATE_ACTIVE)
        return TAKE_NOTHING;
    result = attachment_take(r->at, frame);
    return result == TAKE_NOTHING ? at_the_end(r, state, error) : result;
}

/* Asks, now and then, whether the writer lives: its lock first, then state and head once more, or
 * the last frame and a clean end are lost. */
static int probe(struct shmring_reader *r, struct shmring_frame **frame,
                 struct shmring_error *error) {
    int64_t now = monotonic_ns();
    if (now < r->next_probe)
        return TAKE_NOTHING;
    r->next_probe = now + PROBE_NS;
    if (segment_has_writer(r->at->seg))
        return TAKE_NOTHING;
    int result = look(r, frame, error);
    if (result != TAKE_NOTHING || r->between || !is_active(r->at->seg))
        return result;
    if (!segment_has_writer(r->at->seg))
        return segment_has_name(r->at->seg) ? lost(r, error)
                                            : at_the_end(r, STATE_SUPERSEDED, error);
    return TAKE_NOTHING;
}

static int take_once(struct shmring_reader *r, int64_t deadline, struct shmring_frame **frame,
                     struct shmring_error *error) {
    struct segment *seg = r->at->seg;
    /* Acquire: read before state and head, so that a change after our look changes it. */
    uint32_t event = atomic_load_explicit(&seg->header->event, memory_order_acquire);
    int result = look(r, frame, error);
    if (result == TAKE_NOTHING)
        result = probe(r, frame, error);
    if (result != TAKE_NOTHING)
        return result;
    if (r->at->seg != seg) /* followed to another segment: its event was not read yet */
        return TAKE_NOTHING;
    result = sleep_on(r, seg, event, deadline_left(deadline, r->between ? BETWEEN_NS : PROBE_NS));
    return result == SHMRING_OK ? TAKE_NOTHING : result;
}

static bool is_end(int result) {
    return result == SHMRING_ENDED || result == SHMRING_CLOSED || result == SHMRING_LOST;
}

static int take_locked(struct shmring_reader *r, int64_t timeout_ns, struct shmring_frame **frame,
                       struct shmring_error *error) {
    int64_t deadline = deadline_after(timeout_ns);
    int result = TAKE_NOTHING;
    while (result == TAKE_NOTHING) {
        if (is_interrupted(r))
            return SHMRING_INTERRUPTED;
        if (!r->at)
            return error_set(error, -ENOTCONN, "not attached to ring '%s'", r->name);
        result = take_once(r, deadline, frame, error);
    }
    if (is_end(result))
        leave(r);
    if (result == -EPROTO)
        error_set(error, result, "a frame of ring '%s' has a damaged header: skipped", r->name);
    return result;
}

int shmring_reader_take(struct shmring_reader *r, int64_t timeout_ns, struct shmring_frame **frame,
                        struct shmring_error *error) {
    *frame = NULL;
    if (is_inherited(r))
        return not_ours(r, error);
    pthread_mutex_lock(&r->mutex);
    int result = take_locked(r, timeout_ns, frame, error);
    pthread_mutex_unlock(&r->mutex);
    return result;
}

/* ---- What it knows ---- */

static uint64_t lag(const struct attachment *at) {
    uint64_t head = atomic_load_explicit(&at->seg->header->head, memory_order_relaxed);
    return at->answered && head > at->cursor ? head - at->cursor : 0;
}

void shmring_reader_get_stats(struct shmring_reader *r, struct shmring_reader_stats *stats) {
    *stats = (struct shmring_reader_stats){0};
    if (is_inherited(r))
        return;
    pthread_mutex_lock(&r->mutex);
    *stats = r->stats;
    if (r->at) {
        add_counters(stats, r->at);
        stats->lag = lag(r->at);
        stats->held = atomic_load_explicit(&r->at->held, memory_order_relaxed);
        stats->lease = r->at->lease;
    }
    pthread_mutex_unlock(&r->mutex);
}

int shmring_reader_get_info(struct shmring_reader *r, struct shmring_info *info) {
    if (is_inherited(r))
        return -ECHILD;
    pthread_mutex_lock(&r->mutex);
    int result = r->at ? 0 : -ENOTCONN;
    if (r->at)
        segment_describe(r->at->seg, info);
    pthread_mutex_unlock(&r->mutex);
    return result;
}

struct segment *reader_segment(struct shmring_reader *r) {
    return r->at ? r->at->seg : NULL;
}
