/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A source that reads no more holds nobody up, though its pipeline still runs: the writer, which
 * would wait for it for ever, publishes more frames than there are slots. One that is new is not
 * late for what is there. A writer that waits makes the test time out. */
#include "reading.h"

#include <gst/base/gstbasesrc.h>

#define MANY 50

static struct shmring_writer *writer;

static void setup(void) {
    writer = open_writer(ring, 32);
}

static void teardown(void) {
    shmring_writer_close(writer);
}

static void publish_frames(guint count) {
    struct shmring_frame_info info = gray_info();

    for (guint i = 0; i < count; i++)
        publish(writer, &info, 0);
}

static GstHarness *play(const gchar *properties) {
    GstHarness *h = harness_for("shmringsrc", ring, properties);

    gst_harness_play(h);
    assert_equals_int(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_OK);
    return h;
}

GST_START_TEST(test_num_buffers) {
    GstHarness *h = play("num-buffers=3");

    publish_frames(MANY);
    for (gint i = 0; i < 3; i++)
        gst_buffer_unref(gst_harness_pull(h));
    gst_event_unref(pull_event(h, GST_EVENT_EOS));
    publish_frames(MANY);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* What is slow downstream has the last frame, and the ring has not the source. */
GST_START_TEST(test_last_buffer_on_its_way) {
    GstHarness *h = harness_for("shmringsrc", ring, "num-buffers=1");
    GMutex gate;

    g_mutex_init(&gate);
    g_mutex_lock(&gate);
    hold_buffers(h, &gate);
    gst_harness_play(h);
    assert_equals_int(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_OK);
    publish_frames(MANY);
    g_mutex_unlock(&gate);
    gst_buffer_unref(gst_harness_pull(h));
    gst_harness_teardown(h);
    g_mutex_clear(&gate);
}
GST_END_TEST;

GST_START_TEST(test_eos_that_was_sent) {
    GstHarness *h = play("");

    gst_element_send_event(h->element, gst_event_new_eos());
    publish_frames(MANY);
    gst_event_unref(pull_event(h, GST_EVENT_EOS));
    gst_harness_teardown(h);
}
GST_END_TEST;

GST_START_TEST(test_error_downstream) {
    gchar *text =
        g_strdup_printf("shmringsrc ring-name=%s ! identity error-after=3 ! fakesink", ring);
    GstElement *pipeline = gst_parse_launch(text, NULL);

    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    assert_equals_int(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_OK);
    publish_frames(MANY);
    gst_message_unref(take_message(pipeline, GST_MESSAGE_ERROR));
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    g_free(text);
}
GST_END_TEST;

/* Downstream is full: the thread that changes the state leaves for it. */
GST_START_TEST(test_paused_while_downstream_is_full) {
    GstHarness *h = play("");
    GMutex gate;

    g_mutex_init(&gate);
    g_mutex_lock(&gate);
    hold_buffers(h, &gate);
    publish_frames(1);
    set_state(h->element, GST_STATE_PAUSED);
    publish_frames(MANY);
    g_mutex_unlock(&gate);
    gst_harness_teardown(h);
    g_mutex_clear(&gate);
}
GST_END_TEST;

/* One that is stuck loses its own frames, knows how many, and goes on. */
GST_START_TEST(test_stuck) {
    GstHarness *h = play("");
    GstBuffer *buffer;
    guint64 withdrawn;
    GMutex gate;

    g_mutex_init(&gate);
    g_mutex_lock(&gate);
    hold_buffers(h, &gate);
    shmring_writer_set_patience(writer, 50 * GST_MSECOND);
    publish_frames(1);
    while (stat_of(h->element, "received") < 1)
        g_thread_yield();
    publish_frames(MANY);
    g_mutex_unlock(&gate);
    gst_buffer_unref(gst_harness_pull(h));
    buffer = gst_harness_pull(h);
    fail_unless(GST_BUFFER_IS_DISCONT(buffer));
    gst_buffer_unref(buffer);
    shmring_writer_end(writer);
    gst_event_unref(pull_event(h, GST_EVENT_EOS));
    withdrawn = stat_of(h->element, "withdrawn");
    fail_unless(withdrawn > 0 && withdrawn == stat_of(h->element, "dropped"));
    assert_equals_uint64(stat_of(h->element, "received") + withdrawn, 1 + MANY);
    gst_harness_teardown(h);
    g_mutex_clear(&gate);
}
GST_END_TEST;

/* The newest, at once, and none twice. */
GST_START_TEST(test_leaky_comes_late) {
    struct shmring_frame_info info = gray_info();
    GstHarness *h = harness_for("shmringsrc", ring, "leaky-type=downstream");

    for (info.frame_number = 1; info.frame_number <= 3; info.frame_number++)
        publish(writer, &info, 0);
    gst_harness_play(h);
    for (guint64 number = 3; number <= 5; number++) {
        GstBuffer *buffer = gst_harness_pull(h);

        assert_equals_uint64(GST_BUFFER_OFFSET(buffer), number);
        gst_buffer_unref(buffer);
        if (number == 3)
            assert_equals_int(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_OK);
        info.frame_number = number + 1;
        if (number < 5)
            publish(writer, &info, 0);
    }
    gst_harness_teardown(h);
}
GST_END_TEST;

static Suite *leaving_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("leaving", &tcase);

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_num_buffers);
    tcase_add_test(tcase, test_last_buffer_on_its_way);
    tcase_add_test(tcase, test_eos_that_was_sent);
    tcase_add_test(tcase, test_error_downstream);
    tcase_add_test(tcase, test_paused_while_downstream_is_full);
    tcase_add_test(tcase, test_stuck);
    tcase_add_test(tcase, test_leaky_comes_late);
    return suite;
}

GST_CHECK_MAIN(leaving);
