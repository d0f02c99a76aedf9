/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* shmringsrc in a harness, fed by a writer in plain C. */
#ifndef READING_H
#define READING_H

#include "support.h"

#define GRAY "video/x-raw,format=GRAY8,width=8,height=4,framerate=25/1"

/* A writer of RING, to which H's source is attached. */
struct shmring_writer *writer_for(GstHarness *h, const gchar *ring, guint64 slot_size);

/* Takes both down. */
void stop_reading(GstHarness *h, struct shmring_writer *writer);

/* A number of SRC's ring-stats. */
guint64 stat_of(GstElement *src, const gchar *name);

/* Whether BUFFER's memory is the ring's own. */
gboolean is_in_place(GstBuffer *buffer);

/* The next event of TYPE that came out; waits for it. */
GstEvent *pull_event(GstHarness *h, GstEventType type);

#endif
