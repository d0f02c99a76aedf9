/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "create.h"
#include "error.h"
#include "frame.h"
#include "futex.h"
#include "lock.h"
#include "store.h"
#include "testing.h"

/* How often the writer looks for dead readers and for its name when nothing makes it look. */
#define HOUSEKEEPING_NS INT64_C(1000000000)

struct shmring_writer {
    _Atomic uint32_t refs; /* the user's, and one a loan */
    uint32_t generation;   /* fork_generation() when it was made */
    pthread_mutex_t mutex; /* all below, and every claim and publish; never held while sleeping */
    struct shmring_writer_options options;
    struct store *store; /* the present segment's */
    struct store
        *predecessors; /* superseded ones that lossless readers have not left, oldest first */
    _Atomic uint32_t interrupted;
    uint32_t sleepers;
    bool ended, discont;
    int64_t next_housekeeping;
    struct shmring_writer_stats
        stats; /* totals of segments that are gone, and what is the writer's */
    char name[SHMRING_MAX_NAME + 1];
};

static bool is_inherited(const struct shmring_writer *w) {
    return w->generation != fork_generation();
}

static uint64_t next_seq(const struct shmring_writer *w) {
    /* Relaxed: nobody else writes it. */
    return atomic_load_explicit(&w->store->seg->header->head, memory_order_relaxed);
}

static void set_state(struct segment *seg, enum layout_state state) {
    /* Sequentially consistent, with places_look: see there. */
    atomic_store_explicit(&seg->header->state, state, memory_order_seq_cst);
    segment_announce(seg);
}

static void show_counters(struct shmring_writer *w) {
    struct layout_header *header = w->store->seg->header;
    atomic_store_explicit(&header->published, w->stats.published, memory_order_relaxed);
    atomic_store_explicit(&header->bytes, w->stats.bytes, memory_order_relaxed);
    atomic_store_explicit(&header->dropped, w->stats.dropped, memory_order_relaxed);
    atomic_store_explicit(&header->revoked, w->stats.revoked + w->store->revoked,
                          memory_order_relaxed);
    atomic_store_explicit(&header->flushed, w->stats.flushed + w->store->flushed,
                          memory_order_relaxed);
}

/* ---- Opening and closing ---- */

static struct shmring_writer *writer_new(const char *name,
                                         const struct shmring_writer_options *options) {
    struct shmring_writer *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    atomic_init(&w->refs, 1);
    w->generation = fork_generation();
    pthread_mutex_init(&w->mutex, NULL);
    w->options = *options;
    memcpy(w->name, name, strlen(name) + 1);
    return w;
}

static void writer_unref(struct shmring_writer *w) {
    /* Acquire-release: the last one must see everybody's use before it frees. */
    if (atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&w->mutex);
    free(w);
}

/* Makes a segment by the writer's options, under the name. */
static int open_store(struct shmring_writer *w, const struct segment *with, struct store **opened,
                      struct shmring_error *error) {
    struct segment *seg = NULL;
    int result = segment_create(w->name, &w->options, with, &seg, error);
    if (result < 0)
        return result;
    *opened = store_new(w, seg);
    if (*opened)
        return 0;
    segment_remove_names(seg);
    segment_unref(seg);
    return error_set(error, -ENOMEM, "no memory for ring '%s'", w->name);
}

int shmring_writer_open(const char *name, const struct shmring_writer_options *options,
                        struct shmring_writer **writer, struct shmring_error *error) {
    int result = name_check(name, error);
    if (result < 0)
        return result;
    struct shmring_writer *w = writer_new(name, options);
    if (!w)
        return error_set(error, -ENOMEM, "no memory for ring '%s'", name);
    result = open_store(w, NULL, &w->store, error);
    if (result == 0)
        *writer = w;
    else
        writer_unref(w);
    return result;
}

static void add_counters(struct shmring_writer_stats *stats, const struct store *store) {
    stats->revoked += store->revoked;
    stats->flushed += store->flushed;
    stats->dead_readers += store->dead_readers;
    stats->bad_claims += store->bad_claims;
}

static void drop_store(struct shmring_writer *w, struct store *store) {
    add_counters(&w->stats, store);
    store_unref(store);
}

/* Nothing was published since: what ends the present segment ends those before it too. */
static void drop_predecessors(struct shmring_writer *w, enum layout_state state) {
    while (w->predecessors) {
        struct store *store = w->predecessors;
        w->predecessors = store->next;
        set_state(store->seg, state);
        drop_store(w, store);
    }
}

