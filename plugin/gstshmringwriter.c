/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringwriter.h"

#include "gstshmringclock.h"
#include "gstshmringelement.h"

#define DEFAULT_OPAQUE_SIZE (1024 * 1024)

/* More than any hiccup of a stream that keeps up. */
#define LATE GST_SECOND

void
gst_shm_ring_writer_start (
    GstShmRingWriter *self, gchar *ring, const GstShmRingSinkSettings *settings)
{
  struct shmring_writer_options options = settings->options;
  GstShmRingAllocator *slots;

  self->ring = ring;
  self->settings = *settings;
  self->settings.ring_name = NULL;
  self->is_refused = FALSE;
  self->had_reader = FALSE;
  self->had_frame = FALSE;
  self->waited = 0;
  self->frames = 0;
  self->metas = g_byte_array_new ();
  /* a ring of few slots lends less, without a setting of its own */
  options.lend_limit = MIN (options.lend_limit, options.slots - 2);
  slots = gst_shm_ring_allocator_new (&options);
  GST_OBJECT_LOCK (self->sink);
  self->counts = (GstShmRingWriterCounts){ 0 };
  self->slots = slots;
  GST_OBJECT_UNLOCK (self->sink);
}

/* ---- The ring ------------------------------------------------------------ */

static gboolean
gst_shm_ring_writer_open_ring (GstShmRingWriter *self)
{
  struct shmring_error error = { 0 };
  gsize size = gst_shm_ring_picture_size (&self->picture, NULL);
  int res;

  if (self->is_refused)
    return FALSE;
  if (size == 0 && gst_shm_ring_allocator_slot_size (self->slots) == 0)
    size = DEFAULT_OPAQUE_SIZE;
  gst_shm_ring_allocator_grow (self->slots, size, 0, NULL);
  res = gst_shm_ring_allocator_open (self->slots, self->ring, &error);
  if (res < 0) {
    /* upstream tries other caps, to the same end: once is told enough */
    self->is_refused = TRUE;
    gst_shm_ring_element_post_errno (
        GST_ELEMENT (self->sink), res, error.message);
    return FALSE;
  }
  GST_OBJECT_LOCK (self->sink);
  self->handle = gst_shm_ring_allocator_writer (self->slots);
  if (g_atomic_int_get (&self->unlocked))
    shmring_writer_interrupt (self->handle, true);
  GST_OBJECT_UNLOCK (self->sink);
  return TRUE;
}

GstShmRingAllocator *
gst_shm_ring_writer_ref_slots (GstShmRingWriter *self)
{
  GstShmRingAllocator *slots;

  GST_OBJECT_LOCK (self->sink);
  slots = self->slots != NULL ? gst_object_ref (self->slots) : NULL;
  GST_OBJECT_UNLOCK (self->sink);
  return slots;
}

/* ---- Caps, tags, latency ------------------------------------------------- */

/* Frames leave a sink that keeps time when the pipeline's latency has passed,
 * any other as soon as they come. */
void
gst_shm_ring_writer_update_latency (GstShmRingWriter *self)
{
  GstShmRingAllocator *slots = gst_shm_ring_writer_ref_slots (self);
  GstQuery *query = gst_query_new_latency ();
  GstClockTime latency = 0;
  gboolean live = FALSE;

  if (gst_pad_peer_query (GST_BASE_SINK_PAD (self->sink), query))
    gst_query_parse_latency (query, &live, &latency, NULL);
  gst_query_unref (query);
  g_atomic_int_set (&self->is_live, live);
  if (gst_base_sink_get_sync (self->sink))
    latency = MAX (latency, gst_base_sink_get_latency (self->sink));
  if (slots == NULL)
    return;
  gst_shm_ring_allocator_set_latency (slots, live ? latency : 0);
  gst_object_unref (slots);
}

