/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* shmringsink, seen from a reader in plain C. */
#include "writing.h"

#include <string.h>

#define BGR641 "video/x-raw,format=BGR,width=641,height=3,framerate=25/1"

static GstElement *element_with_bus(const gchar *text) {
    GstElement *element = gst_parse_launch(text, NULL);
    GstBus *bus = gst_bus_new();

    fail_unless(element != NULL);
    gst_element_set_bus(element, bus);
    gst_object_unref(bus);
    return element;
}

static void refuses_to_start(const gchar *text, gint code, const gchar *part) {
    GstElement *element = element_with_bus(text);

    fail_unless(gst_element_set_state(element, GST_STATE_PAUSED) == GST_STATE_CHANGE_FAILURE);
    assert_error(element, GST_RESOURCE_ERROR, code, part);
    gst_element_set_state(element, GST_STATE_NULL);
    gst_element_set_bus(element, NULL);
    gst_object_unref(element);
}

GST_START_TEST(test_names) {
    refuses_to_start("shmringsink", GST_RESOURCE_ERROR_SETTINGS, "name=cam0");
    refuses_to_start("shmringsink name=shmringsink17", GST_RESOURCE_ERROR_SETTINGS, "name=cam0");
    refuses_to_start("shmringsink name=a/b", GST_RESOURCE_ERROR_SETTINGS, "a/b");
    refuses_to_start("shmringsink name=good ring-name=.bad", GST_RESOURCE_ERROR_SETTINGS, ".bad");
}
GST_END_TEST;

GST_START_TEST(test_element_name) {
    gchar *text = g_strdup_printf("shmringsink name=%s", ring);
    GstElement *sink = gst_parse_launch(text, NULL);
    GstHarness *h = gst_harness_new_with_element(sink, "sink", NULL);

    gst_harness_set_src_caps_str(h, GRAY);
    fail_unless(ring_exists(ring));
    gst_harness_teardown(h);
    gst_object_unref(sink);
    g_free(text);
}
GST_END_TEST;

GST_START_TEST(test_defaults) {
    GstElement *sink = gst_element_factory_make("shmringsink", NULL);
    gboolean sync, last, wait;
    guint slots, perms;
    gint64 timeout;

    g_object_get(sink, "sync", &sync, "enable-last-sample", &last, "wait-for-connection", &wait,
                 "slots", &slots, "perms", &perms, "timeout", &timeout, NULL);
    fail_if(sync || last || wait);
    assert_equals_int(slots, 8);
    assert_equals_int(perms, 0600);
    assert_equals_int64(timeout, -2);
    gst_object_unref(sink);
}
GST_END_TEST;

static gboolean accepts(GstHarness *h, const gchar *text) {
    GstPad *pad = gst_element_get_static_pad(h->element, "sink");
    GstCaps *caps = gst_caps_from_string(text);
    gboolean ok = gst_pad_query_accept_caps(pad, caps);

    gst_caps_unref(caps);
    gst_object_unref(pad);
    return ok;
}

#define SIZED ",width=64,height=48,framerate=30/1"

GST_START_TEST(test_default_caps) {
    GstHarness *h = harness_for("shmringsink", ring, "");

    fail_unless(accepts(h, "video/x-raw,format=BGR" SIZED));
    fail_unless(accepts(h, "video/x-raw,format=GRAY8" SIZED));
    fail_if(accepts(h, "video/x-raw,format=RGB" SIZED));
    fail_if(accepts(h, "video/x-raw,format=BGRx" SIZED));
    fail_if(accepts(h, "video/x-raw(memory:GLMemory),format=BGR" SIZED));
    fail_if(accepts(h, "image/jpeg"));
    gst_harness_teardown(h);
}
GST_END_TEST;

GST_START_TEST(test_any_caps) {
    GstHarness *h = harness_for("shmringsink", ring, "caps=ANY");

    fail_unless(accepts(h, "video/x-raw,format=I420" SIZED));
    fail_unless(accepts(h, "video/x-raw(format:Interlaced),format=I420,"
                           "interlace-mode=alternate" SIZED));
    fail_unless(accepts(h, "image/jpeg"));
    fail_if(accepts(h, "video/x-raw(memory:GLMemory),format=RGBA" SIZED));
    fail_if(accepts(h, "video/x-raw(memory:DMABuf),format=NV12" SIZED));
    gst_harness_teardown(h);
}
GST_END_TEST;

