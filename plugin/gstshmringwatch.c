/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringwatch.h"

#define INTERVAL (200 * G_TIME_SPAN_MILLISECOND)
/* Far more than handlers of the last signals need, unless they wait for whoever
 * waits here. */
#define PATIENCE (100 * G_TIME_SPAN_MILLISECOND)

typedef struct {
  guint count;
  struct shmring_reader_info reader[SHMRING_MAX_READERS];
} GstShmRingReaders;

struct _GstShmRingWatch {
  gatomicrefcount refs; /* the owner's and the thread's */
  GstElement *sink;
  GstShmRingAllocator *slots;
  GThread *thread;
  GMutex lock;
  GCond wake; /* either flag was raised */
  gboolean stopping;
  gboolean finished;
  gboolean has_warned; /* the thread's */
};

static void
gst_shm_ring_watch_unref (GstShmRingWatch *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  gst_object_unref (self->sink);
  gst_object_unref (self->slots);
  g_cond_clear (&self->wake);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* ---- Comparing ----------------------------------------------------------- */

static gboolean
gst_shm_ring_readers_have (const GstShmRingReaders *self, guint64 id)
{
  for (guint i = 0; i < self->count; i++) {
    if (self->reader[i].id == id)
      return TRUE;
  }
  return FALSE;
}

/* Emits SIGNAL for those of NOW that THEN does not have. */
static guint
gst_shm_ring_readers_emit (const GstShmRingReaders *now,
    const GstShmRingReaders *then, GstElement *sink, const gchar *signal)
{
  guint emitted = 0;

  for (guint i = 0; i < now->count; i++) {
    const struct shmring_reader_info *reader = &now->reader[i];
    gchar *valid;

    if (gst_shm_ring_readers_have (then, reader->id))
      continue;
    valid = g_utf8_make_valid (reader->comm, -1);
    g_signal_emit_by_name (sink, signal, reader->id, reader->pid, valid);
    g_free (valid);
    emitted++;
  }
  return emitted;
}

/* A careless rm, or a session's end that removes what its user has there. */
static void
gst_shm_ring_watch_check_name (
    GstShmRingWatch *self, struct shmring_writer *writer)
{
  struct shmring_writer_stats stats;

  shmring_writer_get_stats (writer, &stats);
  if (!stats.name_lost || self->has_warned)
    return;
  self->has_warned = TRUE;
  GST_ELEMENT_WARNING (self->sink, RESOURCE, NOT_FOUND,
      ("Somebody removed the name of %s's ring from /dev/shm. Attached readers "
       "go on; new ones do not find it until the element is started again.",
          GST_OBJECT_NAME (self->sink)),
      (NULL));
}

static void
gst_shm_ring_watch_look (GstShmRingWatch *self, GstShmRingReaders *readers)
{
  struct shmring_writer *writer =
      gst_shm_ring_allocator_borrow_writer (self->slots);
  GstShmRingReaders now = { 0 };
  guint changes;

  if (writer != NULL) {
    now.count = MIN (
        shmring_writer_get_readers (writer, now.reader, SHMRING_MAX_READERS),
        SHMRING_MAX_READERS);
    gst_shm_ring_watch_check_name (self, writer);
    gst_shm_ring_allocator_return_writer (self->slots);
  }
  changes =
      gst_shm_ring_readers_emit (readers, &now, self->sink, "reader-detached");
  changes +=
      gst_shm_ring_readers_emit (&now, readers, self->sink, "reader-attached");
  *readers = now;
  if (changes > 0)
    g_object_notify (G_OBJECT (self->sink), "num-readers");
}

/* ---- The thread ---------------------------------------------------------- */

static gboolean
gst_shm_ring_watch_sleep (GstShmRingWatch *self)
{
  const gint64 end = g_get_monotonic_time () + INTERVAL;
  gboolean stopping;

  g_mutex_lock (&self->lock);
  while (!self->stopping && g_cond_wait_until (&self->wake, &self->lock, end))
    ;
  stopping = self->stopping;
  g_mutex_unlock (&self->lock);
  return !stopping;
}

static gpointer
gst_shm_ring_watch_thread (gpointer data)
{
  GstShmRingWatch *self = data;
  GstShmRingReaders readers = { 0 };

  do
    gst_shm_ring_watch_look (self, &readers);
  while (gst_shm_ring_watch_sleep (self));
  gst_shm_ring_watch_look (self, &readers);
  g_mutex_lock (&self->lock);
  self->finished = TRUE;
  g_cond_signal (&self->wake);
  g_mutex_unlock (&self->lock);
  gst_shm_ring_watch_unref (self);
  return NULL;
}

GstShmRingWatch *
gst_shm_ring_watch_new (GstElement *sink, GstShmRingAllocator *slots)
{
  GstShmRingWatch *self = g_new0 (GstShmRingWatch, 1);

  g_atomic_ref_count_init (&self->refs);
  g_atomic_ref_count_inc (&self->refs);
  g_mutex_init (&self->lock);
  g_cond_init (&self->wake);
  self->sink = gst_object_ref (sink);
  self->slots = gst_object_ref (slots);
  self->thread =
      g_thread_new ("shmring-watch", gst_shm_ring_watch_thread, self);
  return self;
}

/* Not for ever: a handler may be about to change the state of the pipeline
 * whose state is being changed here. The thread then goes on by itself. */
static gboolean
gst_shm_ring_watch_await_end (GstShmRingWatch *self)
{
  const gint64 end = g_get_monotonic_time () + PATIENCE;
  gboolean finished;

  g_mutex_lock (&self->lock);
  self->stopping = TRUE;
  g_cond_signal (&self->wake);
  while (self->thread != g_thread_self () && !self->finished
      && g_cond_wait_until (&self->wake, &self->lock, end))
    ;
  finished = self->finished;
  g_mutex_unlock (&self->lock);
  return finished;
}

void
gst_shm_ring_watch_free (GstShmRingWatch *self)
{
  if (self == NULL)
    return;
  if (gst_shm_ring_watch_await_end (self))
    g_thread_join (self->thread);
  else
    g_thread_unref (self->thread);
  gst_shm_ring_watch_unref (self);
}
