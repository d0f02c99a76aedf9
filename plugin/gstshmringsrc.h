/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_SHM_RING_SRC_H
#define GST_SHM_RING_SRC_H

#include <gst/base/gstpushsrc.h>

#include "gstshmringcompat.h"

G_BEGIN_DECLS

#define GST_TYPE_SHM_RING_SRC (gst_shm_ring_src_get_type ())
G_DECLARE_FINAL_TYPE (
    GstShmRingSrc, gst_shm_ring_src, GST, SHM_RING_SRC, GstPushSrc)

GST_ELEMENT_REGISTER_DECLARE (shmringsrc);

/* GST_TYPE_URI_HANDLER of this class. */
void gst_shm_ring_src_init_uri_handler (gpointer iface, gpointer data);

/* The longest wait for the ring and its first frame together. */
void gst_shm_ring_src_set_first_timeout (
    GstShmRingSrc *self, GstClockTime timeout);

G_END_DECLS

#endif