GST_START_TEST(test_any_features) {
    GstHarness *h = harness_for("shmringsink", ring, "caps=video/x-raw(ANY)");

    fail_unless(accepts(h, "video/x-raw,format=I420" SIZED));
    fail_if(accepts(h, "video/x-raw(memory:GLMemory),format=RGBA" SIZED));
    gst_harness_teardown(h);
}
GST_END_TEST;

GST_START_TEST(test_other_memory_only) {
    gchar *text =
        g_strdup_printf("shmringsink ring-name=%s caps=video/x-raw(memory:GLMemory)", ring);

    refuses_to_start(text, GST_RESOURCE_ERROR_SETTINGS, "system memory");
    g_free(text);
}
GST_END_TEST;

GST_START_TEST(test_frame) {
    GstHarness *h = harness_for("shmringsink", ring, "");
    GstBuffer *buffer = make_picture(BGR641, 7);
    struct shmring_reader *reader;
    struct shmring_frame *frame;

    GST_BUFFER_PTS(buffer) = 5 * GST_SECOND;
    GST_BUFFER_DURATION(buffer) = 40 * GST_MSECOND;
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_CORRUPTED);
    gst_harness_set_src_caps_str(h, BGR641);
    reader = attach_reader(ring);
    assert_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
    frame = take_frame(reader);
    assert_equals_int(frame->info.width, 641);
    assert_equals_int(frame->info.height, 3);
    assert_equals_int(frame->info.channels, 3);
    assert_equals_string(frame->info.format, "BGR");
    assert_equals_int(frame->info.planes, 1);
    assert_equals_int(frame->info.stride[0], 1924);
    assert_equals_uint64(frame->info.size, 3 * 1924);
    assert_equals_int64(frame->info.pts_ns, 5 * GST_SECOND);
    assert_equals_int64(frame->info.dts_ns, SHMRING_TIME_NONE);
    assert_equals_int64(frame->info.duration_ns, 40 * GST_MSECOND);
    assert_equals_int(frame->info.flags, SHMRING_FRAME_CORRUPTED | SHMRING_FRAME_DISCONT);
    assert_equals_int(frame->info.fps_num, 25);
    fail_unless(strstr(frame->info.caps, "width=(int)641") != NULL);
    for (gsize row = 0; row < 3; row++)
        for (gsize i = row * 1924; i < row * 1924 + 641 * 3; i++)
            fail_unless(((const guint8 *)frame->data)[i] == picture_byte(i, 7));
    shmring_frame_release(frame);
    gst_harness_teardown(h);
    shmring_reader_free(reader);
}
GST_END_TEST;

GST_START_TEST(test_times) {
    GstHarness *h = harness_for("shmringsink", ring, "");
    GstCaps *unix_time = gst_caps_new_empty_simple("timestamp/x-unix");
    GstBuffer *buffer = make_picture(GRAY, 0);
    struct shmring_reader *reader;
    struct shmring_frame *frame;
    GstClockTime base;

    gst_harness_use_systemclock(h);
    base = g_get_monotonic_time() * GST_USECOND;
    gst_element_set_base_time(h->element, base);
    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    GST_BUFFER_PTS(buffer) = GST_SECOND / 2;
    gst_buffer_add_reference_timestamp_meta(buffer, unix_time, 123456789, GST_CLOCK_TIME_NONE);
    gst_harness_push(h, buffer);
    frame = take_frame(reader);
    assert_equals_int64(frame->info.clock_ns, (gint64)base + GST_SECOND / 2);
    assert_equals_int64(frame->info.timestamp_ns, 123456789);
    shmring_frame_release(frame);
    gst_caps_unref(unix_time);
    gst_harness_teardown(h);
    shmring_reader_free(reader);
}
GST_END_TEST;

static GstFlowReturn push_bytes(GstHarness *h, gsize size) {
    return gst_harness_push(h, gst_buffer_new_wrapped(g_malloc0(size), size));
}

