/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What caps say of buffers, as a ring's frame header says it: raw video, Bayer
 * patterns, or opaque data.
 */
#ifndef GST_SHM_RING_PICTURE_H
#define GST_SHM_RING_PICTURE_H

#include <gst/video/video.h>

#include "shmring.h"

G_BEGIN_DECLS

typedef struct {
  gboolean is_video; /* raw video; its layout is VIDEO's */
  GstVideoInfo video;
  struct shmring_frame_info info; /* what every frame has in common */
} GstShmRingPicture;

/* False: caps that contradict themselves, or sizes that cannot be. */
gboolean gst_shm_ring_picture_set_caps (GstShmRingPicture *self, GstCaps *caps);

/* Bytes of a slot that a copy of BUFFER takes. NULL: what every frame takes, 0
 * for opaque data. */
gsize gst_shm_ring_picture_size (
    const GstShmRingPicture *self, GstBuffer *buffer);

/* Copies BUFFER to DATA, raw video from whatever strides into the default
 * layout. False: a row of it would lie outside the buffer. */
gboolean gst_shm_ring_picture_copy (
    const GstShmRingPicture *self, GstBuffer *buffer, gpointer data);

/* INFO for BUFFER as copied. */
void gst_shm_ring_picture_describe (const GstShmRingPicture *self,
    GstBuffer *buffer, struct shmring_frame_info *info);

/* INFO for BUFFER where it lies, from OFFSET of a slot on. False: no header can
 * say how it lies, or it does not fit in its bytes. */
gboolean gst_shm_ring_picture_describe_in_place (const GstShmRingPicture *self,
    GstBuffer *buffer, gsize offset, struct shmring_frame_info *info);

G_END_DECLS

#endif
