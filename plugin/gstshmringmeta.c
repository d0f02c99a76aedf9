/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringmeta.h"

#include <string.h>

#include <gst/video/gstvideoaffinetransformationmeta.h>

#define MAX_BLOCK 16384

enum { META_CROP = 1, META_TRANSFORMATION, META_REGION, META_TAGS };

/* Everything little-endian, as the whole segment. */
typedef struct {
  guint32 type, size;
} GstShmRingMetaEntry;

typedef struct {
  guint32 x, y, width, height;
} GstShmRingMetaCrop;

typedef struct {
  gint32 id, parent_id;
  guint32 x, y, width, height;
} GstShmRingMetaRegion;

G_STATIC_ASSERT (sizeof (GstShmRingMetaEntry) == 8);
G_STATIC_ASSERT (sizeof (GstShmRingMetaCrop) == 16);
G_STATIC_ASSERT (sizeof (GstShmRingMetaRegion) == 24);
G_STATIC_ASSERT (G_BYTE_ORDER == G_LITTLE_ENDIAN);

static const gchar *const meaningful_tags[] = { GST_TAG_IMAGE_ORIENTATION };

/* ---- Texts --------------------------------------------------------------- */

static gsize
gst_shm_ring_meta_name_length (const gchar *text)
{
  gsize length = 0;

  if (g_ascii_isalpha (text[0]))
    while (g_ascii_isalnum (text[length])
        || (text[length] != '\0' && strchr ("/-_.:+", text[length])))
      length++;
  return length;
}

/* A semicolon ends a structure, and nothing may follow. */
static gboolean
gst_shm_ring_meta_is_one (const gchar *text)
{
  gboolean is_quoted = FALSE;

  for (; *text != '\0' && (is_quoted || *text != ';'); text++) {
    if (*text == '"')
      is_quoted = !is_quoted;
    if (*text == '\\' && text[1] != '\0')
      text++;
  }
  return text[strspn (text, "; ")] == '\0';
}

gboolean
gst_shm_ring_meta_is_structure (const gchar *text)
{
  const gsize length = gst_shm_ring_meta_name_length (text);

  return length > 0 && strchr (" ,;(", text[length]) != NULL
      && g_utf8_validate (text, -1, NULL) && gst_shm_ring_meta_is_one (text);
}

static GstStructure *
gst_shm_ring_meta_parse (const gchar *text)
{
  if (!gst_shm_ring_meta_is_structure (text))
    return NULL;
  return gst_structure_from_string (text, NULL);
}

/* ---- Writing ------------------------------------------------------------- */

static gsize
gst_shm_ring_meta_padded (gsize size)
{
  return (size + 7) & ~(gsize) 7;
}

static gboolean
gst_shm_ring_meta_append (
    GByteArray *block, guint type, gconstpointer payload, gsize size)
{
  static const guint8 padding[8];
  const GstShmRingMetaEntry entry = { .type = type, .size = size };

  if (size > MAX_BLOCK
      || block->len + sizeof (entry) + gst_shm_ring_meta_padded (size)
          > MAX_BLOCK)
    return FALSE;
  g_byte_array_append (block, (const guint8 *) &entry, sizeof (entry));
  g_byte_array_append (block, payload, size);
  g_byte_array_append (block, padding, gst_shm_ring_meta_padded (size) - size);
  return TRUE;
}

static gboolean
gst_shm_ring_meta_write_crop (GByteArray *block, const GstVideoCropMeta *meta)
{
  const GstShmRingMetaCrop crop = {
    .x = meta->x, .y = meta->y, .width = meta->width, .height = meta->height
  };

  return gst_shm_ring_meta_append (block, META_CROP, &crop, sizeof (crop));
}

static void
gst_shm_ring_meta_append_text (GByteArray *payload, const gchar *text)
{
  g_byte_array_append (payload, (const guint8 *) text, strlen (text) + 1);
}

static gboolean
gst_shm_ring_meta_write_region (
    GByteArray *block, const GstVideoRegionOfInterestMeta *meta)
{
  const GstShmRingMetaRegion region = { .id = meta->id,
    .parent_id = meta->parent_id,
    .x = meta->x,
    .y = meta->y,
    .width = meta->w,
    .height = meta->h };
  const gchar *type = g_quark_to_string (meta->roi_type);
  GByteArray *payload = g_byte_array_new ();
  gboolean ok;

  g_byte_array_append (payload, (const guint8 *) &region, sizeof (region));
  gst_shm_ring_meta_append_text (payload, type != NULL ? type : "");
  for (const GList *at = meta->params; at != NULL; at = at->next) {
    gchar *text = gst_structure_to_string (at->data);

    gst_shm_ring_meta_append_text (payload, text);
    g_free (text);
  }
  ok = gst_shm_ring_meta_append (
      block, META_REGION, payload->data, payload->len);
  g_byte_array_unref (payload);
  return ok;
}

