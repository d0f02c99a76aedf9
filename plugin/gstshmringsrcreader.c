/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringsrc.h"

#include <errno.h>

#include "gstshmring.h"
#include "gstshmringclock.h"

/* A pause whose interruption was missed is seen after this. */
#define SLICE (100 * GST_MSECOND)

#define ANY_END                                                                \
  (1u << SHMRING_ENDED | 1u << SHMRING_CLOSED | 1u << SHMRING_LOST)

/* Frames in a row that cannot be what they say, before that is an error. */
#define MAX_REFUSED 5

/* When the waits for one frame began. */
typedef struct {
  gint64 ring;
  gint64 frame; /* of an attached ring */
  gboolean has_ring;
  gboolean has_waited; /* none was there at once */
} GstShmRingSrcWait;

/* Never writes the owner, not even the same again: who asks meanwhile reads it
 * to lock it. */
gboolean
gst_shm_ring_src_reader_start (GstShmRingSrcReader *self, gchar *ring,
    const GstShmRingSrcSettings *settings)
{
  struct shmring_error error = { 0 };
  struct shmring_reader_options options = settings->options;
  struct shmring_reader *handle;
  int res;

  if (settings->on_disconnect == GST_SHM_RING_ON_DISCONNECT_WAIT)
    options.go_on_after = ANY_END;
  res = shmring_reader_new (ring, &options, &handle, &error);
  if (res < 0) {
    gst_shm_ring_element_post_errno (
        GST_ELEMENT (self->src), res, error.message);
    g_free (ring);
    return FALSE;
  }
  GST_OBJECT_LOCK (self->src);
  self->ring = ring;
  self->settings = *settings;
  self->stats = (GstShmRingSrcStats){ .ring = SHMRING_READER_STATS_INIT };
  self->handle = handle;
  self->had_buffer = self->told_limit = FALSE;
  self->in_a_row = 0;
  self->began = SHMRING_FOREVER;
  shmring_reader_interrupt (handle, self->unlocked || self->paused);
  GST_OBJECT_UNLOCK (self->src);
  return TRUE;
}

/* ---- Waiting ------------------------------------------------------------- */

static GstClockTime
gst_shm_ring_src_reader_since (gint64 begin)
{
  return gst_shm_ring_clock_now () - begin;
}

static void
gst_shm_ring_src_reader_begin (
    GstShmRingSrcReader *self, GstShmRingSrcWait *wait)
{
  wait->ring = wait->frame = gst_shm_ring_clock_now ();
  if (!self->had_buffer && self->began == SHMRING_FOREVER)
    self->began = wait->ring;
}

static GstClockTime
gst_shm_ring_src_reader_left (gint64 begin, GstClockTime timeout)
{
  const GstClockTime since = gst_shm_ring_src_reader_since (begin);

  return timeout - MIN (timeout, since);
}

/* The rest of WAIT, or a slice of it. */
static GstClockTime
gst_shm_ring_src_reader_slice (
    GstShmRingSrcReader *self, const GstShmRingSrcWait *wait)
{
  const GstShmRingSrcSettings *settings = &self->settings;
  GstClockTime left = wait->has_ring
      ? gst_shm_ring_src_reader_left (wait->frame, settings->timeout)
      : gst_shm_ring_src_reader_left (wait->ring, settings->connection_timeout);

  if (!self->had_buffer)
    left = MIN (left,
        gst_shm_ring_src_reader_left (self->began, settings->first_timeout));
  return MIN (left, SLICE);
}

