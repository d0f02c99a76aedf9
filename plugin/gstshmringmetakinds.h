/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kinds of metas that cross a ring, each as an entry's payload. */
#ifndef GST_SHM_RING_META_KINDS_H
#define GST_SHM_RING_META_KINDS_H

#include "gstshmringmeta.h"

G_BEGIN_DECLS

/* Appends META's payload. Returns the type of its entry, 0: nobody knows how.
 */
guint32 gst_shm_ring_meta_kinds_write (GByteArray *to, GstMeta *meta);

/* Adds to BUFFER what an entry of TYPE, of SIZE BYTES, says; nothing when they
 * make no sense. */
void gst_shm_ring_meta_kinds_read (GstBuffer *buffer, guint32 type,
    const guint8 *bytes, gsize size, const GstShmRingMetaStream *stream);

G_END_DECLS

#endif
