/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a source answers to LATENCY, when it says that the answer changed, and that it is true. */
#include "reading.h"

#define FRAME (40 * GST_MSECOND)

static gboolean ask(GstElement *src, GstClockTime *min, GstClockTime *max) {
    GstQuery *query = gst_query_new_latency();
    gboolean live;

    fail_unless(gst_element_query(src, query));
    gst_query_parse_latency(query, &live, min, max);
    gst_query_unref(query);
    return live;
}

/* LATENCY of the writer, and no more than a frame beside it. */
static void assert_answer(GstElement *src, GstClockTime latency, GstClockTime held) {
    GstClockTime min, max;

    fail_unless(ask(src, &min, &max));
    fail_unless(min > latency && min < latency + FRAME);
    assert_equals_uint64(max, held == GST_CLOCK_TIME_NONE ? held : min + held);
}

static void assert_told(GstElement *src) {
    gst_message_unref(take_message(src, GST_MESSAGE_LATENCY));
}

GST_START_TEST(test_without_ring) {
    GstHarness *h = harness_for("shmringsrc", ring, "");

    gst_harness_play(h);
    assert_answer(h->element, 0, GST_CLOCK_TIME_NONE);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* A pipeline asks before the first frame. */
GST_START_TEST(test_before_the_first_frame) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = open_writer(ring, 32);

    shmring_writer_set_latency(writer, 200 * GST_MSECOND);
    set_state(h->element, GST_STATE_PAUSED);
    assert_answer(h->element, 200 * GST_MSECOND, GST_CLOCK_TIME_NONE);
    stop_reading(h, writer);
}
GST_END_TEST;

static void publish_one(GstHarness *h, struct shmring_writer *writer) {
    struct shmring_frame_info info = gray_info();

    publish(writer, &info, 0);
    gst_buffer_unref(gst_harness_pull(h));
}

GST_START_TEST(test_changes) {
    GstHarness *h = harness_for("shmringsrc", ring, "lease=3");
    struct shmring_writer *writer = writer_for(h, ring, 32);

    publish_one(h, writer);
    assert_told(h->element);
    assert_answer(h->element, 0, 3 * FRAME);
    shmring_writer_set_latency(writer, 300 * GST_MSECOND);
    publish_one(h, writer);
    assert_told(h->element);
    assert_answer(h->element, 300 * GST_MSECOND, 3 * FRAME);
    /* and no message without a change */
    publish_one(h, writer);
    fail_unless(gst_bus_pop_filtered(GST_ELEMENT_BUS(h->element), GST_MESSAGE_LATENCY) == NULL);
    stop_reading(h, writer);
}
GST_END_TEST;

GST_START_TEST(test_not_live) {
    GstHarness *h = harness_for("shmringsrc", ring, "is-live=false");
    struct shmring_writer *writer = writer_for(h, ring, 32);
    GstClockTime min, max;

    shmring_writer_set_latency(writer, 200 * GST_MSECOND);
    publish_one(h, writer);
    fail_if(ask(h->element, &min, &max));
    assert_equals_uint64(min, 0);
    assert_equals_uint64(max, GST_CLOCK_TIME_NONE);
    fail_unless(gst_bus_pop_filtered(GST_ELEMENT_BUS(h->element), GST_MESSAGE_LATENCY) == NULL);
    stop_reading(h, writer);
}
GST_END_TEST;

/* An application need not agree anew: frames of a leaky source are in time for what it agreed to,
 * which left 20 ms beside the hand-over. */