/* The header has a place of its own for a GstVideoMeta and for the capture
 * time; what a buffer's memory belongs to is nobody's business elsewhere. */
static gboolean
gst_shm_ring_meta_is_in_header (const GstMeta *meta)
{
  const GType api = meta->info->api;
  GstCaps *unix_time;
  gboolean is_capture;

  if (api == GST_VIDEO_META_API_TYPE || api == GST_PARENT_BUFFER_META_API_TYPE)
    return TRUE;
  if (api != GST_REFERENCE_TIMESTAMP_META_API_TYPE)
    return FALSE;
  unix_time = gst_caps_new_empty_simple ("timestamp/x-unix");
  is_capture = gst_caps_is_subset (
      ((const GstReferenceTimestampMeta *) meta)->reference, unix_time);
  gst_caps_unref (unix_time);
  return is_capture;
}

static gboolean
gst_shm_ring_meta_write_one (GByteArray *block, GstMeta *meta)
{
  const GType api = meta->info->api;

  if (api == GST_VIDEO_CROP_META_API_TYPE)
    return gst_shm_ring_meta_write_crop (block, (GstVideoCropMeta *) meta);
  if (api == GST_VIDEO_AFFINE_TRANSFORMATION_META_API_TYPE)
    return gst_shm_ring_meta_append (block, META_TRANSFORMATION,
        ((GstVideoAffineTransformationMeta *) meta)->matrix,
        16 * sizeof (gfloat));
  if (api == GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)
    return gst_shm_ring_meta_write_region (
        block, (GstVideoRegionOfInterestMeta *) meta);
  return gst_shm_ring_meta_is_in_header (meta);
}

guint
gst_shm_ring_meta_write (GByteArray *block, GstBuffer *buffer)
{
  gpointer state = NULL;
  GstMeta *meta;
  guint dropped = 0;

  while ((meta = gst_buffer_iterate_meta (buffer, &state)) != NULL) {
    if (!gst_shm_ring_meta_write_one (block, meta))
      dropped++;
  }
  return dropped;
}

void
gst_shm_ring_meta_write_tags (GByteArray *block, const GstTagList *tags)
{
  GstTagList *kept = gst_tag_list_new_empty ();
  gchar *text;

  for (guint i = 0; i < G_N_ELEMENTS (meaningful_tags); i++) {
    const GValue *value =
        gst_tag_list_get_value_index (tags, meaningful_tags[i], 0);

    if (value != NULL)
      gst_tag_list_add_value (
          kept, GST_TAG_MERGE_REPLACE, meaningful_tags[i], value);
  }
  if (!gst_tag_list_is_empty (kept)) {
    text = gst_tag_list_to_string (kept);
    gst_shm_ring_meta_append (block, META_TAGS, text, strlen (text) + 1);
    g_free (text);
  }
  gst_tag_list_unref (kept);
}

/* ---- Reading ------------------------------------------------------------- */

/* The entry at *PLACE, and *PLACE on the next. NULL: no more that make sense.
 */
static const guint8 *
gst_shm_ring_meta_next (
    const guint8 *block, gsize size, gsize *place, GstShmRingMetaEntry *entry)
{
  const gsize at = *place;

  if (at > size || size - at < sizeof (*entry))
    return NULL;
  memcpy (entry, block + at, sizeof (*entry));
  if (entry->size > size - at - sizeof (*entry))
    return NULL;
  *place = at + sizeof (*entry) + gst_shm_ring_meta_padded (entry->size);
  return block + at + sizeof (*entry);
}

/* A text that ends within its SIZE bytes, or NULL. */
static const gchar *
gst_shm_ring_meta_text (const guint8 *payload, gsize size)
{
  const gchar *text = (const gchar *) payload;
  const gsize length = strnlen (text, size);

  return length < size && g_utf8_validate (text, length, NULL) ? text : NULL;
}

