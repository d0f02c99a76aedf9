/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "create.h"
#include "error.h"
#include "futex.h"
#include "lock.h"
#include "mutex.h"
#include "testing.h"
#include "timeline.h"
#include "versioned.h"

/* How long an opening writer waits until a dead one's readers have read what it left, and the most
 * patience it has with each meanwhile. */
#define DRAIN_NS INT64_C(2000000000)
#define DRAIN_PATIENCE_NS INT64_C(1000000000)

static void set_state(struct segment *seg, enum layout_state state) {
    /* Sequentially consistent, with a reader's attach: see ports.c. */
    atomic_store_explicit(&seg->header->state, state, memory_order_seq_cst);
    segment_announce(seg);
}

static void sum_counters(struct shmring_writer_stats *stats, const struct distributor *d) {
    stats->revoked += d->revoked;
    stats->withdrawn += d->withdrawn;
    stats->flushed += d->flushed;
    stats->dead_readers += d->dead_readers;
    stats->bad_claims += d->bad_claims;
}

static void sum_all(struct shmring_writer_stats *stats, const struct shmring_writer *w) {
    sum_counters(stats, w->distributor);
    for (const struct distributor *d = w->predecessors; d; d = d->next)
        sum_counters(stats, d);
}

static void show(_Atomic uint64_t *shown, uint64_t *counter) {
    atomic_store_explicit(shown, *counter, memory_order_relaxed);
}

static void take_over(_Atomic uint64_t *shown, uint64_t *counter) {
    *counter = atomic_load_explicit(shown, memory_order_relaxed);
}

/* All that the ring shows of a writer's counters. */
static void with_counters(struct layout_header *header, struct shmring_writer_stats *stats,
                          void (*use)(_Atomic uint64_t *shown, uint64_t *counter)) {
    use(&header->published, &stats->published);
    use(&header->bytes, &stats->bytes);
    use(&header->dropped, &stats->dropped);
    use(&header->revoked, &stats->revoked);
    use(&header->withdrawn, &stats->withdrawn);
    use(&header->flushed, &stats->flushed);
    use(&header->waits, &stats->waits);
    use(&header->wait_ns, (uint64_t *)&stats->wait_ns);
}

void writer_show_counters(struct shmring_writer *w) {
    struct shmring_writer_stats stats = w->stats;
    sum_all(&stats, w);
    with_counters(w->distributor->seg->header, &stats, show);
}

/* ---- Opening ---- */

static const struct shmring_writer_options default_options = SHMRING_WRITER_OPTIONS_INIT;

static struct shmring_writer *writer_new(const char *name,
                                         const struct shmring_writer_options *options) {
    struct shmring_writer *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    atomic_init(&w->refs, 1);
    w->generation = fork_generation();
    w->options = default_options;
    versioned_read(&w->options, sizeof w->options, options);
    w->origin_ns = monotonic_ns();
    memcpy(w->name, name, strlen(name) + 1);
    struct shmring_timeline *timeline = w->options.timeline;
    w->options.timeline = timeline ? shmring_timeline_ref(timeline) : shmring_timeline_new();
    if (!w->options.timeline) {
        free(w);
        return NULL;
    }
    pthread_mutex_init(&w->mutex, NULL);
    return w;
}

void writer_unref(struct shmring_writer *w) {
    /* Acquire-release: the last one must see everybody's use before it frees. */
    if (atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) != 1)
        return;
    shmring_timeline_unref(w->options.timeline);
    mutex_end(&w->mutex);
    free(w);
}

static int distribute(struct shmring_writer *w, struct segment *seg, struct distributor **made,
                      struct shmring_error *error) {
    *made = distributor_new(w, seg);
    if (*made)
        return 0;
    segment_remove_names(seg);
    segment_unref(seg);
    return error_set(error, -ENOMEM, "no memory for ring '%s'", w->name);
}

/* A segment by the writer's options, under the name. */
static int open_new(struct shmring_writer *w, const struct segment *with, struct distributor **made,
                    struct shmring_error *error) {
    struct segment *seg = NULL;
    int result = segment_create(w->name, &w->options, with, &seg, error);
    return result < 0 ? result : distribute(w, seg, made, error);
}

static int adopt(struct shmring_writer *w, struct shmring_error *error) {
    struct segment *seg = NULL;
    int result = segment_adopt(w->name, &w->options, &seg, error);
    if (result == 0)
        result = distribute(w, seg, &w->distributor, error);
    if (result < 0)
        return result;
    distributor_adopt(w->distributor);
    w->discont = true;
    with_counters(seg->header, &w->stats, take_over);
    w->stats.adopted = distributor_head(w->distributor) - seg->g.base;
    w->ended = atomic_load_explicit(&seg->header->state, memory_order_relaxed) == STATE_ENDED;
    if (!w->ended)
        set_state(seg, STATE_ACTIVE); /* it may have died in a move */
    return 0;
}

