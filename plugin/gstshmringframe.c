/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringframe.h"

#include <string.h>

#include "gstshmringmeta.h"

static const struct {
  guint gst;
  guint32 shm;
} frame_flags[] = {
  { GST_BUFFER_FLAG_DISCONT, SHMRING_FRAME_DISCONT },
  { GST_BUFFER_FLAG_CORRUPTED, SHMRING_FRAME_CORRUPTED },
  { GST_BUFFER_FLAG_GAP, SHMRING_FRAME_GAP },
  { GST_BUFFER_FLAG_DELTA_UNIT, SHMRING_FRAME_DELTA },
  { GST_BUFFER_FLAG_HEADER, SHMRING_FRAME_HEADER },
  { GST_BUFFER_FLAG_RESYNC, SHMRING_FRAME_RESYNC },
  { GST_BUFFER_FLAG_MARKER, SHMRING_FRAME_MARKER },
  { GST_BUFFER_FLAG_DROPPABLE, SHMRING_FRAME_DROPPABLE },
  { GST_BUFFER_FLAG_NON_DROPPABLE, SHMRING_FRAME_NON_DROPPABLE },
  { GST_BUFFER_FLAG_DECODE_ONLY, SHMRING_FRAME_DECODE_ONLY },
  { GST_BUFFER_FLAG_SYNC_AFTER, SHMRING_FRAME_SYNC_AFTER },
};

/* Their meaning depends on the caps: they cross as they are. */
#define MEDIA_FLAGS (~(guint32) (GST_BUFFER_FLAG_LAST - 1))

G_STATIC_ASSERT (
    (gint) SHMRING_FRAME_INTERLACED == (gint) GST_VIDEO_BUFFER_FLAG_INTERLACED);
G_STATIC_ASSERT ((gint) SHMRING_FRAME_TFF == (gint) GST_VIDEO_BUFFER_FLAG_TFF);
G_STATIC_ASSERT ((gint) SHMRING_FRAME_RFF == (gint) GST_VIDEO_BUFFER_FLAG_RFF);
G_STATIC_ASSERT (
    (gint) SHMRING_FRAME_ONEFIELD == (gint) GST_VIDEO_BUFFER_FLAG_ONEFIELD);
G_STATIC_ASSERT (SHMRING_NUMBER_NONE == GST_BUFFER_OFFSET_NONE);
G_STATIC_ASSERT (SHMRING_MAX_PLANES == GST_VIDEO_MAX_PLANES);
G_STATIC_ASSERT (SHMRING_TIME_NONE == (gint64) GST_CLOCK_TIME_NONE);

/* No pixel takes 128 bytes, its share of the padding included: up to this width
 * no stride overflows. */
#define MAX_SIDE (G_MAXINT / 128)

/* A palette is a plane of its own: 256 colours of 4 bytes, whatever its stride
 * says. */
#define PALETTE_SIZE (256 * 4)

/* From 1900 to 1970. */
#define NTP_EPOCH (G_GUINT64_CONSTANT (2208988800) * GST_SECOND)

static GstStaticCaps unix_time_caps = GST_STATIC_CAPS ("timestamp/x-unix");
static GstStaticCaps ntp_time_caps = GST_STATIC_CAPS ("timestamp/x-ntp");

/* ---- Rows and planes ------------------------------------------------------
 */

/* The stride of a tiled format counts tiles, so it says nothing of bytes: only
 * the default layout is known to fit. */
static guint64
gst_shm_ring_video_tiles_size (
    const GstVideoInfo *info, guint plane, gint stride)
{
  gsize end = plane + 1 < GST_VIDEO_INFO_N_PLANES (info)
      ? GST_VIDEO_INFO_PLANE_OFFSET (info, plane + 1)
      : GST_VIDEO_INFO_SIZE (info);

  if (stride != GST_VIDEO_INFO_PLANE_STRIDE (info, plane))
    return G_MAXUINT64;
  return end - GST_VIDEO_INFO_PLANE_OFFSET (info, plane);
}

