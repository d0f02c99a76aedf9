/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "futex.h"
#include "mutex.h"
#include "process.h"
#include "reader.h"
#include "testing.h"
#include "versioned.h"

/* There is nothing to sleep on between two segments. */
#define BETWEEN_NS INT64_C(1000000)

static bool reader_lock(struct shmring_reader *r) {
    return fork_lock(&r->mutex, r->generation);
}

/* ---- Life ---- */

static const struct shmring_reader_options default_options = SHMRING_READER_OPTIONS_INIT;

static const char *options_problem(const struct shmring_reader_options *options) {
    if (options->mode != SHMRING_MODE_ALL && options->mode != SHMRING_MODE_LATEST)
        return "no such mode";
    if (options->mode == SHMRING_MODE_LATEST && (options->depth < 1 || options->depth > UINT16_MAX))
        return "depth must be 1 to 65535";
    if (options->lease > SHMRING_MAX_SLOTS)
        return "lease must be 0 to 256";
    return NULL;
}

static struct shmring_reader *reader_new(const char *name,
                                         const struct shmring_reader_options *options) {
    struct shmring_reader *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->copies = copies_new(options->max_copy_bytes);
    if (!r->copies) {
        free(r);
        return NULL;
    }
    pthread_mutex_init(&r->mutex, NULL);
    r->generation = fork_generation();
    r->options = *options;
    memcpy(r->name, name, strlen(name) + 1);
    return r;
}

int shmring_reader_new(const char *name, const struct shmring_reader_options *told,
                       struct shmring_reader **reader, struct shmring_error *error) {
    struct shmring_reader_options options = default_options;
    int result = name_check(name, error);
    if (result < 0)
        return result;
    if (told && versioned_is_set(told))
        versioned_read(&options, sizeof options, told);
    const char *problem = told && !versioned_is_set(told)
                              ? "its options have no struct_size (SHMRING_READER_OPTIONS_INIT)"
                              : options_problem(&options);
    if (problem)
        return error_set(error, -EINVAL, "no reader of ring '%s': %s", name, problem);
    *reader = reader_new(name, &options);
    return *reader ? 0 : error_set(error, -ENOMEM, "no memory for a reader of ring '%s'", name);
}

void reader_detach(struct shmring_reader *r) {
    struct attachment *at = r->at;
    if (!at)
        return;
    if (!segment_is_inherited(at->seg))
        attachment_count(at, &r->stats);
    /* First: a child of a fork() by another thread meanwhile finds nothing that is half gone. */
    r->at = NULL;
    r->is_lost = false;
    attachment_leave(at);
}

void shmring_reader_free(struct shmring_reader *r) {
    if (!r)
        return;
    reader_detach(r);
    segment_unref(r->shared);
    copies_unref(r->copies);
    mutex_end(&r->mutex);
    free(r);
}

void reader_share_mapping(struct shmring_reader *r, struct segment *seg) {
    r->shared = segment_ref(seg);
}

/* Of the word that sleepers sleep on, beside the ring's event. */
enum { INTERRUPTED = 1, LEFT = 2 };

static void lower(struct shmring_reader *r, uint32_t bit) {
    atomic_fetch_and_explicit(&r->interrupted, ~bit, memory_order_relaxed);
}

void shmring_reader_interrupt(struct shmring_reader *r, bool interrupted) {
    if (interrupted)
        futex_interrupt(&r->interrupted, INTERRUPTED);
    else
        lower(r, INTERRUPTED);
}

static bool is_interrupted(struct shmring_reader *r) {
    return atomic_load_explicit(&r->interrupted, memory_order_acquire) & INTERRUPTED;
}

/* ---- Sleeping ---- */

