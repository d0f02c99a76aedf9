/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reader's next frame at its segment: the claim under the cursor, taken in place or copied. */
#include <errno.h>

#include "attachment.h"
#include "frame.h"

/* ---- Claims ---- */

static bool claim_moves(struct attachment *at, uint32_t slot, enum layout_claim from, uint64_t to) {
    uint64_t claim = claim_word(at->cursor, from);
    /* Acquire: the slot's content is what the offer announced. Release: what we did with the slot
     * before, in an earlier frame or in this copy, is done. Failed, acquire: the writer counted
     * why before it took the claim back. */
    return atomic_compare_exchange_strong_explicit(&attachment_port(at)->claim[slot], &claim, to,
                                                   memory_order_acq_rel, memory_order_acquire);
}

static bool is_offered(const struct attachment *at, uint32_t slot) {
    const _Atomic uint64_t *claim = &attachment_port(at)->claim[slot];
    /* Acquire: as in claim_moves, when it is gone. */
    return atomic_load_explicit(claim, memory_order_acquire) ==
           claim_word(at->cursor, CLAIM_OFFERED);
}

static void release_claim(struct attachment *at, uint32_t slot) {
    /* Release: our reads are done before the writer sees the slot free. */
    atomic_store_explicit(&attachment_port(at)->claim[slot], 0, memory_order_release);
    segment_ring_doorbell(at->seg);
}

static void give_back(void *holder, uint32_t slot) {
    struct attachment *at = holder;
    release_claim(at, slot);
    atomic_fetch_sub_explicit(&at->held, 1, memory_order_relaxed);
    copies_tell(at->copies);
    attachment_unref(at);
}

/* ---- Missing ---- */

static uint64_t part_of(uint64_t *counted, const _Atomic uint64_t *told, uint64_t frames) {
    uint64_t more = atomic_load_explicit(told, memory_order_relaxed) - *counted;
    if (more > UINT32_MAX) /* fewer than before: no writer says so */
        return 0;
    more = more < frames ? more : frames;
    *counted += more;
    return more;
}

/* By what the writer says that it took back; whatever else is gone was too old. */
static void miss(struct attachment *at, uint64_t frames) {
    struct layout_answer *answer = attachment_answer(at);
    if (at->answered) {
        frames -= part_of(&at->flushed, &answer->flushed, frames);
        frames -= part_of(&at->withdrawn, &answer->withdrawn, frames);
    }
    at->dropped += frames;
    atomic_store_explicit(&attachment_port(at)->dropped, at->dropped, memory_order_relaxed);
}

/* ---- Taking ---- */

static bool is_answered(struct attachment *at) {
    struct layout_answer *answer = attachment_answer(at);
    if (at->answered)
        return true;
    /* Acquire: pairs with the release in ports.c, so that the rest is this epoch's. */
    if (atomic_load_explicit(&answer->epoch, memory_order_acquire) != at->epoch)
        return false;
    uint64_t first = atomic_load_explicit(&answer->first, memory_order_relaxed);
    if (at->cursor && first > at->cursor)
        miss(at, first - at->cursor);
    at->cursor = first;
    at->stream = atomic_load_explicit(&answer->stream, memory_order_relaxed);
    at->answered = true;
    return true;
}

static void step(struct attachment *at, uint64_t frames) {
    at->cursor += frames;
    atomic_store_explicit(&attachment_port(at)->cursor, at->cursor, memory_order_relaxed);
}

static int take_view(struct attachment *at, uint32_t slot, struct shmring_frame **frame,
                     struct shmring_error *error) {
    if (!claim_moves(at, slot, CLAIM_OFFERED, claim_word(at->cursor, CLAIM_TAKEN)))
        return -EAGAIN;
    int result = frame_view(at->seg, slot, at->cursor, give_back, at, frame, error);
    if (result < 0) {
        release_claim(at, slot);
        return result;
    }
    atomic_fetch_add_explicit(&at->held, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&at->refs, 1, memory_order_relaxed);
    return SHMRING_OK;
}

/* Beyond the lease nothing may be held: the writer may take the claim back while the copy is made,
 * which then is thrown away, whatever came of it. */
static int take_copy(struct attachment *at, uint32_t slot, struct shmring_frame **frame,
                     struct shmring_error *error) {
    if (!claim_moves(at, slot, CLAIM_OFFERED, claim_word(at->cursor, CLAIM_COPYING)))
        return -EAGAIN;
    int result = frame_copy(at->seg, slot, at->cursor, frame, error);
    bool was_ours = claim_moves(at, slot, CLAIM_COPYING, 0);
    segment_ring_doorbell(at->seg);
    if (was_ours && result == 0)
        frame_count_copy(*frame, at->copies);
    if (was_ours || result == -ENOMEM)
        return result;
    shmring_frame_release(*frame);
    *frame = NULL;
    return -EAGAIN;
}

/* Where the frame at the cursor lies. Next streams are none of ours, and may have gone over its
 * descriptor: then the claim tells. */
static bool find_slot(const struct attachment *at, uint32_t *found) {
    /* Acquire: as that of head; a descriptor may be newer than the head we saw. */
    uint64_t descriptor =
        atomic_load_explicit(segment_descriptor(at->seg, at->cursor), memory_order_acquire);
    if (segment_slot_of(at->seg, descriptor, at->cursor, found))
        return true;
    for (*found = 0; *found < at->seg->g.slots; ++*found) {
        if (is_offered(at, *found))
            return true;
    }
    return false;
}

