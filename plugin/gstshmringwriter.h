/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ring's writer as a sink needs it: made with the first caps, grown when a
 * frame needs more, its waits ended by the base class's unlock and resumed
 * after it.
 *
 * All functions belong to the sink's streaming thread, except set_unlocked, and
 * start and stop, which are called when nothing streams.
 */
#ifndef GST_SHM_RING_WRITER_H
#define GST_SHM_RING_WRITER_H

#include <gst/base/gstbasesink.h>
#include <gst/video/video.h>

#include "shmring.h"

G_BEGIN_DECLS

typedef struct {
  struct shmring_writer_options options; /* slot_size 0: what the caps need */
  gboolean wait_for_connection;
  GstClockTime timeout;
} GstShmRingWriterSettings;

typedef struct {
  GstBaseSink *sink; /* the owner */
  gchar *ring;
  GstShmRingWriterSettings settings;
  struct shmring_writer *handle; /* changed under the sink's object lock */
  gint unlocked;

  GstVideoInfo video;
  gboolean is_video;
  gchar *caps_text;

  gboolean is_live;
  gboolean had_reader;
  GstClockTimeDiff waited;
  guint64 frames;
} GstShmRingWriter;

/* Takes RING, the ring's name. */
void gst_shm_ring_writer_start (GstShmRingWriter *self, gchar *ring,
    const GstShmRingWriterSettings *settings);

/* Makes the ring if there is none yet. False: an error was posted. */
gboolean gst_shm_ring_writer_set_caps (GstShmRingWriter *self, GstCaps *caps);

/* Publishes a copy of BUFFER; waits as the settings say. Called with the sink's
 * preroll lock, as render() is. GST_FLOW_ERROR: an error was posted. */
GstFlowReturn gst_shm_ring_writer_publish (
    GstShmRingWriter *self, GstBuffer *buffer);

void gst_shm_ring_writer_end (GstShmRingWriter *self);
void gst_shm_ring_writer_flush (GstShmRingWriter *self);
void gst_shm_ring_writer_set_unlocked (
    GstShmRingWriter *self, gboolean unlocked);
void gst_shm_ring_writer_stop (GstShmRingWriter *self);

G_END_DECLS

#endif
