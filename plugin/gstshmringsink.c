/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-shmringsink
 * @title: shmringsink
 * @see_also: shmringsrc
 *
 * Publishes frames in a ring in shared memory, where any number of other
 * processes read them: pipelines with #shmringsrc, Python and C programs. The
 * ring bears the element's name.
 *
 * It takes BGR and GRAY8 unless the property #GstShmRingSink:caps says
 * otherwise, so that a videoconvert in front delivers what image processing
 * expects: BGR whatever comes, and GRAY8 as it is. Behind a videoconvert,
 * caps=ANY takes what the source prefers (often YUY2 or NV12), and of a list
 * videoconvert picks what loses least (of {BGR, BGRx} from I420: BGRx). For
 * more than 8 bits, say so (caps=video/x-raw,format=GRAY16_LE); the same holds
 * for Bayer patterns (caps=video/x-bayer), H.264, JPEG or audio (caps=ANY),
 * which cross as bytes with their caps and times.
 *
 * The element in front may write straight into the ring: sources, converters,
 * scalers and decoders that use the pool it is offered. A frame is copied when
 * it came in other memory (behind a tee, from a camera's own buffers), when it
 * was published before (videorate), when somebody still has it mapped for
 * writing (libav's decoders do), and when more buffers are under way than the
 * ring lends at once (3). #GstShmRingSink:ring-stats counts both kinds.
 *
 * ## ring-stats
 *
 * * published, in-place, copied, bytes: frames in the ring, those written where
 *   they are read, those copied there, and their bytes
 * * lent: slots given to the element in front
 * * dropped: frames that got no slot, since readers keep them all
 * * revoked, withdrawn, flushed: frames taken back from readers that were too
 *   slow and allow it (leaky), from those that took none for
 *   #GstShmRingSink:timeout, and by a flush
 * * waits, wait-time: how often and for how many nanoseconds a slot was waited
 *   for
 * * dropped-metas: metas that the ring does not carry (it carries crop,
 *   transformation and regions of interest)
 * * slots, slot-size, num-readers, dead-readers, bad-readers, names-lost: the
 *   ring, readers that died while attached, readers thrown out for writing
 *   nonsense, and how often somebody removed the ring's name
 * * readers: an array with id, pid, name, leaky, lease, offered, held, lag and
 *   withdrawn (in frames) of each, for how many nanoseconds it was waited for
 *   since it took a frame (waited), and whether that was too long (stuck)
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 v4l2src ! decodebin ! videoconvert ! shmringsink name=cam0
 * ]| Another process shows the same camera:
 * |[
 * gst-launch-1.0 shmringsrc ring-name=cam0 ! videoconvert ! autovideosink
 * ]| Depth pictures of 16 bits:
 * |[
 * gst-launch-1.0 videotestsrc ! videoconvert ! shmringsink name=depth0
 * caps=video/x-raw,format=GRAY16_LE
 * ]| An encoded stream, with its first frame when somebody is there to read it:
 * |[
 * gst-launch-1.0 videotestsrc is-live=true ! jpegenc ! shmringsink name=jpeg0
 * caps=image/jpeg wait-for-connection=true
 * ]|
 */
#include "gstshmringsink.h"

#include "gstshmring.h"

#define DEFAULT_CAPS "video/x-raw, format = (string) { BGR, GRAY8 }"

GST_DEBUG_CATEGORY_STATIC (gst_shm_ring_sink_debug);
#define GST_CAT_DEFAULT gst_shm_ring_sink_debug

G_DECLARE_FINAL_TYPE (
    GstShmRingSink, gst_shm_ring_sink, GST, SHM_RING_SINK, GstBaseSink)

struct _GstShmRingSink {
  GstBaseSink parent;

  /* properties; under the object lock */
  gchar *ring_name; /* NULL: the element's */
  GstCaps *caps;
  GstShmRingSinkSettings settings;

  GstShmRingSinkRing ring;
};

enum {
  PROP_RING_NAME = 1,
  PROP_SLOTS,
  PROP_SLOT_SIZE,
  PROP_MAX_READERS,
  PROP_PERMS,
  PROP_WAIT_FOR_CONNECTION,
  PROP_TIMEOUT,
  PROP_CAPS,
  PROP_NUM_READERS,
  PROP_RING_STATS,
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw; ANY"));

#define gst_shm_ring_sink_parent_class parent_class
G_DEFINE_TYPE_WITH_CODE (GstShmRingSink, gst_shm_ring_sink, GST_TYPE_BASE_SINK,
    GST_DEBUG_CATEGORY_INIT (
        gst_shm_ring_sink_debug, "shmringsink", 0, "shmringsink element"));

/* ---- Caps ---------------------------------------------------------------- */

/* Fields of alternating lines lie in system memory too; any other feature means
 * other memory, or a meta that would be lost. */
static gboolean
gst_shm_ring_sink_keep_features (
    GstCapsFeatures *features, GstStructure *structure, gpointer user_data)
{
  for (guint i = 0; i < gst_caps_features_get_size (features); i++) {
    const gchar *name = gst_caps_features_get_nth (features, i);

    if (!g_str_equal (name, GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY)
        && !g_str_equal (name, GST_CAPS_FEATURE_FORMAT_INTERLACED))
      return FALSE;
  }
  return TRUE;
}

static GstCaps *
gst_shm_ring_sink_system_memory (GstCaps *caps)
{
  caps = gst_caps_make_writable (caps);
  for (guint i = 0; i < gst_caps_get_size (caps); i++) {
    if (gst_caps_features_is_any (gst_caps_get_features (caps, i)))
      gst_caps_set_features (caps, i, NULL);
  }
  if (!gst_caps_is_any (caps))
    gst_caps_filter_and_map_in_place (
        caps, gst_shm_ring_sink_keep_features, NULL);
  return caps;
}

static GstCaps *
gst_shm_ring_sink_get_caps (GstBaseSink *bsink, GstCaps *filter)
{
  GstShmRingSink *self = GST_SHM_RING_SINK (bsink);
  GstCaps *caps, *result;

  GST_OBJECT_LOCK (self);
  caps = gst_caps_ref (self->caps);
  GST_OBJECT_UNLOCK (self);
  caps = gst_shm_ring_sink_system_memory (caps);
  if (filter == NULL)
    return caps;
  result = gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST);
  gst_caps_unref (caps);
  return gst_shm_ring_sink_system_memory (result);
}

/* Who draws (textoverlay) or decodes asks first whether a sink takes pictures
 * and what is to be drawn on them apart, and does it itself if not. */
static gboolean
gst_shm_ring_sink_is_try (const GstCaps *caps)
{
  GstCapsFeatures *features = gst_caps_get_features (caps, 0);

  for (guint i = 0; i < gst_caps_features_get_size (features); i++) {
    if (g_str_has_prefix (gst_caps_features_get_nth (features, i), "meta:"))
      return TRUE;
  }
  return FALSE;
}

static void
gst_shm_ring_sink_refuse (GstBaseSink *bsink, GstCaps *caps)
{
  if (!gst_shm_ring_sink_is_try (caps))
    gst_shm_ring_sink_ring_hint (&GST_SHM_RING_SINK (bsink)->ring, caps);
}

/* The base class asks what is taken without a filter, and ANY cannot say "in
 * system memory". */
static gboolean
gst_shm_ring_sink_query_accept (GstBaseSink *bsink, GstQuery *query)
{
  GstCaps *caps, *allowed;
  gboolean accepted;

  gst_query_parse_accept_caps (query, &caps);
  allowed = gst_shm_ring_sink_get_caps (bsink, caps);
  accepted = gst_caps_is_subset (caps, allowed);
  gst_query_set_accept_caps_result (query, accepted);
  gst_caps_unref (allowed);
  if (!accepted)
    gst_shm_ring_sink_refuse (bsink, caps);
  return TRUE;
}

static gboolean
gst_shm_ring_sink_query (GstBaseSink *bsink, GstQuery *query)
{
  gboolean ok;
  GstCaps *filter, *caps;

  if (GST_QUERY_TYPE (query) == GST_QUERY_ACCEPT_CAPS)
    return gst_shm_ring_sink_query_accept (bsink, query);
  ok = GST_BASE_SINK_CLASS (parent_class)->query (bsink, query);
  if (!ok || GST_QUERY_TYPE (query) != GST_QUERY_CAPS)
    return ok;
  gst_query_parse_caps (query, &filter);
  gst_query_parse_caps_result (query, &caps);
  if (filter != NULL && !gst_caps_is_empty (filter) && gst_caps_is_empty (caps))
    gst_shm_ring_sink_refuse (bsink, filter);
  return ok;
}

static gboolean
gst_shm_ring_sink_check_caps (GstShmRingSink *self)
{
  GstCaps *caps = gst_shm_ring_sink_get_caps (GST_BASE_SINK (self), NULL);
  gboolean ok = !gst_caps_is_empty (caps);

  if (!ok)
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS,
        ("The property caps of %s allows nothing that lies in system memory. "
         "Download frames before the ring (gldownload) and set caps without "
         "memory features.",
            GST_OBJECT_NAME (self)),
        (NULL));
  gst_caps_unref (caps);
  return ok;
}

