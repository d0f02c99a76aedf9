/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attachment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "frame.h"
#include "futex.h"
#include "lock.h"
#include "process.h"

#define PAUSE_US 1000
/* An attach takes microseconds. */
#define ATTACH_LOCK_TRIES 5
/* The writer's probe holds a port's byte for an instant. */
#define PORT_TRIES 3
/* A stream that refreshes its pictures bit by bit never has a frame that stands alone. */
#define KEY_WAIT_NS INT64_C(10000000000)
/* More attachments than there can be between two looks of the writer. */
#define EPOCHS_AHEAD (UINT32_C(1) << 20)

static struct layout_port *my_port(const struct attachment *at) {
    return &at->seg->ctl->port[at->port];
}

static struct layout_answer *my_answer(const struct attachment *at) {
    return &at->seg->header->answer[at->port];
}

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
    struct layout_port *port = my_port(at);
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
    atomic_store_explicit(&my_port(at)->attach, word_of(at, state), memory_order_seq_cst);
    segment_give_notice(at->seg);
}

/* Neither one that the writer answered before, nor one that it may be answering now: the one after
 * the last. Epochs wrap; what lies far ahead is a lie that an earlier reader left. */
static uint32_t next_epoch(const struct attachment *at) {
    uint32_t last = attach_epoch(atomic_load_explicit(&my_port(at)->attach, memory_order_relaxed));
    uint32_t answered = (uint32_t)atomic_load_explicit(&my_answer(at)->epoch, memory_order_relaxed);
    uint32_t ahead = last - answered;
    uint32_t next = answered + (ahead < EPOCHS_AHEAD ? ahead : 0) + 1;
    return next ? next : 1; /* 0: answered to nobody */
}