/* The bytes of PLANE's row that hold pixels. Packed in groups of pixels (v210),
 * none has a size of its own: the row is what the default layout gives it. */
static guint64
gst_shm_ring_video_row_size (const GstVideoInfo *info, guint plane)
{
  guint64 row = 0;

  for (guint i = 0; i < GST_VIDEO_INFO_N_COMPONENTS (info); i++) {
    if (GST_VIDEO_INFO_COMP_PLANE (info, i) != plane)
      continue;
    if (GST_VIDEO_INFO_COMP_PSTRIDE (info, i) == 0)
      return GST_VIDEO_INFO_PLANE_STRIDE (info, plane);
    row = MAX (row,
        (guint64) GST_VIDEO_INFO_COMP_WIDTH (info, i)
            * GST_VIDEO_INFO_COMP_PSTRIDE (info, i));
  }
  return row;
}

/* The bytes from PLANE's first to the end of its last row: its padding need not
 * be there. G_MAXUINT64: rows of STRIDE cannot be. */
static guint64
gst_shm_ring_video_plane_size (
    const GstVideoInfo *info, guint plane, gint stride)
{
  gint comps[GST_VIDEO_MAX_COMPONENTS];
  guint64 row;

  if (stride <= 0)
    return G_MAXUINT64;
  if (GST_VIDEO_FORMAT_INFO_HAS_PALETTE (info->finfo) && plane == 1)
    return PALETTE_SIZE;
  if (GST_VIDEO_FORMAT_INFO_IS_TILED (info->finfo))
    return gst_shm_ring_video_tiles_size (info, plane, stride);
  row = gst_shm_ring_video_row_size (info, plane);
  if ((guint64) stride < row)
    return G_MAXUINT64;
  gst_video_format_info_component (info->finfo, plane, comps);
  return (guint64) (GST_VIDEO_INFO_COMP_HEIGHT (info, comps[0]) - 1) * stride
      + row;
}

static gboolean
gst_shm_ring_video_plane_fits (
    const GstVideoInfo *info, guint plane, gint stride, gsize size)
{
  return gst_shm_ring_video_plane_size (info, plane, stride) <= size;
}

/* Whether every row of a picture as INFO says lies within SIZE bytes, its
 * planes at OFFSET with STRIDE. Rows that run backwards never do. */
static gboolean
gst_shm_ring_video_fits (const GstVideoInfo *info,
    const gsize offset[GST_VIDEO_MAX_PLANES],
    const gint stride[GST_VIDEO_MAX_PLANES], gsize size)
{
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (info); i++) {
    if (offset[i] > size
        || !gst_shm_ring_video_plane_fits (
            info, i, stride[i], size - offset[i]))
      return FALSE;
  }
  return TRUE;
}

/* Whether they are INFO's own. */
static gboolean
gst_shm_ring_video_is_default (const GstVideoInfo *info,
    const gsize offset[GST_VIDEO_MAX_PLANES],
    const gint stride[GST_VIDEO_MAX_PLANES])
{
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (info); i++) {
    if (offset[i] != GST_VIDEO_INFO_PLANE_OFFSET (info, i)
        || stride[i] != GST_VIDEO_INFO_PLANE_STRIDE (info, i))
      return FALSE;
  }
  return TRUE;
}

/* Rows that run backwards: the first one begins SKIP bytes from where memory
 * does. */
static gboolean
gst_shm_ring_video_plane_fits_upwards (
    const GstVideoInfo *info, guint plane, gint stride, gsize skip, gsize size)
{
  guint64 row = gst_shm_ring_video_row_size (info, plane);
  guint64 all;

  if (stride <= -G_MAXINT || GST_VIDEO_FORMAT_INFO_IS_TILED (info->finfo)
      || GST_VIDEO_FORMAT_INFO_HAS_PALETTE (info->finfo))
    return FALSE;
  all = gst_shm_ring_video_plane_size (info, plane, -stride);
  return all != G_MAXUINT64 && all - row <= skip && row <= size - skip;
}

/* As mapped: with a GstVideoMeta each plane is mapped for itself, and nobody
 * has checked yet that its rows end within what was mapped. */
