/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A shmringsrc's parts, one a file: when its frames are due, its reader, and
 * the stream that it makes of them.
 */
#ifndef GST_SHM_RING_SRC_H
#define GST_SHM_RING_SRC_H

#include <gst/audio/audio.h>
#include <gst/base/gstpushsrc.h>

#include "gstshmringframe.h"
#include "shmring.h"

G_BEGIN_DECLS

/* ---- gstshmringsrctime.c ---------------------------------------------------
 *
 * When a source's frames are due in its own pipeline. Arithmetic alone: the
 * caller says what time it is, and pushes the segments.
 *
 * In a live pipeline a frame keeps the time at which it was due in the writing
 * one, as far as that has a place here. Otherwise it keeps its running time,
 * and what a next writer sends follows what the one before sent.
 */

typedef struct {
  gboolean is_leaky;
  gboolean stands_alone; /* no frame of the stream needs another one */

  gboolean has_frame;
  gint64 earlier; /* live: what all frames are taken earlier by */
  gint64 before;  /* live: how long before 0 the first one was due */
  gint64 ahead;   /* what the first one's DTS was before its PTS */
  gint64 last;    /* running time of the last frame */

  guint32 stretch;
  gint64 first;    /* not live: pts of the segment's first frame */
  gint64 base;     /* running time of that frame */
  gint64 reached;  /* running time at the end of all frames */
  gint64 distance; /* of the last two frames */

  gboolean has_start; /* the segment does not begin at 0 */
  gboolean needs_segment;
} GstShmRingSrcTime;

/* What was seen of a frame, CLOCK_MONOTONIC. */
typedef struct {
  gboolean is_first;   /* since the reader attached */
  gboolean has_origin; /* live, and the pipeline has a clock */
  gint64 origin;       /* of running time */
  gint64 now;
  gint64 latency; /* that the writer told of, and the pipeline agreed to */
} GstShmRingSrcArrival;

void gst_shm_ring_src_time_start (GstShmRingSrcTime *self, gboolean is_leaky);

/* Frames from now on are of CAPS. */
void gst_shm_ring_src_time_set_caps (GstShmRingSrcTime *self, GstCaps *caps);

/* FRAME's times in the source's segment. False: it has none there. */
gboolean gst_shm_ring_src_time_place (GstShmRingSrcTime *self,
    const struct shmring_frame_info *frame, const GstShmRingSrcArrival *arrival,
    GstClockTime *pts, GstClockTime *dts);

/* True, once: SEGMENT is to be sent before the next buffer. */
gboolean gst_shm_ring_src_time_take_segment (
    GstShmRingSrcTime *self, GstSegment *segment);

/* ---- gstshmringsrcreader.c -------------------------------------------------
 *
 * The ring's reader as a source needs it: every wait ends by the base class's
 * unlock and by a pause, every end of the ring becomes a flow.
 *
 * next(), refuse() and had_buffer() belong to the source's streaming thread,
 * start and stop are called when nothing streams, the others from any thread.
 */

typedef enum {
  GST_SHM_RING_ON_DISCONNECT_AUTO,
  GST_SHM_RING_ON_DISCONNECT_EOS,
  GST_SHM_RING_ON_DISCONNECT_ERROR,
  GST_SHM_RING_ON_DISCONNECT_WAIT,
} GstShmRingOnDisconnect;

typedef struct {
  struct shmring_reader_options options;
  GstClockTime connection_timeout;
  GstClockTime timeout;
  GstClockTime first_timeout; /* for the ring and the first frame together */
  GstShmRingOnDisconnect on_disconnect;
} GstShmRingSrcSettings;

typedef struct {
  struct shmring_reader_stats ring;
  guint64 bytes;
  guint64 damaged;   /* frames of ring.dropped that made no sense */
  guint64 refused;   /* others that made none */
  guint64 too_early; /* from before the base time */
  guint64 copied;    /* because downstream takes the default layout only */
  guint64 waits;     /* for a frame */
  GstClockTime wait_time;
} GstShmRingSrcStats;

typedef struct {
  GstBaseSrc *src; /* the owner */
  gchar *ring;
  GstShmRingSrcSettings settings;
  GstShmRingSrcStats stats; /* under the source's object lock */

  struct shmring_reader *handle; /* changed under the source's object lock */
  gboolean unlocked, paused;     /* under the source's object lock */

  gboolean had_buffer; /* since the start */
  gint64 began;   /* the wait for the first buffer; SHMRING_FOREVER: not yet */
  guint in_a_row; /* frames that made no sense */
  gboolean told_limit; /* that there is no room for a copy, since the start */
} GstShmRingSrcReader;

/* Takes RING, the ring's name. Touches no ring yet. False: an error was posted.
 */
gboolean gst_shm_ring_src_reader_start (GstShmRingSrcReader *self, gchar *ring,
    const GstShmRingSrcSettings *settings);
void gst_shm_ring_src_reader_stop (GstShmRingSrcReader *self);

/* Waits for the ring and the next frame of it. EOS, FLUSHING, or ERROR after an
 * error was posted. */
GstFlowReturn gst_shm_ring_src_reader_next (
    GstShmRingSrcReader *self, struct shmring_frame **frame);

