/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringsink.h"

#include <errno.h>

#include "gstshmring.h"
#include "gstshmringclock.h"
#include "gstshmringmeta.h"

#define DEFAULT_OPAQUE_SIZE (1024 * 1024)
#define LIVE_PATIENCE (1 * GST_SECOND)

/* The frame has no slot and will get none. */
#define FLOW_DROP GST_FLOW_CUSTOM_SUCCESS
/* It cannot be published from the slot it has: it needs another one, and a
 * copy. */
#define FLOW_AGAIN GST_FLOW_CUSTOM_SUCCESS_1

/* ---- Errors -------------------------------------------------------------- */

/* Takes TEXT. */
static void
gst_shm_ring_sink_ring_set_error (
    GstShmRingSinkRing *self, GQuark domain, gint code, gchar *text)
{
  g_free (self->error_text);
  self->error_domain = domain;
  self->error_code = code;
  self->error_text = text;
}

static GstFlowReturn
gst_shm_ring_sink_ring_fail (
    GstShmRingSinkRing *self, int res, const gchar *text)
{
  gst_shm_ring_sink_ring_set_error (self, GST_RESOURCE_ERROR,
      gst_shm_ring_element_resource_error (res), g_strdup (text));
  return GST_FLOW_ERROR;
}

static void
gst_shm_ring_sink_ring_post_error (GstShmRingSinkRing *self)
{
  gst_element_message_full (GST_ELEMENT (self->sink), GST_MESSAGE_ERROR,
      self->error_domain, self->error_code, g_steal_pointer (&self->error_text),
      NULL, __FILE__, G_STRFUNC, __LINE__);
}

/* What is posted may be heard by somebody who stops the sink, from here. */
static void
gst_shm_ring_sink_ring_tell (GstShmRingSinkRing *self)
{
  GST_BASE_SINK_PREROLL_UNLOCK (self->sink);
  gst_shm_ring_sink_ring_post_error (self);
  GST_BASE_SINK_PREROLL_LOCK (self->sink);
}

/* Takes TEXT. What is said while frames flow is posted by the watch thread. */
static void
gst_shm_ring_sink_ring_warn (
    GstShmRingSinkRing *self, GQuark domain, gint code, gchar *text)
{
  GError *error = g_error_new_literal (domain, code, text);

  gst_shm_ring_sink_watch_post (self->watch,
      gst_message_new_warning (GST_OBJECT (self->sink), error, NULL));
  g_error_free (error);
  g_free (text);
}

/* ---- The ring ------------------------------------------------------------ */

/* Never writes the owner, not even the same again: who asks meanwhile reads it
 * to lock it. */
void
gst_shm_ring_sink_ring_start (GstShmRingSinkRing *self, gchar *name,
    const GstShmRingSinkSettings *settings)
{
  struct shmring_writer_options options = settings->options;
  GstShmRingAllocator *slots;

  gst_shm_ring_sink_time_start (&self->time, self->sink);
  options.timeline = self->time.timeline;
  /* a ring of few slots lends less, without a setting of its own */
  options.lend_limit = MIN (options.lend_limit, options.slots - 2);
  slots = gst_shm_ring_allocator_new (&options);
  GST_OBJECT_LOCK (self->sink);
  self->name = name;
  self->settings = *settings;
  self->slots = slots;
  self->in_place = self->copied = self->dropped_metas = 0;
  GST_OBJECT_UNLOCK (self->sink);
  g_atomic_int_set (&self->had_hint, FALSE);
  self->is_refused = self->has_last_headers = FALSE;
  self->had_reader = self->had_frame = self->had_jump = FALSE;
  self->told_latency = 0;
  self->frames = self->slot_size = 0;
  self->tags_size = 0;
  self->metas = g_byte_array_new ();
  self->left_out = g_ptr_array_new ();
  self->told_metas = g_hash_table_new (NULL, NULL);
  self->watch = gst_shm_ring_sink_watch_new (
      GST_ELEMENT (self->sink), name, slots, self->time.timeline);
}