GST_START_TEST(test_tight_rows) {
    GstHarness *h = harness_for("shmringsink", ring, "");

    gst_harness_set_src_caps_str(h, BGR641);
    assert_equals_int(push_bytes(h, 641 * 3 * 3), GST_FLOW_ERROR);
    assert_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "rows of 1924");
    gst_harness_teardown(h);
}
GST_END_TEST;

static GstBuffer *with_rows_of(gint stride, gsize size) {
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, size, NULL);
    gint strides[GST_VIDEO_MAX_PLANES] = {stride};
    gsize offsets[GST_VIDEO_MAX_PLANES] = {0};
    GstMapInfo map;

    gst_buffer_map(buffer, &map, GST_MAP_WRITE);
    for (gsize i = 0; i < size; i++)
        map.data[i] = (guint8)(i / (gsize)ABS(stride));
    gst_buffer_unmap(buffer, &map);
    gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, 8, 4,
                                   1, offsets, strides);
    return buffer;
}

GST_START_TEST(test_padded_rows) {
    GstHarness *h = harness_for("shmringsink", ring, "");
    struct shmring_reader *reader;
    struct shmring_frame *frame;

    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    /* the last row's padding may be missing */
    assert_equals_int(gst_harness_push(h, with_rows_of(100, 308)), GST_FLOW_OK);
    frame = take_frame(reader);
    assert_equals_int(frame->info.stride[0], 8);
    for (gsize i = 0; i < 32; i++)
        assert_equals_int(((const guint8 *)frame->data)[i], i / 8);
    shmring_frame_release(frame);
    gst_harness_teardown(h);
    shmring_reader_free(reader);
}
GST_END_TEST;

GST_START_TEST(test_lying_meta) {
    static const struct {
        gint stride;
        gsize size;
    } lies[] = {{100, 307}, {-8, 64}, {8, 31}};

    for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
        GstHarness *h = harness_for("shmringsink", ring, "");

        gst_harness_set_src_caps_str(h, GRAY);
        assert_equals_int(gst_harness_push(h, with_rows_of(lies[i].stride, lies[i].size)),
                          GST_FLOW_ERROR);
        assert_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, ring);
        gst_harness_teardown(h);
    }
}
GST_END_TEST;

GST_START_TEST(test_name_in_use) {
    struct shmring_writer *holder = open_writer(ring, 100);
    GstHarness *h = harness_for("shmringsink", ring, "");

    gst_harness_set_src_caps_str(h, GRAY);
    assert_equals_int(gst_harness_push(h, make_picture(GRAY, 0)), GST_FLOW_NOT_NEGOTIATED);
    assert_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY, ring);
    gst_harness_teardown(h);
    shmring_writer_close(holder);
}
GST_END_TEST;

/* What may come before them does no harm. */
static void refuses_without_caps(const gchar *properties, GstEvent *before) {
    GstHarness *h = harness_for("shmringsink", ring, properties);
    GstSegment segment;

    gst_harness_play(h);
    if (before != NULL)
        gst_harness_push_event(h, before);
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    fail_unless(gst_harness_push_event(h, gst_event_new_gap(0, GST_SECOND)));
    gst_harness_push_event(h, gst_event_new_tag(gst_tag_list_new_empty()));
    fail_if(ring_exists(ring));
    assert_equals_int(push_bytes(h, 100), GST_FLOW_NOT_NEGOTIATED);
    assert_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "without caps");
    gst_harness_push_event(h, gst_event_new_eos());
    gst_harness_teardown(h);
}

GST_START_TEST(test_no_caps) {
    refuses_without_caps("", NULL);
    refuses_without_caps("caps=ANY", NULL);
    refuses_without_caps("wait-for-connection=true timeout=0", NULL);
    refuses_without_caps("", gst_event_new_flush_stop(TRUE));
}
GST_END_TEST;

GST_START_TEST(test_no_caps_but_an_end) {
    GstHarness *h = harness_for("shmringsink", ring, "");

    gst_harness_play(h);
    gst_harness_push_event(h, gst_event_new_eos());
    gst_message_unref(take_message(h->element, GST_MESSAGE_EOS));
    gst_harness_teardown(h);
}
GST_END_TEST;