GST_START_TEST(test_not_agreed) {
    GstHarness *h = harness_for("shmringsrc", ring, "leaky-type=downstream");
    struct shmring_writer *writer = writer_for(h, ring, 32);
    const GstClockTime now = gst_util_get_timestamp(), base = now - 5 * GST_SECOND;
    struct shmring_frame_info info = gray_info();
    GstBuffer *buffer;

    gst_element_set_base_time(h->element, base);
    gst_harness_push_upstream_event(h, gst_event_new_latency(25 * GST_MSECOND));
    info.clock_ns = (gint64)now - 500 * GST_MSECOND;
    shmring_writer_set_latency(writer, 500 * GST_MSECOND);
    publish(writer, &info, 0);
    buffer = gst_harness_pull(h);
    fail_unless(base + GST_BUFFER_PTS(buffer) + 20 * GST_MSECOND >= now);
    gst_buffer_unref(buffer);
    stop_reading(h, writer);
}
GST_END_TEST;

/* ---- A sink that drops what comes late ---------------------------------------------------------
 */

#define LATENCY (200 * GST_MSECOND)
#define FRAMES 30

static void wait_until(GstClock *clock, GstClockTime time) {
    GstClockID id = gst_clock_new_single_shot_id(clock, time);

    gst_clock_id_wait(id, NULL);
    gst_clock_id_unref(id);
}

/* A camera whose frames leave its pipeline 200 ms after they were made. */
static gpointer camera(gpointer data) {
    struct shmring_writer *writer = data;
    struct shmring_frame_info info = gray_info();
    GstClock *clock = gst_system_clock_obtain();
    GstClockTime start;

    assert_equals_int(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_OK);
    start = gst_clock_get_time(clock);
    for (guint i = 0; i < FRAMES; i++) {
        info.pts_ns = i * FRAME;
        info.clock_ns = (gint64)start + info.pts_ns;
        wait_until(clock, (GstClockTime)info.clock_ns + LATENCY);
        publish(writer, &info, 0);
    }
    shmring_writer_end(writer);
    gst_object_unref(clock);
    return NULL;
}

/* As an application does. */
static void run(GstElement *pipeline) {
    GstBus *bus = gst_element_get_bus(pipeline);
    GstMessageType type = GST_MESSAGE_UNKNOWN;

    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    while (type != GST_MESSAGE_EOS) {
        GstMessage *message = gst_bus_timed_pop(bus, GST_CLOCK_TIME_NONE);

        type = GST_MESSAGE_TYPE(message);
        fail_if(type == GST_MESSAGE_ERROR);
        if (type == GST_MESSAGE_LATENCY)
            gst_bin_recalculate_latency(GST_BIN(pipeline));
        gst_message_unref(message);
    }
    gst_object_unref(bus);
}

static guint64 sink_stat(GstElement *pipeline, const gchar *name) {
    GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    GstStructure *stats;
    guint64 number;

    g_object_get(sink, "stats", &stats, NULL);
    fail_unless(gst_structure_get_uint64(stats, name, &number));
    gst_structure_free(stats);
    gst_object_unref(sink);
    return number;
}

GST_START_TEST(test_nothing_comes_late) {
    gchar *text = g_strdup_printf("shmringsrc ring-name=%s ! fakesink name=sink sync=true "
                                  "max-lateness=20000000 qos=true",
                                  ring);
    GstElement *pipeline = gst_parse_launch(text, NULL);
    struct shmring_writer *writer = open_writer(ring, 32);
    GThread *thread;

    shmring_writer_set_latency(writer, LATENCY);
    thread = g_thread_new("camera", camera, writer);
    run(pipeline);
    assert_equals_uint64(sink_stat(pipeline, "dropped"), 0);
    assert_equals_uint64(sink_stat(pipeline, "rendered"), FRAMES);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    g_thread_join(thread);
    shmring_writer_close(writer);
    g_free(text);
}
GST_END_TEST;

static Suite *latency_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("latency", &tcase);

    tcase_add_test(tcase, test_without_ring);
    tcase_add_test(tcase, test_before_the_first_frame);
    tcase_add_test(tcase, test_changes);
    tcase_add_test(tcase, test_not_live);
    tcase_add_test(tcase, test_not_agreed);
    tcase_add_test(tcase, test_nothing_comes_late);
    return suite;
}

GST_CHECK_MAIN(latency);
