/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* on-disconnect=wait: one source through the lives of several writers. */
#include "reading.h"

/* A writer of one frame with CAPS, after H's source came to it; and the frame. */
static GstBuffer *next_life(GstHarness *h, const gchar *caps, gsize size) {
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;

    info.caps = caps;
    info.size = size;
    struct shmring_writer *writer = open_writer(ring, size);
    GstBuffer *buffer;

    assert_equals_int(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_OK);
    publish(writer, &info, 7);
    buffer = gst_harness_pull(h);
    assert_equals_int(gst_buffer_get_size(buffer), size);
    shmring_writer_end(writer);
    shmring_writer_close(writer);
    return buffer;
}

GST_START_TEST(test_caps_of_each) {
    static const gchar *caps[] = {"a/x", "b/x, n=(int)2", "b/x, n=(int)2", "a/x"};
    GstHarness *h = harness_for("shmringsrc", ring, "on-disconnect=wait");

    gst_harness_play(h);
    for (guint i = 0; i < G_N_ELEMENTS(caps); i++) {
        GstBuffer *buffer = next_life(h, caps[i], 32 * (i + 1));

        assert_caps(h, caps[i]);
        fail_unless(GST_BUFFER_IS_DISCONT(buffer));
        gst_buffer_unref(buffer);
    }
    /* over all of them */
    assert_equals_uint64(stat_of(h->element, "received"), G_N_ELEMENTS(caps));
    assert_equals_uint64(stat_of(h->element, "dropped"), 0);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* It was never told of a new stream, so that muxers go on: no EOS, one segment. */
GST_START_TEST(test_one_stream) {
    GstHarness *h = harness_for("shmringsrc", ring, "on-disconnect=wait");
    guint segments = 0;
    GstEvent *event;

    gst_harness_play(h);
    for (gint i = 0; i < 3; i++)
        gst_buffer_unref(next_life(h, "a/x", 32));
    while ((event = gst_harness_try_pull_event(h)) != NULL) {
        fail_if(GST_EVENT_TYPE(event) == GST_EVENT_EOS);
        segments += GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT;
        gst_event_unref(event);
    }
    assert_equals_int(segments, 1);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* Frames of a writer that is gone stay what they are. */
GST_START_TEST(test_frames_of_each) {
    GstHarness *h = harness_for("shmringsrc", ring, "on-disconnect=wait");
    GstBuffer *held[3];

    gst_harness_play(h);
    for (guint i = 0; i < G_N_ELEMENTS(held); i++)
        held[i] = next_life(h, "a/x", 32);
    for (guint i = 0; i < G_N_ELEMENTS(held); i++) {
        guint8 bytes[32];

        gst_buffer_extract(held[i], 0, bytes, sizeof bytes);
        for (guint at = 0; at < sizeof bytes; at++)
            assert_equals_int(bytes[at], picture_byte(at, 7));
        gst_buffer_unref(held[i]);
    }
    gst_harness_teardown(h);
}
GST_END_TEST;

/* The wait for the next writer can be left. */
GST_START_TEST(test_stops_between) {
    GstHarness *h = harness_for("shmringsrc", ring, "on-disconnect=wait");

    for (gint i = 0; i < 5; i++) {
        gst_harness_play(h);
        gst_buffer_unref(next_life(h, "a/x", 32));
        set_state(h->element, GST_STATE_NULL);
        assert_equals_uint64(stat_of(h->element, "received"), 1);
    }
    gst_harness_teardown(h);
}
GST_END_TEST;

/* ---- Running time without a clock -------------------------------------------------------------
 */

#define FRAME (40 * GST_MSECOND)

static void publish_frames(struct shmring_writer *writer, GstClockTime first) {
    struct shmring_frame_info info = gray_info();

    info.duration_ns = FRAME;
    for (gint i = 0; i < 5; i++) {
        info.pts_ns = first + i * FRAME;
        publish(writer, &info, 0);
    }
}

static void pull_frames(GstHarness *h, guint begin) {
    for (guint i = begin; i < begin + 5; i++) {
        GstBuffer *buffer = gst_harness_pull(h);
        GstEvent *event = gst_pad_get_sticky_event(h->sinkpad, GST_EVENT_SEGMENT, 0);
        const GstSegment *segment;

        gst_event_parse_segment(event, &segment);
        assert_equals_uint64(
            gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer)),
            i * FRAME);
        fail_unless(GST_BUFFER_IS_DISCONT(buffer) == (i == begin));
        gst_event_unref(event);
        gst_buffer_unref(buffer);
    }
}

/* Each begins at a time of its own, one after a seek to where it was: what comes follows what came
 * before. The segment is looked at with its own frames: the next come when they were pulled. */
GST_START_TEST(test_times_go_on) {
    GstHarness *h = harness_for("shmringsrc", ring, "is-live=false on-disconnect=wait");

    gst_harness_play(h);
    for (guint life = 0; life < 3; life++) {
        struct shmring_writer *writer = open_writer(ring, 32);

        assert_equals_int(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_OK);
        publish_frames(writer, life * 7 * GST_SECOND);
        pull_frames(h, 10 * life);
        shmring_writer_begin_stretch(writer);
        publish_frames(writer, life * 7 * GST_SECOND);
        pull_frames(h, 10 * life + 5);
        shmring_writer_end(writer);
        shmring_writer_close(writer);
    }
    gst_harness_teardown(h);
}
GST_END_TEST;

static Suite *reconnect_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("reconnect", &tcase);

    tcase_add_test(tcase, test_caps_of_each);
    tcase_add_test(tcase, test_one_stream);
    tcase_add_test(tcase, test_frames_of_each);
    tcase_add_test(tcase, test_stops_between);
    tcase_add_test(tcase, test_times_go_on);
    return suite;
}

GST_CHECK_MAIN(reconnect);
