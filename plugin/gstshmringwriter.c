/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringwriter.h"

#include <errno.h>

#include "gstshmringclock.h"
#include "gstshmringelement.h"
#include "gstshmringframe.h"
#include "gstshmringvideo.h"

#define DEFAULT_OPAQUE_SIZE (1024 * 1024)
#define MAX_HEADER_SIZE 65536

/* The frame has no slot and will get none. */
#define FLOW_DROP GST_FLOW_CUSTOM_SUCCESS
/* The ring has other sizes now: the frame needs another slot. */
#define FLOW_AGAIN GST_FLOW_CUSTOM_SUCCESS_1

void
gst_shm_ring_writer_start (GstShmRingWriter *self, gchar *ring,
    const GstShmRingWriterSettings *settings)
{
  self->ring = ring;
  self->settings = *settings;
  /* a ring of few slots lends less, without a setting of its own */
  self->settings.options.lend_limit =
      MIN (settings->options.lend_limit, settings->options.slots - 2);
  self->had_reader = FALSE;
  self->waited = 0;
  self->frames = 0;
}

/* ---- The ring ------------------------------------------------------------ */

static gboolean
gst_shm_ring_writer_open_ring (GstShmRingWriter *self)
{
  struct shmring_writer *handle;
  struct shmring_error error = { 0 };
  int res = shmring_writer_open (
      self->ring, &self->settings.options, &handle, &error);

  if (res < 0) {
    gst_shm_ring_element_post_errno (
        GST_ELEMENT (self->sink), res, error.message);
    return FALSE;
  }
  GST_OBJECT_LOCK (self->sink);
  self->handle = handle;
  if (g_atomic_int_get (&self->unlocked))
    shmring_writer_interrupt (handle, true);
  GST_OBJECT_UNLOCK (self->sink);
  return TRUE;
}

static gboolean
gst_shm_ring_writer_resize_ring (
    GstShmRingWriter *self, guint64 slot_size, guint header_size)
{
  struct shmring_error error = { 0 };
  int res = shmring_writer_resize (self->handle, self->settings.options.slots,
      slot_size, header_size, &error);

  if (res < 0) {
    gst_shm_ring_element_post_errno (
        GST_ELEMENT (self->sink), res, error.message);
    return FALSE;
  }
  self->settings.options.slot_size = slot_size;
  self->settings.options.header_size = header_size;
  return TRUE;
}

static gboolean
gst_shm_ring_writer_grow_slots (GstShmRingWriter *self, guint64 needed)
{
  guint64 size = needed;

  if (needed <= self->settings.options.slot_size)
    return TRUE;
  /* nobody knows how large the next opaque frame is: doubling keeps the number
   * of moves small */
  if (!self->is_video)
    size = MAX (needed, 2 * self->settings.options.slot_size);
  return gst_shm_ring_writer_resize_ring (
      self, size, self->settings.options.header_size);
}

static gboolean
gst_shm_ring_writer_grow_headers (GstShmRingWriter *self, const gchar *problem)
{
  if (self->settings.options.header_size >= MAX_HEADER_SIZE) {
    gst_shm_ring_element_post_errno (
        GST_ELEMENT (self->sink), -EINVAL, problem);
    return FALSE;
  }
  return gst_shm_ring_writer_resize_ring (self,
      self->settings.options.slot_size, self->settings.options.header_size * 2);
}

static guint64
gst_shm_ring_writer_first_size (GstShmRingWriter *self)
{
  guint64 wanted = self->settings.options.slot_size;

  if (self->is_video)
    return MAX (wanted, GST_VIDEO_INFO_SIZE (&self->video));
  return wanted != 0 ? wanted : DEFAULT_OPAQUE_SIZE;
}

/* ---- Caps ---------------------------------------------------------------- */

