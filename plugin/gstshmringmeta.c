/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringmeta.h"

#include <string.h>

/* With the caps it fits into the largest header. */
#define MAX_BLOCK 49152

/* The type of the entry that is no meta. */
#define META_TAGS 4

/* Everything little-endian, as the whole segment. */
typedef struct {
  guint32 type, size;
} GstShmRingMetaEntry;

G_STATIC_ASSERT (sizeof (GstShmRingMetaEntry) == 8);
G_STATIC_ASSERT (G_BYTE_ORDER == G_LITTLE_ENDIAN);

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

/* Behind the type that AT, on its parenthesis, names, or NULL: not NAME. */
static const gchar *
gst_shm_ring_meta_skip_type (const gchar *at, const gchar *name)
{
  for (at++; g_ascii_isspace (*at);)
    at++;
  if (!g_str_has_prefix (at, name))
    return NULL;
  for (at += strlen (name); g_ascii_isspace (*at);)
    at++;
  return *at == ')' ? at + 1 : NULL;
}

static const gchar *
gst_shm_ring_meta_skip_buffer_type (const gchar *at)
{
  const gchar *end = gst_shm_ring_meta_skip_type (at, "buffer");

  return end != NULL ? end : gst_shm_ring_meta_skip_type (at, "GstBuffer");
}

/* Whether TEXT begins with the hexadecimal digits of a buffer, or with a list
 * of such. */
static gboolean
gst_shm_ring_meta_is_buffer (const gchar *text)
{
  gint depth = 0;

  do {
    while (g_ascii_isspace (*text) || (depth > 0 && *text == ','))
      text++;
    if (*text == '<' || *text == '{') {
      depth++;
      text++;
    } else if (depth > 0 && (*text == '>' || *text == '}')) {
      depth--;
      text++;
    } else if (*text == '(') {
      text = gst_shm_ring_meta_skip_buffer_type (text);
    } else {
      const gchar *ends = depth > 0 ? " ,>}" : " ,;>}]\"";
      const gsize length = strspn (text, "0123456789abcdefABCDEF");

      text += length;
      if (strchr (ends, *text) == NULL || (*text == '\0' && depth > 0)
          || (*text == '"' && length == 0))
        return FALSE;
    }
  } while (text != NULL && depth > 0);
  return text != NULL;
}

