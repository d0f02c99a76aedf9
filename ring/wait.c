/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a writer sleeps on: a slot, a reader, news of readers. */
#include <errno.h>

#include "futex.h"
#include "writer.h"

bool writer_is_interrupted(struct shmring_writer *w) {
    return atomic_load_explicit(&w->interrupted, memory_order_acquire);
}

/*
 * Sleeps until WORD, last read as VALUE, changes; SIGN tells readers that somebody sleeps there,
 * and COUNT counts them. Releases the mutex meanwhile. SHMRING_OK: look again.
 */
static int sleep_on(struct shmring_writer *w, struct distributor *d, _Atomic uint32_t *word,
                    uint32_t value, _Atomic uint32_t *sign, uint32_t *count, int64_t slice) {
    if (slice <= 0)
        return SHMRING_TIMEOUT;
    d->refs++;
    ++*count;
    /* Sequentially consistent: see segment_ring_doorbell. */
    atomic_store_explicit(sign, 1, memory_order_seq_cst);
    pthread_mutex_unlock(&w->mutex);
    int result = futex_wait(word, value, &w->interrupted, slice);
    pthread_mutex_lock(&w->mutex);
    if (--*count == 0)
        atomic_store_explicit(sign, 0, memory_order_relaxed);
    distributor_unref(d);
    return result == -EINTR ? SHMRING_INTERRUPTED : SHMRING_OK;
}

int writer_sleep(struct shmring_writer *w, struct distributor *d, uint32_t bell, int64_t slice) {
    struct layout_header *header = d->seg->header;
    return sleep_on(w, d, &d->seg->ctl->doorbell, bell, &header->waiting, &w->sleepers, slice);
}

uint32_t writer_read_bell(const struct distributor *d) {
    /* Sequentially consistent: read before the claims are looked at, so that a release after that
     * look changes it. */
    return atomic_load_explicit(&d->seg->ctl->doorbell, memory_order_seq_cst);
}

/* ---- Waiting for a reader ---- */

static int wait_reader_locked(struct shmring_writer *w, int64_t timeout_ns) {
    int64_t deadline = deadline_after(timeout_ns);
    int result = SHMRING_OK;
    writer_begin_stream(w);
    while (result == SHMRING_OK) {
        struct distributor *d = w->distributor;
        uint32_t bell = writer_read_bell(d);
        ports_look(d);
        ports_probe(d);
        writer_keep_house(w, monotonic_ns());
        if (writer_is_interrupted(w))
            return SHMRING_INTERRUPTED;
        if (segment_was_cut(w->distributor->seg))
            return -EPROTO;
        if (ports_reading(w->distributor))
            return SHMRING_OK;
        if (d == w->distributor)
            result = writer_sleep(w, d, bell, deadline_left(deadline, HOUSEKEEPING_NS));
    }
    return result;
}

int shmring_writer_wait_reader(struct shmring_writer *w, int64_t timeout_ns) {
    if (!writer_lock(w))
        return -ECHILD;
    int result = wait_reader_locked(w, timeout_ns);
    pthread_mutex_unlock(&w->mutex);
    return result;
}

/* ---- Watching ---- */

static uint32_t read_notice(const struct distributor *d) {
    /* Sequentially consistent: as writer_read_bell. */
    return atomic_load_explicit(&d->seg->ctl->notice, memory_order_seq_cst);
}

/* Until the segment's notice, last read as NOTICE, changes. */
static int sleep_for_notice(struct shmring_writer *w, struct distributor *d, uint32_t notice,
                            int64_t slice) {
    struct layout_header *header = d->seg->header;
    return sleep_on(w, d, &d->seg->ctl->notice, notice, &header->watching, &w->watchers, slice);
}

static bool has_news(const struct shmring_writer *w, const struct distributor *d) {
    return d != w->distributor || d->key_requested;
}

/* One sleep: the caller looks, and watches again. */
static int watch_locked(struct shmring_writer *w, int64_t timeout_ns) {
    struct distributor *d = w->distributor;
    bool is_last = timeout_ns >= 0 && timeout_ns <= HOUSEKEEPING_NS;
    uint32_t notice = read_notice(d);
    int result = SHMRING_OK;
    ports_look(d);
    writer_keep_house(w, monotonic_ns());
    if (!has_news(w, d) && notice == w->seen_notice)
        result = sleep_for_notice(w, d, notice, is_last ? timeout_ns : HOUSEKEEPING_NS);
    if (writer_is_interrupted(w))
        return SHMRING_INTERRUPTED;
    if (segment_was_cut(w->distributor->seg))
        return -EPROTO;
    if (d != w->distributor || result != SHMRING_OK)
        return result;
    notice = read_notice(d);
    if (is_last && !has_news(w, d) && notice == w->seen_notice)
        return SHMRING_TIMEOUT;
    w->seen_notice = notice;
    return SHMRING_OK;
}

int shmring_writer_watch(struct shmring_writer *w, int64_t timeout_ns) {
    if (!writer_lock(w))
        return -ECHILD;
    int result = watch_locked(w, timeout_ns);
    pthread_mutex_unlock(&w->mutex);
    return result;
}
