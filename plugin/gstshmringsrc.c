/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-shmringsrc
 * @title: shmringsrc
 * @see_also: shmringsink
 *
 * Reads frames from a ring in shared memory, which #shmringsink, Python or C
 * programs write. It waits for the ring as long as needed; caps, tags and metas
 * come from the ring.
 *
 * Buffers are the ring's own memory, read-only, given back with their last
 * reference, which may be after the element is gone. Downstream may keep
 * #GstShmRingSrc:lease of them; a frame beyond that is a copy, so that a queue
 * or an encoder that hoards frames does not stall the writer, until it hoards
 * #GstShmRingSrc:max-copy-bytes. A frame whose rows lie in a way that
 * downstream cannot take is copied too.
 *
 * In a live pipeline a frame has the running time at which it was due in the
 * writing one, as if its source were in this pipeline; one from before the
 * pipeline ran is dropped, or, where others need it, comes in quick succession.
 * A leaky source never holds a frame for the future. With
 * #GstShmRingSrc:is-live off a frame keeps the running time that it had in the
 * writing pipeline, and what a next writer sends follows what the one before
 * sent. The moment of capture is its #GstReferenceTimestampMeta of
 * timestamp/x-unix, a picture's number in the writing pipeline its offset. An
 * empty frame with the gap flag becomes a gap event.
 *
 * An encoded stream begins at a frame that needs none before it, behind the
 * headers that its caps may have. Downstream can ask for such a frame as it
 * asks an encoder (GstForceKeyUnit).
 *
 * A frame that cannot be what it says is left out with a warning; five in a row
 * are an error. A source that is paused, or has sent EOS, leaves its ring: the
 * writer does not wait for it.
 *
 * The element is also what shmring:// URIs are read with. The host is the
 * ring's name, the query sets properties. Such a URI has 10 seconds for its
 * first frame, since some players wait for it for ever; with connection-timeout
 * in the query it waits for the ring as long as that says.
 *
 * #GstShmRingSrc:ring-stats counts what came and what did not:
 *
 * * `received`, `bytes` (#guint64): frames that came, and the bytes of all that
 *   were taken
 * * `copied` (#guint64): frames of those that are copies
 * * `dropped` (#guint64): frames that did not come, `lagged` of them because
 *   this reader was too slow, `before-base-time` because they were older than
 *   the pipeline
 * * `withdrawn` (#guint64): frames of those that the writer took back, because
 *   this reader took none for longer than it waits
 * * `skipped` (#guint64): frames of those that need others before them
 * * `damaged` (#guint64): frames of those that could not be what they said
 * * `flushed` (#guint64): frames that the writer's flush took back
 * * `lag` (#guint64): frames that wait to be read
 * * `held`, `lease` (#guint): frames that downstream keeps in place, and may
 * * `waits` (#guint64), `wait-time` (#guint64, nanoseconds): waits for a frame
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 shmringsrc ring-name=cam0 ! videoconvert ! autovideosink
 * ]| Only the newest frame, for a viewer that must not slow the writer down:
 * |[
 * gst-launch-1.0 shmringsrc ring-name=cam0 leaky-type=downstream ! videoconvert
 * ! autovideosink
 * ]| The same without a pipeline's text:
 * |[
 * gst-play-1.0 "shmring://cam0?leaky-type=downstream"
 * ]| Every frame into a file, whichever writer there is, until interrupted:
 * |[
 * gst-launch-1.0 -e shmringsrc ring-name=cam0 on-disconnect=wait ! videoconvert
 * ! x264enc ! mp4mux ! filesink location=cam0.mp4
 * ]|
 */
#include "gstshmringsrc.h"

#include "gstshmring.h"
#include "gstshmringclock.h"

/* From the end of the writing pipeline to this element's push: the writer's
 * copy of a large frame and a wake-up on a busy machine. */
#define HAND_OVER (5 * GST_MSECOND)

/* The least that a frame may wait here: a sink's processing deadline has to fit
 * in. */
#define LEAST_ROOM (20 * GST_MSECOND)

GST_DEBUG_CATEGORY_STATIC (gst_shm_ring_src_debug);
#define GST_CAT_DEFAULT gst_shm_ring_src_debug

struct _GstShmRingSrc {
  GstPushSrc parent;

  gchar *ring_name; /* under the object lock; NULL: the element's */
  GstShmRingSrcSettings settings; /* under the object lock */

  GstShmRingSrcReader reader;
  GstShmRingSrcStream stream;
  GstClockTime min_latency; /* object lock */
  GstClockTime latency;     /* the largest that this writer told; object lock */
  GstClockTime agreed;      /* the pipeline's, as it last said; object lock */

  GThread *pausing; /* who changes the state from PLAYING to PAUSED */

  /* streaming thread */
  GstShmRingSrcTime time;
  gboolean is_start; /* no buffer since the reader attached */
  gboolean is_discont;
  guint64 dropped; /* as was last told */
};

enum {
  PROP_RING_NAME = 1,
  PROP_LEAKY_TYPE,
  PROP_MAX_BUFFERS,
  PROP_LEASE,
  PROP_MAX_COPY_BYTES,
  PROP_CONNECTION_TIMEOUT,
  PROP_TIMEOUT,
  PROP_ON_DISCONNECT,
  PROP_WAIT_FOR_KEYFRAME,
  PROP_ANY_OWNER,
  PROP_MIN_LATENCY,
  PROP_IS_LIVE,
  PROP_RING_STATS,
};

static const GEnumValue leaky_types[] = {
  { SHMRING_MODE_ALL, "Every frame: the writer waits for this reader", "none" },
  { SHMRING_MODE_LATEST, "The newest max-buffers frames, older are dropped",
      "downstream" },
  { 0, NULL, NULL },
};

static const GEnumValue on_disconnects[] = {
  { GST_SHM_RING_ON_DISCONNECT_AUTO,
      "EOS when the writer stops, an error when it was killed", "auto" },
  { GST_SHM_RING_ON_DISCONNECT_EOS, "EOS, however the writer went", "eos" },
  { GST_SHM_RING_ON_DISCONNECT_ERROR,
      "An error unless the writer ended its stream", "error" },
  { GST_SHM_RING_ON_DISCONNECT_WAIT,
      "Wait for the next writer, also after the end of a stream", "wait" },
  { 0, NULL, NULL },
};

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

#define gst_shm_ring_src_parent_class parent_class
G_DEFINE_TYPE_WITH_CODE (GstShmRingSrc, gst_shm_ring_src, GST_TYPE_PUSH_SRC,
    G_IMPLEMENT_INTERFACE (
        GST_TYPE_URI_HANDLER, gst_shm_ring_src_init_uri_handler)
        GST_DEBUG_CATEGORY_INIT (
            gst_shm_ring_src_debug, "shmringsrc", 0, "shmringsrc element"));

/* ---- Starting ------------------------------------------------------------ */

static gboolean
gst_shm_ring_src_start (GstBaseSrc *bsrc)
{
  GstShmRingSrc *self = GST_SHM_RING_SRC (bsrc);
  GstShmRingSrcSettings settings;
  gchar *name;

  GST_OBJECT_LOCK (self);
  name = g_strdup (self->ring_name);
  settings = self->settings;
  self->latency = 0;
  self->agreed = GST_CLOCK_TIME_NONE;
  GST_OBJECT_UNLOCK (self);
  self->dropped = 0;
  self->is_discont = self->is_start = FALSE;
  gst_shm_ring_src_time_start (
      &self->time, settings.options.mode == SHMRING_MODE_LATEST);
  name = gst_shm_ring_element_resolve_name (GST_ELEMENT (self), name);
  return name != NULL
      && gst_shm_ring_src_reader_start (&self->reader, name, &settings);
}

/* ---- Caps ---------------------------------------------------------------- */

static GstCaps *
gst_shm_ring_src_get_caps (GstBaseSrc *bsrc, GstCaps *filter)
{
  GstCaps *caps =
      gst_shm_ring_src_stream_get_caps (&GST_SHM_RING_SRC (bsrc)->stream);
  GstCaps *result;

  if (caps == NULL)
    caps = gst_pad_get_pad_template_caps (GST_BASE_SRC_PAD (bsrc));
  if (filter == NULL)
    return caps;
  result = gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST);
  gst_caps_unref (caps);
  return result;
}

/* The base class would fixate whatever downstream takes before anyone knows
 * what the ring carries. Caps come with its frames. */
static gboolean
gst_shm_ring_src_negotiate (GstBaseSrc *bsrc)
{
  return TRUE;
}

static gboolean
gst_shm_ring_src_decide_allocation (GstBaseSrc *bsrc, GstQuery *query)
{
  gst_shm_ring_src_stream_set_allocation (
      &GST_SHM_RING_SRC (bsrc)->stream, query);
  return TRUE;
}

/* ---- Latency ------------------------------------------------------------- */

/* A frame arrives as late as it left the writing pipeline, which is what its
 * writer told at most; it can be held for as long as there is room in the ring.
 */
static void
gst_shm_ring_src_get_latency (
    GstShmRingSrc *self, GstClockTime *min, GstClockTime *max)
{
  GstClockTime duration =
      gst_shm_ring_src_stream_get_frame_duration (&self->stream);
  GstClockTime told;
  guint frames;

  gst_shm_ring_src_reader_get_latency (&self->reader, &told, &frames);
  GST_OBJECT_LOCK (self);
  *min = MAX (MAX (self->latency, told), self->min_latency) + HAND_OVER;
  GST_OBJECT_UNLOCK (self);
  *max = GST_CLOCK_TIME_NONE;
  if (GST_CLOCK_TIME_IS_VALID (duration))
    *max = *min + MAX (frames * duration, LEAST_ROOM);
}

static gboolean
gst_shm_ring_src_query (GstBaseSrc *bsrc, GstQuery *query)
{
  GstClockTime min = 0, max = GST_CLOCK_TIME_NONE;
  gboolean is_live = gst_base_src_is_live (bsrc);

  if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
    return GST_BASE_SRC_CLASS (parent_class)->query (bsrc, query);
  if (is_live)
    gst_shm_ring_src_get_latency (GST_SHM_RING_SRC (bsrc), &min, &max);
  gst_query_set_latency (query, is_live, min, max);
  return TRUE;
}

/* What was told once can come again. Whoever asked before the ring was there,
 * or before it was told, asks again. Returns the one that counts here: an
 * application need not hear that it rose. */
static GstClockTime
gst_shm_ring_src_update_latency (GstShmRingSrc *self, gboolean is_first)
{
  GstClockTime told = gst_shm_ring_src_reader_get_told (&self->reader);
  GstClockTime latency;
  gboolean is_more;

  GST_OBJECT_LOCK (self);
  is_more = is_first || told > self->latency;
  if (is_more)
    self->latency = told;
  latency = MAX (self->latency, self->min_latency);
  if (GST_CLOCK_TIME_IS_VALID (self->agreed))
    latency = MIN (latency, MAX (self->agreed, HAND_OVER) - HAND_OVER);
  GST_OBJECT_UNLOCK (self);
  if (is_more && gst_base_src_is_live (GST_BASE_SRC (self)))
    gst_element_post_message (
        GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
  return latency;
}

/* ---- Frames -------------------------------------------------------------- */

/* Tells of the frames that were lost before the one at TIME, or of that one. */
static void
gst_shm_ring_src_tell_drops (
    GstShmRingSrc *self, GstClockTime time, GstClockTime duration)
{
  guint64 received, dropped;
  GstMessage *message;

  gst_shm_ring_src_reader_get_counts (&self->reader, &received, &dropped);
  if (dropped == self->dropped)
    return;
  self->dropped = dropped;
  message = gst_message_new_qos (GST_OBJECT (self),
      gst_base_src_is_live (GST_BASE_SRC (self)), time, time, time, duration);
  gst_message_set_qos_stats (message, GST_FORMAT_BUFFERS, received, dropped);
  gst_element_post_message (GST_ELEMENT (self), message);
}

/* FRAME's times in this pipeline. False: it has none there. */
static gboolean
gst_shm_ring_src_place (GstShmRingSrc *self, const struct shmring_frame *frame,
    GstClockTime *pts, GstClockTime *dts)
{
  GstShmRingSrcArrival arrival = { .is_first = frame->is_first };
  gboolean is_placed;

  arrival.latency = gst_shm_ring_src_update_latency (self, frame->is_first);
  arrival.now = gst_shm_ring_clock_now ();
  arrival.has_origin = gst_base_src_is_live (GST_BASE_SRC (self))
      && gst_shm_ring_clock_origin (GST_ELEMENT (self), &arrival.origin);
  is_placed = gst_shm_ring_src_time_place (
      &self->time, &frame->info, &arrival, pts, dts);
  if (!is_placed) {
    gst_shm_ring_src_reader_count (
        &self->reader, &self->reader.stats.too_early);
    self->is_discont = TRUE;
  }
  if (self->is_discont)
    gst_shm_ring_src_tell_drops (self, *pts, MAX (frame->info.duration_ns, -1));
  return is_placed;
}

/* The first buffer of a stream comes behind the headers in its caps. */
static void
gst_shm_ring_src_push_first (GstShmRingSrc *self, GstBuffer **buffer)
{
  GstBufferList *list =
      gst_shm_ring_src_stream_with_headers (&self->stream, *buffer);

  if (list == NULL)
    return;
  gst_base_src_submit_buffer_list (GST_BASE_SRC (self), list);
  *buffer = NULL;
}

/* Takes FRAME. NULL: an error was posted. */
static GstBuffer *
gst_shm_ring_src_deliver (GstShmRingSrc *self, struct shmring_frame *frame,
    GstClockTime pts, GstClockTime dts)
{
  GstBuffer *buffer =
      gst_shm_ring_src_stream_make_buffer (&self->stream, frame);
  GstSegment segment;

  if (buffer == NULL)
    return NULL;
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DTS (buffer) = dts;
  if (gst_shm_ring_src_time_take_segment (&self->time, &segment)) {
    gst_base_src_new_segment (GST_BASE_SRC (self), &segment);
    self->is_discont = TRUE;
  }
  if (self->is_discont)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  self->is_discont = FALSE;
  return buffer;
}

/* Takes FRAME. *IS_DONE: there is something to push. */
static GstFlowReturn
gst_shm_ring_src_show (GstShmRingSrc *self, struct shmring_frame *frame,
    GstBuffer **buffer, gboolean *is_done)
{
  GstClockTime pts = GST_CLOCK_TIME_NONE, dts;
  gboolean is_placed = gst_shm_ring_src_place (self, frame, &pts, &dts);

  if (self->reader.handle == NULL) { /* who heard of it has stopped us */
    shmring_frame_release (frame);
    return GST_FLOW_FLUSHING;
  }
  if (!is_placed || gst_shm_ring_frame_is_gap (&frame->info)) {
    if (is_placed && !self->time.needs_segment)
      gst_shm_ring_src_stream_push_gap (&self->stream, &frame->info, pts);
    shmring_frame_release (frame);
    return GST_FLOW_OK;
  }
  *buffer = gst_shm_ring_src_deliver (self, frame, pts, dts);
  if (*buffer == NULL)
    return GST_FLOW_ERROR;
  *is_done = TRUE;
  if (self->is_start)
    gst_shm_ring_src_push_first (self, buffer);
  self->is_start = FALSE;
  return GST_FLOW_OK;
}

static GstFlowReturn
gst_shm_ring_src_next (
    GstShmRingSrc *self, GstBuffer **buffer, gboolean *is_done)
{
  struct shmring_frame *frame;
  const gchar *problem = NULL;
  GstFlowReturn flow = gst_shm_ring_src_reader_next (&self->reader, &frame);

  if (flow != GST_FLOW_OK)
    return flow;
  if (frame->is_first || frame->missed > 0)
    self->is_discont = TRUE;
  self->is_start = self->is_start || frame->is_first;
  flow = gst_shm_ring_src_stream_update (&self->stream, &frame->info, &problem);
  if (problem != NULL) {
    self->is_discont = TRUE;
    flow = gst_shm_ring_src_reader_refuse (&self->reader, problem);
  }
  if (problem == NULL && flow == GST_FLOW_OK)
    return gst_shm_ring_src_show (self, frame, buffer, is_done);
  shmring_frame_release (frame);
  return flow;
}

static GstFlowReturn
gst_shm_ring_src_create (GstPushSrc *psrc, GstBuffer **buffer)
{
  GstShmRingSrc *self = GST_SHM_RING_SRC (psrc);
  gboolean is_done = FALSE;
  GstFlowReturn flow;

  *buffer = NULL;
  do
    flow = gst_shm_ring_src_next (self, buffer, &is_done);
  while (flow == GST_FLOW_OK && !is_done);
  GST_LOG_OBJECT (
      self, "%s: %" GST_PTR_FORMAT, gst_flow_get_name (flow), *buffer);
  if (flow == GST_FLOW_OK)
    gst_shm_ring_src_reader_had_buffer (&self->reader);
  /* the last of num-buffers: while it is on its way, nobody reads here */
  if (GST_BASE_SRC (self)->num_buffers_left == 0)
    gst_shm_ring_src_reader_leave (&self->reader);
  return flow;
}

/* ---- Events from downstream ---------------------------------------------- */

/* Downstream needs a frame that stands alone (a viewer that came, a file that
 * begins): whoever encodes sits before the writer. */
static gboolean
gst_shm_ring_src_request_keyframe (GstShmRingSrc *self, GstEvent *event)
{
  GstClockTime time = GST_CLOCK_TIME_NONE;
  gint64 origin;

  gst_video_event_parse_upstream_force_key_unit (event, &time, NULL, NULL);
  if (!GST_CLOCK_TIME_IS_VALID (time) || time > G_MAXINT64 / 2
      || !gst_shm_ring_clock_origin (GST_ELEMENT (self), &origin))
    return gst_shm_ring_src_reader_request_keyframe (
        &self->reader, SHMRING_TIME_NONE);
  return gst_shm_ring_src_reader_request_keyframe (
      &self->reader, origin + (gint64) time);
}

static void
gst_shm_ring_src_set_agreed (GstShmRingSrc *self, GstEvent *event)
{
  GstClockTime latency;

  gst_event_parse_latency (event, &latency);
  GST_OBJECT_LOCK (self);
  self->agreed = latency;
  GST_OBJECT_UNLOCK (self);
}

static gboolean
gst_shm_ring_src_event (GstBaseSrc *bsrc, GstEvent *event)
{
  GstShmRingSrc *self = GST_SHM_RING_SRC (bsrc);

  if (gst_video_event_is_force_key_unit (event))
    return gst_shm_ring_src_request_keyframe (self, event);
  if (GST_EVENT_TYPE (event) == GST_EVENT_LATENCY)
    gst_shm_ring_src_set_agreed (self, event);
  return GST_BASE_SRC_CLASS (parent_class)->event (bsrc, event);
}

/* ---- States -------------------------------------------------------------- */

/* Since GStreamer 1.24 also for a pause, which is none of its reasons to flush.
 */
static gboolean
gst_shm_ring_src_unlock (GstBaseSrc *bsrc)
{
  GstShmRingSrc *self = GST_SHM_RING_SRC (bsrc);

  if (g_atomic_pointer_get (&self->pausing) != g_thread_self ())
    gst_shm_ring_src_reader_set_unlocked (&self->reader, TRUE);
  return TRUE;
}

static gboolean
gst_shm_ring_src_unlock_stop (GstBaseSrc *bsrc)
{
  gst_shm_ring_src_reader_set_unlocked (
      &GST_SHM_RING_SRC (bsrc)->reader, FALSE);
  return TRUE;
}

static GstStateChangeReturn
gst_shm_ring_src_pause (GstElement *element)
{
  GstShmRingSrc *self = GST_SHM_RING_SRC (element);
  GstStateChangeReturn ret;

  g_atomic_pointer_set (&self->pausing, g_thread_self ());
  ret = GST_ELEMENT_CLASS (parent_class)
            ->change_state (element, GST_STATE_CHANGE_PLAYING_TO_PAUSED);
  g_atomic_pointer_set (&self->pausing, NULL);
  if (gst_base_src_is_live (GST_BASE_SRC (self)))
    gst_shm_ring_src_reader_set_paused (&self->reader, TRUE);
  return ret;
}

static GstStateChangeReturn
gst_shm_ring_src_change_state (GstElement *element, GstStateChange change)
{
  GstShmRingSrc *self = GST_SHM_RING_SRC (element);
  GstStateChangeReturn ret;

  if (change == GST_STATE_CHANGE_PLAYING_TO_PAUSED)
    return gst_shm_ring_src_pause (element);
  if (change == GST_STATE_CHANGE_PAUSED_TO_READY)
    gst_shm_ring_src_reader_set_paused (&self->reader, FALSE);
  ret = GST_ELEMENT_CLASS (parent_class)->change_state (element, change);
  if (change == GST_STATE_CHANGE_PAUSED_TO_PLAYING)
    gst_shm_ring_src_reader_set_paused (&self->reader, FALSE);
  return ret;
}

static gboolean
gst_shm_ring_src_stop (GstBaseSrc *bsrc)
{
  GstShmRingSrc *self = GST_SHM_RING_SRC (bsrc);

  gst_shm_ring_src_reader_stop (&self->reader);
  gst_shm_ring_src_stream_forget (&self->stream);
  return TRUE;
}

/* What ends here is read no more, whether or not the application stops the
 * pipeline then: num-buffers, an error, EOS that somebody sent. */
static GstPadProbeReturn
gst_shm_ring_src_leave_at_end (
    GstPad *pad, GstPadProbeInfo *info, gpointer reader)
{
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_EOS)
    gst_shm_ring_src_reader_leave (reader);
  return GST_PAD_PROBE_OK;
}

/* ---- The object ---------------------------------------------------------- */

void
gst_shm_ring_src_set_first_timeout (GstShmRingSrc *self, GstClockTime timeout)
{
  GST_OBJECT_LOCK (self);
  self->settings.first_timeout = timeout;
  GST_OBJECT_UNLOCK (self);
}

static const GstShmRingField fields[] = {
  [PROP_RING_NAME] = GST_SHM_RING_FIELD (GstShmRingSrc, ring_name),
  [PROP_LEAKY_TYPE] = GST_SHM_RING_FIELD (GstShmRingSrc, settings.options.mode),
  [PROP_MAX_BUFFERS] =
      GST_SHM_RING_FIELD (GstShmRingSrc, settings.options.depth),
  [PROP_LEASE] = GST_SHM_RING_FIELD (GstShmRingSrc, settings.options.lease),
  [PROP_MAX_COPY_BYTES] =
      GST_SHM_RING_FIELD (GstShmRingSrc, settings.options.max_copy_bytes),
  [PROP_CONNECTION_TIMEOUT] =
      GST_SHM_RING_FIELD (GstShmRingSrc, settings.connection_timeout),
  [PROP_TIMEOUT] = GST_SHM_RING_FIELD (GstShmRingSrc, settings.timeout),
  [PROP_ON_DISCONNECT] =
      GST_SHM_RING_FIELD (GstShmRingSrc, settings.on_disconnect),
  [PROP_WAIT_FOR_KEYFRAME] =
      GST_SHM_RING_FIELD (GstShmRingSrc, settings.options.wait_for_keyframe),
  [PROP_ANY_OWNER] =
      GST_SHM_RING_FIELD (GstShmRingSrc, settings.options.any_owner),
  [PROP_MIN_LATENCY] = GST_SHM_RING_FIELD (GstShmRingSrc, min_latency),
};

static void
gst_shm_ring_src_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  if (id < G_N_ELEMENTS (fields))
    gst_shm_ring_element_set_field (GST_ELEMENT (object), &fields[id], value);
  else if (id == PROP_IS_LIVE)
    gst_base_src_set_live (GST_BASE_SRC (object), g_value_get_boolean (value));
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
gst_shm_ring_src_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstShmRingSrc *self = GST_SHM_RING_SRC (object);

  if (id == PROP_IS_LIVE)
    g_value_set_boolean (value, gst_base_src_is_live (GST_BASE_SRC (self)));
  else if (id == PROP_RING_STATS)
    g_value_take_boxed (
        value, gst_shm_ring_src_reader_get_stats (&self->reader));
  else
    gst_shm_ring_element_get_field (GST_ELEMENT (self), &fields[id], value);
}

static void
gst_shm_ring_src_finalize (GObject *object)
{
  g_clear_pointer (&GST_SHM_RING_SRC (object)->ring_name, g_free);
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
gst_shm_ring_src_init (GstShmRingSrc *self)
{
  const struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;

  self->settings.options = options;
  self->settings.connection_timeout = GST_CLOCK_TIME_NONE;
  self->settings.timeout = GST_CLOCK_TIME_NONE;
  self->settings.first_timeout = GST_CLOCK_TIME_NONE;
  self->reader.src = GST_BASE_SRC (self);
  self->stream.src = GST_BASE_SRC (self);
  self->stream.time = &self->time;
  self->stream.reader = &self->reader;
  gst_pad_add_probe (GST_BASE_SRC_PAD (self),
      GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, gst_shm_ring_src_leave_at_end,
      &self->reader, NULL);
  gst_base_src_set_live (GST_BASE_SRC (self), TRUE);
  gst_base_src_set_format (GST_BASE_SRC (self), GST_FORMAT_TIME);
}

/* As class_init needs it, once. */
static GType
gst_shm_ring_src_new_enum (const gchar *name, const GEnumValue *values)
{
  GType type = g_enum_register_static (name, values);

  gst_type_mark_as_plugin_api (type, 0);
  return type;
}

static void
gst_shm_ring_src_install_frames (GObjectClass *klass, const GParamFlags flags)
{
  const struct shmring_reader_options defaults = SHMRING_READER_OPTIONS_INIT;

  g_object_class_install_property (klass, PROP_RING_NAME,
      g_param_spec_string ("ring-name", "Ring name",
          "Name of the ring (NULL: the element's name)", NULL, flags));
  g_object_class_install_property (klass, PROP_LEAKY_TYPE,
      g_param_spec_enum ("leaky-type", "Leaky type",
          "Which frames may be dropped when this reader is slow",
          gst_shm_ring_src_new_enum ("GstShmRingLeakyType", leaky_types),
          defaults.mode, flags));
  g_object_class_install_property (klass, PROP_MAX_BUFFERS,
      g_param_spec_uint ("max-buffers", "Max buffers",
          "Frames the ring keeps for this reader when it is leaky", 1,
          G_MAXUINT16, defaults.depth, flags));
  g_object_class_install_property (klass, PROP_LEASE,
      g_param_spec_uint ("lease", "Lease",
          "Frames to hold in place at once, as far as the ring can spare them; "
          "those beyond are copied",
          0, SHMRING_MAX_SLOTS, defaults.lease, flags));
  g_object_class_install_property (klass, PROP_MAX_COPY_BYTES,
      g_param_spec_uint64 ("max-copy-bytes", "Max copy bytes",
          "Memory for copies that downstream keeps; beyond it frames wait, or "
          "are dropped when this reader is leaky (0: no limit)",
          0, G_MAXUINT64, defaults.max_copy_bytes, flags));
  g_object_class_install_property (klass, PROP_WAIT_FOR_KEYFRAME,
      g_param_spec_boolean ("wait-for-keyframe", "Wait for keyframe",
          "Begin encoded streams, also after a loss, at a frame that needs "
          "none before it, and ask the writer for one",
          defaults.wait_for_keyframe, flags));
  g_object_class_install_property (klass, PROP_ANY_OWNER,
      g_param_spec_boolean ("any-owner", "Any owner",
          "Read rings of other users than this one and root, too",
          defaults.any_owner, flags));
}

static void
gst_shm_ring_src_install_times (GObjectClass *klass, const GParamFlags flags)
{
  g_object_class_install_property (klass, PROP_CONNECTION_TIMEOUT,
      g_param_spec_uint64 ("connection-timeout", "Connection timeout",
          "Longest wait in nanoseconds for the ring (-1: for ever)", 0,
          G_MAXUINT64, GST_CLOCK_TIME_NONE, flags));
  g_object_class_install_property (klass, PROP_TIMEOUT,
      g_param_spec_uint64 ("timeout", "Timeout",
          "Longest wait in nanoseconds for a frame of an attached ring (-1: "
          "for ever)",
          0, G_MAXUINT64, GST_CLOCK_TIME_NONE, flags));
  g_object_class_install_property (klass, PROP_ON_DISCONNECT,
      g_param_spec_enum ("on-disconnect", "On disconnect",
          "What to do when the writer goes",
          gst_shm_ring_src_new_enum ("GstShmRingOnDisconnect", on_disconnects),
          GST_SHM_RING_ON_DISCONNECT_AUTO, flags));
  g_object_class_install_property (klass, PROP_MIN_LATENCY,
      g_param_spec_uint64 ("min-latency", "Min latency",
          "Least latency in nanoseconds to tell, for a writer whose frames "
          "come later than it has told yet",
          0, 3600 * GST_SECOND, 0, flags));
  g_object_class_install_property (klass, PROP_IS_LIVE,
      g_param_spec_boolean ("is-live", "Is live",
          "Keep the frames' real time (false: the writer's running time)", TRUE,
          flags));
}

static void
gst_shm_ring_src_describe (GstElementClass *element_class)
{
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class,
      "Shared memory ring source", "Source/Video",
      "Reads frames of another process from a ring in shared memory",
      "The shmring developers");
}

static void
gst_shm_ring_src_class_init (GstShmRingSrcClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSrcClass *src_class = GST_BASE_SRC_CLASS (klass);
  const GParamFlags settings =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  object_class->set_property = gst_shm_ring_src_set_property;
  object_class->get_property = gst_shm_ring_src_get_property;
  object_class->finalize = gst_shm_ring_src_finalize;
  gst_shm_ring_src_install_frames (object_class, settings);
  gst_shm_ring_src_install_times (object_class, settings);
  g_object_class_install_property (object_class, PROP_RING_STATS,
      g_param_spec_boxed ("ring-stats", "Ring statistics",
          "What was read, copied and dropped since the start",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  shmring_guard ();

  element_class->change_state = gst_shm_ring_src_change_state;
  gst_shm_ring_src_describe (element_class);

  src_class->start = gst_shm_ring_src_start;
  src_class->stop = gst_shm_ring_src_stop;
  src_class->get_caps = gst_shm_ring_src_get_caps;
  src_class->negotiate = gst_shm_ring_src_negotiate;
  src_class->decide_allocation = gst_shm_ring_src_decide_allocation;
  src_class->query = gst_shm_ring_src_query;
  src_class->event = gst_shm_ring_src_event;
  src_class->unlock = gst_shm_ring_src_unlock;
  src_class->unlock_stop = gst_shm_ring_src_unlock_stop;

  GST_PUSH_SRC_CLASS (klass)->create = gst_shm_ring_src_create;
}
