/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-shmringsrc
 * @title: shmringsrc
 * @see_also: shmringsink
 *
 * Reads frames from a ring in shared memory, which #shmringsink, Python or C
 * programs write. It waits for the ring as long as needed; caps come from the
 * ring. Buffers are the ring's own memory, read-only, given back with their
 * last reference.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 shmringsrc ring-name=cam0 ! videoconvert ! autovideosink
 * ]| Only the newest frame, for a viewer that must not slow the writer down:
 * |[
 * gst-launch-1.0 shmringsrc ring-name=cam0 leaky-type=downstream ! videoconvert
 * ! autovideosink
 * ]|
 */
#include "gstshmringsrc.h"

#include <gst/video/video.h>

#include "gstshmringclock.h"
#include "gstshmringelement.h"
#include "gstshmringenums.h"
#include "gstshmringframe.h"
#include "gstshmringreader.h"
#include "gstshmringvideo.h"

/* From the writer's publishing to this element's push: a wake-up on a busy
 * machine. */
#define HAND_OVER GST_MSECOND

GST_DEBUG_CATEGORY_STATIC (gst_shm_ring_src_debug);
#define GST_CAT_DEFAULT gst_shm_ring_src_debug

struct _GstShmRingSrc {
  GstPushSrc parent;

  /* properties; under the object lock */
  gchar *ring_name;
  GstShmRingReaderSettings settings;

  GstShmRingReader reader;

  /* the ring's; changed under the object lock */
  GstCaps *caps;
  GstVideoInfo video;
  gboolean is_video;

  /* streaming thread */
  gchar *caps_text;
  gboolean takes_video_meta;
};

enum {
  PROP_0,
  PROP_RING_NAME,
  PROP_IS_LIVE,
  PROP_LEAKY_TYPE,
  PROP_MAX_BUFFERS,
  PROP_CONNECTION_TIMEOUT,
  PROP_TIMEOUT,
  PROP_ON_DISCONNECT,
};

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

#define gst_shm_ring_src_parent_class parent_class
G_DEFINE_TYPE_WITH_CODE (GstShmRingSrc, gst_shm_ring_src, GST_TYPE_PUSH_SRC,
    GST_DEBUG_CATEGORY_INIT (
        gst_shm_ring_src_debug, "shmringsrc", 0, "shmringsrc element"));
GST_ELEMENT_REGISTER_DEFINE (
    shmringsrc, "shmringsrc", GST_RANK_NONE, GST_TYPE_SHM_RING_SRC);

/* ---- Starting ------------------------------------------------------------ */

static gboolean
gst_shm_ring_src_start (GstBaseSrc *bsrc)
{
  GstShmRingSrc *self = GST_SHM_RING_SRC (bsrc);
  GstShmRingReaderSettings settings;
  gchar *name, *ring;

  GST_OBJECT_LOCK (self);
  name = g_strdup (self->ring_name);
  settings = self->settings;
  GST_OBJECT_UNLOCK (self);
  ring = gst_shm_ring_element_resolve_name (GST_ELEMENT (self), name);
  g_free (name);
  return ring != NULL
      && gst_shm_ring_reader_start (&self->reader, ring, &settings);
}

/* ---- Caps ---------------------------------------------------------------- */

