/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A live source that is paused and resumed, as often and as quickly as anybody can, while frames
 * come: it goes on each time, and stops at once. A source that hangs makes the test time out. */
#include "reading.h"

#include <string.h>

#define PAUSES 2000
#define LONGEST 300 /* microseconds */

static gchar *ring;
static struct shmring_writer *writer;
static GThread *publisher;
static gint is_over;

/* About 1,000 frames a second, whether or not somebody reads them. */
static gpointer publish_all(gpointer unused) {
    struct shmring_frame_info info = gray_info();

    while (!g_atomic_int_get(&is_over)) {
        struct shmring_slot slot;

        if (shmring_writer_loan(writer, SHMRING_LOAN_FILL, 100 * GST_MSECOND, &slot, NULL) ==
            SHMRING_OK) {
            memset(slot.data, 0, info.size);
            fail_unless(shmring_writer_publish(writer, &slot, &info, NULL, NULL) == SHMRING_OK);
            shmring_slot_return(&slot);
        }
        g_usleep(1000);
    }
    return NULL;
}

static void setup(void) {
    ring = unique_ring("pausing");
    writer = open_writer(ring, 32);
    g_atomic_int_set(&is_over, FALSE);
    publisher = g_thread_new("publisher", publish_all, NULL);
}

static void teardown(void) {
    g_atomic_int_set(&is_over, TRUE);
    g_thread_join(publisher);
    shmring_writer_close(writer);
    fail_if(ring_exists(ring));
    g_free(ring);
}

static GstHarness *play(void) {
    GstHarness *h = harness_for("shmringsrc", ring, "");

    gst_harness_set_drop_buffers(h, TRUE);
    gst_harness_play(h);
    return h;
}

static void set_state(GstHarness *h, GstState state) {
    fail_if(gst_element_set_state(h->element, state) == GST_STATE_CHANGE_FAILURE);
}

static void wait_for_frame(GstHarness *h) {
    guint count = gst_harness_buffers_received(h);

    while (gst_harness_buffers_received(h) == count)
        g_usleep(200);
}

static void pause_often(GstHarness *h, gint pauses, gboolean frames_come) {
    GRand *rand = g_rand_new_with_seed(1);

    for (gint i = 0; i < pauses; i++) {
        set_state(h, GST_STATE_PAUSED);
        g_usleep(g_rand_int_range(rand, 0, LONGEST));
        set_state(h, GST_STATE_PLAYING);
        g_usleep(g_rand_int_range(rand, 0, LONGEST));
        if (frames_come && i % 10 == 0)
            wait_for_frame(h);
    }
    g_rand_free(rand);
}

static void stop(GstHarness *h) {
    gint64 begin = g_get_monotonic_time();

    set_state(h, GST_STATE_NULL);
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

    pause_often(h, PAUSES / 4, FALSE);
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
    for (gint i = 0; i < 20; i++) {
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
    Suite *suite = suite_create("pausing");
    TCase *tcase = tcase_create("storms");

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_pauses);
    tcase_add_test(tcase, test_pauses_and_flushes);
    tcase_add_test(tcase, test_pauses_and_ends);
    return suite;
}

GST_CHECK_MAIN(pausing);
