/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringsink.h"

#include <string.h>

#include "gstshmringclock.h"

/* Frames that queued up behind a longer wait than this say nothing of the
 * stream's own lateness. */
#define SHORT_WAIT (20 * GST_MSECOND)
/* So long after the length of the wait they count again, at the latest. */
#define GRACE (1 * GST_SECOND)

/* ---- One timeline a pipeline --------------------------------------------- */

typedef struct {
  struct shmring_timeline *timeline;
  guint users; /* sinks that were started */
} GstShmRingSinkTimeShared;

static GMutex shared_lock;

static GQuark
gst_shm_ring_sink_time_quark (void)
{
  return g_quark_from_static_string ("shmring-timeline");
}

static GstObject *
gst_shm_ring_sink_time_find_pipeline (GstBaseSink *sink)
{
  GstObject *top = gst_object_ref (GST_OBJECT (sink)), *parent;

  while ((parent = gst_object_get_parent (top)) != NULL) {
    gst_object_unref (top);
    top = parent;
  }
  return top;
}

static void
gst_shm_ring_sink_time_share (GstShmRingSinkTime *self)
{
  GObject *pipeline = G_OBJECT (self->pipeline);
  GstShmRingSinkTimeShared *shared;

  g_mutex_lock (&shared_lock);
  shared = g_object_get_qdata (pipeline, gst_shm_ring_sink_time_quark ());
  if (shared == NULL) {
    shared = g_new0 (GstShmRingSinkTimeShared, 1);
    shared->timeline = shmring_timeline_new ();
    g_object_set_qdata (pipeline, gst_shm_ring_sink_time_quark (), shared);
  }
  shared->users++;
  self->timeline = shmring_timeline_ref (shared->timeline);
  g_mutex_unlock (&shared_lock);
}

/* The last one takes it along: the next run begins anew. */
static void
gst_shm_ring_sink_time_unshare (GstShmRingSinkTime *self)
{
  GObject *pipeline = G_OBJECT (self->pipeline);
  GstShmRingSinkTimeShared *shared;

  g_mutex_lock (&shared_lock);
  shared = g_object_get_qdata (pipeline, gst_shm_ring_sink_time_quark ());
  if (--shared->users == 0) {
    g_object_set_qdata (pipeline, gst_shm_ring_sink_time_quark (), NULL);
    shmring_timeline_unref (shared->timeline);
    g_free (shared);
  }
  g_mutex_unlock (&shared_lock);
  g_clear_pointer (&self->timeline, shmring_timeline_unref);
}

/* ---- The sink's own sync ------------------------------------------------- */

/* A file is not late because nobody was there to read it: it goes on where it
 * stood still. */
static gboolean
gst_shm_ring_sink_time_can_shift (GstShmRingSinkTime *self)
{
  return !g_atomic_int_get (&self->is_live)
      && gst_base_sink_get_sync (self->sink);
}

/* Makes ts-offset what the user set, plus SHIFT. */
static void
gst_shm_ring_sink_time_set_shift (GstShmRingSinkTime *self, gint64 shift)
{
  gint64 offset = gst_base_sink_get_ts_offset (self->sink);

  if (shift == self->ts_added)
    return;
  gst_base_sink_set_ts_offset (self->sink, offset - self->ts_added + shift);
  self->ts_added = shift;
}

static void
gst_shm_ring_sink_time_keep_waited (GstShmRingSinkTime *self)
{
  const gint64 waited = self->waited;

  self->waited = 0;
  if (gst_shm_ring_sink_time_can_shift (self))
    shmring_timeline_add (self->timeline, waited);
  gst_shm_ring_sink_lateness_waited (
      &self->lateness, waited, gst_shm_ring_clock_now ());
}

/* ---- Lateness ------------------------------------------------------------ */

/* Until a frame is in time again, those after a wait queued up behind it. */
static gboolean
gst_shm_ring_sink_lateness_queued (
    GstShmRingSinkLateness *self, gint64 late, gint64 arrived)
{
  if (self->waited == 0 || arrived < self->waited_at)
    return FALSE;
  if (late <= self->told
      || arrived - self->waited_at > self->waited + (gint64) GRACE)
    self->waited = 0;
  return self->waited != 0;
}

