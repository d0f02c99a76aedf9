/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "campaign.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

void campaign_fail(const gchar *file, gint line, const gchar *format, ...) {
    va_list args;

    va_start(args, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

/* ---- Checking -------------------------------------------------------------------------------- */

static void check_caps(struct reader *self, GstPad *pad, guint64 number) {
    GstCaps *caps = gst_pad_get_current_caps(pad), *expected;

    if (caps != self->caps || number / FRAMES_OF_RUN != self->run) {
        expected = campaign_caps(&self->campaign, number);
        CHECK(gst_caps_is_equal(caps, expected), "frame %" G_GUINT64_FORMAT " came with other caps",
              number);
        gst_caps_unref(expected);
    }
    gst_caps_replace(&self->caps, caps);
    self->run = number / FRAMES_OF_RUN;
    gst_caps_unref(caps);
}

static void check_order(struct reader *self, GstBuffer *buffer) {
    guint64 number = GST_BUFFER_OFFSET(buffer);
    gboolean is_first = self->received == 0;

    if (is_first || number == self->next)
        return;
    CHECK(number > self->next,
          "frame %" G_GUINT64_FORMAT " came when %" G_GUINT64_FORMAT " was next", number,
          self->next);
    CHECK(GST_BUFFER_IS_DISCONT(buffer),
          "frames %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " are missing without DISCONT",
          self->next, number);
    CHECK(self->may_miss == NULL || self->may_miss(self->next, number),
          "frames %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " are lost", self->next, number);
}

static void post(GstElement *pipeline, const gchar *what) {
    GstStructure *structure = gst_structure_new_empty(what);

    gst_element_post_message(pipeline,
                             gst_message_new_application(GST_OBJECT(pipeline), structure));
}

static void on_handoff(GstElement *sink, GstBuffer *buffer, GstPad *pad, struct reader *self) {
    guint64 number = GST_BUFFER_OFFSET(buffer);

    check_order(self, buffer);
    check_caps(self, pad, number);
    campaign_check_content(&self->campaign, buffer);
    self->next = number + 1;
    self->received++;
    if (self->on_frame != NULL)
        self->on_frame(number);
    if (self->received == self->budget / 2)
        post(self->pipeline, "pause");
    if (self->received == self->budget)
        post(self->pipeline, "enough");
}

/* ---- Life ------------------------------------------------------------------------------------ */

void reader_init(struct reader *self, const gchar *ring, const gchar *properties) {
    gchar *text = g_strdup_printf("shmringsrc name=src ring-name=%s %s ! "
                                  "fakesink name=sink signal-handoffs=true sync=false",
                                  ring, properties);
    GstElement *sink;

    self->pipeline = gst_parse_launch(text, NULL);
    CHECK(self->pipeline != NULL, "no pipeline \"%s\"", text);
    sink = gst_bin_get_by_name(GST_BIN(self->pipeline), "sink");
    g_signal_connect(sink, "handoff", G_CALLBACK(on_handoff), self);
    gst_object_unref(sink);
    g_free(text);
}

void reader_set_state(struct reader *self, GstState state) {
    CHECK(gst_element_set_state(self->pipeline, state) != GST_STATE_CHANGE_FAILURE,
          "a reader does not change to %s", gst_element_state_get_name(state));
}

GstStructure *reader_stats(struct reader *self) {
    GstElement *src = gst_bin_get_by_name(GST_BIN(self->pipeline), "src");
    GstStructure *stats;

    g_object_get(src, "ring-stats", &stats, NULL);
    gst_object_unref(src);
    return stats;
}

void reader_free(struct reader *self) {
    reader_set_state(self, GST_STATE_NULL);
    gst_clear_object(&self->pipeline);
    gst_clear_caps(&self->caps);
}

/* ---- As a process ---------------------------------------------------------------------------- */

/* False: that was the last. */
static gboolean handle_message(struct reader *self, GstMessage *message) {
    GError *error;

    switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ERROR:
        gst_message_parse_error(message, &error, NULL);
        campaign_fail(__FILE__, __LINE__, "%s", error->message);
    case GST_MESSAGE_APPLICATION:
        if (gst_message_has_name(message, "enough"))
            return FALSE;
        reader_set_state(self, GST_STATE_PAUSED);
        reader_set_state(self, GST_STATE_PLAYING);
        return TRUE;
    default:
        return FALSE;
    }
}

int reader_main(const struct campaign *campaign, const gchar *ring, guint64 budget) {
    struct reader self = {.campaign = *campaign, .budget = budget};
    gboolean is_leaky = campaign_random(campaign, budget) % 2, goes_on = TRUE;
    GstBus *bus;

    /* where there is no writer any more, it would wait for the next one */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    reader_init(&self, ring, is_leaky ? "leaky-type=downstream max-buffers=2" : "is-live=false");
    bus = gst_element_get_bus(self.pipeline);
    reader_set_state(&self, GST_STATE_PLAYING);
    while (goes_on) {
        GstMessage *message = gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE,
                                                         GST_MESSAGE_ERROR | GST_MESSAGE_EOS |
                                                             GST_MESSAGE_APPLICATION);

        goes_on = handle_message(&self, message);
        gst_message_unref(message);
    }
    gst_object_unref(bus);
    reader_free(&self);
    return 0;
}
