/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The writer's side of a segment without a writer, and readers that are nothing but the words they
 * would write: every interleaving can be spelled out. */
#ifndef HAND_DISTRIBUTOR_H
#define HAND_DISTRIBUTOR_H

#include <fcntl.h>

#include "create.h"
#include "lock.h"
#include "support.h"
#include "writer.h"

/* What the distributor asks its writer for: the next reader's id. */
static struct shmring_writer hand_writer;

static inline struct distributor *new_distributor(uint32_t slots, uint64_t first_seq) {
    struct shmring_writer_options options = writer_options(slots);
    struct segment *seg = NULL;
    options.max_readers = 4;
    options.first_seq = first_seq;
    ck_assert_int_eq(segment_create(new_name(), &options, NULL, &seg, NULL), 0);
    struct distributor *d = distributor_new(&hand_writer, seg);
    ck_assert_ptr_nonnull(d);
    return d;
}

static inline void free_distributor(struct distributor *d) {
    segment_remove_names(d->seg);
    distributor_unref(d);
}

static inline _Atomic uint64_t *claim_of(struct distributor *d, uint32_t port, uint32_t slot) {
    return &d->seg->ctl->port[port].claim[slot];
}

static inline void set_attach(struct distributor *d, uint32_t port, uint32_t epoch,
                              enum shmring_mode mode, uint16_t depth, uint8_t state) {
    d->seg->ctl->port[port].attach = attach_word(epoch, depth, (uint8_t)mode, state);
}

static inline uint64_t claim_offered(uint64_t seq) {
    return claim_word(seq, CLAIM_OFFERED);
}
static inline uint64_t claim_taken(uint64_t seq) {
    return claim_word(seq, CLAIM_TAKEN);
}
static inline uint64_t claim_copying(uint64_t seq) {
    return claim_word(seq, CLAIM_COPYING);
}

/* A reader attaches, with a lease of one frame, and is seen. */
static inline void join(struct distributor *d, uint32_t port, enum shmring_mode mode,
                        uint16_t depth) {
    uint64_t word = d->seg->ctl->port[port].attach;
    d->seg->ctl->port[port].lease = 1;
    set_attach(d, port, attach_epoch(word) + 1, mode, depth, PORT_ATTACHED);
    ports_look(d);
}

/* A reader alive: the open file that has its lock. */
static inline int lock_alive(struct distributor *d, uint32_t port) {
    int fd = open(path_of(d->seg->name, ".ctl"), O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(lock_try(fd, lock_port(port)), 0);
    return fd;
}

/* Publishes the next frame in the slot the writer would choose, and returns that. */
static inline uint32_t publish_next(struct distributor *d) {
    uint32_t slot = distributor_find_free(d);
    ck_assert_uint_ne(slot, NO_SLOT);
    distributor_publish(d, slot, d->seg->header->head);
    d->slot[slot].loan = LOAN_NONE;
    return slot;
}

#endif
