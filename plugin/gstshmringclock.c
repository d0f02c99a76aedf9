/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringclock.h"

#include <time.h>

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

static GstClockTimeDiff
gst_shm_ring_clock_now (clockid_t id)
{
  struct timespec now;

  clock_gettime (id, &now);
  return GST_TIMESPEC_TO_TIME (now);
}

/* CLOCK_MONOTONIC minus CLOCK, now. Between two readings this thread may lose
 * its CPU: of three tries the quickest is the truest. */
static GstClockTimeDiff
gst_shm_ring_clock_offset (GstClock *clock)
{
  GstClockTimeDiff best = G_MAXINT64, offset = 0;

  for (gint i = 0; i < 3; i++) {
    GstClockTimeDiff before = gst_shm_ring_clock_now (CLOCK_MONOTONIC);
    GstClockTimeDiff there = gst_clock_get_time (clock);
    GstClockTimeDiff after = gst_shm_ring_clock_now (CLOCK_MONOTONIC);

    if (after - before < best) {
      best = after - before;
      offset = before + best / 2 - there;
    }
  }
  return offset;
}

gboolean
gst_shm_ring_clock_origin (GstElement *element, GstClockTimeDiff *origin)
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

GstClockTimeDiff
gst_shm_ring_clock_wall_offset (void)
{
  GstClockTimeDiff monotonic = gst_shm_ring_clock_now (CLOCK_MONOTONIC);

  return gst_shm_ring_clock_now (CLOCK_REALTIME) - monotonic;
}
