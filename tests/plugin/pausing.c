/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A live source that is paused and resumed, as often and as quickly as anybody can, while frames
 * come: it goes on each time, and stops at once. A source that hangs makes the test time out. */
#include "reading.h"

#include <gst/base/gstbasesrc.h>
#include <stdlib.h>
#include <string.h>

#define PAUSES 2000 /* SHMRING_ROUNDS: of the others too */
#define LONGEST 300 /* microseconds */

static struct shmring_writer *writer;
static GThread *publisher;
static gint is_over, published, refused;

/* About 1,000 frames a second, whether or not somebody reads them. It lives before a test begins
 * and beyond its end: check's asserts are for the thread in between. */
static gpointer publish_all(gpointer unused) {
    struct shmring_frame_info info = gray_info();

    while (!g_atomic_int_get(&is_over)) {
        struct shmring_slot slot;

        if (shmring_writer_loan(writer, SHMRING_LOAN_FILL, 100 * GST_MSECOND, &slot, NULL) ==
            SHMRING_OK) {
            memset(slot.data, 0, info.size);
            info.frame_number = g_atomic_int_add(&published, 1) + 1;
            info.clock_ns = g_get_monotonic_time() * 1000;
            if (shmring_writer_publish(writer, &slot, &info, NULL, NULL) != SHMRING_OK)
                g_atomic_int_inc(&refused);
            shmring_slot_return(&slot);
        }
        g_usleep(1000);
    }
    return NULL;
}

static void setup(void) {
    writer = open_writer(ring, 32);
    g_atomic_int_set(&is_over, FALSE);
    g_atomic_int_set(&refused, 0);
    publisher = g_thread_new("publisher", publish_all, NULL);
}

static void teardown(void) {
    g_atomic_int_set(&is_over, TRUE);
    g_thread_join(publisher);
    fail_unless_equals_int(g_atomic_int_get(&refused), 0);
    shmring_writer_close(writer);
}

static GstHarness *play(void) {
    GstHarness *h = harness_for("shmringsrc", ring, "");

    gst_harness_set_drop_buffers(h, TRUE);
    gst_harness_play(h);
    return h;
}

static void wait_for_frame(GstHarness *h) {
    guint count = gst_harness_buffers_received(h);

    while (gst_harness_buffers_received(h) == count)
        g_usleep(200);
}

static void pause_often(GstHarness *h, gint pauses, gboolean frames_come) {
    GRand *rand = g_rand_new_with_seed(1);
    const gint every = rounds(10) > PAUSES / 4 ? 1 : 10;

    for (gint i = 0; i < pauses; i++) {
        set_state(h->element, GST_STATE_PAUSED);
        g_usleep(g_rand_int_range(rand, 0, LONGEST));
        set_state(h->element, GST_STATE_PLAYING);
        g_usleep(g_rand_int_range(rand, 0, LONGEST));
        if (frames_come && i % every == 0)
            wait_for_frame(h);
    }
    g_rand_free(rand);
}

static void stop(GstHarness *h) {
    gint64 begin = g_get_monotonic_time();

    set_state(h->element, GST_STATE_NULL);
    g_printerr("stopped in %.3f s\n", (gdouble)(g_get_monotonic_time() - begin) / 1e6);
    fail_unless(g_get_monotonic_time() - begin < 2 * G_USEC_PER_SEC);
    gst_harness_teardown(h);
}

GST_START_TEST(test_pauses) {
    GstHarness *h = play();

    pause_often(h, PAUSES, TRUE);
    wait_for_frame(h);
    stop(h);
}
GST_END_TEST;

/* ---- What comes then ---------------------------------------------------------------------- */

static guint64 last_number;
static GstClockTime last_time;
static guint64 pause_begin, pause_end; /* frames that were published in it */

static GstPadProbeReturn note(GstPad *pad, GstPadProbeInfo *info, gpointer unused) {
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    const guint64 number = GST_BUFFER_OFFSET(buffer);

    fail_unless(last_number == 0 || GST_BUFFER_PTS(buffer) > last_time);
    fail_unless(number > last_number);
    fail_if(number > pause_begin && number < pause_end, "frame %d of the pause", (gint)number);
    last_time = GST_BUFFER_PTS(buffer);
    last_number = number;
    return GST_PAD_PROBE_OK;
}

static GstElement *viewer(void) {
    gchar *text = g_strdup_printf("shmringsrc name=src ring-name=%s ! fakesink", ring);
    GstElement *pipeline = gst_parse_launch(text, NULL);
    GstElement *src = gst_bin_get_by_name(GST_BIN(pipeline), "src");

    gst_pad_add_probe(GST_BASE_SRC_PAD(src), GST_PAD_PROBE_TYPE_BUFFER, note, NULL, NULL);
    gst_object_unref(src);
    g_free(text);
    return pipeline;
}

/* Running time stands still in a pause: none of it is used twice, and no picture of it comes. */
GST_START_TEST(test_time_goes_on) {
    GstElement *pipeline = viewer();

    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    for (gint i = 0; i < 10; i++) {
        const guint64 before = last_number;

        while (*(volatile guint64 *)&last_number < before + 5)
            g_usleep(500);
        gst_element_set_state(pipeline, GST_STATE_PAUSED);
        /* the one that is on its way may still come */
        pause_begin = g_atomic_int_get(&published) + 1;
        g_usleep(20 * G_TIME_SPAN_MILLISECOND);
        pause_end = g_atomic_int_get(&published);
        gst_element_set_state(pipeline, GST_STATE_PLAYING);
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
}
GST_END_TEST;

/* ---- And something else at the same time -------------------------------------------------- */

static gpointer flush_often(gpointer data) {
    GstHarness *h = data;

    while (!g_atomic_int_get(&is_over)) {
        gst_element_send_event(h->element, gst_event_new_flush_start());
        gst_element_send_event(h->element, gst_event_new_flush_stop(TRUE));
        g_usleep(500);
    }
    return NULL;
}

GST_START_TEST(test_pauses_and_flushes) {
    GstHarness *h = play();
    GThread *thread = g_thread_new("flushes", flush_often, h);

    pause_often(h, rounds(PAUSES / 4), FALSE);
    g_atomic_int_set(&is_over, TRUE);
    g_thread_join(thread);
    stop(h);
}
GST_END_TEST;

static gpointer end(gpointer data) {
    gst_element_send_event(((GstHarness *)data)->element, gst_event_new_eos());
    return NULL;
}

GST_START_TEST(test_pauses_and_ends) {
    for (gint i = 0; i < rounds(400) / 20; i++) {
        GstHarness *h = play();
        GThread *thread;

        wait_for_frame(h);
        thread = g_thread_new("ends", end, h);
        pause_often(h, 20, FALSE);
        g_thread_join(thread);
        stop(h);
    }
}
GST_END_TEST;

static Suite *pausing_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("pausing", &tcase);

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_pauses);
    tcase_add_test(tcase, test_time_goes_on);
    tcase_add_test(tcase, test_pauses_and_flushes);
    tcase_add_test(tcase, test_pauses_and_ends);
    return suite;
}

GST_CHECK_MAIN(pausing);
