/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * shmring://cam0?leaky-type=downstream: a ring's name and, as its query, any
 * properties that the element's own class has.
 */
#ifndef GST_SHM_RING_URI_H
#define GST_SHM_RING_URI_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* GstShmRingSrc's GstURIHandler. */
void gst_shm_ring_uri_init_handler (gpointer iface, gpointer data);

G_END_DECLS

#endif
