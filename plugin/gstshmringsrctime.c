/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringsrc.h"

/* Where encoders begin, so that a DTS before the first PTS has a place. */
#define START (1000 * 3600 * (gint64) GST_SECOND)

/* A first frame that is due later than this is not of now. */
#define AHEAD ((gint64) GST_SECOND)

/* The newest frame is not held for longer: one that waits keeps the next ones
 * from being shown. */
#define HELD (5 * (gint64) GST_MSECOND)

/* Frames before 0 come this much faster. */
#define SQUEEZE 8

/* Sums of a few times within it do not overflow. */
#define LIMIT (G_MAXINT64 / 8)

/* ---- Streams ------------------------------------------------------------- */

static gboolean
gst_shm_ring_src_time_is_alone (const gchar *media)
{
  static const gchar *const others[] = { "video/x-raw", "video/x-bayer",
    "video/x-prores", "video/x-dnxhd", "video/x-dv", "video/x-jpeg" };

  /* a multipart stream is of images, whose demuxer begins its segment at 0 */
  if (g_str_has_prefix (media, "image/") || g_str_has_prefix (media, "audio/")
      || g_str_has_prefix (media, "multipart/"))
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (others); i++) {
    if (g_str_equal (media, others[i]))
      return TRUE;
  }
  return FALSE;
}

void
gst_shm_ring_src_time_start (GstShmRingSrcTime *self, gboolean is_leaky)
{
  *self = (GstShmRingSrcTime){ .is_leaky = is_leaky, .stands_alone = TRUE };
}

void
gst_shm_ring_src_time_set_caps (GstShmRingSrcTime *self, GstCaps *caps)
{
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  gboolean has_start;

  self->stands_alone =
      gst_shm_ring_src_time_is_alone (gst_structure_get_name (structure));
  /* qtdemux leaves out what its fragments' own times place before it */
  has_start = !self->stands_alone
      && !gst_structure_has_name (structure, "video/quicktime");
  if (self->has_start != has_start) {
    self->has_start = has_start;
    self->needs_segment = TRUE;
  }
}

/* ---- Live ---------------------------------------------------------------- */

/* So that a sink, which shows frames LATENCY after they are due, shows it at
 * once: who is in time although others come late would wait for those. */
static gint64
gst_shm_ring_src_time_for_now (const GstShmRingSrcArrival *arrival, gint64 due)
{
  const gint64 least = arrival->now - arrival->latency;

  return CLAMP (due, least, MIN (least + HELD, arrival->now));
}

/* The time of CLOCK_MONOTONIC at which FRAME is taken to be due. */
static gint64
gst_shm_ring_src_time_due (GstShmRingSrcTime *self,
    const struct shmring_frame_info *frame, const GstShmRingSrcArrival *arrival)
{
  gint64 due = CLAMP (frame->clock_ns, -LIMIT, LIMIT);

  /* what is of the future has another clock: a time namespace's */
  if (frame->publish_ns > arrival->now || frame->clock_ns == SHMRING_TIME_NONE)
    due = arrival->now;
  if (self->is_leaky)
    return gst_shm_ring_src_time_for_now (arrival, due);
  if (arrival->is_first)
    self->earlier = due > arrival->now + AHEAD ? due - arrival->now : 0;
  return due - self->earlier;
}

/* Frames that need others before them cannot be left out, and muxers would
 * leave out what lies before the segment: they catch up. In order, with steps
 * in between. A DTS stays as far ahead as it was in the first frame: mp4mux
 * takes the last frames away where that grows. */
static gint64
gst_shm_ring_src_time_catch_up (const GstShmRingSrcTime *self, gint64 time)
{
  if (self->before == 0)
    return time;
  return MAX (time, (time + self->before) / SQUEEZE);
}

static gboolean
gst_shm_ring_src_time_place_live (GstShmRingSrcTime *self,
    const struct shmring_frame_info *frame, const GstShmRingSrcArrival *arrival,
    gint64 *pts)
{
  gint64 time =
      gst_shm_ring_src_time_due (self, frame, arrival) - arrival->origin;

  if (self->stands_alone && time < 0)
    return FALSE;
  if (arrival->is_first || !self->has_frame)
    self->before = MAX (-time, 0);
  if (self->is_leaky && self->has_frame)
    time = MAX (time, self->last);
  self->last = time;
  *pts = time;
  return TRUE;
}

/* ---- Not live ------------------------------------------------------------ */

static void
gst_shm_ring_src_time_place_in_stretch (GstShmRingSrcTime *self,
    const struct shmring_frame_info *frame, const GstShmRingSrcArrival *arrival,
    gint64 pts)
{
  gint64 time;

  if (self->has_frame
      && (arrival->is_first || frame->stretch != self->stretch)) {
    self->first = MAX (pts, 0);
    self->base = self->reached;
    self->needs_segment = TRUE;
  }
  self->stretch = frame->stretch;
  time = pts - self->first + self->base;
  if (self->has_frame && time > self->last)
    self->distance = time - self->last;
  self->last = time;
  if (frame->duration_ns >= 0)
    time += MIN (frame->duration_ns, LIMIT);
  else
    time += self->distance;
  self->reached = CLAMP (time, self->reached, LIMIT);
}

/* ---- Any frame ----------------------------------------------------------- */

/* TIME of the segment's, which nothing before MIN has a place in. */
static GstClockTime
gst_shm_ring_src_time_in_segment (
    const GstShmRingSrcTime *self, gint64 time, gint64 min)
{
  if (self->has_start)
    time += START;
  time = MAX (time, min);
  return time < 0 ? GST_CLOCK_TIME_NONE : (GstClockTime) time;
}

gboolean
gst_shm_ring_src_time_place (GstShmRingSrcTime *self,
    const struct shmring_frame_info *frame, const GstShmRingSrcArrival *arrival,
    GstClockTime *pts, GstClockTime *dts)
{
  gint64 said = CLAMP (frame->pts_ns, -LIMIT, LIMIT);
  gint64 time = said, reorder;
  gint64 start = self->has_start ? START : 0;

  reorder = CLAMP (frame->dts_ns, -LIMIT, LIMIT) - said;
  if (!arrival->has_origin) {
    gst_shm_ring_src_time_place_in_stretch (self, frame, arrival, time);
    start += self->first;
  } else if (!gst_shm_ring_src_time_place_live (self, frame, arrival, &time)) {
    return FALSE;
  }
  self->has_frame = TRUE;
  if (arrival->is_first)
    self->ahead = CLAMP (-reorder, 0, LIMIT);
  *pts = *dts = GST_CLOCK_TIME_NONE;
  if (frame->pts_ns != SHMRING_TIME_NONE)
    *pts = gst_shm_ring_src_time_in_segment (
        self, gst_shm_ring_src_time_catch_up (self, time), start);
  if (frame->dts_ns != SHMRING_TIME_NONE)
    *dts = gst_shm_ring_src_time_in_segment (self,
        gst_shm_ring_src_time_catch_up (self, time + reorder + self->ahead)
            - self->ahead,
        -LIMIT);
  return TRUE;
}

gboolean
gst_shm_ring_src_time_take_segment (
    GstShmRingSrcTime *self, GstSegment *segment)
{
  const gint64 start = self->has_start ? START : 0;

  if (!self->needs_segment)
    return FALSE;
  self->needs_segment = FALSE;
  gst_segment_init (segment, GST_FORMAT_TIME);
  segment->start = segment->position = self->first + start;
  segment->time = segment->start - start;
  segment->base = self->base;
  return TRUE;
}
