/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringvideo.h"

#include <string.h>

/* A palette is a plane of its own: 256 colours of 4 bytes, whatever its stride
 * says. */
#define PALETTE_SIZE (256 * 4)

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

gboolean
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

gboolean
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

/* gst_video_frame_copy() takes tiles of differing sizes (NV12_16L32S) for equal
 * ones; where tiles lie is the same on both sides. */
static gboolean
gst_shm_ring_video_copy_frame (
    const GstVideoInfo *info, GstVideoFrame *to, const GstVideoFrame *from)
{
  if (!GST_VIDEO_FORMAT_INFO_IS_TILED (info->finfo))
    return gst_video_frame_copy (to, from);
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (info); i++)
    memcpy (to->data[i], from->data[i],
        gst_shm_ring_video_tiles_size (
            info, i, GST_VIDEO_INFO_PLANE_STRIDE (info, i)));
  return TRUE;
}

GstClockTime
gst_shm_ring_video_frame_duration (const GstVideoInfo *info)
{
  if (GST_VIDEO_INFO_FPS_N (info) <= 0)
    return GST_CLOCK_TIME_NONE;
  return gst_util_uint64_scale_int (
      GST_SECOND, GST_VIDEO_INFO_FPS_D (info), GST_VIDEO_INFO_FPS_N (info));
}

gboolean
gst_shm_ring_video_copy_in (
    const GstVideoInfo *info, GstBuffer *buffer, gpointer data)
{
  GstVideoFrame from, to = { .info = *info };
  gboolean ok;

  /* GStreamer before 1.20 does not say that it only reads the info. */
  if (!gst_video_frame_map (&from, (GstVideoInfo *) info, buffer, GST_MAP_READ))
    return FALSE;
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (info); i++)
    to.data[i] = (guint8 *) data + GST_VIDEO_INFO_PLANE_OFFSET (info, i);
  ok = gst_shm_ring_video_same_picture (info, &from)
      && gst_shm_ring_video_frame_fits (info, &from)
      && gst_shm_ring_video_copy_frame (info, &to, &from);
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
