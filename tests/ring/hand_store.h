/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The writer's side of a segment without a writer, and readers that are nothing but the words they
 * would write: every interleaving can be spelled out. */
#ifndef HAND_STORE_H
#define HAND_STORE_H

#include <fcntl.h>

#include "create.h"
#include "lock.h"
#include "store.h"
#include "support.h"

static inline struct store *new_store(uint32_t slots, uint64_t first_seq) {
    struct shmring_writer_options options = writer_options(slots);
    struct segment *seg = NULL;
    options.max_readers = 4;
    options.first_seq = first_seq;
    ck_assert_int_eq(segment_create(new_name(), &options, NULL, &seg, NULL), 0);
    struct store *store = store_new(NULL, seg);
    ck_assert_ptr_nonnull(store);
    return store;
}

static inline void free_store(struct store *store) {
    segment_remove_names(store->seg);
    store_unref(store);
}

static inline _Atomic uint64_t *claim_of(struct store *store, uint32_t place, uint32_t slot) {
    return &store->seg->ctl->place[place].claim[slot];
}

static inline void set_attach(struct store *store, uint32_t place, uint32_t epoch,
                              enum shmring_mode mode, uint16_t depth, uint8_t state) {
    store->seg->ctl->place[place].attach = attach_word(epoch, depth, (uint8_t)mode, state);
}

/* A reader sits down, and is seen. */
static inline void sit(struct store *store, uint32_t place, enum shmring_mode mode,
                       uint16_t depth) {
    uint64_t word = store->seg->ctl->place[place].attach;
    set_attach(store, place, attach_epoch(word) + 1, mode, depth, PLACE_ATTACHED);
    places_look(store, store->seg->header->head);
}

/* A reader alive: the open file that has its lock. */
static inline int lock_seat(struct store *store, uint32_t place) {
    int fd = open(path_of(store->seg->name, ".ctl"), O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(lock_try(fd, lock_place(place)), 0);
    return fd;
}

/* Publishes the next frame in the slot the writer would choose, and returns that. */
static inline uint32_t publish_next(struct store *store) {
    uint32_t slot = store_find_free(store);
    ck_assert_uint_ne(slot, NO_SLOT);
    store_publish(store, slot, store->seg->header->head);
    store->slot[slot].loan = LOAN_NONE;
    return slot;
}

#endif
