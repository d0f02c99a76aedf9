/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "copies.h"

#include <stdlib.h>

#include "futex.h"

struct copies *copies_new(uint64_t most) {
    struct copies *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    atomic_init(&c->refs, 1);
    c->most = most;
    return c;
}

struct copies *copies_ref(struct copies *c) {
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void copies_unref(struct copies *c) {
    /* Acquire-release: the last one must see everybody's use before it frees. */
    if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        free(c);
}

uint64_t copies_bytes(const struct copies *c) {
    return atomic_load_explicit(&c->bytes, memory_order_relaxed);
}

bool copies_have_room(const struct copies *c) {
    return c->most == 0 || copies_bytes(c) < c->most;
}

void copies_add(struct copies *c, uint64_t bytes) {
    copies_ref(c);
    atomic_fetch_add_explicit(&c->bytes, bytes, memory_order_relaxed);
}

void copies_take_away(struct copies *c, uint64_t bytes) {
    atomic_fetch_sub_explicit(&c->bytes, bytes, memory_order_relaxed);
    copies_tell(c);
    copies_unref(c);
}

void copies_tell(struct copies *c) {
    /* Sequentially consistent, both, as in copies_wait: either we see that somebody waits, or it
     * sees the new count. It also sees the room that was made before. */
    atomic_fetch_add_explicit(&c->returned, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&c->waiting, memory_order_seq_cst) > 0)
        futex_wake_all(&c->returned);
}

uint32_t copies_returned(const struct copies *c) {
    /* Acquire: pairs with copies_tell, so that the room counted there is seen. */
    return atomic_load_explicit(&c->returned, memory_order_acquire);
}

int copies_wait(struct copies *c, uint32_t returned, const _Atomic uint32_t *interrupt,
                int64_t timeout_ns) {
    /* Sequentially consistent: see copies_tell. */
    atomic_fetch_add_explicit(&c->waiting, 1, memory_order_seq_cst);
    int result = futex_wait(&c->returned, returned, interrupt, timeout_ns);
    atomic_fetch_sub_explicit(&c->waiting, 1, memory_order_relaxed);
    return result;
}
