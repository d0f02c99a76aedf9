/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A downstream that keeps frames does not stop the writer, until it keeps more than it may. A
 * harness from which nobody pulls is one: it keeps every buffer. */
#include "reading.h"

#define FRAMES 200

/* Would wait for ever if a frame too many were held. */
static void publish_all(struct shmring_writer *writer) {
    struct shmring_frame_info info = gray_info();

    for (info.frame_number = 0; info.frame_number < FRAMES; info.frame_number++)
        publish(writer, &info, (guint8)info.frame_number);
}

/* The first IN_PLACE frames are the ring's own, all have what was published. */
static void assert_frames(GstHarness *h, guint in_place) {
    GstBuffer *held[FRAMES];

    for (guint i = 0; i < FRAMES; i++)
        held[i] = gst_harness_pull(h);
    for (guint i = 0; i < FRAMES; i++) {
        assert_picture(held[i], GRAY, (guint8)i);
        assert_equals_int(is_in_place(held[i]), i < in_place);
    }
    for (guint i = 0; i < FRAMES; i++)
        gst_buffer_unref(held[i]);
}

static void hoard(const gchar *properties, guint lease) {
    GstHarness *h = harness_for("shmringsrc", ring, properties);
    struct shmring_writer *writer = writer_for(h, ring, 32);

    publish_all(writer);
    assert_frames(h, lease);
    assert_equals_uint64(stat_of(h->element, "received"), FRAMES);
    assert_equals_uint64(stat_of(h->element, "copied"), FRAMES - lease);
    assert_equals_uint64(stat_of(h->element, "bytes"), FRAMES * 32);
    assert_equals_uint64(stat_of(h->element, "lease"), lease);
    assert_equals_uint64(stat_of(h->element, "held"), 0);
    assert_equals_uint64(stat_of(h->element, "dropped"), 0);
    stop_reading(h, writer);
}

GST_START_TEST(test_default_lease) {
    hoard("", 2);
}
GST_END_TEST;

GST_START_TEST(test_no_lease) {
    hoard("lease=0", 0);
}
GST_END_TEST;

/* 8 slots, 3 of them for the writer to lend and one to copy into. */
GST_START_TEST(test_lease_that_is_granted) {
    hoard("lease=100", 4);
}
GST_END_TEST;

/* One that drops frames: it is the newest that come, and the writer never waits. */
GST_START_TEST(test_leaky) {
    GstHarness *h = harness_for("shmringsrc", ring, "leaky-type=downstream max-buffers=4");
    struct shmring_writer *writer = writer_for(h, ring, 32);

    publish_all(writer);
    shmring_writer_end(writer);
    gst_event_unref(pull_event(h, GST_EVENT_EOS));
    assert_equals_uint64(stat_of(h->element, "received") + stat_of(h->element, "lagged"), FRAMES);
    stop_reading(h, writer);
}
GST_END_TEST;

/* One copy, since the last one may go beyond the limit. */
GST_START_TEST(test_limit) {
    GstHarness *h = harness_for("shmringsrc", ring, "lease=1 max-copy-bytes=1");
    struct shmring_writer *writer = writer_for(h, ring, 32);
    struct shmring_frame_info info = gray_info();
    GstBuffer *held;

    for (info.frame_number = 0; info.frame_number < 3; info.frame_number++)
        publish(writer, &info, (guint8)info.frame_number);
    gst_message_unref(take_message(h->element, GST_MESSAGE_WARNING));
    held = gst_harness_pull(h);
    assert_picture(held, GRAY, 0);
    assert_equals_int(gst_harness_buffers_in_queue(h), 1);
    gst_buffer_unref(held);
    for (guint8 i = 1; i < 3; i++) {
        held = gst_harness_pull(h);
        assert_picture(held, GRAY, i);
        gst_buffer_unref(held);
    }
    stop_reading(h, writer);
}
GST_END_TEST;

GST_START_TEST(test_limit_in_time) {
    GstHarness *h = harness_for("shmringsrc", ring, "lease=0 max-copy-bytes=1 timeout=300000000");
    struct shmring_writer *writer = writer_for(h, ring, 32);
    struct shmring_frame_info info = gray_info();

    publish(writer, &info, 0);
    publish(writer, &info, 1);
    assert_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
                 "bytes of copies");
    stop_reading(h, writer);
}
GST_END_TEST;

GST_START_TEST(test_limit_of_a_leaky_one) {
    GstHarness *h =
        harness_for("shmringsrc", ring, "lease=0 max-copy-bytes=1 leaky-type=downstream");
    struct shmring_writer *writer = writer_for(h, ring, 32);
    struct shmring_frame_info info = gray_info();
    GstBuffer *held;

    publish(writer, &info, 0);
    held = gst_harness_pull(h);
    publish_all(writer);
    gst_message_unref(take_message(h->element, GST_MESSAGE_WARNING));
    gst_buffer_unref(held);
    held = gst_harness_pull(h);
    assert_picture(held, GRAY, FRAMES - 1);
    gst_buffer_unref(held);
    assert_equals_uint64(stat_of(h->element, "received"), 2);
    assert_equals_uint64(stat_of(h->element, "lagged"), FRAMES - 1);
    stop_reading(h, writer);
}
GST_END_TEST;

/* What a pipeline keeps is the ring's no more than its lease. */
GST_START_TEST(test_queue) {
    gchar *text = g_strdup_printf("shmringsrc ring-name=%s ! queue max-size-buffers=0 "
                                  "max-size-time=0 max-size-bytes=0 min-threshold-buffers=%d ! "
                                  "fakesink name=sink",
                                  ring, FRAMES);
    GstElement *reader = gst_parse_launch(text, NULL);
    struct shmring_writer *writer = open_writer(ring, 32);

    gst_element_set_state(reader, GST_STATE_PLAYING);
    assert_equals_int(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_OK);
    publish_all(writer);
    shmring_writer_end(writer);
    wait_for_end(reader);
    gst_element_set_state(reader, GST_STATE_NULL);
    shmring_writer_close(writer);
    gst_object_unref(reader);
    g_free(text);
}
GST_END_TEST;

/* Nothing of the element's is needed for them. */
GST_START_TEST(test_outlive_the_element) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 32);
    GstBuffer *held[4];

    publish_all(writer);
    for (guint i = 0; i < G_N_ELEMENTS(held); i++)
        held[i] = gst_harness_pull(h);
    gst_harness_teardown(h);
    publish_all(writer);
    shmring_writer_close(writer);
    for (guint i = 0; i < G_N_ELEMENTS(held); i++) {
        assert_picture(held[i], GRAY, (guint8)i);
        gst_buffer_unref(held[i]);
    }
}
GST_END_TEST;

static Suite *hoard_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("hoard", &tcase);

    tcase_add_test(tcase, test_default_lease);
    tcase_add_test(tcase, test_no_lease);
    tcase_add_test(tcase, test_lease_that_is_granted);
    tcase_add_test(tcase, test_leaky);
    tcase_add_test(tcase, test_limit);
    tcase_add_test(tcase, test_limit_in_time);
    tcase_add_test(tcase, test_limit_of_a_leaky_one);
    tcase_add_test(tcase, test_queue);
    tcase_add_test(tcase, test_outlive_the_element);
    return suite;
}

GST_CHECK_MAIN(hoard);
