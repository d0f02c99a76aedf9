/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From shmringsink to shmringsrc, one harness or pipeline at each end. */
#include "writing.h"

#define SMALL "video/x-raw,format=BGR,width=64,height=48,framerate=25/1"
#define LARGE "video/x-raw,format=BGR,width=640,height=480,framerate=25/1"
#define FLAGS                                                                                      \
    (GST_BUFFER_FLAG_CORRUPTED | GST_BUFFER_FLAG_GAP | GST_BUFFER_FLAG_DELTA_UNIT |                \
     GST_BUFFER_FLAG_HEADER | GST_VIDEO_BUFFER_FLAG_INTERLACED | GST_VIDEO_BUFFER_FLAG_TFF)

static GstHarness *sink, *src;

static void start(const gchar *sink_properties, const gchar *src_properties) {
    gchar *properties = g_strdup_printf("wait-for-connection=true %s", sink_properties);

    sink = harness_for("shmringsink", ring, properties);
    src = harness_for("shmringsrc", ring, src_properties);
    g_free(properties);
}

static void stop(void) {
    gst_harness_teardown(sink);
    gst_harness_teardown(src);
}

/* In a thread, since after a move of the ring the writer waits for its reader to follow. */
static GstBuffer *carry(GstBuffer *buffer) {
    GThread *thread = push_in_thread(sink, buffer);

    buffer = gst_harness_pull(src);
    assert_equals_int(FLOW_OF(thread), GST_FLOW_OK);
    return buffer;
}

static void crosses(const gchar *caps) {
    start("caps=video/x-raw", "");
    gst_harness_set_src_caps_str(sink, caps);
    gst_harness_play(src);
    for (guint8 seed = 0; seed < 20; seed++) {
        GstBuffer *buffer = carry(make_picture(caps, seed));

        assert_picture(buffer, caps, seed);
        gst_buffer_unref(buffer);
    }
    stop();
}

GST_START_TEST(test_formats) {
    static const gchar *formats[] = {"BGR", "GRAY8", "I420", "NV12", "GRAY16_LE", "v210"};

    for (gsize i = 0; i < G_N_ELEMENTS(formats); i++) {
        for (gint width = 640; width <= 643; width++) {
            gchar *caps = g_strdup_printf("video/x-raw,format=%s,width=%d,height=5,"
                                          "framerate=25/1",
                                          formats[i], width);

            crosses(caps);
            g_free(caps);
        }
    }
}
GST_END_TEST;

GST_START_TEST(test_times_and_flags) {
    GstBuffer *buffer = make_picture(SMALL, 0);

    start("", "is-live=false");
    gst_harness_set_src_caps_str(sink, SMALL);
    gst_harness_play(src);
    GST_BUFFER_PTS(buffer) = 3 * GST_SECOND + 1;
    GST_BUFFER_DTS(buffer) = 2 * GST_SECOND + 1;
    GST_BUFFER_DURATION(buffer) = 40 * GST_MSECOND;
    GST_BUFFER_OFFSET(buffer) = 77;
    GST_BUFFER_FLAG_SET(buffer, FLAGS);
    buffer = carry(buffer);
    assert_equals_uint64(GST_BUFFER_PTS(buffer), 3 * GST_SECOND + 1);
    assert_equals_uint64(GST_BUFFER_DTS(buffer), 2 * GST_SECOND + 1);
    assert_equals_uint64(GST_BUFFER_DURATION(buffer), 40 * GST_MSECOND);
    assert_equals_uint64(GST_BUFFER_OFFSET(buffer), 77);
    assert_equals_int(GST_BUFFER_FLAGS(buffer) & FLAGS, FLAGS);
    gst_buffer_unref(buffer);
    stop();
}
GST_END_TEST;

static GstBuffer *bottom_up(gsize first_row) {
    gsize offset[GST_VIDEO_MAX_PLANES] = {first_row * 192};
    gint stride[GST_VIDEO_MAX_PLANES] = {-192};
    GstBuffer *buffer = make_picture(SMALL, 3);

    gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_BGR, 64, 48,
                                   1, offset, stride);
    return buffer;
}

