/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The copies that a reader's user keeps: how much memory they take, and the wait for some of it. */
#ifndef COPIES_H
#define COPIES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct copies {
    _Atomic uint32_t refs;     /* the reader's, its attachments', and one a copy */
    _Atomic uint32_t waiting;  /* threads that wait for room */
    _Atomic uint32_t returned; /* counts frames that came back, those held in place too */
    _Atomic uint64_t bytes;
    uint64_t most; /* 0: no limit */
};

/* NULL: no memory. */
struct copies *copies_new(uint64_t most);
struct copies *copies_ref(struct copies *copies);
/* NULL is allowed. */
void copies_unref(struct copies *copies);

/* Whether there may be one more: the last one may go beyond the limit. */
bool copies_have_room(const struct copies *copies);
uint64_t copies_bytes(const struct copies *copies);

/* A copy of BYTES, which has a reference until it is taken away again. */
void copies_add(struct copies *copies, uint64_t bytes);
void copies_take_away(struct copies *copies, uint64_t bytes);

/* Wakes who waits: a frame came back. */
void copies_tell(struct copies *copies);
/* To be read before one looks for room. */
uint32_t copies_returned(const struct copies *copies);
/* Sleeps until a frame came back since RETURNED was read. As futex_wait. */
int copies_wait(struct copies *copies, uint32_t returned, const _Atomic uint32_t *interrupt,
                int64_t timeout_ns);

#endif