/* An octal escape of a printable character serves to hide it. */
static gboolean
gst_shm_ring_meta_hides (const gchar *text)
{
  for (; *text != '\0'; text++) {
    if (text[0] == '\\' && strspn (text + 1, "01234567") >= 3
        && g_ascii_isprint (
            (text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0')))
      return TRUE;
  }
  return FALSE;
}

/* GStreamer's parser uses memory that it has freed when the text of a buffer is
 * not well formed. A sample's text has a buffer's in it, encoded; nobody sends
 * samples, so they are refused. In a text within a text all is escaped: it is
 * looked at without backslashes. */
static gboolean
gst_shm_ring_meta_is_harmless (const gchar *text)
{
  gchar **parts = g_strsplit (text, "\\", -1);
  gchar *plain = g_strjoinv (NULL, parts);
  gboolean ok = !gst_shm_ring_meta_hides (text);

  for (const gchar *at = strchr (plain, '('); ok && at != NULL;
       at = strchr (at + 1, '(')) {
    const gchar *value = gst_shm_ring_meta_skip_buffer_type (at);

    ok = gst_shm_ring_meta_skip_type (at, "sample") == NULL
        && gst_shm_ring_meta_skip_type (at, "GstSample") == NULL
        && (value == NULL || gst_shm_ring_meta_is_buffer (value));
  }
  g_free (plain);
  g_strfreev (parts);
  return ok;
}

gboolean
gst_shm_ring_meta_is_structure (const gchar *text)
{
  const gsize length = gst_shm_ring_meta_name_length (text);

  return length > 0 && strchr (" ,;(", text[length]) != NULL
      && g_utf8_validate (text, -1, NULL) && gst_shm_ring_meta_is_one (text)
      && gst_shm_ring_meta_is_harmless (text);
}

GstStructure *
gst_shm_ring_meta_parse (const gchar *text)
{
  if (!gst_shm_ring_meta_is_structure (text))
    return NULL;
  return gst_structure_from_string (text, NULL);
}

/* ---- Writing ------------------------------------------------------------- */

/* The header has a place of its own for a GstVideoMeta and for the capture
 * time; what a buffer's memory belongs to, and where it came from on the net,
 * is nobody's business elsewhere. */
static gboolean
gst_shm_ring_meta_stays (const GstMeta *meta)
{
  const GType api = meta->info->api;
  const GstStructure *reference;

  if (api == GST_REFERENCE_TIMESTAMP_META_API_TYPE) {
    reference = gst_caps_get_structure (
        ((const GstReferenceTimestampMeta *) meta)->reference, 0);
    return gst_structure_has_name (reference, "timestamp/x-unix");
  }
  return api == GST_VIDEO_META_API_TYPE
      || api == GST_PARENT_BUFFER_META_API_TYPE
      || g_str_equal (g_type_name (api), "GstNetAddressMetaAPI");
}

static gboolean
gst_shm_ring_meta_is_of_memory (const GstMeta *meta)
{
  return gst_meta_api_type_has_tag (
      meta->info->api, g_quark_from_static_string ("memory"));
}

/* Makes an entry of TYPE of what BLOCK has from START on, where the place of
 * its head is free. False: it has no type, or is too much; then it is gone. */
static gboolean
gst_shm_ring_meta_close (GByteArray *block, gsize start, guint32 type)
{
  const GstShmRingMetaEntry entry = { .type = type,
    .size = block->len - start - sizeof (entry) };
  static const guint8 padding[8];

  g_byte_array_append (
      block, padding, GST_ROUND_UP_8 (block->len) - block->len);
  if (type == 0 || block->len > MAX_BLOCK) {
    g_byte_array_set_size (block, start);
    return FALSE;
  }
  memcpy (block->data + start, &entry, sizeof (entry));
  return TRUE;
}

static gboolean
gst_shm_ring_meta_write_one (GByteArray *block, GstMeta *meta)
{
  const gsize start = block->len;

  if (gst_shm_ring_meta_stays (meta))
    return TRUE;
  g_byte_array_set_size (block, start + sizeof (GstShmRingMetaEntry));
  return gst_shm_ring_meta_close (
             block, start, gst_shm_ring_meta_kinds_write (block, meta))
      || gst_shm_ring_meta_is_of_memory (meta);
}

guint
gst_shm_ring_meta_write (
    GByteArray *block, GstBuffer *buffer, GPtrArray *left_out)
{
  gpointer state = NULL;
  GstMeta *meta;
  guint dropped = 0;

  while ((meta = gst_buffer_iterate_meta (buffer, &state)) != NULL) {
    if (gst_shm_ring_meta_write_one (block, meta))
      continue;
    dropped++;
    if (left_out != NULL)
      g_ptr_array_add (left_out, (gpointer) g_type_name (meta->info->type));
  }
  return dropped;
}

void
gst_shm_ring_meta_write_tags (GByteArray *block, const GstTagList *tags)
{
  const GValue *orientation =
      gst_tag_list_get_value_index (tags, GST_TAG_IMAGE_ORIENTATION, 0);
  const gsize start = block->len;
  GstTagList *kept;
  gchar *text;

  if (orientation == NULL)
    return;
  kept = gst_tag_list_new_empty ();
  gst_tag_list_add_value (
      kept, GST_TAG_MERGE_REPLACE, GST_TAG_IMAGE_ORIENTATION, orientation);
  text = gst_tag_list_to_string (kept);
  g_byte_array_set_size (block, start + sizeof (GstShmRingMetaEntry));
  g_byte_array_append (block, (const guint8 *) text, strlen (text) + 1);
  gst_shm_ring_meta_close (block, start, META_TAGS);
  g_free (text);
  gst_tag_list_unref (kept);
}

/* ---- Reading ------------------------------------------------------------- */

/* The entry at *PLACE of BLOCK, and *PLACE on the next. Its type, 0: no more
 * that make sense. */
static guint32
gst_shm_ring_meta_next (const guint8 *block, gsize size, gsize *place,
    const guint8 **payload, gsize *payload_size)
{
  const gsize at = *place;
  GstShmRingMetaEntry entry;

  if (block == NULL || at > size || size - at < sizeof (entry))
    return 0;
  memcpy (&entry, block + at, sizeof (entry));
  if (entry.size > size - at - sizeof (entry))
    return 0;
  *payload = block + at + sizeof (entry);
  *payload_size = entry.size;
  *place = at + sizeof (entry) + GST_ROUND_UP_8 ((gsize) entry.size);
  return entry.type;
}

void
gst_shm_ring_meta_read (GstBuffer *buffer, gconstpointer block, gsize size,
    const GstShmRingMetaStream *stream)
{
  const guint8 *payload;
  gsize payload_size, place = 0;
  guint32 type;

  while ((type = gst_shm_ring_meta_next (
              block, size, &place, &payload, &payload_size))
      != 0)
    gst_shm_ring_meta_kinds_read (buffer, type, payload, payload_size, stream);
}

const gchar *
gst_shm_ring_meta_find_tags (gconstpointer block, gsize size)
{
  const guint8 *payload;
  gsize payload_size, place = 0;
  guint32 type;

  while ((type = gst_shm_ring_meta_next (
              block, size, &place, &payload, &payload_size))
      != 0) {
    if (type == META_TAGS && memchr (payload, '\0', payload_size) != NULL)
      return (const gchar *) payload;
  }
  return NULL;
}

/* Any structure's text looks like a tag list's: of it only what it may say. */
GstTagList *
gst_shm_ring_meta_parse_tags (const gchar *text)
{
  GstStructure *said = text != NULL ? gst_shm_ring_meta_parse (text) : NULL;
  const gchar *orientation = NULL;
  GstTagList *tags = NULL;

  if (said != NULL)
    orientation = gst_structure_get_string (said, GST_TAG_IMAGE_ORIENTATION);
  if (orientation != NULL && *orientation != '\0')
    tags = gst_tag_list_new (GST_TAG_IMAGE_ORIENTATION, orientation, NULL);
  gst_clear_structure (&said);
  return tags;
}
