/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A shmringsink's parts, one a file: its slots, its place in time, what it
 * tells its application, and its ring, which has the others.
 */
#ifndef GST_SHM_RING_SINK_H
#define GST_SHM_RING_SINK_H

#include <gst/base/gstbasesink.h>

#include "gstshmringframe.h"
#include "shmring.h"

G_BEGIN_DECLS

/* ---- gstshmringsinkmemory.c ------------------------------------------------
 *
 * A sink's slots as GstMemory, lent to upstream through a pool. Pool and memory
 * outlive the sink, so the ring's writer is owned here.
 *
 * Functions may be called from any thread, those that say "the owner" from the
 * thread that opened the ring, or when nothing streams.
 */

G_DECLARE_FINAL_TYPE (GstShmRingAllocator, gst_shm_ring_allocator, GST,
    SHM_RING_ALLOCATOR, GstAllocator)

/* Has no ring yet: lends nothing. OPTIONS: slot_size and header_size are the
 * least the ring will have. */
GstShmRingAllocator *gst_shm_ring_allocator_new (
    const struct shmring_writer_options *options);

/* Makes the ring NAME; its WRITER is the owner's until close. As
 * shmring_writer_open. */
int gst_shm_ring_allocator_open (GstShmRingAllocator *self, const gchar *name,
    gint64 patience, struct shmring_writer **writer,
    struct shmring_error *error);

/* The writer for others than the owner, or NULL. It stays open until given
 * back. Nothing is posted, emitted or logged meanwhile: what hears it may be
 * about to close the ring, and waits for the borrower. */
struct shmring_writer *gst_shm_ring_allocator_borrow_writer (
    GstShmRingAllocator *self);
void gst_shm_ring_allocator_return_writer (GstShmRingAllocator *self);

/* While unlocked, waits of the writer return at once. An interruption stays
 * until resumed, which does nothing while unlocked. */
void gst_shm_ring_allocator_set_unlocked (
    GstShmRingAllocator *self, gboolean unlocked);
void gst_shm_ring_allocator_resume (GstShmRingAllocator *self);

/* The owner: ends the waits of those who borrow, and closes the ring. Slots
 * that are out stay valid. */
void gst_shm_ring_allocator_close (GstShmRingAllocator *self);

/* Makes slots and headers at least so large. 0: they are, or will be when the
 * ring is opened; else as shmring_writer_resize. */
int gst_shm_ring_allocator_grow (GstShmRingAllocator *self, guint64 slot_size,
    guint header_size, struct shmring_error *error);
guint64 gst_shm_ring_allocator_slot_size (GstShmRingAllocator *self);
guint gst_shm_ring_allocator_header_size (GstShmRingAllocator *self);

/* How many were lent. */
guint64 gst_shm_ring_allocator_lent (GstShmRingAllocator *self);

/* The owner: the slot that MEMORY, one of its own, is in, not to be written any
 * more. NULL: it must be copied: the ring has moved since, or somebody has it
 * mapped for writing. */
struct shmring_slot *gst_shm_ring_allocator_seal_slot (
    GstShmRingAllocator *self, GstMemory *memory);

/* Buffers for raw video that lie in slots while there are any to lend, in
 * ordinary memory when not. */
GstBufferPool *gst_shm_ring_pool_new (GstShmRingAllocator *slots);

/* ---- gstshmringsinktime.c --------------------------------------------------
 *
 * A sink's place in time: when its frames are due on CLOCK_MONOTONIC, and how
 * late they really come. All sinks of a pipeline go by one timeline, so that
 * picture and sound stay in step.
 *
 * Functions belong to the sink's streaming thread, except those that say
 * otherwise, and start and stop, which are called when nothing streams.
 */

#define GST_SHM_RING_SINK_LATENESS_SECONDS 32

/* How late a stream's frames are, as its readers have to know it: of each
 * second the largest lateness, of the last 32 such the third largest. A hiccup
 * or two are nobody's latency. Arithmetic alone: the caller says what time it
 * is. All 0: no frame yet. */
typedef struct {
  gint64 second; /* of CLOCK_MONOTONIC, that LATEST is of */
  gint64 latest; /* the largest lateness in it */
  gint64 maxima[GST_SHM_RING_SINK_LATENESS_SECONDS];
  guint count;
  gint64 told;
  gint64 waited;    /* what the frames that queue up behind are late by */
  gint64 waited_at; /* when that was over */
} GstShmRingSinkLateness;

