/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Buffers for raw video that lie in a ring's slots while there are any to lend,
 * in ordinary memory when not. */
#ifndef GST_SHM_RING_POOL_H
#define GST_SHM_RING_POOL_H

#include <gst/video/gstvideopool.h>

#include "gstshmringallocator.h"

G_BEGIN_DECLS

#define GST_TYPE_SHM_RING_POOL (gst_shm_ring_pool_get_type ())
G_DECLARE_FINAL_TYPE (
    GstShmRingPool, gst_shm_ring_pool, GST, SHM_RING_POOL, GstVideoBufferPool)

GstBufferPool *gst_shm_ring_pool_new (GstShmRingAllocator *slots);

G_END_DECLS

#endif