static GstCaps *
gst_shm_ring_src_get_caps (GstBaseSrc *bsrc, GstCaps *filter)
{
  GstShmRingSrc *self = GST_SHM_RING_SRC (bsrc);
  GstCaps *caps = NULL, *result;

  GST_OBJECT_LOCK (self);
  gst_caps_replace (&caps, self->caps);
  GST_OBJECT_UNLOCK (self);
  if (caps == NULL)
    caps = gst_pad_get_pad_template_caps (GST_BASE_SRC_PAD (self));
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

/* Frames lie where they lie: a pool of downstream's is of no use, its metas
 * are. */
static gboolean
gst_shm_ring_src_decide_allocation (GstBaseSrc *bsrc, GstQuery *query)
{
  GST_SHM_RING_SRC (bsrc)->takes_video_meta =
      gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  while (gst_query_get_n_allocation_pools (query) > 0)
    gst_query_remove_nth_allocation_pool (query, 0);
  return TRUE;
}

static gboolean
gst_shm_ring_src_push_caps (GstShmRingSrc *self, GstCaps *caps)
{
  GstVideoInfo video;
  gboolean is_video =
      gst_structure_has_name (gst_caps_get_structure (caps, 0), "video/x-raw")
      && gst_video_info_from_caps (&video, caps)
      && GST_VIDEO_INFO_FORMAT (&video) != GST_VIDEO_FORMAT_ENCODED;

  GST_OBJECT_LOCK (self);
  gst_caps_replace (&self->caps, caps);
  self->is_video = is_video;
  if (is_video)
    self->video = video;
  GST_OBJECT_UNLOCK (self);
  /* a caps event that is refused shows only with the next buffer */
  return gst_pad_peer_query_accept_caps (GST_BASE_SRC_PAD (self), caps)
      && gst_base_src_set_caps (GST_BASE_SRC (self), caps)
      && gst_base_src_negotiate (GST_BASE_SRC (self));
}

static void
gst_shm_ring_src_forget_caps (GstShmRingSrc *self)
{
  GST_OBJECT_LOCK (self);
  gst_clear_caps (&self->caps);
  GST_OBJECT_UNLOCK (self);
  g_clear_pointer (&self->caps_text, g_free);
}

static GstFlowReturn
gst_shm_ring_src_refused (GstShmRingSrc *self, GstCaps *caps)
{
  if (GST_PAD_IS_FLUSHING (GST_BASE_SRC_PAD (self)))
    return GST_FLOW_FLUSHING;
  GST_ELEMENT_ERROR (self, STREAM, WRONG_TYPE,
      ("The ring \"%s\" carries what the element after %s does not take. Put "
       "a converter (videoconvert) or another caps filter between.",
          self->reader.ring, GST_OBJECT_NAME (self)),
      ("%" GST_PTR_FORMAT, caps));
  return GST_FLOW_NOT_NEGOTIATED;
}

static GstFlowReturn
gst_shm_ring_src_damaged (
    GstShmRingSrc *self, guint64 seq, const gchar *problem)
{
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("Frame %" G_GUINT64_FORMAT " of the ring \"%s\" makes no sense: %s. "
       "Its writer has to be repaired.",
          seq, self->reader.ring, problem),
      (NULL));
  return GST_FLOW_ERROR;
}

static GstFlowReturn
gst_shm_ring_src_update_caps (
    GstShmRingSrc *self, const struct shmring_frame_info *info)
{
  GstFlowReturn flow = GST_FLOW_OK;
  const gchar *problem = NULL;
  GstCaps *caps;

  if (info->caps != NULL && g_strcmp0 (info->caps, self->caps_text) == 0)
    return GST_FLOW_OK;
  caps = gst_shm_ring_frame_get_caps (info, &problem);
  if (caps == NULL)
    return gst_shm_ring_src_damaged (self, info->seq, problem);
  if (self->caps == NULL || !gst_caps_is_equal (self->caps, caps)) {
    if (!gst_shm_ring_src_push_caps (self, caps))
      flow = gst_shm_ring_src_refused (self, caps);
  }
  g_free (self->caps_text);
  self->caps_text = g_strdup (info->caps);
  if (flow != GST_FLOW_OK)
    gst_shm_ring_src_forget_caps (self);
  gst_caps_unref (caps);
  return flow;
}

/* ---- Frames -------------------------------------------------------------- */

/* Takes FRAME. */
static GstFlowReturn
gst_shm_ring_src_wrap (
    GstShmRingSrc *self, struct shmring_frame *frame, GstBuffer **buffer)
{
  const GstVideoInfo *video = self->is_video ? &self->video : NULL;
  gboolean needs_copy = video != NULL && !self->takes_video_meta
      && !gst_shm_ring_frame_is_default_layout (&frame->info, video);
  guint64 seq = frame->info.seq;
  GstBuffer *frame_buffer = gst_shm_ring_frame_wrap (frame, video);

  if (frame_buffer == NULL)
    return gst_shm_ring_src_damaged (
        self, seq, "its rows do not fit in its bytes");
  if (gst_base_src_is_live (GST_BASE_SRC (self)))
    gst_shm_ring_clock_stamp_buffer (
        GST_ELEMENT (self), &frame->info, frame_buffer);
  if (needs_copy) {
    *buffer = gst_shm_ring_video_copy_out (video, frame_buffer);
    gst_buffer_unref (frame_buffer);
  } else {
    *buffer = frame_buffer;
  }
  if (*buffer == NULL)
    return gst_shm_ring_src_damaged (self, seq, "its rows cannot be copied");
  return GST_FLOW_OK;
}

