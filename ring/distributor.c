/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "distributor.h"

#include <fcntl.h>
#include <stdlib.h>

#include "allocate.h"
#include "frame.h"
#include "writer.h"

/* Observers are reading the newest frames: their slots are used again last. */
#define SAVED_FRAMES 2

struct distributor *distributor_new(struct shmring_writer *writer, struct segment *seg) {
    struct distributor *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->writer = writer;
    d->seg = seg;
    d->refs = 1;
    return d;
}

void distributor_unref(struct distributor *d) {
    if (--d->refs)
        return;
    segment_unref(d->seg);
    free(d);
}

/* ---- Choosing a slot ---- */

/* Higher is better: published and not saved, the newest first, since its memory is the warmest;
 * then what was never used; then the saved, the older first. */
static uint64_t warmth(const struct distributor *d, const struct slot *slot) {
    enum { WAS_LENT = 1, SAVED = 2, UNUSED = 2 + SAVED_FRAMES, USED };
    uint64_t head = distributor_head(d);
    if (slot->was_lent)
        return WAS_LENT;
    if (slot->seq == 0)
        return UNUSED;
    if (slot->seq + SAVED_FRAMES >= head)
        return SAVED + head - slot->seq - 1;
    return USED + slot->seq;
}

static bool is_claimed(struct distributor *d, uint32_t slot) {
    for (uint32_t port = 0; port < d->seg->g.max_readers && d->slot[slot].claims; port++) {
        if (d->slot[slot].claims >> port & 1)
            port_claim(d, port, slot);
    }
    return d->slot[slot].claims != 0;
}

uint32_t distributor_find_free(struct distributor *d) {
    uint32_t best = NO_SLOT;
    uint64_t best_warmth = 0;
    for (uint32_t slot = 0; slot < d->seg->g.slots; slot++) {
        if (d->slot[slot].loan != LOAN_NONE || warmth(d, &d->slot[slot]) <= best_warmth ||
            is_claimed(d, slot))
            continue;
        best = slot;
        best_warmth = warmth(d, &d->slot[slot]);
    }
    return best;
}

/* ---- Taking offers back, for want of a slot ---- */

/* What stands in the way of a slot, the least first. */
enum hindrance { HINDERED_BY_NOBODY, BY_COPY, BY_STUCK, BY_READER };

static enum hindrance hindrance_of(struct distributor *d, uint32_t slot) {
    enum hindrance found = HINDERED_BY_NOBODY;
    for (uint32_t port = 0; port < d->seg->g.max_readers; port++) {
        uint32_t kind = d->slot[slot].claims >> port & 1 ? port_claim(d, port, slot) : 0;
        enum hindrance by = HINDERED_BY_NOBODY;
        if (kind == CLAIM_TAKEN || (kind && port_reads(d, port)))
            by = BY_READER;
        else if (kind && d->port[port].stuck)
            by = BY_STUCK;
        else if (kind == CLAIM_COPYING)
            by = BY_COPY;
        found = by > found ? by : found;
    }
    return found;
}

/* The oldest slot with the least in its way. */
static uint32_t find_reclaimable(struct distributor *d) {
    uint32_t best = NO_SLOT;
    enum hindrance least = BY_READER;
    for (uint32_t slot = 0; slot < d->seg->g.slots; slot++) {
        enum hindrance by = d->slot[slot].loan == LOAN_NONE ? hindrance_of(d, slot) : BY_READER;
        if (by > least || by == BY_READER ||
            (by == least && best != NO_SLOT && d->slot[slot].seq > d->slot[best].seq))
            continue;
        best = slot;
        least = by;
    }
    return best;
}

/* Counted first, so that a reader that finds its offer gone finds out why. */
static bool revoke_counted(struct distributor *d, uint32_t port, uint32_t slot,
                           _Atomic uint64_t *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
    bool revoked = port_revoke(d, port, slot);
    if (!revoked)
        atomic_fetch_sub_explicit(counter, 1, memory_order_relaxed);
    return revoked;
}

/*
 * All that a stuck reader did not take up to frame SEQ, oldest first: one older offer that survived
 * behind another reader's hold would be lapped by the ring, and its slot lost for ever.
 */
