/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A frame's time in the reading pipeline: its running time, and its moment of capture. */
#include "reading.h"

/* ---- A clock that is not the system's, as an audio sink's --------------------------------------
 */

#define AHEAD (3600 * GST_SECOND)

typedef struct {
    GstClock parent;
} CardClock;
typedef GstClockClass CardClockClass;

static GType card_clock_get_type(void);
G_DEFINE_TYPE(CardClock, card_clock, GST_TYPE_CLOCK);

static GstClockTime system_now(void) {
    return (GstClockTime)g_get_monotonic_time() * GST_USECOND;
}

static GstClockTime card_clock_now(GstClock *clock) {
    return system_now() + AHEAD;
}

static void card_clock_class_init(CardClockClass *klass) {
    klass->get_internal_time = card_clock_now;
}

static void card_clock_init(CardClock *self) {
}

/* A frame of 10 s ago, in a pipeline that has run for a minute. */
GST_START_TEST(test_other_clock) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    GstClock *clock = g_object_new(card_clock_get_type(), NULL);
    struct shmring_frame_info info = gray_info();
    struct shmring_writer *writer;
    GstClockTime now = system_now();
    GstClockTimeDiff error;
    GstBuffer *buffer;

    gst_element_set_clock(h->element, clock);
    gst_element_set_base_time(h->element, now + AHEAD - 60 * GST_SECOND);
    writer = writer_for(h, ring, 32);
    info.clock_ns = (gint64)(now - 10 * GST_SECOND);
    publish(writer, &info, 0);
    buffer = gst_harness_pull(h);
    error = GST_CLOCK_DIFF(50 * GST_SECOND, GST_BUFFER_PTS(buffer));
    fail_unless(ABS(error) < 40 * GST_MSECOND, "%" GST_STIME_FORMAT, GST_STIME_ARGS(error));
    gst_buffer_unref(buffer);
    stop_reading(h, writer);
    gst_object_unref(clock);
}
GST_END_TEST;

/* ---- The system's clock ------------------------------------------------------------------------
 */

/* A frame with the pts 5 s, which was then CLOCK on CLOCK_MONOTONIC. */
static void publish_at(struct shmring_writer *writer, GstClockTime clock) {
    struct shmring_frame_info info = gray_info();

    info.pts_ns = 5 * GST_SECOND;
    info.dts_ns = 4 * GST_SECOND;
    info.duration_ns = 40 * GST_MSECOND;
    info.clock_ns = (gint64)clock;
    info.frame_number = clock;
    publish(writer, &info, 0);
}

static void assert_times(GstHarness *h, GstClockTime pts, GstClockTime dts) {
    GstBuffer *buffer = gst_harness_pull(h);

    assert_equals_uint64(GST_BUFFER_PTS(buffer), pts);
    assert_equals_uint64(GST_BUFFER_DTS(buffer), dts);
    assert_equals_uint64(GST_BUFFER_DURATION(buffer), 40 * GST_MSECOND);
    gst_buffer_unref(buffer);
}

GST_START_TEST(test_live) {
    GstHarness *h = with_base_time("");
    struct shmring_writer *writer = writer_for(h, ring, 32);

    publish_at(writer, 903 * GST_SECOND);
    assert_times(h, 3 * GST_SECOND, 2 * GST_SECOND);
    /* its dts would be negative */
    publish_at(writer, 900 * GST_SECOND);
    assert_times(h, 0, GST_CLOCK_TIME_NONE);
    stop_reading(h, writer);
}
GST_END_TEST;

GST_START_TEST(test_not_live) {
    GstHarness *h = with_base_time("is-live=false");
    struct shmring_writer *writer = writer_for(h, ring, 32);

    publish_at(writer, 903 * GST_SECOND);
    assert_times(h, 5 * GST_SECOND, 4 * GST_SECOND);
    publish_at(writer, 100 * GST_SECOND);
    assert_times(h, 5 * GST_SECOND, 4 * GST_SECOND);
    assert_equals_uint64(stat_of(h->element, "dropped"), 0);
    stop_reading(h, writer);
}
GST_END_TEST;