static gint64
gst_shm_ring_sink_ring_get_patience (GstShmRingSinkRing *self)
{
  if (self->settings.timeout != GST_SHM_RING_SINK_TIMEOUT_AUTO)
    return self->settings.timeout;
  return g_atomic_int_get (&self->time.is_live) ? LIVE_PATIENCE
                                                : SHMRING_FOREVER;
}

static gboolean
gst_shm_ring_sink_ring_open (GstShmRingSinkRing *self)
{
  gsize size = self->format.info.size;
  struct shmring_error error = { 0 };
  int res;

  if (size == 0 && gst_shm_ring_allocator_slot_size (self->slots) == 0)
    size = DEFAULT_OPAQUE_SIZE;
  gst_shm_ring_allocator_grow (self->slots, size, 0, NULL);
  gst_shm_ring_sink_time_ask (&self->time);
  res = gst_shm_ring_allocator_open (self->slots, self->name,
      gst_shm_ring_sink_ring_get_patience (self), &self->writer, &error);
  if (res >= 0)
    return TRUE;
  /* upstream tries other caps, to the same end: once is told enough */
  self->is_refused = TRUE;
  gst_shm_ring_sink_ring_fail (self, res, error.message);
  return FALSE;
}

GstShmRingAllocator *
gst_shm_ring_sink_ring_ref_slots (GstShmRingSinkRing *self)
{
  GstShmRingAllocator *slots;

  GST_OBJECT_LOCK (self->sink);
  slots = self->slots != NULL ? gst_object_ref (self->slots) : NULL;
  GST_OBJECT_UNLOCK (self->sink);
  return slots;
}

/* The ring closes first, so that the watch reports its readers as detached. */
void
gst_shm_ring_sink_ring_stop (GstShmRingSinkRing *self)
{
  GstStructure *stats = gst_shm_ring_sink_ring_get_stats (self);
  GstShmRingAllocator *slots;

  self->writer = NULL;
  GST_OBJECT_LOCK (self->sink);
  slots = g_steal_pointer (&self->slots);
  gst_clear_structure (&self->last_stats);
  self->last_stats = stats;
  GST_OBJECT_UNLOCK (self->sink);
  if (slots != NULL)
    gst_shm_ring_allocator_close (slots);
  g_clear_pointer (&self->watch, gst_shm_ring_sink_watch_free);
  gst_shm_ring_sink_time_stop (&self->time);
  g_clear_object (&slots);
  g_clear_pointer (&self->metas, g_byte_array_unref);
  g_clear_pointer (&self->left_out, g_ptr_array_unref);
  g_clear_pointer (&self->told_metas, g_hash_table_unref);
  gst_clear_tag_list (&self->tags);
  g_clear_pointer (&self->caps_text, g_free);
  g_clear_pointer (&self->name, g_free);
}

/* ---- Caps, tags, latency ------------------------------------------------- */

void
gst_shm_ring_sink_ring_update_latency (GstShmRingSinkRing *self)
{
  GstShmRingAllocator *slots = gst_shm_ring_sink_ring_ref_slots (self);
  struct shmring_writer *writer;

  if (slots == NULL)
    return;
  gst_shm_ring_sink_time_ask (&self->time);
  writer = gst_shm_ring_allocator_borrow_writer (slots);
  if (writer != NULL) {
    shmring_writer_set_latency (
        writer, gst_shm_ring_sink_time_latency (&self->time));
    shmring_writer_set_patience (
        writer, gst_shm_ring_sink_ring_get_patience (self));
    gst_shm_ring_allocator_return_writer (slots);
  }
  gst_object_unref (slots);
}