/* A frame ARRIVED, LATE. Returns what is to be told now. */
gint64 gst_shm_ring_sink_lateness_keep (
    GstShmRingSinkLateness *self, gint64 late, gint64 arrived);

/* The stream stood still for NS, for a reader, until NOW. */
void gst_shm_ring_sink_lateness_waited (
    GstShmRingSinkLateness *self, gint64 ns, gint64 now);

typedef struct {
  GstBaseSink *sink; /* the owner */
  GstObject *pipeline;
  struct shmring_timeline *timeline;
  gint is_live;    /* atomic */
  gint64 ts_added; /* to the sink's ts-offset */

  gint64 arrived; /* when the frame at hand came, */
  gint64 waited;  /* and how long the stream stood still, for a reader */
  GstShmRingSinkLateness lateness;
  gint64 latency; /* of which readers are to hear with the frame at hand */
  gint64 told;    /* of lateness; under the sink's object lock */
} GstShmRingSinkTime;

void gst_shm_ring_sink_time_start (GstShmRingSinkTime *self, GstBaseSink *sink);
void gst_shm_ring_sink_time_stop (GstShmRingSinkTime *self);

/* Asks upstream whether it is live. From any thread. */
void gst_shm_ring_sink_time_ask (GstShmRingSinkTime *self);

/* When INFO's frame, of which the stream's times are known, is due; what was
 * waited for its sake is not its lateness. True: they were of another clock,
 * and running time began anew. */
gboolean gst_shm_ring_sink_time_place (
    GstShmRingSinkTime *self, struct shmring_frame_info *info);

/* How late frames leave the sink: what readers with a clock have to know. From
 * any thread. */
gint64 gst_shm_ring_sink_time_latency (GstShmRingSinkTime *self);

/* Running time begins anew. */
void gst_shm_ring_sink_time_reset (GstShmRingSinkTime *self);

/* The running time in SINK's pipeline, which goes by TIMELINE, of the frame
 * that is due at CLOCK_NS; GST_CLOCK_TIME_NONE: none. From any thread. */
GstClockTime gst_shm_ring_sink_time_of (
    GstElement *sink, struct shmring_timeline *timeline, gint64 clock_ns);

/* ---- gstshmringsinkwatch.c -------------------------------------------------
 *
 * Tells a sink's application what happens at the ring, whether or not frames
 * flow: a thread that looks a few times a second. Whoever hears it may stop the
 * pipeline at once: the thread holds nothing meanwhile, and is none of those
 * that a change of state waits for.
 */

typedef struct _GstShmRingSinkWatch GstShmRingSinkWatch;

/* Emits SINK's signals reader-attached and reader-detached for the readers of
 * the ring NAME of SLOTS, notifies num-readers, warns of readers that do not
 * read, and asks upstream for the key frames that readers ask for, in the
 * running time that TIMELINE makes. */
GstShmRingSinkWatch *gst_shm_ring_sink_watch_new (GstElement *sink,
    const gchar *name, GstShmRingAllocator *slots,
    struct shmring_timeline *timeline);

/* Whether frames may need others before them: nobody asks for a key frame
 * otherwise. */
void gst_shm_ring_sink_watch_set_encoded (
    GstShmRingSinkWatch *self, gboolean encoded);
/* A frame was published that stands alone, of a stream that may have others. */
void gst_shm_ring_sink_watch_key_frame (GstShmRingSinkWatch *self);

/* Takes MESSAGE. */
void gst_shm_ring_sink_watch_post (
    GstShmRingSinkWatch *self, GstMessage *message);

/* Readers that are attached are reported as detached. NULL is allowed. */
void gst_shm_ring_sink_watch_free (GstShmRingSinkWatch *self);

/* What WRITER's ring counts, and its readers. */
GstStructure *gst_shm_ring_sink_watch_stats (struct shmring_writer *writer);

/* ---- gstshmringsinkring.c --------------------------------------------------
 *
 * A sink's ring: made with the first caps, grown when a frame needs more, its
 * waits ended by the base class's unlock and resumed after it, and a frame's
 * way from render() into it.
 *
 * Functions belong to the sink's streaming thread, except those that say
 * otherwise, and start and stop, which are called when nothing streams.
 */

/* The properties that make it. */
typedef struct {
  struct shmring_writer_options options; /* slot_size 0: what the caps need */
  gboolean wait_for_connection;
  gint64 timeout; /* nanoseconds, SHMRING_FOREVER or by itself */
} GstShmRingSinkSettings;

