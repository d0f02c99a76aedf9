/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "error.h"
#include "format.h"
#include "frame.h"
#include "futex.h"
#include "timeline.h"
#include "versioned.h"
#include "writer.h"

static bool can_publish(const struct shmring_writer *w, const struct shmring_slot *slot) {
    return slot->segment == w->distributor && !w->moving &&
           w->distributor->slot[slot->index].loan == LOAN_OUT;
}

static int check_publish(struct shmring_writer *w, const struct shmring_slot *slot,
                         const struct shmring_frame_info *info, struct shmring_error *error) {
    if (slot->segment != w->distributor || w->moving)
        return error_set(error, -ESTALE, "ring '%s' has moved on: loan a new slot and copy",
                         w->name);
    if (segment_was_cut(w->distributor->seg))
        return segment_refuse_cut(w->distributor->seg, error);
    if (!can_publish(w, slot))
        return error_set(error, -EALREADY, "this slot of ring '%s' was published before", w->name);
    const char *problem =
        info->size > slot->size ? "it is larger than its slot" : format_problem(info);
    if (problem)
        return error_set(error, -EINVAL, "a frame for ring '%s' cannot be what it says: %s",
                         w->name, problem);
    if (!frame_header_fits(w->distributor->seg, info))
        return error_set(error, -EMSGSIZE,
                         "caps and metas of a frame for ring '%s' do not fit in its header of %u "
                         "bytes",
                         w->name, w->options.header_size);
    return 0;
}

/* ---- What the ring says of a frame ---- */

static void set_times(struct shmring_writer *w, struct shmring_frame_info *info) {
    const struct shmring_timing timing = {.struct_size = sizeof timing, .origin_ns = w->origin_ns};
    info->publish_ns = monotonic_ns();
    if (!info->timestamp_ns)
        info->timestamp_ns = realtime_ns();
    if (info->clock_ns != SHMRING_TIME_NONE)
        return;
    info->clock_ns =
        shmring_timeline_stamp(w->options.timeline, &timing, info->pts_ns, info->publish_ns, NULL);
    if (info->pts_ns == SHMRING_TIME_NONE)
        info->pts_ns =
            info->clock_ns - w->origin_ns - shmring_timeline_get_shift(w->options.timeline);
}

static void set_place(struct shmring_writer *w, struct shmring_frame_info *info) {
    struct layout_header *header = w->distributor->seg->header;
    info->seq = distributor_head(w->distributor);
    info->stretch = atomic_load_explicit(&header->stretch, memory_order_relaxed);
    if (w->discont)
        info->flags |= SHMRING_FRAME_DISCONT;
    w->discont = false;
    /* Relaxed: the release of head makes it visible with the frame. */
    if (!frame_needs_others(info) && !(info->flags & SHMRING_FRAME_GAP))
        atomic_store_explicit(&header->key_seq, info->seq, memory_order_relaxed);
}

/* ---- Publishing ---- */

/* While a lossless reader is waited for, it sets the pace of the timeline. */
static void tell_pacer(struct shmring_writer *w) {
    const struct distributor *d = w->distributor;
    bool is_pacer = false;
    for (uint32_t port = 0; port < d->seg->g.max_readers && !is_pacer; port++)
        is_pacer = port_reads(d, port) && !d->port[port].has_end;
    if (is_pacer != w->is_pacer)
        timeline_count_pacer(w->options.timeline, is_pacer ? 1 : -1);
    w->is_pacer = is_pacer;
}

static uint64_t publish_checked(struct shmring_writer *w, uint32_t index,
                                struct shmring_frame_info *info) {
    writer_begin_stream(w);
    set_times(w, info);
    set_place(w, info);
    frame_write_header(w->distributor->seg, index, info);
    distributor_publish(w->distributor, index, info->seq);
    w->stats.published++;
    w->stats.bytes += info->size;
    tell_pacer(w);
    writer_show_counters(w);
    writer_keep_house(w, info->publish_ns);
    return info->seq;
}

static const struct shmring_frame_info no_info = SHMRING_FRAME_INFO_INIT;

int shmring_writer_publish(struct shmring_writer *w, struct shmring_slot *slot,
                           const struct shmring_frame_info *told, uint64_t *seq,
                           struct shmring_error *error) {
    struct shmring_frame_info info = no_info;
    if (!versioned_is_set(told))
        return error_set(error, -EINVAL,
                         "a frame for ring '%s' has no struct_size (SHMRING_FRAME_INFO_INIT)",
                         w->name);
    versioned_read(&info, sizeof info, told);
    if (!writer_lock(w))
        return fork_refuse("writer", w->name, error);
    int result = check_publish(w, slot, &info, error);
    if (result == 0) {
        uint64_t published = publish_checked(w, slot->index, &info);
        if (seq)
            *seq = published;
    }
    pthread_mutex_unlock(&w->mutex);
    return result;
}

bool shmring_writer_can_publish(struct shmring_writer *w, const struct shmring_slot *slot) {
    if (!writer_lock(w))
        return false;
    bool can = can_publish(w, slot);
    pthread_mutex_unlock(&w->mutex);
    return can;
}

void shmring_writer_drop(struct shmring_writer *w) {
    if (!writer_lock(w))
        return;
    w->stats.dropped++;
    w->discont = true;
    writer_show_counters(w);
    pthread_mutex_unlock(&w->mutex);
}

void shmring_writer_flush(struct shmring_writer *w) {
    if (!writer_lock(w))
        return;
    for (struct distributor *d = w->predecessors; d && !w->ended; d = d->next)
        distributor_flush(d);
    if (!w->ended)
        distributor_flush(w->distributor);
    w->discont = true;
    writer_show_counters(w);
    pthread_mutex_unlock(&w->mutex);
}

void shmring_writer_begin_stretch(struct shmring_writer *w) {
    if (!writer_lock(w))
        return;
    atomic_fetch_add_explicit(&w->distributor->seg->header->stretch, 1, memory_order_relaxed);
    pthread_mutex_unlock(&w->mutex);
}
