/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringsrc.h"

#include "gstshmringmeta.h"

/* ---- Caps ---------------------------------------------------------------- */

static void
gst_shm_ring_src_stream_set_caps (
    GstShmRingSrcStream *self, GstCaps *caps, const GstShmRingFormat *format)
{
  const GstStructure *structure = gst_caps_get_structure (caps, 0);

  self->is_audio = gst_structure_has_name (structure, "audio/x-raw")
      && gst_audio_info_from_caps (&self->audio, caps);
  GST_OBJECT_LOCK (self->src);
  gst_caps_replace (&self->caps, caps);
  self->format = *format;
  GST_OBJECT_UNLOCK (self->src);
}

static void
gst_shm_ring_src_stream_forget_caps (GstShmRingSrcStream *self)
{
  GST_OBJECT_LOCK (self->src);
  gst_clear_caps (&self->caps);
  GST_OBJECT_UNLOCK (self->src);
  g_clear_pointer (&self->caps_text, g_free);
}

/* A caps event that is refused shows only with the next buffer, so downstream
 * is asked before. */
static gboolean
gst_shm_ring_src_stream_push_caps (
    GstShmRingSrcStream *self, GstCaps *caps, const GstShmRingFormat *format)
{
  gst_shm_ring_src_stream_set_caps (self, caps, format);
  return gst_pad_peer_query_accept_caps (GST_BASE_SRC_PAD (self->src), caps)
      && gst_base_src_set_caps (self->src, caps)
      && gst_base_src_negotiate (self->src);
}

static GstFlowReturn
gst_shm_ring_src_stream_refused (GstShmRingSrcStream *self, GstCaps *caps)
{
  gst_shm_ring_src_stream_forget_caps (self);
  if (GST_PAD_IS_FLUSHING (GST_BASE_SRC_PAD (self->src)))
    return GST_FLOW_FLUSHING;
  GST_ELEMENT_ERROR (self->src, STREAM, WRONG_TYPE,
      ("The ring \"%s\" carries what the element after %s does not take. Put "
       "a converter (videoconvert) or another caps filter between.",
          self->reader->ring, GST_OBJECT_NAME (self->src)),
      ("%" GST_PTR_FORMAT, caps));
  return GST_FLOW_NOT_NEGOTIATED;
}

/* Takes CAPS, which INFO's frame has. */
static GstFlowReturn
gst_shm_ring_src_stream_change_caps (GstShmRingSrcStream *self,
    const struct shmring_frame_info *info, GstCaps *caps,
    const GstShmRingFormat *format)
{
  GstFlowReturn flow = GST_FLOW_OK;

  g_free (self->caps_text);
  self->caps_text = g_strdup (info->caps);
  gst_shm_ring_src_time_set_caps (self->time, caps);
  if ((self->caps == NULL || !gst_caps_is_equal (self->caps, caps))
      && !gst_shm_ring_src_stream_push_caps (self, caps, format))
    flow = gst_shm_ring_src_stream_refused (self, caps);
  return flow;
}

static GstFlowReturn
gst_shm_ring_src_stream_update_caps (GstShmRingSrcStream *self,
    const struct shmring_frame_info *info, const gchar **problem)
{
  GstFlowReturn flow = GST_FLOW_OK;
  GstShmRingFormat format;
  GstCaps *caps;

  if (info->caps != NULL && g_strcmp0 (info->caps, self->caps_text) == 0) {
    *problem = gst_shm_ring_frame_problem (info, &self->format);
    return GST_FLOW_OK;
  }
  caps = gst_shm_ring_frame_get_caps (info, problem);
  if (caps == NULL)
    return GST_FLOW_OK;
  if (!gst_shm_ring_format_set_caps (&format, caps))
    *problem = "its caps say a format or a size that cannot be";
  else
    *problem = gst_shm_ring_frame_problem (info, &format);
  if (*problem == NULL)
    flow = gst_shm_ring_src_stream_change_caps (self, info, caps, &format);
  gst_caps_unref (caps);
  return flow;
}

/* ---- Tags ---------------------------------------------------------------- */

/* A frame without tags: the stream has none any more. Downstream keeps what it
 * was told, so the end of an orientation is told too. */
static GstTagList *
gst_shm_ring_src_stream_upright (void)
{
  return gst_tag_list_new (GST_TAG_IMAGE_ORIENTATION, "rotate-0", NULL);
}

static void
gst_shm_ring_src_stream_update_tags (
    GstShmRingSrcStream *self, const struct shmring_frame_info *info)
{
  const gchar *text =
      gst_shm_ring_meta_find_tags (info->metas, info->metas_size);
  GstTagList *tags;

  if (g_strcmp0 (text, self->tags_text) == 0)
    return;
  g_free (self->tags_text);
  self->tags_text = g_strdup (text);
  tags = gst_shm_ring_meta_parse_tags (text);
  if (tags == NULL && self->tags != NULL)
    tags = gst_shm_ring_src_stream_upright ();
  if (tags == NULL
      || (self->tags != NULL && gst_tag_list_is_equal (tags, self->tags))) {
    gst_clear_tag_list (&tags);
    return;
  }
  gst_clear_tag_list (&self->tags);
  self->tags = tags;
  /* the base class sends it where it belongs: after the segment, before the
   * next buffer */
  gst_element_send_event (
      GST_ELEMENT (self->src), gst_event_new_tag (gst_tag_list_ref (tags)));
}

