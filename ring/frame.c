/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COPY_ALIGNMENT 64

#if defined(__SANITIZE_THREAD__)
/* The observers' copy races by design (see copy_unsteady). */
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
/* The two fences below are not modelled by it; what they order is checked by content. */
#pragma GCC diagnostic ignored "-Wtsan"
#else
#define AnnotateIgnoreReadsBegin(file, line) ((void)0)
#define AnnotateIgnoreReadsEnd(file, line) ((void)0)
#endif

struct frame {
    struct shmring_frame public;
    uint32_t generation; /* fork_generation() when it was made */
    uint32_t slot;
    frame_give_back *give_back; /* NULL: a copy */
    void *holder;
    void *copy;
    char text[]; /* caps, then metas at the next multiple of 8 */
};

static uint64_t metas_start(uint64_t caps_size) {
    return (caps_size + 7) & ~UINT64_C(7);
}

/* ---- Writer's side ---- */

void frame_fence_before_write(void) {
    /* Release: orders the store of 0 before every later store of pixels. A release *store* would
     * order only what came before it: an observer could see new pixels under the old seq. */
    atomic_thread_fence(memory_order_release);
}

static uint64_t caps_bytes(const struct shmring_frame_info *info) {
    return info->caps ? strlen(info->caps) + 1 : 0;
}

bool frame_header_fits(const struct segment *seg, const struct shmring_frame_info *info) {
    uint64_t room = segment_frame_room(seg), caps = metas_start(caps_bytes(info));
    return caps <= room && info->metas_size <= room - caps;
}

void frame_write_header(struct segment *seg, uint32_t slot, const struct shmring_frame_info *info) {
    struct layout_frame *frame = segment_frame(seg, slot);
    frame->width = info->width;
    frame->height = info->height;
    frame->channels = info->channels;
    frame->flags = info->flags;
    frame->timestamp_ns = info->timestamp_ns;
    memcpy(frame->format, info->format, sizeof frame->format);
    frame->planes = info->planes;
    memcpy(frame->stride, info->stride, sizeof frame->stride);
    memcpy(frame->offset, info->offset, sizeof frame->offset);
    frame->size = info->size;
    frame->pts_ns = info->pts_ns;
    frame->dts_ns = info->dts_ns;
    frame->duration_ns = info->duration_ns;
    frame->clock_ns = info->clock_ns;
    frame->publish_ns = info->publish_ns;
    frame->frame_number = info->frame_number;
    frame->fps_num = info->fps_num;
    frame->fps_den = info->fps_den;
    frame->caps_size = (uint32_t)caps_bytes(info);
    frame->metas_size = info->metas ? (uint32_t)info->metas_size : 0;
    if (frame->caps_size)
        memcpy(frame->data, info->caps, frame->caps_size);
    if (frame->metas_size)
        memcpy(frame->data + metas_start(frame->caps_size), info->metas, frame->metas_size);
    /* Release: an observer that sees this seq sees the frame complete. */
    atomic_store_explicit(&frame->seq, info->seq, memory_order_release);
}

/* ---- Reader's side ---- */

/*
 * Copies bytes the writer may be changing. That is a data race, and the only one: the observers'
 * seqlock. What was copied is used only if the frame's seq is still the same afterwards, which
 * still_carries() makes sure of.
 */
static void copy_unsteady(void *to, const void *from, size_t size) {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    memcpy(to, from, size);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

static bool still_carries(struct segment *seg, uint32_t slot, uint64_t seq) {
    /* Acquire: keeps the copy's loads before this look at seq. */
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&segment_frame(seg, slot)->seq, memory_order_relaxed) == seq;
}