static void
gst_shm_ring_sink_lateness_sample (
    GstShmRingSinkLateness *self, gint64 late, gint64 arrived)
{
  const gint64 second = arrived / GST_SECOND;

  if (gst_shm_ring_sink_lateness_queued (self, late, arrived))
    return;
  if (second == self->second) {
    self->latest = MAX (self->latest, late);
    return;
  }
  if (self->second != 0)
    self->maxima[self->count++ % GST_SHM_RING_SINK_LATENESS_SECONDS] =
        self->latest;
  self->second = second;
  self->latest = late;
}

/* The third largest: a hiccup or two are nobody's latency. Of less than three
 * whole seconds, the largest. */
static gint64
gst_shm_ring_sink_lateness_third (GstShmRingSinkLateness *self)
{
  const guint count = MIN (self->count, GST_SHM_RING_SINK_LATENESS_SECONDS);
  gint64 first = self->latest, second = G_MININT64, third = G_MININT64;

  for (guint i = 0; i < count; i++) {
    gint64 late = self->maxima[i];

    if (late > first) {
      third = second;
      second = first;
      first = late;
    } else if (late > second) {
      third = second;
      second = late;
    } else if (late > third) {
      third = late;
    }
  }
  return count < 3 ? first : third;
}

/* In steps, so that the pipelines that read do not agree anew at every
 * microsecond: of 1, 2, 3, 5, 7 and 10 ms, then of 3 ms. */
static gint64
gst_shm_ring_sink_lateness_round (gint64 ns)
{
  static const gint64 steps[] = { 0, 1, 2, 3, 5, 7, 10 };

  for (guint i = 0; i < G_N_ELEMENTS (steps); i++) {
    if (ns <= steps[i] * (gint64) GST_MSECOND)
      return steps[i] * GST_MSECOND;
  }
  return (ns + 3 * GST_MSECOND - 1) / (3 * GST_MSECOND) * (3 * GST_MSECOND);
}

gint64
gst_shm_ring_sink_lateness_keep (
    GstShmRingSinkLateness *self, gint64 late, gint64 arrived)
{
  gst_shm_ring_sink_lateness_sample (self, late, arrived);
  self->told = gst_shm_ring_sink_lateness_round (
      gst_shm_ring_sink_lateness_third (self));
  return self->told;
}

void
gst_shm_ring_sink_lateness_waited (
    GstShmRingSinkLateness *self, gint64 ns, gint64 now)
{
  if (ns <= (gint64) SHORT_WAIT)
    return;
  self->waited = ns;
  self->waited_at = now;
}

static void
gst_shm_ring_sink_time_keep (GstShmRingSinkTime *self, gint64 late)
{
  gint64 told =
      gst_shm_ring_sink_lateness_keep (&self->lateness, late, self->arrived);

  GST_OBJECT_LOCK (self->sink);
  self->told = told;
  GST_OBJECT_UNLOCK (self->sink);
}

gint64
gst_shm_ring_sink_time_latency (GstShmRingSinkTime *self)
{
  gint64 told;

  GST_OBJECT_LOCK (self->sink);
  told = self->told;
  GST_OBJECT_UNLOCK (self->sink);
  if (gst_base_sink_get_sync (self->sink))
    told = MAX (told, (gint64) gst_base_sink_get_latency (self->sink));
  return told;
}

/* ---- Frames -------------------------------------------------------------- */

static gboolean
gst_shm_ring_sink_time_is_paced (GstShmRingSinkTime *self)
{
  return g_atomic_int_get (&self->is_live)
      || gst_base_sink_get_sync (self->sink);
}

static gboolean
gst_shm_ring_sink_time_stamp (GstShmRingSinkTime *self,
    const struct shmring_timing *timing, struct shmring_frame_info *info)
{
  bool jumped = false;

  info->clock_ns = shmring_timeline_stamp (
      self->timeline, timing, info->pts_ns, gst_shm_ring_clock_now (), &jumped);
  if (info->pts_ns == SHMRING_TIME_NONE) {
    info->pts_ns = info->clock_ns - timing->origin_ns
        - shmring_timeline_get_shift (self->timeline);
    return FALSE;
  }
  gst_shm_ring_sink_time_keep (self, self->arrived - info->clock_ns);
  return jumped;
}

