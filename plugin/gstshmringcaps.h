/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_SHM_RING_CAPS_H
#define GST_SHM_RING_CAPS_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* CAPS without those that do not lie in system memory. Takes CAPS; ANY stays
 * ANY. */
GstCaps *gst_shm_ring_caps_system_memory (GstCaps *caps);

G_END_DECLS

#endif