static gboolean
gst_shm_ring_video_frame_fits (
    const GstVideoInfo *info, const GstVideoFrame *frame)
{
  gboolean by_plane = frame->meta != NULL;

  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (info); i++) {
    const GstMapInfo *map = &frame->map[by_plane ? i : 0];
    gsize skip = (guint8 *) frame->data[i] - map->data;
    gint stride = GST_VIDEO_FRAME_PLANE_STRIDE (frame, i);

    if (skip > map->size)
      return FALSE;
    if (stride < 0 ? !gst_shm_ring_video_plane_fits_upwards (
            info, i, stride, skip, map->size)
                   : !gst_shm_ring_video_plane_fits (
                       info, i, stride, map->size - skip))
      return FALSE;
  }
  return TRUE;
}

static gboolean
gst_shm_ring_video_same_picture (
    const GstVideoInfo *info, const GstVideoFrame *frame)
{
  return GST_VIDEO_FRAME_FORMAT (frame) == GST_VIDEO_INFO_FORMAT (info)
      && GST_VIDEO_FRAME_WIDTH (frame) == GST_VIDEO_INFO_WIDTH (info)
      && GST_VIDEO_FRAME_HEIGHT (frame) == GST_VIDEO_INFO_HEIGHT (info);
}

static void
gst_shm_ring_video_copy_rows (const GstVideoInfo *info, guint plane,
    GstVideoFrame *to, const GstVideoFrame *from)
{
  gssize to_stride = GST_VIDEO_FRAME_PLANE_STRIDE (to, plane);
  gssize from_stride = GST_VIDEO_FRAME_PLANE_STRIDE (from, plane);
  gsize row = gst_shm_ring_video_row_size (info, plane);
  gint comps[GST_VIDEO_MAX_COMPONENTS];

  gst_video_format_info_component (info->finfo, plane, comps);
  for (gint y = 0; y < GST_VIDEO_INFO_COMP_HEIGHT (info, comps[0]); y++)
    memcpy ((guint8 *) to->data[plane] + y * to_stride,
        (const guint8 *) from->data[plane] + y * from_stride, row);
}

/* Not gst_video_frame_copy(): it takes tiles of differing sizes (NV12_16L32S)
 * for equal ones, and leaves out half of the last pixel's chroma where an odd
 * width shares it with nobody (YUY2). Where tiles lie is the same on both
 * sides. */
static void
gst_shm_ring_video_copy_plane (const GstVideoInfo *info, guint plane,
    GstVideoFrame *to, const GstVideoFrame *from)
{
  if (GST_VIDEO_FORMAT_INFO_HAS_PALETTE (info->finfo) && plane == 1)
    memcpy (to->data[plane], from->data[plane], PALETTE_SIZE);
  else if (GST_VIDEO_FORMAT_INFO_IS_TILED (info->finfo))
    memcpy (to->data[plane], from->data[plane],
        gst_shm_ring_video_tiles_size (
            info, plane, GST_VIDEO_INFO_PLANE_STRIDE (info, plane)));
  else
    gst_shm_ring_video_copy_rows (info, plane, to, from);
}

GstClockTime
gst_shm_ring_video_frame_duration (const GstVideoInfo *info)
{
  if (GST_VIDEO_INFO_FPS_N (info) <= 0)
    return GST_CLOCK_TIME_NONE;
  return gst_util_uint64_scale_int (
      GST_SECOND, GST_VIDEO_INFO_FPS_D (info), GST_VIDEO_INFO_FPS_N (info));
}

/* Copies BUFFER, whatever its strides, into INFO's default layout at DATA.
 * False: a row of it would lie outside the buffer; nothing was read. */