static GstFlowReturn
gst_shm_ring_src_reader_give_up (GstShmRingSrcReader *self,
    const GstShmRingSrcWait *wait, const struct shmring_error *error)
{
  const GstClockTime waited =
      gst_shm_ring_src_reader_since (wait->has_ring ? wait->frame : wait->ring);

  if (error->code == -ENOBUFS)
    GST_ELEMENT_ERROR (self->src, RESOURCE, NO_SPACE_LEFT,
        ("Downstream let go of no frame of the ring \"%s\" within "
         "%" GST_TIME_FORMAT " (%s). See what keeps them, or set timeout.",
            self->ring, GST_TIME_ARGS (waited), error->message),
        (NULL));
  else if (wait->has_ring)
    GST_ELEMENT_ERROR (self->src, RESOURCE, READ,
        ("No frame came through the ring \"%s\" within %" GST_TIME_FORMAT
         " (%s). Its writer is there but sends nothing: see what it does, or "
         "set timeout.",
            self->ring, GST_TIME_ARGS (waited), error->message),
        (NULL));
  else
    GST_ELEMENT_ERROR (self->src, RESOURCE, NOT_FOUND,
        ("No ring \"%s\" to read within %" GST_TIME_FORMAT
         " (%s). Start its writer (shmringsink name=%s), or set "
         "connection-timeout.",
            self->ring, GST_TIME_ARGS (waited), error->message, self->ring),
        (NULL));
  return GST_FLOW_ERROR;
}

/* Once, and not of an instant: it may be what an application wants. */
static void
gst_shm_ring_src_reader_warn_of_limit (GstShmRingSrcReader *self,
    const GstShmRingSrcWait *wait, const gchar *found)
{
  if (self->told_limit || gst_shm_ring_src_reader_since (wait->frame) < SLICE)
    return;
  self->told_limit = TRUE;
  GST_ELEMENT_WARNING (self->src, RESOURCE, NO_SPACE_LEFT,
      ("Downstream keeps as many frames of the ring \"%s\" as it may; until it "
       "lets one go, none comes. See what keeps them, or set max-copy-bytes.",
          self->ring),
      ("%s", found));
}

static gboolean
gst_shm_ring_src_reader_is (GstShmRingSrcReader *self, const gboolean *flag)
{
  gboolean is;

  GST_OBJECT_LOCK (self->src);
  is = *flag;
  GST_OBJECT_UNLOCK (self->src);
  return is;
}

/* A live source waits here while it is paused: FLUSHING that it returned for a
 * pause could arrive after the pause, and nobody would start its task again. */
static GstFlowReturn
gst_shm_ring_src_reader_stay (
    GstShmRingSrcReader *self, GstShmRingSrcWait *wait)
{
  gboolean was_paused = gst_shm_ring_src_reader_is (self, &self->paused);
  GstFlowReturn flow = GST_FLOW_OK;

  if (gst_base_src_is_live (self->src))
    flow = gst_base_src_wait_playing (self->src);
  if (was_paused) {
    self->began = SHMRING_FOREVER;
    gst_shm_ring_src_reader_begin (self, wait);
  } else if (flow == GST_FLOW_OK
      && gst_shm_ring_src_reader_is (self, &self->unlocked)) {
    flow = GST_FLOW_FLUSHING;
  }
  return flow;
}

static GstFlowReturn
gst_shm_ring_src_reader_wait (GstShmRingSrcReader *self,
    GstShmRingSrcWait *wait, int res, const struct shmring_error *error)
{
  GstFlowReturn flow = gst_shm_ring_src_reader_stay (self, wait);

  wait->has_waited = TRUE;
  if (flow != GST_FLOW_OK || res == SHMRING_INTERRUPTED)
    return flow;
  wait->has_ring = error->code != -ENOENT;
  if (!wait->has_ring)
    wait->frame = gst_shm_ring_clock_now ();
  if (gst_shm_ring_src_reader_slice (self, wait) == 0)
    return gst_shm_ring_src_reader_give_up (self, wait, error);
  if (error->code == -ENOBUFS)
    gst_shm_ring_src_reader_warn_of_limit (self, wait, error->message);
  return GST_FLOW_OK;
}

/* ---- Ends ---------------------------------------------------------------- */