/* Readers with a clock add the writer's latency to theirs. */
static void
gst_shm_ring_writer_update_latency (GstShmRingWriter *self)
{
  GstQuery *query = gst_query_new_latency ();
  GstClockTime min = 0, max = GST_CLOCK_TIME_NONE;
  gboolean live = FALSE;

  if (gst_pad_peer_query (GST_BASE_SINK_PAD (self->sink), query))
    gst_query_parse_latency (query, &live, &min, &max);
  gst_query_unref (query);
  self->is_live = live;
  shmring_writer_set_latency (self->handle, live ? (gint64) min : 0);
}

static gboolean
gst_shm_ring_writer_parse_caps (GstShmRingWriter *self, GstCaps *caps)
{
  const gchar *name = gst_structure_get_name (gst_caps_get_structure (caps, 0));

  self->is_video = FALSE;
  if (!g_str_equal (name, "video/x-raw"))
    return TRUE;
  if (!gst_video_info_from_caps (&self->video, caps)) {
    GST_ELEMENT_ERROR (self->sink, STREAM, FORMAT,
        ("The ring \"%s\" cannot carry these caps.", self->ring),
        ("%" GST_PTR_FORMAT, caps));
    return FALSE;
  }
  self->is_video =
      GST_VIDEO_INFO_FORMAT (&self->video) != GST_VIDEO_FORMAT_ENCODED;
  return TRUE;
}

gboolean
gst_shm_ring_writer_set_caps (GstShmRingWriter *self, GstCaps *caps)
{
  if (!gst_shm_ring_writer_parse_caps (self, caps))
    return FALSE;
  g_free (self->caps_text);
  self->caps_text = gst_caps_to_string (caps);
  if (self->handle == NULL) {
    self->settings.options.slot_size = gst_shm_ring_writer_first_size (self);
    if (!gst_shm_ring_writer_open_ring (self))
      return FALSE;
  }
  gst_shm_ring_writer_update_latency (self);
  return TRUE;
}

/* ---- Frames -------------------------------------------------------------- */

/* With the preroll lock, after a time without it: BUFFER prerolls if the sink
 * needs that now, and goes on in PLAYING. While unlocked, whoever changes the
 * state is about to take the lock. */
static GstFlowReturn
gst_shm_ring_writer_settle (GstShmRingWriter *self, GstBuffer *buffer)
{
  GstBaseSink *sink = self->sink;
  GstFlowReturn flow = GST_FLOW_OK;

  while (flow == GST_FLOW_OK && !sink->flushing
      && (sink->need_preroll || g_atomic_int_get (&self->unlocked))) {
    if (sink->need_preroll)
      flow = gst_base_sink_do_preroll (sink, GST_MINI_OBJECT_CAST (buffer));
    else
      flow = gst_base_sink_wait_preroll (sink);
  }
  return sink->flushing ? GST_FLOW_FLUSHING : flow;
}

/* Waits are done without the preroll lock, as the base class waits for the
 * clock: a change to PLAYING needs it too, and nothing would interrupt for
 * that. An interruption stays until the next wait begins, so that none is
 * missed. */
static GstFlowReturn
gst_shm_ring_writer_begin_wait (GstShmRingWriter *self, GstBuffer *buffer)
{
  GstFlowReturn flow = gst_shm_ring_writer_settle (self, buffer);

  if (flow != GST_FLOW_OK)
    return flow;
  GST_OBJECT_LOCK (self->sink);
  if (!g_atomic_int_get (&self->unlocked))
    shmring_writer_interrupt (self->handle, false);
  GST_OBJECT_UNLOCK (self->sink);
  GST_BASE_SINK_PREROLL_UNLOCK (self->sink);
  return GST_FLOW_OK;
}

static void
gst_shm_ring_writer_end_wait (GstShmRingWriter *self)
{
  GST_BASE_SINK_PREROLL_LOCK (self->sink);
}

static GstFlowReturn
gst_shm_ring_writer_fail (GstShmRingWriter *self, int res)
{
  gchar *text = g_strdup_printf (
      "The ring \"%s\" cannot be written: %s.", self->ring, g_strerror (-res));

  gst_shm_ring_element_post_errno (GST_ELEMENT (self->sink), res, text);
  g_free (text);
  return GST_FLOW_ERROR;
}

