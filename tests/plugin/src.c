/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* shmringsrc, fed by a writer in plain C. */
#include "reading.h"

#include <string.h>
#include <unistd.h>

GST_START_TEST(test_caps_from_text) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 100);
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    GstBuffer *buffer;

    info.size = 100;
    info.caps = "application/x-test, n=(int)1";
    publish(writer, &info, 0);
    buffer = gst_harness_pull(h);
    assert_equals_int(gst_buffer_get_size(buffer), 100);
    assert_caps(h, "application/x-test,n=1");
    gst_buffer_unref(buffer);
    info.caps = "application/x-test, n=(int)2";
    publish(writer, &info, 0);
    gst_buffer_unref(gst_harness_pull(h));
    assert_caps(h, "application/x-test,n=2");
    stop_reading(h, writer);
}
GST_END_TEST;

GST_START_TEST(test_caps_from_header) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 32);
    struct shmring_frame_info info = gray_info();
    GstCaps *caps, *expected = gst_caps_from_string(GRAY);
    GstBuffer *buffer;

    publish(writer, &info, 5);
    buffer = gst_harness_pull(h);
    caps = gst_pad_get_current_caps(h->sinkpad);
    fail_unless(gst_caps_is_subset(caps, expected), "%" GST_PTR_FORMAT, caps);
    gst_caps_unref(caps);
    gst_caps_unref(expected);
    assert_picture(buffer, GRAY, 5);
    gst_buffer_unref(buffer);
    stop_reading(h, writer);
}
GST_END_TEST;

GST_START_TEST(test_caps_refused) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer;
    struct shmring_frame_info info = gray_info();

    gst_harness_set_sink_caps_str(h, "audio/x-raw");
    writer = writer_for(h, ring, 32);
    publish(writer, &info, 0);
    assert_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE, ring);
    stop_reading(h, writer);
}
GST_END_TEST;

GST_START_TEST(test_query_caps) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 32);
    struct shmring_frame_info info = gray_info();
    GstPad *pad = gst_element_get_static_pad(h->element, "src");
    GstCaps *gray = gst_caps_from_string(GRAY), *caps = gst_pad_query_caps(pad, NULL);

    fail_unless(gst_caps_is_any(caps));
    gst_caps_unref(caps);
    publish(writer, &info, 0);
    gst_buffer_unref(gst_harness_pull(h));
    caps = gst_pad_query_caps(pad, NULL);
    fail_unless(gst_caps_is_fixed(caps) && gst_caps_can_intersect(caps, gray));
    gst_caps_unref(caps);
    gst_caps_unref(gray);
    gst_object_unref(pad);
    stop_reading(h, writer);
}
GST_END_TEST;

/* The line of /proc/self/maps that ADDRESS lies in. */
static gchar *mapping_of(gconstpointer address) {
    gchar *maps, *found = NULL, **lines;

    fail_unless(g_file_get_contents("/proc/self/maps", &maps, NULL, NULL));
    lines = g_strsplit(maps, "\n", -1);
    for (gchar **line = lines; **line != '\0'; line++) {
        guint64 begin = g_ascii_strtoull(*line, NULL, 16);
        guint64 end = g_ascii_strtoull(strchr(*line, '-') + 1, NULL, 16);

        if ((guintptr)address >= begin && (guintptr)address < end)
            found = g_strdup(*line);
    }
    g_strfreev(lines);
    g_free(maps);
    return found;
}

GST_START_TEST(test_memory_in_place) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 32);
    struct shmring_frame_info info = gray_info();
    GstBuffer *buffer;
    GstMapInfo map;
    gchar *mapping;

    publish(writer, &info, 0);
    buffer = gst_harness_pull(h);
    fail_unless(gst_buffer_map(buffer, &map, GST_MAP_READ));
    mapping = mapping_of(map.data);
    fail_unless(strstr(mapping, "/dev/shm/") != NULL && strstr(mapping, " r--s ") != NULL, "%s",
                mapping);
    g_free(mapping);
    gst_buffer_unmap(buffer, &map);
    fail_unless(GST_MEMORY_IS_READONLY(gst_buffer_peek_memory(buffer, 0)));
    gst_buffer_unref(buffer);
    stop_reading(h, writer);
}
GST_END_TEST;

/* Tight rows, as OpenCV and numpy lay them: not GStreamer's own layout. */
static struct shmring_frame_info tight_bgr(void) {
    struct shmring_frame_info info = gray_info();

    strcpy(info.format, "BGR");
    info.width = 5;
    info.channels = 3;
    info.stride[0] = 15;
    info.size = 15 * 4;
    return info;
}

