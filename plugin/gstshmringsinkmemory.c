/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringsink.h"

#include <gst/video/video.h>

#define MEMORY_TYPE "ShmRingMemory"

/* How long a buffer is waited for when the caps have no frame rate. */
#define DEFAULT_WAIT (40 * GST_MSECOND)

GST_DEBUG_CATEGORY_STATIC (gst_shm_ring_sink_memory_debug);
#define GST_CAT_DEFAULT gst_shm_ring_sink_memory_debug

typedef struct {
  GstMemory memory;
  struct shmring_slot slot; /* of a memory without a parent */
  gpointer data;
} GstShmRingMemory;

struct _GstShmRingAllocator {
  GstAllocator parent;

  GMutex lock;
  GCond idle;
  struct shmring_writer *writer;
  struct shmring_writer_options options;
  guint borrowers;   /* threads that use the writer */
  guint closers;     /* threads that wait until nobody does */
  gboolean unlocked; /* by the base class: waits return */
  guint64 lent;

  GMutex growing; /* only one at a time; taken before the other */
};

G_DEFINE_TYPE_WITH_CODE (GstShmRingAllocator, gst_shm_ring_allocator,
    GST_TYPE_ALLOCATOR,
    GST_DEBUG_CATEGORY_INIT (gst_shm_ring_sink_memory_debug,
        "shmringsinkmemory", 0, "slots of a shmringsink"));

/* ---- The ring ------------------------------------------------------------ */

GstShmRingAllocator *
gst_shm_ring_allocator_new (const struct shmring_writer_options *options)
{
  GstShmRingAllocator *self =
      g_object_new (gst_shm_ring_allocator_get_type (), NULL);

  gst_object_ref_sink (self);
  self->options = *options;
  return self;
}

int
gst_shm_ring_allocator_open (GstShmRingAllocator *self, const gchar *name,
    gint64 patience, struct shmring_writer **writer,
    struct shmring_error *error)
{
  int res;

  self->options.patience_ns = patience;
  res = shmring_writer_open (name, &self->options, writer, error);
  if (res < 0)
    return res;
  g_mutex_lock (&self->lock);
  self->writer = *writer;
  shmring_writer_interrupt (self->writer, self->unlocked);
  g_mutex_unlock (&self->lock);
  return res;
}

struct shmring_writer *
gst_shm_ring_allocator_borrow_writer (GstShmRingAllocator *self)
{
  struct shmring_writer *writer;

  g_mutex_lock (&self->lock);
  writer = self->writer;
  if (writer != NULL)
    self->borrowers++;
  g_mutex_unlock (&self->lock);
  return writer;
}

void
gst_shm_ring_allocator_return_writer (GstShmRingAllocator *self)
{
  g_mutex_lock (&self->lock);
  self->borrowers--;
  /* Each frame passes here, and a broadcast is a system call. */
  if (self->closers > 0)
    g_cond_broadcast (&self->idle);
  g_mutex_unlock (&self->lock);
}

void
gst_shm_ring_allocator_set_unlocked (
    GstShmRingAllocator *self, gboolean unlocked)
{
  g_mutex_lock (&self->lock);
  self->unlocked = unlocked;
  if (self->writer != NULL && unlocked)
    shmring_writer_interrupt (self->writer, true);
  g_mutex_unlock (&self->lock);
}

void
gst_shm_ring_allocator_resume (GstShmRingAllocator *self)
{
  g_mutex_lock (&self->lock);
  if (self->writer != NULL && !self->unlocked)
    shmring_writer_interrupt (self->writer, false);
  g_mutex_unlock (&self->lock);
}

static void
gst_shm_ring_allocator_interrupt (GstShmRingAllocator *self)
{
  g_mutex_lock (&self->lock);
  if (self->writer != NULL)
    shmring_writer_interrupt (self->writer, true);
  g_mutex_unlock (&self->lock);
}

void
gst_shm_ring_allocator_close (GstShmRingAllocator *self)
{
  struct shmring_writer *writer;

  g_mutex_lock (&self->lock);
  writer = g_steal_pointer (&self->writer);
  if (writer != NULL)
    shmring_writer_interrupt (writer, true);
  self->closers++;
  while (self->borrowers > 0)
    g_cond_wait (&self->idle, &self->lock);
  self->closers--;
  g_mutex_unlock (&self->lock);
  shmring_writer_close (writer);
}

/* ---- Sizes --------------------------------------------------------------- */

/* Borrowed, not locked: it may take its time, and can be interrupted. */
static int
gst_shm_ring_allocator_resize (GstShmRingAllocator *self, guint64 slot_size,
    guint header_size, struct shmring_error *error)
{
  struct shmring_writer *writer = gst_shm_ring_allocator_borrow_writer (self);
  int res = 0;

  gst_shm_ring_allocator_resume (self);
  if (writer != NULL) {
    res = shmring_writer_resize (
        writer, self->options.slots, slot_size, header_size, error);
    gst_shm_ring_allocator_return_writer (self);
  }
  if (res < 0)
    return res;
  g_mutex_lock (&self->lock);
  self->options.slot_size = slot_size;
  self->options.header_size = header_size;
  g_mutex_unlock (&self->lock);
  return 0;
}