int reader_sleep(struct shmring_reader *r, struct segment *seg, uint32_t event, int64_t slice) {
    static const _Atomic uint32_t silent;
    if (slice <= 0)
        return SHMRING_TIMEOUT;
    if (seg)
        segment_ref(seg);
    else
        event = 0;
    pthread_mutex_unlock(&r->mutex);
    int result = futex_wait(seg ? &seg->header->event : &silent, event, &r->interrupted, slice);
    pthread_mutex_lock(&r->mutex);
    segment_unref(seg);
    return result == -EINTR ? SHMRING_INTERRUPTED : SHMRING_OK;
}

/* Until a frame comes back. RETURNED was read before there was no room. */
static int sleep_for_room(struct shmring_reader *r, uint32_t returned, int64_t slice) {
    if (slice <= 0)
        return TAKE_NO_ROOM;
    pthread_mutex_unlock(&r->mutex);
    int result = copies_wait(r->copies, returned, &r->interrupted, slice);
    pthread_mutex_lock(&r->mutex);
    return result == -EINTR ? SHMRING_INTERRUPTED : TAKE_NOTHING;
}

/* ---- Taking ---- */

static bool must_probe(struct shmring_reader *r) {
    int64_t now = monotonic_ns();
    if (reader_state(r) == STATE_ACTIVE && now < r->next_probe)
        return false;
    r->next_probe = now + PROBE_NS;
    return true;
}

static int look(struct shmring_reader *r, struct shmring_frame **frame,
                struct shmring_error *error) {
    int result = attachment_take(r->at, frame, error);
    if (result == TAKE_NOTHING && attachment_is_over(r->at))
        return SHMRING_ENDED;
    if (result != TAKE_NOTHING || !must_probe(r))
        return result;
    bool alive = segment_has_writer(r->at->seg);
    if (alive)
        r->is_lost = false;
    return reader_at_rest(r, alive, frame, error);
}

static int64_t pause_of(const struct shmring_reader *r) {
    if (reader_state(r) != STATE_SUPERSEDED)
        return PROBE_NS;
    return r->is_lost ? LOOKOUT_NS : BETWEEN_NS;
}

static bool is_end(int result) {
    return result == SHMRING_ENDED || result == SHMRING_CLOSED || result == SHMRING_LOST;
}

/* What a look found there is not the ring's. */
static int cut_off(struct shmring_reader *r, struct shmring_frame **frame,
                   struct shmring_error *error) {
    int result = segment_refuse_cut(r->at->seg, error);
    shmring_frame_release(*frame);
    *frame = NULL;
    reader_detach(r);
    return result;
}

static int take_once(struct shmring_reader *r, int64_t deadline, struct shmring_frame **frame,
                     struct shmring_error *error) {
    struct segment *seg = r->at->seg;
    struct shmring_error why; /* not all of it: that is 500 bytes a frame */
    why.code = 0;
    why.message[0] = 0;
    /* Acquire: read before state and head, so that a change after our look changes it. */
    uint32_t event = atomic_load_explicit(&seg->header->event, memory_order_acquire);
    uint32_t returned = copies_returned(r->copies);
    int result = look(r, frame, &why);
    if (r->at && segment_was_cut(r->at->seg))
        result = cut_off(r, frame, &why);
    if (is_end(result))
        result = reader_conclude(r, result, &why);
    if (result == TAKE_NO_ROOM)
        return sleep_for_room(r, returned, deadline_left(deadline, PROBE_NS));
    if (result != TAKE_NOTHING) {
        if (result != SHMRING_OK)
            error_write(error, why.code, "%s", why.message);
        return result;
    }
    if (!r->at || r->at->seg != seg) /* left or followed: nothing to sleep on was read */
        return TAKE_NOTHING;
    result = reader_sleep(r, seg, event, deadline_left(deadline, pause_of(r)));
    return result == SHMRING_OK ? TAKE_NOTHING : result;
}

static int tell_end(const struct shmring_reader *r, struct shmring_error *error) {
    if (error)
        *error = r->end_error;
    return r->end;
}

