/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* shmring:// URIs: what they set, what they refuse, and that no player waits for ever. */
#include "reading.h"

#include <string.h>

static GstElement *element_of(const gchar *uri) {
    GError *error = NULL;
    GstElement *element = gst_element_make_from_uri(GST_URI_SRC, uri, NULL, &error);

    fail_unless(element != NULL, "%s: %s", uri, error != NULL ? error->message : "");
    gst_object_ref_sink(element);
    fail_unless(g_str_equal(G_OBJECT_TYPE_NAME(element), "GstShmRingSrc"));
    return element;
}

static void assert_uri(GstElement *element, const gchar *expected) {
    gchar *uri = gst_uri_handler_get_uri(GST_URI_HANDLER(element));

    fail_unless(g_strcmp0(uri, expected) == 0, "%s", uri);
    g_free(uri);
}

GST_START_TEST(test_name) {
    GstElement *element = element_of("shmring://Cam_0.front-left");
    gchar *name;

    g_object_get(element, "ring-name", &name, NULL);
    assert_equals_string(name, "Cam_0.front-left");
    assert_uri(element, "shmring://Cam_0.front-left");
    g_free(name);
    gst_object_unref(element);
}
GST_END_TEST;

GST_START_TEST(test_properties) {
    GstElement *element = element_of("shmring://cam0?leaky-type=downstream&max-buffers=3&lease=4&"
                                     "timeout=5000000000&connection-timeout=-1&is-live=false&"
                                     "on-disconnect=wait");
    guint64 timeout, connection_timeout;
    gint leaky_type, on_disconnect;
    guint max_buffers, lease;
    gboolean is_live;

    g_object_get(element, "leaky-type", &leaky_type, "max-buffers", &max_buffers, "lease", &lease,
                 "timeout", &timeout, "connection-timeout", &connection_timeout, "is-live",
                 &is_live, "on-disconnect", &on_disconnect, NULL);
    assert_equals_int(leaky_type, 1);
    assert_equals_int(max_buffers, 3);
    assert_equals_int(lease, 4);
    assert_equals_uint64(timeout, 5 * GST_SECOND);
    assert_equals_uint64(connection_timeout, GST_CLOCK_TIME_NONE);
    fail_if(is_live);
    assert_equals_int(on_disconnect, 3);
    gst_object_unref(element);
}
GST_END_TEST;

/* What one element says, another understands. */
GST_START_TEST(test_round_trip) {
    GstElement *element = element_of("shmring://cam0?lease=4&leaky-type=downstream");
    gchar *uri = gst_uri_handler_get_uri(GST_URI_HANDLER(element));
    GstElement *other = element_of(uri);

    fail_unless(strstr(uri, "lease=4") != NULL && strstr(uri, "leaky-type=downstream") != NULL);
    fail_if(strstr(uri, "timeout") != NULL);
    assert_uri(other, uri);
    g_free(uri);
    gst_object_unref(other);
    gst_object_unref(element);
}
GST_END_TEST;

/* Also that nothing of a URI is set when a part of it is wrong. */
static void refuses(const gchar *uri, GstURIError code, const gchar *part) {
    GstElement *element = gst_element_factory_make("shmringsrc", NULL);
    GError *error = NULL;

    gst_object_ref_sink(element);
    fail_if(gst_uri_handler_set_uri(GST_URI_HANDLER(element), uri, &error), "%s", uri);
    fail_unless(g_error_matches(error, GST_URI_ERROR, (gint)code), "%s: %s", uri, error->message);
    fail_unless(strstr(error->message, part) != NULL, "\"%s\" has no \"%s\"", error->message, part);
    assert_uri(element, NULL);
    g_error_free(error);
    gst_object_unref(element);
}