void shmring_writer_close(struct shmring_writer *w) {
    if (!w)
        return;
    if (is_inherited(w)) {
        writer_unref(w);
        return;
    }
    pthread_mutex_lock(&w->mutex);
    if (!w->ended)
        set_state(w->store->seg, STATE_CLOSED);
    drop_predecessors(w, w->ended ? STATE_ENDED : STATE_CLOSED);
    /* The names go before the lock does: a name without a lock reads as a dead writer's. */
    segment_remove_names(w->store->seg);
    lock_release(w->store->seg->ctl_fd, LOCK_WRITER);
    lock_release(w->store->seg->frames_fd, LOCK_WRITER);
    store_unref(w->store);
    pthread_mutex_unlock(&w->mutex);
    writer_unref(w);
}

void shmring_writer_end(struct shmring_writer *w) {
    if (is_inherited(w))
        return;
    pthread_mutex_lock(&w->mutex);
    if (!w->ended) {
        w->ended = true;
        drop_predecessors(w, STATE_ENDED);
        set_state(w->store->seg, STATE_ENDED);
    }
    pthread_mutex_unlock(&w->mutex);
}

/* ---- Superseding ---- */

/* Readers of an ended segment owe us nothing: they see its end and leave when they like. */
static void retire(struct shmring_writer *w, struct store *old) {
    if (w->ended) {
        drop_store(w, old);
        return;
    }
    set_state(old->seg, STATE_SUPERSEDED);
    struct store **last = &w->predecessors;
    while (*last)
        last = &(*last)->next;
    *last = old;
}

static int supersede(struct shmring_writer *w, struct shmring_error *error) {
    struct store *old = w->store, *store = NULL;
    w->options.first_seq = next_seq(w);
    int result = open_store(w, old->seg, &store, error);
    if (result < 0)
        return result;
    int64_t latency = atomic_load_explicit(&old->seg->header->latency_ns, memory_order_relaxed);
    atomic_store_explicit(&store->seg->header->latency_ns, latency, memory_order_relaxed);
    w->store = store;
    retire(w, old);
    w->ended = false;
    show_counters(w);
    return 0;
}

int shmring_writer_resize(struct shmring_writer *w, uint32_t slots, uint64_t slot_size,
                          uint32_t header_size, struct shmring_error *error) {
    if (is_inherited(w))
        return error_set(error, -ECHILD, "ring '%s' belongs to the parent process", w->name);
    pthread_mutex_lock(&w->mutex);
    struct shmring_writer_options before = w->options;
    w->options.slots = slots;
    w->options.slot_size = slot_size;
    w->options.header_size = header_size;
    int result = supersede(w, error);
    if (result < 0)
        w->options = before;
    pthread_mutex_unlock(&w->mutex);
    return result;
}

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

static bool is_drained(struct store *store) {
    places_look(store, atomic_load_explicit(&store->seg->header->head, memory_order_relaxed));
    places_probe(store);
    return !places_lossless_reader(store);
}

