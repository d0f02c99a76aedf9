/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringallocator.h"

#include <errno.h>

#define MEMORY_TYPE "ShmRingMemory"

GST_DEBUG_CATEGORY_STATIC (gst_shm_ring_allocator_debug);
#define GST_CAT_DEFAULT gst_shm_ring_allocator_debug

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
  guint borrowers; /* threads in a loan */
  gboolean ended;
  guint64 lent;
};

G_DEFINE_TYPE_WITH_CODE (GstShmRingAllocator, gst_shm_ring_allocator,
    GST_TYPE_ALLOCATOR,
    GST_DEBUG_CATEGORY_INIT (gst_shm_ring_allocator_debug, "shmringallocator",
        0, "slots of a shmringsink"));

/* ---- The ring ------------------------------------------------------------ */

GstShmRingAllocator *
gst_shm_ring_allocator_new (const struct shmring_writer_options *options)
{
  GstShmRingAllocator *self = g_object_new (GST_TYPE_SHM_RING_ALLOCATOR, NULL);

  gst_object_ref_sink (self);
  self->options = *options;
  return self;
}

int
gst_shm_ring_allocator_open (
    GstShmRingAllocator *self, const gchar *name, struct shmring_error *error)
{
  struct shmring_writer *writer;
  int res;

  g_mutex_lock (&self->lock);
  res = shmring_writer_open (name, &self->options, &writer, error);
  if (res >= 0)
    self->writer = writer;
  g_mutex_unlock (&self->lock);
  return res;
}

struct shmring_writer *
gst_shm_ring_allocator_writer (GstShmRingAllocator *self)
{
  struct shmring_writer *writer;

  g_mutex_lock (&self->lock);
  writer = self->writer;
  g_mutex_unlock (&self->lock);
  return writer;
}

static int
gst_shm_ring_allocator_resize (GstShmRingAllocator *self, guint64 slot_size,
    guint header_size, struct shmring_error *error)
{
  int res = 0;

  if (self->writer != NULL)
    res = shmring_writer_resize (
        self->writer, self->options.slots, slot_size, header_size, error);
  if (res < 0)
    return res;
  self->options.slot_size = slot_size;
  self->options.header_size = header_size;
  return 0;
}

int
gst_shm_ring_allocator_grow (GstShmRingAllocator *self, guint64 slot_size,
    guint header_size, struct shmring_error *error)
{
  int res = 0;

  g_mutex_lock (&self->lock);
  if (slot_size > self->options.slot_size
      || header_size > self->options.header_size)
    res = gst_shm_ring_allocator_resize (self,
        MAX (slot_size, self->options.slot_size),
        MAX (header_size, self->options.header_size), error);
  g_mutex_unlock (&self->lock);
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

void
gst_shm_ring_allocator_set_ended (GstShmRingAllocator *self, gboolean ended)
{
  g_mutex_lock (&self->lock);
  self->ended = ended;
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
  while (self->borrowers > 0)
    g_cond_wait (&self->idle, &self->lock);
  g_mutex_unlock (&self->lock);
  shmring_writer_close (writer);
}

/* ---- Other threads ------------------------------------------------------- */

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
  g_cond_broadcast (&self->idle);
  g_mutex_unlock (&self->lock);
}

void
gst_shm_ring_allocator_set_latency (
    GstShmRingAllocator *self, GstClockTime latency)
{
  struct shmring_writer *writer = gst_shm_ring_allocator_borrow_writer (self);

  if (writer == NULL)
    return;
  shmring_writer_set_latency (writer, MIN (latency, G_MAXINT64));
  gst_shm_ring_allocator_return_writer (self);
}

void
gst_shm_ring_allocator_interrupt (GstShmRingAllocator *self)
{
  struct shmring_writer *writer = gst_shm_ring_allocator_borrow_writer (self);

  if (writer == NULL)
    return;
  shmring_writer_interrupt (writer, true);
  gst_shm_ring_allocator_return_writer (self);
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

/* Slots were made before anybody asked for more around a frame. */
static gboolean
gst_shm_ring_memory_fits (const struct shmring_slot *slot, gsize size,
    const GstAllocationParams *params)
{
  return params->prefix <= slot->size && size <= slot->size - params->prefix
      && params->padding <= slot->size - params->prefix - size;
}

static gboolean
gst_shm_ring_allocator_is_ended (GstShmRingAllocator *self)
{
  gboolean ended;

  g_mutex_lock (&self->lock);
  ended = self->ended;
  g_mutex_unlock (&self->lock);
  return ended;
}

static GstMemory *
gst_shm_ring_allocator_loan (GstShmRingAllocator *self,
    struct shmring_writer *writer, gsize size,
    const GstAllocationParams *params, GstClockTime timeout)
{
  struct shmring_slot slot;
  int res = shmring_writer_loan (
      writer, SHMRING_LOAN_LEND, MIN (timeout, G_MAXINT64), &slot);

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

GstMemory *
gst_shm_ring_allocator_lend (GstShmRingAllocator *self, gsize size,
    const GstAllocationParams *params, GstClockTime timeout)
{
  struct shmring_writer *writer;
  GstMemory *memory;

  if (gst_shm_ring_allocator_is_ended (self))
    return NULL;
  writer = gst_shm_ring_allocator_borrow_writer (self);
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

struct shmring_slot *
gst_shm_ring_allocator_slot_of (
    GstShmRingAllocator *self, GstBuffer *buffer, gsize *offset)
{
  GstMemory *memory;
  GstShmRingMemory *root;

  if (gst_buffer_n_memory (buffer) != 1)
    return NULL;
  memory = gst_buffer_peek_memory (buffer, 0);
  if (memory->allocator != GST_ALLOCATOR (self))
    return NULL;
  root = (GstShmRingMemory *) gst_shm_ring_memory_root (memory);
  *offset = memory->offset;
  return shmring_writer_can_publish (self->writer, &root->slot) ? &root->slot
                                                                : NULL;
}

/* Twice, so that it holds also when the buffer that holds the memory lets go of
 * it: memory of more than one owner cannot be mapped for writing. */
gboolean
gst_shm_ring_allocator_seal (GstBuffer *buffer)
{
  GstMemory *memory =
      gst_shm_ring_memory_root (gst_buffer_peek_memory (buffer, 0));

  if (!gst_memory_lock (memory, GST_LOCK_FLAG_EXCLUSIVE))
    return FALSE;
  if (gst_memory_lock (memory, GST_LOCK_FLAG_EXCLUSIVE))
    return TRUE;
  gst_memory_unlock (memory, GST_LOCK_FLAG_EXCLUSIVE);
  return FALSE;
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

/* ---- The object ---------------------------------------------------------- */

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
