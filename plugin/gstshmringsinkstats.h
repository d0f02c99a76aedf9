/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_SHM_RING_SINK_STATS_H
#define GST_SHM_RING_SINK_STATS_H

#include "gstshmringwriter.h"

G_BEGIN_DECLS

/* What WRITER and its ring count, as the property ring-stats tells it; the last
 * ring's when there is none now, NULL before the first. From any thread. */
GstStructure *gst_shm_ring_sink_stats_get (GstShmRingWriter *writer);

/* Readers attached now. From any thread. */
guint gst_shm_ring_sink_stats_num_readers (GstShmRingWriter *writer);

/* Keeps them; the ring is about to be closed. */
void gst_shm_ring_sink_stats_keep (GstShmRingWriter *writer);

G_END_DECLS

#endif
