/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringclock.h"

#include <time.h>

/* A clock that is further from where it was has jumped. */
#define MAX_DRIFT (50 * GST_MSECOND)
/* Of a new reading that is believed at once. */
#define DRIFT_SHARE 64

/* From 1900 to 1970. */
#define NTP_EPOCH (G_GUINT64_CONSTANT (2208988800) * GST_SECOND)

static GstStaticCaps unix_time_caps = GST_STATIC_CAPS ("timestamp/x-unix");
static GstStaticCaps ntp_time_caps = GST_STATIC_CAPS ("timestamp/x-ntp");

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
gst_shm_ring_clock_read (clockid_t id)
{
  struct timespec now;

  clock_gettime (id, &now);
  return GST_TIMESPEC_TO_TIME (now);
}

gint64
gst_shm_ring_clock_now (void)
{
  return gst_shm_ring_clock_read (CLOCK_MONOTONIC);
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

/* The same, without the steps in which an audio device's clock advances, and
 * with its drift. */
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

gint64
gst_shm_ring_clock_to_wall (gint64 clock_ns)
{
  gint64 now = gst_shm_ring_clock_now ();

  return clock_ns + gst_shm_ring_clock_read (CLOCK_REALTIME) - now;
}

/* Outside the segment too: with B-frames the first DTS lies before it. */
static gint64
gst_shm_ring_clock_running_time (const GstSegment *segment, GstClockTime time)
{
  guint64 distance;
  gint sign;

  if (segment->format != GST_FORMAT_TIME || !GST_CLOCK_TIME_IS_VALID (time))
    return SHMRING_TIME_NONE;
  sign = gst_segment_to_running_time_full (
      segment, GST_FORMAT_TIME, time, &distance);
  if (sign == 0 || distance > G_MAXINT64)
    return SHMRING_TIME_NONE;
  if (sign > 0)
    return distance;
  /* the header's "none" is -1 */
  return distance == 1 ? -2 : -(gint64) distance;
}

static GstReferenceTimestampMeta *
gst_shm_ring_clock_find_time (GstBuffer *buffer, GstStaticCaps *of)
{
  GstCaps *caps = gst_static_caps_get (of);
  GstReferenceTimestampMeta *meta =
      gst_buffer_get_reference_timestamp_meta (buffer, caps);

  gst_caps_unref (caps);
  return meta;
}

/* 0: it does not say. */
static gint64
gst_shm_ring_clock_capture_time (GstBuffer *buffer)
{
  GstReferenceTimestampMeta *meta;

  meta = gst_shm_ring_clock_find_time (buffer, &unix_time_caps);
  if (meta != NULL)
    return meta->timestamp;
  meta = gst_shm_ring_clock_find_time (buffer, &ntp_time_caps);
  if (meta != NULL && meta->timestamp > NTP_EPOCH)
    return meta->timestamp - NTP_EPOCH;
  return 0;
}

void
gst_shm_ring_clock_set_buffer (struct shmring_frame_info *info,
    GstBuffer *buffer, const GstSegment *segment)
{
  info->pts_ns =
      gst_shm_ring_clock_running_time (segment, GST_BUFFER_PTS (buffer));
  info->dts_ns =
      gst_shm_ring_clock_running_time (segment, GST_BUFFER_DTS (buffer));
  info->clock_ns = SHMRING_TIME_NONE;
  info->timestamp_ns = gst_shm_ring_clock_capture_time (buffer);
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
