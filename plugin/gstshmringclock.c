/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringclock.h"

/* Further than this from the smoothed offset, a reading tells of a jump. */
#define MAX_DRIFT (50 * GST_MSECOND)
/* The offset follows each reading by this share of the difference. */
#define DRIFT_SHARE 64

/* Subclasses of GstSystemClock (net, PTP) keep another time than the system's.
 */
static gboolean
gst_shm_ring_clock_is_monotonic (GstClock *clock)
{
  GstClockType type = GST_CLOCK_TYPE_OTHER;

  if (G_OBJECT_TYPE (clock) != GST_TYPE_SYSTEM_CLOCK)
    return FALSE;
  g_object_get (clock, "clock-type", &type, NULL);
  return type == GST_CLOCK_TYPE_MONOTONIC;
}

/* What is known of a clock, kept with it: all elements that go by it agree. */
typedef struct {
  GMutex lock;
  gboolean is_known;
  GstClockTimeDiff offset;
} GstShmRingClockOffset;

static void
gst_shm_ring_clock_offset_free (gpointer data)
{
  GstShmRingClockOffset *self = data;

  g_mutex_clear (&self->lock);
  g_free (self);
}

static GstShmRingClockOffset *
gst_shm_ring_clock_get_offset (GstClock *clock)
{
  static GMutex lock;
  const GQuark quark = g_quark_from_static_string ("shmring-clock-offset");
  GstShmRingClockOffset *self;

  g_mutex_lock (&lock);
  self = g_object_get_qdata (G_OBJECT (clock), quark);
  if (self == NULL) {
    self = g_new0 (GstShmRingClockOffset, 1);
    g_mutex_init (&self->lock);
    g_object_set_qdata_full (
        G_OBJECT (clock), quark, self, gst_shm_ring_clock_offset_free);
  }
  g_mutex_unlock (&lock);
  return self;
}

/* CLOCK_MONOTONIC minus CLOCK, now. Between two readings this thread may lose
 * its CPU: of three tries the quickest is the truest. */
static GstClockTimeDiff
gst_shm_ring_clock_read_offset (GstClock *clock)
{
  GstClockTimeDiff best = G_MAXINT64, offset = 0;

  for (gint i = 0; i < 3; i++) {
    GstClockTimeDiff before = gst_shm_ring_clock_now ();
    GstClockTimeDiff there = gst_clock_get_time (clock);
    GstClockTimeDiff after = gst_shm_ring_clock_now ();

    if (after - before < best) {
      best = after - before;
      offset = before + best / 2 - there;
    }
  }
  return offset;
}

/* The same, smoothed: an audio device's clock advances in steps, and drifts. */
static GstClockTimeDiff
gst_shm_ring_clock_offset (GstClock *clock)
{
  GstShmRingClockOffset *self = gst_shm_ring_clock_get_offset (clock);
  GstClockTimeDiff read, offset;

  g_mutex_lock (&self->lock);
  read = gst_shm_ring_clock_read_offset (clock);
  if (!self->is_known || ABS (read - self->offset) > MAX_DRIFT)
    self->offset = read;
  else
    self->offset += (read - self->offset) / DRIFT_SHARE;
  self->is_known = TRUE;
  offset = self->offset;
  g_mutex_unlock (&self->lock);
  return offset;
}

gboolean
gst_shm_ring_clock_origin (GstElement *element, gint64 *origin)
{
  GstClock *clock = gst_element_get_clock (element);

  if (clock == NULL)
    return FALSE;
  *origin = gst_element_get_base_time (element);
  if (!gst_shm_ring_clock_is_monotonic (clock))
    *origin += gst_shm_ring_clock_offset (clock);
  gst_object_unref (clock);
  return TRUE;
}