/* False: there is no dead ring of ours under the name. */
static bool get_dead_ones_sizes(const char *name, struct shmring_writer_options *options) {
    struct segment *seg = NULL;
    struct layout_header header;
    if (segment_look(name, SEGMENT_ADOPT, &seg, &header, NULL) < 0)
        return false;
    bool is_dead = seg->owner == geteuid() && !segment_has_writer(seg);
    options->slots = seg->g.slots;
    options->slot_size = seg->g.slot_size;
    options->max_readers = seg->g.max_readers;
    options->lend_limit = seg->g.lend_limit;
    options->header_size = seg->g.frame_stride;
    segment_unref(seg);
    return is_dead;
}

/* Its readers wait for us, and keep the memory of a dead ring of other sizes that we need: it moves
 * as a ring of our own. */
static int open_in_dead_ones_room(struct shmring_writer *w, struct shmring_error *error) {
    struct shmring_writer_options wanted = w->options;
    bool adopted = get_dead_ones_sizes(w->name, &w->options) && adopt(w, NULL) == 0;
    w->options = wanted;
    if (!adopted)
        return -ENOSPC;
    pthread_mutex_lock(&w->mutex);
    if (wanted.patience_ns > DRAIN_PATIENCE_NS)
        w->options.patience_ns = DRAIN_PATIENCE_NS;
    int result = writer_supersede(w, deadline_after(DRAIN_NS), error);
    w->options.patience_ns = wanted.patience_ns;
    pthread_mutex_unlock(&w->mutex);
    if (result < 0)
        distributor_unref(w->distributor);
    return result;
}

static int open_any(struct shmring_writer *w, struct shmring_error *error) {
    int result = adopt(w, error);
    if (result == -ENOENT)
        result = open_new(w, NULL, &w->distributor, error);
    return result == -ENOSPC ? open_in_dead_ones_room(w, error) : result;
}

static int check_open(const char *name, const struct shmring_writer_options *options,
                      struct shmring_error *error) {
    int result = name_check(name, error);
    if (result == 0 && !versioned_is_set(options))
        return error_set(error, -EINVAL,
                         "ring '%s' cannot be made: its options have no struct_size "
                         "(SHMRING_WRITER_OPTIONS_INIT)",
                         name);
    return result;
}

int shmring_writer_open(const char *name, const struct shmring_writer_options *options,
                        struct shmring_writer **writer, struct shmring_error *error) {
    int result = check_open(name, options, error);
    if (result < 0)
        return result;
    struct shmring_writer *w = writer_new(name, options);
    if (!w)
        return error_set(error, -ENOMEM, "no memory for ring '%s'", name);
    result = open_any(w, error);
    /* The numbering goes on after a dead writer's; the stream does not. */
    if (result == 0 && distributor_head(w->distributor) != w->options.first_seq)
        w->discont = true;
    if (result == 0)
        *writer = w;
    else
        writer_unref(w);
    return result;
}

/* ---- Ending and closing ---- */

/* A predecessor is done with; its counts stay. */
static void drop(struct shmring_writer *w, struct distributor *d) {
    sum_counters(&w->stats, d);
    distributor_unref(d);
}

/* The oldest, which is the writer's no more. */
static struct distributor *next_predecessor(struct shmring_writer *w) {
    struct distributor *d = w->predecessors;
    if (d)
        w->predecessors = d->next;
    return d;
}

/* Their readers hear how it ended: the successor cannot tell them any more, or has no frame to. */
static void drop_predecessors(struct shmring_writer *w, enum layout_state state) {
    for (struct distributor *d; (d = next_predecessor(w));) {
        set_state(d->seg, state);
        drop(w, d);
    }
}

/* Of a child of fork(), which has the memory mapped as its parent has: nothing is said in there. */
static void forget_locked(struct shmring_writer *w) {
    for (struct distributor *d; (d = next_predecessor(w));)
        distributor_unref(d);
    distributor_unref(w->distributor);
}

static void close_locked(struct shmring_writer *w) {
    struct segment *seg = w->distributor->seg;
    writer_show_counters(w);
    if (!w->ended)
        set_state(seg, STATE_CLOSED);
    drop_predecessors(w, w->ended ? STATE_ENDED : STATE_CLOSED);
    if (w->is_pacer)
        timeline_count_pacer(w->options.timeline, -1);
    /* The names go before the lock does: a name without a lock reads as a dead writer's. */
    segment_remove_names(seg);
    lock_release(seg->ctl_fd, LOCK_WRITER);
    lock_release(seg->frames_fd, LOCK_WRITER);
    distributor_unref(w->distributor);
}

