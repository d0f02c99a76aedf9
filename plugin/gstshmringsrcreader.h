/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ring's reader as a source needs it: every wait ends by the base class's
 * unlock and by a pause, every end of the ring becomes a flow.
 *
 * next(), refuse() and had_buffer() belong to the source's streaming thread,
 * start and stop are called when nothing streams, the others from any thread.
 */
#ifndef GST_SHM_RING_SRC_READER_H
#define GST_SHM_RING_SRC_READER_H

#include <gst/base/gstbasesrc.h>

#include "shmring.h"

G_BEGIN_DECLS

typedef enum {
  GST_SHM_RING_ON_DISCONNECT_AUTO,
  GST_SHM_RING_ON_DISCONNECT_EOS,
  GST_SHM_RING_ON_DISCONNECT_ERROR,
  GST_SHM_RING_ON_DISCONNECT_WAIT,
} GstShmRingOnDisconnect;

typedef struct {
  struct shmring_reader_options options;
  GstClockTime connection_timeout;
  GstClockTime timeout;
  GstClockTime first_timeout; /* for the ring and the first frame together */
  GstShmRingOnDisconnect on_disconnect;
} GstShmRingSrcSettings;

typedef struct {
  struct shmring_reader_stats ring;
  guint64 bytes;
  guint64 damaged; /* frames of ring.dropped that made no sense */
  guint64 refused; /* others that made none */
  guint64 waits;   /* for a frame */
  GstClockTime wait_time;
} GstShmRingSrcStats;

typedef struct {
  GstBaseSrc *src; /* the owner */
  gchar *ring;
  GstShmRingSrcSettings settings;
  GstShmRingSrcStats stats; /* under the source's object lock */

  struct shmring_reader *handle; /* changed under the source's object lock */
  gboolean unlocked, paused;     /* under the source's object lock */

  gboolean had_buffer; /* since the start */
  gint64 began;   /* the wait for the first buffer; SHMRING_FOREVER: not yet */
  guint in_a_row; /* frames that made no sense */
  gboolean told_limit; /* that there is no room for a copy, since the start */
} GstShmRingSrcReader;

/* Takes RING, the ring's name. Touches no ring yet. False: an error was posted.
 */
gboolean gst_shm_ring_src_reader_start (GstShmRingSrcReader *self, gchar *ring,
    const GstShmRingSrcSettings *settings);
void gst_shm_ring_src_reader_stop (GstShmRingSrcReader *self);

/* Waits for the ring and the next frame of it. EOS, FLUSHING, or ERROR after an
 * error was posted. */
GstFlowReturn gst_shm_ring_src_reader_next (
    GstShmRingSrcReader *self, struct shmring_frame **frame);

/* The frame cannot be what it says, for the reason of PROBLEM. A camera does
 * not end for one: OK, and a warning now and then. ERROR, posted: frames in a
 * row were like that. */
GstFlowReturn gst_shm_ring_src_reader_refuse (
    GstShmRingSrcReader *self, const gchar *problem);

/* A frame became a buffer: gaps, and frames that are too old, are not what a
 * player waits for. */
void gst_shm_ring_src_reader_had_buffer (GstShmRingSrcReader *self);

/* Until the next frame is asked for, the writer waits for nobody here. */
void gst_shm_ring_src_reader_leave (GstShmRingSrcReader *self);

/* While either is true, waits end at once. A pause leaves the ring, and goes on
 * afterwards. */
void gst_shm_ring_src_reader_set_unlocked (
    GstShmRingSrcReader *self, gboolean unlocked);
void gst_shm_ring_src_reader_set_paused (
    GstShmRingSrcReader *self, gboolean paused);

/* Asks the writer for a frame that stands alone, the one due at TIME of
 * CLOCK_MONOTONIC or the next (SHMRING_TIME_NONE). False: there is no ring. */
gboolean gst_shm_ring_src_reader_request_keyframe (
    GstShmRingSrcReader *self, gint64 time);

/* The latency of the writing pipeline, also before this reader is attached (0:
 * there is no ring), and how many frames may be held in place. */
GstClockTime gst_shm_ring_src_reader_get_told (GstShmRingSrcReader *self);
void gst_shm_ring_src_reader_get_latency (
    GstShmRingSrcReader *self, GstClockTime *latency, guint *lease);

/* What was counted since the start, also after the stop. */
void gst_shm_ring_src_reader_get_stats (
    GstShmRingSrcReader *self, GstShmRingSrcStats *stats);

G_END_DECLS

#endif
