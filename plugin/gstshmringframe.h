/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a ring says of a frame, and what GStreamer says of a buffer: one to the
 * other. */
#ifndef GST_SHM_RING_FRAME_H
#define GST_SHM_RING_FRAME_H

#include "gstshmringpicture.h"

G_BEGIN_DECLS

/* The picture: VIDEO's format and default layout. */
void gst_shm_ring_frame_set_video (
    struct shmring_frame_info *frame, const GstVideoInfo *video);

/* BUFFER's flags and duration, and its offset as the frame number if it has
 * one. */
void gst_shm_ring_frame_set_buffer (
    struct shmring_frame_info *frame, GstBuffer *buffer);

/* The caps FRAME carries as text or, where it carries none, those that its
 * format and size make. NULL: it says nothing that makes sense, and *PROBLEM (a
 * static text) says why. */
GstCaps *gst_shm_ring_frame_get_caps (
    const struct shmring_frame_info *frame, const gchar **problem);

/* NULL when FRAME has what caps of PICTURE say, else why not, a static text. */
const gchar *gst_shm_ring_frame_problem (
    const struct shmring_frame_info *frame, const GstShmRingPicture *picture);

/* A buffer over FRAME's own bytes, read-only; FRAME is released with its
 * memory's last reference. VIDEO (NULL for opaque data) is what the caps say:
 * FRAME's rows as they lie become its GstVideoMeta. */
GstBuffer *gst_shm_ring_frame_wrap (
    struct shmring_frame *frame, const GstVideoInfo *video);

/* Whether FRAME's rows lie as GStreamer expects where there is no GstVideoMeta.
 */
gboolean gst_shm_ring_frame_is_default_layout (
    const struct shmring_frame_info *frame, const GstVideoInfo *video);

/* Whether FRAME says only that there is nothing for a time. */
gboolean gst_shm_ring_frame_is_gap (const struct shmring_frame_info *frame);

G_END_DECLS

#endif
