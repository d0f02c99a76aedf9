/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "error.h"
#include "frame.h"
#include "futex.h"
#include "writer.h"

static void keep_house(struct shmring_writer *w) {
    int64_t now = monotonic_ns();
    if (now < w->next_housekeeping)
        return;
    w->next_housekeeping = now + HOUSEKEEPING_NS;
    places_probe(w->store);
    for (struct store *store = w->predecessors; store; store = store->next)
        places_probe(store);
    w->stats.name_lost = !segment_has_name(w->store->seg);
    writer_show_counters(w);
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
    told.seq = writer_next_seq(w);
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
    if (writer_is_inherited(w))
        return error_set(error, -ECHILD, "ring '%s' belongs to the parent process", w->name);
    pthread_mutex_lock(&w->mutex);
    int result = check_publish(w, slot, info, error);
    if (result == 0) {
        if (seq)
            *seq = writer_next_seq(w);
        publish_checked(w, slot->index, info);
    }
    pthread_mutex_unlock(&w->mutex);
    return result;
}

bool shmring_writer_can_publish(struct shmring_writer *w, const struct shmring_slot *slot) {
    if (writer_is_inherited(w))
        return false;
    pthread_mutex_lock(&w->mutex);
    bool can = can_publish(w, slot);
    pthread_mutex_unlock(&w->mutex);
    return can;
}

void shmring_writer_drop(struct shmring_writer *w) {
    if (writer_is_inherited(w))
        return;
    pthread_mutex_lock(&w->mutex);
    w->stats.dropped++;
    w->discont = true;
    pthread_mutex_unlock(&w->mutex);
}

void shmring_writer_flush(struct shmring_writer *w) {
    if (writer_is_inherited(w))
        return;
    pthread_mutex_lock(&w->mutex);
    for (struct store *store = w->predecessors; store; store = store->next)
        store_flush(store);
    store_flush(w->store);
    w->discont = true;
    pthread_mutex_unlock(&w->mutex);
}