/* The oldest predecessor that a lossless reader still reads, with its bell, or NULL. */
static struct store *undrained(struct shmring_writer *w, uint32_t *bell) {
    struct store *store;
    while ((store = w->predecessors)) {
        *bell = read_bell(store);
        if (!is_drained(store))
            return store;
        w->predecessors = store->next;
        drop_store(w, store);
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
    places_look(w->store, next_seq(w));
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
        int result = supersede(w, NULL);
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
    if (is_inherited(w))
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
    if (!is_inherited(w)) {
        pthread_mutex_lock(&w->mutex);
        store->slot[index].loan = LOAN_NONE;
        store->loans--;
        segment_ring_doorbell(store->seg);
        store_unref(store);
        pthread_mutex_unlock(&w->mutex);
    }
    writer_unref(w);
}

/* ---- Publish ---- */

static void keep_house(struct shmring_writer *w) {
    int64_t now = monotonic_ns();
    if (now < w->next_housekeeping)
        return;
    w->next_housekeeping = now + HOUSEKEEPING_NS;
    places_probe(w->store);
    w->stats.name_lost = !segment_has_name(w->store->seg);
    show_counters(w);
}

static bool can_publish(const struct shmring_writer *w, const struct shmring_slot *slot) {
    return slot->store == w->store && !w->ended && w->store->slot[slot->index].loan == LOAN_OUT;
}

static int check_publish(struct shmring_writer *w, const struct shmring_slot *slot,
                         const struct shmring_frame_info *info, struct shmring_error *error) {
    const char *problem;
    if (slot->store != w->store || w->ended)
        return error_set(error, -ESTALE, "ring '%s' has moved on: loan a new slot and copy",
                         w->name);
    if (!can_publish(w, slot))
        return error_set(error, -EALREADY, "this slot of ring '%s' was published before", w->name);
    if (!info_check(info, slot->size, &problem))
        return error_set(error, -EINVAL, "a frame for ring '%s' cannot be: %s", w->name, problem);
    if (!frame_header_fits(w->store->seg, info))
        return error_set(error, -EMSGSIZE,
                         "caps and metas of a frame for ring '%s' do not fit in its header of %u "
                         "bytes",
                         w->name, w->options.header_size);
    return 0;
}

static void publish_checked(struct shmring_writer *w, uint32_t index,
                            const struct shmring_frame_info *info) {
    struct shmring_frame_info told = *info;
    told.seq = next_seq(w);
    told.publish_ns = monotonic_ns();
    if (!told.timestamp_ns)
        told.timestamp_ns = realtime_ns();
    if (w->discont)
        told.flags |= SHMRING_FRAME_DISCONT;
    w->discont = false;
    frame_write_header(w->store->seg, index, &told);
    store_publish(w->store, index, told.seq);
    w->stats.published++;
    w->stats.bytes += told.size;
    keep_house(w);
}

int shmring_writer_publish(struct shmring_writer *w, struct shmring_slot *slot,
                           const struct shmring_frame_info *info, uint64_t *seq,
                           struct shmring_error *error) {
    if (is_inherited(w))
        return error_set(error, -ECHILD, "ring '%s' belongs to the parent process", w->name);
    pthread_mutex_lock(&w->mutex);
    int result = check_publish(w, slot, info, error);
    if (result == 0) {
        if (seq)
            *seq = next_seq(w);
        publish_checked(w, slot->index, info);
    }
    pthread_mutex_unlock(&w->mutex);
    return result;
}

bool shmring_writer_can_publish(struct shmring_writer *w, const struct shmring_slot *slot) {
    if (is_inherited(w))
        return false;
    pthread_mutex_lock(&w->mutex);
    bool can = can_publish(w, slot);
    pthread_mutex_unlock(&w->mutex);
    return can;
}

/* ---- The rest of a stream ---- */

void shmring_writer_drop(struct shmring_writer *w) {
    if (is_inherited(w))
        return;
    pthread_mutex_lock(&w->mutex);
    w->stats.dropped++;
    w->discont = true;
    pthread_mutex_unlock(&w->mutex);
}

void shmring_writer_flush(struct shmring_writer *w) {
    if (is_inherited(w))
        return;
    pthread_mutex_lock(&w->mutex);
    for (struct store *store = w->predecessors; store; store = store->next)
        store_flush(store);
    store_flush(w->store);
    w->discont = true;
    pthread_mutex_unlock(&w->mutex);
}

static int wait_reader_locked(struct shmring_writer *w, int64_t timeout_ns) {
    int64_t deadline = deadline_after(timeout_ns);
    int result = SHMRING_OK;
    while (result == SHMRING_OK) {
        uint32_t bell = read_bell(w->store);
        places_look(w->store, next_seq(w));
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
    if (is_inherited(w))
        return -ECHILD;
    pthread_mutex_lock(&w->mutex);
    int result = wait_reader_locked(w, timeout_ns);
    pthread_mutex_unlock(&w->mutex);
    return result;
}

void shmring_writer_interrupt(struct shmring_writer *w, bool interrupted) {
    /* Sleepers on any segment sleep on this word too. */
    futex_interrupt(&w->interrupted, interrupted, NULL);
}

void shmring_writer_set_latency(struct shmring_writer *w, int64_t latency_ns) {
    if (is_inherited(w))
        return;
    pthread_mutex_lock(&w->mutex);
    atomic_store_explicit(&w->store->seg->header->latency_ns, latency_ns, memory_order_relaxed);
    pthread_mutex_unlock(&w->mutex);
}

void shmring_writer_get_stats(struct shmring_writer *w, struct shmring_writer_stats *stats) {
    *stats = (struct shmring_writer_stats){0};
    if (is_inherited(w))
        return;
    pthread_mutex_lock(&w->mutex);
    places_look(w->store, next_seq(w));
    *stats = w->stats;
    stats->slots = w->options.slots;
    stats->max_readers = w->options.max_readers;
    stats->header_size = w->options.header_size;
    stats->slot_size = w->options.slot_size;
    stats->readers = places_attached(w->store);
    stats->loans = w->store->loans;
    add_counters(stats, w->store);
    for (const struct store *store = w->predecessors; store; store = store->next)
        add_counters(stats, store);
    pthread_mutex_unlock(&w->mutex);
}

uint32_t shmring_writer_get_readers(struct shmring_writer *w, struct shmring_reader_info *readers,
                                    uint32_t max) {
    uint32_t count = 0;
    if (is_inherited(w))
        return 0;
    pthread_mutex_lock(&w->mutex);
    places_look(w->store, next_seq(w));
    for (uint32_t place = 0; place < w->store->seg->g.max_readers; place++) {
        if (!place_is_attached(w->store, place))
            continue;
        if (count < max)
            places_describe(w->store, place, &readers[count]);
        count++;
    }
    pthread_mutex_unlock(&w->mutex);
    return count;
}

struct segment *writer_segment(struct shmring_writer *w) {
    return w->store->seg;
}
