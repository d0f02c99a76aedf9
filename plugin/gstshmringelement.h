/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What both elements share: their ring's name, and errors a user can act on. */
#ifndef GST_SHM_RING_ELEMENT_H
#define GST_SHM_RING_ELEMENT_H

#include <gst/gst.h>

#include "shmring.h"

G_BEGIN_DECLS

/* NAME, or the element's own name when NAME is NULL. An impossible or automatic
 * name is posted as an error, and the answer is NULL. */
gchar *gst_shm_ring_element_resolve_name (
    GstElement *element, const gchar *name);

/* What the ring library's negative errno CODE is to GStreamer. */
GstResourceError gst_shm_ring_element_resource_error (int code);

/* Posts the error that the ring library answered with the negative errno CODE.
 */
void gst_shm_ring_element_post_errno (
    GstElement *element, int code, const gchar *message);

G_END_DECLS

#endif
