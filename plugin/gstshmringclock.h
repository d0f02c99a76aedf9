/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running times of one pipeline as times of CLOCK_MONOTONIC, which every
 * process shares. */
#ifndef GST_SHM_RING_CLOCK_H
#define GST_SHM_RING_CLOCK_H

#include <gst/base/gstbasesink.h>

#include "shmring.h"

G_BEGIN_DECLS

/* CLOCK_MONOTONIC, now. */
gint64 gst_shm_ring_clock_now (void);

/* The time of CLOCK_MONOTONIC at which ELEMENT's running time is 0. False: it
 * has no clock, so its times have no place in the world. */
gboolean gst_shm_ring_clock_origin (GstElement *element, gint64 *origin);

/* The time of CLOCK_REALTIME at CLOCK_NS of CLOCK_MONOTONIC. */
gint64 gst_shm_ring_clock_to_wall (gint64 clock_ns);

/* FRAME's times of the stream, from BUFFER: running times, negative before
 * SEGMENT, and the moment of capture if it says one, else 0. */
void gst_shm_ring_clock_set_buffer (struct shmring_frame_info *frame,
    GstBuffer *buffer, const GstSegment *segment);

/* FRAME's moment of capture, as a GstReferenceTimestampMeta of
 * timestamp/x-unix. */
void gst_shm_ring_clock_add_capture_time (
    const struct shmring_frame_info *frame, GstBuffer *buffer);

G_END_DECLS

#endif
