/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The block of metas in a frame's header, as docs/layout.md describes it: crop,
 * transformation, regions of interest, and the tags that change what a picture
 * means.
 */
#ifndef GST_SHM_RING_META_H
#define GST_SHM_RING_META_H

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Whether TEXT looks like one structure, or caps of one. GStreamer takes others
 * for a fault of its caller, and logs them as one. */
gboolean gst_shm_ring_meta_is_structure (const gchar *text);

/* Appends BUFFER's metas to BLOCK. Returns how many could not be carried:
 * unknown ones, and what exceeds the block's limit. Metas that the frame header
 * itself carries are neither. */
guint gst_shm_ring_meta_write (GByteArray *block, GstBuffer *buffer);

/* Appends those of TAGS that change what a picture means. */
void gst_shm_ring_meta_write_tags (GByteArray *block, const GstTagList *tags);

/* Adds to BUFFER what the SIZE bytes of BLOCK (any bytes, NULL is allowed) say.
 * VIDEO: the picture, or NULL for opaque data, which has no crop. */
void gst_shm_ring_meta_read (GstBuffer *buffer, gconstpointer block, gsize size,
    const GstVideoInfo *video);

/* The tags in BLOCK, or NULL. */
GstTagList *gst_shm_ring_meta_read_tags (gconstpointer block, gsize size);

G_END_DECLS

#endif