/* ---- Streaming ----------------------------------------------------------- */

static gboolean
gst_shm_ring_sink_set_caps (GstBaseSink *bsink, GstCaps *caps)
{
  GST_DEBUG_OBJECT (bsink, "%" GST_PTR_FORMAT, caps);
  return gst_shm_ring_sink_ring_set_caps (
      &GST_SHM_RING_SINK (bsink)->ring, caps);
}

/* Upstream may ask for any number of buffers: what the ring cannot lend comes
 * as ordinary memory. */
static void
gst_shm_ring_sink_propose_pool (
    GstShmRingSink *self, GstQuery *query, gsize size, gboolean need_pool)
{
  GstShmRingAllocator *slots = gst_shm_ring_sink_ring_ref_slots (&self->ring);
  GstBufferPool *pool = NULL;

  if (slots == NULL)
    return;
  if (need_pool)
    pool = gst_shm_ring_pool_new (slots);
  gst_query_add_allocation_pool (query, pool, size, 0, 0);
  gst_clear_object (&pool);
  gst_object_unref (slots);
}

static gboolean
gst_shm_ring_sink_propose_allocation (GstBaseSink *bsink, GstQuery *query)
{
  GstShmRingFormat format;
  gboolean need_pool;
  GstCaps *caps;

  gst_query_parse_allocation (query, &caps, &need_pool);
  if (caps == NULL || !gst_caps_is_fixed (caps))
    return FALSE;
  if (!gst_shm_ring_format_set_caps (&format, caps) || !format.is_video)
    return TRUE;
  gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  gst_shm_ring_sink_propose_pool (GST_SHM_RING_SINK (bsink), query,
      GST_VIDEO_INFO_SIZE (&format.video), need_pool);
  return TRUE;
}

