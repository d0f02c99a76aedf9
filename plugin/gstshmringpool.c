/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringpool.h"

#include <gst/video/video.h>

/* A frame's, where the caps do not say how long one lasts. */
#define DEFAULT_WAIT (40 * GST_MSECOND)

GST_DEBUG_CATEGORY_STATIC (gst_shm_ring_pool_debug);
#define GST_CAT_DEFAULT gst_shm_ring_pool_debug

struct _GstShmRingPool {
  GstVideoBufferPool parent;

  GstShmRingAllocator *slots;

  /* the configuration's */
  GstVideoInfo video; /* as aligned */
  GstAllocationParams params;
  gboolean adds_video_meta;
  GstClockTime wait;
};

#define gst_shm_ring_pool_parent_class parent_class
G_DEFINE_TYPE_WITH_CODE (GstShmRingPool, gst_shm_ring_pool,
    GST_TYPE_VIDEO_BUFFER_POOL,
    GST_DEBUG_CATEGORY_INIT (gst_shm_ring_pool_debug, "shmringpool", 0,
        "buffers in a shmringsink's slots"));

static GQuark
gst_shm_ring_pool_slot_quark (void)
{
  return g_quark_from_static_string ("shmring-slot");
}

/* ---- Configuration ------------------------------------------------------- */

static GstClockTime
gst_shm_ring_pool_frame_duration (const GstVideoInfo *video)
{
  if (GST_VIDEO_INFO_FPS_N (video) <= 0)
    return DEFAULT_WAIT;
  return gst_util_uint64_scale_int (
      GST_SECOND, GST_VIDEO_INFO_FPS_D (video), GST_VIDEO_INFO_FPS_N (video));
}