/* In a thread: when the ring moved, the writer waits until its reader has followed. */
static struct shmring_frame *carry(GstHarness *h, struct shmring_reader *reader, gsize size) {
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, size, NULL);
    struct shmring_frame *frame;
    GThread *thread;

    gst_buffer_memset(buffer, 0, (guint8)(size % 251), size);
    thread = push_in_thread(h, buffer);
    frame = take_frame(reader);
    assert_equals_int(FLOW_OF(thread), GST_FLOW_OK);
    return frame;
}

GST_START_TEST(test_opaque) {
    static const gsize sizes[] = {100, 3 << 20, 7 << 20, 1};
    GstHarness *h = harness_for("shmringsink", ring, "caps=application/x-test");
    struct shmring_reader *reader;

    gst_harness_set_src_caps_str(h, "application/x-test");
    reader = attach_reader(ring);
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        struct shmring_frame *frame = carry(h, reader, sizes[i]);

        assert_equals_uint64(frame->info.seq, i + 1);
        assert_equals_uint64(frame->info.size, sizes[i]);
        assert_equals_int(frame->info.planes, 0);
        assert_equals_int(((const guint8 *)frame->data)[sizes[i] - 1], sizes[i] % 251);
        shmring_frame_release(frame);
    }
    gst_harness_teardown(h);
    shmring_reader_free(reader);
}
GST_END_TEST;

GST_START_TEST(test_long_caps) {
    GstHarness *h = harness_for("shmringsink", ring, "caps=application/x-test");
    gchar *filler = g_strnfill(20000, 'x');
    GstCaps *caps =
        gst_caps_new_simple("application/x-test", "filler", G_TYPE_STRING, filler, NULL);
    struct shmring_reader *reader;
    struct shmring_frame *frame;

    gst_harness_set_src_caps(h, caps);
    reader = attach_reader(ring);
    frame = carry(h, reader, 10);
    fail_unless(strstr(frame->info.caps, filler) != NULL);
    shmring_frame_release(frame);
    g_free(filler);
    gst_harness_teardown(h);
    shmring_reader_free(reader);
}
GST_END_TEST;

GST_START_TEST(test_endless_caps) {
    GstHarness *h = harness_for("shmringsink", ring, "caps=application/x-test");
    gchar *filler = g_strnfill(100000, 'x');

    gst_harness_set_src_caps(
        h, gst_caps_new_simple("application/x-test", "filler", G_TYPE_STRING, filler, NULL));
    assert_equals_int(push_bytes(h, 10), GST_FLOW_ERROR);
    assert_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, ring);
    g_free(filler);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* More than a header holds, beside the caps: the frame crosses without them. */
GST_START_TEST(test_endless_metas) {
    GstHarness *h = harness_for("shmringsink", ring, "caps=application/x-test");
    gchar *filler = g_strnfill(40000, 'x');
    struct shmring_reader *reader;

    gst_harness_set_src_caps(
        h, gst_caps_new_simple("application/x-test", "filler", G_TYPE_STRING, filler, NULL));
    reader = attach_reader(ring);
    for (guint i = 0; i < 3; i++) {
        GstBuffer *buffer = gst_buffer_new_allocate(NULL, 10, NULL);
        struct shmring_frame *frame;
        GThread *thread;

        for (guint k = 0; k < 500; k++)
            gst_buffer_add_video_region_of_interest_meta(buffer, "a-region-of-interest", k, k, 8,
                                                         8);
        thread = push_in_thread(h, buffer);
        frame = take_frame(reader);
        assert_equals_int(FLOW_OF(thread), GST_FLOW_OK);
        assert_equals_uint64(frame->info.metas_size, 0);
        fail_unless(strstr(frame->info.caps, filler) != NULL);
        shmring_frame_release(frame);
    }
    gst_message_unref(take_message(h->element, GST_MESSAGE_WARNING));
    g_free(filler);
    gst_harness_teardown(h);
    shmring_reader_free(reader);
}
GST_END_TEST;

