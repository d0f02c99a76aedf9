/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encoded streams: who comes late begins at a frame that stands alone, behind the headers in the
 * caps, and may ask for one. */
#include "reading.h"

#include <string.h>

static void publish_unit(struct shmring_writer *writer, const gchar *caps, guint32 flags,
                         guint64 number) {
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;

    info.caps = caps;
    info.size = 10;
    info.flags = flags;
    info.frame_number = number;
    publish(writer, &info, 0);
}

/* ---- Where it begins ---------------------------------------------------------------------- */

GST_START_TEST(test_begins_at_a_key_frame) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 100);

    publish_unit(writer, "video/x-h264", SHMRING_FRAME_DELTA, 1);
    publish_unit(writer, "video/x-h264", SHMRING_FRAME_DELTA, 2);
    publish_unit(writer, "video/x-h264", 0, 3);
    publish_unit(writer, "video/x-h264", SHMRING_FRAME_DELTA, 4);
    assert_equals_uint64(pull_number(h), 3);
    assert_equals_uint64(pull_number(h), 4);
    assert_equals_uint64(stat_of(h->element, "skipped"), 2);
    stop_reading(h, writer);
}
GST_END_TEST;

GST_START_TEST(test_need_not_wait) {
    GstHarness *h = harness_for("shmringsrc", ring, "wait-for-keyframe=false");
    struct shmring_writer *writer = writer_for(h, ring, 100);

    publish_unit(writer, "video/x-h264", SHMRING_FRAME_DELTA, 1);
    assert_equals_uint64(pull_number(h), 1);
    stop_reading(h, writer);
}
GST_END_TEST;

/* ---- Headers ------------------------------------------------------------------------------ */

#define WITH_HEADERS "a/x, streamheader=(buffer)<(buffer)0102, (buffer)030405>"

static gsize size_of(GstBuffer *buffer, gboolean is_header) {
    gsize size = gst_buffer_get_size(buffer);

    assert_equals_int(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_HEADER), is_header);
    fail_unless(GST_BUFFER_PTS_IS_VALID(buffer));
    gst_buffer_unref(buffer);
    return size;
}

GST_START_TEST(test_headers_first) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 100);

    for (guint64 i = 0; i < 3; i++)
        publish_unit(writer, WITH_HEADERS, 0, i);
    assert_equals_int(size_of(gst_harness_pull(h), TRUE), 2);
    assert_equals_int(size_of(gst_harness_pull(h), TRUE), 3);
    for (gint i = 0; i < 3; i++)
        assert_equals_int(size_of(gst_harness_pull(h), FALSE), 10);
    stop_reading(h, writer);
}
GST_END_TEST;

/* A stream that begins sends them itself. */
GST_START_TEST(test_headers_once) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 100);

    publish_unit(writer, WITH_HEADERS, SHMRING_FRAME_HEADER, 0);
    publish_unit(writer, WITH_HEADERS, 0, 1);
    assert_equals_int(size_of(gst_harness_pull(h), TRUE), 10);
    assert_equals_int(size_of(gst_harness_pull(h), FALSE), 10);
    stop_reading(h, writer);
}
GST_END_TEST;

/* What is no list of buffers is none. */
GST_START_TEST(test_headers_that_are_none) {
    static const gchar *const caps[] = {"a/x, streamheader=(string)abc",
                                        "a/x, streamheader=(string)<a, b>", "a/x, streamheader=<>"};

    for (gsize i = 0; i < G_N_ELEMENTS(caps); i++) {
        GstHarness *h = harness_for("shmringsrc", ring, "");
        struct shmring_writer *writer = writer_for(h, ring, 100);

        publish_unit(writer, caps[i], 0, 1);
        assert_equals_int(size_of(gst_harness_pull(h), FALSE), 10);
        stop_reading(h, writer);
    }
}
GST_END_TEST;

/* ---- Asking for one ----------------------------------------------------------------------- */

static gboolean take_request(GstHarness *h, GstClockTime *time) {
    GstEvent *event = gst_harness_pull_upstream_event(h);
    gboolean is_request = gst_video_event_is_force_key_unit(event);

    if (is_request)
        gst_video_event_parse_upstream_force_key_unit(event, time, NULL, NULL);
    gst_event_unref(event);
    return is_request;
}

static gboolean asks_for_headers(const gchar *caps) {
    GstHarness *sink = harness_for("shmringsink", ring, "caps=ANY");
    struct shmring_reader *reader;
    gboolean headers = FALSE, is_request = FALSE;

    gst_harness_set_src_caps_str(sink, caps);
    reader = attach_reader(ring);
    fail_if(shmring_reader_request_keyframe(reader, SHMRING_TIME_NONE) < 0);
    while (!is_request) {
        GstEvent *event = gst_harness_pull_upstream_event(sink);

        is_request = gst_video_event_is_force_key_unit(event);
        if (is_request)
            gst_video_event_parse_upstream_force_key_unit(event, NULL, &headers, NULL);
        gst_event_unref(event);
    }
    shmring_reader_free(reader);
    gst_harness_teardown(sink);
    return headers;
}

/* Headers that come again end an Ogg stream; muxers of transport streams pass on no request that
 * asks for none, wherever theirs are. */