static gboolean
gst_shm_ring_sink_ring_take_caps (GstShmRingSinkRing *self, GstCaps *caps)
{
  if (!gst_shm_ring_format_set_caps (&self->format, caps)) {
    gst_shm_ring_sink_ring_set_error (self, GST_STREAM_ERROR,
        GST_STREAM_ERROR_FORMAT,
        gst_info_strdup_printf (
            "The ring \"%s\" cannot carry these caps: %" GST_PTR_FORMAT,
            self->name, caps));
    return FALSE;
  }
  g_free (self->caps_text);
  self->caps_text = gst_caps_to_string (caps);
  gst_shm_ring_sink_watch_set_encoded (self->watch, !self->format.is_video);
  if (self->writer == NULL
      && (self->is_refused || !gst_shm_ring_sink_ring_open (self)))
    return FALSE;
  gst_shm_ring_sink_ring_update_latency (self);
  return TRUE;
}

/* As with frames, the base class holds the preroll lock. */
gboolean
gst_shm_ring_sink_ring_set_caps (GstShmRingSinkRing *self, GstCaps *caps)
{
  gboolean ok = gst_shm_ring_sink_ring_take_caps (self, caps);

  if (self->error_text != NULL)
    gst_shm_ring_sink_ring_tell (self);
  return ok;
}

/* At once, before upstream's error, which says nothing of the cause. */
void
gst_shm_ring_sink_ring_hint (GstShmRingSinkRing *self, GstCaps *caps)
{
  if (self->watch == NULL
      || !g_atomic_int_compare_and_exchange (&self->had_hint, FALSE, TRUE))
    return;
  GST_ELEMENT_WARNING (self->sink, CORE, NEGOTIATION,
      ("The ring \"%s\" is not set to take what comes. Set the sink's property "
       "caps, for example caps=ANY for everything, or convert in front of it "
       "(videoconvert).",
          self->name),
      ("offered: %" GST_PTR_FORMAT, caps));
}

void
gst_shm_ring_sink_ring_set_tags (GstShmRingSinkRing *self, GstTagList *tags)
{
  GstTagList *merged = tags != NULL
      ? gst_tag_list_merge (self->tags, tags, GST_TAG_MERGE_REPLACE)
      : NULL;

  gst_clear_tag_list (&self->tags);
  self->tags = merged;
  g_byte_array_set_size (self->metas, 0);
  if (merged != NULL)
    gst_shm_ring_meta_write_tags (self->metas, merged);
  self->tags_size = self->metas->len;
}

/* ---- Waits --------------------------------------------------------------- */

/* With the preroll lock, after a time without it: BUFFER prerolls if the sink
 * needs that now, and goes on in PLAYING. While unlocked, whoever changes the
 * state is about to take the lock. */
static GstFlowReturn
gst_shm_ring_sink_ring_settle (GstShmRingSinkRing *self, GstBuffer *buffer)
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

static int
gst_shm_ring_sink_ring_await_reader (
    GstShmRingSinkRing *self, struct shmring_error *error)
{
  int res = shmring_writer_wait_reader (self->writer, SHMRING_FOREVER);

  if (res == -EPROTO)
    g_snprintf (error->message, sizeof (error->message),
        "The ring \"%s\" was cut off while it waited for a reader: somebody "
        "shortened /dev/shm/%s or its .ctl. Start the pipeline again.",
        self->name, self->name);
  else if (res < 0)
    g_snprintf (error->message, sizeof (error->message),
        "The ring \"%s\" cannot wait for a reader: %s.", self->name,
        g_strerror (-res));
  return res;
}

/* For SLOT, or for a reader where that is NULL; *RES is how it ended. Without
 * the preroll lock, as the base class waits for the clock: a change to PLAYING
 * needs it too, and nothing would interrupt for that. An interruption stays
 * until the next wait begins, so that none is missed. */
static GstFlowReturn
gst_shm_ring_sink_ring_wait_once (GstShmRingSinkRing *self, GstBuffer *buffer,
    struct shmring_slot *slot, int *res)
{
  struct shmring_error error = { 0 };
  GstFlowReturn flow = gst_shm_ring_sink_ring_settle (self, buffer);
  gint64 began;

