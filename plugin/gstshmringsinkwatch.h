/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells a sink's application what happens at the ring, whether or not frames
 * flow: a thread that looks a few times a second. Whoever hears it may stop the
 * pipeline at once: the thread holds nothing meanwhile, and is none of those
 * that a change of state waits for.
 */
#ifndef GST_SHM_RING_SINK_WATCH_H
#define GST_SHM_RING_SINK_WATCH_H

#include "gstshmringsinkmemory.h"

G_BEGIN_DECLS

typedef struct _GstShmRingSinkWatch GstShmRingSinkWatch;

/* Emits SINK's signals reader-attached and reader-detached for the readers of
 * the ring NAME of SLOTS, notifies num-readers, warns of readers that do not
 * read, and asks upstream for the key frames that readers ask for, in the
 * running time that TIMELINE makes. */
GstShmRingSinkWatch *gst_shm_ring_sink_watch_new (GstElement *sink,
    const gchar *name, GstShmRingAllocator *slots,
    struct shmring_timeline *timeline);

/* Whether frames may need others before them: nobody asks for a key frame
 * otherwise. */
void gst_shm_ring_sink_watch_set_encoded (
    GstShmRingSinkWatch *self, gboolean encoded);
/* A frame was published that stands alone. */
void gst_shm_ring_sink_watch_key_frame (GstShmRingSinkWatch *self);

/* Takes MESSAGE. */
void gst_shm_ring_sink_watch_post (
    GstShmRingSinkWatch *self, GstMessage *message);

/* Readers that are attached are reported as detached. NULL is allowed. */
void gst_shm_ring_sink_watch_free (GstShmRingSinkWatch *self);

/* What WRITER's ring counts, and its readers. */
GstStructure *gst_shm_ring_sink_watch_stats (struct shmring_writer *writer);

G_END_DECLS

#endif