/* Of TIMEOUT: a second in a live pipeline, for ever in any other. */
#define GST_SHM_RING_SINK_TIMEOUT_AUTO ((gint64) -2)

typedef struct {
  GstBaseSink *sink; /* the owner */
  GstShmRingSinkSettings settings;
  gchar *name;
  struct shmring_writer *writer; /* of SLOTS */
  GstShmRingSinkWatch *watch;
  gint unlocked; /* atomic */
  gint had_hint; /* atomic: the warning of caps that do not fit */

  /* under the sink's object lock */
  GstShmRingAllocator *slots;
  guint64 in_place, copied, dropped_metas;
  GstStructure *last_stats;

  GstShmRingSinkTime time;
  gint64 told_latency;

  GstShmRingFormat format;
  gchar *caps_text;
  GstTagList *tags;
  GByteArray *metas; /* of the frame at hand; first of all the stream's tags */
  gsize tags_size;
  GPtrArray *left_out;    /* names of the kinds of metas that did not cross */
  GHashTable *told_metas; /* of them, those the application was told of */

  gboolean is_refused;       /* there can be no ring, and an error said so */
  guint frame_dropped_metas; /* of the frame at hand */
  gboolean leaves_metas;     /* the frame at hand crosses without its own */
  gboolean has_last_headers; /* they cannot grow any more */
  gboolean had_reader;
  gboolean had_frame;
  gboolean had_jump; /* the warning of times of another clock */
  guint64 frames;
  guint64 slot_size; /* they are at least so large */

  /* an error, posted when nothing is locked any more; TEXT NULL: none */
  GQuark error_domain;
  gint error_code;
  gchar *error_text;
} GstShmRingSinkRing;

/* Takes NAME, the ring's. */
void gst_shm_ring_sink_ring_start (GstShmRingSinkRing *self, gchar *name,
    const GstShmRingSinkSettings *settings);
void gst_shm_ring_sink_ring_stop (GstShmRingSinkRing *self);

/* Makes the ring if there is none yet. False: an error was posted. */
gboolean gst_shm_ring_sink_ring_set_caps (
    GstShmRingSinkRing *self, GstCaps *caps);

/* Upstream offers nothing but CAPS, which the sink does not take: says once
 * what to set. From any thread. */
void gst_shm_ring_sink_ring_hint (GstShmRingSinkRing *self, GstCaps *caps);

/* Tags of the stream (NULL: it begins anew). Those that change the picture's
 * meaning go with every frame. */
void gst_shm_ring_sink_ring_set_tags (
    GstShmRingSinkRing *self, GstTagList *tags);

/* Asks upstream whether it is live, and how late its frames are: readers with a
 * clock add that to their own latency. From any thread. */
void gst_shm_ring_sink_ring_update_latency (GstShmRingSinkRing *self);

void gst_shm_ring_sink_ring_end (GstShmRingSinkRing *self);
/* RESETS_TIME: running time begins anew. */
void gst_shm_ring_sink_ring_flush (
    GstShmRingSinkRing *self, gboolean resets_time);
/* From any thread. */
void gst_shm_ring_sink_ring_set_unlocked (
    GstShmRingSinkRing *self, gboolean unlocked);

/* ---- Frames: with the sink's preroll lock, as render() is called --------- */

/* Publishes BUFFER, where it lies if that is one of the ring's slots, else a
 * copy; waits as the settings say. GST_FLOW_ERROR: an error was posted. */
GstFlowReturn gst_shm_ring_sink_ring_publish (
    GstShmRingSinkRing *self, GstBuffer *buffer);

/* Publishes a stretch of time without a frame. */
GstFlowReturn gst_shm_ring_sink_ring_publish_gap (
    GstShmRingSinkRing *self, GstEvent *gap);

/* ---- From any thread ----------------------------------------------------- */

/* The ring's slots, to be unreffed, or NULL. */
GstShmRingAllocator *gst_shm_ring_sink_ring_ref_slots (
    GstShmRingSinkRing *self);

/* As the property ring-stats tells it; the last ring's when there is none now,
 * NULL before the first. */
GstStructure *gst_shm_ring_sink_ring_get_stats (GstShmRingSinkRing *self);

/* Readers attached now. */
guint gst_shm_ring_sink_ring_get_num_readers (GstShmRingSinkRing *self);

G_END_DECLS

#endif
