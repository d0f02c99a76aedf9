/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows and planes of raw video: does a layout fit in its bytes, and copies from
 * one to another. */
#ifndef GST_SHM_RING_VIDEO_H
#define GST_SHM_RING_VIDEO_H

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Whether every row of a picture as INFO says lies within SIZE bytes, its
 * planes at OFFSET with STRIDE. Rows that run backwards never do. */
gboolean gst_shm_ring_video_fits (const GstVideoInfo *info,
    const gsize offset[GST_VIDEO_MAX_PLANES],
    const gint stride[GST_VIDEO_MAX_PLANES], gsize size);

/* Whether they are INFO's own. */
gboolean gst_shm_ring_video_is_default (const GstVideoInfo *info,
    const gsize offset[GST_VIDEO_MAX_PLANES],
    const gint stride[GST_VIDEO_MAX_PLANES]);

/* GST_CLOCK_TIME_NONE: INFO does not say. */
GstClockTime gst_shm_ring_video_frame_duration (const GstVideoInfo *info);

/* Copies BUFFER, whatever its strides, into INFO's default layout at DATA.
 * False: a row of it would lie outside the buffer; nothing was read. */
gboolean gst_shm_ring_video_copy_in (
    const GstVideoInfo *info, GstBuffer *buffer, gpointer data);

/* A copy of BUFFER in INFO's default layout, or NULL. */
GstBuffer *gst_shm_ring_video_copy_out (
    const GstVideoInfo *info, GstBuffer *buffer);

G_END_DECLS

#endif
