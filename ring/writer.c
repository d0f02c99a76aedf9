/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "create.h"
#include "error.h"
#include "futex.h"
#include "lock.h"
#include "testing.h"
#include "writer.h"

static void set_state(struct segment *seg, enum layout_state state) {
    /* Sequentially consistent, with places_look: see there. */
    atomic_store_explicit(&seg->header->state, state, memory_order_seq_cst);
    segment_announce(seg);
}

void writer_show_counters(struct shmring_writer *w) {
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

void writer_unref(struct shmring_writer *w) {
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
    /* The numbering goes on after a dead writer's; the stream does not. */
    w->discont = result == 0 && writer_next_seq(w) != options->first_seq;
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

void writer_drop_store(struct shmring_writer *w, struct store *store) {
    add_counters(&w->stats, store);
    store_unref(store);
}

/* Their readers hear how it ended: the successor cannot tell them any more, or has no frame to. */
static void drop_predecessors(struct shmring_writer *w, enum layout_state state) {
    while (w->predecessors) {
        struct store *store = w->predecessors;
        w->predecessors = store->next;
        set_state(store->seg, state);
        writer_drop_store(w, store);
    }
}

void shmring_writer_close(struct shmring_writer *w) {
    if (!w)
        return;
    if (writer_is_inherited(w)) {
        writer_unref(w);
        return;
    }
    pthread_mutex_lock(&w->mutex);
    writer_show_counters(w);
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
    if (writer_is_inherited(w))
        return;
    pthread_mutex_lock(&w->mutex);
    if (!w->ended) {
        w->ended = true;
        writer_show_counters(w);
        if (writer_next_seq(w) == w->store->seg->g.base)
            drop_predecessors(w, STATE_ENDED);
        set_state(w->store->seg, STATE_ENDED);
    }
    pthread_mutex_unlock(&w->mutex);
}

/* ---- Superseding ---- */

/* Readers of an ended segment owe us nothing: they see its end and leave when they like. */
static void retire(struct shmring_writer *w, struct store *old) {
    if (w->ended) {
        writer_drop_store(w, old);
        return;
    }
    set_state(old->seg, STATE_SUPERSEDED);
    struct store **last = &w->predecessors;
    while (*last)
        last = &(*last)->next;
    *last = old;
}

int writer_supersede(struct shmring_writer *w, struct shmring_error *error) {
    struct store *old = w->store, *store = NULL;
    w->options.first_seq = writer_next_seq(w);
    int result = open_store(w, old->seg, &store, error);
    if (result < 0)
        return result;
    int64_t latency = atomic_load_explicit(&old->seg->header->latency_ns, memory_order_relaxed);
    atomic_store_explicit(&store->seg->header->latency_ns, latency, memory_order_relaxed);
    w->store = store;
    retire(w, old);
    w->ended = false;
    writer_show_counters(w);
    return 0;
}

int shmring_writer_resize(struct shmring_writer *w, uint32_t slots, uint64_t slot_size,
                          uint32_t header_size, struct shmring_error *error) {
    if (writer_is_inherited(w))
        return error_set(error, -ECHILD, "ring '%s' belongs to the parent process", w->name);
    pthread_mutex_lock(&w->mutex);
    struct shmring_writer_options before = w->options;
    w->options.slots = slots;
    w->options.slot_size = slot_size;
    w->options.header_size = header_size;
    int result = writer_supersede(w, error);
    if (result < 0)
        w->options = before;
    pthread_mutex_unlock(&w->mutex);
    return result;
}

/* ---- What it is told and tells ---- */

void shmring_writer_interrupt(struct shmring_writer *w, bool interrupted) {
    /* Sleepers on any segment sleep on this word too. */
    futex_interrupt(&w->interrupted, interrupted, NULL);
}

void shmring_writer_set_latency(struct shmring_writer *w, int64_t latency_ns) {
    if (writer_is_inherited(w))
        return;
    pthread_mutex_lock(&w->mutex);
    atomic_store_explicit(&w->store->seg->header->latency_ns, latency_ns, memory_order_relaxed);
    pthread_mutex_unlock(&w->mutex);
}

void shmring_writer_get_stats(struct shmring_writer *w, struct shmring_writer_stats *stats) {
    *stats = (struct shmring_writer_stats){0};
    if (writer_is_inherited(w))
        return;
    pthread_mutex_lock(&w->mutex);
    places_look(w->store, writer_next_seq(w));
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
    if (writer_is_inherited(w))
        return 0;
    pthread_mutex_lock(&w->mutex);
    places_look(w->store, writer_next_seq(w));
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
