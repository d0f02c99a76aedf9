/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringmeta.h"

#include <string.h>

#include <gst/video/gstvideoaffinetransformationmeta.h>
#if GST_CHECK_VERSION(1, 22, 0)
#  include <gst/video/video-sei.h>
#endif

#define MAX_CHANNELS 64

/* Types of entries that metas of any API may have. */
enum { META_CUSTOM = 14, META_SERIALIZED };

/* ---- Payloads ------------------------------------------------------------ */

/* Any number of them. */
#define put_u32(to, ...)                                                       \
  g_byte_array_append (to, (const guint8 *) (const guint32[]){ __VA_ARGS__ },  \
      sizeof ((const guint32[]){ __VA_ARGS__ }))

static void
put_u64 (GByteArray *to, guint64 number)
{
  g_byte_array_append (to, (const guint8 *) &number, sizeof (number));
}

static void
put_text (GByteArray *to, const gchar *text)
{
  g_byte_array_append (to, (const guint8 *) text, strlen (text) + 1);
}

static void
put_bytes (GByteArray *to, gconstpointer bytes, gsize size)
{
  put_u32 (to, size);
  g_byte_array_append (to, bytes, size);
}

/* What is left of a payload. One that is too short makes all that is got of it
 * 0 or NULL, and IS_SHORT true. */
typedef struct {
  const guint8 *at;
  gsize left;
  gboolean is_short;
  const GstShmRingMetaStream *stream; /* that it is of */
} Payload;

static const guint8 *
get_bytes (Payload *from, gsize size)
{
  const guint8 *bytes = from->at;

  if (from->is_short || size > from->left) {
    from->is_short = TRUE;
    return NULL;
  }
  from->at += size;
  from->left -= size;
  return bytes;
}

static guint32
get_u32 (Payload *from)
{
  const guint8 *bytes = get_bytes (from, sizeof (guint32));

  return bytes != NULL ? GST_READ_UINT32_LE (bytes) : 0;
}

static guint64
get_u64 (Payload *from)
{
  const guint8 *bytes = get_bytes (from, sizeof (guint64));

  return bytes != NULL ? GST_READ_UINT64_LE (bytes) : 0;
}

static const gchar *
get_text (Payload *from)
{
  const gchar *text = (const gchar *) from->at;
  const gsize length = from->is_short ? 0 : strnlen (text, from->left);

  if (length == from->left || !g_utf8_validate (text, length, NULL))
    from->is_short = TRUE;
  return (const gchar *) get_bytes (from, length + 1);
}

/* Whether VALUE, and all before it, is there and at most MAX. */
static gboolean
is_within (const Payload *from, guint64 value, guint64 max)
{
  return !from->is_short && value <= max;
}

/* ---- Kinds: pictures ----------------------------------------------------- */

static void
write_crop (GByteArray *to, const GstMeta *from)
{
  const GstVideoCropMeta *meta = (const GstVideoCropMeta *) from;

  put_u32 (to, meta->x, meta->y, meta->width, meta->height);
}

static void
read_crop (GstBuffer *buffer, Payload *from)
{
  const GstVideoInfo *video = from->stream->video;
  guint64 x = get_u32 (from), y = get_u32 (from);
  guint64 width = get_u32 (from), height = get_u32 (from);
  GstVideoCropMeta *meta;

  if (from->is_short || video == NULL || width == 0 || height == 0
      || x + width > (guint) GST_VIDEO_INFO_WIDTH (video)
      || y + height > (guint) GST_VIDEO_INFO_HEIGHT (video))
    return;
  meta = gst_buffer_add_video_crop_meta (buffer);
  meta->x = x;
  meta->y = y;
  meta->width = width;
  meta->height = height;
}

static void
write_transformation (GByteArray *to, const GstMeta *from)
{
  const GstVideoAffineTransformationMeta *meta =
      (const GstVideoAffineTransformationMeta *) from;

  g_byte_array_append (
      to, (const guint8 *) meta->matrix, sizeof (meta->matrix));
}