static GstFlowReturn
gst_shm_ring_sink_render (GstBaseSink *bsink, GstBuffer *buffer)
{
  GST_LOG_OBJECT (bsink, "%" GST_PTR_FORMAT, buffer);
  return gst_shm_ring_sink_ring_publish (
      &GST_SHM_RING_SINK (bsink)->ring, buffer);
}

/* ---- Events and states --------------------------------------------------- */

/* Before the base class says EOS on the bus, where the application may take it
 * as the moment to stop: readers would see a stream that was cut off. */
static GstFlowReturn
gst_shm_ring_sink_wait_event (GstBaseSink *bsink, GstEvent *event)
{
  GstShmRingSink *self = GST_SHM_RING_SINK (bsink);
  GstFlowReturn flow =
      GST_BASE_SINK_CLASS (parent_class)->wait_event (bsink, event);

  if (flow == GST_FLOW_OK && GST_EVENT_TYPE (event) == GST_EVENT_GAP)
    return gst_shm_ring_sink_ring_publish_gap (&self->ring, event);
  if (flow == GST_FLOW_OK && GST_EVENT_TYPE (event) == GST_EVENT_EOS)
    gst_shm_ring_sink_ring_end (&self->ring);
  return flow;
}

static gboolean
gst_shm_ring_sink_event (GstBaseSink *bsink, GstEvent *event)
{
  GstShmRingSink *self = GST_SHM_RING_SINK (bsink);
  gboolean resets_time;
  GstTagList *tags;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_STOP:
      gst_event_parse_flush_stop (event, &resets_time);
      gst_shm_ring_sink_ring_flush (&self->ring, resets_time);
      break;
    case GST_EVENT_STREAM_START:
      gst_shm_ring_sink_ring_set_tags (&self->ring, NULL);
      break;
    case GST_EVENT_TAG:
      gst_event_parse_tag (event, &tags);
      gst_shm_ring_sink_ring_set_tags (&self->ring, tags);
      break;
    default:
      break;
  }
  return GST_BASE_SINK_CLASS (parent_class)->event (bsink, event);
}

