/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringsinkwatch.h"

#define INTERVAL (200 * G_TIME_SPAN_MILLISECOND)
/* Far more than handlers of the last signals need, unless they wait for whoever
 * waits here. */
#define PATIENCE (100 * G_TIME_SPAN_MILLISECOND)
/* Messages that wait while a handler holds the thread up; then the oldest go.
 */
#define MAX_MESSAGES 64

typedef struct {
  guint count;
  struct shmring_reader_info reader[SHMRING_MAX_READERS];
} GstShmRingReaders;

struct _GstShmRingSinkWatch {
  gatomicrefcount refs; /* the owner's and the thread's */
  GstElement *sink;
  GstShmRingAllocator *slots;
  GThread *thread;
  GMutex lock;
  GCond wake;      /* one of these has changed */
  GQueue messages; /* to be posted */
  gboolean stopping;
  gboolean finished;
  guint64 names_lost; /* the thread's */
};

static void
gst_shm_ring_sink_watch_unref (GstShmRingSinkWatch *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_queue_clear_full (&self->messages, (GDestroyNotify) gst_message_unref);
  gst_object_unref (self->slots);
  gst_object_unref (self->sink);
  g_cond_clear (&self->wake);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* ---- Comparing ----------------------------------------------------------- */

static void
gst_shm_ring_readers_add (const struct shmring_reader_info *reader, void *data)
{
  GstShmRingReaders *self = data;

  if (self->count < SHMRING_MAX_READERS)
    self->reader[self->count++] = *reader;
}

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
    valid = g_utf8_make_valid (reader->process, -1);
    g_signal_emit_by_name (sink, signal, reader->id, reader->pid, valid);
    g_free (valid);
    emitted++;
  }
  return emitted;
}

/* A careless rm, or a session's end that removes what its user has there. */
static void
gst_shm_ring_sink_watch_warn_of_name (GstShmRingSinkWatch *self)
{
  GST_ELEMENT_WARNING (self->sink, RESOURCE, NOT_FOUND,
      ("Somebody removed the name of %s's ring from /dev/shm. It moved to a "
       "new "
       "one of that name, and its readers follow. Look for who cleans up "
       "there: "
       "a rm, or logind's RemoveIPC.",
          GST_OBJECT_NAME (self->sink)),
      (NULL));
}

/* Takes what handlers are told of, and gives the writer back before they are.
 */
static void
gst_shm_ring_sink_watch_read (
    GstShmRingSinkWatch *self, GstShmRingReaders *now, guint64 *names_lost)
{
  struct shmring_writer *writer =
      gst_shm_ring_allocator_borrow_writer (self->slots);
  struct shmring_writer_stats stats = SHMRING_WRITER_STATS_INIT;

  now->count = 0;
  *names_lost = 0;
  if (writer == NULL)
    return;
  shmring_writer_each_reader (writer, gst_shm_ring_readers_add, now);
  shmring_writer_get_stats (writer, &stats);
  *names_lost = stats.names_lost;
  gst_shm_ring_allocator_return_writer (self->slots);
}

static void
gst_shm_ring_sink_watch_post_all (GstShmRingSinkWatch *self)
{
  GstMessage *message;

  do {
    g_mutex_lock (&self->lock);
    message = g_queue_pop_head (&self->messages);
    g_mutex_unlock (&self->lock);
    if (message != NULL)
      gst_element_post_message (self->sink, message);
  } while (message != NULL);
}