static void
read_transformation (GstBuffer *buffer, Payload *from)
{
  GstVideoAffineTransformationMeta *meta;
  const guint8 *matrix = get_bytes (from, sizeof (meta->matrix));

  if (matrix == NULL)
    return;
  meta = gst_buffer_add_video_affine_transformation_meta (buffer);
  memcpy (meta->matrix, matrix, sizeof (meta->matrix));
}

static void
write_region (GByteArray *to, const GstMeta *from)
{
  const GstVideoRegionOfInterestMeta *meta =
      (const GstVideoRegionOfInterestMeta *) from;
  const gchar *type = g_quark_to_string (meta->roi_type);

  put_u32 (to, meta->id, meta->parent_id, meta->x, meta->y, meta->w, meta->h);
  put_text (to, type != NULL ? type : "");
  for (const GList *at = meta->params; at != NULL; at = at->next) {
    gchar *text = gst_structure_to_string (at->data);

    put_text (to, text);
    g_free (text);
  }
}

static void
read_region (GstBuffer *buffer, Payload *from)
{
  gint id = get_u32 (from), parent_id = get_u32 (from);
  guint x = get_u32 (from), y = get_u32 (from);
  guint width = get_u32 (from), height = get_u32 (from);
  const gchar *text = get_text (from);
  GstVideoRegionOfInterestMeta *meta;

  if (text == NULL)
    return;
  meta = gst_buffer_add_video_region_of_interest_meta (
      buffer, text, x, y, width, height);
  meta->id = id;
  meta->parent_id = parent_id;
  while ((text = get_text (from)) != NULL) {
    GstStructure *param = gst_shm_ring_meta_parse (text);

    if (param != NULL)
      gst_video_region_of_interest_meta_add_param (meta, param);
  }
}

static void
write_time_code (GByteArray *to, const GstMeta *from)
{
  const GstVideoTimeCode *code = &((const GstVideoTimeCodeMeta *) from)->tc;
  GDateTime *jam = code->config.latest_daily_jam;
  gchar *text = jam != NULL ? g_date_time_format_iso8601 (jam) : g_strdup ("");

  put_u32 (to, code->config.fps_n, code->config.fps_d, code->config.flags,
      code->hours, code->minutes, code->seconds, code->frames,
      code->field_count);
  put_text (to, text);
  g_free (text);
}

static void
read_time_code (GstBuffer *buffer, Payload *from)
{
  guint32 fps_n = get_u32 (from), fps_d = get_u32 (from);
  guint32 flags = get_u32 (from), hours = get_u32 (from);
  guint32 minutes = get_u32 (from), seconds = get_u32 (from);
  guint32 frames = get_u32 (from), fields = get_u32 (from);
  const gchar *text = get_text (from);
  GDateTime *jam;

  /* GStreamer divides by them */
  if (text == NULL || fps_n == 0 || fps_n > G_MAXINT32 / 60 || fps_d == 0
      || fps_d > fps_n)
    return;
  jam = *text != '\0' ? g_date_time_new_from_iso8601 (text, NULL) : NULL;
  gst_buffer_add_video_time_code_meta_full (buffer, fps_n, fps_d, jam,
      flags & 7, hours, minutes, seconds, frames, fields);
  g_clear_pointer (&jam, g_date_time_unref);
}

static void
write_caption (GByteArray *to, const GstMeta *from)
{
  const GstVideoCaptionMeta *meta = (const GstVideoCaptionMeta *) from;

  put_u32 (to, meta->caption_type);
  put_bytes (to, meta->data, meta->size);
}

static void
read_caption (GstBuffer *buffer, Payload *from)
{
  guint32 type = get_u32 (from);
  gsize size = get_u32 (from);
  const guint8 *bytes = get_bytes (from, size);

  if (size > 0 && is_within (from, type, GST_VIDEO_CAPTION_TYPE_CEA708_CDP))
    gst_buffer_add_video_caption_meta (buffer, type, bytes, size);
}

