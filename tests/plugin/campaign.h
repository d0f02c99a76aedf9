/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What writer and readers of a campaign agree on: its frames, and how they are checked. */
#ifndef CAMPAIGN_H
#define CAMPAIGN_H

#include <gst/gst.h>

/* Says what is wrong and ends the program, in release builds too. */
#define CHECK(is_true, ...)                                                                        \
    do {                                                                                           \
        if (!(is_true))                                                                            \
            campaign_fail(__FILE__, __LINE__, __VA_ARGS__);                                        \
    } while (0)

void campaign_fail(const gchar *file, gint line, const gchar *format, ...)
    G_GNUC_PRINTF(3, 4) G_GNUC_NORETURN;

/* ---- Frames: each follows from the campaign and its number ----------------------------------- */

struct campaign {
    guint64 seed;
    guint64 frames;
};

/* Frames of one run have the same caps. */
#define FRAMES_OF_RUN 37

guint64 campaign_random(const struct campaign *campaign, guint64 what);
GstCaps *campaign_caps(const struct campaign *campaign, guint64 number);
gsize campaign_size(const struct campaign *campaign, guint64 number);
void campaign_fill(GstBuffer *buffer, guint64 number);
void campaign_check_content(const struct campaign *campaign, GstBuffer *buffer);

/* ---- Readers --------------------------------------------------------------------------------- */

struct reader {
    struct campaign campaign;
    GstElement *pipeline;
    guint64 next;     /* the number that comes if nothing is missing */
    guint64 received; /* frames */
    guint64 budget;   /* frames until the pipeline posts that it has enough */
    GstCaps *caps;
    guint64 run;
    /* Whether [FROM, TO) may be missing; NULL: whatever the source marks as DISCONT. */
    gboolean (*may_miss)(guint64 from, guint64 to);
    void (*on_frame)(guint64 number);
};

void reader_init(struct reader *reader, const gchar *ring, const gchar *properties);
void reader_set_state(struct reader *reader, GstState state);
GstStructure *reader_stats(struct reader *reader);
void reader_free(struct reader *reader);

/* A whole process: reads until its budget is spent or the stream ends, pauses in between. */
int reader_main(const struct campaign *campaign, const gchar *ring, guint64 budget);

#endif