static void describe(struct shmring_frame_info *info, const struct layout_frame *header,
                     uint64_t seq) {
    *info = (struct shmring_frame_info){
        .seq = seq,
        .width = header->width,
        .height = header->height,
        .channels = header->channels,
        .flags = header->flags,
        .timestamp_ns = header->timestamp_ns,
        .planes = header->planes,
        .size = header->size,
        .pts_ns = header->pts_ns,
        .dts_ns = header->dts_ns,
        .duration_ns = header->duration_ns,
        .clock_ns = header->clock_ns,
        .publish_ns = header->publish_ns,
        .frame_number = header->frame_number,
        .fps_num = header->fps_num,
        .fps_den = header->fps_den,
    };
    memcpy(info->format, header->format, sizeof info->format);
    memcpy(info->stride, header->stride, sizeof info->stride);
    memcpy(info->offset, header->offset, sizeof info->offset);
}

static bool header_is_sound(const struct segment *seg, const struct layout_frame *header) {
    struct shmring_frame_info info;
    const char *problem;
    describe(&info, header, 0);
    return info_check(&info, seg->g.slot_size, &problem) &&
           metas_start(header->caps_size) + header->metas_size <= segment_frame_room(seg);
}

static struct frame *frame_new(const struct layout_frame *header, uint64_t seq) {
    uint64_t metas = metas_start(header->caps_size);
    struct frame *frame = malloc(sizeof *frame + metas + header->metas_size);
    if (!frame)
        return NULL;
    *frame = (struct frame){.generation = fork_generation()};
    describe(&frame->public.info, header, seq);
    frame->public.info.metas_size = header->metas_size;
    frame->public.info.metas = header->metas_size ? frame->text + metas : NULL;
    frame->public.info.caps = header->caps_size ? frame->text : NULL;
    return frame;
}

/* Header, caps and metas, out of shared memory into ours. */
static int frame_read(struct segment *seg, uint32_t slot, uint64_t seq, struct frame **read) {
    const struct layout_frame *shared = segment_frame(seg, slot);
    struct layout_frame header;
    copy_unsteady(&header, shared, sizeof header);
    if (!header_is_sound(seg, &header))
        return -EPROTO;
    struct frame *frame = frame_new(&header, seq);
    if (!frame)
        return -ENOMEM;
    copy_unsteady(frame->text, shared->data, metas_start(header.caps_size) + header.metas_size);
    if (header.caps_size)
        frame->text[header.caps_size - 1] = 0;
    frame->slot = slot;
    *read = frame;
    return 0;
}

int frame_view(struct segment *seg, uint32_t slot, uint64_t seq, frame_give_back *give_back,
               void *holder, struct shmring_frame **view) {
    struct frame *frame;
    int result = frame_read(seg, slot, seq, &frame);
    if (result < 0)
        return result;
    frame->give_back = give_back;
    frame->holder = holder;
    frame->public.data = segment_slot(seg, slot);
    *view = &frame->public;
    return 0;
}

static int copy_pixels(struct segment *seg, struct frame *frame) {
    uint64_t size = frame->public.info.size;
    frame->copy = aligned_alloc(COPY_ALIGNMENT, (size / COPY_ALIGNMENT + 1) * COPY_ALIGNMENT);
    if (!frame->copy)
        return -ENOMEM;
    copy_unsteady(frame->copy, segment_slot(seg, frame->slot), size);
    frame->public.data = frame->copy;
    frame->public.is_copy = true;
    return 0;
}

int frame_copy(struct segment *seg, uint32_t slot, uint64_t seq, struct shmring_frame **copy) {
    struct frame *frame = NULL;
    int result = frame_read(seg, slot, seq, &frame);
    if (result == 0)
        result = copy_pixels(seg, frame);
    if (result != -ENOMEM && !still_carries(seg, slot, seq))
        result = -EAGAIN;
    if (result == 0)
        *copy = &frame->public;
    else if (frame)
        shmring_frame_release(&frame->public);
    return result;
}

void shmring_frame_release(struct shmring_frame *released) {
    struct frame *frame = (struct frame *)released;
    if (!frame)
        return;
    if (frame->give_back && frame->generation == fork_generation())
        frame->give_back(frame->holder, frame->slot);
    free(frame->copy);
    free(frame);
}