static void
write_bar (GByteArray *to, const GstMeta *from)
{
  const GstVideoBarMeta *meta = (const GstVideoBarMeta *) from;

  put_u32 (
      to, meta->field, meta->is_letterbox, meta->bar_data1, meta->bar_data2);
}

static void
read_bar (GstBuffer *buffer, Payload *from)
{
  guint32 field = get_u32 (from);
  gboolean is_letterbox = get_u32 (from) != 0;
  guint32 one = get_u32 (from), two = get_u32 (from);

  if (is_within (from, field, 1))
    gst_buffer_add_video_bar_meta (buffer, field, is_letterbox, one, two);
}

static void
write_afd (GByteArray *to, const GstMeta *from)
{
  const GstVideoAFDMeta *meta = (const GstVideoAFDMeta *) from;

  put_u32 (to, meta->field, meta->spec, meta->afd);
}

/* What the standards leave undefined, GStreamer refuses. */
static gboolean
is_afd (guint32 spec, guint32 afd)
{
  switch (afd) {
    case 0:
      return spec == GST_VIDEO_AFD_SPEC_SMPTE_ST2016_1;
    case 1:
    case 5:
    case 6:
    case 7:
    case 12:
      return FALSE;
    default:
      return afd <= 15;
  }
}

static void
read_afd (GstBuffer *buffer, Payload *from)
{
  guint32 field = get_u32 (from), spec = get_u32 (from), afd = get_u32 (from);

  if (is_within (from, field, 1)
      && is_within (from, spec, GST_VIDEO_AFD_SPEC_SMPTE_ST2016_1)
      && is_afd (spec, afd))
    gst_buffer_add_video_afd_meta (buffer, field, spec, afd);
}

#if GST_CHECK_VERSION(1, 22, 0)
static void
write_user_data (GByteArray *to, const GstMeta *from)
{
  const GstVideoSEIUserDataUnregisteredMeta *meta =
      (const GstVideoSEIUserDataUnregisteredMeta *) from;

  g_byte_array_append (to, meta->uuid, sizeof (meta->uuid));
  put_bytes (to, meta->data, meta->size);
}

static void
read_user_data (GstBuffer *buffer, Payload *from)
{
  const guint8 *uuid = get_bytes (from, 16);
  gsize size = get_u32 (from);
  const guint8 *bytes = get_bytes (from, size);

  if (bytes != NULL && size > 0)
    gst_buffer_add_video_sei_user_data_unregistered_meta (
        buffer, (guint8 *) uuid, (guint8 *) bytes, size);
}
#endif

/* ---- Kinds: sound -------------------------------------------------------- */

static void
write_audio (GByteArray *to, const GstMeta *from)
{
  const GstAudioMeta *meta = (const GstAudioMeta *) from;
  guint planes =
      meta->offsets != NULL ? GST_AUDIO_INFO_CHANNELS (&meta->info) : 0;

  put_u64 (to, meta->samples);
  put_u32 (to, planes, 0);
  for (guint i = 0; i < planes; i++)
    put_u64 (to, meta->offsets[i]);
}

/* Whether planes of SIZE bytes lie within END, and none on another. */
static gboolean
are_apart (const gsize *offset, guint planes, guint64 size, gsize end)
{
  for (guint i = 0; i < planes; i++) {
    if (size > end || offset[i] > end - size)
      return FALSE;
    for (guint j = 0; j < i; j++) {
      if (offset[i] < offset[j] + size && offset[j] < offset[i] + size)
        return FALSE;
    }
  }
  return TRUE;
}

