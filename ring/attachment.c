/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attachment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm.h"
#include "error.h"
#include "frame.h"
#include "lock.h"

#define PAUSE_US 1000
/* An attach takes microseconds. */
#define ATTACH_LOCK_TRIES 5
/* The writer's probe holds a place's byte for an instant. */
#define PLACE_TRIES 3

static struct layout_place *my_place(const struct attachment *at) {
    return &at->seg->ctl->place[at->place];
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
    for (uint32_t place = 0; place < seg->g.max_readers && used < size; place++) {
        const struct layout_place *p = &seg->ctl->place[place];
        char comm[COMM_SIZE + 1];
        comm_text(comm, p->comm);
        used += (size_t)snprintf(text + used, size - used, "%s%s (pid %u)", place ? ", " : "", comm,
                                 p->pid);
    }
}

static int find_place(struct segment *seg, uint32_t *found, struct shmring_error *error) {
    for (int tries = 0; tries < PLACE_TRIES; tries++) {
        for (uint32_t place = 0; place < seg->g.max_readers; place++) {
            *found = place;
            if (lock_try(seg->ctl_fd, lock_place(place)) == 0)
                return 0;
        }
        usleep(PAUSE_US);
    }
    char readers[300];
    list_readers(seg, readers, sizeof readers);
    return error_set(error, -EUSERS,
                     "ring '%s' has all its %u reader places taken, by %s: stop one, or start the "
                     "writer with more max-readers",
                     seg->name, seg->g.max_readers, readers);
}

/* Leases are the only holds without a time limit: together they must leave the writer its loans
 * and one slot more. A place whose byte is free holds nothing. */
static uint32_t grant_lease(const struct segment *seg, uint32_t place, uint32_t wanted) {
    uint64_t left = seg->g.slots - seg->g.lend_limit - 1;
    for (uint32_t other = 0; other < seg->g.max_readers; other++) {
        if (other == place || !lock_is_held(seg->ctl_fd, lock_place(other)))
            continue;
        uint32_t lease = atomic_load_explicit(&seg->ctl->place[other].lease, memory_order_relaxed);
        left -= lease < left ? lease : left;
    }
    return wanted < left ? wanted : (uint32_t)left;
}

static void sign(struct attachment *at) {
    struct layout_place *place = my_place(at);
    char comm[COMM_SIZE];
    comm_read(comm);
    memcpy(place->comm, comm, sizeof place->comm);
    place->pid = (uint32_t)getpid();
}

static uint64_t word_of(const struct attachment *at, enum layout_attach_state state) {
    return attach_word(at->epoch, (uint16_t)at->options.depth, (uint8_t)at->options.mode, state);
}

static void set_word(struct attachment *at, enum layout_attach_state state) {
    /* Sequentially consistent: see places_look. */
    atomic_store_explicit(&my_place(at)->attach, word_of(at, state), memory_order_seq_cst);
    segment_ring_doorbell(at->seg);
}

/* Not one the writer answered before: an earlier reader may have left a lie in its word. */
static uint32_t next_epoch(const struct attachment *at) {
    uint64_t last = attach_epoch(atomic_load_explicit(&my_place(at)->attach, memory_order_relaxed));
    uint64_t answered =
        atomic_load_explicit(&at->seg->header->answer[at->place].epoch, memory_order_relaxed);
    if (answered > last && answered <= UINT32_MAX)
        last = answered;
    return last < UINT32_MAX ? (uint32_t)last + 1 : 1; /* 0: answered to nobody */
}

static void enter(struct attachment *at) {
    struct layout_place *place = my_place(at);
    at->lease = grant_lease(at->seg, at->place, at->options.lease);
    atomic_store_explicit(&place->lease, at->lease, memory_order_relaxed);
    atomic_store_explicit(&place->cursor, 0, memory_order_relaxed);
    atomic_store_explicit(&place->received, 0, memory_order_relaxed);
    sign(at);
    at->epoch = next_epoch(at);
    set_word(at, PLACE_ATTACHED);
}

