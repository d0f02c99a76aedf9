/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When a source's frames are due in its own pipeline. Arithmetic alone: the
 * caller says what time it is, and pushes the segments.
 *
 * In a live pipeline a frame keeps the time at which it was due in the writing
 * one, as far as that has a place here. Otherwise it keeps its running time,
 * and what a next writer sends follows what the one before sent.
 */
#ifndef GST_SHM_RING_SRC_TIME_H
#define GST_SHM_RING_SRC_TIME_H

#include <gst/gst.h>

#include "shmring.h"

G_BEGIN_DECLS

typedef struct {
  gboolean is_leaky;
  gboolean stands_alone; /* no frame of the stream needs another one */

  gboolean has_frame;
  gint64 earlier; /* live: what all frames are taken earlier by */
  gint64 before;  /* live: how long before 0 the first one was due */
  gint64 ahead;   /* what the first one's DTS was before its PTS */
  gint64 last;    /* running time of the last frame */

  guint32 stretch;
  gint64 first;    /* not live: pts of the segment's first frame */
  gint64 base;     /* running time of that frame */
  gint64 reached;  /* running time at the end of all frames */
  gint64 distance; /* of the last two frames */

  gboolean has_start; /* the segment does not begin at 0 */
  gboolean needs_segment;
} GstShmRingSrcTime;

/* What was seen of a frame, CLOCK_MONOTONIC. */
typedef struct {
  gboolean is_first;   /* since the reader attached */
  gboolean has_origin; /* live, and the pipeline has a clock */
  gint64 origin;       /* of running time */
  gint64 now;
  gint64 latency; /* that the writer told of, and the pipeline agreed to */
} GstShmRingSrcArrival;

void gst_shm_ring_src_time_start (GstShmRingSrcTime *self, gboolean is_leaky);

/* Frames from now on are of CAPS. */
void gst_shm_ring_src_time_set_caps (GstShmRingSrcTime *self, GstCaps *caps);

/* FRAME's times in the source's segment. False: it has none there. */
gboolean gst_shm_ring_src_time_place (GstShmRingSrcTime *self,
    const struct shmring_frame_info *frame, const GstShmRingSrcArrival *arrival,
    GstClockTime *pts, GstClockTime *dts);

/* True, once: SEGMENT is to be sent before the next buffer. */
gboolean gst_shm_ring_src_time_take_segment (
    GstShmRingSrcTime *self, GstSegment *segment);

G_END_DECLS

#endif