  if (flow != GST_FLOW_OK)
    return flow;
  gst_shm_ring_allocator_resume (self->slots);
  GST_BASE_SINK_PREROLL_UNLOCK (self->sink);
  began = gst_shm_ring_clock_now ();
  if (slot != NULL)
    *res = shmring_writer_loan (
        self->writer, SHMRING_LOAN_FILL, SHMRING_FOREVER, slot, &error);
  else
    *res = gst_shm_ring_sink_ring_await_reader (self, &error);
  self->time.waited += gst_shm_ring_clock_now () - began;
  GST_BASE_SINK_PREROLL_LOCK (self->sink);
  if (*res < 0)
    return gst_shm_ring_sink_ring_fail (self, *res, error.message);
  return gst_shm_ring_sink_ring_settle (self, buffer);
}

static GstFlowReturn
gst_shm_ring_sink_ring_wait (GstShmRingSinkRing *self, GstBuffer *buffer,
    struct shmring_slot *slot, int *res)
{
  GstFlowReturn flow;

  do
    flow = gst_shm_ring_sink_ring_wait_once (self, buffer, slot, res);
  while (flow == GST_FLOW_OK && *res == SHMRING_INTERRUPTED);
  return flow;
}

static GstFlowReturn
gst_shm_ring_sink_ring_wait_reader (GstShmRingSinkRing *self, GstBuffer *buffer)
{
  GstFlowReturn flow;
  int res;

  if (!self->settings.wait_for_connection || self->had_reader)
    return GST_FLOW_OK;
  flow = gst_shm_ring_sink_ring_wait (self, buffer, NULL, &res);
  self->had_reader = flow == GST_FLOW_OK;
  return flow;
}

/* ---- Slots --------------------------------------------------------------- */

static GstFlowReturn
gst_shm_ring_sink_ring_grow (
    GstShmRingSinkRing *self, guint64 slot_size, guint header_size)
{
  struct shmring_error error = { 0 };
  int res =
      gst_shm_ring_allocator_grow (self->slots, slot_size, header_size, &error);

  if (res < 0)
    return gst_shm_ring_sink_ring_fail (self, res, error.message);
  return GST_FLOW_OK;
}

static GstFlowReturn
gst_shm_ring_sink_ring_grow_slots (GstShmRingSinkRing *self, guint64 needed)
{
  GstFlowReturn flow = GST_FLOW_OK;
  guint64 size;

  if (needed <= self->slot_size)
    return GST_FLOW_OK;
  size = gst_shm_ring_allocator_slot_size (self->slots);
  /* nobody knows how large the next opaque frame is: doubling keeps the number
   * of moves small */
  if (needed > size && !self->format.is_video)
    needed = MAX (needed, 2 * size);
  if (needed > size)
    flow = gst_shm_ring_sink_ring_grow (self, needed, 0);
  if (flow == GST_FLOW_OK)
    self->slot_size = MAX (needed, size);
  return flow;
}

/* For INFO, which does not fit. Where they cannot grow, its metas stay behind:
 * they are no reason to end a camera's stream. */
static GstFlowReturn
gst_shm_ring_sink_ring_grow_headers (GstShmRingSinkRing *self,
    const struct shmring_frame_info *info, const gchar *problem)
{
  guint size = gst_shm_ring_allocator_header_size (self->slots);
  GstFlowReturn flow = GST_FLOW_ERROR;

  if (self->has_last_headers || size >= SHMRING_MAX_HEADER_SIZE)
    gst_shm_ring_sink_ring_fail (self, -EINVAL, problem);
  else
    flow = gst_shm_ring_sink_ring_grow (
        self, 0, MIN (2 * size, SHMRING_MAX_HEADER_SIZE));
  if (flow == GST_FLOW_OK)
    return FLOW_AGAIN;
  if (info->metas_size == 0 || self->leaves_metas)
    return flow;
  g_clear_pointer (&self->error_text, g_free);
  self->has_last_headers = TRUE;
  self->leaves_metas = TRUE;
  return FLOW_AGAIN;
}