static struct attachment *attachment_new(struct segment *seg,
                                         const struct shmring_reader_options *options) {
    struct attachment *at = calloc(1, sizeof *at);
    if (!at)
        return NULL;
    atomic_init(&at->refs, 1);
    at->seg = seg;
    at->options = *options;
    return at;
}

static void discard(struct attachment *at) {
    segment_unref(at->seg);
    free(at);
}

static int take_place(struct attachment *at, struct shmring_error *error) {
    int result = lock_attaching(at->seg, error);
    if (result < 0)
        return result;
    result = find_place(at->seg, &at->place, error);
    if (result == 0)
        enter(at);
    lock_release(at->seg->ctl_fd, lock_attach(at->seg->g.max_readers));
    return result;
}

int attachment_join(struct segment *seg, const struct shmring_reader_options *options,
                    uint64_t expected, struct attachment **joined, struct shmring_error *error) {
    struct attachment *at = attachment_new(seg, options);
    if (!at) {
        error_set(error, -ENOMEM, "no memory to attach to ring '%s'", seg->name);
        segment_unref(seg);
        return -ENOMEM;
    }
    at->expected = expected;
    int result = take_place(at, error);
    if (result < 0) {
        discard(at);
        return result;
    }
    /* Sequentially consistent: see places_look. Superseded: the writer may not have seen us. */
    if (atomic_load_explicit(&seg->header->state, memory_order_seq_cst) == STATE_SUPERSEDED) {
        attachment_leave(at);
        return error_set(error, -EAGAIN, "ring '%s' is being replaced", seg->name);
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
        set_word(at, PLACE_FREE);
        lock_release(at->seg->ctl_fd, lock_place(at->place));
    }
    discard(at);
}

/* One that is on its way meanwhile is the writer's to withdraw. */
static void refuse_offers(struct attachment *at) {
    for (uint32_t slot = 0; slot < at->seg->g.slots; slot++) {
        _Atomic uint64_t *word = &my_place(at)->claim[slot];
        uint64_t claim = atomic_load_explicit(word, memory_order_relaxed);
        if ((claim & 0xffff) == CLAIM_OFFERED)
            atomic_compare_exchange_strong_explicit(word, &claim, 0, memory_order_relaxed,
                                                    memory_order_relaxed);
    }
}

void attachment_leave(struct attachment *at) {
    if (!segment_is_inherited(at->seg)) {
        set_word(at, PLACE_LEAVING);
        refuse_offers(at);
        segment_ring_doorbell(at->seg);
    }
    attachment_unref(at);
}

/* ---- Taking ---- */

static void release_claim(struct attachment *at, uint32_t slot) {
    /* Release: our reads are done before the writer sees the slot free. */
    atomic_store_explicit(&my_place(at)->claim[slot], 0, memory_order_release);
    segment_ring_doorbell(at->seg);
}

static void give_back(void *holder, uint32_t slot) {
    struct attachment *at = holder;
    release_claim(at, slot);
    atomic_fetch_sub_explicit(&at->held, 1, memory_order_relaxed);
    attachment_unref(at);
}

static bool is_answered(struct attachment *at) {
    struct layout_answer *answer = &at->seg->header->answer[at->place];
    if (at->answered)
        return true;
    /* Acquire: pairs with the release in places.c, so that `first` is this epoch's. */
    if (atomic_load_explicit(&answer->epoch, memory_order_acquire) != at->epoch)
        return false;
    at->cursor = atomic_load_explicit(&answer->first, memory_order_relaxed);
    if (at->expected && at->cursor > at->expected)
        at->missed += at->cursor - at->expected;
    at->answered = true;
    return true;
}

static void step(struct attachment *at, uint64_t frames) {
    at->cursor += frames;
    atomic_store_explicit(&my_place(at)->cursor, at->cursor, memory_order_relaxed);
}

