/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a source tells downstream of its ring: caps, tags, gaps and buffers,
 * each from the headers of the frames that come.
 *
 * get_caps, get_frame_duration and get_copied may be called from any thread,
 * forget when nothing streams, the others belong to the streaming thread.
 */
#ifndef GST_SHM_RING_SRC_STREAM_H
#define GST_SHM_RING_SRC_STREAM_H

#include <gst/base/gstbasesrc.h>
#include "gstshmringpicture.h"

G_BEGIN_DECLS

typedef struct {
  GstBaseSrc *src; /* the owner */

  /* changed under the source's object lock */
  GstCaps *caps;
  GstShmRingPicture picture;
  guint64 copied; /* because downstream takes the default layout only */

  gchar *caps_text;
  GstTagList *tags;
  gboolean takes_video_meta;
} GstShmRingSrcStream;

/* Sends what changed with this frame of RING: caps, tags. Not OK: an error was
 * posted, or the pad is flushing. *PROBLEM gets why the frame cannot be what it
 * says, a static text: then nothing was sent; else NULL. */
GstFlowReturn gst_shm_ring_src_stream_update (GstShmRingSrcStream *self,
    const gchar *ring, const struct shmring_frame_info *info,
    const gchar **problem);

/* A buffer in the writer's running time, in FRAME's own memory. Takes FRAME,
 * of which update() found no problem. */
GstBuffer *gst_shm_ring_src_stream_wrap (
    GstShmRingSrcStream *self, struct shmring_frame *frame);

/* BUFFER, or a copy where downstream cannot take its layout, with all that
 * INFO, its frame's, says beside the pixels. Takes BUFFER. */
GstBuffer *gst_shm_ring_src_stream_finish (GstShmRingSrcStream *self,
    const struct shmring_frame_info *info, GstBuffer *buffer);

/* Tells downstream of a time without content. */
void gst_shm_ring_src_stream_push_gap (
    GstShmRingSrcStream *self, GstBuffer *gap);

/* Takes from QUERY what downstream can do. */
void gst_shm_ring_src_stream_set_allocation (
    GstShmRingSrcStream *self, GstQuery *query);

/* NULL: not known yet. */
GstCaps *gst_shm_ring_src_stream_get_caps (GstShmRingSrcStream *self);
/* GST_CLOCK_TIME_NONE: not known. */
GstClockTime gst_shm_ring_src_stream_get_frame_duration (
    GstShmRingSrcStream *self);
guint64 gst_shm_ring_src_stream_get_copied (GstShmRingSrcStream *self);

void gst_shm_ring_src_stream_forget (GstShmRingSrcStream *self);

G_END_DECLS

#endif
