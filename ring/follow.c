/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reader's way to the ring of its name, and on to the segment that has the name next. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "futex.h"
#include "reader.h"

/* ---- Attaching ---- */

static int check_owner(const struct shmring_reader *r, const struct segment *seg,
                       struct shmring_error *error) {
    char user[64];
    if (r->options.any_owner || seg->owner == geteuid() || seg->owner == 0)
        return 0;
    return error_set(error, -EACCES,
                     "ring '%s' belongs to user %s: to read another user's ring, say so "
                     "(any_owner; shmringsrc any-owner=true)",
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
    if (r->shared)
        segment_borrow_map(seg, r->shared);
    else
        result = segment_map(seg, false);
    if (result >= 0)
        return 0;
    /* EAGAIN is of mlockall(2), whose limit is reached: not a ring that is just starting. */
    return error_set(error, result == -EAGAIN ? -ENOMEM : result, "cannot map ring '%s': %s",
                     seg->name, strerror(-result));
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

static int enter(struct shmring_reader *r, struct segment *seg, struct shmring_error *error) {
    struct attachment_start start = {.copies = r->copies};
    if (memcmp(r->instance, seg->g.instance, sizeof r->instance) == 0)
        start.newest = r->newest;
    memcpy(r->instance, seg->g.instance, sizeof r->instance);
    int result = join(r, seg, &start, &r->at, error);
    if (result < 0)
        return result;
    r->had_frame = false;
    r->stays_since = 0;
    r->end = 0;
    return 0;
}

/* Where a stream ended its next one is heard of at once; a writer that died, in time. */
static int sleep_outside(struct shmring_reader *r, struct segment *seg, uint32_t event,
                         int64_t deadline) {
    struct layout_header now;
    bool has_ended = seg && segment_map_event(seg) == 0 && segment_read_header(seg, &now) == 0 &&
                     atomic_load_explicit(&now.state, memory_order_relaxed) == STATE_ENDED &&
                     segment_has_writer(seg);
    int result = has_ended ? reader_sleep(r, seg, event, deadline_left(deadline, PROBE_NS))
                           : reader_sleep(r, NULL, 0, deadline_left(deadline, LOOKOUT_NS));
    segment_unref(seg);
    return result;
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

int reader_attach(struct shmring_reader *r, int64_t deadline, struct shmring_error *error) {
    struct segment *looked;
    uint32_t event = 0;
    int result = try_attach(r, &looked, &event, error);
    if (result == 0)
        return TAKE_NOTHING;
    if (result != -ENOENT && result != -EAGAIN) {
        segment_unref(looked);
        return result;
    }
    if (error)
        error->code = -ENOENT;
    result = sleep_outside(r, looked, event, deadline);
    return result == SHMRING_OK ? TAKE_NOTHING : result;
}

/* ---- Moving on ---- */

bool reader_is_left_behind(const struct shmring_reader *r) {
    struct layout_header header;
    return segment_ask_writer(r->name, &header) == 0;
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
    const struct attachment_start start = {
        .copies = r->copies, .expected = expected_of(r->at, seg), .wants_key = r->at->wants_key};
    struct attachment *next = NULL;
    int result = join(r, seg, &start, &next, error);
    if (result < 0)
        return result == -EAGAIN ? NOT_YET : result;
    if (is_next_stream(r->at, next)) {
        attachment_leave(next);
        return SHMRING_ENDED;
    }
    reader_detach(r);
    r->at = next;
    r->had_frame = r->had_frame && start.expected > 0;
    memcpy(r->instance, next->seg->g.instance, sizeof r->instance);
    return FOLLOWED;
}

/* Our stream went on in the new segment, and is over: what it had there we did not get. */
static int ended_there(struct shmring_reader *r, const struct layout_header *now) {
    uint64_t end = atomic_load_explicit(&now->head, memory_order_relaxed);
    if (r->at->answered && end > r->at->cursor &&
        r->at->stream == atomic_load_explicit(&now->stream, memory_order_relaxed))
        r->stats.dropped += end - r->at->cursor;
    return SHMRING_ENDED;
}

int reader_follow(struct shmring_reader *r, struct shmring_error *error) {
    struct segment *seg = NULL;
    struct layout_header header;
    if (segment_has_name(r->at->seg))
        return STAYS;
    int result = segment_look(r->name, SEGMENT_ATTACH, &seg, &header, error);
    if (result == -ENOENT)
        return GONE;
    if (result == -EAGAIN)
        return reader_is_left_behind(r) ? GONE : NOT_YET;
    if (result < 0)
        return result;
    uint32_t state = atomic_load_explicit(&header.state, memory_order_relaxed);
    bool alive = segment_has_writer(seg);
    if (alive && state != STATE_ENDED && state != STATE_CLOSED)
        return move_to(r, seg, error);
    if (alive && state == STATE_ENDED && reader_state(r) == STATE_SUPERSEDED)
        result = ended_there(r, &header);
    else
        result = GONE;
    segment_unref(seg);
    return result;
}