gboolean
gst_shm_ring_writer_set_caps (GstShmRingWriter *self, GstCaps *caps)
{
  if (!gst_shm_ring_picture_set_caps (&self->picture, caps)) {
    GST_ELEMENT_ERROR (self->sink, STREAM, FORMAT,
        ("The ring \"%s\" cannot carry these caps.", self->ring),
        ("%" GST_PTR_FORMAT, caps));
    return FALSE;
  }
  g_free (self->caps_text);
  self->caps_text = gst_caps_to_string (caps);
  if (self->handle == NULL && !gst_shm_ring_writer_open_ring (self))
    return FALSE;
  gst_shm_ring_writer_update_latency (self);
  return TRUE;
}

void
gst_shm_ring_writer_set_tags (GstShmRingWriter *self, GstTagList *tags)
{
  GstTagList *merged = tags != NULL
      ? gst_tag_list_merge (self->tags, tags, GST_TAG_MERGE_REPLACE)
      : NULL;

  g_clear_pointer (&self->tags, gst_tag_list_unref);
  self->tags = merged;
}

/* ---- Waits --------------------------------------------------------------- */

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

void
gst_shm_ring_writer_resume (GstShmRingWriter *self)
{
  GST_OBJECT_LOCK (self->sink);
  if (!g_atomic_int_get (&self->unlocked))
    shmring_writer_interrupt (self->handle, false);
  GST_OBJECT_UNLOCK (self->sink);
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
  gst_shm_ring_writer_resume (self);
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

/* How long ago BUFFER would have been due. */
static GstClockTimeDiff
gst_shm_ring_writer_lateness (GstShmRingWriter *self, GstBuffer *buffer)
{
  GstClock *clock = gst_element_get_clock (GST_ELEMENT (self->sink));
  gint64 due = gst_shm_ring_clock_running_time (
      &self->sink->segment, GST_BUFFER_PTS (buffer));
  GstClockTimeDiff now;

  if (clock == NULL)
    return 0;
  now = gst_clock_get_time (clock)
      - gst_element_get_base_time (GST_ELEMENT (self->sink));
  gst_object_unref (clock);
  return due == SHMRING_TIME_NONE ? 0 : MAX (now - due, 0);
}

/* A stream that is not live and cannot keep up with the clock has no place on
 * it: its frames would be older than every reader that comes late, for ever. It
 * goes on from now. */
void
gst_shm_ring_writer_keep_up (GstShmRingWriter *self, GstBuffer *buffer)
{
  GstClockTimeDiff late;

  if (g_atomic_int_get (&self->is_live)
      || GST_STATE (self->sink) != GST_STATE_PLAYING)
    return;
  late = gst_shm_ring_writer_lateness (self, buffer) - self->waited;
  if (late > LATE)
    self->waited += late;
}

GstFlowReturn
gst_shm_ring_writer_wait_reader (GstShmRingWriter *self, GstBuffer *buffer)
{
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
  if (!g_atomic_int_get (&self->is_live))
    self->waited = gst_shm_ring_writer_lateness (self, buffer);
  return gst_shm_ring_writer_settle (self, buffer);
}

GstFlowReturn
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
  return res == SHMRING_OK ? GST_FLOW_OK : GST_SHM_RING_FLOW_DROP;
}

/* ---- Ends ---------------------------------------------------------------- */

void
gst_shm_ring_writer_end (GstShmRingWriter *self)
{
  if (self->handle == NULL)
    return;
  gst_shm_ring_allocator_set_ended (self->slots, TRUE);
  shmring_writer_end (self->handle);
}

void
gst_shm_ring_writer_flush (GstShmRingWriter *self)
{
  if (self->handle == NULL)
    return;
  shmring_writer_flush (self->handle);
  self->waited = 0; /* running time begins anew */
  gst_shm_ring_allocator_set_ended (self->slots, FALSE);
  gst_shm_ring_writer_resume (self);
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
  GstShmRingAllocator *slots;

  GST_OBJECT_LOCK (self->sink);
  self->handle = NULL;
  slots = g_steal_pointer (&self->slots);
  GST_OBJECT_UNLOCK (self->sink);
  if (slots != NULL)
    gst_shm_ring_allocator_close (slots);
  g_clear_object (&slots);
  g_clear_pointer (&self->metas, g_byte_array_unref);
  g_clear_pointer (&self->tags, gst_tag_list_unref);
  g_clear_pointer (&self->caps_text, g_free);
  g_clear_pointer (&self->ring, g_free);
}