/* The pipeline has agreed on its latency. */
static gboolean
gst_shm_ring_sink_send_event (GstElement *element, GstEvent *event)
{
  gboolean is_latency = GST_EVENT_TYPE (event) == GST_EVENT_LATENCY;
  gboolean ok = GST_ELEMENT_CLASS (parent_class)->send_event (element, event);

  if (is_latency)
    gst_shm_ring_sink_ring_update_latency (&GST_SHM_RING_SINK (element)->ring);
  return ok;
}

static gboolean
gst_shm_ring_sink_unlock (GstBaseSink *bsink)
{
  gst_shm_ring_sink_ring_set_unlocked (&GST_SHM_RING_SINK (bsink)->ring, TRUE);
  return TRUE;
}

static gboolean
gst_shm_ring_sink_unlock_stop (GstBaseSink *bsink)
{
  gst_shm_ring_sink_ring_set_unlocked (&GST_SHM_RING_SINK (bsink)->ring, FALSE);
  return TRUE;
}

static gboolean
gst_shm_ring_sink_prepare (GstShmRingSink *self)
{
  GstShmRingSinkSettings settings;
  gchar *name;

  GST_OBJECT_LOCK (self);
  settings = self->settings;
  name = g_strdup (self->ring_name);
  GST_OBJECT_UNLOCK (self);
  name = gst_shm_ring_element_resolve_name (GST_ELEMENT (self), name);
  if (name == NULL || !gst_shm_ring_sink_check_caps (self)) {
    g_free (name);
    return FALSE;
  }
  gst_shm_ring_sink_ring_start (&self->ring, name, &settings);
  return TRUE;
}

/* The base class's start() and stop() belong to READY, where an element holds
 * nothing yet. */
static GstStateChangeReturn
gst_shm_ring_sink_change_state (GstElement *element, GstStateChange change)
{
  GstShmRingSink *self = GST_SHM_RING_SINK (element);
  GstStateChangeReturn ret;

  if (change == GST_STATE_CHANGE_READY_TO_PAUSED
      && !gst_shm_ring_sink_prepare (self))
    return GST_STATE_CHANGE_FAILURE;
  ret = GST_ELEMENT_CLASS (parent_class)->change_state (element, change);
  if (change == GST_STATE_CHANGE_PAUSED_TO_PLAYING)
    gst_shm_ring_sink_ring_update_latency (&self->ring);
  if (change == GST_STATE_CHANGE_PAUSED_TO_READY
      || (change == GST_STATE_CHANGE_READY_TO_PAUSED
          && ret == GST_STATE_CHANGE_FAILURE))
    gst_shm_ring_sink_ring_stop (&self->ring);
  return ret;
}

/* ---- The object ---------------------------------------------------------- */

/* Also while frames flow: upstream then asks again what may come. */
static void
gst_shm_ring_sink_change_caps (GstShmRingSink *self, const GstCaps *caps)
{
  GST_OBJECT_LOCK (self);
  gst_clear_caps (&self->caps);
  self->caps = caps != NULL ? gst_caps_copy (caps) : gst_caps_new_any ();
  GST_OBJECT_UNLOCK (self);
  gst_pad_push_event (GST_BASE_SINK_PAD (self), gst_event_new_reconfigure ());
}

