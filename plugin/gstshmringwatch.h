/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells a sink's application of readers that come and go, whether or not frames
 * flow: a thread that looks a few times a second. */
#ifndef GST_SHM_RING_WATCH_H
#define GST_SHM_RING_WATCH_H

#include "gstshmringallocator.h"

G_BEGIN_DECLS

typedef struct _GstShmRingWatch GstShmRingWatch;

/* Emits SINK's signals reader-attached and reader-detached for the readers of
 * the ring of SLOTS, and notifies num-readers, from a thread of its own. */
GstShmRingWatch *gst_shm_ring_watch_new (
    GstElement *sink, GstShmRingAllocator *slots);

/* Those that are attached are reported as detached. NULL is allowed. */
void gst_shm_ring_watch_free (GstShmRingWatch *self);

G_END_DECLS

#endif