static void assert_tight(GstBuffer *buffer, gint stride) {
    GstVideoInfo video;
    GstVideoFrame frame;

    gst_video_info_set_format(&video, GST_VIDEO_FORMAT_BGR, 5, 4);
    fail_unless(gst_video_frame_map(&frame, &video, buffer, GST_MAP_READ));
    assert_equals_int(GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0), stride);
    for (gsize row = 0; row < 4; row++) {
        const guint8 *bytes = GST_VIDEO_FRAME_PLANE_DATA(&frame, 0);

        for (gsize i = 0; i < 15; i++)
            assert_equals_int(bytes[row * (gsize)stride + i], picture_byte(row * 15 + i, 3));
    }
    gst_video_frame_unmap(&frame);
}

GST_START_TEST(test_strides_with_meta) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_frame_info info = tight_bgr();
    struct shmring_writer *writer;
    GstBuffer *buffer;

    gst_harness_add_propose_allocation_meta(h, GST_VIDEO_META_API_TYPE, NULL);
    writer = writer_for(h, ring, 60);
    publish(writer, &info, 3);
    buffer = gst_harness_pull(h);
    assert_equals_int(gst_buffer_get_size(buffer), 60);
    assert_tight(buffer, 15);
    gst_buffer_unref(buffer);
    stop_reading(h, writer);
}
GST_END_TEST;

GST_START_TEST(test_strides_without_meta) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_frame_info info = tight_bgr();
    struct shmring_writer *writer = writer_for(h, ring, 60);
    GstBuffer *buffer;

    info.pts_ns = info.clock_ns = GST_SECOND;
    publish(writer, &info, 3);
    buffer = gst_harness_pull(h);
    fail_unless(gst_buffer_get_video_meta(buffer) == NULL);
    assert_equals_uint64(GST_BUFFER_PTS(buffer), GST_SECOND);
    assert_equals_int(gst_buffer_get_size(buffer), 64);
    assert_tight(buffer, 16);
    gst_buffer_unref(buffer);
    stop_reading(h, writer);
}
GST_END_TEST;

/* Nobody knows when they were made: they are of the moment at which they came. */
GST_START_TEST(test_no_time) {
    GstHarness *h = with_base_time("");
    struct shmring_writer *writer = writer_for(h, ring, 32);
    struct shmring_frame_info info = gray_info();
    GstClockTime begin = gst_util_get_timestamp() - 900 * GST_SECOND;

    info.pts_ns = SHMRING_TIME_NONE;
    for (gint i = 0; i < 2; i++) {
        GstBuffer *buffer;

        publish(writer, &info, 0);
        buffer = gst_harness_pull(h);
        fail_unless(GST_BUFFER_PTS(buffer) >= begin &&
                    GST_BUFFER_PTS(buffer) < begin + 60 * GST_SECOND);
        fail_if(GST_BUFFER_DTS_IS_VALID(buffer));
        begin = GST_BUFFER_PTS(buffer);
        gst_buffer_unref(buffer);
    }
    stop_reading(h, writer);
}
GST_END_TEST;

GST_START_TEST(test_flags) {
    static const struct {
        guint32 shm;
        guint gst;
    } flags[] = {
        {SHMRING_FRAME_CORRUPTED, GST_BUFFER_FLAG_CORRUPTED},
        {SHMRING_FRAME_GAP, GST_BUFFER_FLAG_GAP},
        {SHMRING_FRAME_DELTA, GST_BUFFER_FLAG_DELTA_UNIT},
        {SHMRING_FRAME_HEADER, GST_BUFFER_FLAG_HEADER},
        {SHMRING_FRAME_INTERLACED | SHMRING_FRAME_TFF,
         GST_VIDEO_BUFFER_FLAG_INTERLACED | GST_VIDEO_BUFFER_FLAG_TFF},
        {SHMRING_FRAME_RFF, GST_VIDEO_BUFFER_FLAG_RFF},
        {SHMRING_FRAME_ONEFIELD, GST_VIDEO_BUFFER_FLAG_ONEFIELD},
    };
    const guint all = GST_BUFFER_FLAG_CORRUPTED | GST_BUFFER_FLAG_GAP | GST_BUFFER_FLAG_DELTA_UNIT |
                      GST_BUFFER_FLAG_HEADER | GST_VIDEO_BUFFER_FLAG_INTERLACED |
                      GST_VIDEO_BUFFER_FLAG_TFF | GST_VIDEO_BUFFER_FLAG_RFF |
                      GST_VIDEO_BUFFER_FLAG_ONEFIELD;
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 32);
    struct shmring_frame_info info = gray_info();

    for (gsize i = 0; i < G_N_ELEMENTS(flags); i++) {
        GstBuffer *buffer;

        info.flags = flags[i].shm;
        publish(writer, &info, 0);
        buffer = gst_harness_pull(h);
        assert_equals_int(GST_BUFFER_FLAGS(buffer) & all, flags[i].gst);
        assert_equals_int(GST_BUFFER_IS_DISCONT(buffer), i == 0);
        gst_buffer_unref(buffer);
    }
    stop_reading(h, writer);
}
GST_END_TEST;