/* A slot of its own for BUFFER, with room for a copy. */
static GstFlowReturn
gst_shm_ring_sink_ring_get_slot (
    GstShmRingSinkRing *self, GstBuffer *buffer, struct shmring_slot *slot)
{
  GstFlowReturn flow = gst_shm_ring_sink_ring_grow_slots (self,
      self->format.is_video ? self->format.info.size
                            : gst_buffer_get_size (buffer));
  int res;

  if (flow == GST_FLOW_OK)
    flow = gst_shm_ring_sink_ring_wait (self, buffer, slot, &res);
  if (flow == GST_FLOW_OK && res != SHMRING_OK)
    flow = FLOW_DROP;
  return flow;
}

/* As get_slot, and BUFFER in it as INFO says. */
static GstFlowReturn
gst_shm_ring_sink_ring_copy (GstShmRingSinkRing *self, GstBuffer *buffer,
    struct shmring_slot *slot, struct shmring_frame_info *info)
{
  const GstVideoInfo *video = &self->format.video;
  GstFlowReturn flow = gst_shm_ring_sink_ring_get_slot (self, buffer, slot);

  if (flow != GST_FLOW_OK
      || gst_shm_ring_format_copy (&self->format, buffer, slot->data, info))
    return flow;
  gst_shm_ring_sink_ring_set_error (self, GST_STREAM_ERROR,
      GST_STREAM_ERROR_FORMAT,
      g_strdup_printf (
          "A buffer of %" G_GSIZE_FORMAT " bytes came to the ring \"%s\", "
          "where %s of %ux%u takes %" G_GSIZE_FORMAT " bytes in rows of %d. "
          "Pad the rows, or add a GstVideoMeta that says how they lie.",
          gst_buffer_get_size (buffer), self->name, GST_VIDEO_INFO_NAME (video),
          GST_VIDEO_INFO_WIDTH (video), GST_VIDEO_INFO_HEIGHT (video),
          GST_VIDEO_INFO_SIZE (video), GST_VIDEO_INFO_PLANE_STRIDE (video, 0)));
  return GST_FLOW_ERROR;
}

/* ---- What a frame says of itself ----------------------------------------- */

/* Frames of a camera with another clock, or of one that was set. */
static void
gst_shm_ring_sink_ring_jump (
    GstShmRingSinkRing *self, struct shmring_frame_info *info)
{
  info->flags |= SHMRING_FRAME_DISCONT;
  shmring_writer_begin_stretch (self->writer);
  if (self->had_jump)
    return;
  self->had_jump = TRUE;
  gst_shm_ring_sink_ring_warn (self, GST_CORE_ERROR, GST_CORE_ERROR_CLOCK,
      g_strdup_printf (
          "Frames that come to the ring \"%s\" have times of another clock. "
          "They are taken to be due as they come. A source's "
          "do-timestamp=true gives them the pipeline's.",
          self->name));
}

/* The slot that is all of BUFFER's memory, as INFO says; NULL: it is to be
 * copied. */
static struct shmring_slot *
gst_shm_ring_sink_ring_find_slot (GstShmRingSinkRing *self, GstBuffer *buffer,
    struct shmring_frame_info *info)
{
  GstMemory *memory = gst_buffer_n_memory (buffer) == 1
      ? gst_buffer_peek_memory (buffer, 0)
      : NULL;
  struct shmring_slot *slot;

  if (memory == NULL || memory->allocator != GST_ALLOCATOR (self->slots))
    return NULL;
  slot = gst_shm_ring_allocator_seal_slot (self->slots, memory);
  if (slot == NULL
      || !gst_shm_ring_format_describe_in_place (
          &self->format, buffer, memory->offset, info))
    return NULL;
  return slot;
}

