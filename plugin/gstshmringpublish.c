/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A frame's way from render() into the ring. */
#include "gstshmringwriter.h"

#include <errno.h>

#include "gstshmringclock.h"
#include "gstshmringelement.h"
#include "gstshmringframe.h"
#include "gstshmringmeta.h"

#define MAX_HEADER_SIZE 65536

#define FLOW_DROP GST_SHM_RING_FLOW_DROP
/* The frame cannot be published from the slot it has: it needs another one, and
 * a copy. */
#define FLOW_AGAIN GST_FLOW_CUSTOM_SUCCESS_1

/* ---- Room ---------------------------------------------------------------- */

static gboolean
gst_shm_ring_writer_grow (
    GstShmRingWriter *self, guint64 slot_size, guint header_size)
{
  struct shmring_error error = { 0 };
  int res =
      gst_shm_ring_allocator_grow (self->slots, slot_size, header_size, &error);

  if (res < 0)
    gst_shm_ring_element_post_errno (
        GST_ELEMENT (self->sink), res, error.message);
  return res >= 0;
}

static gboolean
gst_shm_ring_writer_grow_slots (GstShmRingWriter *self, guint64 needed)
{
  guint64 size = gst_shm_ring_allocator_slot_size (self->slots);

  if (needed <= size)
    return TRUE;
  /* nobody knows how large the next opaque frame is: doubling keeps the number
   * of moves small */
  if (!self->picture.is_video)
    needed = MAX (needed, 2 * size);
  return gst_shm_ring_writer_grow (self, needed, 0);
}

static gboolean
gst_shm_ring_writer_grow_headers (GstShmRingWriter *self, const gchar *problem)
{
  guint size = gst_shm_ring_allocator_header_size (self->slots);

  if (size >= MAX_HEADER_SIZE) {
    gst_shm_ring_element_post_errno (
        GST_ELEMENT (self->sink), -EINVAL, problem);
    return FALSE;
  }
  return gst_shm_ring_writer_grow (self, 0, MIN (2 * size, MAX_HEADER_SIZE));
}

/* ---- What a frame says of itself ----------------------------------------- */

/* All but the picture. Returns how many metas were left out. */
static guint
gst_shm_ring_writer_describe (
    GstShmRingWriter *self, GstBuffer *buffer, struct shmring_frame_info *info)
{
  guint dropped;

  info->frame_number = self->frames;
  info->caps = self->caps_text;
  gst_shm_ring_frame_set_buffer (info, buffer);
  /* to readers of a dead writer's ring, which this one took over, it goes on */
  if (!self->had_frame)
    info->flags |= SHMRING_FRAME_DISCONT;
  gst_shm_ring_writer_keep_up (self, buffer);
  gst_shm_ring_clock_stamp_frame (self->sink, buffer,
      g_atomic_int_get (&self->is_live), self->waited, info);
  g_byte_array_set_size (self->metas, 0);
  dropped = gst_shm_ring_meta_write (self->metas, buffer);
  if (self->tags != NULL)
    gst_shm_ring_meta_write_tags (self->metas, self->tags);
  info->metas = self->metas->data;
  info->metas_size = self->metas->len;
  return dropped;
}

static GstFlowReturn
gst_shm_ring_writer_publish_slot (GstShmRingWriter *self, GstBuffer *buffer,
    struct shmring_slot *slot, struct shmring_frame_info *info,
    guint64 *counted)
{
  guint dropped_metas = gst_shm_ring_writer_describe (self, buffer, info);
  struct shmring_error error = { 0 };
  int res = shmring_writer_publish (self->handle, slot, info, NULL, &error);

  if (res >= 0) {
    GST_OBJECT_LOCK (self->sink);
    ++*counted;
    self->counts.dropped_metas += dropped_metas;
    GST_OBJECT_UNLOCK (self->sink);
    self->had_frame = TRUE;
    return GST_FLOW_OK;
  }
  if (res == -EMSGSIZE)
    return gst_shm_ring_writer_grow_headers (self, error.message)
        ? FLOW_AGAIN
        : GST_FLOW_ERROR;
  if (res == -ESTALE)
    return FLOW_AGAIN;
  gst_shm_ring_element_post_errno (
      GST_ELEMENT (self->sink), res, error.message);
  return GST_FLOW_ERROR;
}

/* ---- In place ------------------------------------------------------------ */

/* FLOW_AGAIN: BUFFER does not lie in a slot that can be published, or somebody
 * has it mapped for writing and could change what readers have taken. */
static GstFlowReturn
gst_shm_ring_writer_publish_in_place (GstShmRingWriter *self, GstBuffer *buffer)
{
  struct shmring_frame_info info;
  struct shmring_slot *slot;
  gsize offset;

  slot = gst_shm_ring_allocator_slot_of (self->slots, buffer, &offset);
  if (slot == NULL
      || !gst_shm_ring_picture_describe_in_place (
          &self->picture, buffer, offset, &info)
      || !gst_shm_ring_allocator_seal (buffer))
    return FLOW_AGAIN;
  return gst_shm_ring_writer_publish_slot (
      self, buffer, slot, &info, &self->counts.in_place);
}

/* ---- Copied -------------------------------------------------------------- */

