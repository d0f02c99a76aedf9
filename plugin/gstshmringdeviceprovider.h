/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_SHM_RING_DEVICE_PROVIDER_H
#define GST_SHM_RING_DEVICE_PROVIDER_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SHM_RING_DEVICE_PROVIDER                                      \
  (gst_shm_ring_device_provider_get_type ())
G_DECLARE_FINAL_TYPE (GstShmRingDeviceProvider, gst_shm_ring_device_provider,
    GST, SHM_RING_DEVICE_PROVIDER, GstDeviceProvider)

GST_DEVICE_PROVIDER_REGISTER_DECLARE (shmringdeviceprovider);

G_END_DECLS

#endif
