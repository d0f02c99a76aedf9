/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a ring says of its frames, and what GStreamer says of buffers: one to
 * the other. A format is what all frames of the same caps have in common: raw
 * video, Bayer patterns, or opaque data.
 */
#ifndef GST_SHM_RING_FRAME_H
#define GST_SHM_RING_FRAME_H

#include <gst/video/video.h>

#include "shmring.h"

G_BEGIN_DECLS

/* GST_CLOCK_TIME_NONE: VIDEO does not say. */
GstClockTime gst_shm_ring_video_frame_duration (const GstVideoInfo *video);

/* A copy of BUFFER, whatever its strides, in VIDEO's default layout, or NULL.
 */
GstBuffer *gst_shm_ring_video_copy_out (
    const GstVideoInfo *video, GstBuffer *buffer);

typedef struct {
  gboolean is_video; /* raw video; its layout is VIDEO's */
  GstVideoInfo video;
  struct shmring_frame_info info; /* what every frame has in common */
} GstShmRingFormat;

/* False: caps that contradict themselves, or sizes that cannot be. */
gboolean gst_shm_ring_format_set_caps (GstShmRingFormat *self, GstCaps *caps);

/* Copies BUFFER to DATA, raw video from whatever strides into the default
 * layout, and says so in INFO. False: a row of it would lie outside the buffer.
 */
gboolean gst_shm_ring_format_copy (const GstShmRingFormat *self,
    GstBuffer *buffer, gpointer data, struct shmring_frame_info *info);

/* INFO for BUFFER where it lies, from OFFSET of a slot on. False: no header can
 * say how it lies, or it does not fit in its bytes. */
gboolean gst_shm_ring_format_describe_in_place (const GstShmRingFormat *self,
    GstBuffer *buffer, gsize offset, struct shmring_frame_info *info);

/* BUFFER's flags, its offset as the frame number if it has one, its times as
 * running times, negative before SEGMENT, its duration likewise, and the moment
 * of capture if it says one, else 0. */
void gst_shm_ring_frame_set_buffer (struct shmring_frame_info *frame,
    GstBuffer *buffer, const GstSegment *segment);

/* The caps FRAME carries as text or, where it carries none, those that its
 * format and size make. NULL: it says nothing that makes sense, and *PROBLEM (a
 * static text) says why. */
GstCaps *gst_shm_ring_frame_get_caps (
    const struct shmring_frame_info *frame, const gchar **problem);

/* NULL when FRAME has what caps of FORMAT say, else why not, a static text. */
const gchar *gst_shm_ring_frame_problem (
    const struct shmring_frame_info *frame, const GstShmRingFormat *format);

/* A buffer over FRAME's own bytes, read-only; FRAME is released with its
 * memory's last reference. VIDEO (NULL for opaque data) is what the caps say:
 * FRAME's rows as they lie become its GstVideoMeta. */
GstBuffer *gst_shm_ring_frame_wrap (
    struct shmring_frame *frame, const GstVideoInfo *video);

/* FRAME's moment of capture, as a GstReferenceTimestampMeta of
 * timestamp/x-unix. */
void gst_shm_ring_frame_add_capture_time (
    const struct shmring_frame_info *frame, GstBuffer *buffer);

/* Whether FRAME's rows lie as GStreamer expects where there is no GstVideoMeta.
 */
gboolean gst_shm_ring_frame_is_default_layout (
    const struct shmring_frame_info *frame, const GstVideoInfo *video);

/* Whether FRAME says only that there is nothing for a time. */
gboolean gst_shm_ring_frame_is_gap (const struct shmring_frame_info *frame);

G_END_DECLS

#endif