static GstFlowReturn
gst_shm_ring_writer_fill (
    GstShmRingWriter *self, GstBuffer *buffer, struct shmring_slot *slot)
{
  const GstVideoInfo *video = &self->picture.video;

  if (gst_shm_ring_picture_copy (&self->picture, buffer, slot->data))
    return GST_FLOW_OK;
  GST_ELEMENT_ERROR (self->sink, STREAM, FORMAT,
      ("A buffer of %" G_GSIZE_FORMAT " bytes came to the ring \"%s\", where "
       "%s of %ux%u takes %" G_GSIZE_FORMAT " bytes in rows of %d. Pad the "
       "rows, or add a GstVideoMeta that says how they lie.",
          gst_buffer_get_size (buffer), self->ring, GST_VIDEO_INFO_NAME (video),
          GST_VIDEO_INFO_WIDTH (video), GST_VIDEO_INFO_HEIGHT (video),
          GST_VIDEO_INFO_SIZE (video), GST_VIDEO_INFO_PLANE_STRIDE (video, 0)),
      (NULL));
  return GST_FLOW_ERROR;
}

static GstFlowReturn
gst_shm_ring_writer_try_copy (GstShmRingWriter *self, GstBuffer *buffer)
{
  struct shmring_slot slot = { 0 };
  struct shmring_frame_info info;
  GstFlowReturn flow = gst_shm_ring_writer_loan (self, buffer, &slot);

  if (flow == GST_FLOW_OK) {
    gst_shm_ring_allocator_set_ended (self->slots, FALSE);
    flow = gst_shm_ring_writer_fill (self, buffer, &slot);
  }
  if (flow == GST_FLOW_OK) {
    gst_shm_ring_picture_describe (&self->picture, buffer, &info);
    flow = gst_shm_ring_writer_publish_slot (
        self, buffer, &slot, &info, &self->counts.copied);
  }
  shmring_slot_return (&slot);
  return flow;
}

static GstFlowReturn
gst_shm_ring_writer_publish_copy (GstShmRingWriter *self, GstBuffer *buffer)
{
  const gsize needed = gst_shm_ring_picture_size (&self->picture, buffer);
  GstFlowReturn flow;

  do {
    if (!gst_shm_ring_writer_grow_slots (self, needed))
      return GST_FLOW_ERROR;
    flow = gst_shm_ring_writer_try_copy (self, buffer);
  } while (flow == FLOW_AGAIN);
  return flow;
}

/* ---- Any frame ----------------------------------------------------------- */

static void
gst_shm_ring_writer_drop (GstShmRingWriter *self, GstBuffer *buffer)
{
  const GstSegment *segment = &self->sink->segment;
  struct shmring_writer_stats stats;
  GstMessage *message;

  shmring_writer_drop (self->handle);
  shmring_writer_get_stats (self->handle, &stats);
  message = gst_message_new_qos (GST_OBJECT (self->sink),
      g_atomic_int_get (&self->is_live),
      gst_shm_ring_clock_running_time (segment, GST_BUFFER_PTS (buffer)),
      gst_segment_to_stream_time (
          segment, segment->format, GST_BUFFER_PTS (buffer)),
      GST_BUFFER_PTS (buffer), GST_BUFFER_DURATION (buffer));
  gst_message_set_qos_stats (
      message, GST_FORMAT_BUFFERS, stats.published, stats.dropped);
  gst_element_post_message (GST_ELEMENT (self->sink), message);
}

/* The ring is made with the caps; why it was not may have been told. */
static GstFlowReturn
gst_shm_ring_writer_refuse (GstShmRingWriter *self)
{
  if (!self->is_refused)
    GST_ELEMENT_ERROR (self->sink, STREAM, FORMAT,
        ("A buffer without caps came to the ring \"%s\", and nobody can tell "
         "what is in it. Say it in front of the ring: caps of appsrc, or a "
         "parser or typefind behind a file.",
            self->ring),
        (NULL));
  return GST_FLOW_NOT_NEGOTIATED;
}

static GstFlowReturn
gst_shm_ring_writer_publish_any (GstShmRingWriter *self, GstBuffer *buffer)
{
  GstFlowReturn flow;

  if (self->handle == NULL)
    return gst_shm_ring_writer_refuse (self);
  flow = gst_shm_ring_writer_wait_reader (self, buffer);
  if (flow != GST_FLOW_OK)
    return flow;
  gst_shm_ring_writer_resume (self);
  flow = gst_shm_ring_writer_publish_in_place (self, buffer);
  if (flow == FLOW_AGAIN)
    flow = gst_shm_ring_writer_publish_copy (self, buffer);
  if (flow != FLOW_DROP)
    return flow;
  gst_shm_ring_writer_drop (self, buffer);
  return GST_FLOW_OK;
}

GstFlowReturn
gst_shm_ring_writer_publish (GstShmRingWriter *self, GstBuffer *buffer)
{
  GstFlowReturn flow = gst_shm_ring_writer_publish_any (self, buffer);

  self->frames++;
  return flow;
}

GstFlowReturn
gst_shm_ring_writer_publish_gap (GstShmRingWriter *self, GstEvent *gap)
{
  GstBuffer *empty;
  GstFlowReturn flow;

  if (self->handle == NULL)
    return GST_FLOW_OK;
  empty = gst_buffer_new ();
  gst_event_parse_gap (
      gap, &GST_BUFFER_PTS (empty), &GST_BUFFER_DURATION (empty));
  GST_BUFFER_FLAG_SET (empty, GST_BUFFER_FLAG_GAP);
  flow = gst_shm_ring_writer_publish_any (self, empty);
  gst_buffer_unref (empty);
  return flow;
}
