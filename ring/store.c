/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store.h"

#include <stdlib.h>

struct store *store_new(struct shmring_writer *writer, struct segment *seg) {
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return NULL;
    store->writer = writer;
    store->seg = seg;
    store->refs = 1;
    return store;
}

void store_unref(struct store *store) {
    if (--store->refs)
        return;
    segment_unref(store->seg);
    free(store);
}

static bool is_claimed(struct store *store, uint32_t slot) {
    for (uint32_t place = 0; place < store->seg->g.max_readers; place++) {
        if (places_claim(store, place, slot))
            return true;
    }
    return false;
}

uint32_t store_find_free(struct store *store) {
    uint32_t oldest = NO_SLOT;
    for (uint32_t slot = 0; slot < store->seg->g.slots; slot++) {
        if (store->slot[slot].loan != LOAN_NONE)
            continue;
        if (oldest != NO_SLOT && store->slot[slot].seq >= store->slot[oldest].seq)
            continue;
        if (!is_claimed(store, slot))
            oldest = slot;
    }
    return oldest;
}

/* Only offers to `latest` readers stand in the way. */
static bool is_revocable(struct store *store, uint32_t slot) {
    if (store->slot[slot].loan != LOAN_NONE)
        return false;
    for (uint32_t place = 0; place < store->seg->g.max_readers; place++) {
        uint64_t claim = places_claim(store, place, slot);
        if (claim == CLAIM_TAKEN ||
            (claim == CLAIM_OFFERED && !place_is(store, place, SHMRING_MODE_LATEST)))
            return false;
    }
    return true;
}

static bool revoke_slot(struct store *store, uint32_t slot) {
    for (uint32_t place = 0; place < store->seg->g.max_readers; place++) {
        if (!places_claim(store, place, slot))
            continue;
        if (!places_revoke(store, place, slot))
            return false;
        store->revoked++;
    }
    return true;
}

static uint32_t oldest_revocable(struct store *store) {
    uint32_t oldest = NO_SLOT;
    for (uint32_t slot = 0; slot < store->seg->g.slots; slot++) {
        if (oldest != NO_SLOT && store->slot[slot].seq >= store->slot[oldest].seq)
            continue;
        if (is_revocable(store, slot))
            oldest = slot;
    }
    return oldest;
}

uint32_t store_reclaim(struct store *store) {
    /* A reader may take a frame under our hands: then the next oldest. */
    for (uint32_t tries = 0; tries < store->seg->g.slots; tries++) {
        uint32_t slot = oldest_revocable(store);
        if (slot == NO_SLOT || revoke_slot(store, slot))
            return slot;
    }
    return NO_SLOT;
}

static void offer(struct store *store, uint32_t slot, uint64_t seq) {
    for (uint32_t place = 0; place < store->seg->g.max_readers; place++) {
        if (!place_is_attached(store, place))
            continue;
        /* Relaxed: the release of head makes it visible before the frame can be looked for. */
        atomic_store_explicit(&store->seg->ctl->place[place].claim[slot], claim_offered(seq),
                              memory_order_relaxed);
    }
}

/* The oldest offer of a place, and how many it has. */
static uint32_t oldest_offer(struct store *store, uint32_t place, uint32_t *count) {
    uint32_t oldest = NO_SLOT;
    *count = 0;
    for (uint32_t slot = 0; slot < store->seg->g.slots; slot++) {
        if (places_claim(store, place, slot) != CLAIM_OFFERED)
            continue;
        ++*count;
        if (oldest == NO_SLOT || store->slot[slot].seq < store->slot[oldest].seq)
            oldest = slot;
    }
    return oldest;
}

/* The claims say what is untaken, not a list of our own: the reader takes meanwhile. */
static void trim(struct store *store, uint32_t place) {
    uint32_t depth = attach_depth(store->place[place].word), count;
    for (uint32_t tries = 0; tries < store->seg->g.slots; tries++) {
        uint32_t slot = oldest_offer(store, place, &count);
        if (count <= depth)
            return;
        store->revoked += places_revoke(store, place, slot);
    }
}

void store_publish(struct store *store, uint32_t slot, uint64_t seq) {
    struct segment *seg = store->seg;
    store->slot[slot].seq = seq;
    store->slot[slot].loan = LOAN_PUBLISHED;
    places_look(store, seq);
    offer(store, slot, seq);
    /* Release, both: who sees the descriptor or head sees the pixels, the header and the offer. */
    atomic_store_explicit(segment_descriptor(seg, seq), seq << 16 | slot, memory_order_release);
    atomic_store_explicit(&seg->header->head, seq + 1, memory_order_release);
    for (uint32_t place = 0; place < seg->g.max_readers; place++) {
        if (place_is(store, place, SHMRING_MODE_LATEST))
            trim(store, place);
    }
    segment_announce(seg);
}

void store_flush(struct store *store) {
    for (uint32_t place = 0; place < store->seg->g.max_readers; place++) {
        for (uint32_t slot = 0; slot < store->seg->g.slots; slot++) {
            if (places_claim(store, place, slot) != CLAIM_OFFERED ||
                !places_revoke(store, place, slot))
                continue;
            store->flushed++;
            atomic_fetch_add_explicit(&store->seg->header->answer[place].flushed, 1,
                                      memory_order_relaxed);
        }
    }
}