static void enter(struct attachment *at) {
    struct layout_port *port = my_port(at);
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
    struct layout_answer *answer = my_answer(at);
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

static void attachment_unref(struct attachment *at) {
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
        _Atomic uint64_t *word = &my_port(at)->claim[slot];
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

/* ---- Claims ---- */

static bool claim_moves(struct attachment *at, uint32_t slot, enum layout_claim from, uint64_t to) {
    uint64_t claim = claim_word(at->cursor, from);
    /* Acquire: the slot's content is what the offer announced. Release: what we did with the slot
     * before, in an earlier frame or in this copy, is done. Failed, acquire: the writer counted
     * why before it took the claim back. */
    return atomic_compare_exchange_strong_explicit(&my_port(at)->claim[slot], &claim, to,
                                                   memory_order_acq_rel, memory_order_acquire);
}

static void release_claim(struct attachment *at, uint32_t slot) {
    /* Release: our reads are done before the writer sees the slot free. */
    atomic_store_explicit(&my_port(at)->claim[slot], 0, memory_order_release);
    segment_ring_doorbell(at->seg);
}

static void give_back(void *holder, uint32_t slot) {
    struct attachment *at = holder;
    release_claim(at, slot);
    atomic_fetch_sub_explicit(&at->held, 1, memory_order_relaxed);
    attachment_unref(at);
}

/* ---- Missing ---- */

static uint64_t part_of(uint64_t *counted, const _Atomic uint64_t *told, uint64_t frames) {
    uint64_t more = atomic_load_explicit(told, memory_order_relaxed) - *counted;
    more = more <= UINT32_MAX && more < frames ? more : more <= UINT32_MAX ? frames : 0;
    *counted += more;
    return more;
}

/* By what the writer says that it took back; whatever else is gone was too old. */
static void miss(struct attachment *at, uint64_t frames) {
    struct layout_answer *answer = my_answer(at);
    if (at->answered) {
        frames -= part_of(&at->flushed, &answer->flushed, frames);
        frames -= part_of(&at->withdrawn, &answer->withdrawn, frames);
    }
    at->dropped += frames;
    atomic_store_explicit(&my_port(at)->dropped, at->dropped, memory_order_relaxed);
}

/* ---- Taking ---- */

static bool is_answered(struct attachment *at) {
    struct layout_answer *answer = my_answer(at);
    if (at->answered)
        return true;
    /* Acquire: pairs with the release in ports.c, so that the rest is this epoch's. */
    if (atomic_load_explicit(&answer->epoch, memory_order_acquire) != at->epoch)
        return false;
    uint64_t first = atomic_load_explicit(&answer->first, memory_order_relaxed);
    if (at->cursor && first > at->cursor)
        miss(at, first - at->cursor);
    at->cursor = first;
    at->stream = atomic_load_explicit(&answer->stream, memory_order_relaxed);
    at->answered = true;
    return true;
}

static void step(struct attachment *at, uint64_t frames) {
    at->cursor += frames;
    atomic_store_explicit(&my_port(at)->cursor, at->cursor, memory_order_relaxed);
}

static int take_view(struct attachment *at, uint32_t slot, struct shmring_frame **frame,
                     struct shmring_error *error) {
    if (!claim_moves(at, slot, CLAIM_OFFERED, claim_word(at->cursor, CLAIM_TAKEN)))
        return -EAGAIN;
    int result = frame_view(at->seg, slot, at->cursor, give_back, at, frame, error);
    if (result < 0) {
        release_claim(at, slot);
        return result;
    }
    atomic_fetch_add_explicit(&at->held, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&at->refs, 1, memory_order_relaxed);
    return SHMRING_OK;
}

/* Beyond the lease nothing may be held: the writer may take the claim back while the copy is made,
 * which then is thrown away, whatever came of it. */
static int take_copy(struct attachment *at, uint32_t slot, struct shmring_frame **frame,
                     struct shmring_error *error) {
    if (!claim_moves(at, slot, CLAIM_OFFERED, claim_word(at->cursor, CLAIM_COPYING)))
        return -EAGAIN;
    int result = frame_copy(at->seg, slot, at->cursor, frame, error);
    bool was_ours = claim_moves(at, slot, CLAIM_COPYING, 0);
    segment_ring_doorbell(at->seg);
    if (was_ours || result == -ENOMEM)
        return result;
    shmring_frame_release(*frame);
    *frame = NULL;
    return -EAGAIN;
}

/* Where the frame at the cursor lies. Next streams are none of ours, and may have gone over its
 * descriptor: then the claim tells. */
static bool find_slot(const struct attachment *at, uint32_t *found) {
    /* Acquire: as that of head; a descriptor may be newer than the head we saw. */
    uint64_t descriptor =
        atomic_load_explicit(segment_descriptor(at->seg, at->cursor), memory_order_acquire);
    if (segment_slot_of(at->seg, descriptor, at->cursor, found))
        return true;
    for (*found = 0; *found < at->seg->g.slots; ++*found) {
        const _Atomic uint64_t *claim = &my_port(at)->claim[*found];
        if (atomic_load_explicit(claim, memory_order_relaxed) ==
            claim_word(at->cursor, CLAIM_OFFERED))
            return true;
    }
    return false;
}

/* One step of the cursor. -EAGAIN: that frame is gone, look at the next. */
static int take_at_cursor(struct attachment *at, struct shmring_frame **frame,
                          struct shmring_error *error) {
    uint32_t slot;
    bool view = atomic_load_explicit(&at->held, memory_order_relaxed) < at->lease;
    if (!find_slot(at, &slot))
        return -EAGAIN;
    if (at->cursor <= at->newest) { /* we are past it */
        if (claim_moves(at, slot, CLAIM_OFFERED, 0))
            segment_ring_doorbell(at->seg);
        return -EAGAIN;
    }
    if (view)
        return take_view(at, slot, frame, error);
    return at->options.views_only ? SHMRING_LEASE : take_copy(at, slot, frame, error);
}

static void count_received(struct attachment *at, const struct shmring_frame *frame) {
    at->received++;
    at->copied += frame->is_copy;
    atomic_store_explicit(&my_port(at)->received, at->received, memory_order_relaxed);
}

/* ---- Frames that stand alone ---- */

/* No key frame will come: none did so far, in a long time. */
static bool is_refreshed_bit_by_bit(const struct attachment *at) {
    return atomic_load_explicit(&at->seg->header->key_seq, memory_order_relaxed) == 0 &&
           monotonic_ns() - at->wants_key_since > KEY_WAIT_NS;
}

static void want_key(struct attachment *at) {
    if (at->wants_key)
        return;
    at->wants_key = true;
    at->wants_key_since = monotonic_ns();
    attachment_request_key(at, SHMRING_TIME_NONE);
}

/* Whether a frame can be decoded after those before it. Frames that stand alone, or say nothing,
 * and a loss, change the answer for the next ones. */
static bool is_decodable(struct attachment *at, const struct shmring_frame_info *info) {
    bool is_gap = info->flags & SHMRING_FRAME_GAP, is_delta = info->flags & SHMRING_FRAME_DELTA;
    bool is_next = at->seen == 0 || info->seq == at->seen + 1;
    at->seen = info->seq;
    at->lost = at->lost || !is_next;
    if (!at->options.wait_for_keyframe || is_gap)
        return true;
    if (!is_delta) {
        at->wants_key = at->lost = false;
        return true;
    }
    if (at->lost)
        want_key(at);
    at->lost = false;
    if (at->wants_key && is_refreshed_bit_by_bit(at))
        at->wants_key = false;
    return !at->wants_key;
}

/* Leaves out what cannot be decoded: -EAGAIN. */
static int pass(struct attachment *at, struct shmring_frame **frame) {
    if (is_decodable(at, &(*frame)->info)) {
        count_received(at, *frame);
        return SHMRING_OK;
    }
    shmring_frame_release(*frame);
    *frame = NULL;
    at->skipped++;
    return -EAGAIN;
}

/* ---- The frame that is there ---- */

static uint64_t limit_of(const struct attachment *at) {
    /* Acquire, both: pairs with the releases in distributor.c. */
    uint64_t head = atomic_load_explicit(&at->seg->header->head, memory_order_acquire);
    uint64_t end = atomic_load_explicit(&my_answer(at)->end, memory_order_acquire);
    return end < head ? end : head;
}

static void count_passed(struct attachment *at) {
    /* The newest frame was had already, as a copy. */
    if (at->cursor != at->newest)
        miss(at, 1);
    step(at, 1);
}

static int take_offered(struct attachment *at, uint64_t limit, struct shmring_frame **frame,
                        struct shmring_error *error) {
    uint64_t capacity = at->seg->g.capacity;
    if (limit > at->cursor && limit - at->cursor > capacity) {
        miss(at, limit - at->cursor - capacity);
        step(at, limit - at->cursor - capacity);
    }
    while (at->cursor < limit) {
        int result = take_at_cursor(at, frame, error);
        if (result == SHMRING_LEASE)
            return result;
        if (result == SHMRING_OK) {
            result = pass(at, frame);
            step(at, 1);
        } else {
            count_passed(at);
        }
        if (result != -EAGAIN)
            return result;
    }
    return TAKE_NOTHING;
}

/* As an observer copies it; the offers that follow are newer. One try. */
static int take_newest(struct attachment *at, struct shmring_frame **frame) {
    uint64_t head = atomic_load_explicit(&at->seg->header->head, memory_order_acquire);
    uint64_t newest = head - 1;
    at->tried_newest = true;
    if (head <= at->seg->g.base || newest <= at->newest)
        return TAKE_NOTHING;
    uint64_t descriptor =
        atomic_load_explicit(segment_descriptor(at->seg, newest), memory_order_acquire);
    uint32_t slot;
    if (!segment_slot_of(at->seg, descriptor, newest, &slot) ||
        frame_observe(at->seg, slot, newest, frame, NULL) < 0)
        return TAKE_NOTHING;
    bool is_ours = !is_answered(at) || newest < limit_of(at); /* not of the stream after it */
    if (!is_ours || (*frame)->info.flags & (SHMRING_FRAME_DELTA | SHMRING_FRAME_GAP)) {
        shmring_frame_release(*frame);
        *frame = NULL;
        return TAKE_NOTHING;
    }
    at->newest = at->seen = newest;
    at->wants_key = false;
    /* Not answered: what the writer answers is no older than head was. */
    if (is_answered(at) && newest >= at->cursor) {
        count_received(at, *frame);
        take_offered(at, newest + 1, NULL, NULL); /* what is older is missed before it */
    } else {
        at->early++;
    }
    return SHMRING_OK;
}

int attachment_take(struct attachment *at, struct shmring_frame **frame,
                    struct shmring_error *error) {
    if (!at->tried_newest && take_newest(at, frame) == SHMRING_OK)
        return SHMRING_OK;
    return is_answered(at) ? take_offered(at, limit_of(at), frame, error) : TAKE_NOTHING;
}

/* ---- What becomes of it ---- */

bool attachment_is_over(struct attachment *at) {
    /* Acquire: pairs with the release in set_end. */
    return is_answered(at) &&
           atomic_load_explicit(&my_answer(at)->end, memory_order_acquire) <= at->cursor;
}

bool attachment_is_banned(const struct attachment *at) {
    return atomic_load_explicit(&my_answer(at)->banned, memory_order_acquire) == at->epoch;
}

void attachment_request_key(struct attachment *at, int64_t at_ns) {
    struct layout_port *port = my_port(at);
    atomic_store_explicit(&port->key_at_ns, at_ns, memory_order_relaxed);
    /* Release: who sees the request sees for when. */
    atomic_fetch_add_explicit(&port->key_count, 1, memory_order_release);
    segment_give_notice(at->seg);
}

void attachment_count(const struct attachment *at, struct shmring_reader_stats *stats) {
    stats->received += at->received;
    stats->copied += at->copied;
    stats->early += at->early;
    stats->skipped += at->skipped;
    stats->flushed += at->flushed;
    stats->withdrawn += at->withdrawn;
    stats->dropped += at->dropped;
}