/* The frame cannot be what it says, for the reason of PROBLEM. A camera does
 * not end for one: OK, and a warning now and then. ERROR, posted: frames in a
 * row were like that. */
GstFlowReturn gst_shm_ring_src_reader_refuse (
    GstShmRingSrcReader *self, const gchar *problem);

/* A frame became a buffer: gaps, and frames that are too old, are not what a
 * player waits for. */
void gst_shm_ring_src_reader_had_buffer (GstShmRingSrcReader *self);

/* Until the next frame is asked for, the writer waits for nobody here. */
void gst_shm_ring_src_reader_leave (GstShmRingSrcReader *self);

/* While either is true, waits end at once. A pause leaves the ring, and goes on
 * afterwards. */
void gst_shm_ring_src_reader_set_unlocked (
    GstShmRingSrcReader *self, gboolean unlocked);
void gst_shm_ring_src_reader_set_paused (
    GstShmRingSrcReader *self, gboolean paused);

/* Asks the writer for a frame that stands alone, the one due at TIME of
 * CLOCK_MONOTONIC or the next (SHMRING_TIME_NONE). False: there is no ring. */
gboolean gst_shm_ring_src_reader_request_keyframe (
    GstShmRingSrcReader *self, gint64 time);

/* The latency of the writing pipeline, also before this reader is attached (0:
 * there is no ring), and how many frames may be held in place. */
GstClockTime gst_shm_ring_src_reader_get_told (GstShmRingSrcReader *self);
void gst_shm_ring_src_reader_get_latency (
    GstShmRingSrcReader *self, GstClockTime *latency, guint *lease);

/* One more of COUNTER, one of the stats. */
void gst_shm_ring_src_reader_count (
    GstShmRingSrcReader *self, guint64 *counter);

/* What was counted since the start, also after the stop: frames that became
 * buffers, frames that were offered and did not; all, as the property
 * ring-stats tells it. */
void gst_shm_ring_src_reader_get_counts (
    GstShmRingSrcReader *self, guint64 *received, guint64 *dropped);
GstStructure *gst_shm_ring_src_reader_get_stats (GstShmRingSrcReader *self);

/* ---- gstshmringsrcstream.c -------------------------------------------------
 *
 * What a source tells downstream of its ring: caps, tags, gaps and buffers,
 * each from the headers of the frames that come.
 *
 * get_caps and get_frame_duration may be called from any thread,
 * forget when nothing streams, the others belong to the streaming thread.
 */

typedef struct {
  GstBaseSrc *src; /* the owner */
  GstShmRingSrcTime *time;
  GstShmRingSrcReader *reader;

  /* changed under the source's object lock */
  GstCaps *caps;
  GstShmRingFormat format;

  GstAudioInfo audio;
  gboolean is_audio;
  gchar *caps_text;
  GstTagList *tags; /* that were sent */
  gchar *tags_text; /* of the last frame */
  gboolean takes_video_meta;
} GstShmRingSrcStream;

/* Sends what changed with this frame: caps, tags. Not OK: an error was
 * posted, or the pad is flushing. *PROBLEM gets why the frame cannot be what it
 * says, a static text: then nothing was sent; else NULL. */
GstFlowReturn gst_shm_ring_src_stream_update (GstShmRingSrcStream *self,
    const struct shmring_frame_info *info, const gchar **problem);

/* A buffer without times: FRAME's own memory, or a copy where downstream cannot
 * take its layout, with all that FRAME says. Takes FRAME, of which update()
 * found no problem. NULL: no memory, and an error was posted. */
GstBuffer *gst_shm_ring_src_stream_make_buffer (
    GstShmRingSrcStream *self, struct shmring_frame *frame);

/* The headers that the caps have, and BUFFER, which is taken: for the first one
 * that a reader gets. NULL: there are none to send, or the stream sends them
 * itself now. */
GstBufferList *gst_shm_ring_src_stream_with_headers (
    GstShmRingSrcStream *self, GstBuffer *buffer);

/* Tells downstream of a TIME without content, as INFO's frame says. */
void gst_shm_ring_src_stream_push_gap (GstShmRingSrcStream *self,
    const struct shmring_frame_info *info, GstClockTime time);

/* Takes from QUERY what downstream can do. */
void gst_shm_ring_src_stream_set_allocation (
    GstShmRingSrcStream *self, GstQuery *query);

/* NULL: not known yet. */
GstCaps *gst_shm_ring_src_stream_get_caps (GstShmRingSrcStream *self);
/* GST_CLOCK_TIME_NONE: not known. */
GstClockTime gst_shm_ring_src_stream_get_frame_duration (
    GstShmRingSrcStream *self);

void gst_shm_ring_src_stream_forget (GstShmRingSrcStream *self);

/* ---- gstshmringsrc.c, gstshmringsrcuri.c -------------------------------- */

G_DECLARE_FINAL_TYPE (
    GstShmRingSrc, gst_shm_ring_src, GST, SHM_RING_SRC, GstPushSrc)

/* GST_TYPE_URI_HANDLER of this class. */
void gst_shm_ring_src_init_uri_handler (gpointer iface, gpointer data);

/* The longest wait for the ring and its first frame together. */
void gst_shm_ring_src_set_first_timeout (
    GstShmRingSrc *self, GstClockTime timeout);

G_END_DECLS

#endif
