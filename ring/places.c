/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "lock.h"
#include "store.h"

static _Atomic uint64_t *claim_word(struct store *store, uint32_t place, uint32_t slot) {
    return &store->seg->ctl->place[place].claim[slot];
}

static void clear_claims(struct store *store, uint32_t place) {
    for (uint32_t slot = 0; slot < store->seg->g.slots; slot++)
        atomic_store_explicit(claim_word(store, place, slot), 0, memory_order_relaxed);
}

static void answer(struct store *store, uint32_t place, uint32_t epoch, uint64_t first) {
    struct layout_answer *answer = &store->seg->header->answer[place];
    clear_claims(store, place);
    atomic_store_explicit(&answer->first, first, memory_order_relaxed);
    atomic_store_explicit(&answer->flushed, 0, memory_order_relaxed);
    /* Release: a reader that sees its epoch sees where it begins, and its claims cleared. */
    atomic_store_explicit(&answer->epoch, epoch, memory_order_release);
    store->place[place].epoch = epoch;
    store->place[place].banned = false;
}

static void ban(struct store *store, uint32_t place) {
    store->place[place].banned = true;
    store->bad_claims++;
}

/* It would be neither waited for nor trimmed: its offers would fill the ring for ever. */
static bool has_no_mode(uint64_t word) {
    return attach_state(word) == PLACE_ATTACHED && attach_mode(word) != SHMRING_MODE_ALL &&
           attach_mode(word) != SHMRING_MODE_LATEST;
}

void places_look(struct store *store, uint64_t first) {
    for (uint32_t place = 0; place < store->seg->g.max_readers; place++) {
        /* Sequentially consistent, with the reader's store and its look at the state: of an attach
         * and a supersede that cross, at least one side sees the other. */
        uint64_t word =
            atomic_load_explicit(&store->seg->ctl->place[place].attach, memory_order_seq_cst);
        store->place[place].word = word;
        if (attach_state(word) == PLACE_ATTACHED && attach_epoch(word) != store->place[place].epoch)
            answer(store, place, attach_epoch(word), first);
        if (has_no_mode(word) && !store->place[place].banned)
            ban(store, place);
    }
}

uint64_t places_claim(struct store *store, uint32_t place, uint32_t slot) {
    struct store_place *p = &store->place[place];
    if (p->banned)
        return 0;
    /* Acquire: pairs with the release of a frame; the slot is not written before its reader has
     * done reading. */
    uint64_t claim = atomic_load_explicit(claim_word(store, place, slot), memory_order_acquire);
    if (claim == 0)
        return 0;
    uint64_t seq = store->slot[slot].seq;
    if (claim == claim_offered(seq)) {
        /* Nobody will take it any more: it was on its way when the reader left. */
        if (attach_state(p->word) != PLACE_ATTACHED && places_revoke(store, place, slot))
            return 0;
        return CLAIM_OFFERED;
    }
    if (claim == claim_taken(seq))
        return CLAIM_TAKEN;
    ban(store, place);
    return 0;
}

bool places_revoke(struct store *store, uint32_t place, uint32_t slot) {
    uint64_t expected = claim_offered(store->slot[slot].seq);
    /* Acquire: as the load in places_claim. */
    return atomic_compare_exchange_strong_explicit(claim_word(store, place, slot), &expected, 0,
                                                   memory_order_acquire, memory_order_relaxed);
}

static bool has_word(struct store *store, uint32_t place) {
    for (uint32_t slot = 0; slot < store->seg->g.slots; slot++) {
        if (atomic_load_explicit(claim_word(store, place, slot), memory_order_relaxed))
            return true;
    }
    return false;
}

/* The byte is ours: whoever had the place is dead, or left it. A claim that stays behind is a lie,
 * or an offer that was on its way. */
static bool bury(struct store *store, uint32_t place) {
    _Atomic uint64_t *attach = &store->seg->ctl->place[place].attach;
    uint64_t word = atomic_load_explicit(attach, memory_order_acquire);
    bool is_free = attach_state(word) == PLACE_FREE;
    if (is_free && !has_word(store, place))
        return false;
    clear_claims(store, place);
    word = attach_word(attach_epoch(word), 0, 0, PLACE_FREE);
    atomic_store_explicit(attach, word, memory_order_release);
    store->place[place].word = word;
    store->place[place].banned = false;
    store->dead_readers += !is_free;
    return true;
}

bool places_probe(struct store *store) {
    bool found = false;
    for (uint32_t place = 0; place < store->seg->g.max_readers; place++) {
        if (attach_state(store->place[place].word) == PLACE_FREE && !has_word(store, place))
            continue;
        if (lock_try(store->seg->ctl_fd, lock_place(place)) < 0)
            continue;
        if (bury(store, place))
            found = true;
        lock_release(store->seg->ctl_fd, lock_place(place));
    }
    return found;
}

uint32_t places_attached(const struct store *store) {
    uint32_t attached = 0;
    for (uint32_t place = 0; place < store->seg->g.max_readers; place++)
        attached += place_is_attached(store, place);
    return attached;
}

static bool has_claim(struct store *store, uint32_t place) {
    for (uint32_t slot = 0; slot < store->seg->g.slots; slot++) {
        if (places_claim(store, place, slot))
            return true;
    }
    return false;
}

bool places_lossless_claim(struct store *store) {
    for (uint32_t place = 0; place < store->seg->g.max_readers; place++) {
        if (place_is(store, place, SHMRING_MODE_ALL) && has_claim(store, place))
            return true;
    }
    return false;
}

bool places_lossless_reader(const struct store *store) {
    for (uint32_t place = 0; place < store->seg->g.max_readers; place++) {
        if (place_is(store, place, SHMRING_MODE_ALL))
            return true;
    }
    return false;
}

static uint64_t lag_of(const struct store *store, const struct layout_place *place) {
    uint64_t head = atomic_load_explicit(&store->seg->header->head, memory_order_relaxed);
    uint64_t cursor = atomic_load_explicit(&place->cursor, memory_order_relaxed);
    return cursor && cursor < head ? head - cursor : 0;
}

void places_describe(struct store *store, uint32_t place, struct shmring_reader_info *info) {
    const struct layout_place *shared = &store->seg->ctl->place[place];
    uint64_t word = store->place[place].word;
    *info = (struct shmring_reader_info){
        .id = (uint64_t)place << 32 | attach_epoch(word),
        .mode = attach_mode(word),
        .depth = attach_depth(word),
        .lease = atomic_load_explicit(&shared->lease, memory_order_relaxed),
        .lag = lag_of(store, shared),
        .pid = shared->pid,
    };
    memcpy(info->comm, shared->comm, sizeof info->comm - 1);
    for (uint32_t slot = 0; slot < store->seg->g.slots; slot++) {
        uint64_t claim = places_claim(store, place, slot);
        info->offered += claim == CLAIM_OFFERED;
        info->held += claim == CLAIM_TAKEN;
    }
}