static gboolean
gst_shm_ring_video_copy_in (
    const GstVideoInfo *info, GstBuffer *buffer, gpointer data)
{
  GstVideoFrame from, to = { .info = *info };
  gboolean ok;

  /* GStreamer before 1.20 does not say that it only reads the info. */
  if (!gst_video_frame_map (&from, (GstVideoInfo *) info, buffer, GST_MAP_READ))
    return FALSE;
  ok = gst_shm_ring_video_same_picture (info, &from)
      && gst_shm_ring_video_frame_fits (info, &from);
  for (guint i = 0; ok && i < GST_VIDEO_INFO_N_PLANES (info); i++) {
    to.data[i] = (guint8 *) data + GST_VIDEO_INFO_PLANE_OFFSET (info, i);
    gst_shm_ring_video_copy_plane (info, i, &to, &from);
  }
  gst_video_frame_unmap (&from);
  return ok;
}

GstBuffer *
gst_shm_ring_video_copy_out (const GstVideoInfo *info, GstBuffer *buffer)
{
  GstBuffer *copy =
      gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (info), NULL);
  GstMapInfo map;
  gboolean ok;

  if (copy == NULL || !gst_buffer_map (copy, &map, GST_MAP_WRITE)) {
    gst_clear_buffer (&copy);
    return NULL;
  }
  ok = gst_shm_ring_video_copy_in (info, buffer, map.data);
  gst_buffer_unmap (copy, &map);
  gst_buffer_copy_into (
      copy, buffer, GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS, 0, -1);
  if (!ok)
    gst_clear_buffer (&copy);
  return copy;
}

/* ---- Formats ------------------------------------------------------------- */

static gboolean
gst_shm_ring_format_can_be (gint width, gint height)
{
  return width > 0 && width <= MAX_SIDE && height > 0 && height <= MAX_SIDE;
}

static void
gst_shm_ring_frame_set_video (
    struct shmring_frame_info *frame, const GstVideoInfo *video)
{
  frame->width = GST_VIDEO_INFO_WIDTH (video);
  frame->height = GST_VIDEO_INFO_HEIGHT (video);
  frame->channels = GST_VIDEO_INFO_N_COMPONENTS (video);
  frame->size = GST_VIDEO_INFO_SIZE (video);
  frame->fps_num = GST_VIDEO_INFO_FPS_N (video);
  frame->fps_den = GST_VIDEO_INFO_FPS_D (video);
  g_strlcpy (
      frame->format, GST_VIDEO_INFO_NAME (video), sizeof (frame->format));
  /* a stride that counts tiles is not one of bytes: the caps alone explain such
   * a picture */
  if (GST_VIDEO_FORMAT_INFO_IS_TILED (video->finfo))
    return;
  frame->planes = GST_VIDEO_INFO_N_PLANES (video);
  for (guint i = 0; i < frame->planes; i++) {
    frame->stride[i] = GST_VIDEO_INFO_PLANE_STRIDE (video, i);
    frame->offset[i] = GST_VIDEO_INFO_PLANE_OFFSET (video, i);
  }
}

static gboolean
gst_shm_ring_format_set_video (GstShmRingFormat *self, GstCaps *caps)
{
  if (!gst_video_info_from_caps (&self->video, caps))
    return FALSE;
  if (GST_VIDEO_INFO_FORMAT (&self->video) == GST_VIDEO_FORMAT_ENCODED)
    return TRUE;
  if (!gst_shm_ring_format_can_be (GST_VIDEO_INFO_WIDTH (&self->video),
          GST_VIDEO_INFO_HEIGHT (&self->video)))
    return FALSE;
  self->is_video = TRUE;
  gst_shm_ring_frame_set_video (&self->info, &self->video);
  /* with interlace-mode=alternate a buffer is one field */
  self->info.height = GST_VIDEO_INFO_FIELD_HEIGHT (&self->video);
  return TRUE;
}

/* Rows of Bayer patterns (bggr, rggb10le, ...) are padded to 4 bytes. */
static gboolean
gst_shm_ring_format_set_bayer (
    GstShmRingFormat *self, const GstStructure *structure)
{
  const gchar *format = gst_structure_get_string (structure, "format");
  struct shmring_frame_info *info = &self->info;
  gint width, height, bytes;

  if (format == NULL || strlen (format) < 4
      || strlen (format) >= sizeof (info->format)
      || !gst_structure_get_int (structure, "width", &width)
      || !gst_structure_get_int (structure, "height", &height))
    return TRUE;
  if (!gst_shm_ring_format_can_be (width, height))
    return FALSE;
  bytes = strlen (format) == 4 ? 1 : 2;
  info->width = width;
  info->height = height;
  info->channels = 1;
  info->planes = 1;
  info->stride[0] = GST_ROUND_UP_4 (width * bytes);
  info->size = (guint64) info->stride[0] * height;
  g_strlcpy (info->format, format, sizeof (info->format));
  return TRUE;
}

