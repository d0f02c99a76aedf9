/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every wait of both elements ends at once when the pipeline wants to stop, and goes on where it
 * was when the pipeline only paused. A wait that does not end makes the test time out. */
#include "support.h"

#include <signal.h>
#include <time.h>

#define SLOTS 8

/* ---- The source --------------------------------------------------------------------------- */

GST_START_TEST(test_src_without_ring) {
    GstHarness *h = harness_for("shmringsrc", ring, "");

    for (gint i = 0; i < 20; i++) {
        set_state(h->element, GST_STATE_PLAYING);
        set_state(h->element, GST_STATE_PAUSED);
        set_state(h->element, GST_STATE_PLAYING);
        set_state(h->element, GST_STATE_NULL);
    }
    gst_harness_teardown(h);
}
GST_END_TEST;

GST_START_TEST(test_src_without_frames) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = open_writer(ring, 32);

    for (gint i = 0; i < 20; i++) {
        set_state(h->element, GST_STATE_PLAYING);
        assert_equals_int(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_OK);
        set_state(h->element, GST_STATE_NULL);
    }
    gst_harness_teardown(h);
    shmring_writer_close(writer);
}
GST_END_TEST;

/* It leaves the ring while it is paused: what is published then is for others. */
GST_START_TEST(test_src_pauses) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = open_writer(ring, 32);
    struct shmring_frame_info info = gray_info();

    set_state(h->element, GST_STATE_PLAYING);
    for (info.frame_number = 0; info.frame_number < 50; info.frame_number++) {
        GstBuffer *buffer;

        assert_equals_int(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_OK);
        set_state(h->element, GST_STATE_PAUSED);
        for (gint i = 0; i < 2 * SLOTS; i++)
            publish(writer, &info, 0);
        set_state(h->element, GST_STATE_PLAYING);
        assert_equals_int(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_OK);
        info.frame_number++;
        publish(writer, &info, 0);
        buffer = gst_harness_pull(h);
        assert_equals_uint64(GST_BUFFER_OFFSET(buffer), info.frame_number);
        gst_buffer_unref(buffer);
    }
    gst_harness_teardown(h);
    shmring_writer_close(writer);
}
GST_END_TEST;

/* ---- Signals ------------------------------------------------------------------------------ */

static gint ticks;

static void count_tick(int number) {
    ticks++;
}

