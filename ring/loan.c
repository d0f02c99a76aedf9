/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "frame.h"
#include "futex.h"
#include "writer.h"

/* ---- Waiting ---- */

static bool is_interrupted(struct shmring_writer *w) {
    return atomic_load_explicit(&w->interrupted, memory_order_acquire);
}

/*
 * Sleeps until the segment's doorbell, last read as BELL, rings. Releases the mutex meanwhile.
 * SHMRING_OK: look again.
 */
static int sleep_on(struct shmring_writer *w, struct store *store, uint32_t bell,
                    int64_t deadline) {
    int64_t slice = deadline_left(deadline, HOUSEKEEPING_NS);
    if (slice == 0)
        return SHMRING_TIMEOUT;
    struct segment *seg = segment_ref(store->seg);
    w->sleepers++;
    /* Sequentially consistent: see segment_ring_doorbell. */
    atomic_store_explicit(&seg->header->waiting, 1, memory_order_seq_cst);
    pthread_mutex_unlock(&w->mutex);
    int result = futex_wait(&seg->ctl->doorbell, bell, &w->interrupted, slice);
    pthread_mutex_lock(&w->mutex);
    if (--w->sleepers == 0)
        atomic_store_explicit(&seg->header->waiting, 0, memory_order_relaxed);
    segment_unref(seg);
    return result == -EINTR ? SHMRING_INTERRUPTED : SHMRING_OK;
}

static uint32_t read_bell(struct store *store) {
    /* Sequentially consistent: read before the claims are looked at, so that a release after that
     * look changes it. */
    return atomic_load_explicit(&store->seg->ctl->doorbell, memory_order_seq_cst);
}

/* ---- Loan ---- */

static bool is_read_losslessly(struct store *store) {
    places_look(store, atomic_load_explicit(&store->seg->header->head, memory_order_relaxed));
    if (!places_lossless_reader(store))
        return false;
    places_probe(store);
    return places_lossless_reader(store);
}

/* The oldest predecessor that a lossless reader still reads, with its bell, or NULL. */
static struct store *undrained(struct shmring_writer *w, uint32_t *bell) {
    struct store **link = &w->predecessors;
    while (*link) {
        struct store *store = *link;
        *bell = read_bell(store);
        if (is_read_losslessly(store))
            return store;
        if (places_attached(store)) { /* in mode latest: nobody waits, but how it ends they hear */
            link = &store->next;
            continue;
        }
        *link = store->next;
        writer_drop_store(w, store);
    }
    return NULL;
}

static uint32_t find_slot(struct shmring_writer *w) {
    uint32_t slot;
    do {
        slot = store_find_free(w->store);
        if (slot == NO_SLOT)
            slot = store_reclaim(w->store);
    } while (slot == NO_SLOT && places_probe(w->store));
    return slot;
}

/* One look: a slot, or on whom to wait (NULL: on nobody) and from which bell on. */
static uint32_t look_for_slot(struct shmring_writer *w, struct store **wait_for, uint32_t *bell) {
    *wait_for = undrained(w, bell);
    if (*wait_for)
        return NO_SLOT;
    *bell = read_bell(w->store);
    places_look(w->store, writer_next_seq(w));
    /* Before the slots: a reader that gives back the last one while we look must not pass for one
     * that had nothing. */
    bool lossless = places_lossless_claim(w->store);
    uint32_t slot = find_slot(w);
    if (slot == NO_SLOT && lossless)
        *wait_for = w->store;
    return slot;
}

static int wait_for_slot(struct shmring_writer *w, int64_t timeout_ns, uint32_t *slot) {
    int64_t deadline = deadline_after(timeout_ns), started = 0;
    int result = SHMRING_OK;
    while (result == SHMRING_OK) {
        struct store *wait_for;
        uint32_t bell;
        if (is_interrupted(w))
            result = SHMRING_INTERRUPTED;
        else if ((*slot = look_for_slot(w, &wait_for, &bell)) != NO_SLOT)
            break;
        else if (!wait_for)
            result = SHMRING_FULL;
        else {
            started = started ? started : monotonic_ns();
            result = sleep_on(w, wait_for, bell, deadline);
        }
    }
    if (started) {
        w->stats.waits++;
        w->stats.wait_ns += monotonic_ns() - started;
    }
    return result == SHMRING_TIMEOUT ? SHMRING_FULL : result;
}

static void lend(struct shmring_writer *w, uint32_t index, struct shmring_slot *slot) {
    struct store *store = w->store;
    store->slot[index].loan = LOAN_OUT;
    store->refs++;
    store->loans++;
    atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
    atomic_store_explicit(&segment_frame(store->seg, index)->seq, 0, memory_order_relaxed);
    frame_fence_before_write();
    *slot = (struct shmring_slot){
        .data = segment_slot(store->seg, index),
        .size = store->seg->g.slot_size,
        .store = store,
        .index = index,
    };
}

static int loan_locked(struct shmring_writer *w, enum shmring_loan kind, int64_t timeout_ns,
                       struct shmring_slot *slot) {
    uint32_t limit = w->options.lend_limit + (kind == SHMRING_LOAN_FILL), index;
    if (w->ended) {
        int result = writer_supersede(w, NULL);
        if (result < 0)
            return result;
    }
    if (w->store->loans >= limit)
        return SHMRING_FULL;
    int result = wait_for_slot(w, timeout_ns, &index);
    if (result != SHMRING_OK)
        return result;
    if (w->store->loans >= limit) /* another thread's, while we slept */
        return SHMRING_FULL;
    lend(w, index, slot);
    return SHMRING_OK;
}

int shmring_writer_loan(struct shmring_writer *w, enum shmring_loan kind, int64_t timeout_ns,
                        struct shmring_slot *slot) {
    *slot = (struct shmring_slot){0};
    if (writer_is_inherited(w))
        return -ECHILD;
    pthread_mutex_lock(&w->mutex);
    int result = loan_locked(w, kind, timeout_ns, slot);
    pthread_mutex_unlock(&w->mutex);
    return result;
}

void shmring_slot_return(struct shmring_slot *slot) {
    struct store *store = slot->store;
    uint32_t index = slot->index;
    *slot = (struct shmring_slot){0};
    if (!store)
        return;
    struct shmring_writer *w = store->writer;
    if (!writer_is_inherited(w)) {
        pthread_mutex_lock(&w->mutex);
        store->slot[index].loan = LOAN_NONE;
        store->loans--;
        segment_ring_doorbell(store->seg);
        store_unref(store);
        pthread_mutex_unlock(&w->mutex);
    }
    writer_unref(w);
}

/* ---- Waiting for a reader ---- */

static int wait_reader_locked(struct shmring_writer *w, int64_t timeout_ns) {
    int64_t deadline = deadline_after(timeout_ns);
    int result = SHMRING_OK;
    while (result == SHMRING_OK) {
        uint32_t bell = read_bell(w->store);
        places_look(w->store, writer_next_seq(w));
        places_probe(w->store);
        if (is_interrupted(w))
            return SHMRING_INTERRUPTED;
        if (places_attached(w->store))
            return SHMRING_OK;
        result = sleep_on(w, w->store, bell, deadline);
    }
    return result;
}

int shmring_writer_wait_reader(struct shmring_writer *w, int64_t timeout_ns) {
    if (writer_is_inherited(w))
        return -ECHILD;
    pthread_mutex_lock(&w->mutex);
    int result = wait_reader_locked(w, timeout_ns);
    pthread_mutex_unlock(&w->mutex);
    return result;
}
