/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A sink's ring: made with the first caps, grown when a frame needs more, its
 * waits ended by the base class's unlock and resumed after it, and a frame's
 * way from render() into it.
 *
 * Functions belong to the sink's streaming thread, except those that say
 * otherwise, and start and stop, which are called when nothing streams.
 */
#ifndef GST_SHM_RING_SINK_RING_H
#define GST_SHM_RING_SINK_RING_H

#include <gst/base/gstbasesink.h>

#include "gstshmringframe.h"
#include "gstshmringsinkmemory.h"
#include "gstshmringsinktime.h"
#include "gstshmringsinkwatch.h"
#include "shmring.h"

G_BEGIN_DECLS

/* The properties that make it. */
typedef struct {
  gchar *ring_name;                      /* NULL: the element's */
  struct shmring_writer_options options; /* slot_size 0: what the caps need */
  gboolean wait_for_connection;
  gint64 timeout; /* nanoseconds, SHMRING_FOREVER or by itself */
} GstShmRingSinkSettings;

/* Of TIMEOUT: a second in a live pipeline, for ever in any other. */
#define GST_SHM_RING_SINK_TIMEOUT_AUTO ((gint64) -2)

typedef struct {
  GstBaseSink *sink;               /* the owner */
  GstShmRingSinkSettings settings; /* but for the name */
  gchar *name;
  struct shmring_writer *writer; /* of SLOTS */
  GstShmRingSinkWatch *watch;
  gint unlocked;
  gint had_hint; /* that was told */

  /* under the sink's object lock */
  GstShmRingAllocator *slots;
  guint64 in_place, copied, dropped_metas;
  GstStructure *last_stats;

  GstShmRingSinkTime time;
  gint64 told_latency;

  GstShmRingFormat format;
  gchar *caps_text;
  GstTagList *tags;
  GByteArray *metas;
  GPtrArray *left_out;    /* names of the kinds of metas that did not cross */
  GHashTable *told_metas; /* of them, those the application was told of */

  gboolean is_refused;       /* the ring, and that was told */
  guint frame_dropped_metas; /* of the frame at hand */
  gboolean leaves_metas;     /* the frame at hand has too many */
  gboolean has_last_headers; /* that cannot grow */
  gboolean had_reader;
  gboolean had_frame;
  gboolean had_jump; /* that was told, too */
  gint64 wait_began;
  guint64 frames;

  /* an error, posted when nothing is locked any more; TEXT NULL: none */
  GQuark error_domain;
  gint error_code;
  gchar *error_text;
} GstShmRingSinkRing;

/* ---- Life ---------------------------------------------------------------- */

/* Takes NAME, the ring's. */
void gst_shm_ring_sink_ring_start (GstShmRingSinkRing *self, gchar *name,
    const GstShmRingSinkSettings *settings);
void gst_shm_ring_sink_ring_stop (GstShmRingSinkRing *self);

/* Makes the ring if there is none yet. False: an error was posted. */
gboolean gst_shm_ring_sink_ring_set_caps (
    GstShmRingSinkRing *self, GstCaps *caps);

/* Upstream offers nothing but CAPS, which the sink does not take: says once
 * what to set. From any thread. */
void gst_shm_ring_sink_ring_hint (GstShmRingSinkRing *self, GstCaps *caps);

/* Tags of the stream (NULL: it begins anew). Those that change the picture's
 * meaning go with every frame. */
void gst_shm_ring_sink_ring_set_tags (
    GstShmRingSinkRing *self, GstTagList *tags);

/* Asks upstream whether it is live, and how late its frames are: readers with a
 * clock add that to their own latency. From any thread. */
void gst_shm_ring_sink_ring_update_latency (GstShmRingSinkRing *self);

void gst_shm_ring_sink_ring_end (GstShmRingSinkRing *self);
/* RESETS_TIME: running time begins anew. */
void gst_shm_ring_sink_ring_flush (
    GstShmRingSinkRing *self, gboolean resets_time);
/* From any thread. */
void gst_shm_ring_sink_ring_set_unlocked (
    GstShmRingSinkRing *self, gboolean unlocked);

/* ---- Frames: with the sink's preroll lock, as render() is called --------- */

/* Publishes BUFFER, where it lies if that is one of the ring's slots, else a
 * copy; waits as the settings say. GST_FLOW_ERROR: an error was posted. */
GstFlowReturn gst_shm_ring_sink_ring_publish (
    GstShmRingSinkRing *self, GstBuffer *buffer);

/* Publishes a stretch of time without a frame. */
GstFlowReturn gst_shm_ring_sink_ring_publish_gap (
    GstShmRingSinkRing *self, GstEvent *gap);

/* ---- From any thread ----------------------------------------------------- */

/* The ring's slots, to be unreffed, or NULL. */
GstShmRingAllocator *gst_shm_ring_sink_ring_ref_slots (
    GstShmRingSinkRing *self);

/* As the property ring-stats tells it; the last ring's when there is none now,
 * NULL before the first. */
GstStructure *gst_shm_ring_sink_ring_get_stats (GstShmRingSinkRing *self);

/* Readers attached now. */
guint gst_shm_ring_sink_ring_get_num_readers (GstShmRingSinkRing *self);

G_END_DECLS

#endif
