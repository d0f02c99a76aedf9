/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A sink's place in time: when its frames are due on CLOCK_MONOTONIC, and how
 * late they really come. All sinks of a pipeline go by one timeline, so that
 * picture and sound stay in step.
 *
 * Functions belong to the sink's streaming thread, except those that say
 * otherwise, and start and stop, which are called when nothing streams.
 */
#ifndef GST_SHM_RING_SINK_TIME_H
#define GST_SHM_RING_SINK_TIME_H

#include <gst/base/gstbasesink.h>

#include "gstshmringsinklateness.h"
#include "shmring.h"

G_BEGIN_DECLS

typedef struct {
  GstBaseSink *sink; /* the owner */
  GstObject *pipeline;
  struct shmring_timeline *timeline;
  gint is_live;
  gint64 ts_added; /* to the sink's ts-offset */

  gint64 arrived;
  GstShmRingSinkLateness lateness;
  gint64 told; /* of it, to readers; under the sink's object lock */
} GstShmRingSinkTime;

void gst_shm_ring_sink_time_start (GstShmRingSinkTime *self, GstBaseSink *sink);
void gst_shm_ring_sink_time_stop (GstShmRingSinkTime *self);

/* Asks upstream whether it is live. From any thread. */
void gst_shm_ring_sink_time_ask (GstShmRingSinkTime *self);

/* A frame came; what was waited for its sake is not its lateness. */
void gst_shm_ring_sink_time_arrive (GstShmRingSinkTime *self);
/* The stream stood still for NS, for a reader. */
void gst_shm_ring_sink_time_waited (GstShmRingSinkTime *self, gint64 ns);

/* When INFO's frame, of which the stream's times are known, is due. True: they
 * were of another clock, and running time began anew. */
gboolean gst_shm_ring_sink_time_place (
    GstShmRingSinkTime *self, struct shmring_frame_info *info);

/* How late frames leave the sink: what readers with a clock have to know. From
 * any thread. */
gint64 gst_shm_ring_sink_time_latency (GstShmRingSinkTime *self);

/* Running time begins anew. */
void gst_shm_ring_sink_time_reset (GstShmRingSinkTime *self);

/* The running time in SINK's pipeline, which goes by TIMELINE, of the frame
 * that is due at CLOCK_NS; GST_CLOCK_TIME_NONE: none. From any thread. */
GstClockTime gst_shm_ring_sink_time_of (
    GstElement *sink, struct shmring_timeline *timeline, gint64 clock_ns);

G_END_DECLS

#endif