static bool withdraw(struct distributor *d, uint32_t port, uint64_t seq) {
    uint32_t slot;
    while ((slot = port_oldest_offer(d, port, seq)) != NO_SLOT) {
        if (!revoke_counted(d, port, slot, &d->seg->header->answer[port].withdrawn))
            return false;
        d->withdrawn++;
        d->port[port].withdrawn++;
    }
    return true;
}

static bool free_slot(struct distributor *d, uint32_t slot) {
    for (uint32_t port = 0; port < d->seg->g.max_readers; port++) {
        if (!(d->slot[slot].claims >> port & 1))
            continue;
        if (port_reads(d, port)) /* it moved since the slot was chosen */
            return false;
        if (d->port[port].stuck && port_is_attached(d, port)) {
            if (!withdraw(d, port, d->slot[slot].seq))
                return false;
        } else if (!port_revoke(d, port, slot)) {
            return false;
        } else {
            d->revoked++;
        }
    }
    return true;
}

uint32_t distributor_reclaim(struct distributor *d, bool *lost_race) {
    /* A reader may take a frame under our hands: then the next one. */
    for (uint32_t tries = 0; tries < d->seg->g.slots; tries++) {
        uint32_t slot = find_reclaimable(d);
        if (slot == NO_SLOT || free_slot(d, slot))
            return slot;
        *lost_race = true;
    }
    return NO_SLOT;
}

/* ---- Publishing ---- */

static void offer(struct distributor *d, uint32_t slot, uint64_t seq) {
    for (uint32_t port = 0; port < d->seg->g.max_readers; port++) {
        if (port_is_attached(d, port) && !d->port[port].has_end)
            port_offer(d, port, slot, seq);
    }
}

/* The oldest frame that a reader did not begin to take, and how many there are. */
static uint32_t oldest_untouched(struct distributor *d, uint32_t port, uint32_t *count) {
    uint32_t oldest = NO_SLOT;
    *count = 0;
    for (uint32_t slot = 0; slot < d->seg->g.slots; slot++) {
        if (port_claim(d, port, slot) != CLAIM_OFFERED)
            continue;
        ++*count;
        if (oldest == NO_SLOT || d->slot[slot].seq < d->slot[oldest].seq)
            oldest = slot;
    }
    return oldest;
}

/* The claims say what is untaken, not a list of our own: the reader takes meanwhile. */
static void trim(struct distributor *d, uint32_t port) {
    uint32_t depth = attach_depth(d->port[port].word), count;
    for (uint32_t tries = 0; tries < d->seg->g.slots; tries++) {
        uint32_t slot = oldest_untouched(d, port, &count);
        if (count <= depth)
            return;
        d->revoked += port_revoke(d, port, slot);
    }
}

void distributor_publish(struct distributor *d, uint32_t slot, uint64_t seq) {
    struct segment *seg = d->seg;
    d->slot[slot].seq = seq;
    d->slot[slot].loan = LOAN_PUBLISHED;
    d->slot[slot].was_lent = false;
    ports_look_at_words(d);
    offer(d, slot, seq);
    /* Release, both: who sees the descriptor or head sees the pixels, the header and the offer. */
    atomic_store_explicit(segment_descriptor(seg, seq), seq << 16 | slot, memory_order_release);
    atomic_store_explicit(&seg->header->head, seq + 1, memory_order_release);
    for (uint32_t port = 0; port < seg->g.max_readers; port++) {
        if (port_is(d, port, SHMRING_MODE_LATEST))
            trim(d, port);
    }
    segment_announce(seg);
}

/* Once more from COPYING, when the reader just began to copy. COUNTER may be NULL. */
static bool take_back(struct distributor *d, uint32_t port, uint32_t slot,
                      _Atomic uint64_t *counter) {
    for (int tries = 0; tries < 2; tries++) {
        uint32_t kind = port_claim(d, port, slot);
        if (kind != CLAIM_OFFERED && kind != CLAIM_COPYING)
            return false;
        if (counter ? revoke_counted(d, port, slot, counter) : port_revoke(d, port, slot))
            return true;
    }
    return false;
}

void distributor_flush(struct distributor *d) {
    for (uint32_t port = 0; port < d->seg->g.max_readers; port++) {
        for (uint32_t slot = 0; slot < d->seg->g.slots; slot++) {
            d->flushed += take_back(d, port, slot, &d->seg->header->answer[port].flushed);
        }
    }
}

