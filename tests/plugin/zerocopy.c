/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole pipelines in front of shmringsink: which of them write straight into the ring, and that
 * none of them hangs, however many buffers it keeps. */
#include "writing.h"

#include <glib/gstdio.h>

/* A frame lasts so long that no busy machine makes a loan give up its wait for the reader. */
#define CAPS "video/x-raw,format=RGB,width=64,height=48,framerate=1/10"
#define SOURCE "videotestsrc num-buffers=200 ! " CAPS " ! "

#define ANY G_MAXUINT

/* Plays ELEMENTS in front of the sink, which publishes FRAMES, all of which its reader gets;
 * returns how many were copied. */
static guint64 copied_of(const gchar *elements, guint frames) {
    guint got;
    GstElement *pipeline = play(ring, elements, &got);
    GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), ring);
    guint64 copied = count_of(sink, "copied");

    if (frames != ANY)
        assert_equals_int(got, frames);
    assert_equals_uint64(copied + count_of(sink, "in-place"), got);
    assert_equals_uint64(count_of(sink, "dropped"), 0);
    stop_pipeline(pipeline);
    gst_object_unref(sink);
    return copied;
}

static void keeps_up(const gchar *elements) {
    copied_of(elements, 200);
}

static void copies_nothing(const gchar *elements) {
    assert_equals_uint64(copied_of(elements, 200), 0);
}

/* ---- Straight into the ring --------------------------------------------------------------- */

GST_START_TEST(test_source) {
    copies_nothing("videotestsrc num-buffers=200 ! video/x-raw,framerate=1/10");
}
GST_END_TEST;

GST_START_TEST(test_videoconvert) {
    copies_nothing(SOURCE "videoconvert");
}
GST_END_TEST;

GST_START_TEST(test_videoscale) {
    copies_nothing(SOURCE "videoconvert ! videoscale ! video/x-raw,width=641,height=33");
}
GST_END_TEST;

GST_START_TEST(test_through_elements) {
    copies_nothing(SOURCE "videoconvert ! identity ! capsfilter ! queue max-size-buffers=1");
}
GST_END_TEST;

/* A pipeline that ran to its end. */
static void make_file(const gchar *elements, const gchar *path) {
    gchar *text = g_strdup_printf("%s ! filesink location=%s", elements, path);
    GstElement *pipeline = gst_parse_launch(text, NULL);

    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    wait_for_end(pipeline);
    stop_pipeline(pipeline);
    g_free(text);
}

static guint64 copied_from_file(const gchar *encoder, const gchar *decoder) {
    gchar *path = g_strdup_printf("%s/%s", g_get_tmp_dir(), ring);
    gchar *elements = g_strdup_printf("filesrc location=%s ! %s", path, decoder);
    guint64 copied;

    make_file(encoder, path);
    copied = copied_of(elements, 200);
    g_unlink(path);
    g_free(elements);
    g_free(path);
    return copied;
}

GST_START_TEST(test_decoded_file) {
    guint64 copied =
        copied_from_file(SOURCE "videoconvert ! theoraenc ! oggmux", "decodebin ! videoconvert");

    assert_equals_uint64(copied, 0);
}
GST_END_TEST;

/* ---- Upstream that keeps buffers ---------------------------------------------------------- */

GST_START_TEST(test_queue_with_threshold) {
    keeps_up(SOURCE "videoconvert ! queue min-threshold-buffers=50 max-size-buffers=100");
}
GST_END_TEST;

GST_START_TEST(test_long_queue) {
    keeps_up(SOURCE "videoconvert ! queue max-size-buffers=200 max-size-time=0 max-size-bytes=0 "
                    "min-threshold-buffers=199");
}
GST_END_TEST;

GST_START_TEST(test_tee) {
    keeps_up(SOURCE "videoconvert ! tee name=t t. ! queue ! fakesink t. ! queue");
}
GST_END_TEST;

GST_START_TEST(test_tee_behind_pool) {
    keeps_up(SOURCE "videoconvert ! tee allow-not-linked=true");
}
GST_END_TEST;

/* How it rounds at the end is its own: 194 frames by 1.22, 197 by 1.28. */
GST_START_TEST(test_videorate) {
    guint64 copied = copied_of("videotestsrc num-buffers=40 ! video/x-raw,framerate=1/10,width=64,"
                               "height=48,format=RGB ! videoconvert ! videorate ! "
                               "video/x-raw,framerate=1/2",
                               ANY);

    fail_unless(copied >= 150);
}
GST_END_TEST;