static void
read_audio (GstBuffer *buffer, Payload *from)
{
  const GstAudioInfo *audio = from->stream->audio;
  guint64 samples = get_u64 (from);
  guint32 planes = get_u32 (from);
  gsize offset[MAX_CHANNELS], end = gst_buffer_get_size (buffer);
  gboolean is_planar;

  get_u32 (from);
  if (audio == NULL || !is_within (from, planes, MAX_CHANNELS)
      || samples > end / GST_AUDIO_INFO_BPF (audio))
    return;
  for (guint i = 0; i < planes; i++)
    offset[i] = get_u64 (from);
  is_planar = GST_AUDIO_INFO_LAYOUT (audio) == GST_AUDIO_LAYOUT_NON_INTERLEAVED;
  if (from->is_short
      || planes != (is_planar ? (guint) GST_AUDIO_INFO_CHANNELS (audio) : 0)
      || !are_apart (offset, planes, samples * GST_AUDIO_INFO_BPS (audio), end))
    return;
  gst_buffer_add_audio_meta (buffer, audio, samples, is_planar ? offset : NULL);
}

#if GST_CHECK_VERSION(1, 20, 0)
static void
write_level (GByteArray *to, const GstMeta *from)
{
  const GstAudioLevelMeta *meta = (const GstAudioLevelMeta *) from;

  put_u32 (to, meta->level, meta->voice_activity);
}

static void
read_level (GstBuffer *buffer, Payload *from)
{
  guint32 level = get_u32 (from), voice = get_u32 (from);

  if (is_within (from, level, 127))
    gst_buffer_add_audio_level_meta (buffer, level, voice != 0);
}
#endif

static void
write_clipping (GByteArray *to, const GstMeta *from)
{
  const GstAudioClippingMeta *meta = (const GstAudioClippingMeta *) from;

  put_u32 (to, meta->format == GST_FORMAT_TIME, 0);
  put_u64 (to, meta->start);
  put_u64 (to, meta->end);
}

static void
read_clipping (GstBuffer *buffer, Payload *from)
{
  guint32 is_time = get_u32 (from);
  guint64 start, end;

  get_u32 (from);
  start = get_u64 (from);
  end = get_u64 (from);
  if (is_within (from, is_time, 1))
    gst_buffer_add_audio_clipping_meta (
        buffer, is_time ? GST_FORMAT_TIME : GST_FORMAT_DEFAULT, start, end);
}

/* ---- Kinds: any buffer --------------------------------------------------- */

static void
write_time (GByteArray *to, const GstMeta *from)
{
  const GstReferenceTimestampMeta *meta =
      (const GstReferenceTimestampMeta *) from;
  gchar *text = gst_caps_to_string (meta->reference);

  put_u64 (to, meta->timestamp);
  put_u64 (to, meta->duration);
  put_text (to, text);
  g_free (text);
}

static void
read_time (GstBuffer *buffer, Payload *from)
{
  guint64 time = get_u64 (from), duration = get_u64 (from);
  const gchar *text = get_text (from);
  GstCaps *caps = NULL;

  if (text != NULL && strchr (text, '(') == NULL
      && gst_shm_ring_meta_is_structure (text))
    caps = gst_caps_from_string (text);
  if (caps != NULL && GST_CLOCK_TIME_IS_VALID (time))
    gst_buffer_add_reference_timestamp_meta (buffer, caps, time, duration);
  gst_clear_caps (&caps);
}

/* ---- Other kinds --------------------------------------------------------- */

#if GST_CHECK_VERSION(1, 20, 0)
static gboolean
write_custom (GByteArray *to, GstMeta *from)
{
  gchar *text;

  if (!gst_meta_info_is_custom (from->info))
    return FALSE;
  text = gst_structure_to_string (
      gst_custom_meta_get_structure ((GstCustomMeta *) from));
  put_text (to, g_type_name (from->info->type));
  put_text (to, text);
  g_free (text);
  return TRUE;
}

static gboolean
set_field (GQuark field, const GValue *value, gpointer structure)
{
  gst_structure_id_set_value (structure, field, value);
  return TRUE;
}

/* What nobody registered in this program, nobody here can read. */
static void
read_custom (GstBuffer *buffer, Payload *from)
{
  const gchar *name = get_text (from), *text = get_text (from);
  const GstMetaInfo *info = name != NULL ? gst_meta_get_info (name) : NULL;
  GstStructure *said;
  GstCustomMeta *meta;

  if (text == NULL || info == NULL || !gst_meta_info_is_custom (info))
    return;
  said = gst_shm_ring_meta_parse (text);
  if (said == NULL)
    return;
  meta = gst_buffer_add_custom_meta (buffer, name);
  gst_structure_foreach (said, set_field, gst_custom_meta_get_structure (meta));
  gst_structure_free (said);
}
#else
#  define write_custom(to, from) FALSE
#endif