static GstFlowReturn
gst_shm_ring_src_reader_end (
    GstShmRingSrcReader *self, int end, const gchar *message)
{
  const GstShmRingOnDisconnect wish = self->settings.on_disconnect;

  if (end == SHMRING_ENDED || wish == GST_SHM_RING_ON_DISCONNECT_EOS
      || (end == SHMRING_CLOSED && wish != GST_SHM_RING_ON_DISCONNECT_ERROR))
    return GST_FLOW_EOS;
  if (end == SHMRING_CLOSED)
    GST_ELEMENT_ERROR (self->src, RESOURCE, READ,
        ("The writer of the ring \"%s\" stopped without ending its stream.",
            self->ring),
        (NULL));
  else
    GST_ELEMENT_ERROR (self->src, RESOURCE, READ, ("%s", message), (NULL));
  return GST_FLOW_ERROR;
}

/* ---- Frames -------------------------------------------------------------- */

static gboolean
gst_shm_ring_src_reader_is_attached (GstShmRingSrcReader *self)
{
  struct shmring_reader_stats stats = SHMRING_READER_STATS_INIT;

  shmring_reader_get_stats (self->handle, &stats);
  return stats.attached;
}

/* Of a writer that lies now and then the warnings become rare, the error is for
 * one that does nothing else. */
static GstFlowReturn
gst_shm_ring_src_reader_skip (
    GstShmRingSrcReader *self, guint64 *counter, const gchar *problem)
{
  guint64 damaged;

  gst_shm_ring_src_reader_count (self, counter);
  damaged = self->stats.damaged + self->stats.refused;
  if (++self->in_a_row >= MAX_REFUSED) {
    GST_ELEMENT_ERROR (self->src, STREAM, FORMAT,
        ("The last %u frames of the ring \"%s\" make no sense: %s. Its writer "
         "has to be repaired.",
            self->in_a_row, self->ring, problem),
        (NULL));
    return GST_FLOW_ERROR;
  }
  if ((damaged & (damaged - 1)) == 0)
    GST_ELEMENT_WARNING (self->src, STREAM, FORMAT,
        ("A frame of the ring \"%s\" makes no sense and is left out: %s. Its "
         "writer has to be repaired.",
            self->ring, problem),
        ("%" G_GUINT64_FORMAT " frames so far", damaged));
  return GST_FLOW_OK;
}

/* The ring counts those that it finds itself as dropped. */
static GstFlowReturn
gst_shm_ring_src_reader_damaged (
    GstShmRingSrcReader *self, const gchar *problem)
{
  return gst_shm_ring_src_reader_skip (self, &self->stats.damaged, problem);
}

GstFlowReturn
gst_shm_ring_src_reader_refuse (GstShmRingSrcReader *self, const gchar *problem)
{
  return gst_shm_ring_src_reader_skip (self, &self->stats.refused, problem);
}

static void
gst_shm_ring_src_reader_took (GstShmRingSrcReader *self,
    const struct shmring_frame_info *info, const GstShmRingSrcWait *wait)
{
  GST_OBJECT_LOCK (self->src);
  self->stats.bytes += info->size;
  if (wait->has_waited) {
    self->stats.waits++;
    self->stats.wait_time += gst_shm_ring_src_reader_since (wait->frame);
  }
  GST_OBJECT_UNLOCK (self->src);
}

/* What a take that brought no frame means. OK: ask again. */
static GstFlowReturn
gst_shm_ring_src_reader_without (GstShmRingSrcReader *self,
    GstShmRingSrcWait *wait, int res, const struct shmring_error *error)
{
  switch (res) {
    case SHMRING_INTERRUPTED:
    case SHMRING_TIMEOUT:
      return gst_shm_ring_src_reader_wait (self, wait, res, error);
    case SHMRING_ENDED:
    case SHMRING_CLOSED:
    case SHMRING_LOST:
      return gst_shm_ring_src_reader_end (self, res, error->message);
    case -EPROTO:
      if (gst_shm_ring_src_reader_is_attached (self))
        return gst_shm_ring_src_reader_damaged (self, error->message);
      /* fall through */
    default:
      gst_shm_ring_element_post_errno (
          GST_ELEMENT (self->src), res, error->message);
      return GST_FLOW_ERROR;
  }
}

