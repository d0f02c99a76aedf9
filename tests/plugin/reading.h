/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* shmringsrc in a harness, fed by a writer in plain C. */
#ifndef READING_H
#define READING_H

#include "support.h"

/* A writer of RING, to which H's source is attached. */
struct shmring_writer *writer_for(GstHarness *h, const gchar *ring, guint64 slot_size);

/* Takes both down. */
void stop_reading(GstHarness *h, struct shmring_writer *writer);

/* A source whose running time is 0 at 900 s of CLOCK_MONOTONIC. */
GstHarness *with_base_time(const gchar *properties);

/* What H's source pushes waits for GATE, so that frames gather in the ring. */
void hold_buffers(GstHarness *h, GMutex *gate);

/* The next buffer's offset: the frame's number. */
guint64 pull_number(GstHarness *h);

/* TEXT is what came out last. */
void assert_caps(GstHarness *h, const gchar *text);

/* A number of SRC's ring-stats. */
guint64 stat_of(GstElement *src, const gchar *name);

/* Whether BUFFER's memory is the ring's own. */
gboolean is_in_place(GstBuffer *buffer);

/* The next event of TYPE that came out; waits for it. */
GstEvent *pull_event(GstHarness *h, GstEventType type);

#endif