static gboolean has_element(const gchar *name) {
    GstElementFactory *factory = gst_element_factory_find(name);

    if (factory != NULL)
        gst_object_unref(factory);
    return factory != NULL;
}

/* libav keeps its frames mapped for writing while it refers to them. */
GST_START_TEST(test_libav) {
    static const gchar *encoders[] = {"x264enc", "openh264enc"};

    for (gsize i = 0; i < G_N_ELEMENTS(encoders); i++) {
        gchar *encoder =
            g_strdup_printf(SOURCE "videoconvert ! %s ! h264parse ! matroskamux", encoders[i]);

        if (has_element(encoders[i]) && has_element("avdec_h264"))
            copied_from_file(encoder, "matroskademux ! h264parse ! avdec_h264 ! videoconvert");
        g_free(encoder);
    }
}
GST_END_TEST;

/* As before, but its frames are the sink's. */
GST_START_TEST(test_libav_into_slots) {
    gchar *path = g_strdup_printf("%s/%s", g_get_tmp_dir(), ring);
    gchar *text = g_strdup_printf("filesrc location=%s ! matroskademux ! h264parse ! avdec_h264 ! "
                                  "shmringsink name=%s caps=video/x-raw",
                                  path, ring);
    GstElement *pipeline;

    if (has_element("openh264enc") && has_element("avdec_h264")) {
        make_file(SOURCE "videoconvert ! openh264enc ! h264parse ! matroskamux", path);
        pipeline = gst_parse_launch(text, NULL);
        gst_element_set_state(pipeline, GST_STATE_PLAYING);
        wait_for_end(pipeline);
        stop_pipeline(pipeline);
        g_unlink(path);
    }
    g_free(text);
    g_free(path);
}
GST_END_TEST;

/* ---- Again and again ---------------------------------------------------------------------- */

static guint entries_of(const gchar *path) {
    GDir *dir = g_dir_open(path, 0, NULL);
    guint count = 0;

    while (g_dir_read_name(dir) != NULL)
        count++;
    g_dir_close(dir);
    return count;
}

static guint maps_of_ring(void) {
    gchar *maps, **parts;
    guint count;

    fail_unless(g_file_get_contents("/proc/self/maps", &maps, NULL, NULL));
    parts = g_strsplit(maps, ring, -1);
    count = g_strv_length(parts) - 1;
    g_strfreev(parts);
    g_free(maps);
    return count;
}

static void play_once(GstElement *pipeline) {
    GstState state;

    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    assert_equals_int(gst_element_get_state(pipeline, &state, NULL, GST_CLOCK_TIME_NONE),
                      GST_STATE_CHANGE_SUCCESS);
    assert_equals_int(gst_element_set_state(pipeline, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
}

/* Buffers of the pool are on their way whenever it stops. */
GST_START_TEST(test_repeated_states) {
    gchar *text = g_strdup_printf("videotestsrc ! " CAPS " ! videoconvert ! queue ! "
                                  "shmringsink name=%s",
                                  ring);
    GstElement *pipeline = gst_parse_launch(text, NULL);
    guint fds;

    play_once(pipeline);
    fds = entries_of("/proc/self/fd");
    for (gint i = 0; i < 100; i++) {
        play_once(pipeline);
        assert_equals_int(maps_of_ring(), 0);
        fail_if(ring_exists(ring));
    }
    assert_equals_int(entries_of("/proc/self/fd"), fds);
    stop_pipeline(pipeline);
    g_free(text);
}
GST_END_TEST;

static Suite *zerocopy_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("zerocopy", &tcase);

    tcase_add_test(tcase, test_source);
    tcase_add_test(tcase, test_videoconvert);
    tcase_add_test(tcase, test_videoscale);
    tcase_add_test(tcase, test_through_elements);
    tcase_add_test(tcase, test_decoded_file);
    tcase_add_test(tcase, test_queue_with_threshold);
    tcase_add_test(tcase, test_long_queue);
    tcase_add_test(tcase, test_tee);
    tcase_add_test(tcase, test_tee_behind_pool);
    tcase_add_test(tcase, test_videorate);
    tcase_add_test(tcase, test_libav);
    tcase_add_test(tcase, test_libav_into_slots);
    tcase_add_test(tcase, test_repeated_states);
    return suite;
}

GST_CHECK_MAIN(zerocopy);