static void
gst_shm_ring_format_set_framerate (
    GstShmRingFormat *self, const GstStructure *structure)
{
  gint num, den;

  if (!gst_structure_get_fraction (structure, "framerate", &num, &den))
    return;
  self->info.fps_num = num;
  self->info.fps_den = den;
}

/* GStreamer trusts the number of channels, and writes an entry for each; what
 * divides by the bytes of a frame needs one at least. */
static gboolean
gst_shm_ring_format_can_be_sound (const GstStructure *structure)
{
  gint channels = 0, rate = 1;

  gst_structure_get_int (structure, "channels", &channels);
  gst_structure_get_int (structure, "rate", &rate);
  return channels > 0 && channels <= G_MAXUINT16 && rate > 0;
}

gboolean
gst_shm_ring_format_set_caps (GstShmRingFormat *self, GstCaps *caps)
{
  const GstStructure *structure = gst_caps_get_structure (caps, 0);

  *self = (GstShmRingFormat){ .info = SHMRING_FRAME_INFO_INIT };
  if (gst_structure_has_name (structure, "video/x-raw"))
    return gst_shm_ring_format_set_video (self, caps);
  gst_shm_ring_format_set_framerate (self, structure);
  if (gst_structure_has_name (structure, "video/x-bayer"))
    return gst_shm_ring_format_set_bayer (self, structure);
  return !gst_structure_has_name (structure, "audio/x-raw")
      || gst_shm_ring_format_can_be_sound (structure);
}

/* ---- Copies -------------------------------------------------------------- */

/* A stretch of time without a picture. */
static gboolean
gst_shm_ring_format_is_empty (GstBuffer *buffer)
{
  return gst_buffer_get_size (buffer) == 0
      && GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP);
}

static void
gst_shm_ring_format_describe_opaque (
    gsize size, struct shmring_frame_info *info)
{
  info->width = info->height = info->channels = info->planes = 0;
  info->format[0] = '\0';
  info->size = size;
}

static void
gst_shm_ring_format_describe (const GstShmRingFormat *self, GstBuffer *buffer,
    struct shmring_frame_info *info)
{
  const gsize size = gst_buffer_get_size (buffer);

  *info = self->info;
  if (gst_shm_ring_format_is_empty (buffer)
      || (!self->is_video && size < info->size))
    gst_shm_ring_format_describe_opaque (size, info);
  else if (!self->is_video)
    info->size = size;
}

gboolean
gst_shm_ring_format_copy (const GstShmRingFormat *self, GstBuffer *buffer,
    gpointer data, struct shmring_frame_info *info)
{
  gst_shm_ring_format_describe (self, buffer, info);
  if (self->is_video && !gst_shm_ring_format_is_empty (buffer))
    return gst_shm_ring_video_copy_in (&self->video, buffer, data);
  gst_buffer_extract (buffer, 0, data, gst_buffer_get_size (buffer));
  return TRUE;
}

/* ---- In place ------------------------------------------------------------ */

static gboolean
gst_shm_ring_format_is_of (
    const GstShmRingFormat *self, const GstVideoMeta *meta)
{
  const GstVideoInfo *video = &self->video;

  return meta->format == GST_VIDEO_INFO_FORMAT (video)
      && meta->width == (guint) GST_VIDEO_INFO_WIDTH (video)
      && meta->height == (guint) GST_VIDEO_INFO_HEIGHT (video)
      && meta->n_planes == GST_VIDEO_INFO_N_PLANES (video);
}