int
gst_shm_ring_allocator_grow (GstShmRingAllocator *self, guint64 slot_size,
    guint header_size, struct shmring_error *error)
{
  int res = 0;

  g_mutex_lock (&self->growing);
  slot_size = MAX (slot_size, self->options.slot_size);
  header_size = MAX (header_size, self->options.header_size);
  if (slot_size > self->options.slot_size
      || header_size > self->options.header_size)
    res = gst_shm_ring_allocator_resize (self, slot_size, header_size, error);
  g_mutex_unlock (&self->growing);
  return res;
}

guint64
gst_shm_ring_allocator_slot_size (GstShmRingAllocator *self)
{
  guint64 size;

  g_mutex_lock (&self->lock);
  size = self->options.slot_size;
  g_mutex_unlock (&self->lock);
  return size;
}

guint
gst_shm_ring_allocator_header_size (GstShmRingAllocator *self)
{
  guint size;

  g_mutex_lock (&self->lock);
  size = self->options.header_size;
  g_mutex_unlock (&self->lock);
  return size;
}

/* ---- Slots --------------------------------------------------------------- */

static GstMemory *
gst_shm_ring_memory_new (GstShmRingAllocator *self,
    const struct shmring_slot *slot, gsize size,
    const GstAllocationParams *params)
{
  GstShmRingMemory *memory = g_new0 (GstShmRingMemory, 1);

  memory->slot = *slot;
  memory->data = slot->data;
  gst_memory_init (GST_MEMORY_CAST (memory), params->flags,
      GST_ALLOCATOR (self), NULL, slot->size, params->align, params->prefix,
      size);
  return GST_MEMORY_CAST (memory);
}

/* Prefix and padding may be asked for when the slots are there already. */
static gboolean
gst_shm_ring_memory_fits (const struct shmring_slot *slot, gsize size,
    const GstAllocationParams *params)
{
  return params->prefix <= slot->size && size <= slot->size - params->prefix
      && params->padding <= slot->size - params->prefix - size;
}

static GstMemory *
gst_shm_ring_allocator_loan (GstShmRingAllocator *self,
    struct shmring_writer *writer, gsize size,
    const GstAllocationParams *params, GstClockTime timeout)
{
  struct shmring_slot slot;
  int res = shmring_writer_loan (
      writer, SHMRING_LOAN_LEND, MIN (timeout, G_MAXINT64), &slot, NULL);

  if (res != SHMRING_OK)
    return NULL;
  if (!gst_shm_ring_memory_fits (&slot, size, params)) {
    shmring_slot_return (&slot);
    return NULL;
  }
  g_mutex_lock (&self->lock);
  self->lent++;
  g_mutex_unlock (&self->lock);
  return gst_shm_ring_memory_new (self, &slot, size, params);
}

/* Memory of SIZE bytes over a slot, or NULL: upstream has as many as it may
 * have, or readers kept every other slot for TIMEOUT, or the ring ends or is
 * interrupted. */
static GstMemory *
gst_shm_ring_allocator_lend (GstShmRingAllocator *self, gsize size,
    const GstAllocationParams *params, GstClockTime timeout)
{
  struct shmring_writer *writer = gst_shm_ring_allocator_borrow_writer (self);
  GstMemory *memory;

  if (writer == NULL)
    return NULL;
  memory = gst_shm_ring_allocator_loan (self, writer, size, params, timeout);
  gst_shm_ring_allocator_return_writer (self);
  return memory;
}

guint64
gst_shm_ring_allocator_lent (GstShmRingAllocator *self)
{
  guint64 lent;

  g_mutex_lock (&self->lock);
  lent = self->lent;
  g_mutex_unlock (&self->lock);
  return lent;
}

/* ---- Memory -------------------------------------------------------------- */

/* The whole slot that MEMORY is a part of. */
static GstMemory *
gst_shm_ring_memory_root (GstMemory *memory)
{
  while (memory->parent != NULL)
    memory = memory->parent;
  return memory;
}

/* Nobody can map it for writing from now on. Twice, so that it holds also when
 * the buffer that holds the memory lets go of it: memory of more than one owner
 * cannot be mapped for writing. False: somebody has it mapped so. */
static gboolean
gst_shm_ring_memory_seal (GstMemory *memory)
{
  if (!gst_memory_lock (memory, GST_LOCK_FLAG_EXCLUSIVE))
    return FALSE;
  if (gst_memory_lock (memory, GST_LOCK_FLAG_EXCLUSIVE))
    return TRUE;
  gst_memory_unlock (memory, GST_LOCK_FLAG_EXCLUSIVE);
  return FALSE;
}