GstFlowReturn
gst_shm_ring_src_reader_next (
    GstShmRingSrcReader *self, struct shmring_frame **frame)
{
  GstShmRingSrcWait wait = { 0 };
  struct shmring_error error = { 0 };
  GstFlowReturn flow = GST_FLOW_OK;
  GstClockTime slice = 0;
  int res;

  gst_shm_ring_src_reader_begin (self, &wait);
  do {
    if (self->handle == NULL) /* who heard of the last one has stopped us */
      return GST_FLOW_FLUSHING;
    res = shmring_reader_take (self->handle, slice, frame, &error);
    if (res != SHMRING_OK)
      flow = gst_shm_ring_src_reader_without (self, &wait, res, &error);
    slice = gst_shm_ring_src_reader_slice (self, &wait);
  } while (res != SHMRING_OK && flow == GST_FLOW_OK);
  if (res != SHMRING_OK)
    return flow;
  gst_shm_ring_src_reader_took (self, &(*frame)->info, &wait);
  return GST_FLOW_OK;
}

void
gst_shm_ring_src_reader_had_buffer (GstShmRingSrcReader *self)
{
  self->had_buffer = TRUE;
  self->in_a_row = 0;
}

/* ---- Counting ------------------------------------------------------------ */

void
gst_shm_ring_src_reader_count (GstShmRingSrcReader *self, guint64 *counter)
{
  GST_OBJECT_LOCK (self->src);
  ++*counter;
  GST_OBJECT_UNLOCK (self->src);
}

static GstShmRingSrcStats
gst_shm_ring_src_reader_read_stats (GstShmRingSrcReader *self)
{
  GstShmRingSrcStats stats;

  GST_OBJECT_LOCK (self->src);
  if (self->handle != NULL)
    shmring_reader_get_stats (self->handle, &self->stats.ring);
  stats = self->stats;
  GST_OBJECT_UNLOCK (self->src);
  return stats;
}

/* Frames that this reader took, without those that did not become buffers. */
static guint64
gst_shm_ring_src_stats_received (const GstShmRingSrcStats *self)
{
  return self->ring.received
      - MIN (self->ring.received, self->refused + self->too_early);
}

/* Frames that this reader was offered, and that did not become buffers. */
static guint64
gst_shm_ring_src_stats_dropped (const GstShmRingSrcStats *self)
{
  return self->ring.dropped + self->ring.withdrawn + self->ring.skipped
      + self->refused + self->too_early;
}

void
gst_shm_ring_src_reader_get_counts (
    GstShmRingSrcReader *self, guint64 *received, guint64 *dropped)
{
  const GstShmRingSrcStats stats = gst_shm_ring_src_reader_read_stats (self);

  *received = gst_shm_ring_src_stats_received (&stats);
  *dropped = gst_shm_ring_src_stats_dropped (&stats);
}

GstStructure *
gst_shm_ring_src_reader_get_stats (GstShmRingSrcReader *self)
{
  const GstShmRingSrcStats stats = gst_shm_ring_src_reader_read_stats (self);
  const struct shmring_reader_stats *ring = &stats.ring;

  return gst_structure_new ("application/x-shmring-src-stats", "received",
      G_TYPE_UINT64, gst_shm_ring_src_stats_received (&stats), "bytes",
      G_TYPE_UINT64, stats.bytes, "copied", G_TYPE_UINT64,
      ring->copied + stats.copied, "dropped", G_TYPE_UINT64,
      gst_shm_ring_src_stats_dropped (&stats), "lagged", G_TYPE_UINT64,
      ring->dropped - stats.damaged, "withdrawn", G_TYPE_UINT64,
      ring->withdrawn, "skipped", G_TYPE_UINT64, ring->skipped,
      "before-base-time", G_TYPE_UINT64, stats.too_early, "damaged",
      G_TYPE_UINT64, stats.damaged + stats.refused, "flushed", G_TYPE_UINT64,
      ring->flushed, "lag", G_TYPE_UINT64, ring->lag, "held", G_TYPE_UINT,
      ring->held, "lease", G_TYPE_UINT, ring->lease, "waits", G_TYPE_UINT64,
      stats.waits, "wait-time", G_TYPE_UINT64, stats.wait_time, NULL);
}