static gboolean
gst_shm_ring_format_place_rows (const GstShmRingFormat *self, GstBuffer *buffer,
    gsize start, struct shmring_frame_info *info)
{
  const GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  const gsize *offset = meta != NULL ? meta->offset : self->video.offset;
  const gint *stride = meta != NULL ? meta->stride : self->video.stride;
  const gsize size = gst_buffer_get_size (buffer);

  if (meta != NULL && !gst_shm_ring_format_is_of (self, meta))
    return FALSE;
  if (!gst_shm_ring_video_fits (&self->video, offset, stride, size))
    return FALSE;
  if (info->planes == 0
      && (start != 0 || size < GST_VIDEO_INFO_SIZE (&self->video)
          || !gst_shm_ring_video_is_default (&self->video, offset, stride)))
    return FALSE;
  for (guint i = 0; i < info->planes; i++) {
    info->offset[i] = start + offset[i];
    info->stride[i] = stride[i];
  }
  return TRUE;
}

gboolean
gst_shm_ring_format_describe_in_place (const GstShmRingFormat *self,
    GstBuffer *buffer, gsize offset, struct shmring_frame_info *info)
{
  gst_shm_ring_format_describe (self, buffer, info);
  if (!self->is_video)
    return offset == 0;
  if (gst_shm_ring_format_is_empty (buffer)
      || !gst_shm_ring_format_place_rows (self, buffer, offset, info))
    return FALSE;
  info->size = offset + gst_buffer_get_size (buffer);
  return TRUE;
}

/* ---- A frame from a buffer ----------------------------------------------- */

/* Outside the segment too: with B-frames the first DTS lies before it. */
static gint64
gst_shm_ring_frame_running_time (const GstSegment *segment, GstClockTime time)
{
  guint64 distance;
  gint sign;

  if (segment->format != GST_FORMAT_TIME || !GST_CLOCK_TIME_IS_VALID (time))
    return SHMRING_TIME_NONE;
  sign = gst_segment_to_running_time_full (
      segment, GST_FORMAT_TIME, time, &distance);
  if (sign == 0 || distance > G_MAXINT64)
    return SHMRING_TIME_NONE;
  if (sign > 0)
    return distance;
  /* the header's "none" is -1 */
  return distance == 1 ? -2 : -(gint64) distance;
}

/* Played at twice the speed it lasts half as long. */
static gint64
gst_shm_ring_frame_running_duration (
    const GstSegment *segment, GstClockTime duration)
{
  const gdouble speed = ABS (segment->rate);

  if (!GST_CLOCK_TIME_IS_VALID (duration) || speed == 1.0)
    return duration;
  return MIN (duration / speed, (gdouble) (G_MAXINT64 / 2));
}

static GstReferenceTimestampMeta *
gst_shm_ring_frame_find_time (GstBuffer *buffer, GstStaticCaps *of)
{
  GstCaps *caps = gst_static_caps_get (of);
  GstReferenceTimestampMeta *meta =
      gst_buffer_get_reference_timestamp_meta (buffer, caps);

  gst_caps_unref (caps);
  return meta;
}

/* 0: it does not say. */
static gint64
gst_shm_ring_frame_capture_time (GstBuffer *buffer)
{
  GstReferenceTimestampMeta *meta;

  meta = gst_shm_ring_frame_find_time (buffer, &unix_time_caps);
  if (meta != NULL)
    return meta->timestamp;
  meta = gst_shm_ring_frame_find_time (buffer, &ntp_time_caps);
  if (meta != NULL && meta->timestamp > NTP_EPOCH)
    return meta->timestamp - NTP_EPOCH;
  return 0;
}

