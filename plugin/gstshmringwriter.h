/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ring's writer as a sink needs it: made with the first caps, grown when a
 * frame needs more, its waits ended by the base class's unlock and resumed
 * after it. Its life and its waits are in gstshmringwriter.c, a frame's way in
 * gstshmringpublish.c.
 *
 * All functions belong to the sink's streaming thread, except those that say
 * otherwise, and start and stop, which are called when nothing streams.
 */
#ifndef GST_SHM_RING_WRITER_H
#define GST_SHM_RING_WRITER_H

#include <gst/base/gstbasesink.h>
#include <gst/video/video.h>

#include "gstshmringallocator.h"
#include "gstshmringpicture.h"
#include "gstshmringsinksettings.h"
#include "shmring.h"

G_BEGIN_DECLS

typedef struct {
  guint64 in_place, copied; /* frames published without and with a copy */
  guint64 dropped_metas;
} GstShmRingWriterCounts;

typedef struct {
  GstBaseSink *sink; /* the owner */
  gchar *ring;
  GstShmRingSinkSettings settings; /* but for the name */
  GstShmRingAllocator *slots;      /* changed under the sink's object lock */
  struct shmring_writer *handle;   /* changed under the sink's object lock */
  GstShmRingWriterCounts counts;   /* under the sink's object lock */
  GstStructure *last_stats;        /* under the sink's object lock */
  gint unlocked;
  gint is_live;

  GstShmRingPicture picture;
  gchar *caps_text;
  GstTagList *tags;
  GByteArray *metas;

  gboolean is_refused; /* the ring, and that was told */
  gboolean had_reader;
  gboolean had_frame;
  GstClockTimeDiff waited;
  guint64 frames;
} GstShmRingWriter;

/* ---- Life ---------------------------------------------------------------- */

/* Takes RING, the ring's name. */
void gst_shm_ring_writer_start (GstShmRingWriter *self, gchar *ring,
    const GstShmRingSinkSettings *settings);

/* Makes the ring if there is none yet. False: an error was posted. */
gboolean gst_shm_ring_writer_set_caps (GstShmRingWriter *self, GstCaps *caps);

/* Tags of the stream (NULL: it begins anew). Those that change the picture's
 * meaning go with every frame. */
void gst_shm_ring_writer_set_tags (GstShmRingWriter *self, GstTagList *tags);

/* Readers with a clock add the writer's latency to theirs. From any thread. */
void gst_shm_ring_writer_update_latency (GstShmRingWriter *self);

void gst_shm_ring_writer_end (GstShmRingWriter *self);
void gst_shm_ring_writer_flush (GstShmRingWriter *self);
/* From any thread. */
void gst_shm_ring_writer_set_unlocked (
    GstShmRingWriter *self, gboolean unlocked);
void gst_shm_ring_writer_stop (GstShmRingWriter *self);

/* The ring's slots, to be unreffed, or NULL. From any thread. */
GstShmRingAllocator *gst_shm_ring_writer_ref_slots (GstShmRingWriter *self);

/* ---- Waits: with the sink's preroll lock, as render() is called ---------- */

/* Those below: the frame has no slot and will get none. */
#define GST_SHM_RING_FLOW_DROP GST_FLOW_CUSTOM_SUCCESS

/* As the setting wait-for-connection says. */
GstFlowReturn gst_shm_ring_writer_wait_reader (
    GstShmRingWriter *self, GstBuffer *buffer);
GstFlowReturn gst_shm_ring_writer_loan (
    GstShmRingWriter *self, GstBuffer *buffer, struct shmring_slot *slot);
/* Moves the stream's place on the clock when it is too late for it. */
void gst_shm_ring_writer_keep_up (GstShmRingWriter *self, GstBuffer *buffer);
/* Loans of upstream's may wait again. */
void gst_shm_ring_writer_resume (GstShmRingWriter *self);

/* ---- Frames: with the sink's preroll lock (gstshmringpublish.c) ---------- */

/* Publishes BUFFER, where it lies if that is one of the ring's slots, else a
 * copy; waits as the settings say. GST_FLOW_ERROR: an error was posted. */
GstFlowReturn gst_shm_ring_writer_publish (
    GstShmRingWriter *self, GstBuffer *buffer);

/* Publishes a stretch of time without a frame. */
GstFlowReturn gst_shm_ring_writer_publish_gap (
    GstShmRingWriter *self, GstEvent *gap);

G_END_DECLS

#endif