static timer_t start_ticking(void) {
    struct itimerspec often = {.it_value.tv_nsec = 50000, .it_interval.tv_nsec = 50000};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct sigaction action = {.sa_handler = count_tick};
    timer_t timer;

    sigaction(SIGUSR1, &action, NULL);
    assert_equals_int(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    assert_equals_int(timer_settime(timer, 0, &often, NULL), 0);
    return timer;
}

/* The program's own, every 50 us, end no wait of either element. */
GST_START_TEST(test_signals) {
    static const gchar *caps = "video/x-raw,format=GRAY8,width=8,height=4,framerate=25/1";
    GstHarness *sink = harness_for("shmringsink", ring, "wait-for-connection=true");
    GstHarness *src = harness_for("shmringsrc", ring, "");
    timer_t timer = start_ticking();
    GThread *pushing;

    gst_harness_set_src_caps_str(sink, caps);
    pushing = push_in_thread(sink, make_picture(caps, 0));
    gst_harness_play(src);
    fail_unless(FLOW_OF(pushing) == GST_FLOW_OK);
    for (guint8 i = 0; i < 200; i++) {
        GstBuffer *buffer = gst_harness_pull(src);

        assert_picture(buffer, caps, i);
        gst_buffer_unref(buffer);
        assert_equals_int(gst_harness_push(sink, make_picture(caps, i + 1)), GST_FLOW_OK);
    }
    timer_delete(timer);
    fail_unless(ticks > 0);
    gst_harness_teardown(src);
    gst_harness_teardown(sink);
}
GST_END_TEST;

/* ---- The sink ----------------------------------------------------------------------------- */

/* That the pipeline gets to PLAYING shows that the wait is not in its way; EOS would not pass. */
GST_START_TEST(test_sink_without_reader) {
    gchar *text = g_strdup_printf("videotestsrc num-buffers=1 ! videoconvert ! "
                                  "shmringsink name=%s wait-for-connection=true",
                                  ring);
    GstElement *pipeline = gst_parse_launch(text, NULL);
    GstState state;

    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    assert_equals_int(gst_element_get_state(pipeline, &state, NULL, GST_CLOCK_TIME_NONE),
                      GST_STATE_CHANGE_SUCCESS);
    assert_equals_int(state, GST_STATE_PLAYING);
    fail_if(gst_element_set_state(pipeline, GST_STATE_PAUSED) == GST_STATE_CHANGE_FAILURE);
    fail_if(gst_element_set_state(pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE);
    fail_if(gst_element_set_state(pipeline, GST_STATE_NULL) == GST_STATE_CHANGE_FAILURE);
    gst_object_unref(pipeline);
    g_free(text);
}
GST_END_TEST;

/* A sink whose slots all wait for a reader, and one frame more on its way. */
static GThread *fill(GstHarness *h, struct shmring_reader **reader) {
    gst_harness_set_src_caps_str(h, GRAY);
    *reader = attach_reader(ring);
    for (guint8 i = 0; i < SLOTS; i++)
        assert_equals_int(gst_harness_push(h, make_picture(GRAY, i)), GST_FLOW_OK);
    return push_in_thread(h, make_picture(GRAY, SLOTS));
}

GST_START_TEST(test_sink_stops_when_full) {
    GstHarness *h = harness_for("shmringsink", ring, "");
    struct shmring_reader *reader;
    GThread *thread = fill(h, &reader);

    set_state(h->element, GST_STATE_NULL);
    assert_equals_int(FLOW_OF(thread), GST_FLOW_FLUSHING);
    gst_harness_teardown(h);
    shmring_reader_free(reader);
}
GST_END_TEST;

GST_START_TEST(test_sink_flushes_when_full) {
    GstHarness *h = harness_for("shmringsink", ring, "");
    struct shmring_reader *reader;
    GThread *thread = fill(h, &reader);

    gst_harness_push_event(h, gst_event_new_flush_start());
    assert_equals_int(FLOW_OF(thread), GST_FLOW_FLUSHING);
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    gst_harness_teardown(h);
    shmring_reader_free(reader);
}
GST_END_TEST;

GST_START_TEST(test_sink_pauses_when_full) {
    GstHarness *h = harness_for("shmringsink", ring, "");
    struct shmring_reader *reader;
    GThread *thread = fill(h, &reader);

    for (gint i = 0; i < 20; i++) {
        set_state(h->element, GST_STATE_PAUSED);
        set_state(h->element, GST_STATE_PLAYING);
    }
    for (guint8 i = 0; i <= SLOTS; i++) {
        struct shmring_frame *frame = take_frame(reader);

        assert_equals_int(((const guint8 *)frame->data)[0], i);
        shmring_frame_release(frame);
    }
    assert_equals_int(FLOW_OF(thread), GST_FLOW_OK);
    gst_harness_teardown(h);
    shmring_reader_free(reader);
}
GST_END_TEST;

static Suite *unlock_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("unlock", &tcase);

    tcase_add_test(tcase, test_src_without_ring);
    tcase_add_test(tcase, test_src_without_frames);
    tcase_add_test(tcase, test_src_pauses);
    tcase_add_test(tcase, test_signals);
    tcase_add_test(tcase, test_sink_without_reader);
    tcase_add_test(tcase, test_sink_stops_when_full);
    tcase_add_test(tcase, test_sink_flushes_when_full);
    tcase_add_test(tcase, test_sink_pauses_when_full);
    return suite;
}

GST_CHECK_MAIN(unlock);