static void assert_qos(GstElement *src, guint64 expected) {
    GstMessage *message = take_message(src, GST_MESSAGE_QOS);
    GstFormat format;
    guint64 processed, dropped;

    gst_message_parse_qos_stats(message, &format, &processed, &dropped);
    assert_equals_int(format, GST_FORMAT_BUFFERS);
    assert_equals_uint64(dropped, expected);
    gst_message_unref(message);
}

GST_START_TEST(test_before_base_time) {
    GstHarness *h = with_base_time("");
    struct shmring_writer *writer = writer_for(h, ring, 32);
    GstBuffer *buffer;

    publish_at(writer, 901 * GST_SECOND);
    gst_buffer_unref(gst_harness_pull(h));
    publish_at(writer, 899 * GST_SECOND);
    publish_at(writer, 900 * GST_SECOND - 1);
    publish_at(writer, 902 * GST_SECOND);
    buffer = gst_harness_pull(h);
    assert_equals_uint64(GST_BUFFER_PTS(buffer), 2 * GST_SECOND);
    assert_equals_uint64(GST_BUFFER_OFFSET(buffer), 902 * GST_SECOND);
    fail_unless(GST_BUFFER_IS_DISCONT(buffer));
    assert_equals_uint64(stat_of(h->element, "before-base-time"), 2);
    assert_equals_uint64(stat_of(h->element, "dropped"), 2);
    assert_equals_uint64(stat_of(h->element, "lagged"), 0);
    assert_qos(h->element, 1);
    assert_qos(h->element, 2);
    gst_buffer_unref(buffer);
    stop_reading(h, writer);
}
GST_END_TEST;

/* An element whose pipeline is shifted against others: what counts is the running time. */
GST_START_TEST(test_pad_offset) {
    GstHarness *h = with_base_time("");
    GstPad *pad = gst_element_get_static_pad(h->element, "src");
    struct shmring_writer *writer;
    const GstSegment *segment;
    GstBuffer *buffer;
    GstEvent *event;

    gst_pad_set_offset(pad, 7 * GST_SECOND);
    writer = writer_for(h, ring, 32);
    publish_at(writer, 903 * GST_SECOND);
    buffer = gst_harness_pull(h);
    event = gst_pad_get_sticky_event(h->sinkpad, GST_EVENT_SEGMENT, 0);
    gst_event_parse_segment(event, &segment);
    assert_equals_uint64(
        gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer)),
        10 * GST_SECOND);
    gst_event_unref(event);
    gst_buffer_unref(buffer);
    gst_object_unref(pad);
    stop_reading(h, writer);
}
GST_END_TEST;

/* ---- Capture -----------------------------------------------------------------------------------
 */

static GstClockTime capture_time(GstBuffer *buffer) {
    GstCaps *unix_time = gst_caps_new_empty_simple("timestamp/x-unix");
    GstReferenceTimestampMeta *meta = gst_buffer_get_reference_timestamp_meta(buffer, unix_time);

    gst_caps_unref(unix_time);
    fail_unless(meta != NULL);
    return meta->timestamp;
}

GST_START_TEST(test_capture_time) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 32);
    struct shmring_frame_info info = gray_info();
    gint64 before = g_get_real_time() * 1000;
    GstBuffer *buffer;

    info.timestamp_ns = G_GINT64_CONSTANT(1700000000123456789);
    publish(writer, &info, 0);
    buffer = gst_harness_pull(h);
    assert_equals_uint64(capture_time(buffer), G_GUINT64_CONSTANT(1700000000123456789));
    gst_buffer_unref(buffer);
    /* unknown: when it was published */
    info.timestamp_ns = 0;
    publish(writer, &info, 0);
    buffer = gst_harness_pull(h);
    fail_unless(capture_time(buffer) >= (GstClockTime)before);
    gst_buffer_unref(buffer);
    stop_reading(h, writer);
}
GST_END_TEST;

static Suite *time_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("time", &tcase);

    tcase_add_test(tcase, test_other_clock);
    tcase_add_test(tcase, test_live);
    tcase_add_test(tcase, test_not_live);
    tcase_add_test(tcase, test_before_base_time);
    tcase_add_test(tcase, test_pad_offset);
    tcase_add_test(tcase, test_capture_time);
    return suite;
}

GST_CHECK_MAIN(time);