#if GST_CHECK_VERSION(1, 24, 0)
static gboolean
write_serialized (GByteArray *to, GstMeta *from)
{
  return from->info->serialize_func != NULL
      && gst_meta_serialize_simple (from, to);
}

/* GStreamer believes the lengths at its beginning: of everything, of the name.
 * The name with its NUL follows, and a byte that is the version. */
static gboolean
is_serialized (const guint8 *bytes, gsize size)
{
  const gsize head = 2 * sizeof (guint32);
  guint32 total, name;

  if (size < head)
    return FALSE;
  total = GST_READ_UINT32_LE (bytes);
  name = GST_READ_UINT32_LE (bytes + sizeof (guint32));
  return name < 256 && head + name + 2 <= total && total <= size
      && bytes[head + name] == '\0';
}

static void
read_serialized (GstBuffer *buffer, Payload *from)
{
  guint32 consumed = 0;

  if (is_serialized (from->at, from->left))
    gst_meta_deserialize (buffer, from->at, from->left, &consumed);
}
#else
#  define write_serialized(to, from) FALSE
#endif

/* ---- Any kind ------------------------------------------------------------ */

static const struct {
  guint32 type;
  GType (*api) (void); /* NULL: of no one API */
  void (*write) (GByteArray *to, const GstMeta *from);
  void (*read) (GstBuffer *buffer, Payload *from);
} kinds[] = {
  { 1, gst_video_crop_meta_api_get_type, write_crop, read_crop },
  { 2, gst_video_affine_transformation_meta_api_get_type, write_transformation,
      read_transformation },
  { 3, gst_video_region_of_interest_meta_api_get_type, write_region,
      read_region },
  { 5, gst_audio_meta_api_get_type, write_audio, read_audio },
  { 6, gst_reference_timestamp_meta_api_get_type, write_time, read_time },
  { 7, gst_video_time_code_meta_api_get_type, write_time_code, read_time_code },
  { 8, gst_video_caption_meta_api_get_type, write_caption, read_caption },
  { 9, gst_video_bar_meta_api_get_type, write_bar, read_bar },
  { 10, gst_video_afd_meta_api_get_type, write_afd, read_afd },
#if GST_CHECK_VERSION(1, 22, 0)
  { 11, gst_video_sei_user_data_unregistered_meta_api_get_type, write_user_data,
      read_user_data },
#endif
#if GST_CHECK_VERSION(1, 20, 0)
  { 12, gst_audio_level_meta_api_get_type, write_level, read_level },
#endif
  { 13, gst_audio_clipping_meta_api_get_type, write_clipping, read_clipping },
#if GST_CHECK_VERSION(1, 20, 0)
  { META_CUSTOM, NULL, NULL, read_custom },
#endif
#if GST_CHECK_VERSION(1, 24, 0)
  { META_SERIALIZED, NULL, NULL, read_serialized },
#endif
};

guint32
gst_shm_ring_meta_kinds_write (GByteArray *to, GstMeta *meta)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
    if (kinds[i].api != NULL && kinds[i].api () == meta->info->api) {
      kinds[i].write (to, meta);
      return kinds[i].type;
    }
  }
  if (write_custom (to, meta))
    return META_CUSTOM;
  return write_serialized (to, meta) ? META_SERIALIZED : 0;
}

void
gst_shm_ring_meta_kinds_read (GstBuffer *buffer, guint32 type,
    const guint8 *bytes, gsize size, const GstShmRingMetaStream *stream)
{
  Payload payload = { .at = bytes, .left = size, .stream = stream };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
    if (kinds[i].type == type)
      kinds[i].read (buffer, &payload);
  }
}
