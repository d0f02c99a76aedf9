/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The block of metas in a frame's header, as docs/layout.md describes it: what
 * a buffer carries beside its bytes, and the tags that change what it means.
 */
#ifndef GST_SHM_RING_META_H
#define GST_SHM_RING_META_H

#include <gst/audio/audio.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/* Whether TEXT looks like one structure, or caps of one. GStreamer takes others
 * for a fault of its caller, and logs them as one. */
gboolean gst_shm_ring_meta_is_structure (const gchar *text);
/* That one, or NULL. */
GstStructure *gst_shm_ring_meta_parse (const gchar *text);

/* What a stream's metas may speak of: one of both, or neither. */
typedef struct {
  const GstVideoInfo *video;
  const GstAudioInfo *audio;
} GstShmRingMetaStream;

/* Appends BUFFER's metas to BLOCK. Returns how many could not be carried:
 * unknown ones, and what exceeds the block's limit; LEFT_OUT (NULL is allowed)
 * gets the names of their types, static texts. Metas that the frame header
 * itself carries, and those that only mean something here, are neither. */
guint gst_shm_ring_meta_write (
    GByteArray *block, GstBuffer *buffer, GPtrArray *left_out);

/* Appends those of TAGS that change what a picture means. */
void gst_shm_ring_meta_write_tags (GByteArray *block, const GstTagList *tags);

/* Adds to BUFFER what the SIZE bytes of BLOCK (any bytes, NULL is allowed) say
 * that can be of STREAM. */
void gst_shm_ring_meta_read (GstBuffer *buffer, gconstpointer block, gsize size,
    const GstShmRingMetaStream *stream);

/* The text of the tags in BLOCK, or NULL; and what such a text (NULL is
 * allowed) says, or NULL. */
const gchar *gst_shm_ring_meta_find_tags (gconstpointer block, gsize size);
GstTagList *gst_shm_ring_meta_parse_tags (const gchar *text);

/* ---- One meta: gstshmringmetakinds.c ------------------------------------- */

/* Appends META's payload. Returns the type of its entry, 0: nobody knows how.
 */
guint32 gst_shm_ring_meta_kinds_write (GByteArray *to, GstMeta *meta);

/* Adds to BUFFER what an entry of TYPE, of SIZE BYTES, says; nothing when they
 * make no sense. */
void gst_shm_ring_meta_kinds_read (GstBuffer *buffer, guint32 type,
    const guint8 *bytes, gsize size, const GstShmRingMetaStream *stream);

G_END_DECLS

#endif