static const GstShmRingField fields[] = {
  [PROP_RING_NAME] = GST_SHM_RING_FIELD (GstShmRingSink, ring_name),
  [PROP_SLOTS] = GST_SHM_RING_FIELD (GstShmRingSink, settings.options.slots),
  [PROP_SLOT_SIZE] =
      GST_SHM_RING_FIELD (GstShmRingSink, settings.options.slot_size),
  [PROP_MAX_READERS] =
      GST_SHM_RING_FIELD (GstShmRingSink, settings.options.max_readers),
  [PROP_PERMS] = GST_SHM_RING_FIELD (GstShmRingSink, settings.options.perms),
  [PROP_WAIT_FOR_CONNECTION] =
      GST_SHM_RING_FIELD (GstShmRingSink, settings.wait_for_connection),
  [PROP_TIMEOUT] = GST_SHM_RING_FIELD (GstShmRingSink, settings.timeout),
};

static void
gst_shm_ring_sink_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  if (id < G_N_ELEMENTS (fields))
    gst_shm_ring_element_set_field (GST_ELEMENT (object), &fields[id], value);
  else if (id == PROP_CAPS)
    gst_shm_ring_sink_change_caps (
        GST_SHM_RING_SINK (object), gst_value_get_caps (value));
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
gst_shm_ring_sink_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstShmRingSink *self = GST_SHM_RING_SINK (object);

  switch (id) {
    case PROP_CAPS:
      GST_OBJECT_LOCK (self);
      gst_value_set_caps (value, self->caps);
      GST_OBJECT_UNLOCK (self);
      break;
    case PROP_NUM_READERS:
      g_value_set_uint (
          value, gst_shm_ring_sink_ring_get_num_readers (&self->ring));
      break;
    case PROP_RING_STATS:
      g_value_take_boxed (
          value, gst_shm_ring_sink_ring_get_stats (&self->ring));
      break;
    default:
      gst_shm_ring_element_get_field (GST_ELEMENT (self), &fields[id], value);
  }
}