GST_START_TEST(test_bad) {
    refuses("shmring://", GST_URI_ERROR_BAD_URI, "empty");
    refuses("shmring://.cam0", GST_URI_ERROR_BAD_URI, ".cam0");
    refuses("shmring://cam0.ctl", GST_URI_ERROR_BAD_URI, "cam0.ctl");
    refuses("shmring://cam0/left", GST_URI_ERROR_BAD_URI, "form");
    refuses("shmring://cam0:80", GST_URI_ERROR_BAD_URI, "form");
    refuses("shmring://me@cam0", GST_URI_ERROR_BAD_URI, "form");
    refuses("shmring://cam0?depth=3", GST_URI_ERROR_BAD_REFERENCE, "\"depth\"");
    refuses("shmring://cam0?name=x", GST_URI_ERROR_BAD_REFERENCE, "\"name\"");
    refuses("shmring://cam0?ring-name=x", GST_URI_ERROR_BAD_REFERENCE, "\"ring-name\"");
    refuses("shmring://cam0?ring-stats=x", GST_URI_ERROR_BAD_REFERENCE, "\"ring-stats\"");
    refuses("shmring://cam0?leaky-type=upstream", GST_URI_ERROR_BAD_REFERENCE, "upstream");
    refuses("shmring://cam0?lease=257", GST_URI_ERROR_BAD_REFERENCE, "257");
    refuses("shmring://cam0?lease=2&max-buffers=0", GST_URI_ERROR_BAD_REFERENCE, "max-buffers");
    refuses("shmring://cam0?lease", GST_URI_ERROR_BAD_REFERENCE, "lease");
    refuses("shmring://cam0?le%3jase=1", GST_URI_ERROR_BAD_URI, "form");
}
GST_END_TEST;

GST_START_TEST(test_state) {
    GstElement *element = element_of("shmring://cam0");
    GError *error = NULL;

    gst_element_set_state(element, GST_STATE_PAUSED);
    fail_if(gst_uri_handler_set_uri(GST_URI_HANDLER(element), "shmring://cam1", &error));
    fail_unless(g_error_matches(error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE));
    assert_uri(element, "shmring://cam0");
    g_error_free(error);
    gst_element_set_state(element, GST_STATE_NULL);
    gst_object_unref(element);
}
GST_END_TEST;

/* ---- Players -----------------------------------------------------------------------------------
 */

static GstElement *player(const gchar *uri) {
    gchar *text = g_strdup_printf("uridecodebin uri=%s ! fakesink num-buffers=3", uri);
    GstElement *pipeline = gst_parse_launch(text, NULL);

    fail_unless(pipeline != NULL);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    g_free(text);
    return pipeline;
}

static void stop_player(GstElement *pipeline) {
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
}

GST_START_TEST(test_plays) {
    struct shmring_writer *writer = open_writer(ring, 32);
    struct shmring_frame_info info = gray_info();
    gchar *uri = g_strdup_printf("shmring://%s?lease=0", ring);
    GstElement *pipeline = player(uri);

    assert_equals_int(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_OK);
    for (gint i = 0; i < 3; i++)
        publish(writer, &info, 0);
    gst_message_unref(take_message(pipeline, GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    stop_player(pipeline);
    shmring_writer_close(writer);
    g_free(uri);
}
GST_END_TEST;

/* A gap every 100 ms is no frame. */
static gpointer publish_gaps(gpointer data) {
    struct shmring_frame_info gap = gray_info();
    gint *is_over = data;
    struct shmring_writer *writer = open_writer(ring, 32);

    gap.planes = 0;
    gap.size = 0;
    gap.flags = SHMRING_FRAME_GAP;
    while (!g_atomic_int_get(is_over)) {
        publish(writer, &gap, 0);
        g_usleep(100000);
    }
    shmring_writer_close(writer);
    return NULL;
}

/* A ring that is missing and one without pictures, at once, since it takes ten seconds. */
GST_START_TEST(test_first_frame_has_a_time) {
    gint is_over = FALSE;
    GThread *thread = g_thread_new("gaps", publish_gaps, &is_over);
    gchar *missing_uri = g_strdup_printf("shmring://%s-missing", ring);
    gchar *silent_uri = g_strdup_printf("shmring://%s", ring);
    GstElement *missing = player(missing_uri), *silent = player(silent_uri);

    assert_error(missing, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "-missing");
    assert_error(silent, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, ring);
    stop_player(missing);
    stop_player(silent);
    g_atomic_int_set(&is_over, TRUE);
    g_thread_join(thread);
    g_free(missing_uri);
    g_free(silent_uri);
}
GST_END_TEST;

static Suite *uri_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("uri", &tcase);

    tcase_add_test(tcase, test_name);
    tcase_add_test(tcase, test_properties);
    tcase_add_test(tcase, test_round_trip);
    tcase_add_test(tcase, test_bad);
    tcase_add_test(tcase, test_state);
    tcase_add_test(tcase, test_plays);
    tcase_add_test(tcase, test_first_frame_has_a_time);
    return suite;
}

GST_CHECK_MAIN(uri);