/* Four frames fit. Whoever takes none in time loses its own, and hears how many. */
GST_START_TEST(test_patience) {
    GstHarness *h = harness_for("shmringsink", ring, "slots=4 timeout=0");
    struct shmring_reader *reader;
    struct shmring_frame *frame;

    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    for (guint8 i = 0; i < 5; i++)
        assert_equals_int(gst_harness_push(h, make_picture(GRAY, i)), GST_FLOW_OK);
    frame = take_frame(reader);
    assert_equals_int(((const guint8 *)frame->data)[0], 1);
    assert_equals_uint64(frame->missed, 1);
    shmring_frame_release(frame);
    for (guint8 i = 2; i < 5; i++) {
        frame = take_frame(reader);
        assert_equals_int(((const guint8 *)frame->data)[0], i);
        assert_equals_uint64(frame->missed, 0);
        shmring_frame_release(frame);
    }
    gst_harness_teardown(h);
    shmring_reader_free(reader);
}
GST_END_TEST;

GST_START_TEST(test_eos) {
    GstHarness *h = harness_for("shmringsink", ring, "");
    struct shmring_reader *reader;
    struct shmring_frame *frame;

    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    gst_harness_push(h, make_picture(GRAY, 0));
    fail_unless(gst_harness_push_event(h, gst_event_new_eos()));
    gst_message_unref(take_message(h->element, GST_MESSAGE_EOS));
    shmring_frame_release(take_frame(reader));
    assert_equals_int(shmring_reader_take(reader, SHMRING_FOREVER, &frame, NULL), SHMRING_ENDED);
    gst_harness_teardown(h);
    shmring_reader_free(reader);
}
GST_END_TEST;

GST_START_TEST(test_stop) {
    GstHarness *h = harness_for("shmringsink", ring, "");
    struct shmring_reader *reader;
    struct shmring_frame *frame;

    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    gst_harness_push(h, make_picture(GRAY, 0));
    gst_element_set_state(h->element, GST_STATE_READY);
    fail_if(ring_exists(ring));
    shmring_frame_release(take_frame(reader));
    assert_equals_int(shmring_reader_take(reader, SHMRING_FOREVER, &frame, NULL), SHMRING_CLOSED);
    gst_harness_teardown(h);
    shmring_reader_free(reader);
}
GST_END_TEST;

GST_START_TEST(test_flush) {
    GstHarness *h = harness_for("shmringsink", ring, "");
    struct shmring_reader *reader;
    struct shmring_frame *frame;

    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    gst_harness_push(h, make_picture(GRAY, 1));
    gst_harness_push(h, make_picture(GRAY, 2));
    flush_sink(h);
    gst_harness_push(h, make_picture(GRAY, 3));
    frame = take_frame(reader);
    assert_equals_int(((const guint8 *)frame->data)[0], 3);
    assert_equals_int(frame->info.flags & SHMRING_FRAME_DISCONT, SHMRING_FRAME_DISCONT);
    shmring_frame_release(frame);
    gst_harness_teardown(h);
    shmring_reader_free(reader);
}
GST_END_TEST;

static Suite *sink_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("sink", &tcase);

    tcase_add_test(tcase, test_names);
    tcase_add_test(tcase, test_defaults);
    tcase_add_test(tcase, test_element_name);
    tcase_add_test(tcase, test_default_caps);
    tcase_add_test(tcase, test_any_caps);
    tcase_add_test(tcase, test_any_features);
    tcase_add_test(tcase, test_other_memory_only);
    tcase_add_test(tcase, test_frame);
    tcase_add_test(tcase, test_times);
    tcase_add_test(tcase, test_tight_rows);
    tcase_add_test(tcase, test_padded_rows);
    tcase_add_test(tcase, test_lying_meta);
    tcase_add_test(tcase, test_name_in_use);
    tcase_add_test(tcase, test_no_caps);
    tcase_add_test(tcase, test_no_caps_but_an_end);
    tcase_add_test(tcase, test_opaque);
    tcase_add_test(tcase, test_long_caps);
    tcase_add_test(tcase, test_endless_caps);
    tcase_add_test(tcase, test_endless_metas);
    tcase_add_test(tcase, test_patience);
    tcase_add_test(tcase, test_eos);
    tcase_add_test(tcase, test_stop);
    tcase_add_test(tcase, test_flush);
    return suite;
}

GST_CHECK_MAIN(sink);
