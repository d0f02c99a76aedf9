/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ring's reader as a source needs it: waits for the ring and for its
 * frames, ended by the base class's unlock, and every end of the ring turned
 * into a flow.
 *
 * gst_shm_ring_reader_next() belongs to the source's streaming thread, start
 * and stop are called when nothing streams, the others from any thread.
 */
#ifndef GST_SHM_RING_READER_H
#define GST_SHM_RING_READER_H

#include <gst/gst.h>

#include "gstshmringsettings.h"

G_BEGIN_DECLS

typedef struct {
  struct shmring_reader_stats ring;
  guint64 bytes;
  guint64 damaged; /* frames that were refused */
  guint64 waits;   /* for a frame */
  GstClockTime wait_time;
} GstShmRingReaderStats;

typedef struct {
  GstElement *src; /* the owner */
  gchar *ring;
  GstShmRingSettings settings;
  struct shmring_reader *handle; /* changed under the source's object lock */
  gint unlocked;
  gboolean attached;
  gboolean is_new;    /* attached, and no frame came yet */
  gboolean had_first; /* a frame to show, since it was started */
  gint64 first_end;   /* when the first frame must be there */
  guint64 next_seq;
  guint refused; /* frames, one after the other */

  GstShmRingReaderStats stats; /* under the source's object lock */
} GstShmRingReader;

/* Takes RING, the ring's name. Touches no ring yet. False: an error was posted.
 */
gboolean gst_shm_ring_reader_start (
    GstShmRingReader *self, gchar *ring, const GstShmRingSettings *settings);

/* Before the frames are asked for of which one becomes a buffer, and after the
 * first that did: gaps, and frames that are too old, are not what a player
 * waits for. */
void gst_shm_ring_reader_begin (GstShmRingReader *self);
void gst_shm_ring_reader_had_first (GstShmRingReader *self);

/* Waits for the ring and the next frame of it. *IS_NEW: the first frame from
 * this writer. EOS, FLUSHING, or ERROR after an error was posted. */
GstFlowReturn gst_shm_ring_reader_next (GstShmRingReader *self,
    struct shmring_frame **frame, gboolean *is_new, gboolean *is_discont);

/* The frame cannot be what it says, for the reason of PROBLEM. A camera does
 * not end for one: OK, and a warning now and then. ERROR, posted: frames in a
 * row were like that. */
GstFlowReturn gst_shm_ring_reader_refuse (
    GstShmRingReader *self, const gchar *problem);
/* The frame that next() gave is a good one. */
void gst_shm_ring_reader_accept (GstShmRingReader *self);

/* The latency of the writing pipeline, also before this reader is attached (0:
 * there is no ring), and how many frames may be held in place. */
void gst_shm_ring_reader_get_latency (
    GstShmRingReader *self, GstClockTime *latency, guint *lease);

/* What was counted since the start, also after the stop. */
void gst_shm_ring_reader_get_stats (
    GstShmRingReader *self, GstShmRingReaderStats *stats);

void gst_shm_ring_reader_set_unlocked (
    GstShmRingReader *self, gboolean unlocked);
void gst_shm_ring_reader_stop (GstShmRingReader *self);

G_END_DECLS

#endif
