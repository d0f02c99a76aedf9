/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attachment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "futex.h"
#include "lock.h"
#include "process.h"

#define PAUSE_US 1000
/* An attach takes microseconds. */
#define ATTACH_LOCK_TRIES 5
/* The writer's probe holds a port's byte for an instant. */
#define PORT_TRIES 3
/* More attachments than there can be between two looks of the writer. */
#define EPOCHS_AHEAD (UINT32_C(1) << 20)

/* ---- Joining ---- */

static int lock_attaching(struct segment *seg, struct shmring_error *error) {
    for (int tries = 0; tries < ATTACH_LOCK_TRIES; tries++) {
        if (lock_try(seg->ctl_fd, lock_attach(seg->g.max_readers)) == 0)
            return 0;
        usleep(PAUSE_US);
    }
    return error_set(error, -EAGAIN,
                     "ring '%s' lets nobody attach: another reader is stopped in the middle of it",
                     seg->name);
}

static void list_readers(const struct segment *seg, char *text, size_t size) {
    size_t used = 0;
    text[0] = 0;
    for (uint32_t port = 0; port < seg->g.max_readers && used < size; port++) {
        const struct layout_port *p = &seg->ctl->port[port];
        char process[SHMRING_PROCESS_NAME];
        process_text(process, p->process);
        used += (size_t)snprintf(text + used, size - used, "%s%s (pid %u)", port ? ", " : "",
                                 process, p->pid);
    }
}

static int find_port(struct segment *seg, uint32_t *found, struct shmring_error *error) {
    for (int tries = 0; tries < PORT_TRIES; tries++) {
        for (uint32_t port = 0; port < seg->g.max_readers; port++) {
            *found = port;
            if (lock_try(seg->ctl_fd, lock_port(port)) == 0)
                return 0;
        }
        usleep(PAUSE_US);
    }
    char readers[300];
    list_readers(seg, readers, sizeof readers);
    return error_set(error, -EUSERS,
                     "ring '%s' has its %u readers already, %s: stop one, or start the writer with "
                     "more max-readers",
                     seg->name, seg->g.max_readers, readers);
}

/* Leases are the only holds without a time limit: together they must leave the writer its loans
 * and one slot more. A port whose byte is free holds nothing. */
static uint32_t grant_lease(const struct segment *seg, uint32_t port, uint32_t wanted) {
    uint32_t left = seg->g.slots - seg->g.lend_limit - 1;
    for (uint32_t other = 0; other < seg->g.max_readers; other++) {
        if (other == port || !lock_is_held(seg->ctl_fd, lock_port(other)))
            continue;
        uint32_t lease = atomic_load_explicit(&seg->ctl->port[other].lease, memory_order_relaxed);
        left -= lease < left ? lease : left;
    }
    return wanted < left ? wanted : left;
}

static void sign(struct attachment *at) {
    struct layout_port *port = attachment_port(at);
    char process[SHMRING_PROCESS_NAME];
    process_name(process);
    memcpy(port->process, process, sizeof port->process);
    port->pid = (uint32_t)getpid();
}

static uint64_t word_of(const struct attachment *at, enum layout_attach_state state) {
    return attach_word(at->epoch, (uint16_t)at->options.depth, (uint8_t)at->options.mode, state);
}

static void set_word(struct attachment *at, enum layout_attach_state state) {
    /* Sequentially consistent: see ports_look. */
    atomic_store_explicit(&attachment_port(at)->attach, word_of(at, state), memory_order_seq_cst);
    segment_give_notice(at->seg);
}

bool attachment_has_port(const struct attachment *at) {
    return atomic_load_explicit(&attachment_port(at)->attach, memory_order_relaxed) ==
           word_of(at, PORT_ATTACHED);
}

/* Neither one that the writer answered before, nor one that it may be answering now: the one after
 * the last. Epochs wrap; what lies far ahead is a lie that an earlier reader left. */
static uint32_t next_epoch(const struct attachment *at) {
    uint32_t last =
        attach_epoch(atomic_load_explicit(&attachment_port(at)->attach, memory_order_relaxed));
    uint32_t answered =
        (uint32_t)atomic_load_explicit(&attachment_answer(at)->epoch, memory_order_relaxed);
    uint32_t ahead = last - answered;
    uint32_t next = answered + (ahead < EPOCHS_AHEAD ? ahead : 0) + 1;
    return next ? next : 1; /* 0: answered to nobody */
}