void
gst_shm_ring_frame_set_buffer (struct shmring_frame_info *frame,
    GstBuffer *buffer, const GstSegment *segment)
{
  for (guint i = 0; i < G_N_ELEMENTS (frame_flags); i++) {
    if (GST_BUFFER_FLAG_IS_SET (buffer, frame_flags[i].gst))
      frame->flags |= frame_flags[i].shm;
  }
  frame->flags |= GST_BUFFER_FLAGS (buffer) & MEDIA_FLAGS;
  if (GST_BUFFER_OFFSET_IS_VALID (buffer))
    frame->frame_number = GST_BUFFER_OFFSET (buffer);
  frame->frame_number_end = GST_BUFFER_OFFSET_END (buffer);
  frame->pts_ns =
      gst_shm_ring_frame_running_time (segment, GST_BUFFER_PTS (buffer));
  frame->dts_ns =
      gst_shm_ring_frame_running_time (segment, GST_BUFFER_DTS (buffer));
  frame->duration_ns = gst_shm_ring_frame_running_duration (
      segment, GST_BUFFER_DURATION (buffer));
  frame->clock_ns = SHMRING_TIME_NONE;
  frame->timestamp_ns = gst_shm_ring_frame_capture_time (buffer);
}

/* ---- Caps and layout from a frame ---------------------------------------- */

/* With features that a shmringsink takes; GStreamer warns of the names that
 * raw media had in 0.10. */
static gboolean
gst_shm_ring_frame_is_caps (const gchar *text)
{
  const gchar *features = text + strcspn (text, ",;(");

  return gst_shm_ring_meta_is_structure (text)
      && !g_str_has_prefix (text, "video/x-raw-")
      && !g_str_has_prefix (text, "audio/x-raw-")
      && (*features != '('
          || g_str_has_prefix (features, "(memory:SystemMemory)")
          || g_str_has_prefix (features, "(format:Interlaced)"));
}

static GstCaps *
gst_shm_ring_frame_parse_caps (const gchar *text, const gchar **problem)
{
  GstCaps *caps = NULL;

  if (gst_shm_ring_frame_is_caps (text))
    caps = gst_caps_from_string (text);
  if (caps == NULL) {
    *problem = "its caps text is damaged";
  } else if (gst_caps_is_any (caps) || gst_caps_is_empty (caps)
      || !gst_caps_is_fixed (caps)) {
    *problem = "its caps are not fixed";
    gst_clear_caps (&caps);
  }
  return caps;
}

static GstCaps *
gst_shm_ring_frame_make_caps (
    const struct shmring_frame_info *frame, const gchar **problem)
{
  gchar *name = g_strndup (frame->format, sizeof (frame->format));
  GstVideoFormat format = gst_video_format_from_string (name);
  GstVideoInfo video;
  GstCaps *caps = NULL;

  g_free (name);
  if (format == GST_VIDEO_FORMAT_UNKNOWN
      || format == GST_VIDEO_FORMAT_ENCODED) {
    *problem = "it carries no caps, and its format is not one of GStreamer's";
  } else if (!gst_video_info_set_format (
                 &video, format, frame->width, frame->height)) {
    *problem = "it carries no caps, and its width and height cannot be";
  } else {
    video.fps_n = MIN (frame->fps_num, G_MAXINT);
    video.fps_d = CLAMP (frame->fps_den, 1, G_MAXINT);
    caps = gst_video_info_to_caps (&video);
  }
  return caps;
}

GstCaps *
gst_shm_ring_frame_get_caps (
    const struct shmring_frame_info *frame, const gchar **problem)
{
  if (frame->caps != NULL)
    return gst_shm_ring_frame_parse_caps (frame->caps, problem);
  return gst_shm_ring_frame_make_caps (frame, problem);
}

/* Where FRAME's planes lie; it need not say so when they lie where the caps
 * expect them. */
static void
gst_shm_ring_frame_get_layout (const struct shmring_frame_info *frame,
    const GstVideoInfo *video, gsize offset[GST_VIDEO_MAX_PLANES],
    gint stride[GST_VIDEO_MAX_PLANES])
{
  for (guint i = 0; i < GST_VIDEO_MAX_PLANES; i++) {
    offset[i] = frame->planes ? frame->offset[i] : video->offset[i];
    stride[i] = frame->planes ? frame->stride[i] : video->stride[i];
  }
}