/* What the parent made of CONFIG. */
static void
gst_shm_ring_pool_read_config (GstShmRingPool *self, GstStructure *config)
{
  GstVideoAlignment align;
  GstCaps *caps;
  guint size;

  gst_buffer_pool_config_get_params (config, &caps, &size, NULL, NULL);
  gst_buffer_pool_config_get_allocator (config, NULL, &self->params);
  gst_video_info_from_caps (&self->video, caps);
  self->wait = gst_shm_ring_pool_frame_duration (&self->video);
  self->adds_video_meta = gst_buffer_pool_config_has_option (
      config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  if (self->adds_video_meta
      && gst_buffer_pool_config_has_option (
          config, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT)
      && gst_buffer_pool_config_get_video_alignment (config, &align))
    gst_video_info_align (&self->video, &align);
  self->video.size = MAX (size, GST_VIDEO_INFO_SIZE (&self->video));
}

static gboolean
gst_shm_ring_pool_set_config (GstBufferPool *pool, GstStructure *config)
{
  if (!GST_BUFFER_POOL_CLASS (parent_class)->set_config (pool, config))
    return FALSE;
  gst_shm_ring_pool_read_config (GST_SHM_RING_POOL (pool), config);
  return TRUE;
}

/* Slots become as large as the configuration asks for, padding included. A ring
 * that cannot grow lends none of its slots here, and says why when a frame is
 * copied: an error is never posted under the pool's lock. */
static gboolean
gst_shm_ring_pool_start (GstBufferPool *pool)
{
  GstShmRingPool *self = GST_SHM_RING_POOL (pool);
  struct shmring_error error = { 0 };

  if (gst_shm_ring_allocator_grow (self->slots,
          self->params.prefix + GST_VIDEO_INFO_SIZE (&self->video)
              + self->params.padding,
          0, &error)
      < 0)
    GST_WARNING_OBJECT (self, "no slots to lend: %s", error.message);
  return TRUE;
}

/* ---- Buffers ------------------------------------------------------------- */

/* Fresh for every loan: a pool throws buffers away whose memory is locked, as a
 * published slot's is. */
static GstBuffer *
gst_shm_ring_pool_wrap (GstShmRingPool *self, GstMemory *memory)
{
  GstBuffer *buffer = gst_buffer_new ();
  GstVideoInfo *video = &self->video;

  gst_buffer_append_memory (buffer, memory);
  if (self->adds_video_meta) {
    GstVideoMeta *meta = gst_buffer_add_video_meta_full (buffer,
        GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT (video),
        GST_VIDEO_INFO_WIDTH (video), GST_VIDEO_INFO_HEIGHT (video),
        GST_VIDEO_INFO_N_PLANES (video), video->offset, video->stride);

    GST_META_FLAG_SET (meta, GST_META_FLAG_POOLED);
  }
  gst_mini_object_set_qdata (GST_MINI_OBJECT_CAST (buffer),
      gst_shm_ring_pool_slot_quark (), self, NULL);

  return buffer;
}

static gboolean
gst_shm_ring_pool_is_slot (GstBuffer *buffer)
{
  return gst_mini_object_get_qdata (
             GST_MINI_OBJECT_CAST (buffer), gst_shm_ring_pool_slot_quark ())
      != NULL;
}

static GstFlowReturn
gst_shm_ring_pool_acquire_buffer (
    GstBufferPool *pool, GstBuffer **buffer, GstBufferPoolAcquireParams *params)
{
  GstShmRingPool *self = GST_SHM_RING_POOL (pool);
  gboolean may_wait = params == NULL
      || !(params->flags & GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT);
  GstMemory *memory;

  if (GST_BUFFER_POOL_IS_FLUSHING (pool))
    return GST_FLOW_FLUSHING;
  memory = gst_shm_ring_allocator_lend (self->slots,
      GST_VIDEO_INFO_SIZE (&self->video), &self->params,
      may_wait ? self->wait : 0);
  if (memory == NULL)
    return GST_BUFFER_POOL_CLASS (parent_class)
        ->acquire_buffer (pool, buffer, params);
  *buffer = gst_shm_ring_pool_wrap (self, memory);
  return GST_FLOW_OK;
}

static void
gst_shm_ring_pool_reset_buffer (GstBufferPool *pool, GstBuffer *buffer)
{
  if (!gst_shm_ring_pool_is_slot (buffer))
    GST_BUFFER_POOL_CLASS (parent_class)->reset_buffer (pool, buffer);
}

static void
gst_shm_ring_pool_release_buffer (GstBufferPool *pool, GstBuffer *buffer)
{
  if (gst_shm_ring_pool_is_slot (buffer))
    gst_buffer_unref (buffer);
  else
    GST_BUFFER_POOL_CLASS (parent_class)->release_buffer (pool, buffer);
}

static void
gst_shm_ring_pool_flush_start (GstBufferPool *pool)
{
  gst_shm_ring_allocator_interrupt (GST_SHM_RING_POOL (pool)->slots);
}

/* ---- The object ---------------------------------------------------------- */

GstBufferPool *
gst_shm_ring_pool_new (GstShmRingAllocator *slots)
{
  GstShmRingPool *self = g_object_new (GST_TYPE_SHM_RING_POOL, NULL);

  gst_object_ref_sink (self);
  self->slots = gst_object_ref (slots);
  return GST_BUFFER_POOL (self);
}

static void
gst_shm_ring_pool_finalize (GObject *object)
{
  gst_object_unref (GST_SHM_RING_POOL (object)->slots);
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
gst_shm_ring_pool_init (GstShmRingPool *self)
{
  gst_allocation_params_init (&self->params);
}

static void
gst_shm_ring_pool_class_init (GstShmRingPoolClass *klass)
{
  GstBufferPoolClass *pool_class = GST_BUFFER_POOL_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = gst_shm_ring_pool_finalize;
  pool_class->set_config = gst_shm_ring_pool_set_config;
  pool_class->start = gst_shm_ring_pool_start;
  pool_class->acquire_buffer = gst_shm_ring_pool_acquire_buffer;
  pool_class->reset_buffer = gst_shm_ring_pool_reset_buffer;
  pool_class->release_buffer = gst_shm_ring_pool_release_buffer;
  pool_class->flush_start = gst_shm_ring_pool_flush_start;
}
