/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of shmringsink's writing share: its pool, its counts, whole pipelines. */
#ifndef WRITING_H
#define WRITING_H

#include "support.h"

/* The pool that the harness's sink proposes for CAPS, or NULL. MAX gets the most buffers it says it
 * has. */
GstBufferPool *propose_pool(GstHarness *h, const gchar *caps, guint *max);

/* As propose_pool, configured with a GstVideoMeta and active. */
GstBufferPool *active_pool(GstHarness *h, const gchar *caps);

/* A buffer of POOL. */
GstBuffer *acquire(GstBufferPool *pool);

/* Whether BUFFER lies in a ring's slot. */
gboolean is_slot(GstBuffer *buffer);

/* Writes make_picture(, SEED)'s bytes into the mapped memory of BUFFER. */
void paint(GstBuffer *buffer, guint8 seed);

/* FIELD of the element's ring-stats; 0 when there are none. */
guint64 count_of(GstElement *sink, const gchar *field);

/* The latency that RING's readers are told. */
gint64 latency_in_ring(void);

/* A flush that begins running time anew, and a segment. */
void flush_sink(GstHarness *h);

/* Plays "PIPELINE ! shmringsink name=RING ..." to its end while a lossless reader reads; returns
 * the pipeline, still in PLAYING, and how many frames that the reader got. */
GstElement *play(const gchar *ring, const gchar *pipeline, guint *frames);

/* Stops and frees it. */
void stop_pipeline(GstElement *pipeline);

#endif
