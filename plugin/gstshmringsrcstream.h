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
#include <gst/audio/audio.h>

#include "gstshmringframe.h"
#include "gstshmringsrctime.h"

G_BEGIN_DECLS

typedef struct {
  GstBaseSrc *src; /* the owner */
  GstShmRingSrcTime *time;

  /* changed under the source's object lock */
  GstCaps *caps;
  GstShmRingFormat format;
  guint64 copied; /* because downstream takes the default layout only */

  GstAudioInfo audio;
  gboolean is_audio;
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

/* A buffer without times: FRAME's own memory, or a copy where downstream cannot
 * take its layout, with all that FRAME says. Takes FRAME, of which update()
 * found no problem. NULL: no memory, and an error was posted. */
GstBuffer *gst_shm_ring_src_stream_make_buffer (
    GstShmRingSrcStream *self, struct shmring_frame *frame);

/* The headers that the caps have, and BUFFER, which is taken: for the first one
 * that a reader gets. NULL: there are none to send, or the stream sends them
 * itself now. */
GstBufferList *gst_shm_ring_src_stream_with_headers (
    GstShmRingSrcStream *self, GstBuffer *buffer);

/* Tells downstream of a TIME without content, as INFO's frame says. */
void gst_shm_ring_src_stream_push_gap (GstShmRingSrcStream *self,
    const struct shmring_frame_info *info, GstClockTime time);

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