/* Who did not wait asks often, before each sleep: that shall cost no system call. */
static const char *why_silent(const struct shmring_reader *r, bool waited) {
    const struct segment *seg = r->at->seg;
    if (r->is_lost)
        return "its writer died, and no other has come";
    if (!waited)
        return "there is none yet";
    if (reader_state(r) == STATE_ACTIVE && !segment_has_names(seg))
        return "somebody removed it from /dev/shm; its writer puts it back with its next frame";
    return "its writer lives but does not publish";
}

/* In TEXT, or without it. */
static const char *describe_wait(const struct shmring_reader *r, bool waited, char text[160]) {
    const struct segment *seg = r->at->seg;
    uint32_t port = atomic_load_explicit(&seg->header->waited_port, memory_order_relaxed);
    int64_t since = atomic_load_explicit(&seg->header->waited_since_ns, memory_order_relaxed);
    char process[SHMRING_PROCESS_NAME];
    if (port == LAYOUT_WAITED_BEFORE && !r->is_lost) {
        snprintf(
            text, 160,
            "it has moved, and its writer waits for a reader that has not followed, for %.1f s",
            (double)elapsed_ns(since) / 1e9);
        return text;
    }
    if (r->is_lost || port == 0 || port > seg->g.max_readers)
        return why_silent(r, waited);
    process_text(process, seg->ctl->port[port - 1].process);
    snprintf(text, 160,
             "its writer waits for another reader, %s (pid %u), which has taken no frame "
             "for %.1f s",
             process, seg->ctl->port[port - 1].pid, (double)elapsed_ns(since) / 1e9);
    return text;
}

static void explain_no_room(const struct shmring_reader *r, struct shmring_error *error) {
    error_set(error, -ENOBUFS,
              "this process holds %llu bytes of copies of ring '%s', and its reader may hold %llu: "
              "release frames, or raise max_copy_bytes",
              (unsigned long long)copies_bytes(r->copies), r->name,
              (unsigned long long)r->copies->most);
}

static int explain(const struct shmring_reader *r, int result, bool waited,
                   struct shmring_error *error) {
    char text[160];
    if (result == SHMRING_TIMEOUT && r->at && error) {
        error_set(error, -ETIMEDOUT, "no frame came from ring '%s': %s", r->name,
                  describe_wait(r, waited, text));
    } else if (result == TAKE_NO_ROOM) {
        explain_no_room(r, error);
        return SHMRING_TIMEOUT;
    } else if (result == SHMRING_LEASE) {
        error_set(error, -EBUSY,
                  "this reader of ring '%s' holds all %u frames of its lease: release some",
                  r->name, r->at->lease);
    } else if (result == SHMRING_INTERRUPTED) {
        error_set(error, -EINTR, "the wait for ring '%s' was interrupted", r->name);
    }
    return result;
}

/* FRAME of NULL: only attaches. */
static int run(struct shmring_reader *r, int64_t timeout_ns, struct shmring_frame **frame,
               struct shmring_error *error) {
    int64_t deadline = deadline_after(timeout_ns);
    uint32_t leaves = r->leaves;
    int result = TAKE_NOTHING;
    lower(r, LEFT);
    while (result == TAKE_NOTHING) {
        if (is_interrupted(r) || r->leaves != leaves)
            result = SHMRING_INTERRUPTED;
        else if (r->end)
            return tell_end(r, error);
        else if (!r->at)
            result = reader_attach(r, deadline, error);
        else if (!frame)
            return SHMRING_OK;
        else
            result = take_once(r, deadline, frame, error);
    }
    return explain(r, result, timeout_ns != 0, error);
}

static uint64_t not_received(const struct shmring_reader *r) {
    struct shmring_reader_stats stats = r->stats;
    if (r->at)
        attachment_count(r->at, &stats);
    return stats.dropped + stats.flushed + stats.withdrawn + stats.skipped;
}