GstFlowReturn
gst_shm_ring_src_stream_update (GstShmRingSrcStream *self,
    const struct shmring_frame_info *info, const gchar **problem)
{
  GstFlowReturn flow =
      gst_shm_ring_src_stream_update_caps (self, info, problem);

  if (flow == GST_FLOW_OK && *problem == NULL)
    gst_shm_ring_src_stream_update_tags (self, info);
  return flow;
}

/* ---- Buffers ------------------------------------------------------------- */

static GstBuffer *
gst_shm_ring_src_stream_copy (GstShmRingSrcStream *self, GstBuffer *buffer)
{
  GstBuffer *copy = gst_shm_ring_video_copy_out (&self->format.video, buffer);

  if (copy == NULL) {
    GST_ELEMENT_ERROR (self->src, RESOURCE, NO_SPACE_LEFT,
        ("There is no memory for a copy of a frame."), (NULL));
    return NULL;
  }
  gst_shm_ring_src_reader_count (self->reader, &self->reader->stats.copied);
  return copy;
}

static gboolean
gst_shm_ring_src_stream_needs_copy (
    GstShmRingSrcStream *self, const struct shmring_frame_info *info)
{
  return self->format.is_video && !self->takes_video_meta
      && !gst_shm_ring_frame_is_default_layout (info, &self->format.video);
}

GstBuffer *
gst_shm_ring_src_stream_make_buffer (
    GstShmRingSrcStream *self, struct shmring_frame *frame)
{
  const struct shmring_frame_info *info = &frame->info;
  const GstShmRingMetaStream stream = {
    .video = self->format.is_video ? &self->format.video : NULL,
    .audio = self->is_audio ? &self->audio : NULL
  };
  GstBuffer *buffer = gst_shm_ring_frame_wrap (frame, stream.video);
  GstBuffer *out = buffer;

  if (gst_shm_ring_src_stream_needs_copy (self, info))
    out = gst_shm_ring_src_stream_copy (self, buffer);
  if (out != NULL) {
    gst_shm_ring_meta_read (out, info->metas, info->metas_size, &stream);
    gst_shm_ring_frame_add_capture_time (info, out);
  }
  if (out != buffer)
    gst_buffer_unref (buffer);
  return out;
}

/* ---- Headers ------------------------------------------------------------- */

static GstBuffer *
gst_shm_ring_src_stream_copy_header (const GValue *header, GstBuffer *frame)
{
  GstBuffer *copy = gst_buffer_copy (gst_value_get_buffer (header));

  GST_BUFFER_FLAG_SET (copy, GST_BUFFER_FLAG_HEADER);
  GST_BUFFER_PTS (copy) = GST_BUFFER_PTS (frame);
  GST_BUFFER_DTS (copy) = GST_BUFFER_DTS (frame);
  return copy;
}

GstBufferList *
gst_shm_ring_src_stream_with_headers (
    GstShmRingSrcStream *self, GstBuffer *buffer)
{
  const GValue *headers = gst_structure_get_value (
      gst_caps_get_structure (self->caps, 0), "streamheader");
  GstBufferList *list;

  if (headers == NULL || !GST_VALUE_HOLDS_ARRAY (headers)
      || gst_value_array_get_size (headers) == 0
      || GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_HEADER))
    return NULL;
  list = gst_buffer_list_new ();
  for (guint i = 0; i < gst_value_array_get_size (headers); i++) {
    const GValue *header = gst_value_array_get_value (headers, i);

    if (GST_VALUE_HOLDS_BUFFER (header) && gst_value_get_buffer (header))
      gst_buffer_list_add (
          list, gst_shm_ring_src_stream_copy_header (header, buffer));
  }
  gst_buffer_list_add (list, buffer);
  return list;
}

/* Before a segment's first buffer downstream does not have it, and nothing that
 * a gap could be in. */
void
gst_shm_ring_src_stream_push_gap (GstShmRingSrcStream *self,
    const struct shmring_frame_info *info, GstClockTime time)
{
  GstPad *pad = GST_BASE_SRC_PAD (self->src);
  GstEvent *segment = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);

  if (segment != NULL && GST_CLOCK_TIME_IS_VALID (time))
    gst_pad_push_event (
        pad, gst_event_new_gap (time, MAX (info->duration_ns, -1)));
  gst_clear_event (&segment);
}

/* ---- Downstream ---------------------------------------------------------- */

/* Frames lie where they lie: a pool of downstream's is of no use, its metas
 * are. */
void
gst_shm_ring_src_stream_set_allocation (
    GstShmRingSrcStream *self, GstQuery *query)
{
  self->takes_video_meta =
      gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  while (gst_query_get_n_allocation_pools (query) > 0)
    gst_query_remove_nth_allocation_pool (query, 0);
}

/* ---- Any thread ---------------------------------------------------------- */

GstCaps *
gst_shm_ring_src_stream_get_caps (GstShmRingSrcStream *self)
{
  GstCaps *caps = NULL;

  GST_OBJECT_LOCK (self->src);
  gst_caps_replace (&caps, self->caps);
  GST_OBJECT_UNLOCK (self->src);
  return caps;
}

GstClockTime
gst_shm_ring_src_stream_get_frame_duration (GstShmRingSrcStream *self)
{
  GstClockTime duration = GST_CLOCK_TIME_NONE;

  GST_OBJECT_LOCK (self->src);
  if (self->caps != NULL && self->format.is_video)
    duration = gst_shm_ring_video_frame_duration (&self->format.video);
  GST_OBJECT_UNLOCK (self->src);
  return duration;
}

void
gst_shm_ring_src_stream_forget (GstShmRingSrcStream *self)
{
  gst_shm_ring_src_stream_forget_caps (self);
  gst_clear_tag_list (&self->tags);
  g_clear_pointer (&self->tags_text, g_free);
}