static void
gst_shm_ring_meta_read_crop (GstBuffer *buffer, const guint8 *payload,
    gsize size, const GstVideoInfo *video)
{
  GstVideoCropMeta *meta;
  GstShmRingMetaCrop crop;

  if (size < sizeof (crop) || video == NULL)
    return;
  memcpy (&crop, payload, sizeof (crop));
  if (crop.width == 0 || crop.height == 0
      || (guint64) crop.x + crop.width > (guint) GST_VIDEO_INFO_WIDTH (video)
      || (guint64) crop.y + crop.height > (guint) GST_VIDEO_INFO_HEIGHT (video))
    return;
  meta = gst_buffer_add_video_crop_meta (buffer);
  meta->x = crop.x;
  meta->y = crop.y;
  meta->width = crop.width;
  meta->height = crop.height;
}

static void
gst_shm_ring_meta_read_transformation (
    GstBuffer *buffer, const guint8 *payload, gsize size)
{
  GstVideoAffineTransformationMeta *meta;

  if (size < sizeof (meta->matrix))
    return;
  meta = gst_buffer_add_video_affine_transformation_meta (buffer);
  memcpy (meta->matrix, payload, sizeof (meta->matrix));
}

static void
gst_shm_ring_meta_read_params (
    GstVideoRegionOfInterestMeta *meta, const guint8 *payload, gsize size)
{
  const gchar *text;

  while ((text = gst_shm_ring_meta_text (payload, size)) != NULL) {
    GstStructure *param = gst_shm_ring_meta_parse (text);

    if (param != NULL)
      gst_video_region_of_interest_meta_add_param (meta, param);
    payload += strlen (text) + 1;
    size -= strlen (text) + 1;
  }
}

static void
gst_shm_ring_meta_read_region (
    GstBuffer *buffer, const guint8 *payload, gsize size)
{
  GstVideoRegionOfInterestMeta *meta;
  GstShmRingMetaRegion region;
  const gchar *type;

  if (size < sizeof (region))
    return;
  memcpy (&region, payload, sizeof (region));
  payload += sizeof (region);
  size -= sizeof (region);
  type = gst_shm_ring_meta_text (payload, size);
  if (type == NULL)
    return;
  meta = gst_buffer_add_video_region_of_interest_meta (
      buffer, type, region.x, region.y, region.width, region.height);
  meta->id = region.id;
  meta->parent_id = region.parent_id;
  gst_shm_ring_meta_read_params (
      meta, payload + strlen (type) + 1, size - strlen (type) - 1);
}

void
gst_shm_ring_meta_read (GstBuffer *buffer, gconstpointer block, gsize size,
    const GstVideoInfo *video)
{
  const guint8 *payload;
  GstShmRingMetaEntry entry;
  gsize place = 0;

  while (block != NULL
      && (payload = gst_shm_ring_meta_next (block, size, &place, &entry))) {
    if (entry.type == META_CROP)
      gst_shm_ring_meta_read_crop (buffer, payload, entry.size, video);
    else if (entry.type == META_TRANSFORMATION)
      gst_shm_ring_meta_read_transformation (buffer, payload, entry.size);
    else if (entry.type == META_REGION)
      gst_shm_ring_meta_read_region (buffer, payload, entry.size);
  }
}

/* Any structure's text looks like a tag list's: of it only what it may say. */
static GstTagList *
gst_shm_ring_meta_parse_tags (const gchar *text)
{
  GstStructure *said = gst_shm_ring_meta_parse (text);
  GstTagList *tags = gst_tag_list_new_empty ();

  for (guint i = 0; said != NULL && i < G_N_ELEMENTS (meaningful_tags); i++) {
    const gchar *value = gst_structure_get_string (said, meaningful_tags[i]);

    if (value != NULL && *value != '\0')
      gst_tag_list_add (
          tags, GST_TAG_MERGE_REPLACE, meaningful_tags[i], value, NULL);
  }
  g_clear_pointer (&said, gst_structure_free);
  if (gst_tag_list_is_empty (tags))
    gst_clear_tag_list (&tags);
  return tags;
}

GstTagList *
gst_shm_ring_meta_read_tags (gconstpointer block, gsize size)
{
  const guint8 *payload;
  GstShmRingMetaEntry entry;
  gsize place = 0;

  while (block != NULL
      && (payload = gst_shm_ring_meta_next (block, size, &place, &entry))) {
    const gchar *text = gst_shm_ring_meta_text (payload, entry.size);

    if (entry.type == META_TAGS && text != NULL)
      return gst_shm_ring_meta_parse_tags (text);
  }
  return NULL;
}