static GstFlowReturn
gst_shm_ring_src_create (GstPushSrc *psrc, GstBuffer **buffer)
{
  GstShmRingSrc *self = GST_SHM_RING_SRC (psrc);
  struct shmring_frame *frame;
  gboolean is_new, is_discont;
  GstFlowReturn flow =
      gst_shm_ring_reader_next (&self->reader, &frame, &is_new, &is_discont);

  if (flow != GST_FLOW_OK)
    return flow;
  flow = gst_shm_ring_src_update_caps (self, &frame->info);
  if (flow != GST_FLOW_OK) {
    shmring_frame_release (frame);
    return flow;
  }
  if (is_new && gst_base_src_is_live (GST_BASE_SRC (self)))
    gst_element_post_message (
        GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
  flow = gst_shm_ring_src_wrap (self, frame, buffer);
  if (flow == GST_FLOW_OK && is_discont)
    GST_BUFFER_FLAG_SET (*buffer, GST_BUFFER_FLAG_DISCONT);
  return flow;
}

/* ---- Queries and states -------------------------------------------------- */

static GstClockTime
gst_shm_ring_src_frame_duration (GstShmRingSrc *self)
{
  GstClockTime duration = GST_CLOCK_TIME_NONE;

  GST_OBJECT_LOCK (self);
  if (self->is_video && GST_VIDEO_INFO_FPS_N (&self->video) > 0)
    duration = gst_util_uint64_scale_int (GST_SECOND,
        GST_VIDEO_INFO_FPS_D (&self->video),
        GST_VIDEO_INFO_FPS_N (&self->video));
  GST_OBJECT_UNLOCK (self);
  return duration;
}

/* A frame arrives as late as it left the writing pipeline; it can be held for
 * as long as the lease lasts. */
static void
gst_shm_ring_src_answer_latency (GstShmRingSrc *self, GstQuery *query)
{
  GstClockTime min = 0, max = GST_CLOCK_TIME_NONE, duration;
  guint lease;

  if (!gst_base_src_is_live (GST_BASE_SRC (self))) {
    gst_query_set_latency (query, FALSE, 0, GST_CLOCK_TIME_NONE);
    return;
  }
  duration = gst_shm_ring_src_frame_duration (self);
  if (gst_shm_ring_reader_get_latency (&self->reader, &min, &lease)
      && GST_CLOCK_TIME_IS_VALID (duration))
    max = min + HAND_OVER + MAX (lease, 1) * duration;
  gst_query_set_latency (query, TRUE, min + HAND_OVER, max);
}

static gboolean
gst_shm_ring_src_query (GstBaseSrc *bsrc, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
    return GST_BASE_SRC_CLASS (parent_class)->query (bsrc, query);
  gst_shm_ring_src_answer_latency (GST_SHM_RING_SRC (bsrc), query);
  return TRUE;
}

static gboolean
gst_shm_ring_src_unlock (GstBaseSrc *bsrc)
{
  gst_shm_ring_reader_set_unlocked (&GST_SHM_RING_SRC (bsrc)->reader, TRUE);
  return TRUE;
}

static gboolean
gst_shm_ring_src_unlock_stop (GstBaseSrc *bsrc)
{
  gst_shm_ring_reader_set_unlocked (&GST_SHM_RING_SRC (bsrc)->reader, FALSE);
  return TRUE;
}

static gboolean
gst_shm_ring_src_stop (GstBaseSrc *bsrc)
{
  GstShmRingSrc *self = GST_SHM_RING_SRC (bsrc);

  gst_shm_ring_reader_stop (&self->reader);
  gst_shm_ring_src_forget_caps (self);
  return TRUE;
}

/* ---- The object ---------------------------------------------------------- */

static void
gst_shm_ring_src_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstShmRingSrc *self = GST_SHM_RING_SRC (object);

  if (id == PROP_IS_LIVE) {
    gst_base_src_set_live (GST_BASE_SRC (self), g_value_get_boolean (value));
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_RING_NAME:
      g_free (self->ring_name);
      self->ring_name = g_value_dup_string (value);
      break;
    case PROP_LEAKY_TYPE:
      self->settings.options.mode = g_value_get_enum (value);
      break;
    case PROP_MAX_BUFFERS:
      self->settings.options.depth = g_value_get_uint (value);
      break;
    case PROP_CONNECTION_TIMEOUT:
      self->settings.connection_timeout = g_value_get_uint64 (value);
      break;
    case PROP_TIMEOUT:
      self->settings.timeout = g_value_get_uint64 (value);
      break;
    case PROP_ON_DISCONNECT:
      self->settings.on_disconnect = g_value_get_enum (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_shm_ring_src_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstShmRingSrc *self = GST_SHM_RING_SRC (object);

  if (id == PROP_IS_LIVE) {
    g_value_set_boolean (value, gst_base_src_is_live (GST_BASE_SRC (self)));
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_RING_NAME:
      g_value_set_string (value, self->ring_name);
      break;
    case PROP_LEAKY_TYPE:
      g_value_set_enum (value, self->settings.options.mode);
      break;
    case PROP_MAX_BUFFERS:
      g_value_set_uint (value, self->settings.options.depth);
      break;
    case PROP_CONNECTION_TIMEOUT:
      g_value_set_uint64 (value, self->settings.connection_timeout);
      break;
    case PROP_TIMEOUT:
      g_value_set_uint64 (value, self->settings.timeout);
      break;
    case PROP_ON_DISCONNECT:
      g_value_set_enum (value, self->settings.on_disconnect);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_shm_ring_src_finalize (GObject *object)
{
  g_free (GST_SHM_RING_SRC (object)->ring_name);
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
gst_shm_ring_src_init (GstShmRingSrc *self)
{
  const struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;

  self->settings.options = options;
  self->settings.connection_timeout = GST_CLOCK_TIME_NONE;
  self->settings.timeout = GST_CLOCK_TIME_NONE;
  self->reader.src = GST_ELEMENT (self);
  gst_base_src_set_live (GST_BASE_SRC (self), TRUE);
  gst_base_src_set_format (GST_BASE_SRC (self), GST_FORMAT_TIME);
}

static void
gst_shm_ring_src_install_properties (GObjectClass *klass)
{
  const struct shmring_reader_options defaults = SHMRING_READER_OPTIONS_INIT;
  const GParamFlags flags =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  g_object_class_install_property (klass, PROP_RING_NAME,
      g_param_spec_string ("ring-name", "Ring name",
          "Name of the ring (NULL: the element's name)", NULL, flags));
  g_object_class_install_property (klass, PROP_IS_LIVE,
      g_param_spec_boolean ("is-live", "Is live",
          "Keep the frames' real time (false: the writer's running time)", TRUE,
          flags));
  g_object_class_install_property (klass, PROP_LEAKY_TYPE,
      g_param_spec_enum ("leaky-type", "Leaky type",
          "Which frames may be dropped when this reader is slow",
          GST_TYPE_SHM_RING_LEAKY_TYPE, defaults.mode, flags));
  g_object_class_install_property (klass, PROP_MAX_BUFFERS,
      g_param_spec_uint ("max-buffers", "Max buffers",
          "Frames the ring keeps for this reader when it is leaky", 1,
          G_MAXUINT16, defaults.depth, flags));
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
          "What to do when the writer goes", GST_TYPE_SHM_RING_ON_DISCONNECT,
          GST_SHM_RING_ON_DISCONNECT_AUTO, flags));
}

static void
gst_shm_ring_src_class_init (GstShmRingSrcClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSrcClass *src_class = GST_BASE_SRC_CLASS (klass);

  object_class->set_property = gst_shm_ring_src_set_property;
  object_class->get_property = gst_shm_ring_src_get_property;
  object_class->finalize = gst_shm_ring_src_finalize;
  gst_shm_ring_src_install_properties (object_class);

  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class,
      "Shared memory ring source", "Source/Video",
      "Reads frames of another process from a ring in shared memory",
      "The shmring developers");
  gst_type_mark_as_plugin_api (GST_TYPE_SHM_RING_LEAKY_TYPE, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_SHM_RING_ON_DISCONNECT, 0);

  src_class->start = gst_shm_ring_src_start;
  src_class->stop = gst_shm_ring_src_stop;
  src_class->get_caps = gst_shm_ring_src_get_caps;
  src_class->negotiate = gst_shm_ring_src_negotiate;
  src_class->decide_allocation = gst_shm_ring_src_decide_allocation;
  src_class->query = gst_shm_ring_src_query;
  src_class->unlock = gst_shm_ring_src_unlock;
  src_class->unlock_stop = gst_shm_ring_src_unlock_stop;

  GST_PUSH_SRC_CLASS (klass)->create = gst_shm_ring_src_create;
}