/* Pictures that begin with their last row come the right way up. */
GST_START_TEST(test_bottom_up) {
    GstBuffer *buffer;
    GstMapInfo map;

    start("", "");
    gst_harness_set_src_caps_str(sink, SMALL);
    gst_harness_play(src);
    buffer = carry(bottom_up(47));
    fail_unless(gst_buffer_map(buffer, &map, GST_MAP_READ));
    for (gsize row = 0; row < 48; row++) {
        for (gsize i = 0; i < 192; i++)
            assert_equals_int(map.data[row * 192 + i], picture_byte((47 - row) * 192 + i, 3));
    }
    gst_buffer_unmap(buffer, &map);
    gst_buffer_unref(buffer);
    /* the last rows would lie before the buffer */
    assert_equals_int(gst_harness_push(sink, bottom_up(46)), GST_FLOW_ERROR);
    stop();
}
GST_END_TEST;

/* Each by itself; those of the media from GST_BUFFER_FLAG_LAST on. */
GST_START_TEST(test_every_flag) {
    guint flags[40] = {
        GST_BUFFER_FLAG_DISCONT,     GST_BUFFER_FLAG_RESYNC,        GST_BUFFER_FLAG_CORRUPTED,
        GST_BUFFER_FLAG_MARKER,      GST_BUFFER_FLAG_HEADER,        GST_BUFFER_FLAG_GAP,
        GST_BUFFER_FLAG_DROPPABLE,   GST_BUFFER_FLAG_NON_DROPPABLE, GST_BUFFER_FLAG_DELTA_UNIT,
        GST_BUFFER_FLAG_DECODE_ONLY, GST_BUFFER_FLAG_SYNC_AFTER,    0};
    guint count = 12, all = 0;

    for (guint bit = GST_BUFFER_FLAG_LAST; bit != 0; bit <<= 1)
        flags[count++] = bit;
    for (guint i = 0; i < count; i++)
        all |= flags[i];
    start("", "wait-for-keyframe=false");
    gst_harness_set_src_caps_str(sink, SMALL);
    gst_harness_play(src);
    /* the first one is DISCONT anyway */
    gst_buffer_unref(carry(make_picture(SMALL, 0)));
    for (guint i = 0; i < count; i++) {
        GstBuffer *buffer = make_picture(SMALL, 0);

        GST_BUFFER_FLAG_SET(buffer, flags[i]);
        GST_BUFFER_OFFSET(buffer) = i;
        GST_BUFFER_OFFSET_END(buffer) = 1000 + i;
        buffer = carry(buffer);
        assert_equals_int(GST_BUFFER_FLAGS(buffer) & all, flags[i]);
        assert_equals_uint64(GST_BUFFER_OFFSET(buffer), i);
        assert_equals_uint64(GST_BUFFER_OFFSET_END(buffer), 1000 + i);
        gst_buffer_unref(buffer);
    }
    stop();
}
GST_END_TEST;

/* That a buffer was made by a live source here says nothing of who reads it. */
GST_START_TEST(test_process_flags) {
    GstBuffer *buffer = make_picture(SMALL, 0);

    start("", "");
    gst_harness_set_src_caps_str(sink, SMALL);
    gst_harness_play(src);
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_LIVE);
    buffer = carry(buffer);
    fail_if(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_LIVE));
    gst_buffer_unref(buffer);
    stop();
}
GST_END_TEST;

/* The writer's pipeline began 10 s before the reader's. */
GST_START_TEST(test_live_time) {
    GstBuffer *buffer = make_picture(SMALL, 0);
    const GstClockTime now = gst_util_get_timestamp();

    start("", "");
    gst_harness_use_systemclock(sink);
    gst_element_set_base_time(sink->element, now - 12 * GST_SECOND);
    gst_element_set_base_time(src->element, now - 2 * GST_SECOND);
    gst_harness_set_src_caps_str(sink, SMALL);
    gst_harness_play(src);
    GST_BUFFER_PTS(buffer) = 12 * GST_SECOND;
    buffer = carry(buffer);
    assert_equals_uint64(GST_BUFFER_PTS(buffer), 2 * GST_SECOND);
    gst_buffer_unref(buffer);
    stop();
}
GST_END_TEST;

