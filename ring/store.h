/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writer's side of one segment: which slot carries what, who has it. It lives as long as a slot
 * of it is on loan. Every function here is called with the writer's mutex held.
 */
#ifndef STORE_H
#define STORE_H

#include "segment.h"

struct shmring_writer;

enum loan_state { LOAN_NONE, LOAN_OUT, LOAN_PUBLISHED };

struct store_slot {
    uint64_t seq; /* the frame it carries; 0: none */
    enum loan_state loan;
};

/* A reader's place as last looked at. The word is loaded once a publish: a reader that comes or
 * goes meanwhile is the next look's concern. */
struct store_place {
    uint64_t word;
    uint32_t epoch; /* answered */
    bool banned;    /* wrote nonsense in this epoch */
};

struct store {
    struct shmring_writer *writer;
    struct segment *seg;
    uint32_t refs; /* the writer's, and one a loan */
    uint32_t loans;
    uint64_t revoked, flushed, dead_readers, bad_claims;
    struct store_place place[SHMRING_MAX_READERS];
    struct store_slot slot[SHMRING_MAX_SLOTS];
    struct store *next; /* among predecessors: the next younger */
};

struct store *store_new(struct shmring_writer *writer, struct segment *seg);
void store_unref(struct store *store);

/* ---- Slots (store.c) ---- */

#define NO_SLOT UINT32_MAX

/* The least recently published slot that nobody has, or NO_SLOT. */
uint32_t store_find_free(struct store *store);
/* As before, after taking back the offers of `latest` readers that stand in the way. */
uint32_t store_reclaim(struct store *store);
/* Offers a filled slot to every reader; the frame's header is complete. */
void store_publish(struct store *store, uint32_t slot, uint64_t seq);
/* Takes back every offer. */
void store_flush(struct store *store);

/* ---- Reader places (places.c) ---- */

/* Loads each place's word; answers new readers: their stream begins at FIRST. */
void places_look(struct store *store, uint64_t first);
/* Finds the dead by their locks and frees what they held. True when there was one. */
bool places_probe(struct store *store);
uint32_t places_attached(const struct store *store);
void places_describe(struct store *store, uint32_t place, struct shmring_reader_info *info);
/* Readers in mode `all`: one that has a claim; one at all. */
bool places_lossless_claim(struct store *store);
bool places_lossless_reader(const struct store *store);

static inline bool place_is_attached(const struct store *store, uint32_t place) {
    return attach_state(store->place[place].word) == PLACE_ATTACHED && !store->place[place].banned;
}
static inline bool place_is(const struct store *store, uint32_t place, enum shmring_mode mode) {
    return place_is_attached(store, place) && attach_mode(store->place[place].word) == mode;
}

/* What a place's claim on a slot is worth: 0, CLAIM_OFFERED or CLAIM_TAKEN. Stale offers are
 * withdrawn on the way, and a place with nonsense in a claim is banned. */
uint64_t places_claim(struct store *store, uint32_t place, uint32_t slot);
/* Takes back an offer; false when the reader was faster. */
bool places_revoke(struct store *store, uint32_t place, uint32_t slot);

#endif
