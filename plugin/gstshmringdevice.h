/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A live ring, as a device that frames can be read from. */
#ifndef GST_SHM_RING_DEVICE_H
#define GST_SHM_RING_DEVICE_H

#include <gst/gst.h>

#include "shmring.h"

G_BEGIN_DECLS

#define GST_TYPE_SHM_RING_DEVICE (gst_shm_ring_device_get_type ())
G_DECLARE_FINAL_TYPE (
    GstShmRingDevice, gst_shm_ring_device, GST, SHM_RING_DEVICE, GstDevice)

/* The ring that INFO tells of, with the caps of its newest frame (ANY while it
 * has none). */
GstDevice *gst_shm_ring_device_new (const struct shmring_info *info);

const gchar *gst_shm_ring_device_get_ring (GstShmRingDevice *self);

/* Whether the device still tells the truth: INFO is of the same writer's same
 * segment, and has no frames if there were none. */
gboolean gst_shm_ring_device_is_current (
    GstShmRingDevice *self, const struct shmring_info *info);

G_END_DECLS

#endif