/* ---- Other threads ------------------------------------------------------- */

gboolean
gst_shm_ring_src_reader_request_keyframe (
    GstShmRingSrcReader *self, gint64 time)
{
  gboolean ok;

  GST_OBJECT_LOCK (self->src);
  ok = self->handle != NULL
      && shmring_reader_request_keyframe (self->handle, time) >= 0;
  GST_OBJECT_UNLOCK (self->src);
  return ok;
}

/* Of the ring that is read; each frame asks. */
GstClockTime
gst_shm_ring_src_reader_get_told (GstShmRingSrcReader *self)
{
  gint64 latency = 0;

  GST_OBJECT_LOCK (self->src);
  if (self->handle != NULL)
    latency = shmring_reader_get_latency (self->handle);
  GST_OBJECT_UNLOCK (self->src);
  return MAX (latency, 0);
}

/* Also of one that is not read yet. */
void
gst_shm_ring_src_reader_get_latency (
    GstShmRingSrcReader *self, GstClockTime *latency, guint *lease)
{
  struct shmring_reader_stats stats = SHMRING_READER_STATS_INIT;
  struct shmring_info info = SHMRING_INFO_INIT;
  gchar *ring;
  int res = -ENOTCONN;

  GST_OBJECT_LOCK (self->src);
  if (self->handle != NULL) {
    res = shmring_reader_get_info (self->handle, &info);
    shmring_reader_get_stats (self->handle, &stats);
  }
  ring = g_strdup (self->ring);
  *lease = res == SHMRING_OK ? stats.lease : self->settings.options.lease;
  GST_OBJECT_UNLOCK (self->src);
  if (res < 0 && ring != NULL)
    shmring_query (ring, &info, NULL);
  g_free (ring);
  *latency = MAX (info.latency_ns, 0);
}

static void
gst_shm_ring_src_reader_set (
    GstShmRingSrcReader *self, gboolean *flag, gboolean value)
{
  GST_OBJECT_LOCK (self->src);
  *flag = value;
  if (self->handle != NULL)
    shmring_reader_interrupt (self->handle, self->unlocked || self->paused);
  GST_OBJECT_UNLOCK (self->src);
}

void
gst_shm_ring_src_reader_set_unlocked (
    GstShmRingSrcReader *self, gboolean unlocked)
{
  gst_shm_ring_src_reader_set (self, &self->unlocked, unlocked);
}

/* Under the lock: nobody frees the handle meanwhile. */
void
gst_shm_ring_src_reader_leave (GstShmRingSrcReader *self)
{
  GST_OBJECT_LOCK (self->src);
  if (self->handle != NULL)
    shmring_reader_leave (self->handle);
  GST_OBJECT_UNLOCK (self->src);
}

void
gst_shm_ring_src_reader_set_paused (GstShmRingSrcReader *self, gboolean paused)
{
  gst_shm_ring_src_reader_set (self, &self->paused, paused);
  if (paused)
    gst_shm_ring_src_reader_leave (self);
}

void
gst_shm_ring_src_reader_stop (GstShmRingSrcReader *self)
{
  struct shmring_reader *handle;
  gchar *ring;

  GST_OBJECT_LOCK (self->src);
  handle = g_steal_pointer (&self->handle);
  ring = g_steal_pointer (&self->ring);
  if (handle != NULL)
    shmring_reader_get_stats (handle, &self->stats.ring);
  GST_OBJECT_UNLOCK (self->src);
  shmring_reader_free (handle);
  g_free (ring);
}