/* *SLOT: where BUFFER lies, if that can be published as it is; else COPY, which
 * gets it. INFO: all but what only the moment of publishing decides. */
static GstFlowReturn
gst_shm_ring_sink_ring_describe (GstShmRingSinkRing *self, GstBuffer *buffer,
    struct shmring_slot *copy, struct shmring_slot **slot,
    struct shmring_frame_info *info)
{
  GstFlowReturn flow = GST_FLOW_OK;

  *slot = gst_shm_ring_sink_ring_find_slot (self, buffer, info);
  if (*slot == NULL) {
    *slot = copy;
    flow = gst_shm_ring_sink_ring_copy (self, buffer, copy, info);
  }
  if (flow != GST_FLOW_OK)
    return flow;
  /* of other data an offset is where its bytes or samples lie */
  if (self->format.info.width > 0)
    info->frame_number = self->frames;
  info->caps = self->caps_text;
  gst_shm_ring_frame_set_buffer (info, buffer, &self->sink->segment);
  g_byte_array_set_size (self->metas, self->tags_size);
  g_ptr_array_set_size (self->left_out, 0);
  self->frame_dropped_metas =
      gst_shm_ring_meta_write (self->metas, buffer, self->left_out);
  if (self->leaves_metas) {
    g_byte_array_set_size (self->metas, self->tags_size);
    g_ptr_array_add (self->left_out, (gpointer) "metas");
    self->frame_dropped_metas++;
  }
  info->metas = self->metas->data;
  info->metas_size = self->metas->len;
  return GST_FLOW_OK;
}

/* ---- A frame's way ------------------------------------------------------- */

static GstFlowReturn
gst_shm_ring_sink_ring_publish_slot (GstShmRingSinkRing *self,
    struct shmring_slot *slot, struct shmring_frame_info *info)
{
  struct shmring_error error = { 0 };
  int res;

  /* to readers of a dead writer's ring, which this one took over, it goes on */
  if (!self->had_frame)
    info->flags |= SHMRING_FRAME_DISCONT;
  if (gst_shm_ring_sink_time_place (&self->time, info))
    gst_shm_ring_sink_ring_jump (self, info);
  /* before the frame is there that it is true for */
  if (self->told_latency != self->time.latency)
    shmring_writer_set_latency (self->writer, self->time.latency);
  self->told_latency = self->time.latency;
  res = shmring_writer_publish (self->writer, slot, info, NULL, &error);
  if (res == -ESTALE)
    return FLOW_AGAIN;
  if (res == -EMSGSIZE)
    return gst_shm_ring_sink_ring_grow_headers (self, info, error.message);
  if (res < 0)
    return gst_shm_ring_sink_ring_fail (self, res, error.message);
  if (!self->format.is_video
      && (info->flags & (SHMRING_FRAME_DELTA | SHMRING_FRAME_GAP)) == 0)
    gst_shm_ring_sink_watch_key_frame (self->watch);
  return GST_FLOW_OK;
}

/* Each kind once. */
static void
gst_shm_ring_sink_ring_tell_metas (GstShmRingSinkRing *self)
{
  for (guint i = 0; i < self->left_out->len; i++) {
    gchar *kind = g_ptr_array_index (self->left_out, i);

    if (g_hash_table_add (self->told_metas, kind))
      gst_shm_ring_sink_ring_warn (self, GST_STREAM_ERROR,
          GST_STREAM_ERROR_NOT_IMPLEMENTED,
          g_strdup_printf (
              "A buffer's %s did not cross the ring \"%s\": nobody told how "
              "to carry it, or it is too much for one frame. Readers get the "
              "buffers without it; dropped-metas in ring-stats counts them.",
              kind, self->name));
  }
}