/* One step of the cursor. -EAGAIN: that frame is gone, look at the next. */
static int take_at_cursor(struct attachment *at, struct shmring_frame **frame,
                          struct shmring_error *error) {
    uint32_t slot;
    bool view = atomic_load_explicit(&at->held, memory_order_relaxed) < at->lease;
    if (!find_slot(at, &slot))
        return -EAGAIN;
    if (at->cursor <= at->newest) { /* we are past it */
        if (claim_moves(at, slot, CLAIM_OFFERED, 0))
            segment_ring_doorbell(at->seg);
        return -EAGAIN;
    }
    if (view)
        return take_view(at, slot, frame, error);
    if (at->options.views_only)
        return SHMRING_LEASE;
    if (copies_have_room(at->copies))
        return take_copy(at, slot, frame, error);
    return is_offered(at, slot) ? TAKE_NO_ROOM : -EAGAIN;
}

static void count_received(struct attachment *at, const struct shmring_frame *frame) {
    at->received++;
    at->copied += frame->is_copy;
    atomic_store_explicit(&attachment_port(at)->received, at->received, memory_order_relaxed);
}

/* Leaves out what cannot be decoded: -EAGAIN. */
static int pass(struct attachment *at, struct shmring_frame **frame) {
    if (attachment_can_decode(at, &(*frame)->info)) {
        count_received(at, *frame);
        return SHMRING_OK;
    }
    shmring_frame_release(*frame);
    *frame = NULL;
    at->skipped++;
    return -EAGAIN;
}

/* ---- The frame that is there ---- */

static uint64_t limit_of(const struct attachment *at) {
    /* Acquire, both: pairs with the releases in distributor.c. */
    uint64_t head = atomic_load_explicit(&at->seg->header->head, memory_order_acquire);
    uint64_t end = atomic_load_explicit(&attachment_answer(at)->end, memory_order_acquire);
    return end < head ? end : head;
}

static void count_passed(struct attachment *at) {
    /* The newest frame was had already, as a copy. */
    if (at->cursor != at->newest)
        miss(at, 1);
    step(at, 1);
}

static int take_offered(struct attachment *at, uint64_t limit, struct shmring_frame **frame,
                        struct shmring_error *error) {
    uint64_t capacity = at->seg->g.capacity;
    if (limit > at->cursor && limit - at->cursor > capacity) {
        miss(at, limit - at->cursor - capacity);
        step(at, limit - at->cursor - capacity);
    }
    while (at->cursor < limit) {
        int result = take_at_cursor(at, frame, error);
        if (result == SHMRING_LEASE || result == TAKE_NO_ROOM)
            return result;
        if (result == SHMRING_OK) {
            result = pass(at, frame);
            step(at, 1);
        } else {
            count_passed(at);
        }
        if (result != -EAGAIN)
            return result;
    }
    return TAKE_NOTHING;
}

/* As an observer copies it; the offers that follow are newer. One try. */
static int take_newest(struct attachment *at, struct shmring_frame **frame) {
    uint64_t head = atomic_load_explicit(&at->seg->header->head, memory_order_acquire);
    uint64_t newest = head - 1;
    at->tried_newest = true;
    if (head <= at->seg->g.base || newest <= at->newest || !copies_have_room(at->copies))
        return TAKE_NOTHING;
    uint64_t descriptor =
        atomic_load_explicit(segment_descriptor(at->seg, newest), memory_order_acquire);
    uint32_t slot;
    if (!segment_slot_of(at->seg, descriptor, newest, &slot) ||
        frame_observe(at->seg, slot, newest, frame, NULL) < 0)
        return TAKE_NOTHING;
    bool is_ours = !is_answered(at) || newest < limit_of(at); /* not of the stream after it */
    if (!is_ours || frame_needs_others(&(*frame)->info) ||
        (*frame)->info.flags & SHMRING_FRAME_GAP) {
        shmring_frame_release(*frame);
        *frame = NULL;
        return TAKE_NOTHING;
    }
    frame_count_copy(*frame, at->copies);
    at->newest = at->seen = newest;
    at->wants_key = false;
    /* Not answered: what the writer answers is no older than head was. */
    if (is_answered(at) && newest >= at->cursor) {
        count_received(at, *frame);
        take_offered(at, newest + 1, NULL, NULL); /* what is older is missed before it */
    } else {
        at->early++;
    }
    return SHMRING_OK;
}

int attachment_take(struct attachment *at, struct shmring_frame **frame,
                    struct shmring_error *error) {
    if (!at->tried_newest && take_newest(at, frame) == SHMRING_OK)
        return SHMRING_OK;
    return is_answered(at) ? take_offered(at, limit_of(at), frame, error) : TAKE_NOTHING;
}

/* ---- Nothing more ---- */

bool attachment_is_over(struct attachment *at) {
    /* Acquire: pairs with the release in set_end. */
    return is_answered(at) &&
           atomic_load_explicit(&attachment_answer(at)->end, memory_order_acquire) <= at->cursor;
}

bool attachment_is_banned(const struct attachment *at) {
    return atomic_load_explicit(&attachment_answer(at)->banned, memory_order_acquire) == at->epoch;
}
