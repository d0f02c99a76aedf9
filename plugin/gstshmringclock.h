/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running times of one pipeline as times of CLOCK_MONOTONIC, which every
 * process shares. */
#ifndef GST_SHM_RING_CLOCK_H
#define GST_SHM_RING_CLOCK_H

#include <gst/base/gstbasesink.h>

#include "shmring.h"

G_BEGIN_DECLS

/* TIME of a stream as the frame header says it: nanoseconds of running time, or
 * none. */
gint64 gst_shm_ring_clock_running_time (
    const GstSegment *segment, GstClockTime time);

/* FRAME's times from BUFFER, in SINK's pipeline: its running times, the
 * CLOCK_MONOTONIC of its pts, and the moment of capture if anybody knows it.
 * WAITED: how much later than the pipeline its stream began. */
void gst_shm_ring_clock_stamp_frame (GstBaseSink *sink, GstBuffer *buffer,
    gboolean is_live, GstClockTimeDiff waited,
    struct shmring_frame_info *frame);

/* In a live pipeline a frame keeps the moment at which it was made: the
 * writer's running times in BUFFER become SRC's. False: it was made before
 * SRC's pipeline ran, and has no running time there. */
gboolean gst_shm_ring_clock_stamp_buffer (
    GstElement *src, const struct shmring_frame_info *frame, GstBuffer *buffer);

/* FRAME's moment of capture, as a GstReferenceTimestampMeta of
 * timestamp/x-unix. */
void gst_shm_ring_clock_add_capture_time (
    const struct shmring_frame_info *frame, GstBuffer *buffer);

G_END_DECLS

#endif
