/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_SHM_RING_ENUMS_H
#define GST_SHM_RING_ENUMS_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SHM_RING_LEAKY_TYPE (gst_shm_ring_leaky_type_get_type ())
GType gst_shm_ring_leaky_type_get_type (void);

#define GST_TYPE_SHM_RING_ON_DISCONNECT (gst_shm_ring_on_disconnect_get_type ())
GType gst_shm_ring_on_disconnect_get_type (void);

G_END_DECLS

#endif
