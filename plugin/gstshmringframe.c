/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringframe.h"

#include <string.h>

#include "gstshmringmeta.h"
#include "gstshmringvideo.h"

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

/* What they mean hangs on the caps: they cross as they are. */
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

/* More bytes than any format's pixel takes, and than its row is padded with:
 * within this, no stride overflows. */
#define MAX_SIDE (G_MAXINT / 128)

/* ---- Formats ----------------------------------------------------------------
 */

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
  /* of alternating fields a buffer has one */
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

/* GStreamer believes the number of channels, and writes as many; of a frame's
 * bytes, which we divide by, they are a factor. */
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

gboolean
gst_shm_ring_format_copy (
    const GstShmRingFormat *self, GstBuffer *buffer, gpointer data)
{
  if (self->is_video && !gst_shm_ring_format_is_empty (buffer))
    return gst_shm_ring_video_copy_in (&self->video, buffer, data);
  gst_buffer_extract (buffer, 0, data, gst_buffer_get_size (buffer));
  return TRUE;
}

static void
gst_shm_ring_format_describe_opaque (
    gsize size, struct shmring_frame_info *info)
{
  info->width = info->height = info->channels = info->planes = 0;
  info->format[0] = '\0';
  info->size = size;
}

void
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

/* ---- Headers ------------------------------------------------------------- */

void
gst_shm_ring_frame_set_buffer (
    struct shmring_frame_info *frame, GstBuffer *buffer)
{
  for (guint i = 0; i < G_N_ELEMENTS (frame_flags); i++) {
    if (GST_BUFFER_FLAG_IS_SET (buffer, frame_flags[i].gst))
      frame->flags |= frame_flags[i].shm;
  }
  frame->flags |= GST_BUFFER_FLAGS (buffer) & MEDIA_FLAGS;
  frame->duration_ns = GST_BUFFER_DURATION (buffer);
  if (GST_BUFFER_OFFSET_IS_VALID (buffer))
    frame->frame_number = GST_BUFFER_OFFSET (buffer);
  frame->frame_number_end = GST_BUFFER_OFFSET_END (buffer);
}

/* Of features a sink takes two, and of old names GStreamer warns. */
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
  /* nothing says of such rows how they lie, so that they lie as all expect */
  if (!format->is_video && frame->size < format->info.size)
    return "it has fewer bytes than its caps say";
  return NULL;
}

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