static GstFlowReturn
gst_shm_ring_writer_wait_reader (GstShmRingWriter *self, GstBuffer *buffer)
{
  gint64 begin = g_get_monotonic_time ();
  GstFlowReturn flow;
  int res;

  if (!self->settings.wait_for_connection || self->had_reader)
    return GST_FLOW_OK;
  do {
    flow = gst_shm_ring_writer_begin_wait (self, buffer);
    if (flow != GST_FLOW_OK)
      return flow;
    res = shmring_writer_wait_reader (self->handle, SHMRING_FOREVER);
    gst_shm_ring_writer_end_wait (self);
  } while (res == SHMRING_INTERRUPTED);
  if (res < 0)
    return gst_shm_ring_writer_fail (self, res);
  self->had_reader = TRUE;
  /* a stream that is not live begins when somebody is there */
  if (!self->is_live)
    self->waited = (g_get_monotonic_time () - begin) * GST_USECOND;
  return gst_shm_ring_writer_settle (self, buffer);
}

static GstFlowReturn
gst_shm_ring_writer_loan (
    GstShmRingWriter *self, GstBuffer *buffer, struct shmring_slot *slot)
{
  gint64 end = gst_shm_ring_element_wait_end (self->settings.timeout);
  GstFlowReturn flow;
  int res;

  do {
    flow = gst_shm_ring_writer_begin_wait (self, buffer);
    if (flow != GST_FLOW_OK)
      return flow;
    res = shmring_writer_loan (self->handle, SHMRING_LOAN_FILL,
        gst_shm_ring_element_wait_left (end), slot);
    gst_shm_ring_writer_end_wait (self);
  } while (res == SHMRING_INTERRUPTED);
  if (res < 0)
    return gst_shm_ring_writer_fail (self, res);
  flow = gst_shm_ring_writer_settle (self, buffer);
  if (flow != GST_FLOW_OK)
    return flow;
  return res == SHMRING_OK ? GST_FLOW_OK : FLOW_DROP;
}

static GstFlowReturn
gst_shm_ring_writer_fill (
    GstShmRingWriter *self, GstBuffer *buffer, struct shmring_slot *slot)
{
  if (!self->is_video) {
    gst_buffer_extract (buffer, 0, slot->data, slot->size);
    return GST_FLOW_OK;
  }
  if (gst_shm_ring_video_copy_in (&self->video, buffer, slot->data))
    return GST_FLOW_OK;
  GST_ELEMENT_ERROR (self->sink, STREAM, FORMAT,
      ("A buffer of %" G_GSIZE_FORMAT " bytes came to the ring \"%s\", where "
       "%s of %ux%u takes %" G_GSIZE_FORMAT " bytes in rows of %d. Pad the "
       "rows, or add a GstVideoMeta that says how they lie.",
          gst_buffer_get_size (buffer), self->ring,
          GST_VIDEO_INFO_NAME (&self->video),
          GST_VIDEO_INFO_WIDTH (&self->video),
          GST_VIDEO_INFO_HEIGHT (&self->video),
          GST_VIDEO_INFO_SIZE (&self->video),
          GST_VIDEO_INFO_PLANE_STRIDE (&self->video, 0)),
      (NULL));
  return GST_FLOW_ERROR;
}

static void
gst_shm_ring_writer_describe (
    GstShmRingWriter *self, GstBuffer *buffer, struct shmring_frame_info *info)
{
  info->frame_number = self->frames;
  info->caps = self->caps_text;
  info->fps_den = 1;
  info->size = gst_buffer_get_size (buffer);
  if (self->is_video)
    gst_shm_ring_frame_set_video (info, &self->video);
  gst_shm_ring_frame_set_buffer (info, buffer);
  /* to readers of a dead writer's ring, which this one took over, it goes on */
  if (self->frames == 0)
    info->flags |= SHMRING_FRAME_DISCONT;
  gst_shm_ring_clock_stamp_frame (
      self->sink, buffer, self->is_live, self->waited, info);
}

