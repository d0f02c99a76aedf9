/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringsink.h"

#include <gst/video/video.h>

#include "gstshmringclock.h"

#define INTERVAL (100 * GST_MSECOND)
/* How often it is told that a reader is waited for, while nothing ends that. */
#define REMINDER (10 * GST_SECOND)
/* Requests for a key frame within it are one. */
#define KEY_INTERVAL (250 * GST_MSECOND)
/* How long the end waits for a handler of the last messages and signals: far
 * more than one needs, unless it waits for this end itself. */
#define PATIENCE (500 * G_TIME_SPAN_MILLISECOND)
#define LONGEST_END (3 * G_TIME_SPAN_SECOND)
/* Messages that wait while a handler holds the thread up; then the oldest go.
 */
#define MAX_MESSAGES 64

typedef struct {
  struct shmring_reader_info info;
  gint64 told; /* when it was, that it is waited for */
} GstShmRingReader;

typedef struct {
  guint count;
  GstShmRingReader reader[SHMRING_MAX_READERS];
} GstShmRingReaders;

/* What one look found. */
typedef struct {
  GstShmRingReaders readers;
  guint64 names_lost;
  gboolean key_requested;
  gint64 key_at;
} GstShmRingSight;

struct _GstShmRingSinkWatch {
  gatomicrefcount refs; /* the owner's and the thread's */
  GstElement *sink;
  gchar *name;
  GstShmRingAllocator *slots;
  struct shmring_timeline *timeline;
  GThread *thread;
  GMutex lock;
  GCond wake;      /* what follows has changed */
  GQueue messages; /* to be posted */
  gboolean stopping;
  gboolean telling; /* handlers may be running */
  gboolean finished;
  gboolean is_encoded;
  gint64 key_frame; /* when the last one was published */

  /* the thread's */
  guint64 names_lost;
  gboolean is_key_wanted;
  gint64 key_wanted; /* when somebody asked last */
  gint64 key_at;
  gint64 key_sent; /* when upstream was asked last */
  guint key_count;
};

