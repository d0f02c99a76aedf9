/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringclock.h"

#include <time.h>

static GstStaticCaps unix_time_caps = GST_STATIC_CAPS ("timestamp/x-unix");

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

/* The time of CLOCK_MONOTONIC at which ELEMENT's running time is 0. False: it
 * has no clock, so its times have no place in the world. */
static gboolean
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

/* CLOCK_REALTIME minus CLOCK_MONOTONIC, now. */
static GstClockTimeDiff
gst_shm_ring_clock_wall_offset (void)
{
  GstClockTimeDiff monotonic = gst_shm_ring_clock_now (CLOCK_MONOTONIC);

  return gst_shm_ring_clock_now (CLOCK_REALTIME) - monotonic;
}

gint64
gst_shm_ring_clock_running_time (const GstSegment *segment, GstClockTime time)
{
  if (segment->format != GST_FORMAT_TIME || !GST_CLOCK_TIME_IS_VALID (time))
    return SHMRING_TIME_NONE;
  return gst_segment_to_running_time (segment, GST_FORMAT_TIME, time);
}

void
gst_shm_ring_clock_stamp_frame (GstBaseSink *sink, GstBuffer *buffer,
    gboolean is_live, GstClockTimeDiff waited, struct shmring_frame_info *frame)
{
  GstCaps *unix_time = gst_static_caps_get (&unix_time_caps);
  GstReferenceTimestampMeta *meta;
  GstClockTimeDiff origin;

  frame->pts_ns =
      gst_shm_ring_clock_running_time (&sink->segment, GST_BUFFER_PTS (buffer));
  frame->dts_ns =
      gst_shm_ring_clock_running_time (&sink->segment, GST_BUFFER_DTS (buffer));
  frame->clock_ns = SHMRING_TIME_NONE;
  if (frame->pts_ns != SHMRING_TIME_NONE
      && gst_shm_ring_clock_origin (GST_ELEMENT (sink), &origin)) {
    frame->clock_ns = frame->pts_ns + origin + waited;
    if (is_live)
      frame->timestamp_ns = frame->clock_ns + gst_shm_ring_clock_wall_offset ();
  }
  meta = gst_buffer_get_reference_timestamp_meta (buffer, unix_time);
  if (meta != NULL)
    frame->timestamp_ns = meta->timestamp;
  gst_caps_unref (unix_time);
}

/* Unsigned, since a damaged frame may say any time. */
static GstClockTime
gst_shm_ring_clock_shift (GstClockTime time, guint64 shift)
{
  if (!GST_CLOCK_TIME_IS_VALID (time) || (GstClockTimeDiff) (time + shift) < 0)
    return GST_CLOCK_TIME_NONE;
  return time + shift;
}

gboolean
gst_shm_ring_clock_stamp_buffer (
    GstElement *src, const struct shmring_frame_info *frame, GstBuffer *buffer)
{
  GstClockTimeDiff origin;
  guint64 shift;

  if (frame->pts_ns < 0 || frame->clock_ns < 0
      || !gst_shm_ring_clock_origin (src, &origin))
    return TRUE;
  shift =
      (guint64) frame->clock_ns - (guint64) origin - (guint64) frame->pts_ns;
  GST_BUFFER_PTS (buffer) =
      gst_shm_ring_clock_shift (GST_BUFFER_PTS (buffer), shift);
  GST_BUFFER_DTS (buffer) =
      gst_shm_ring_clock_shift (GST_BUFFER_DTS (buffer), shift);
  return GST_BUFFER_PTS_IS_VALID (buffer);
}

void
gst_shm_ring_clock_add_capture_time (
    const struct shmring_frame_info *frame, GstBuffer *buffer)
{
  GstCaps *unix_time;

  if (frame->timestamp_ns <= 0)
    return;
  unix_time = gst_static_caps_get (&unix_time_caps);
  gst_buffer_add_reference_timestamp_meta (
      buffer, unix_time, frame->timestamp_ns, GST_CLOCK_TIME_NONE);
  gst_caps_unref (unix_time);
}
