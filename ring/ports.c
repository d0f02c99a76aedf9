/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "distributor.h"
#include "futex.h"
#include "lock.h"
#include "writer.h"

/* A key frame that is asked for from later on than this: nonsense, or another clock. */
#define KEY_AHEAD_NS INT64_C(10000000000)

static struct layout_port *shared_port(const struct distributor *d, uint32_t port) {
    return &d->seg->ctl->port[port];
}

static _Atomic uint64_t *claim_of(const struct distributor *d, uint32_t port, uint32_t slot) {
    return &shared_port(d, port)->claim[slot];
}

static void know(struct distributor *d, uint32_t port, uint32_t slot, uint64_t claim) {
    uint32_t bit = UINT32_C(1) << port;
    d->port[port].known[slot] = claim;
    if (claim)
        d->slot[slot].claims |= bit;
    else
        d->slot[slot].claims &= ~bit;
}

static void forget(struct distributor *d, uint32_t port) {
    for (uint32_t slot = 0; slot < d->seg->g.slots; slot++)
        know(d, port, slot, 0);
}

/* ---- Claims ---- */

static bool is_untaken(uint64_t claim) {
    return claim_kind(claim) == CLAIM_OFFERED || claim_kind(claim) == CLAIM_COPYING;
}

static void ban(struct distributor *d, uint32_t port) {
    struct port *p = &d->port[port];
    p->banned = true;
    forget(d, port);
    d->bad_claims++;
    atomic_store_explicit(&d->seg->header->answer[port].banned, p->epoch, memory_order_release);
    segment_announce(d->seg);
}

void port_set_stuck(struct distributor *d, uint32_t port, bool stuck) {
    d->port[port].stuck = stuck;
    atomic_store_explicit(&d->seg->header->answer[port].stuck, stuck, memory_order_relaxed);
}

static void progress(struct distributor *d, uint32_t port) {
    if (d->port[port].stuck)
        port_set_stuck(d, port, false);
    port_reset_clock(d, port);
}

static bool may_become(uint64_t known, uint64_t claim) {
    return claim == 0 || (claim_kind(known) == CLAIM_OFFERED &&
                          (claim == claim_word(claim_seq(known), CLAIM_TAKEN) ||
                           claim == claim_word(claim_seq(known), CLAIM_COPYING)));
}

/* The claim as it is now, recorded; 0 also for nonsense. */
static uint64_t see(struct distributor *d, uint32_t port, uint32_t slot) {
    struct port *p = &d->port[port];
    uint64_t known = p->known[slot];
    /* Acquire: pairs with the release of a frame; the slot is not written before its reader has
     * done reading. */
    uint64_t claim = atomic_load_explicit(claim_of(d, port, slot), memory_order_acquire);
    if (claim == known)
        return claim;
    if (!may_become(known, claim)) {
        ban(d, port);
        return 0;
    }
    know(d, port, slot, claim);
    progress(d, port);
    return claim;
}

bool port_revoke(struct distributor *d, uint32_t port, uint32_t slot) {
    uint64_t known = d->port[port].known[slot];
    /* Acquire: as the load in see(). Release: who finds it gone finds it counted. From what is
     * known: a reader that moved is not robbed. */
    if (atomic_compare_exchange_strong_explicit(claim_of(d, port, slot), &known, 0,
                                                memory_order_acq_rel, memory_order_relaxed)) {
        know(d, port, slot, 0);
        return true;
    }
    see(d, port, slot);
    return false;
}

uint32_t port_claim(struct distributor *d, uint32_t port, uint32_t slot) {
    uint64_t claim = d->port[port].known[slot];
    if (claim == 0)
        return 0;
    claim = see(d, port, slot);
    /* Nobody will take it any more: it was on its way when the reader left. */
    if (is_untaken(claim) && attach_state(d->port[port].word) != PORT_ATTACHED)
        port_revoke(d, port, slot);
    return claim_kind(d->port[port].known[slot]);
}

void port_offer(struct distributor *d, uint32_t port, uint32_t slot, uint64_t seq) {
    uint64_t claim = claim_word(seq, CLAIM_OFFERED);
    know(d, port, slot, claim);
    /* Relaxed: the release of head makes it visible before the frame can be looked for. */
    atomic_store_explicit(claim_of(d, port, slot), claim, memory_order_relaxed);
}

uint32_t port_oldest_offer(const struct distributor *d, uint32_t port, uint64_t seq) {
    uint32_t oldest = NO_SLOT;
    for (uint32_t slot = 0; slot < d->seg->g.slots; slot++) {
        uint64_t claim = d->port[port].known[slot];
        if (is_untaken(claim) && claim_seq(claim) <= seq &&
            (oldest == NO_SLOT || claim < d->port[port].known[oldest]))
            oldest = slot;
    }
    return oldest;
}

bool port_is_waited_for(const struct distributor *d, uint32_t port) {
    return port_reads(d, port) && port_oldest_offer(d, port, UINT64_MAX) != NO_SLOT;
}