gboolean
gst_shm_ring_frame_is_default_layout (
    const struct shmring_frame_info *frame, const GstVideoInfo *video)
{
  gsize offset[GST_VIDEO_MAX_PLANES];
  gint stride[GST_VIDEO_MAX_PLANES];

  gst_shm_ring_frame_get_layout (frame, video, offset, stride);
  return gst_shm_ring_video_is_default (video, offset, stride)
      && frame->size >= GST_VIDEO_INFO_SIZE (video);
}

gboolean
gst_shm_ring_frame_is_gap (const struct shmring_frame_info *frame)
{
  return frame->size == 0 && (frame->flags & SHMRING_FRAME_GAP) != 0;
}

static gboolean
gst_shm_ring_frame_fits (
    const struct shmring_frame_info *frame, const GstVideoInfo *video)
{
  gsize offset[GST_VIDEO_MAX_PLANES];
  gint stride[GST_VIDEO_MAX_PLANES];

  if (frame->planes != 0 && frame->planes != GST_VIDEO_INFO_N_PLANES (video))
    return FALSE;
  gst_shm_ring_frame_get_layout (frame, video, offset, stride);
  return gst_shm_ring_video_fits (video, offset, stride, frame->size);
}

const gchar *
gst_shm_ring_frame_problem (
    const struct shmring_frame_info *frame, const GstShmRingFormat *format)
{
  if (gst_shm_ring_frame_is_gap (frame))
    return NULL;
  if (format->is_video && !gst_shm_ring_frame_fits (frame, &format->video))
    return "its rows do not fit in its bytes";
  /* Bayer patterns: no field tells of strides, so that they have the usual */
  if (!format->is_video && frame->size < format->info.size)
    return "it has fewer bytes than its caps say";
  return NULL;
}

/* ---- A buffer from a frame ----------------------------------------------- */

static void
gst_shm_ring_frame_add_video_meta (const struct shmring_frame_info *frame,
    const GstVideoInfo *video, GstBuffer *buffer)
{
  gsize offset[GST_VIDEO_MAX_PLANES];
  gint stride[GST_VIDEO_MAX_PLANES];

  gst_shm_ring_frame_get_layout (frame, video, offset, stride);
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE,
      GST_VIDEO_INFO_FORMAT (video), GST_VIDEO_INFO_WIDTH (video),
      GST_VIDEO_INFO_HEIGHT (video), GST_VIDEO_INFO_N_PLANES (video), offset,
      stride);
}

static GstMemory *
gst_shm_ring_frame_to_memory (struct shmring_frame *frame)
{
  return gst_memory_new_wrapped (GST_MEMORY_FLAG_READONLY,
      (gpointer) frame->data, frame->info.size, 0, frame->info.size, frame,
      (GDestroyNotify) shmring_frame_release);
}

GstBuffer *
gst_shm_ring_frame_wrap (struct shmring_frame *frame, const GstVideoInfo *video)
{
  GstBuffer *buffer = gst_buffer_new ();

  for (guint i = 0; i < G_N_ELEMENTS (frame_flags); i++) {
    if (frame->info.flags & frame_flags[i].shm)
      GST_BUFFER_FLAG_SET (buffer, frame_flags[i].gst);
  }
  GST_BUFFER_FLAG_SET (buffer, frame->info.flags & MEDIA_FLAGS);
  GST_BUFFER_DURATION (buffer) = MAX (frame->info.duration_ns, -1);
  GST_BUFFER_OFFSET (buffer) = frame->info.frame_number;
  GST_BUFFER_OFFSET_END (buffer) = frame->info.frame_number_end;
  gst_buffer_append_memory (buffer, gst_shm_ring_frame_to_memory (frame));
  if (video != NULL)
    gst_shm_ring_frame_add_video_meta (&frame->info, video, buffer);
  return buffer;
}

void
gst_shm_ring_frame_add_capture_time (
    const struct shmring_frame_info *frame, GstBuffer *buffer)
{
  GstCaps *unix_time;

  if (frame->timestamp_ns <= 0)
    return;
  unix_time = gst_static_caps_get (&unix_time_caps);
  gst_buffer_add_reference_timestamp_meta (
      buffer, unix_time, frame->timestamp_ns, GST_CLOCK_TIME_NONE);
  gst_caps_unref (unix_time);
}