GST_START_TEST(test_request_for_headers) {
    fail_unless(asks_for_headers("video/x-h264"));
    fail_if(asks_for_headers("video/ogg, streamheader=(buffer)<(buffer)0102>"));
    fail_unless(asks_for_headers("video/mpegts, streamheader=(buffer)<(buffer)4740>"));
}
GST_END_TEST;

static GstClockTime wait_for_request(GstHarness *h) {
    GstClockTime time;

    while (!take_request(h, &time)) {
    }
    return time;
}

/* From downstream of the source to upstream of the sink, with its running time. */
GST_START_TEST(test_request_crosses) {
    GstHarness *sink = harness_for("shmringsink", ring, "caps=ANY");
    GstHarness *src = harness_for("shmringsrc", ring, "");
    const GstClockTime now = gst_util_get_timestamp();
    GstClockTime time;
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, 10, NULL);

    gst_harness_set_live(sink, TRUE);
    gst_harness_use_systemclock(sink);
    gst_element_set_base_time(sink->element, now - 20 * GST_SECOND);
    gst_element_set_base_time(src->element, now - 5 * GST_SECOND);
    gst_harness_set_src_caps_str(sink, "video/x-h264");
    gst_harness_play(src);
    /* the one with which it attached */
    fail_unless(wait_for_request(sink) == GST_CLOCK_TIME_NONE);
    GST_BUFFER_PTS(buffer) = 20 * GST_SECOND;
    assert_equals_int(gst_harness_push(sink, buffer), GST_FLOW_OK);
    gst_buffer_unref(gst_harness_pull(src));
    gst_harness_push_upstream_event(
        src, gst_video_event_new_upstream_force_key_unit(6 * GST_SECOND, TRUE, 1));
    time = wait_for_request(sink);
    fail_unless(ABS(GST_CLOCK_DIFF(time, 21 * GST_SECOND)) < (gint64)GST_MSECOND,
                "%" GST_TIME_FORMAT, GST_TIME_ARGS(time));
    gst_harness_teardown(src);
    gst_harness_teardown(sink);
}
GST_END_TEST;

static guint count_requests(GstHarness *h) {
    guint count = 0;
    GstEvent *event;

    while ((event = gst_harness_try_pull_upstream_event(h)) != NULL) {
        count += gst_video_event_is_force_key_unit(event);
        gst_event_unref(event);
    }
    return count;
}

/* Twenty within 100 ms are the first, and one for all that came in the quarter of a second after
 * it. */
GST_START_TEST(test_many_requests) {
    GstHarness *sink = harness_for("shmringsink", ring, "caps=ANY");
    struct shmring_reader *reader;
    gint64 begin, took;
    guint requests = 0;

    gst_harness_set_src_caps_str(sink, "video/x-h264");
    reader = attach_reader(ring);
    begin = g_get_monotonic_time();
    for (gint i = 0; i < 20; i++) {
        fail_if(shmring_reader_request_keyframe(reader, SHMRING_TIME_NONE) < 0);
        g_usleep(5 * G_TIME_SPAN_MILLISECOND);
    }
    took = g_get_monotonic_time() - begin;
    while (requests == 0)
        requests = count_requests(sink);
    /* in which no third one comes */
    g_usleep(600 * G_TIME_SPAN_MILLISECOND);
    requests += count_requests(sink);
    fail_unless(requests <= 2 + took / (250 * G_TIME_SPAN_MILLISECOND), "%u", requests);
    shmring_reader_free(reader);
    gst_harness_teardown(sink);
}
GST_END_TEST;

/* Who asks after a key frame wants another one, also when somebody asked before it. */
GST_START_TEST(test_request_after_a_key_frame) {
    GstHarness *sink = harness_for("shmringsink", ring, "caps=ANY");
    struct shmring_reader *reader;

    gst_harness_set_src_caps_str(sink, "video/x-h264");
    reader = attach_reader(ring);
    fail_if(shmring_reader_request_keyframe(reader, SHMRING_TIME_NONE) < 0);
    wait_for_request(sink);
    fail_if(shmring_reader_request_keyframe(reader, SHMRING_TIME_NONE) < 0);
    /* the sink hears of it meanwhile; where it does not, this shows less and is right all the same
     */
    g_usleep(50 * G_TIME_SPAN_MILLISECOND);
    assert_equals_int(gst_harness_push(sink, gst_buffer_new_allocate(NULL, 10, NULL)), GST_FLOW_OK);
    fail_if(shmring_reader_request_keyframe(reader, SHMRING_TIME_NONE) < 0);
    wait_for_request(sink);
    shmring_reader_free(reader);
    gst_harness_teardown(sink);
}
GST_END_TEST;

static Suite *encoded_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("encoded", &tcase);

    tcase_add_test(tcase, test_begins_at_a_key_frame);
    tcase_add_test(tcase, test_need_not_wait);
    tcase_add_test(tcase, test_headers_first);
    tcase_add_test(tcase, test_headers_once);
    tcase_add_test(tcase, test_headers_that_are_none);
    tcase_add_test(tcase, test_request_crosses);
    tcase_add_test(tcase, test_request_for_headers);
    tcase_add_test(tcase, test_many_requests);
    tcase_add_test(tcase, test_request_after_a_key_frame);
    return suite;
}

GST_CHECK_MAIN(encoded);
