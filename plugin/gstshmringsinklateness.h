/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How late a stream's frames are, as its readers have to know it: of each
 * second the largest lateness, of the last 32 such the third largest. A hiccup
 * or two are nobody's latency. Arithmetic alone: the caller says what time it
 * is.
 */
#ifndef GST_SHM_RING_SINK_LATENESS_H
#define GST_SHM_RING_SINK_LATENESS_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_SHM_RING_SINK_LATENESS_SECONDS 32

/* All 0: no frame yet. */
typedef struct {
  gint64 second; /* of CLOCK_MONOTONIC, that LATEST is of */
  gint64 latest; /* the largest lateness in it */
  gint64 maxima[GST_SHM_RING_SINK_LATENESS_SECONDS];
  guint count;
  gint64 told;
  gint64 waited;    /* what the frames that queue up behind are late by */
  gint64 waited_at; /* when that was over */
} GstShmRingSinkLateness;

/* A frame ARRIVED, LATE. Returns what is to be told now. */
gint64 gst_shm_ring_sink_lateness_keep (
    GstShmRingSinkLateness *self, gint64 late, gint64 arrived);

/* The stream stood still for NS, for a reader, until NOW. */
void gst_shm_ring_sink_lateness_waited (
    GstShmRingSinkLateness *self, gint64 ns, gint64 now);

G_END_DECLS

#endif
