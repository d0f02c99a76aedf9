/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringpicture.h"

#include <string.h>

#include "gstshmringframe.h"
#include "gstshmringvideo.h"

/* More bytes than any format's pixel takes, and than its row is padded with:
 * within this, no stride overflows. */
#define MAX_SIDE (G_MAXINT / 128)

/* ---- Caps ---------------------------------------------------------------- */

static gboolean
gst_shm_ring_picture_can_be (gint width, gint height)
{
  return width > 0 && width <= MAX_SIDE && height > 0 && height <= MAX_SIDE;
}

static gboolean
gst_shm_ring_picture_set_video (GstShmRingPicture *self, GstCaps *caps)
{
  if (!gst_video_info_from_caps (&self->video, caps))
    return FALSE;
  if (GST_VIDEO_INFO_FORMAT (&self->video) == GST_VIDEO_FORMAT_ENCODED)
    return TRUE;
  if (!gst_shm_ring_picture_can_be (GST_VIDEO_INFO_WIDTH (&self->video),
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
gst_shm_ring_picture_set_bayer (
    GstShmRingPicture *self, const GstStructure *structure)
{
  const gchar *format = gst_structure_get_string (structure, "format");
  struct shmring_frame_info *info = &self->info;
  gint width, height, bytes;

  if (format == NULL || strlen (format) < 4
      || strlen (format) >= sizeof (info->format)
      || !gst_structure_get_int (structure, "width", &width)
      || !gst_structure_get_int (structure, "height", &height))
    return TRUE;
  if (!gst_shm_ring_picture_can_be (width, height))
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
gst_shm_ring_picture_set_framerate (
    GstShmRingPicture *self, const GstStructure *structure)
{
  gint num, den;

  if (!gst_structure_get_fraction (structure, "framerate", &num, &den))
    return;
  self->info.fps_num = num;
  self->info.fps_den = den;
}

gboolean
gst_shm_ring_picture_set_caps (GstShmRingPicture *self, GstCaps *caps)
{
  const GstStructure *structure = gst_caps_get_structure (caps, 0);

  *self = (GstShmRingPicture){ .info = SHMRING_FRAME_INFO_INIT };
  if (gst_structure_has_name (structure, "video/x-raw"))
    return gst_shm_ring_picture_set_video (self, caps);
  gst_shm_ring_picture_set_framerate (self, structure);
  if (gst_structure_has_name (structure, "video/x-bayer"))
    return gst_shm_ring_picture_set_bayer (self, structure);
  return TRUE;
}

/* ---- Copies -------------------------------------------------------------- */

/* A stretch of time without a picture. */
static gboolean
gst_shm_ring_picture_is_empty (GstBuffer *buffer)
{
  return gst_buffer_get_size (buffer) == 0
      && GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP);
}

gsize
gst_shm_ring_picture_size (const GstShmRingPicture *self, GstBuffer *buffer)
{
  if (buffer == NULL)
    return self->info.size;
  if (self->is_video && !gst_shm_ring_picture_is_empty (buffer))
    return GST_VIDEO_INFO_SIZE (&self->video);
  return gst_buffer_get_size (buffer);
}

gboolean
gst_shm_ring_picture_copy (
    const GstShmRingPicture *self, GstBuffer *buffer, gpointer data)
{
  if (self->is_video && !gst_shm_ring_picture_is_empty (buffer))
    return gst_shm_ring_video_copy_in (&self->video, buffer, data);
  gst_buffer_extract (buffer, 0, data, gst_buffer_get_size (buffer));
  return TRUE;
}

static void
gst_shm_ring_picture_describe_opaque (
    gsize size, struct shmring_frame_info *info)
{
  info->width = info->height = info->channels = info->planes = 0;
  info->format[0] = '\0';
  info->size = size;
}

void
gst_shm_ring_picture_describe (const GstShmRingPicture *self, GstBuffer *buffer,
    struct shmring_frame_info *info)
{
  const gsize size = gst_buffer_get_size (buffer);

  *info = self->info;
  if (gst_shm_ring_picture_is_empty (buffer)
      || (!self->is_video && size < info->size))
    gst_shm_ring_picture_describe_opaque (size, info);
  else if (!self->is_video)
    info->size = size;
}

/* ---- In place ------------------------------------------------------------ */

static gboolean
gst_shm_ring_picture_is_of (
    const GstShmRingPicture *self, const GstVideoMeta *meta)
{
  const GstVideoInfo *video = &self->video;

  return meta->format == GST_VIDEO_INFO_FORMAT (video)
      && meta->width == (guint) GST_VIDEO_INFO_WIDTH (video)
      && meta->height == (guint) GST_VIDEO_INFO_HEIGHT (video)
      && meta->n_planes == GST_VIDEO_INFO_N_PLANES (video);
}

/* Of a picture in tiles the header says nothing, so it lies as the caps expect.
 */
static gboolean
gst_shm_ring_picture_is_default (const GstShmRingPicture *self,
    const gsize offset[GST_VIDEO_MAX_PLANES],
    const gint stride[GST_VIDEO_MAX_PLANES])
{
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (&self->video); i++) {
    if (offset[i] != GST_VIDEO_INFO_PLANE_OFFSET (&self->video, i)
        || stride[i] != GST_VIDEO_INFO_PLANE_STRIDE (&self->video, i))
      return FALSE;
  }
  return TRUE;
}

static gboolean
gst_shm_ring_picture_place_rows (const GstShmRingPicture *self,
    GstBuffer *buffer, gsize start, struct shmring_frame_info *info)
{
  const GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  const gsize *offset = meta != NULL ? meta->offset : self->video.offset;
  const gint *stride = meta != NULL ? meta->stride : self->video.stride;
  const gsize size = gst_buffer_get_size (buffer);

  if (meta != NULL && !gst_shm_ring_picture_is_of (self, meta))
    return FALSE;
  if (!gst_shm_ring_video_fits (&self->video, offset, stride, size))
    return FALSE;
  if (info->planes == 0
      && (start != 0 || size < GST_VIDEO_INFO_SIZE (&self->video)
          || !gst_shm_ring_picture_is_default (self, offset, stride)))
    return FALSE;
  for (guint i = 0; i < info->planes; i++) {
    info->offset[i] = start + offset[i];
    info->stride[i] = stride[i];
  }
  return TRUE;
}

gboolean
gst_shm_ring_picture_describe_in_place (const GstShmRingPicture *self,
    GstBuffer *buffer, gsize offset, struct shmring_frame_info *info)
{
  gst_shm_ring_picture_describe (self, buffer, info);
  if (!self->is_video)
    return offset == 0;
  if (gst_shm_ring_picture_is_empty (buffer)
      || !gst_shm_ring_picture_place_rows (self, buffer, offset, info))
    return FALSE;
  info->size = offset + gst_buffer_get_size (buffer);
  return TRUE;
}
