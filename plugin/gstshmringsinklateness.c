/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringsinklateness.h"

/* Frames that queued up behind a longer wait than this say nothing of the
 * stream's own lateness. */
#define SHORT_WAIT (20 * GST_MSECOND)
/* After it they are believed again, at the latest. */
#define GRACE (1 * GST_SECOND)

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