void shmring_writer_close(struct shmring_writer *w) {
    if (!w)
        return;
    if (writer_lock(w)) {
        close_locked(w);
        pthread_mutex_unlock(&w->mutex);
    } else if (pthread_mutex_trylock(&w->mutex) == 0) { /* else some thread forked in the midst */
        forget_locked(w);
        pthread_mutex_unlock(&w->mutex);
    }
    writer_unref(w);
}

void shmring_writer_end(struct shmring_writer *w) {
    if (!writer_lock(w))
        return;
    if (!w->ended) {
        w->ended = true;
        writer_show_counters(w);
        if (distributor_head(w->distributor) == w->distributor->seg->g.base)
            drop_predecessors(w, STATE_ENDED);
        distributor_finish(w->distributor);
    }
    pthread_mutex_unlock(&w->mutex);
}

void writer_begin_stream(struct shmring_writer *w) {
    if (!w->ended)
        return;
    w->ended = false;
    distributor_begin_stream(w->distributor);
}

/* ---- Superseding ---- */

/* Readers of a stream that ended owe us nothing: they see its end and leave when they like. */
static void retire(struct shmring_writer *w, struct distributor *old) {
    struct distributor **last = &w->predecessors;
    if (w->ended) {
        set_state(old->seg, STATE_ENDED);
        drop(w, old);
        return;
    }
    set_state(old->seg, STATE_SUPERSEDED);
    while (*last)
        last = &(*last)->next;
    *last = old;
}

static int explain_move(struct shmring_writer *w, int drained, struct shmring_error *error) {
    if (drained == SHMRING_TIMEOUT)
        return writer_explain_wait(w, -ENOSPC, error);
    return error_set(error, -EINTR, "ring '%s' was interrupted while it moved", w->name);
}

static int move_out(struct shmring_writer *w, struct distributor *old, int64_t deadline,
                    struct distributor **made, struct shmring_error *error) {
    int result = 0, drained;
    do {
        drained = writer_wait_drained(w, deadline);
        if (drained == SHMRING_OK) {
            ports_probe(old); /* the dead hold memory too */
            distributor_revoke_latest(old);
            distributor_free_memory(old);
            result = open_new(w, old->seg, made, error);
        }
    } while (drained == SHMRING_OK && result == -ENOSPC && distributor_withdraw_stuck(old));
    if (drained != SHMRING_OK)
        result = explain_move(w, drained, error);
    if (result < 0 && distributor_restore_memory(old) < 0)
        w->broken = true;
    return result;
}

/* No room for both: readers read the old one to its end, and its memory makes the room. The old one
 * keeps its name until then, and is as before if nothing comes of it. */
static int open_in_its_room(struct shmring_writer *w, int64_t deadline, struct distributor **made,
                            struct shmring_error *error) {
    struct distributor *old = w->distributor;
    w->moving = true;
    set_state(old->seg, STATE_MOVING);
    int result = move_out(w, old, deadline, made, error);
    if (result < 0)
        set_state(old->seg, w->ended ? STATE_ENDED : STATE_ACTIVE);
    w->moving = false;
    return result;
}

int writer_supersede(struct shmring_writer *w, int64_t deadline, struct shmring_error *error) {
    struct distributor *old = w->distributor, *made = NULL;
    w->options.first_seq = distributor_head(old);
    int result = open_new(w, old->seg, &made, error);
    if (result == -ENOSPC && !w->moving)
        result = open_in_its_room(w, deadline, &made, error);
    if (result < 0)
        return result;
    w->distributor = made;
    retire(w, old);
    if (w->ended)
        distributor_finish(made);
    writer_show_counters(w);
    return 0;
}

static int resize_locked(struct shmring_writer *w, uint32_t slots, uint64_t slot_size,
                         uint32_t header_size, struct shmring_error *error) {
    struct shmring_writer_options before = w->options;
    w->options.slots = slots;
    w->options.slot_size = slot_size;
    w->options.header_size = header_size;
    int result = writer_supersede(w, INT64_MAX, error);
    if (result < 0)
        w->options = before;
    return result;
}

int shmring_writer_resize(struct shmring_writer *w, uint32_t slots, uint64_t slot_size,
                          uint32_t header_size, struct shmring_error *error) {
    if (!writer_lock(w))
        return fork_refuse("writer", w->name, error);
    int result = w->moving ? error_set(error, -EBUSY, "ring '%s' is moving already", w->name)
                           : resize_locked(w, slots, slot_size, header_size, error);
    pthread_mutex_unlock(&w->mutex);
    return result;
}

