/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running times of one pipeline as times of CLOCK_MONOTONIC, which every
 * process shares. */
#ifndef GST_SHM_RING_CLOCK_H
#define GST_SHM_RING_CLOCK_H

#include <gst/base/gstbasesink.h>

#include "shmring.h"

G_BEGIN_DECLS

/* TIME of a stream as the frame header says it: nanoseconds of running time,
 * negative before the segment, or none. */
gint64 gst_shm_ring_clock_running_time (
    const GstSegment *segment, GstClockTime time);

/* CLOCK_MONOTONIC, now. */
gint64 gst_shm_ring_clock_now (void);

/* The time of CLOCK_MONOTONIC at which ELEMENT's running time is 0. False: it
 * has no clock, so its times have no place in the world. */
gboolean gst_shm_ring_clock_origin (GstElement *element, gint64 *origin);

/* When BUFFER was captured, CLOCK_REALTIME: as it says itself, else at CLOCK_NS
 * of CLOCK_MONOTONIC; 0 where that is none either. */
gint64 gst_shm_ring_clock_capture_time (GstBuffer *buffer, gint64 clock_ns);

/* FRAME's moment of capture, as a GstReferenceTimestampMeta of
 * timestamp/x-unix. */
void gst_shm_ring_clock_add_capture_time (
    const struct shmring_frame_info *frame, GstBuffer *buffer);

G_END_DECLS

#endif
