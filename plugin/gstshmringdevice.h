/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_SHM_RING_DEVICE_H
#define GST_SHM_RING_DEVICE_H

#include <gst/gst.h>

#include "gstshmringcompat.h"

G_BEGIN_DECLS

GST_DEVICE_PROVIDER_REGISTER_DECLARE (shmringdeviceprovider);

G_END_DECLS

#endif