/* ---- Answering ---- */

static void clear_claims(struct distributor *d, uint32_t port) {
    for (uint32_t slot = 0; slot < d->seg->g.slots; slot++)
        atomic_store_explicit(claim_of(d, port, slot), 0, memory_order_relaxed);
    forget(d, port);
}

/* As readers grant it to each other; never more than all of them may have together. */
static uint32_t believable_lease(const struct distributor *d, uint32_t port) {
    uint32_t most = d->seg->g.slots - d->seg->g.lend_limit - 1;
    uint32_t lease = atomic_load_explicit(&shared_port(d, port)->lease, memory_order_relaxed);
    return lease < most ? lease : most;
}

/* Of several the first that is due. */
static void request_key(struct distributor *d, int64_t at_ns) {
    if (!d->key_requested || at_ns < d->key_at_ns)
        d->key_at_ns = at_ns;
    d->key_requested = true;
}

static void answer(struct distributor *d, uint32_t port) {
    struct layout_answer *answer = &d->seg->header->answer[port];
    struct port *p = &d->port[port];
    uint64_t head = distributor_head(d);
    uint32_t state = atomic_load_explicit(&d->seg->header->state, memory_order_relaxed);
    clear_claims(d, port);
    *p = (struct port){
        .word = p->word,
        .id = ++d->writer->last_reader_id,
        .epoch = attach_epoch(p->word),
        .has_end = state == STATE_ENDED,
        .key_count = atomic_load_explicit(&shared_port(d, port)->key_count, memory_order_relaxed),
    };
    p->lease = believable_lease(d, port);
    request_key(d, SHMRING_TIME_NONE);
    atomic_store_explicit(&answer->first, head, memory_order_relaxed);
    atomic_store_explicit(&answer->end, p->has_end ? head : LAYOUT_NO_END, memory_order_relaxed);
    atomic_store_explicit(&answer->stream,
                          atomic_load_explicit(&d->seg->header->stream, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&answer->flushed, 0, memory_order_relaxed);
    atomic_store_explicit(&answer->withdrawn, 0, memory_order_relaxed);
    atomic_store_explicit(&answer->banned, 0, memory_order_relaxed);
    atomic_store_explicit(&answer->stuck, 0, memory_order_relaxed);
    /* Release: a reader that sees its epoch sees where it begins, and its claims cleared. */
    atomic_store_explicit(&answer->epoch, p->epoch, memory_order_release);
}

/* ---- Looking ---- */

/* More slots TAKEN than the lease, and none of them newly so: one look may count a frame that was
 * given back meanwhile. */
static void look_at_claims(struct distributor *d, uint32_t port) {
    struct port *p = &d->port[port];
    uint32_t taken = 0, newly = 0;
    for (uint32_t slot = 0; slot < d->seg->g.slots; slot++) {
        uint64_t before = p->known[slot];
        if (port_claim(d, port, slot) != CLAIM_TAKEN)
            continue;
        taken++;
        newly += before != p->known[slot];
    }
    if (taken > p->lease && newly == 0)
        ban(d, port);
}

static void look_at_requests(struct distributor *d, uint32_t port) {
    const struct layout_port *shared = shared_port(d, port);
    struct port *p = &d->port[port];
    /* Acquire: pairs with the release in keyframe.c, so that the time is this request's. */
    uint32_t count = atomic_load_explicit(&shared->key_count, memory_order_acquire);
    if (count == p->key_count)
        return;
    p->key_count = count;
    int64_t at_ns = atomic_load_explicit(&shared->key_at_ns, memory_order_relaxed);
    if (at_ns < monotonic_ns() + KEY_AHEAD_NS)
        request_key(d, at_ns < 0 ? SHMRING_TIME_NONE : at_ns);
}

/* False: nobody is there, or nobody who is listened to. */
static bool look_at_word(struct distributor *d, uint32_t port) {
    struct port *p = &d->port[port];
    /* Sequentially consistent, with the reader's store and its look at the state: of an attach
     * and an end or a supersede that cross, at least one side sees the other. */
    p->word = atomic_load_explicit(&shared_port(d, port)->attach, memory_order_seq_cst);
    if (attach_state(p->word) == PORT_ATTACHED && attach_epoch(p->word) != p->epoch)
        answer(d, port);
    /* Without a mode it would be neither waited for nor trimmed: its offers would fill the ring. */
    if (attach_state(p->word) == PORT_ATTACHED && !attach_has_mode(p->word) && !p->banned)
        ban(d, port);
    return !p->banned && attach_state(p->word) != PORT_FREE;
}

void ports_look_at_words(struct distributor *d) {
    for (uint32_t port = 0; port < d->seg->g.max_readers; port++) {
        if (look_at_word(d, port))
            look_at_requests(d, port);
    }
}

void ports_look(struct distributor *d) {
    ports_look_at_words(d);
    for (uint32_t port = 0; port < d->seg->g.max_readers; port++) {
        if (!d->port[port].banned && attach_state(d->port[port].word) != PORT_FREE)
            look_at_claims(d, port);
    }
}

/* ---- The dead ---- */

static bool has_claim(const struct distributor *d, uint32_t port) {
    for (uint32_t slot = 0; slot < d->seg->g.slots; slot++) {
        if (d->port[port].known[slot])
            return true;
    }
    return false;
}

/* The byte is ours: whoever had the port is dead, or left it. */
static bool bury(struct distributor *d, uint32_t port) {
    _Atomic uint64_t *attach = &shared_port(d, port)->attach;
    struct port *p = &d->port[port];
    uint64_t word = atomic_load_explicit(attach, memory_order_acquire);
    bool is_free = attach_state(word) == PORT_FREE;
    if (is_free && !has_claim(d, port))
        return false;
    clear_claims(d, port);
    word = attach_word(attach_epoch(word), 0, 0, PORT_FREE);
    atomic_store_explicit(attach, word, memory_order_release);
    p->word = word;
    p->banned = p->stuck = false;
    d->dead_readers += !is_free;
    return true;
}

bool ports_probe(struct distributor *d) {
    bool found = false;
    for (uint32_t port = 0; port < d->seg->g.max_readers; port++) {
        if (attach_state(d->port[port].word) == PORT_FREE && !has_claim(d, port))
            continue;
        if (lock_try(d->seg->ctl_fd, lock_port(port)) < 0)
            continue;
        if (bury(d, port))
            found = true;
        lock_release(d->seg->ctl_fd, lock_port(port));
    }
    return found;
}

/* ---- Adopting ---- */

/* A claim that a dead writer's reader has: of a frame that was published, and that its slot
 * carries. One of a frame that was just being offered is taken back: its number is used again. */
static bool adopt_claim(struct distributor *d, uint32_t port, uint32_t slot) {
    uint64_t claim = atomic_load_explicit(claim_of(d, port, slot), memory_order_acquire);
    if (claim_seq(claim) >= distributor_head(d) && claim_kind(claim) == CLAIM_OFFERED) {
        know(d, port, slot, claim);
        port_revoke(d, port, slot); /* or its reader did, which leaves */
        return !d->port[port].banned;
    }
    know(d, port, slot, claim);
    return claim == 0 || (claim_seq(claim) == d->slot[slot].seq && claim_kind(claim) > 0 &&
                          claim_kind(claim) <= CLAIM_COPYING);
}

static void adopt_port(struct distributor *d, uint32_t port) {
    struct layout_answer *answer = &d->seg->header->answer[port];
    struct port *p = &d->port[port];
    bool good = true;
    atomic_store_explicit(&answer->stuck, 0, memory_order_relaxed);
    p->word = atomic_load_explicit(&shared_port(d, port)->attach, memory_order_seq_cst);
    p->id = ++d->writer->last_reader_id;
    /* The answered one, not 0: a live reader must not be answered again, its claims cleared. */
    p->epoch = (uint32_t)atomic_load_explicit(&answer->epoch, memory_order_relaxed);
    p->has_end = atomic_load_explicit(&answer->end, memory_order_relaxed) != LAYOUT_NO_END;
    p->lease = believable_lease(d, port);
    p->banned = p->epoch && atomic_load_explicit(&answer->banned, memory_order_relaxed) == p->epoch;
    for (uint32_t slot = 0; slot < d->seg->g.slots && !p->banned; slot++)
        good = adopt_claim(d, port, slot) && good;
    if (!good && !p->banned)
        ban(d, port);
}

void ports_adopt(struct distributor *d) {
    for (uint32_t port = 0; port < d->seg->g.max_readers; port++)
        adopt_port(d, port);
    request_key(d, SHMRING_TIME_NONE);
}

/* ---- What is told of them ---- */

uint32_t ports_reading(const struct distributor *d) {
    uint32_t reading = 0;
    for (uint32_t port = 0; port < d->seg->g.max_readers; port++)
        reading += port_is_attached(d, port) && !d->port[port].has_end;
    return reading;
}

uint32_t ports_attached(const struct distributor *d) {
    uint32_t attached = 0;
    for (uint32_t port = 0; port < d->seg->g.max_readers; port++)
        attached += port_is_attached(d, port);
    return attached;
}

void ports_describe(const struct distributor *d, uint32_t port, struct shmring_reader_info *info) {
    const struct port *p = &d->port[port];
    segment_describe_port(shared_port(d, port), p->word, d->seg->g.slots, distributor_head(d),
                          info);
    info->id = p->id;
    info->port = port;
    info->withdrawn = p->withdrawn;
    info->waited_ns = p->waited_ns;
    info->is_waited_for = p->waited_ns > 0 && port_is_waited_for(d, port);
    info->is_stuck = p->stuck;
}