static GstFlowReturn
gst_shm_ring_writer_publish_slot (
    GstShmRingWriter *self, GstBuffer *buffer, struct shmring_slot *slot)
{
  struct shmring_frame_info info = { 0 };
  struct shmring_error error = { 0 };
  int res;

  gst_shm_ring_writer_describe (self, buffer, &info);
  res = shmring_writer_publish (self->handle, slot, &info, NULL, &error);
  if (res >= 0)
    return GST_FLOW_OK;
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

static GstFlowReturn
gst_shm_ring_writer_try (GstShmRingWriter *self, GstBuffer *buffer)
{
  struct shmring_slot slot = { 0 };
  GstFlowReturn flow = gst_shm_ring_writer_loan (self, buffer, &slot);

  if (flow == GST_FLOW_OK)
    flow = gst_shm_ring_writer_fill (self, buffer, &slot);
  if (flow == GST_FLOW_OK)
    flow = gst_shm_ring_writer_publish_slot (self, buffer, &slot);
  shmring_slot_return (&slot);
  return flow;
}

static void
gst_shm_ring_writer_drop (GstShmRingWriter *self, GstBuffer *buffer)
{
  const GstSegment *segment = &self->sink->segment;
  struct shmring_writer_stats stats;
  GstMessage *message;

  shmring_writer_drop (self->handle);
  shmring_writer_get_stats (self->handle, &stats);
  message = gst_message_new_qos (GST_OBJECT (self->sink), self->is_live,
      gst_shm_ring_clock_running_time (segment, GST_BUFFER_PTS (buffer)),
      gst_segment_to_stream_time (
          segment, segment->format, GST_BUFFER_PTS (buffer)),
      GST_BUFFER_PTS (buffer), GST_BUFFER_DURATION (buffer));
  gst_message_set_qos_stats (
      message, GST_FORMAT_BUFFERS, stats.published, stats.dropped);
  gst_element_post_message (GST_ELEMENT (self->sink), message);
}

GstFlowReturn
gst_shm_ring_writer_publish (GstShmRingWriter *self, GstBuffer *buffer)
{
  guint64 needed = self->is_video ? GST_VIDEO_INFO_SIZE (&self->video)
                                  : gst_buffer_get_size (buffer);
  GstFlowReturn flow = gst_shm_ring_writer_wait_reader (self, buffer);

  if (flow != GST_FLOW_OK)
    return flow;
  if (!gst_shm_ring_writer_grow_slots (self, needed))
    return GST_FLOW_ERROR;
  do
    flow = gst_shm_ring_writer_try (self, buffer);
  while (flow == FLOW_AGAIN);
  if (flow == FLOW_DROP) {
    gst_shm_ring_writer_drop (self, buffer);
    flow = GST_FLOW_OK;
  }
  self->frames++;
  return flow;
}

/* ---- Ends ---------------------------------------------------------------- */

void
gst_shm_ring_writer_end (GstShmRingWriter *self)
{
  if (self->handle != NULL)
    shmring_writer_end (self->handle);
}

void
gst_shm_ring_writer_flush (GstShmRingWriter *self)
{
  if (self->handle != NULL)
    shmring_writer_flush (self->handle);
}

void
gst_shm_ring_writer_set_unlocked (GstShmRingWriter *self, gboolean unlocked)
{
  GST_OBJECT_LOCK (self->sink);
  g_atomic_int_set (&self->unlocked, unlocked);
  if (self->handle != NULL && unlocked)
    shmring_writer_interrupt (self->handle, true);
  GST_OBJECT_UNLOCK (self->sink);
}

void
gst_shm_ring_writer_stop (GstShmRingWriter *self)
{
  struct shmring_writer *handle;

  GST_OBJECT_LOCK (self->sink);
  handle = g_steal_pointer (&self->handle);
  GST_OBJECT_UNLOCK (self->sink);
  shmring_writer_close (handle);
  g_clear_pointer (&self->caps_text, g_free);
  g_clear_pointer (&self->ring, g_free);
}