static void
gst_shm_ring_sink_watch_unref (GstShmRingSinkWatch *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_queue_clear_full (&self->messages, (GDestroyNotify) gst_message_unref);
  gst_object_unref (self->slots);
  shmring_timeline_unref (self->timeline);
  g_free (self->name);
  gst_object_unref (self->sink);
  g_cond_clear (&self->wake);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* ---- Readers ------------------------------------------------------------- */

static void
gst_shm_ring_readers_add (const struct shmring_reader_info *reader, void *data)
{
  GstShmRingReaders *self = data;

  if (self->count < SHMRING_MAX_READERS)
    self->reader[self->count++] = (GstShmRingReader){ .info = *reader };
}

static const GstShmRingReader *
gst_shm_ring_readers_find (const GstShmRingReaders *self, guint64 id)
{
  for (guint i = 0; i < self->count; i++) {
    if (self->reader[i].info.id == id)
      return &self->reader[i];
  }
  return NULL;
}

/* Emits SIGNAL for those of NOW that THEN does not have. */
static guint
gst_shm_ring_readers_emit (const GstShmRingReaders *now,
    const GstShmRingReaders *then, GstElement *sink, const gchar *signal)
{
  guint emitted = 0;

  for (guint i = 0; i < now->count; i++) {
    const struct shmring_reader_info *reader = &now->reader[i].info;
    gchar *valid;

    if (gst_shm_ring_readers_find (then, reader->id) != NULL)
      continue;
    valid = g_utf8_make_valid (reader->process, -1);
    g_signal_emit_by_name (sink, signal, reader->id, reader->pid, valid);
    g_free (valid);
    emitted++;
  }
  return emitted;
}

static void
gst_shm_ring_sink_watch_compare (GstShmRingSinkWatch *self,
    const GstShmRingReaders *now, const GstShmRingReaders *then)
{
  guint changes =
      gst_shm_ring_readers_emit (then, now, self->sink, "reader-detached");

  changes +=
      gst_shm_ring_readers_emit (now, then, self->sink, "reader-attached");
  if (changes > 0)
    g_object_notify (G_OBJECT (self->sink), "num-readers");
}

/* ---- Readers that do not read -------------------------------------------- */

static void
gst_shm_ring_sink_watch_warn_of_reader (GstShmRingSinkWatch *self,
    const struct shmring_reader_info *reader, gint64 waited,
    const gchar *outcome)
{
  gchar *process = g_utf8_make_valid (reader->process, -1);

  GST_ELEMENT_WARNING (self->sink, RESOURCE, BUSY,
      ("The reader %s (pid %u) of the ring \"%s\" has taken no frame for "
       "%.1f s while the ring was full; it has %u to take and holds %u. %s",
          process, reader->pid, self->name, waited / (gdouble) GST_SECOND,
          reader->offered, reader->held, outcome),
      (NULL));
  g_free (process);
}

/* Once when patience with it has ended, and now and then while there is no end
 * to it. */
static void
gst_shm_ring_sink_watch_judge (GstShmRingSinkWatch *self,
    GstShmRingReader *reader, const GstShmRingReader *then)
{
  const struct shmring_reader_info *info = &reader->info;
  const gint64 now = gst_shm_ring_clock_now ();

  if (then != NULL)
    reader->told = then->told;
  if (info->is_stuck && (then == NULL || !then->info.is_stuck)) {
    gst_shm_ring_sink_watch_warn_of_reader (self, info,
        MAX (info->waited_ns, then != NULL ? then->info.waited_ns : 0),
        "It is not waited for any more, and loses its oldest frames, until it "
        "takes one.");
  } else if (info->is_waited_for && info->waited_ns >= (gint64) REMINDER
      && now - reader->told >= (gint64) REMINDER) {
    reader->told = now;
    gst_shm_ring_sink_watch_warn_of_reader (self, info, info->waited_ns,
        "The stream waits for it. Let it read, stop it, let it take only the "
        "newest frames (leaky-type=downstream, mode latest), or set a timeout "
        "here.");
  }
}

static void
gst_shm_ring_sink_watch_judge_all (GstShmRingSinkWatch *self,
    GstShmRingReaders *now, const GstShmRingReaders *then)
{
  for (guint i = 0; i < now->count; i++)
    gst_shm_ring_sink_watch_judge (self, &now->reader[i],
        gst_shm_ring_readers_find (then, now->reader[i].info.id));
}

/* ---- Names --------------------------------------------------------------- */

static void
gst_shm_ring_sink_watch_check_names (
    GstShmRingSinkWatch *self, guint64 names_lost)
{
  gboolean are_lost = names_lost > self->names_lost;

  self->names_lost = names_lost;
  if (!are_lost)
    return;
  GST_ELEMENT_WARNING (self->sink, RESOURCE, NOT_FOUND,
      ("Somebody removed the ring \"%s\" from /dev/shm. It has moved to a new "
       "segment of that name, and its readers follow. Look for what cleans up "
       "there: a rm, or logind at the end of a session (RemoveIPC).",
          self->name),
      (NULL));
}

/* ---- Key frames ---------------------------------------------------------- */

void
gst_shm_ring_sink_watch_set_encoded (
    GstShmRingSinkWatch *self, gboolean encoded)
{
  g_mutex_lock (&self->lock);
  self->is_encoded = encoded;
  g_mutex_unlock (&self->lock);
}

void
gst_shm_ring_sink_watch_key_frame (GstShmRingSinkWatch *self)
{
  g_mutex_lock (&self->lock);
  self->key_frame = gst_shm_ring_clock_now ();
  g_mutex_unlock (&self->lock);
}

static gboolean
gst_shm_ring_sink_watch_has_key (GstShmRingSinkWatch *self)
{
  gboolean has_key;

  g_mutex_lock (&self->lock);
  has_key = !self->is_encoded || self->key_frame > self->key_wanted;
  g_mutex_unlock (&self->lock);
  return has_key;
}

/* Headers that are in the caps reach every reader; asked for them as well,
 * muxers (oggmux) take the ones that come for another stream's. Muxers of
 * transport streams pass on no request without them. */
static gboolean
gst_shm_ring_sink_watch_needs_headers (GstShmRingSinkWatch *self)
{
  GstCaps *caps = gst_pad_get_current_caps (GST_BASE_SINK_PAD (self->sink));
  gboolean needs = TRUE;

  if (caps != NULL) {
    GstStructure *structure = gst_caps_get_structure (caps, 0);

    needs = !gst_structure_has_field (structure, "streamheader")
        || gst_structure_has_name (structure, "video/mpegts");
  }
  gst_clear_caps (&caps);
  return needs;
}

/* The first request goes up at once; those soon after it are one, unless a key
 * frame came after the last of them. */
static void
gst_shm_ring_sink_watch_request_key (
    GstShmRingSinkWatch *self, const GstShmRingSight *sight)
{
  const gint64 now = gst_shm_ring_clock_now ();

  if (sight->key_requested) {
    self->key_wanted = now;
    self->is_key_wanted = TRUE;
    self->key_at = sight->key_at;
  }
  if (!self->is_key_wanted || now < self->key_sent + (gint64) KEY_INTERVAL)
    return;
  self->is_key_wanted = FALSE;
  if (gst_shm_ring_sink_watch_has_key (self))
    return;
  self->key_sent = now;
  gst_pad_push_event (GST_BASE_SINK_PAD (self->sink),
      gst_video_event_new_upstream_force_key_unit (
          gst_shm_ring_sink_time_of (self->sink, self->timeline, self->key_at),
          gst_shm_ring_sink_watch_needs_headers (self), ++self->key_count));
}

/* ---- Looking ------------------------------------------------------------- */

/* Gives the writer back before anybody is told. */
static void
gst_shm_ring_sink_watch_read (GstShmRingSinkWatch *self, GstShmRingSight *sight)
{
  struct shmring_writer *writer =
      gst_shm_ring_allocator_borrow_writer (self->slots);
  struct shmring_writer_stats stats = SHMRING_WRITER_STATS_INIT;

  *sight = (GstShmRingSight){ .names_lost = self->names_lost };
  if (writer == NULL)
    return;
  shmring_writer_each_reader (
      writer, gst_shm_ring_readers_add, &sight->readers);
  shmring_writer_get_stats (writer, &stats);
  sight->names_lost = stats.names_lost;
  sight->key_requested =
      shmring_writer_take_key_request (writer, &sight->key_at);
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
gst_shm_ring_sink_watch_set (
    GstShmRingSinkWatch *self, gboolean *flag, gboolean value)
{
  g_mutex_lock (&self->lock);
  *flag = value;
  g_cond_signal (&self->wake);
  g_mutex_unlock (&self->lock);
}

static void
gst_shm_ring_sink_watch_look (
    GstShmRingSinkWatch *self, GstShmRingReaders *readers)
{
  GstShmRingSight sight;

  gst_shm_ring_sink_watch_read (self, &sight);
  gst_shm_ring_sink_watch_set (self, &self->telling, TRUE);
  gst_shm_ring_sink_watch_request_key (self, &sight);
  gst_shm_ring_sink_watch_post_all (self);
  gst_shm_ring_sink_watch_check_names (self, sight.names_lost);
  gst_shm_ring_sink_watch_judge_all (self, &sight.readers, readers);
  gst_shm_ring_sink_watch_compare (self, &sight.readers, readers);
  gst_shm_ring_sink_watch_set (self, &self->telling, FALSE);
  *readers = sight.readers;
}

/* ---- The thread ---------------------------------------------------------- */

static gint64
gst_shm_ring_sink_watch_interval (GstShmRingSinkWatch *self)
{
  gint64 left = self->key_sent + KEY_INTERVAL - gst_shm_ring_clock_now ();

  return self->is_key_wanted ? CLAMP (left, 0, (gint64) INTERVAL)
                             : (gint64) INTERVAL;
}

/* Until a reader wants to be seen. False: there is no ring, or its waits are
 * interrupted. */
static gboolean
gst_shm_ring_sink_watch_wait (GstShmRingSinkWatch *self, gint64 interval)
{
  struct shmring_writer *writer =
      gst_shm_ring_allocator_borrow_writer (self->slots);
  int res = SHMRING_INTERRUPTED;

  if (writer == NULL)
    return FALSE;
  res = shmring_writer_watch (writer, interval);
  gst_shm_ring_allocator_return_writer (self->slots);
  return res == SHMRING_OK || res == SHMRING_TIMEOUT;
}

static gboolean
gst_shm_ring_sink_watch_sleep (GstShmRingSinkWatch *self)
{
  const gint64 interval = gst_shm_ring_sink_watch_interval (self);
  const gint64 end = g_get_monotonic_time () + interval / GST_USECOND;
  gboolean waited = gst_shm_ring_sink_watch_wait (self, interval);
  gboolean stopping;

  g_mutex_lock (&self->lock);
  while (!waited && !self->stopping && g_queue_is_empty (&self->messages)
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
  gst_shm_ring_sink_watch_set (self, &self->finished, TRUE);
  gst_shm_ring_sink_watch_unref (self);
  return NULL;
}

GstShmRingSinkWatch *
gst_shm_ring_sink_watch_new (GstElement *sink, const gchar *name,
    GstShmRingAllocator *slots, struct shmring_timeline *timeline)
{
  GstShmRingSinkWatch *self = g_new0 (GstShmRingSinkWatch, 1);

  g_atomic_ref_count_init (&self->refs);
  g_atomic_ref_count_inc (&self->refs);
  g_mutex_init (&self->lock);
  g_cond_init (&self->wake);
  g_queue_init (&self->messages);
  self->sink = gst_object_ref (sink);
  self->name = g_strdup (name);
  self->slots = gst_object_ref (slots);
  self->timeline = shmring_timeline_ref (timeline);
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

/* False: it has lasted long enough. For handlers; the thread itself ends soon,
 * however busy the machine, but in a child of fork() there is none. */
static gboolean
gst_shm_ring_sink_watch_wait_for_change (GstShmRingSinkWatch *self)
{
  return g_cond_wait_until (&self->wake, &self->lock,
      g_get_monotonic_time () + (self->telling ? PATIENCE : LONGEST_END));
}

/* Not for ever: a handler may be about to change the state of the pipeline
 * whose state is being changed here. The thread then goes on by itself. */
static gboolean
gst_shm_ring_sink_watch_await_end (GstShmRingSinkWatch *self)
{
  gboolean finished;

  gst_shm_ring_sink_watch_set (self, &self->stopping, TRUE);
  g_mutex_lock (&self->lock);
  while (self->thread != g_thread_self () && !self->finished
      && gst_shm_ring_sink_watch_wait_for_change (self))
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