struct shmring_slot *
gst_shm_ring_allocator_seal_slot (GstShmRingAllocator *self, GstMemory *memory)
{
  GstMemory *root = gst_shm_ring_memory_root (memory);
  struct shmring_slot *slot = &((GstShmRingMemory *) root)->slot;

  gst_shm_ring_allocator_resume (self);
  if (!shmring_writer_can_publish (self->writer, slot)
      || !gst_shm_ring_memory_seal (root))
    return NULL;
  return slot;
}

static gpointer
gst_shm_ring_memory_map (GstMemory *memory, gsize maxsize, GstMapFlags flags)
{
  return ((GstShmRingMemory *) memory)->data;
}

static void
gst_shm_ring_memory_unmap (GstMemory *memory)
{
}

static GstMemory *
gst_shm_ring_memory_share (GstMemory *memory, gssize offset, gssize size)
{
  GstShmRingMemory *part = g_new0 (GstShmRingMemory, 1);

  part->data = ((GstShmRingMemory *) memory)->data;
  gst_memory_init (GST_MEMORY_CAST (part),
      GST_MINI_OBJECT_FLAGS (memory) | GST_MINI_OBJECT_FLAG_LOCK_READONLY,
      memory->allocator, gst_shm_ring_memory_root (memory), memory->maxsize,
      memory->align, memory->offset + offset,
      size == -1 ? memory->size - offset : (gsize) size);
  return GST_MEMORY_CAST (part);
}

/* ---- The allocator ----------------------------------------------------------
 */

static void
gst_shm_ring_allocator_free (GstAllocator *allocator, GstMemory *memory)
{
  shmring_slot_return (&((GstShmRingMemory *) memory)->slot);
  g_free (memory);
}

static void
gst_shm_ring_allocator_finalize (GObject *object)
{
  GstShmRingAllocator *self = GST_SHM_RING_ALLOCATOR (object);

  g_mutex_clear (&self->growing);
  g_cond_clear (&self->idle);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (gst_shm_ring_allocator_parent_class)->finalize (object);
}

static void
gst_shm_ring_allocator_init (GstShmRingAllocator *self)
{
  GstAllocator *allocator = GST_ALLOCATOR (self);

  g_mutex_init (&self->lock);
  g_cond_init (&self->idle);
  g_mutex_init (&self->growing);
  allocator->mem_type = MEMORY_TYPE;
  allocator->mem_map = gst_shm_ring_memory_map;
  allocator->mem_unmap = gst_shm_ring_memory_unmap;
  allocator->mem_share = gst_shm_ring_memory_share;
  GST_OBJECT_FLAG_SET (self, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
}

static void
gst_shm_ring_allocator_class_init (GstShmRingAllocatorClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = gst_shm_ring_allocator_finalize;
  GST_ALLOCATOR_CLASS (klass)->free = gst_shm_ring_allocator_free;
}

/* ---- The pool ------------------------------------------------------------ */

#define GST_TYPE_SHM_RING_POOL (gst_shm_ring_pool_get_type ())
G_DECLARE_FINAL_TYPE (
    GstShmRingPool, gst_shm_ring_pool, GST, SHM_RING_POOL, GstVideoBufferPool)

struct _GstShmRingPool {
  GstVideoBufferPool parent;

  GstShmRingAllocator *slots;

  /* the configuration's */
  GstVideoInfo video; /* as aligned */
  GstAllocationParams params;
  gboolean adds_video_meta;
  GstClockTime wait;
};

G_DEFINE_TYPE (GstShmRingPool, gst_shm_ring_pool, GST_TYPE_VIDEO_BUFFER_POOL)
#define pool_parent_class gst_shm_ring_pool_parent_class

static GQuark
gst_shm_ring_pool_slot_quark (void)
{
  return g_quark_from_static_string ("shmring-slot");
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
  self->wait = gst_shm_ring_video_frame_duration (&self->video);
  if (self->wait == GST_CLOCK_TIME_NONE)
    self->wait = DEFAULT_WAIT;
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
  if (!GST_BUFFER_POOL_CLASS (pool_parent_class)->set_config (pool, config))
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
    return GST_BUFFER_POOL_CLASS (pool_parent_class)
        ->acquire_buffer (pool, buffer, params);
  *buffer = gst_shm_ring_pool_wrap (self, memory);
  return GST_FLOW_OK;
}

static void
gst_shm_ring_pool_reset_buffer (GstBufferPool *pool, GstBuffer *buffer)
{
  if (!gst_shm_ring_pool_is_slot (buffer))
    GST_BUFFER_POOL_CLASS (pool_parent_class)->reset_buffer (pool, buffer);
}

static void
gst_shm_ring_pool_release_buffer (GstBufferPool *pool, GstBuffer *buffer)
{
  if (gst_shm_ring_pool_is_slot (buffer))
    gst_buffer_unref (buffer);
  else
    GST_BUFFER_POOL_CLASS (pool_parent_class)->release_buffer (pool, buffer);
}

static void
gst_shm_ring_pool_flush_start (GstBufferPool *pool)
{
  gst_shm_ring_allocator_interrupt (GST_SHM_RING_POOL (pool)->slots);
}

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
  G_OBJECT_CLASS (pool_parent_class)->finalize (object);
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
