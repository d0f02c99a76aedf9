/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugin's features, and what they share: their ring's name, errors a user
 * can act on, and properties. */
#ifndef GST_SHM_RING_H
#define GST_SHM_RING_H

#include <gst/gst.h>

#include "shmring.h"

G_BEGIN_DECLS

GType gst_shm_ring_sink_get_type (void);
GType gst_shm_ring_src_get_type (void);
GType gst_shm_ring_device_provider_get_type (void);

/* NAME, which is taken, or the element's own name when NAME is NULL. An
 * impossible or automatic name is posted as an error, and the answer is NULL.
 */
gchar *gst_shm_ring_element_resolve_name (GstElement *element, gchar *name);

/* What the ring library's negative errno CODE is to GStreamer. */
GstResourceError gst_shm_ring_element_resource_error (int code);

/* Posts the error that the ring library answered with the negative errno CODE.
 */
void gst_shm_ring_element_post_errno (
    GstElement *element, int code, const gchar *message);

/* Where an element keeps what a property sets, under the object lock: a string,
 * or a number of SIZE bytes. */
typedef struct {
  gsize offset, size;
} GstShmRingField;

#define GST_SHM_RING_FIELD(type, field)                                        \
  {                                                                            \
    G_STRUCT_OFFSET (type, field), sizeof (((type *) NULL)->field)             \
  }

void gst_shm_ring_element_set_field (
    GstElement *element, const GstShmRingField *field, const GValue *value);
void gst_shm_ring_element_get_field (
    GstElement *element, const GstShmRingField *field, GValue *value);

G_END_DECLS

#endif