/* The time of CLOCK_REALTIME at CLOCK_NS of CLOCK_MONOTONIC. */
static gint64
gst_shm_ring_sink_time_of_day (gint64 clock_ns)
{
  const gint64 now = gst_shm_ring_clock_now ();
  struct timespec wall;

  clock_gettime (CLOCK_REALTIME, &wall);
  return clock_ns + (gint64) GST_TIMESPEC_TO_TIME (wall) - now;
}

static gboolean
gst_shm_ring_sink_time_place_by_clock (GstShmRingSinkTime *self,
    struct shmring_timing *timing, struct shmring_frame_info *info)
{
  gboolean jumped;

  timing->latency_ns =
      gst_base_sink_get_latency (self->sink) + self->lateness.waited;
  timing->paced = gst_shm_ring_sink_time_is_paced (self);
  jumped = gst_shm_ring_sink_time_stamp (self, timing, info);
  if (info->timestamp_ns == 0 && g_atomic_int_get (&self->is_live))
    info->timestamp_ns = gst_shm_ring_sink_time_of_day (info->clock_ns);
  if (gst_shm_ring_sink_time_can_shift (self))
    gst_shm_ring_sink_time_set_shift (
        self, shmring_timeline_get_shift (self->timeline));
  return jumped;
}

gboolean
gst_shm_ring_sink_time_place (
    GstShmRingSinkTime *self, struct shmring_frame_info *info)
{
  struct shmring_timing timing = SHMRING_TIMING_INIT;
  gboolean jumped = FALSE;

  gst_shm_ring_sink_time_keep_waited (self);
  if (gst_shm_ring_clock_origin (GST_ELEMENT (self->sink), &timing.origin_ns))
    jumped = gst_shm_ring_sink_time_place_by_clock (self, &timing, info);
  self->latency = gst_shm_ring_sink_time_latency (self);
  return jumped;
}

GstClockTime
gst_shm_ring_sink_time_of (
    GstElement *sink, struct shmring_timeline *timeline, gint64 clock_ns)
{
  gint64 origin, time;

  if (clock_ns == SHMRING_TIME_NONE
      || !gst_shm_ring_clock_origin (sink, &origin))
    return GST_CLOCK_TIME_NONE;
  time = clock_ns - origin - shmring_timeline_get_shift (timeline);
  return time >= 0 ? (GstClockTime) time : GST_CLOCK_TIME_NONE;
}

/* ---- Life ---------------------------------------------------------------- */

void
gst_shm_ring_sink_time_start (GstShmRingSinkTime *self, GstBaseSink *sink)
{
  memset (self, 0, sizeof (*self));
  self->sink = sink;
  self->pipeline = gst_shm_ring_sink_time_find_pipeline (sink);
  gst_shm_ring_sink_time_share (self);
}

void
gst_shm_ring_sink_time_stop (GstShmRingSinkTime *self)
{
  if (self->pipeline == NULL)
    return;
  gst_shm_ring_sink_time_set_shift (self, 0);
  gst_shm_ring_sink_time_unshare (self);
  g_clear_pointer (&self->pipeline, gst_object_unref);
}

void
gst_shm_ring_sink_time_ask (GstShmRingSinkTime *self)
{
  GstQuery *query = gst_query_new_latency ();
  gboolean live = FALSE;

  if (gst_pad_peer_query (GST_BASE_SINK_PAD (self->sink), query))
    gst_query_parse_latency (query, &live, NULL, NULL);
  gst_query_unref (query);
  g_atomic_int_set (&self->is_live, live);
}

void
gst_shm_ring_sink_time_reset (GstShmRingSinkTime *self)
{
  self->waited = 0;
  shmring_timeline_reset (self->timeline);
  gst_shm_ring_sink_time_set_shift (self, 0);
}
