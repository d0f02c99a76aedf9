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

void
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
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (video); i++) {
    if (offset[i] != GST_VIDEO_INFO_PLANE_OFFSET (video, i)
        || stride[i] != GST_VIDEO_INFO_PLANE_STRIDE (video, i))
      return FALSE;
  }
  return frame->size >= GST_VIDEO_INFO_SIZE (video);
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
    const struct shmring_frame_info *frame, const GstShmRingPicture *picture)
{
  if (gst_shm_ring_frame_is_gap (frame))
    return NULL;
  if (picture->is_video && !gst_shm_ring_frame_fits (frame, &picture->video))
    return "its rows do not fit in its bytes";
  /* nothing says of such rows how they lie, so that they lie as all expect */
  if (!picture->is_video && frame->size < picture->info.size)
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