static void enter(struct attachment *at) {
    struct layout_port *port = attachment_port(at);
    at->lease = grant_lease(at->seg, at->port, at->options.lease);
    atomic_store_explicit(&port->lease, at->lease, memory_order_relaxed);
    atomic_store_explicit(&port->cursor, 0, memory_order_relaxed);
    atomic_store_explicit(&port->received, 0, memory_order_relaxed);
    atomic_store_explicit(&port->dropped, 0, memory_order_relaxed);
    sign(at);
    at->epoch = next_epoch(at);
    set_word(at, PORT_ATTACHED);
}

static struct attachment *attachment_new(struct segment *seg,
                                         const struct shmring_reader_options *options,
                                         const struct attachment_start *start) {
    struct attachment *at = calloc(1, sizeof *at);
    if (!at)
        return NULL;
    atomic_init(&at->refs, 1);
    at->seg = seg;
    at->options = *options;
    at->copies = copies_ref(start->copies);
    at->cursor = start->expected;
    at->newest = start->newest;
    at->tried_newest = start->expected > 0 || options->mode != SHMRING_MODE_LATEST;
    at->wants_key = start->expected ? start->wants_key : options->wait_for_keyframe;
    at->wants_key_since = monotonic_ns();
    at->seen = start->expected ? start->expected - 1 : 0;
    return at;
}

static void discard(struct attachment *at) {
    segment_unref(at->seg);
    copies_unref(at->copies);
    free(at);
}

static int take_port(struct attachment *at, struct shmring_error *error) {
    int result = lock_attaching(at->seg, error);
    if (result < 0)
        return result;
    result = find_port(at->seg, &at->port, error);
    if (result == 0)
        enter(at);
    lock_release(at->seg->ctl_fd, lock_attach(at->seg->g.max_readers));
    return result;
}

/* The writer saw us before its stream was over, and has frames of it for us. */
static bool was_offered(const struct attachment *at) {
    struct layout_answer *answer = attachment_answer(at);
    return atomic_load_explicit(&answer->epoch, memory_order_acquire) == at->epoch &&
           atomic_load_explicit(&answer->end, memory_order_acquire) !=
               atomic_load_explicit(&answer->first, memory_order_relaxed);
}

int attachment_join(struct segment *seg, const struct shmring_reader_options *options,
                    const struct attachment_start *start, struct attachment **joined,
                    struct shmring_error *error) {
    struct attachment *at = attachment_new(seg, options, start);
    if (!at) {
        error_set(error, -ENOMEM, "no memory to attach to ring '%s'", seg->name);
        segment_unref(seg);
        return -ENOMEM;
    }
    int result = take_port(at, error);
    if (result < 0) {
        discard(at);
        return result;
    }
    /* Sequentially consistent: see ports_look. Not active: the writer may not have seen us. */
    if (atomic_load_explicit(&seg->header->state, memory_order_seq_cst) != STATE_ACTIVE &&
        !was_offered(at)) {
        error_set(error, -EAGAIN, "ring '%s' has just ended or moved", seg->name);
        attachment_leave(at);
        return -EAGAIN;
    }
    *joined = at;
    return 0;
}

/* ---- Leaving ---- */

void attachment_unref(struct attachment *at) {
    /* Acquire-release: the last one must see everybody's use before it frees. */
    if (atomic_fetch_sub_explicit(&at->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (!segment_is_inherited(at->seg)) {
        set_word(at, PORT_FREE);
        lock_release(at->seg->ctl_fd, lock_port(at->port));
    }
    discard(at);
}

/* One that is on its way meanwhile is the writer's to withdraw. */
static void refuse_offers(struct attachment *at) {
    for (uint32_t slot = 0; slot < at->seg->g.slots; slot++) {
        _Atomic uint64_t *word = &attachment_port(at)->claim[slot];
        uint64_t claim = atomic_load_explicit(word, memory_order_relaxed);
        if (claim_kind(claim) == CLAIM_OFFERED)
            atomic_compare_exchange_strong_explicit(word, &claim, 0, memory_order_relaxed,
                                                    memory_order_relaxed);
    }
}

void attachment_leave(struct attachment *at) {
    if (!segment_is_inherited(at->seg)) {
        set_word(at, PORT_LEAVING);
        refuse_offers(at);
        segment_ring_doorbell(at->seg);
    }
    attachment_unref(at);
}

/* ---- What it counted ---- */

void attachment_count(const struct attachment *at, struct shmring_reader_stats *stats) {
    stats->received += at->received;
    stats->copied += at->copied;
    stats->early += at->early;
    stats->skipped += at->skipped;
    stats->flushed += at->flushed;
    stats->withdrawn += at->withdrawn;
    stats->dropped += at->dropped;
}