static void
gst_shm_ring_sink_finalize (GObject *object)
{
  GstShmRingSink *self = GST_SHM_RING_SINK (object);

  g_free (self->ring_name);
  gst_clear_caps (&self->caps);
  gst_clear_structure (&self->ring.last_stats);
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
gst_shm_ring_sink_init (GstShmRingSink *self)
{
  const struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;

  self->caps = gst_caps_from_string (DEFAULT_CAPS);
  self->settings.options = options;
  self->settings.timeout = GST_SHM_RING_SINK_TIMEOUT_AUTO;
  self->ring.sink = GST_BASE_SINK (self);
  gst_base_sink_set_sync (GST_BASE_SINK (self), FALSE);
  /* what the sink itself takes is measured */
  gst_base_sink_set_processing_deadline (GST_BASE_SINK (self), 0);
  /* it would pin one of upstream's buffers for nobody */
  gst_base_sink_set_last_sample_enabled (GST_BASE_SINK (self), FALSE);
}

static void
gst_shm_ring_sink_install_ring (GObjectClass *klass, const GParamFlags flags)
{
  const struct shmring_writer_options defaults = SHMRING_WRITER_OPTIONS_INIT;

  g_object_class_install_property (klass, PROP_RING_NAME,
      g_param_spec_string ("ring-name", "Ring name",
          "Name of the ring (NULL: the element's name)", NULL, flags));
  g_object_class_install_property (klass, PROP_SLOTS,
      g_param_spec_uint ("slots", "Slots", "Frames the ring holds",
          SHMRING_MIN_SLOTS, SHMRING_MAX_SLOTS, defaults.slots, flags));
  g_object_class_install_property (klass, PROP_SLOT_SIZE,
      g_param_spec_uint64 ("slot-size", "Slot size",
          "Bytes a frame may need; grows when one needs more (0: the raw "
          "frame's size, 1 MiB for other data)",
          0, G_MAXINT64, 0, flags));
  g_object_class_install_property (klass, PROP_MAX_READERS,
      g_param_spec_uint ("max-readers", "Max readers",
          "Readers that may be attached at once", 1, SHMRING_MAX_READERS,
          defaults.max_readers, flags));
  g_object_class_install_property (klass, PROP_PERMS,
      g_param_spec_uint ("perms", "Permissions",
          "Permissions of the ring like a file's, whatever the umask: r may "
          "observe, w may attach (0600 is 384)",
          0, 0777, defaults.perms, flags));
}

static void
gst_shm_ring_sink_install_frames (GObjectClass *klass, const GParamFlags flags)
{
  g_object_class_install_property (klass, PROP_WAIT_FOR_CONNECTION,
      g_param_spec_boolean ("wait-for-connection", "Wait for a connection",
          "Hold a stream's first frame until a reader is attached", FALSE,
          flags));
  g_object_class_install_property (klass, PROP_TIMEOUT,
      g_param_spec_int64 ("timeout", "Timeout",
          "Longest wait in nanoseconds for a reader that wants every frame and "
          "takes none, before it loses its oldest ones (-1: for ever, -2: 1 s "
          "in a live pipeline, else for ever)",
          GST_SHM_RING_SINK_TIMEOUT_AUTO, G_MAXINT64,
          GST_SHM_RING_SINK_TIMEOUT_AUTO, flags));
  g_object_class_install_property (klass, PROP_CAPS,
      g_param_spec_boxed ("caps", "Caps",
          "What the ring takes, in system memory", GST_TYPE_CAPS,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
              | GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (klass, PROP_NUM_READERS,
      g_param_spec_uint ("num-readers", "Number of readers",
          "Readers attached now", 0, SHMRING_MAX_READERS, 0,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  g_object_class_install_property (klass, PROP_RING_STATS,
      g_param_spec_boxed ("ring-stats", "Ring statistics",
          "What the ring counts; the last one's once it is closed",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void
gst_shm_ring_sink_install_signals (GType type)
{
  /**
   * GstShmRingSink::reader-attached:
   * @self: the sink
   * @id: of this attachment
   * @pid: the reader's process, as it says
   * @name: the reader's name, as it says
   *
   * Emitted from a thread of the sink's within a quarter of a second after a
   * reader attached, whether or not frames flow. One that was gone before that
   * is not reported. When the ring moves to larger slots its readers detach
   * and attach anew.
   */
  g_signal_new ("reader-attached", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
      G_TYPE_NONE, 3, G_TYPE_UINT64, G_TYPE_UINT, G_TYPE_STRING);
  /**
   * GstShmRingSink::reader-detached:
   * @self: the sink
   * @id: as of reader-attached
   * @pid: the reader's process, as it says
   * @name: the reader's name, as it says
   *
   * As reader-attached. A reader that was killed is noticed while frames flow.
   */
  g_signal_new ("reader-detached", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
      G_TYPE_NONE, 3, G_TYPE_UINT64, G_TYPE_UINT, G_TYPE_STRING);
}

static void
gst_shm_ring_sink_describe (GstElementClass *element_class)
{
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_set_static_metadata (element_class,
      "Shared memory ring sink", "Sink/Video",
      "Publishes frames to other processes through a ring in shared memory: "
      "BGR and GRAY8 pictures, or what the property caps says "
      "(caps=image/jpeg, caps=video/x-h264, caps=ANY)",
      "The shmring developers");
}

static void
gst_shm_ring_sink_class_init (GstShmRingSinkClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSinkClass *sink_class = GST_BASE_SINK_CLASS (klass);
  const GParamFlags settings =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  object_class->set_property = gst_shm_ring_sink_set_property;
  object_class->get_property = gst_shm_ring_sink_get_property;
  object_class->finalize = gst_shm_ring_sink_finalize;
  gst_shm_ring_sink_install_ring (object_class, settings);
  gst_shm_ring_sink_install_frames (object_class, settings);
  gst_shm_ring_sink_install_signals (G_TYPE_FROM_CLASS (klass));
  shmring_guard ();

  element_class->change_state = gst_shm_ring_sink_change_state;
  element_class->send_event = gst_shm_ring_sink_send_event;
  gst_shm_ring_sink_describe (element_class);

  sink_class->get_caps = gst_shm_ring_sink_get_caps;
  sink_class->query = gst_shm_ring_sink_query;
  sink_class->set_caps = gst_shm_ring_sink_set_caps;
  sink_class->propose_allocation = gst_shm_ring_sink_propose_allocation;
  sink_class->render = gst_shm_ring_sink_render;
  sink_class->wait_event = gst_shm_ring_sink_wait_event;
  sink_class->event = gst_shm_ring_sink_event;
  sink_class->unlock = gst_shm_ring_sink_unlock;
  sink_class->unlock_stop = gst_shm_ring_sink_unlock_stop;
}