static gint current_width(void) {
    GstPad *pad = gst_element_get_static_pad(src->element, "src");
    GstCaps *caps = gst_pad_get_current_caps(pad);
    gint width = 0;

    gst_structure_get_int(gst_caps_get_structure(caps, 0), "width", &width);
    gst_caps_unref(caps);
    gst_object_unref(pad);
    return width;
}

GST_START_TEST(test_caps_change) {
    static const gchar *caps[] = {SMALL, LARGE, SMALL, LARGE};

    start("", "");
    gst_harness_play(src);
    for (guint8 i = 0; i < G_N_ELEMENTS(caps); i++) {
        GstBuffer *buffer;

        gst_harness_set_src_caps_str(sink, caps[i]);
        buffer = carry(make_picture(caps[i], i));
        assert_equals_int(current_width(), i % 2 ? 640 : 64);
        assert_picture(buffer, caps[i], i);
        gst_buffer_unref(buffer);
    }
    stop();
}
GST_END_TEST;

GST_START_TEST(test_eos) {
    GstEvent *event;

    start("", "");
    gst_harness_set_src_caps_str(sink, SMALL);
    gst_harness_play(src);
    gst_buffer_unref(carry(make_picture(SMALL, 0)));
    gst_harness_push_event(sink, gst_event_new_eos());
    while (GST_EVENT_TYPE(event = gst_harness_pull_event(src)) != GST_EVENT_EOS)
        gst_event_unref(event);
    gst_event_unref(event);
    stop();
}
GST_END_TEST;

GST_START_TEST(test_reader_first) {
    GstBuffer *buffer;

    start("", "");
    gst_harness_play(src);
    gst_harness_set_src_caps_str(sink, SMALL);
    buffer = carry(make_picture(SMALL, 1));
    assert_picture(buffer, SMALL, 1);
    gst_buffer_unref(buffer);
    stop();
}
GST_END_TEST;

static void count(GstElement *fakesink, GstBuffer *buffer, GstPad *pad, gint *frames) {
    assert_equals_uint64(GST_BUFFER_OFFSET(buffer), (guint64)*frames);
    (*frames)++;
}

GST_START_TEST(test_pipelines) {
    GstElement *writer = pipeline_of("videotestsrc num-buffers=300 ! videoconvert ! "
                                     "shmringsink name=%s wait-for-connection=true");
    GstElement *reader =
        pipeline_of("shmringsrc ring-name=%s ! fakesink name=sink signal-handoffs=true");
    GstElement *fakesink = gst_bin_get_by_name(GST_BIN(reader), "sink");
    gint frames = 0;

    g_signal_connect(fakesink, "handoff", G_CALLBACK(count), &frames);
    gst_object_unref(fakesink);
    gst_element_set_state(writer, GST_STATE_PLAYING);
    gst_element_set_state(reader, GST_STATE_PLAYING);
    wait_for_end(writer);
    stop_pipeline(writer);
    wait_for_end(reader);
    stop_pipeline(reader);
    assert_equals_int(frames, 300);
}
GST_END_TEST;

static Suite *roundtrip_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("roundtrip", &tcase);

    tcase_add_test(tcase, test_formats);
    tcase_add_test(tcase, test_times_and_flags);
    tcase_add_test(tcase, test_every_flag);
    tcase_add_test(tcase, test_process_flags);
    tcase_add_test(tcase, test_bottom_up);
    tcase_add_test(tcase, test_live_time);
    tcase_add_test(tcase, test_caps_change);
    tcase_add_test(tcase, test_eos);
    tcase_add_test(tcase, test_reader_first);
    tcase_add_test(tcase, test_pipelines);
    return suite;
}

GST_CHECK_MAIN(roundtrip);