void distributor_revoke_latest(struct distributor *d) {
    for (uint32_t port = 0; port < d->seg->g.max_readers; port++) {
        for (uint32_t slot = 0; slot < d->seg->g.slots; slot++) {
            if (port_is(d, port, SHMRING_MODE_LATEST))
                d->revoked += take_back(d, port, slot, NULL);
            else
                port_claim(d, port, slot); /* takes back what was offered to who left */
        }
    }
}

bool distributor_withdraw_stuck(struct distributor *d) {
    bool found = false;
    for (uint32_t port = 0; port < d->seg->g.max_readers; port++) {
        if (!port_is(d, port, SHMRING_MODE_ALL) ||
            port_oldest_offer(d, port, UINT64_MAX) == NO_SLOT)
            continue;
        found = true;
        if (d->port[port].stuck)
            withdraw(d, port, UINT64_MAX);
    }
    return found;
}

/* ---- Streams ---- */

static void set_end(struct distributor *d, uint32_t port) {
    if (!port_is_attached(d, port) || d->port[port].has_end)
        return;
    d->port[port].has_end = true;
    /* Release: who sees its end has all frames before it. */
    atomic_store_explicit(&d->seg->header->answer[port].end, distributor_head(d),
                          memory_order_release);
}

void distributor_finish(struct distributor *d) {
    /* Sequentially consistent, and before the look: a reader that attaches meanwhile either sees
     * it, or is seen. */
    atomic_store_explicit(&d->seg->header->state, STATE_ENDED, memory_order_seq_cst);
    ports_look(d);
    for (uint32_t port = 0; port < d->seg->g.max_readers; port++)
        set_end(d, port);
    segment_announce(d->seg);
}

void distributor_begin_stream(struct distributor *d) {
    struct layout_header *header = d->seg->header;
    atomic_fetch_add_explicit(&header->stream, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&header->stretch, 1, memory_order_relaxed);
    /* Sequentially consistent: as in distributor_finish. */
    atomic_store_explicit(&header->state, STATE_ACTIVE, memory_order_seq_cst);
    segment_announce(d->seg);
}

/* ---- A dead writer's segment ---- */

static void adopt_slot(struct distributor *d, uint32_t slot) {
    _Atomic uint64_t *seq = &segment_frame(d->seg, slot)->seq;
    uint64_t carried = atomic_load_explicit(seq, memory_order_relaxed);
    d->slot[slot].was_lent = carried == 0;
    if (carried >= distributor_head(d)) { /* it was about to be published */
        atomic_store_explicit(seq, 0, memory_order_relaxed);
        carried = 0;
    }
    d->slot[slot].seq = carried;
}

/* Each step may be done again: this writer may die in the midst of it too. */
void distributor_adopt(struct distributor *d) {
    for (uint32_t slot = 0; slot < d->seg->g.slots; slot++)
        adopt_slot(d, slot);
    ports_adopt(d);
    /* Nobody sleeps any more. */
    atomic_store_explicit(&d->seg->header->waiting, 0, memory_order_relaxed);
    atomic_store_explicit(&d->seg->header->watching, 0, memory_order_relaxed);
    atomic_store_explicit(&d->seg->header->waited_port, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&d->seg->header->stretch, 1, memory_order_relaxed);
    if (atomic_load_explicit(&d->seg->header->state, memory_order_relaxed) == STATE_ENDED)
        distributor_finish(d);
    segment_announce(d->seg);
}

/* ---- Its memory ---- */

/* Observers may be reading it: as a slot that is written, it carries nothing any more. */
static void punch(struct distributor *d, uint32_t slot) {
    atomic_store_explicit(&segment_frame(d->seg, slot)->seq, 0, memory_order_relaxed);
    frame_fence_before_write();
    fallocate(d->seg->frames_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              (off_t)segment_slot_offset(d->seg, slot), (off_t)d->seg->g.slot_stride);
}

void distributor_free_memory(struct distributor *d) {
    for (uint32_t slot = 0; slot < d->seg->g.slots; slot++) {
        if (d->slot[slot].loan == LOAN_NONE && !is_claimed(d, slot))
            punch(d, slot);
    }
}

int distributor_restore_memory(struct distributor *d) {
    return allocate_range(d->seg->frames_fd, segment_slot_offset(d->seg, 0),
                          d->seg->g.slots * d->seg->g.slot_stride);
}