static void
gst_shm_ring_sink_ring_drop (GstShmRingSinkRing *self, GstBuffer *buffer)
{
  struct shmring_writer_stats stats = SHMRING_WRITER_STATS_INIT;
  struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  GstMessage *message;

  gst_shm_ring_frame_set_buffer (&info, buffer, &self->sink->segment);
  shmring_writer_drop (self->writer);
  shmring_writer_get_stats (self->writer, &stats);
  message = gst_message_new_qos (GST_OBJECT (self->sink),
      g_atomic_int_get (&self->time.is_live), info.pts_ns, GST_CLOCK_TIME_NONE,
      GST_CLOCK_TIME_NONE, info.duration_ns);
  gst_message_set_qos_stats (
      message, GST_FORMAT_BUFFERS, stats.published, stats.dropped);
  gst_shm_ring_sink_watch_post (self->watch, message);
}

static GstFlowReturn
gst_shm_ring_sink_ring_try (GstShmRingSinkRing *self, GstBuffer *buffer)
{
  struct shmring_slot copy = { 0 }, *slot;
  struct shmring_frame_info info;
  GstFlowReturn flow =
      gst_shm_ring_sink_ring_describe (self, buffer, &copy, &slot, &info);

  if (flow == GST_FLOW_OK)
    flow = gst_shm_ring_sink_ring_publish_slot (self, slot, &info);
  if (flow == GST_FLOW_OK) {
    self->had_frame = TRUE;
    GST_OBJECT_LOCK (self->sink);
    (*(slot == &copy ? &self->copied : &self->in_place))++;
    self->dropped_metas += self->frame_dropped_metas;
    GST_OBJECT_UNLOCK (self->sink);
    if (self->left_out->len > 0)
      gst_shm_ring_sink_ring_tell_metas (self);
  }
  if (flow == FLOW_DROP)
    gst_shm_ring_sink_ring_drop (self, buffer);
  shmring_slot_return (&copy);
  return flow == FLOW_DROP ? GST_FLOW_OK : flow;
}

/* The ring is made with the caps; why it was not may have been told. */
static GstFlowReturn
gst_shm_ring_sink_ring_refuse (GstShmRingSinkRing *self)
{
  if (!self->is_refused)
    gst_shm_ring_sink_ring_set_error (self, GST_STREAM_ERROR,
        GST_STREAM_ERROR_FORMAT,
        g_strdup_printf (
            "A buffer without caps came to the ring \"%s\", and nobody can "
            "tell what is in it. Say it in front of the ring: caps of appsrc, "
            "or a parser or typefind behind a file.",
            self->name));
  return GST_FLOW_NOT_NEGOTIATED;
}

static GstFlowReturn
gst_shm_ring_sink_ring_publish_any (GstShmRingSinkRing *self, GstBuffer *buffer)
{
  GstFlowReturn flow;

  if (self->writer == NULL)
    return gst_shm_ring_sink_ring_refuse (self);
  self->time.arrived = gst_shm_ring_clock_now ();
  self->leaves_metas = FALSE;
  flow = gst_shm_ring_sink_ring_wait_reader (self, buffer);
  if (flow != GST_FLOW_OK)
    return flow;
  do
    flow = gst_shm_ring_sink_ring_try (self, buffer);
  while (flow == FLOW_AGAIN);
  return flow;
}

GstFlowReturn
gst_shm_ring_sink_ring_publish (GstShmRingSinkRing *self, GstBuffer *buffer)
{
  GstFlowReturn flow = gst_shm_ring_sink_ring_publish_any (self, buffer);

  self->frames++;
  if (self->error_text != NULL)
    gst_shm_ring_sink_ring_tell (self);
  return flow;
}