static void miss(struct attachment *at, uint64_t frames) {
    at->missed += frames;
    step(at, frames);
}

static bool claim_moves(struct attachment *at, uint32_t slot, uint64_t to) {
    uint64_t offered = claim_offered(at->cursor);
    /* Acquire: the slot's content is what the offer announced. Release: what we did with the slot
     * before (in an earlier frame) is done. */
    return atomic_compare_exchange_strong_explicit(&my_place(at)->claim[slot], &offered, to,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

static int take_view(struct attachment *at, uint32_t slot, struct shmring_frame **frame) {
    int result = frame_view(at->seg, slot, at->cursor, give_back, at, frame);
    if (result < 0) {
        release_claim(at, slot);
        return result;
    }
    atomic_fetch_add_explicit(&at->held, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&at->refs, 1, memory_order_relaxed);
    return SHMRING_OK;
}

/*
 * Beyond the lease nothing may be held. Lossless: the slot is taken while it is copied, the writer
 * waits for that as for any lossless reader. Latest: the offer is consumed and the slot copied as
 * an observer does, so that a reader that is slow at it costs nobody else a slot.
 */
static int take_copy(struct attachment *at, uint32_t slot, struct shmring_frame **frame) {
    int result = frame_copy(at->seg, slot, at->cursor, frame);
    if (at->options.mode == SHMRING_MODE_ALL)
        release_claim(at, slot);
    else
        segment_ring_doorbell(at->seg);
    at->copied += result == SHMRING_OK;
    return result;
}

/* One step of the cursor. -EAGAIN: that frame is gone, look at the next. */
static int take_at_cursor(struct attachment *at, struct shmring_frame **frame) {
    /* Acquire: as that of head; a descriptor may be newer than the head we saw. */
    uint64_t descriptor =
        atomic_load_explicit(segment_descriptor(at->seg, at->cursor), memory_order_acquire);
    uint32_t slot = descriptor & 0xffff;
    bool view = atomic_load_explicit(&at->held, memory_order_relaxed) < at->lease;
    if (descriptor >> 16 != at->cursor || slot >= at->seg->g.slots)
        return -EAGAIN;
    if (!view && at->options.views_only)
        return SHMRING_LEASE;
    bool hold = view || at->options.mode == SHMRING_MODE_ALL;
    if (!claim_moves(at, slot, hold ? claim_taken(at->cursor) : 0))
        return -EAGAIN;
    return view ? take_view(at, slot, frame) : take_copy(at, slot, frame);
}

static void count(struct attachment *at, int result) {
    if (result == SHMRING_OK) {
        at->received++;
        atomic_store_explicit(&my_place(at)->received, at->received, memory_order_relaxed);
        step(at, 1);
    } else if (result != SHMRING_LEASE) {
        miss(at, 1);
    }
}

int attachment_take(struct attachment *at, struct shmring_frame **frame) {
    if (!is_answered(at))
        return TAKE_NOTHING;
    /* Acquire: pairs with the release in store_publish. */
    uint64_t head = atomic_load_explicit(&at->seg->header->head, memory_order_acquire);
    if (head <= at->cursor)
        return TAKE_NOTHING;
    if (head - at->cursor > at->seg->g.capacity)
        miss(at, head - at->cursor - at->seg->g.capacity);
    while (at->cursor < head) {
        int result = take_at_cursor(at, frame);
        count(at, result);
        if (result != -EAGAIN)
            return result;
    }
    return TAKE_NOTHING;
}

uint64_t attachment_flushed(const struct attachment *at) {
    const struct layout_answer *answer = &at->seg->header->answer[at->place];
    uint64_t flushed = atomic_load_explicit(&answer->flushed, memory_order_relaxed);
    if (!at->answered)
        return 0;
    return flushed < at->missed ? flushed : at->missed;
}
