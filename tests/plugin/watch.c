/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What shmringsink says of its readers: who does not read, and what they ask for. */
#include "writing.h"

#include <string.h>
#include <unistd.h>

#define ENCODED "application/x-test"

/* ---- Who does not read --------------------------------------------------------------------------
 */

static void assert_warning(GstElement *element, const gchar *part, const gchar *other) {
    GstMessage *message = take_message(element, GST_MESSAGE_WARNING);
    GError *error;

    gst_message_parse_warning(message, &error, NULL);
    fail_unless(strstr(error->message, part) != NULL, "\"%s\" has no \"%s\"", error->message, part);
    fail_unless(strstr(error->message, other) != NULL, "\"%s\" has no \"%s\"", error->message,
                other);
    g_error_free(error);
    gst_message_unref(message);
}

static void push(GstHarness *h, guint frames) {
    for (guint i = 0; i < frames; i++)
        assert_equals_int(gst_harness_push(h, make_picture(GRAY, 0)), GST_FLOW_OK);
}

/* Told once an episode, with who it is. */
GST_START_TEST(test_stuck) {
    GstHarness *h = harness_for("shmringsink", ring, "slots=4 timeout=0");
    gchar *who = g_strdup_printf("(pid %d)", getpid());
    struct shmring_reader *reader;

    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    push(h, 6);
    assert_warning(h->element, who, "not waited for any more");
    push(h, 6);
    shmring_frame_release(take_frame(reader));
    gst_element_set_state(h->element, GST_STATE_READY);
    fail_unless(gst_bus_pop_filtered(GST_ELEMENT_BUS(h->element), GST_MESSAGE_WARNING) == NULL);
    assert_equals_uint64(count_of(h->element, "dropped"), 0);
    assert_equals_uint64(count_of(h->element, "withdrawn"), 8);
    shmring_reader_free(reader);
    gst_harness_teardown(h);
    g_free(who);
}
GST_END_TEST;

/* ---- Names -------------------------------------------------------------------------------------
 */

/* Nothing flows; the next reader finds the ring. */
GST_START_TEST(test_names) {
    static const gchar *const removed[][2] = {{"", ".ctl"}, {".ctl", NULL}, {"", NULL}};
    GstHarness *h = harness_for("shmringsink", ring, "");

    gst_harness_set_src_caps_str(h, GRAY);
    for (guint i = 0; i < G_N_ELEMENTS(removed); i++) {
        for (guint k = 0; k < 2 && removed[i][k] != NULL; k++)
            remove_name(removed[i][k]);
        assert_warning(h->element, ring, "removed");
        shmring_reader_free(attach_reader(ring));
        assert_equals_uint64(count_of(h->element, "names-lost"), i + 1);
    }
    gst_harness_teardown(h);
}
GST_END_TEST;

/* ---- Key frames --------------------------------------------------------------------------------
 */

static GstClockTime take_key_request(GstHarness *h) {
    GstClockTime time = 0;
    gboolean found = FALSE;

    while (!found) {
        GstEvent *event = gst_harness_pull_upstream_event(h);

        fail_unless(event != NULL);
        found = gst_video_event_is_force_key_unit(event);
        if (found)
            fail_unless(gst_video_event_parse_upstream_force_key_unit(event, &time, NULL, NULL));
        gst_event_unref(event);
    }
    return time;
}

static guint count_key_requests(GstHarness *h) {
    GstEvent *event;
    guint count = 0;

    while ((event = gst_harness_try_pull_upstream_event(h)) != NULL) {
        count += gst_video_event_is_force_key_unit(event);
        gst_event_unref(event);
    }
    return count;
}

static void push_delta(GstHarness *h) {
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, 10, NULL);

    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    assert_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
}

/* Who comes asks for one; many who ask at once are one more. */
GST_START_TEST(test_key_request) {
    GstHarness *h = harness_for("shmringsink", ring, "caps=" ENCODED);
    struct shmring_reader *reader;

    gst_harness_use_systemclock(h);
    gst_element_set_base_time(h->element, g_get_monotonic_time() * GST_USECOND);
    gst_harness_set_src_caps_str(h, ENCODED);
    push_delta(h);
    reader = attach_reader(ring);
    fail_unless(take_key_request(h) == GST_CLOCK_TIME_NONE);
    for (guint i = 0; i < 20; i++)
        assert_equals_int(shmring_reader_request_keyframe(reader, SHMRING_TIME_NONE), SHMRING_OK);
    fail_unless(take_key_request(h) == GST_CLOCK_TIME_NONE);
    assert_equals_int(count_key_requests(h), 0);
    assert_equals_int(
        shmring_reader_request_keyframe(reader, (gint64)gst_element_get_base_time(h->element) +
                                                    5 * (gint64)GST_SECOND),
        SHMRING_OK);
    assert_equals_uint64(take_key_request(h), 5 * GST_SECOND);
    shmring_reader_free(reader);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* Each frame of raw video stands alone: nobody upstream is disturbed. */
GST_START_TEST(test_no_key_request) {
    GstHarness *h = harness_for("shmringsink", ring, "");
    struct shmring_reader *reader;

    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    shmring_reader_request_keyframe(reader, SHMRING_TIME_NONE);
    shmring_reader_free(reader);
    gst_element_set_state(h->element, GST_STATE_READY);
    assert_equals_int(count_key_requests(h), 0);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* ---- Caps --------------------------------------------------------------------------------------
 */

GST_START_TEST(test_hint) {
    GstHarness *h = harness_for("shmringsink", ring, "");

    gst_harness_set_src_caps_str(h, "image/jpeg");
    fail_if(gst_harness_push(h, gst_buffer_new_allocate(NULL, 10, NULL)) == GST_FLOW_OK);
    assert_warning(h->element, ring, "caps=ANY");
    gst_harness_teardown(h);
}
GST_END_TEST;

/* textoverlay asks whether it has to draw itself, and then does. */
GST_START_TEST(test_no_hint_for_a_try) {
    GstHarness *h = harness_for("shmringsink", ring, "caps=ANY");
    GstCaps *caps = gst_caps_from_string(
        "video/x-raw(memory:SystemMemory, meta:GstVideoOverlayComposition), format=GRAY8");
    GstPad *pad = gst_element_get_static_pad(h->element, "sink");
    GstCaps *taken;

    gst_harness_set_src_caps_str(h, GRAY);
    fail_if(gst_pad_query_accept_caps(pad, caps));
    taken = gst_pad_query_caps(pad, caps);
    fail_unless(gst_caps_is_empty(taken));
    fail_unless(gst_bus_pop_filtered(GST_ELEMENT_BUS(h->element), GST_MESSAGE_WARNING) == NULL);
    gst_caps_unref(taken);
    gst_caps_unref(caps);
    gst_object_unref(pad);
    gst_harness_teardown(h);
}
GST_END_TEST;

static Suite *watch_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("watch", &tcase);

    tcase_add_test(tcase, test_stuck);
    tcase_add_test(tcase, test_names);
    tcase_add_test(tcase, test_key_request);
    tcase_add_test(tcase, test_no_key_request);
    tcase_add_test(tcase, test_hint);
    tcase_add_test(tcase, test_no_hint_for_a_try);
    return suite;
}

GST_CHECK_MAIN(watch);
