/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames outlive what brought them, and elements leave nothing behind. */
#include "support.h"

static GstBuffer *one_buffer(struct shmring_writer *writer, guint8 seed) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_frame_info info = gray_info();
    GstBuffer *buffer;

    gst_harness_play(h);
    shmring_writer_wait_reader(writer, SHMRING_FOREVER);
    publish(writer, &info, seed);
    buffer = gst_harness_pull(h);
    gst_harness_teardown(h);
    return buffer;
}

/* The writer goes on over all its slots: a slot that was given back would change. */
GST_START_TEST(test_buffer_outlives_element) {
    struct shmring_writer *writer = open_writer(ring, 32);
    struct shmring_frame_info info = gray_info();
    GstBuffer *buffer = one_buffer(writer, 1);

    for (guint8 i = 100; i < 150; i++)
        publish(writer, &info, i);
    assert_picture(buffer, GRAY, 1);
    gst_buffer_unref(buffer);
    shmring_writer_close(writer);
}
GST_END_TEST;

GST_START_TEST(test_buffer_outlives_writer) {
    struct shmring_writer *writer = open_writer(ring, 32);
    GstBuffer *buffer = one_buffer(writer, 2);

    shmring_writer_close(writer);
    assert_picture(buffer, GRAY, 2);
    gst_buffer_unref(buffer);
}
GST_END_TEST;

GST_START_TEST(test_region_outlives_buffer) {
    struct shmring_writer *writer = open_writer(ring, 32);
    struct shmring_frame_info info = gray_info();
    GstBuffer *buffer = one_buffer(writer, 3);
    GstBuffer *region = gst_buffer_copy_region(buffer, GST_BUFFER_COPY_MEMORY, 8, 8);
    GstMapInfo map;

    gst_buffer_unref(buffer);
    for (guint8 i = 100; i < 150; i++)
        publish(writer, &info, i);
    fail_unless(gst_buffer_map(region, &map, GST_MAP_READ));
    for (gsize i = 0; i < map.size; i++)
        assert_equals_int(map.data[i], picture_byte(8 + i, 3));
    gst_buffer_unmap(region, &map);
    gst_buffer_unref(region);
    shmring_writer_close(writer);
}
GST_END_TEST;

/* Writing goes to a copy, never through to the ring. */
GST_START_TEST(test_writable_copy) {
    struct shmring_writer *writer = open_writer(ring, 32);
    GstBuffer *buffer = one_buffer(writer, 4);
    GstBuffer *copy = gst_buffer_copy(buffer);

    copy = gst_buffer_make_writable(copy);
    assert_equals_int(gst_buffer_memset(copy, 0, 0, 32), 32);
    assert_picture(buffer, GRAY, 4);
    gst_buffer_unref(copy);
    gst_buffer_unref(buffer);
    shmring_writer_close(writer);
}
GST_END_TEST;

GST_START_TEST(test_sample_outlives_pipelines) {
    gchar *text = g_strdup_printf("videotestsrc pattern=white ! video/x-raw,width=64,height=48 ! "
                                  "videoconvert ! shmringsink name=%s",
                                  ring);
    GstElement *writer = gst_parse_launch(text, NULL);
    GstElement *reader =
        gst_parse_launch("shmringsrc name=src ! appsink name=sink sync=false", NULL);
    GstElement *src = gst_bin_get_by_name(GST_BIN(reader), "src");
    GstElement *sink = gst_bin_get_by_name(GST_BIN(reader), "sink");
    GstSample *sample;
    GstMapInfo map;

    g_object_set(src, "ring-name", ring, NULL);
    gst_element_set_state(writer, GST_STATE_PLAYING);
    gst_element_set_state(reader, GST_STATE_PLAYING);
    g_signal_emit_by_name(sink, "pull-sample", &sample);
    gst_element_set_state(reader, GST_STATE_NULL);
    gst_element_set_state(writer, GST_STATE_NULL);
    gst_object_unref(src);
    gst_object_unref(sink);
    gst_object_unref(reader);
    gst_object_unref(writer);
    fail_unless(gst_buffer_map(gst_sample_get_buffer(sample), &map, GST_MAP_READ));
    assert_equals_int(map.size, 64 * 48 * 3);
    for (gsize i = 0; i < map.size; i++)
        fail_unless(map.data[i] >= 254);
    gst_buffer_unmap(gst_sample_get_buffer(sample), &map);
    gst_sample_unref(sample);
    g_free(text);
}
GST_END_TEST;

static guint count_lines(const gchar *path) {
    gchar *text;
    guint lines = 0;

    fail_unless(g_file_get_contents(path, &text, NULL, NULL));
    for (const gchar *at = text; *at != '\0'; at++)
        lines += *at == '\n';
    g_free(text);
    return lines;
}

static guint count_fds(void) {
    GDir *dir = g_dir_open("/proc/self/fd", 0, NULL);
    guint fds = 0;

    while (g_dir_read_name(dir) != NULL)
        fds++;
    g_dir_close(dir);
    return fds;
}

static void play_once(GstHarness *sink, GstHarness *src) {
    GstBuffer *buffer;

    gst_element_set_state(sink->element, GST_STATE_PLAYING);
    gst_harness_set_src_caps_str(sink, GRAY);
    gst_element_set_state(src->element, GST_STATE_PLAYING);
    assert_equals_int(gst_harness_push(sink, make_picture(GRAY, 5)), GST_FLOW_OK);
    buffer = gst_harness_pull(src);
    assert_picture(buffer, GRAY, 5);
    gst_buffer_unref(buffer);
    gst_element_set_state(src->element, GST_STATE_NULL);
    gst_element_set_state(sink->element, GST_STATE_NULL);
}

GST_START_TEST(test_repeated_states) {
    GstHarness *sink = harness_for("shmringsink", ring, "wait-for-connection=true");
    GstHarness *src = harness_for("shmringsrc", ring, "");
    guint fds, maps;

    play_once(sink, src);
    fds = count_fds();
    maps = count_lines("/proc/self/maps");
    for (gint i = 0; i < 100; i++)
        play_once(sink, src);
    assert_equals_int(count_fds(), fds);
    /* threads' stacks and the heap may add a few, a leak of the ring's would add hundreds */
    fail_unless(count_lines("/proc/self/maps") < maps + 50);
    gst_harness_teardown(sink);
    gst_harness_teardown(src);
}
GST_END_TEST;

static Suite *lifetime_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("lifetime", &tcase);

    tcase_add_test(tcase, test_buffer_outlives_element);
    tcase_add_test(tcase, test_buffer_outlives_writer);
    tcase_add_test(tcase, test_region_outlives_buffer);
    tcase_add_test(tcase, test_writable_copy);
    tcase_add_test(tcase, test_sample_outlives_pipelines);
    tcase_add_test(tcase, test_repeated_states);
    return suite;
}

GST_CHECK_MAIN(lifetime);