/* ---- Keeping house ---- */

/* Somebody removed them, or put a dead ring's in their place: a careless rm, the end of a login
 * session. The ring moves, and has them again. Where a live writer has them now, it goes on
 * without.
 */
void writer_recover_names(struct shmring_writer *w, int64_t deadline) {
    struct segment *seg = w->distributor->seg;
    bool missing = !w->moving && !segment_has_names(seg);
    bool moved = missing && writer_supersede(w, deadline, NULL) == 0;
    /* The next loan tries it once more, with time. */
    w->names_missing = missing && !moved && deadline == AT_ONCE;
    w->stats.names_lost += moved;
}

void writer_drop_deserted(struct shmring_writer *w) {
    struct distributor **link = &w->predecessors;
    while (*link) {
        struct distributor *d = *link;
        ports_look(d);
        ports_probe(d);
        if (ports_attached(d)) {
            link = &d->next;
            continue;
        }
        *link = d->next;
        drop(w, d);
    }
}

void writer_keep_house(struct shmring_writer *w, int64_t now) {
    if (now < w->next_housekeeping)
        return;
    w->next_housekeeping = now + HOUSEKEEPING_NS;
    ports_probe(w->distributor);
    writer_drop_deserted(w);
    writer_recover_names(w, AT_ONCE);
    writer_show_counters(w);
}

/* ---- What it is told and tells ---- */

void shmring_writer_interrupt(struct shmring_writer *w, bool interrupted) {
    /* Sleepers on any segment sleep on this word too. */
    if (interrupted)
        futex_interrupt(&w->interrupted, 1);
    else
        atomic_store_explicit(&w->interrupted, 0, memory_order_relaxed);
}

void shmring_writer_set_latency(struct shmring_writer *w, int64_t latency_ns) {
    if (!writer_lock(w))
        return;
    atomic_store_explicit(&w->distributor->seg->header->latency_ns, latency_ns,
                          memory_order_relaxed);
    pthread_mutex_unlock(&w->mutex);
}

void shmring_writer_set_patience(struct shmring_writer *w, int64_t patience_ns) {
    if (!writer_lock(w))
        return;
    w->options.patience_ns = patience_ns;
    pthread_mutex_unlock(&w->mutex);
}

bool shmring_writer_take_key_request(struct shmring_writer *w, int64_t *at_ns) {
    if (!writer_lock(w))
        return false;
    struct distributor *d = w->distributor;
    ports_look(d);
    bool requested = d->key_requested;
    d->key_requested = false;
    if (requested && at_ns)
        *at_ns = d->key_at_ns;
    pthread_mutex_unlock(&w->mutex);
    return requested;
}

static void fill_stats(struct shmring_writer *w, struct shmring_writer_stats *stats) {
    const struct distributor *d = w->distributor;
    *stats = w->stats;
    stats->slots = w->options.slots;
    stats->max_readers = w->options.max_readers;
    stats->header_size = w->options.header_size;
    stats->slot_size = w->options.slot_size;
    stats->readers = ports_attached(d);
    stats->loans = d->loans;
    sum_all(stats, w);
}

void shmring_writer_get_stats(struct shmring_writer *w, struct shmring_writer_stats *told) {
    struct shmring_writer_stats stats = {0};
    if (writer_lock(w)) {
        ports_look(w->distributor);
        writer_keep_house(w, monotonic_ns());
        fill_stats(w, &stats);
        pthread_mutex_unlock(&w->mutex);
    }
    versioned_write(told, &stats, sizeof stats);
}

static uint32_t describe_readers(struct shmring_writer *w, struct shmring_reader_info *readers) {
    uint32_t count = 0;
    ports_look(w->distributor);
    for (uint32_t port = 0; port < w->distributor->seg->g.max_readers; port++) {
        if (port_is_attached(w->distributor, port))
            ports_describe(w->distributor, port, &readers[count++]);
    }
    return count;
}

uint32_t shmring_writer_each_reader(struct shmring_writer *w,
                                    void (*visit)(const struct shmring_reader_info *, void *),
                                    void *data) {
    struct shmring_reader_info readers[SHMRING_MAX_READERS];
    if (!writer_lock(w))
        return 0;
    uint32_t count = describe_readers(w, readers);
    pthread_mutex_unlock(&w->mutex);
    for (uint32_t i = 0; i < count; i++)
        visit(&readers[i], data);
    return count;
}

struct segment *writer_segment(struct shmring_writer *w) {
    return w->distributor->seg;
}