static void mark(struct shmring_reader *r, struct shmring_frame *frame) {
    uint64_t missed = not_received(r);
    frame->missed = missed - r->told;
    frame->is_first = !r->had_frame;
    if (frame->missed)
        frame->info.flags |= SHMRING_FRAME_DISCONT;
    r->is_lost = false;
    r->told = missed;
    r->had_frame = true;
    r->newest = frame->info.seq;
}

int shmring_reader_take(struct shmring_reader *r, int64_t timeout_ns, struct shmring_frame **frame,
                        struct shmring_error *error) {
    *frame = NULL;
    if (!reader_lock(r))
        return fork_refuse("reader", r->name, error);
    int result = run(r, timeout_ns, frame, error);
    if (result == SHMRING_OK)
        mark(r, *frame);
    pthread_mutex_unlock(&r->mutex);
    return result;
}

int shmring_reader_attach(struct shmring_reader *r, int64_t timeout_ns,
                          struct shmring_error *error) {
    if (!reader_lock(r))
        return fork_refuse("reader", r->name, error);
    r->end = 0;
    int result = run(r, timeout_ns, NULL, error);
    pthread_mutex_unlock(&r->mutex);
    return result;
}

/* ---- Other threads ---- */

void shmring_reader_resume(struct shmring_reader *r) {
    if (!reader_lock(r))
        return;
    r->end = 0;
    pthread_mutex_unlock(&r->mutex);
}

void shmring_reader_leave(struct shmring_reader *r) {
    if (!reader_lock(r))
        return;
    r->leaves++;
    reader_detach(r);
    futex_interrupt(&r->interrupted, LEFT);
    pthread_mutex_unlock(&r->mutex);
}

int shmring_reader_request_keyframe(struct shmring_reader *r, int64_t at_ns) {
    if (!reader_lock(r))
        return -ECHILD;
    int result = r->at ? 0 : -ENOTCONN;
    if (r->at)
        attachment_request_key(r->at, at_ns);
    pthread_mutex_unlock(&r->mutex);
    return result;
}

/* ---- What it knows ---- */

static uint64_t lag(const struct attachment *at) {
    uint64_t head = atomic_load_explicit(&at->seg->header->head, memory_order_relaxed);
    return at->answered && head > at->cursor ? head - at->cursor : 0;
}

static void fill_stats(struct shmring_reader *r, struct shmring_reader_stats *stats) {
    *stats = r->stats;
    if (!r->at)
        return;
    attachment_count(r->at, stats);
    stats->lag = lag(r->at);
    stats->held = atomic_load_explicit(&r->at->held, memory_order_relaxed);
    stats->lease = r->at->lease;
    stats->attached = true;
}

void shmring_reader_get_stats(struct shmring_reader *r, struct shmring_reader_stats *told) {
    struct shmring_reader_stats stats = {0};
    if (reader_lock(r)) {
        fill_stats(r, &stats);
        pthread_mutex_unlock(&r->mutex);
    }
    versioned_write(told, &stats, sizeof stats);
}

int shmring_reader_get_info(struct shmring_reader *r, struct shmring_info *told) {
    struct shmring_info info;
    if (!reader_lock(r))
        return -ECHILD;
    int result = r->at ? 0 : -ENOTCONN;
    if (r->at)
        segment_describe(r->at->seg, r->at->seg->header, &info);
    pthread_mutex_unlock(&r->mutex);
    if (result == 0)
        versioned_write(told, &info, sizeof info);
    return result;
}

int64_t shmring_reader_get_latency(struct shmring_reader *r) {
    int64_t latency = SHMRING_TIME_NONE;
    if (!reader_lock(r))
        return latency;
    if (r->at)
        latency = atomic_load_explicit(&r->at->seg->header->latency_ns, memory_order_relaxed);
    pthread_mutex_unlock(&r->mutex);
    return latency;
}

struct segment *reader_segment(struct shmring_reader *r) {
    return r->at ? r->at->seg : NULL;
}