GstFlowReturn
gst_shm_ring_sink_ring_publish_gap (GstShmRingSinkRing *self, GstEvent *gap)
{
  GstBuffer *empty;
  GstFlowReturn flow;

  if (self->writer == NULL)
    return GST_FLOW_OK;
  empty = gst_buffer_new ();
  gst_event_parse_gap (
      gap, &GST_BUFFER_PTS (empty), &GST_BUFFER_DURATION (empty));
  GST_BUFFER_FLAG_SET (empty, GST_BUFFER_FLAG_GAP);
  flow = gst_shm_ring_sink_ring_publish_any (self, empty);
  gst_buffer_unref (empty);
  if (self->error_text != NULL)
    gst_shm_ring_sink_ring_tell (self);
  return flow;
}

/* ---- Ends ---------------------------------------------------------------- */

void
gst_shm_ring_sink_ring_end (GstShmRingSinkRing *self)
{
  if (self->writer != NULL)
    shmring_writer_end (self->writer);
  /* readers attach anew for the next stream */
  self->had_reader = FALSE;
}

void
gst_shm_ring_sink_ring_flush (GstShmRingSinkRing *self, gboolean resets_time)
{
  if (resets_time)
    gst_shm_ring_sink_time_reset (&self->time);
  if (self->writer == NULL)
    return;
  shmring_writer_flush (self->writer);
  if (resets_time)
    shmring_writer_begin_stretch (self->writer);
  gst_shm_ring_allocator_resume (self->slots);
}

void
gst_shm_ring_sink_ring_set_unlocked (
    GstShmRingSinkRing *self, gboolean unlocked)
{
  GstShmRingAllocator *slots = gst_shm_ring_sink_ring_ref_slots (self);

  g_atomic_int_set (&self->unlocked, unlocked);
  if (slots == NULL)
    return;
  gst_shm_ring_allocator_set_unlocked (slots, unlocked);
  gst_object_unref (slots);
}

/* ---- Statistics ---------------------------------------------------------- */

static GstStructure *
gst_shm_ring_sink_ring_stats_of (
    GstShmRingSinkRing *self, GstShmRingAllocator *slots)
{
  struct shmring_writer *writer = gst_shm_ring_allocator_borrow_writer (slots);
  GstStructure *stats;

  if (writer == NULL)
    return NULL;
  stats = gst_shm_ring_sink_watch_stats (writer);
  gst_shm_ring_allocator_return_writer (slots);
  GST_OBJECT_LOCK (self->sink);
  gst_structure_set (stats, "in-place", G_TYPE_UINT64, self->in_place, "copied",
      G_TYPE_UINT64, self->copied, "dropped-metas", G_TYPE_UINT64,
      self->dropped_metas, NULL);
  GST_OBJECT_UNLOCK (self->sink);
  gst_structure_set (
      stats, "lent", G_TYPE_UINT64, gst_shm_ring_allocator_lent (slots), NULL);
  return stats;
}

GstStructure *
gst_shm_ring_sink_ring_get_stats (GstShmRingSinkRing *self)
{
  GstShmRingAllocator *slots = gst_shm_ring_sink_ring_ref_slots (self);
  GstStructure *stats = NULL;

  if (slots != NULL) {
    stats = gst_shm_ring_sink_ring_stats_of (self, slots);
    gst_object_unref (slots);
  }
  if (stats != NULL)
    return stats;
  GST_OBJECT_LOCK (self->sink);
  if (self->last_stats != NULL)
    stats = gst_structure_copy (self->last_stats);
  GST_OBJECT_UNLOCK (self->sink);
  return stats;
}

guint
gst_shm_ring_sink_ring_get_num_readers (GstShmRingSinkRing *self)
{
  GstShmRingAllocator *slots = gst_shm_ring_sink_ring_ref_slots (self);
  struct shmring_writer_stats stats = SHMRING_WRITER_STATS_INIT;
  struct shmring_writer *writer;

  if (slots == NULL)
    return 0;
  writer = gst_shm_ring_allocator_borrow_writer (slots);
  if (writer != NULL) {
    shmring_writer_get_stats (writer, &stats);
    gst_shm_ring_allocator_return_writer (slots);
  }
  gst_object_unref (slots);
  return stats.readers;
}