GST_START_TEST(test_timeout) {
    GstHarness *h = harness_for("shmringsrc", ring, "timeout=1000000");
    struct shmring_writer *writer = open_writer(ring, 32);

    gst_harness_play(h);
    assert_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, ring);
    stop_reading(h, writer);
}
GST_END_TEST;

GST_START_TEST(test_automatic_name) {
    GstElement *src = gst_parse_launch("shmringsrc", NULL);
    GstBus *bus = gst_bus_new();

    gst_element_set_bus(src, bus);
    gst_object_unref(bus);
    fail_unless(gst_element_set_state(src, GST_STATE_PAUSED) == GST_STATE_CHANGE_FAILURE);
    assert_error(src, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "ring-name=cam0");
    gst_element_set_state(src, GST_STATE_NULL);
    gst_element_set_bus(src, NULL);
    gst_object_unref(src);
}
GST_END_TEST;

GST_START_TEST(test_leaky) {
    GstHarness *h = harness_for("shmringsrc", ring, "leaky-type=downstream max-buffers=2");
    struct shmring_writer *writer;
    struct shmring_frame_info info = gray_info();
    GMutex gate;

    g_mutex_init(&gate);
    hold_buffers(h, &gate);
    writer = writer_for(h, ring, 32);
    g_mutex_lock(&gate);
    for (info.frame_number = 0; info.frame_number < 50; info.frame_number++)
        publish(writer, &info, 0);
    g_mutex_unlock(&gate);
    shmring_writer_end(writer);
    /* whatever it had taken before it was held, the last two come, and in order */
    for (gint64 last = -1, number; last < 49; last = number) {
        number = (gint64)pull_number(h);
        fail_unless(number > last);
        fail_unless(last < 48 || number == 49);
    }
    fail_unless(gst_harness_buffers_received(h) <= 8);
    g_mutex_clear(&gate);
    stop_reading(h, writer);
}
GST_END_TEST;

GST_START_TEST(test_hoarding) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 32);
    struct shmring_frame_info info = gray_info();
    GstBuffer *held[50];

    for (guint8 i = 0; i < G_N_ELEMENTS(held); i++) {
        publish(writer, &info, i);
        held[i] = gst_harness_pull(h);
    }
    for (guint8 i = 0; i < G_N_ELEMENTS(held); i++) {
        assert_picture(held[i], GRAY, i);
        gst_buffer_unref(held[i]);
    }
    stop_reading(h, writer);
}
GST_END_TEST;

/* Who reads does not steer who writes. */
static void give_away(const gchar *name) {
    gchar *path = g_strconcat("/dev/shm/", name, NULL);

    assert_equals_int(chown(path, NOBODY, NOBODY), 0);
    g_free(path);
}

/* Only root can give a ring away. */
GST_START_TEST(test_any_owner) {
    struct shmring_frame_info info = gray_info();
    struct shmring_writer *writer;
    GstHarness *h;
    gchar *ctl;

    if (geteuid() != 0)
        return;
    writer = open_writer(ring, 32);
    ctl = g_strconcat(ring, ".ctl", NULL);
    give_away(ring);
    give_away(ctl);
    g_free(ctl);
    h = harness_for("shmringsrc", ring, "");
    gst_harness_play(h);
    assert_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED, "any-owner");
    gst_harness_teardown(h);
    h = harness_for("shmringsrc", ring, "any-owner=true");
    gst_harness_play(h);
    assert_equals_int(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_OK);
    publish(writer, &info, 0);
    gst_buffer_unref(gst_harness_pull(h));
    stop_reading(h, writer);
}
GST_END_TEST;

GST_START_TEST(test_no_seek) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 32);
    struct shmring_frame_info info = gray_info();

    fail_if(gst_harness_push_upstream_event(
        h, gst_event_new_seek(1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0,
                              GST_SEEK_TYPE_NONE, 0)));
    publish(writer, &info, 0);
    gst_buffer_unref(gst_harness_pull(h));
    stop_reading(h, writer);
}
GST_END_TEST;

static Suite *src_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("src", &tcase);

    tcase_add_test(tcase, test_caps_from_text);
    tcase_add_test(tcase, test_caps_from_header);
    tcase_add_test(tcase, test_caps_refused);
    tcase_add_test(tcase, test_query_caps);
    tcase_add_test(tcase, test_memory_in_place);
    tcase_add_test(tcase, test_strides_with_meta);
    tcase_add_test(tcase, test_strides_without_meta);
    tcase_add_test(tcase, test_no_time);
    tcase_add_test(tcase, test_flags);
    tcase_add_test(tcase, test_timeout);
    tcase_add_test(tcase, test_automatic_name);
    tcase_add_test(tcase, test_leaky);
    tcase_add_test(tcase, test_hoarding);
    tcase_add_test(tcase, test_no_seek);
    tcase_add_test(tcase, test_any_owner);
    return suite;
}

GST_CHECK_MAIN(src);