static void
gst_shm_ring_sink_watch_look (
    GstShmRingSinkWatch *self, GstShmRingReaders *readers)
{
  GstShmRingReaders now;
  guint64 names_lost;
  guint changes;

  gst_shm_ring_sink_watch_read (self, &now, &names_lost);
  gst_shm_ring_sink_watch_post_all (self);
  if (names_lost != self->names_lost)
    gst_shm_ring_sink_watch_warn_of_name (self);
  self->names_lost = names_lost;
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
gst_shm_ring_sink_watch_sleep (GstShmRingSinkWatch *self)
{
  const gint64 end = g_get_monotonic_time () + INTERVAL;
  gboolean stopping;

  g_mutex_lock (&self->lock);
  while (!self->stopping && g_queue_is_empty (&self->messages)
      && g_cond_wait_until (&self->wake, &self->lock, end))
    ;
  stopping = self->stopping;
  g_mutex_unlock (&self->lock);
  return !stopping;
}

static gpointer
gst_shm_ring_sink_watch_thread (gpointer data)
{
  GstShmRingSinkWatch *self = data;
  GstShmRingReaders readers = { 0 };

  do
    gst_shm_ring_sink_watch_look (self, &readers);
  while (gst_shm_ring_sink_watch_sleep (self));
  gst_shm_ring_sink_watch_look (self, &readers);
  g_mutex_lock (&self->lock);
  self->finished = TRUE;
  g_cond_signal (&self->wake);
  g_mutex_unlock (&self->lock);
  gst_shm_ring_sink_watch_unref (self);
  return NULL;
}

GstShmRingSinkWatch *
gst_shm_ring_sink_watch_new (GstElement *sink, GstShmRingAllocator *slots)
{
  GstShmRingSinkWatch *self = g_new0 (GstShmRingSinkWatch, 1);

  g_atomic_ref_count_init (&self->refs);
  g_atomic_ref_count_inc (&self->refs);
  g_mutex_init (&self->lock);
  g_cond_init (&self->wake);
  g_queue_init (&self->messages);
  self->sink = gst_object_ref (sink);
  self->slots = gst_object_ref (slots);
  self->thread =
      g_thread_new ("shmring-watch", gst_shm_ring_sink_watch_thread, self);
  return self;
}

void
gst_shm_ring_sink_watch_post (GstShmRingSinkWatch *self, GstMessage *message)
{
  GstMessage *lost = NULL;

  g_mutex_lock (&self->lock);
  g_queue_push_tail (&self->messages, message);
  if (g_queue_get_length (&self->messages) > MAX_MESSAGES)
    lost = g_queue_pop_head (&self->messages);
  g_cond_signal (&self->wake);
  g_mutex_unlock (&self->lock);
  gst_clear_message (&lost);
}

/* Not for ever: a handler may be about to change the state of the pipeline
 * whose state is being changed here. The thread then goes on by itself. */
static gboolean
gst_shm_ring_sink_watch_await_end (GstShmRingSinkWatch *self)
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
gst_shm_ring_sink_watch_free (GstShmRingSinkWatch *self)
{
  if (self == NULL)
    return;
  if (gst_shm_ring_sink_watch_await_end (self))
    g_thread_join (self->thread);
  else
    g_thread_unref (self->thread);
  gst_shm_ring_sink_watch_unref (self);
}

/* ---- Statistics ---------------------------------------------------------- */

static GstStructure *
gst_shm_ring_sink_watch_stats_of_reader (
    const struct shmring_reader_info *reader)
{
  GstStructure *stats;
  gchar *valid;

  valid = g_utf8_make_valid (reader->process, -1);
  stats = gst_structure_new ("reader", "id", G_TYPE_UINT64, reader->id, "pid",
      G_TYPE_UINT, reader->pid, "name", G_TYPE_STRING, valid, "leaky",
      G_TYPE_BOOLEAN, reader->mode == SHMRING_MODE_LATEST, "lease", G_TYPE_UINT,
      reader->lease, "offered", G_TYPE_UINT, reader->offered, "held",
      G_TYPE_UINT, reader->held, "lag", G_TYPE_UINT64, reader->lag, "withdrawn",
      G_TYPE_UINT64, reader->withdrawn, "waited", G_TYPE_UINT64,
      (guint64) reader->waited_ns, "stuck", G_TYPE_BOOLEAN, reader->is_stuck,
      NULL);
  g_free (valid);
  return stats;
}

static void
gst_shm_ring_sink_watch_stats_add (
    const struct shmring_reader_info *reader, void *readers)
{
  GValue value = G_VALUE_INIT;

  g_value_init (&value, GST_TYPE_STRUCTURE);
  g_value_take_boxed (&value, gst_shm_ring_sink_watch_stats_of_reader (reader));
  gst_value_array_append_and_take_value (readers, &value);
}

GstStructure *
gst_shm_ring_sink_watch_stats (struct shmring_writer *writer)
{
  struct shmring_writer_stats ring = SHMRING_WRITER_STATS_INIT;
  GValue readers = G_VALUE_INIT;
  GstStructure *stats;

  shmring_writer_get_stats (writer, &ring);
  stats = gst_structure_new ("application/x-shmring-sink-stats", "published",
      G_TYPE_UINT64, ring.published, "bytes", G_TYPE_UINT64, ring.bytes,
      "dropped", G_TYPE_UINT64, ring.dropped, "revoked", G_TYPE_UINT64,
      ring.revoked, "withdrawn", G_TYPE_UINT64, ring.withdrawn, "flushed",
      G_TYPE_UINT64, ring.flushed, "waits", G_TYPE_UINT64, ring.waits,
      "wait-time", G_TYPE_UINT64, (guint64) ring.wait_ns, "slots", G_TYPE_UINT,
      ring.slots, "slot-size", G_TYPE_UINT64, ring.slot_size, "num-readers",
      G_TYPE_UINT, ring.readers, "dead-readers", G_TYPE_UINT64,
      ring.dead_readers, "bad-readers", G_TYPE_UINT64, ring.bad_claims,
      "names-lost", G_TYPE_UINT64, ring.names_lost, NULL);
  gst_value_array_init (&readers, SHMRING_MAX_READERS);
  shmring_writer_each_reader (
      writer, gst_shm_ring_sink_watch_stats_add, &readers);
  gst_structure_take_value (stats, "readers", &readers);
  return stats;
}
