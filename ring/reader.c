/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attachment.h"
#include "error.h"
#include "futex.h"
#include "process.h"
#include "testing.h"
#include "versioned.h"

/* How often a reader without frames asks whether its writer lives. */
#define PROBE_NS INT64_C(100000000)
/* There is nothing to sleep on while a name is absent, or between two segments. */
#define LOOKOUT_NS INT64_C(10000000)
#define BETWEEN_NS INT64_C(1000000)
/* A name leads to the new segment at once, or to the old one for ever. */
#define NAME_STAYS_NS INT64_C(2000000000)

struct shmring_reader {
    pthread_mutex_t mutex; /* all below; never held while sleeping */
    uint32_t generation;   /* fork_generation() when it was made */
    _Atomic uint32_t interrupted;
    struct shmring_reader_options options;
    struct attachment *at; /* NULL: not attached */
    struct segment *over;  /* see testing.h */
    uint32_t leaves;       /* counts shmring_reader_leave() */
    int end;               /* SHMRING_ENDED, _CLOSED or _LOST, until it is resumed; else 0 */
    struct shmring_error end_error;
    int64_t next_probe;
    int64_t absent_since; /* no ring, since then; 0: attached */
    int64_t stays_since;  /* superseded, and the name leads to the old segment since then; or 0 */
    bool is_lost;         /* its writer died, and it waits for the next one */
    bool had_frame;       /* of this attachment */
    uint64_t newest;      /* the newest frame it had */
    uint8_t instance[16]; /* of the ring it had that from */
    uint64_t told;        /* of the frames it did not get, those that frames have told of */
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

static void leave(struct shmring_reader *r) {
    if (!r->at)
        return;
    if (!is_inherited(r))
        attachment_count(r->at, &r->stats);
    attachment_leave(r->at);
    r->at = NULL;
    r->is_lost = false;
}

void shmring_reader_free(struct shmring_reader *r) {
    if (!r)
        return;
    leave(r);
    segment_unref(r->over);
    pthread_mutex_destroy(&r->mutex);
    free(r);
}

void reader_share_mapping(struct shmring_reader *r, struct segment *seg) {
    r->over = segment_ref(seg);
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

/* Releases the mutex meanwhile. SEG may be NULL: then only time passes. SHMRING_OK: look again. */
static int sleep_on(struct shmring_reader *r, struct segment *seg, uint32_t event, int64_t slice) {
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

/* Where a stream ended its next one is heard of at once; a writer that died, in time. */
static int sleep_outside(struct shmring_reader *r, struct segment *seg, uint32_t event,
                         int64_t deadline) {
    struct layout_header now;
    bool has_ended = seg && segment_map_event(seg) == 0 && segment_read_header(seg, &now) == 0 &&
                     atomic_load_explicit(&now.state, memory_order_relaxed) == STATE_ENDED &&
                     segment_has_writer(seg);
    int result = has_ended ? sleep_on(r, seg, event, deadline_left(deadline, PROBE_NS))
                           : sleep_on(r, NULL, 0, deadline_left(deadline, LOOKOUT_NS));
    segment_unref(seg);
    return result;
}

/* ---- Attaching ---- */

static int check_owner(const struct shmring_reader *r, const struct segment *seg,
                       struct shmring_error *error) {
    char user[64];
    if (r->options.any_owner || seg->owner == geteuid() || seg->owner == 0)
        return 0;
    return error_set(error, -EACCES,
                     "ring '%s' belongs to user %s: to read another user's ring, say so "
                     "(any_owner)",
                     seg->name, segment_user_text(seg->owner, user));
}

/* What is left under a name until the next writer comes is not a ring to attach to. */
static int check_alive(const struct segment *seg, const struct layout_header *header,
                       struct shmring_error *error) {
    uint32_t state = atomic_load_explicit(&header->state, memory_order_relaxed);
    char writer[64];
    segment_writer_text(header, writer, sizeof writer);
    if (!segment_has_writer(seg))
        return error_set(error, -ENOENT, "ring '%s' was left behind by %s, which died", seg->name,
                         writer);
    if (state == STATE_ENDED || state == STATE_CLOSED)
        return error_set(error, -ENOENT, "the stream of ring '%s' of %s has ended", seg->name,
                         writer);
    return state == STATE_ACTIVE ? 0 : error_set(error, -EAGAIN, "ring '%s' is moving", seg->name);
}

static int map_for(struct shmring_reader *r, struct segment *seg, struct shmring_error *error) {
    int result = 0;
    if (r->over)
        segment_borrow_map(seg, r->over);
    else
        result = segment_map(seg, false);
    return result < 0
               ? error_set(error, result, "cannot map ring '%s': %s", seg->name, strerror(-result))
               : 0;
}

/* Takes SEG's reference. */
static int join(struct shmring_reader *r, struct segment *seg, const struct attachment_start *start,
                struct attachment **joined, struct shmring_error *error) {
    int result = check_owner(r, seg, error);
    if (result == 0)
        result = map_for(r, seg, error);
    if (result == 0)
        return attachment_join(seg, &r->options, start, joined, error);
    segment_unref(seg);
    return result;
}

static void forget_end(struct shmring_reader *r) {
    r->end = 0;
    r->absent_since = 0;
}

static int enter(struct shmring_reader *r, struct segment *seg, struct shmring_error *error) {
    struct attachment_start start = {0};
    if (memcmp(r->instance, seg->g.instance, sizeof r->instance) == 0)
        start.newest = r->newest;
    memcpy(r->instance, seg->g.instance, sizeof r->instance);
    int result = join(r, seg, &start, &r->at, error);
    if (result < 0)
        return result;
    r->had_frame = false;
    r->stays_since = 0;
    forget_end(r);
    return 0;
}

/* 0; -ENOENT or -EAGAIN: not now, and LOOKED (may be NULL) is what has the name; or an error. */
static int try_attach(struct shmring_reader *r, struct segment **looked, uint32_t *event,
                      struct shmring_error *error) {
    struct layout_header header;
    *looked = NULL;
    int result = segment_look(r->name, SEGMENT_ATTACH, looked, &header, error);
    if (result == -ENOENT)
        return error_set(error, -ENOENT, "there is no ring '%s': is its writer running?", r->name);
    if (result == -EAGAIN)
        return error_set(error, -EAGAIN,
                         "ring '%s' has no .ctl that belongs to it: its writer is just starting, "
                         "or somebody removed it",
                         r->name);
    if (result < 0)
        return result;
    *event = atomic_load_explicit(&header.event, memory_order_relaxed);
    result = check_alive(*looked, &header, error);
    if (result < 0)
        return result;
    struct segment *seg = *looked;
    *looked = NULL;
    return enter(r, seg, error);
}

static bool gave_up(struct shmring_reader *r, int64_t now) {
    int64_t most = r->options.attach_timeout_ns;
    r->absent_since = r->absent_since ? r->absent_since : now;
    return most >= 0 && now - r->absent_since >= most;
}

static int64_t attach_deadline(const struct shmring_reader *r, int64_t deadline) {
    int64_t most = r->options.attach_timeout_ns;
    if (most < 0 || most >= INT64_MAX - r->absent_since || r->absent_since + most > deadline)
        return deadline;
    return r->absent_since + most;
}

/* TAKE_NOTHING: look again, also when attached. */
static int attach_once(struct shmring_reader *r, int64_t deadline, struct shmring_error *error) {
    struct segment *looked;
    uint32_t event = 0;
    struct shmring_error found = {0};
    int result = try_attach(r, &looked, &event, &found);
    if (result == 0)
        return TAKE_NOTHING;
    if (error)
        *error = found;
    if (result != -ENOENT && result != -EAGAIN) {
        segment_unref(looked);
        return result;
    }
    if (error)
        error->code = -ENOENT;
    if (gave_up(r, monotonic_ns())) {
        segment_unref(looked);
        r->absent_since = 0;
        return SHMRING_NO_RING;
    }
    result = sleep_outside(r, looked, event, attach_deadline(r, deadline));
    if (result == SHMRING_TIMEOUT && attach_deadline(r, deadline) < deadline)
        return TAKE_NOTHING;
    return result == SHMRING_OK ? TAKE_NOTHING : result;
}

/* ---- Moving on ---- */

enum follow { FOLLOWED = 200, NOT_YET, STAYS, GONE };

/* A half-made pair of a writer that died while it made it. */
static bool is_abandoned(const struct shmring_reader *r) {
    struct segment *seg = NULL;
    struct layout_header header;
    if (segment_look(r->name, SEGMENT_OBSERVE, &seg, &header, NULL) < 0)
        return false;
    bool abandoned = !segment_has_writer(seg);
    segment_unref(seg);
    return abandoned;
}

/* The new one belongs to a stream that we did not attach to. */
static bool is_next_stream(const struct attachment *old, const struct attachment *new) {
    return old->answered &&
           old->stream != atomic_load_explicit(&new->seg->header->stream, memory_order_relaxed);
}

/* A ring that begins before the frame that we expect is not what ours became: somebody removed
 * that. */
static uint64_t expected_of(const struct attachment *old, const struct segment *new) {
    return new->g.base >= old->cursor ? old->cursor : 0;
}

static int move_to(struct shmring_reader *r, struct segment *seg, struct shmring_error *error) {
    const struct attachment_start start = {.expected = expected_of(r->at, seg),
                                           .wants_key = r->at->wants_key};
    struct attachment *next = NULL;
    int result = join(r, seg, &start, &next, error);
    if (result < 0)
        return result == -EAGAIN ? NOT_YET : result;
    if (is_next_stream(r->at, next)) {
        attachment_leave(next);
        return SHMRING_ENDED;
    }
    leave(r);
    r->at = next;
    r->had_frame = r->had_frame && start.expected > 0;
    memcpy(r->instance, next->seg->g.instance, sizeof r->instance);
    return FOLLOWED;
}

static uint32_t state_of(const struct shmring_reader *r) {
    /* Acquire: pairs with set_state in writer.c; the head read after it is the last. */
    return atomic_load_explicit(&r->at->seg->header->state, memory_order_acquire);
}

/* Our stream went on in the new segment, and is over: what it had there we did not get. */
static int ended_there(struct shmring_reader *r, const struct layout_header *now) {
    uint64_t end = atomic_load_explicit(&now->head, memory_order_relaxed);
    if (r->at->answered && end > r->at->cursor &&
        r->at->stream == atomic_load_explicit(&now->stream, memory_order_relaxed))
        r->stats.dropped += end - r->at->cursor;
    return SHMRING_ENDED;
}

/* To the segment that has the name now; we leave ours last. Every call looks anew. */
static int follow(struct shmring_reader *r, struct shmring_error *error) {
    struct segment *seg = NULL;
    struct layout_header header;
    if (segment_has_name(r->at->seg))
        return STAYS;
    int result = segment_look(r->name, SEGMENT_ATTACH, &seg, &header, error);
    if (result == -ENOENT)
        return GONE;
    if (result == -EAGAIN)
        return is_abandoned(r) ? GONE : NOT_YET;
    if (result < 0)
        return result;
    uint32_t state = atomic_load_explicit(&header.state, memory_order_relaxed);
    bool alive = segment_has_writer(seg);
    if (alive && state != STATE_ENDED && state != STATE_CLOSED)
        return move_to(r, seg, error);
    if (alive && state == STATE_ENDED && state_of(r) == STATE_SUPERSEDED)
        result = ended_there(r, &header);
    else
        result = GONE;
    segment_unref(seg);
    return result;
}

/* ---- Ends ---- */

static int lost(struct shmring_reader *r, struct shmring_error *error) {
    char writer[64];
    segment_writer_text(r->at->seg->header, writer, sizeof writer);
    error_set(error, -EPIPE, "the writer of ring '%s', %s, died", r->name, writer);
    return SHMRING_LOST;
}

static int name_stays(struct shmring_reader *r, struct shmring_error *error) {
    int64_t now = monotonic_ns();
    r->stays_since = r->stays_since ? r->stays_since : now;
    if (now - r->stays_since < NAME_STAYS_NS)
        return TAKE_NOTHING;
    r->stays_since = 0;
    return error_set(error, -ESTALE,
                     "ring '%s' has moved, and its name still leads to where it was: is a single "
                     "file of /dev/shm mounted into a container? Mount the folder, or share it "
                     "(--ipc)",
                     r->name);
}

/* Its writer lives, or did when it was asked. */
static int superseded(struct shmring_reader *r, bool alive, struct shmring_error *error) {
    int result = follow(r, error);
    if (result == STAYS)
        return alive ? name_stays(r, error) : lost(r, error);
    r->stays_since = 0;
    if (result == FOLLOWED || result == NOT_YET)
        return TAKE_NOTHING;
    if (result != GONE)
        return result;
    /* The successor's end is written to us too, where we were all it had to say it to. */
    if (state_of(r) == STATE_ENDED)
        return SHMRING_ENDED;
    return alive ? TAKE_NOTHING : SHMRING_CLOSED;
}

/* The writer's byte is free, and the state says that it goes on. */
static int orphaned(struct shmring_reader *r, struct shmring_error *error) {
    int result = follow(r, error);
    if (result == FOLLOWED || result == NOT_YET)
        return TAKE_NOTHING;
    if (result != STAYS && result != GONE)
        return result;
    /* Another writer may just have taken it over. */
    if (result == STAYS && segment_has_writer(r->at->seg))
        return TAKE_NOTHING;
    return lost(r, error);
}

static int shut_out(struct shmring_reader *r, struct shmring_error *error) {
    leave(r);
    return error_set(
        error, -ECONNRESET,
        "the writer of ring '%s' shut this reader out: its part of %s.ctl held what no "
        "reader writes. Read on to attach anew",
        r->name, r->name);
}

/*
 * Nothing to take. The writer's lock was asked before the state, the state before the frames, or
 * the last frame and a clean end would be lost.
 */
static int at_rest(struct shmring_reader *r, bool alive, struct shmring_frame **frame,
                   struct shmring_error *error) {
    uint32_t state = state_of(r);
    int result = attachment_take(r->at, frame, error);
    if (result != TAKE_NOTHING)
        return result;
    if (attachment_is_over(r->at))
        return SHMRING_ENDED;
    if (attachment_is_banned(r->at))
        return shut_out(r, error);
    if (state == STATE_CLOSED)
        return SHMRING_CLOSED;
    if (state == STATE_ENDED)
        return alive ? TAKE_NOTHING : SHMRING_ENDED;
    if (state == STATE_SUPERSEDED)
        return superseded(r, alive, error);
    return alive ? TAKE_NOTHING : orphaned(r, error);
}

/* For another writer, as for a ring of the name. */
static int waited_in_vain(struct shmring_reader *r, struct shmring_error *error) {
    if (!gave_up(r, monotonic_ns()))
        return TAKE_NOTHING;
    leave(r);
    forget_end(r);
    error->code = -ENOENT;
    return SHMRING_NO_RING;
}

/* What to do at an end: tell it, until the caller says go on, or wait for what comes. */
static int conclude(struct shmring_reader *r, int end, struct shmring_error *error) {
    bool goes_on = r->options.go_on_after >> end & 1;
    if (goes_on && end == SHMRING_LOST && segment_has_name(r->at->seg)) {
        r->is_lost = true; /* another writer may take the ring over as it lies, with our place */
        return waited_in_vain(r, error);
    }
    leave(r);
    if (goes_on)
        return TAKE_NOTHING;
    r->end = end;
    r->end_error = (struct shmring_error){0};
    if (end == SHMRING_LOST)
        r->end_error = *error;
    else
        error_set(&r->end_error, -EPIPE,
                  end == SHMRING_ENDED
                      ? "the stream of ring '%s' has ended"
                      : "the writer of ring '%s' stopped without ending its stream",
                  r->name);
    return end;
}

/* ---- Taking ---- */

static bool must_probe(struct shmring_reader *r) {
    int64_t now = monotonic_ns();
    if (state_of(r) == STATE_ACTIVE && now < r->next_probe)
        return false;
    r->next_probe = now + PROBE_NS;
    return true;
}

static void found_again(struct shmring_reader *r) {
    r->is_lost = false;
    r->absent_since = 0;
}

static int look(struct shmring_reader *r, struct shmring_frame **frame,
                struct shmring_error *error) {
    int result = attachment_take(r->at, frame, error);
    if (result == TAKE_NOTHING && attachment_is_over(r->at))
        return SHMRING_ENDED;
    if (result != TAKE_NOTHING || !must_probe(r))
        return result;
    bool alive = segment_has_writer(r->at->seg);
    if (alive && r->is_lost)
        found_again(r);
    return at_rest(r, alive, frame, error);
}

static int64_t pause_of(const struct shmring_reader *r) {
    return state_of(r) == STATE_SUPERSEDED ? BETWEEN_NS : PROBE_NS;
}

static bool is_end(int result) {
    return result == SHMRING_ENDED || result == SHMRING_CLOSED || result == SHMRING_LOST;
}

static int take_once(struct shmring_reader *r, int64_t deadline, struct shmring_frame **frame,
                     struct shmring_error *error) {
    struct segment *seg = r->at->seg;
    struct shmring_error why = {0};
    /* Acquire: read before state and head, so that a change after our look changes it. */
    uint32_t event = atomic_load_explicit(&seg->header->event, memory_order_acquire);
    int result = look(r, frame, &why);
    if (is_end(result))
        result = conclude(r, result, &why);
    if (result != TAKE_NOTHING) {
        if (error)
            *error = why;
        return result;
    }
    if (!r->at || r->at->seg != seg) /* left or followed: nothing to sleep on was read */
        return TAKE_NOTHING;
    result = sleep_on(r, seg, event, deadline_left(deadline, pause_of(r)));
    return result == SHMRING_OK ? TAKE_NOTHING : result;
}

static int tell_end(const struct shmring_reader *r, struct shmring_error *error) {
    if (error)
        *error = r->end_error;
    return r->end;
}

static void describe_wait(const struct shmring_reader *r, char *text, size_t size) {
    const struct segment *seg = r->at->seg;
    uint32_t waited = atomic_load_explicit(&seg->header->waited_port, memory_order_relaxed);
    int64_t since = atomic_load_explicit(&seg->header->waited_since_ns, memory_order_relaxed);
    char process[SHMRING_PROCESS_NAME];
    if (r->is_lost || waited == 0 || waited > seg->g.max_readers) {
        snprintf(text, size, "%s",
                 r->is_lost ? "its writer died, and no other has come"
                            : "its writer lives but does not publish");
        return;
    }
    process_text(process, seg->ctl->port[waited - 1].process);
    snprintf(text, size,
             "its writer waits for another reader, %s (pid %u), which has taken no frame "
             "for %.1f s",
             process, seg->ctl->port[waited - 1].pid, (double)elapsed_ns(since) / 1e9);
}

static int explain(const struct shmring_reader *r, int result, struct shmring_error *error) {
    char why[160];
    if (result == SHMRING_TIMEOUT && r->at) {
        describe_wait(r, why, sizeof why);
        error_set(error, -ETIMEDOUT, "no frame came from ring '%s': %s", r->name, why);
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
            result = attach_once(r, deadline, error);
        else if (!frame)
            return SHMRING_OK;
        else
            result = take_once(r, deadline, frame, error);
    }
    return explain(r, result, error);
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
    if (r->is_lost)
        found_again(r);
    r->told = missed;
    r->had_frame = true;
    r->newest = frame->info.seq;
}

int shmring_reader_take(struct shmring_reader *r, int64_t timeout_ns, struct shmring_frame **frame,
                        struct shmring_error *error) {
    *frame = NULL;
    if (is_inherited(r))
        return not_ours(r, error);
    pthread_mutex_lock(&r->mutex);
    int result = run(r, timeout_ns, frame, error);
    if (result == SHMRING_OK)
        mark(r, *frame);
    pthread_mutex_unlock(&r->mutex);
    return result;
}

int shmring_reader_attach(struct shmring_reader *r, int64_t timeout_ns,
                          struct shmring_error *error) {
    if (is_inherited(r))
        return not_ours(r, error);
    pthread_mutex_lock(&r->mutex);
    forget_end(r);
    int result = run(r, timeout_ns, NULL, error);
    pthread_mutex_unlock(&r->mutex);
    return result;
}

/* ---- Other threads ---- */

void shmring_reader_resume(struct shmring_reader *r) {
    if (is_inherited(r))
        return;
    pthread_mutex_lock(&r->mutex);
    forget_end(r);
    pthread_mutex_unlock(&r->mutex);
}

void shmring_reader_leave(struct shmring_reader *r) {
    if (is_inherited(r))
        return;
    pthread_mutex_lock(&r->mutex);
    r->leaves++;
    leave(r);
    futex_interrupt(&r->interrupted, LEFT);
    pthread_mutex_unlock(&r->mutex);
}

int shmring_reader_request_keyframe(struct shmring_reader *r, int64_t at_ns) {
    if (is_inherited(r))
        return -ECHILD;
    pthread_mutex_lock(&r->mutex);
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
    if (!is_inherited(r)) {
        pthread_mutex_lock(&r->mutex);
        fill_stats(r, &stats);
        pthread_mutex_unlock(&r->mutex);
    }
    versioned_write(told, &stats, sizeof stats);
}

int shmring_reader_get_info(struct shmring_reader *r, struct shmring_info *told) {
    struct shmring_info info;
    if (is_inherited(r))
        return -ECHILD;
    pthread_mutex_lock(&r->mutex);
    int result = r->at ? 0 : -ENOTCONN;
    if (r->at)
        segment_describe(r->at->seg, r->at->seg->header, &info);
    pthread_mutex_unlock(&r->mutex);
    if (result == 0)
        versioned_write(told, &info, sizeof info);
    return result;
}

struct segment *reader_segment(struct shmring_reader *r) {
    return r->at ? r->at->seg : NULL;
}
