/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When shmringsink's frames are due: that is what happened, not what was announced. */
#include "writing.h"

#include <string.h>
#include <unistd.h>

#define DAY (24 * 3600 * GST_SECOND)

/* What a busy machine adds. */
#define SLACK (400 * (gint64)GST_MSECOND)

static gint64 now(void) {
    return g_get_monotonic_time() * 1000;
}

/* A sink in a pipeline that began now, whose source is LIVE or not. */
static GstHarness *sink_for(const gchar *properties, gboolean live) {
    GstHarness *h = harness_for("shmringsink", ring, properties);

    gst_harness_set_live(h, live);
    gst_harness_use_systemclock(h);
    gst_element_set_base_time(h->element, (GstClockTime)now());
    gst_harness_set_src_caps_str(h, GRAY);
    return h;
}

/* PTS relative to the running time that it is now. */
static struct shmring_frame *carry(GstHarness *h, struct shmring_reader *reader, gint64 from_now) {
    GstBuffer *buffer = make_picture(GRAY, 0);
    gint64 time = now() - (gint64)gst_element_get_base_time(h->element) + from_now;

    GST_BUFFER_PTS(buffer) = (GstClockTime)MAX(time, 0);
    assert_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
    return take_frame(reader);
}

static gint64 clock_minus_pts(struct shmring_frame *frame) {
    gint64 difference = frame->info.clock_ns - frame->info.pts_ns;

    shmring_frame_release(frame);
    return difference;
}

/* ---- A source that is live --------------------------------------------------------------------
 */

/* A late frame is late. */
GST_START_TEST(test_live) {
    GstHarness *h = sink_for("", TRUE);
    struct shmring_reader *reader = attach_reader(ring);
    gint64 base;

    gst_element_set_base_time(h->element, (GstClockTime)now() - 5 * GST_SECOND);
    base = (gint64)gst_element_get_base_time(h->element);
    assert_equals_int64(clock_minus_pts(carry(h, reader, -3 * (gint64)GST_SECOND)), base);
    assert_equals_int64(clock_minus_pts(carry(h, reader, 0)), base);
    shmring_reader_free(reader);
    gst_harness_teardown(h);
}
GST_END_TEST;

static guint count_warnings(GstElement *element, const gchar *part) {
    GstMessage *message;
    guint count = 0;

    /* those that are on their way come before the sink is in NULL */
    gst_element_set_state(element, GST_STATE_READY);
    while ((message = gst_bus_pop_filtered(GST_ELEMENT_BUS(element), GST_MESSAGE_WARNING))) {
        GError *error;

        gst_message_parse_warning(message, &error, NULL);
        count += strstr(error->message, part) != NULL;
        g_error_free(error);
        gst_message_unref(message);
    }
    return count;
}

/* Times of another clock: due as they come, which is told once. */
GST_START_TEST(test_other_clock) {
    GstHarness *h = sink_for("", TRUE);
    struct shmring_reader *reader = attach_reader(ring);
    struct shmring_frame *frame = carry(h, reader, 0);
    guint32 stretch = frame->info.stretch;
    gint64 before = now();

    shmring_frame_release(frame);
    frame = carry(h, reader, 2 * (gint64)DAY);
    fail_unless(frame->info.clock_ns >= before && frame->info.clock_ns <= now());
    assert_equals_int(frame->info.flags, SHMRING_FRAME_DISCONT);
    assert_equals_int(frame->info.stretch, stretch + 1);
    shmring_frame_release(frame);
    frame = carry(h, reader, 2 * (gint64)DAY);
    assert_equals_int(frame->info.flags, 0);
    assert_equals_int(frame->info.stretch, stretch + 1);
    shmring_frame_release(frame);
    frame = carry(h, reader, 0);
    assert_equals_int(frame->info.stretch, stretch + 2);
    shmring_frame_release(frame);
    assert_equals_int(count_warnings(h->element, "another clock"), 1);
    shmring_reader_free(reader);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* As an audio device's: it advances in steps of 10 ms. */
typedef GstSystemClock StepClock;
typedef GstSystemClockClass StepClockClass;

GType step_clock_get_type(void);
G_DEFINE_TYPE(StepClock, step_clock, GST_TYPE_SYSTEM_CLOCK)

static GstClockTime step_clock_get_time(GstClock *clock) {
    GstClockTime time = GST_CLOCK_CLASS(step_clock_parent_class)->get_internal_time(clock);

    return time - time % (10 * GST_MSECOND);
}

static void step_clock_class_init(StepClockClass *klass) {
    GST_CLOCK_CLASS(klass)->get_internal_time = step_clock_get_time;
}

static void step_clock_init(StepClock *clock) {
}

/* The frames do not. */
GST_START_TEST(test_clock_in_steps) {
    GstHarness *h = harness_for("shmringsink", ring, "");
    GstClock *clock = g_object_new(step_clock_get_type(), NULL);
    struct shmring_reader *reader;
    gint64 last = 0;

    gst_object_ref_sink(clock);
    gst_harness_set_live(h, TRUE);
    gst_element_set_clock(h->element, clock);
    gst_element_set_base_time(h->element, gst_clock_get_time(clock) - GST_SECOND);
    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    for (guint i = 0; i < 60; i++) {
        gint64 difference = clock_minus_pts(carry(h, reader, 0));

        fail_unless(i == 0 || ABS(difference - last) < (gint64)GST_MSECOND, "by %d us in frame %u",
                    (gint)((difference - last) / 1000), i);
        last = difference;
        g_usleep(1300);
    }
    shmring_reader_free(reader);
    gst_harness_teardown(h);
    gst_object_unref(clock);
}
GST_END_TEST;

GST_START_TEST(test_no_time) {
    GstHarness *h = sink_for("", TRUE);
    struct shmring_reader *reader = attach_reader(ring);
    struct shmring_frame *frame;
    gint64 before = now();

    assert_equals_int(gst_harness_push(h, make_picture(GRAY, 0)), GST_FLOW_OK);
    frame = take_frame(reader);
    fail_unless(frame->info.clock_ns >= before && frame->info.clock_ns <= now());
    assert_equals_int64(clock_minus_pts(frame), (gint64)gst_element_get_base_time(h->element));
    shmring_reader_free(reader);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* ---- A source that is not ----------------------------------------------------------------------
 */

/* Late: it goes on from now. Ahead: a lossless reader sets the pace. */
GST_START_TEST(test_paced_by_a_reader) {
    GstHarness *h = sink_for("", FALSE);
    struct shmring_reader *reader = attach_reader(ring);
    struct shmring_frame *frame;
    gint64 before, offset;

    gst_element_set_base_time(h->element, (GstClockTime)now() - 5 * GST_SECOND);
    before = now();
    frame = carry(h, reader, -3 * (gint64)GST_SECOND);
    fail_unless(frame->info.clock_ns >= before && frame->info.clock_ns <= now());
    offset = clock_minus_pts(frame);
    assert_equals_int64(clock_minus_pts(carry(h, reader, 100 * (gint64)GST_SECOND)), offset);
    shmring_reader_free(reader);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* Ahead, with nobody who needs distances: due now. */
GST_START_TEST(test_paced_by_nobody) {
    GstHarness *h = sink_for("", FALSE);
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    struct shmring_reader *reader;

    options.mode = SHMRING_MODE_LATEST;
    fail_unless(shmring_reader_new(ring, &options, &reader, NULL) == SHMRING_OK);
    fail_unless(shmring_reader_attach(reader, SHMRING_FOREVER, NULL) == SHMRING_OK);
    for (gint64 i = 0; i < 3; i++) {
        gint64 before = now();
        struct shmring_frame *frame = carry(h, reader, i * 100 * (gint64)GST_SECOND);

        fail_unless(frame->info.clock_ns >= before && frame->info.clock_ns <= now());
        shmring_frame_release(frame);
    }
    shmring_reader_free(reader);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* A seek begins running time anew. */
GST_START_TEST(test_flush) {
    GstHarness *h = sink_for("", FALSE);
    struct shmring_reader *reader = attach_reader(ring);
    struct shmring_frame *frame;
    guint32 stretch;

    gst_element_set_base_time(h->element, (GstClockTime)now() - 5 * GST_SECOND);
    frame = carry(h, reader, -4 * (gint64)GST_SECOND);
    stretch = frame->info.stretch;
    shmring_frame_release(frame);
    flush_sink(h);
    gst_element_set_base_time(h->element, (GstClockTime)now());
    frame = carry(h, reader, GST_SECOND / 2);
    assert_equals_int(frame->info.stretch, stretch + 1);
    assert_equals_int64(clock_minus_pts(frame), (gint64)gst_element_get_base_time(h->element));
    shmring_reader_free(reader);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* ---- Before the segment -----------------------------------------------------------------------
 */

/* As B-frames have it: the first DTS lies before the first PTS. */
GST_START_TEST(test_negative_times) {
    static const GstClockTime before[] = {80 * GST_MSECOND, 1, 0};
    static const gint64 expected[] = {-80 * (gint64)GST_MSECOND, -2, 0};
    GstHarness *h = sink_for("", FALSE);
    struct shmring_reader *reader = attach_reader(ring);
    GstSegment segment;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.start = 1000 * GST_SECOND;
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    for (guint i = 0; i < G_N_ELEMENTS(before); i++) {
        GstBuffer *buffer = make_picture(GRAY, 0);
        struct shmring_frame *frame;

        GST_BUFFER_PTS(buffer) = segment.start + i;
        GST_BUFFER_DTS(buffer) = segment.start - before[i];
        assert_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
        frame = take_frame(reader);
        assert_equals_int64(frame->info.pts_ns, i);
        assert_equals_int64(frame->info.dts_ns, expected[i]);
        shmring_frame_release(frame);
    }
    shmring_reader_free(reader);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* ---- Sinks of one pipeline --------------------------------------------------------------------
 */

static GstElement *two_sinks(void) {
    gchar *text =
        g_strdup_printf("appsrc name=picture format=time ! shmringsink name=a ring-name=%s-a "
                        "wait-for-connection=true appsrc name=sound format=time ! "
                        "shmringsink name=b ring-name=%s-b caps=ANY "
                        "wait-for-connection=true",
                        ring, ring);
    GstElement *pipeline = gst_parse_launch(text, NULL);

    fail_unless(pipeline != NULL);
    g_free(text);
    return pipeline;
}

static void push_to(GstElement *pipeline, const gchar *source, const gchar *caps,
                    GstClockTime pts) {
    GstElement *appsrc = gst_bin_get_by_name(GST_BIN(pipeline), source);
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, 32, NULL);
    GstCaps *of = gst_caps_from_string(caps);
    GstSample *sample;
    GstFlowReturn flow;

    GST_BUFFER_PTS(buffer) = pts;
    sample = gst_sample_new(buffer, of, NULL, NULL);
    g_signal_emit_by_name(appsrc, "push-sample", sample, &flow);
    assert_equals_int(flow, GST_FLOW_OK);
    gst_sample_unref(sample);
    gst_caps_unref(of);
    gst_buffer_unref(buffer);
    gst_object_unref(appsrc);
}

static struct shmring_reader *reader_of(const gchar *suffix) {
    gchar *name = g_strconcat(ring, suffix, NULL);
    struct shmring_reader *reader = attach_reader(name);

    g_free(name);
    return reader;
}

/* The picture comes late, and moves both. */
GST_START_TEST(test_in_step) {
    GstElement *pipeline = two_sinks();
    struct shmring_reader *picture, *sound;
    gint64 offset;

    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    push_to(pipeline, "picture", GRAY, 0);
    push_to(pipeline, "sound", "audio/x-test", 0);
    picture = reader_of("-a");
    sound = reader_of("-b");
    shmring_frame_release(take_frame(picture));
    shmring_frame_release(take_frame(sound));
    gst_element_set_base_time(pipeline, (GstClockTime)now() - 60 * GST_SECOND);
    for (guint i = 0; i < 2; i++) {
        GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), i == 0 ? "a" : "b");

        gst_element_set_base_time(sink, gst_element_get_base_time(pipeline));
        gst_object_unref(sink);
    }
    push_to(pipeline, "picture", GRAY, GST_SECOND);
    offset = clock_minus_pts(take_frame(picture));
    push_to(pipeline, "sound", "audio/x-test", 20 * GST_SECOND);
    assert_equals_int64(clock_minus_pts(take_frame(sound)), offset);
    shmring_reader_free(picture);
    shmring_reader_free(sound);
    stop_pipeline(pipeline);
}
GST_END_TEST;

/* ---- A sink that keeps time -------------------------------------------------------------------
 */

static gpointer attach_in_thread(gpointer data) {
    return attach_reader(ring);
}

/* It waited for its reader, and goes on from there. */
GST_START_TEST(test_waits_in_time) {
    gchar *text = g_strdup_printf("videotestsrc num-buffers=4 ! %s ! shmringsink name=%s "
                                  "sync=true ts-offset=1000 wait-for-connection=true",
                                  GRAY, ring);
    GstElement *pipeline = gst_parse_launch(text, NULL);
    GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), ring);
    struct shmring_reader *reader;
    GThread *thread;
    gint64 before, begin = 0, offset;

    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    fail_unless(gst_element_get_state(pipeline, NULL, NULL, GST_CLOCK_TIME_NONE) ==
                GST_STATE_CHANGE_SUCCESS);
    /* time that must pass, so that there is something to move by */
    g_usleep(200 * G_TIME_SPAN_MILLISECOND);
    before = now();
    thread = g_thread_new("attach", attach_in_thread, NULL);
    reader = g_thread_join(thread);
    for (gint64 i = 0; i < 4; i++) {
        struct shmring_frame *frame = take_frame(reader);

        begin = i == 0 ? frame->info.clock_ns : begin;
        fail_unless(frame->info.clock_ns > before - SLACK / 4);
        fail_unless(frame->info.clock_ns - begin >= i * 40 * (gint64)GST_MSECOND);
        fail_unless(frame->info.publish_ns >= frame->info.clock_ns - (gint64)GST_MSECOND);
        shmring_frame_release(frame);
    }
    g_object_get(sink, "ts-offset", &offset, NULL);
    fail_unless(offset > 150 * (gint64)GST_MSECOND);
    shmring_reader_free(reader);
    gst_element_set_state(pipeline, GST_STATE_READY);
    g_object_get(sink, "ts-offset", &offset, NULL);
    assert_equals_int64(offset, 1000);
    gst_object_unref(sink);
    stop_pipeline(pipeline);
    g_free(text);
}
GST_END_TEST;

/* ---- The latency that readers are told ----------------------------------------------------------
 */

/* It announces 2 s, or nothing, and takes 200 ms. */
GST_START_TEST(test_measured_latency) {
    GstHarness *h = harness_for("shmringsink", ring, "");
    struct shmring_reader *reader;

    gst_harness_set_live(h, TRUE);
    gst_harness_set_upstream_latency(h, __i__ * 2 * GST_SECOND);
    gst_harness_use_systemclock(h);
    gst_element_set_base_time(h->element, (GstClockTime)now() - 5 * GST_SECOND);
    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    for (guint i = 0; i < 10; i++)
        shmring_frame_release(carry(h, reader, -200 * (gint64)GST_MSECOND));
    fail_unless(latency_in_ring() >= 200 * (gint64)GST_MSECOND);
    fail_unless(latency_in_ring() < 200 * (gint64)GST_MSECOND + SLACK);
    shmring_reader_free(reader);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* Who is not live and late goes on from now: nothing of it is late. */
GST_START_TEST(test_no_latency) {
    GstHarness *h = sink_for("", FALSE);
    struct shmring_reader *reader = attach_reader(ring);

    gst_element_set_base_time(h->element, (GstClockTime)now() - 5 * GST_SECOND);
    shmring_frame_release(carry(h, reader, -4 * (gint64)GST_SECOND));
    assert_equals_int64(latency_in_ring(), 0);
    shmring_reader_free(reader);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* What queues up behind a reader that stood still is not the stream's own lateness. */
GST_START_TEST(test_after_a_wait) {
    GstHarness *h = sink_for("slots=4 timeout=600000000", TRUE);
    struct shmring_reader *reader = attach_reader(ring);

    gst_element_set_base_time(h->element, (GstClockTime)now() - 5 * GST_SECOND);
    for (guint i = 0; i < 5; i++) {
        GstBuffer *buffer = make_picture(GRAY, 0);

        GST_BUFFER_PTS(buffer) = (GstClockTime)now() - gst_element_get_base_time(h->element);
        assert_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
    }
    for (guint i = 0; i < 4; i++)
        shmring_frame_release(take_frame(reader));
    shmring_frame_release(carry(h, reader, -600 * (gint64)GST_MSECOND));
    fail_unless(latency_in_ring() < 500 * (gint64)GST_MSECOND);
    shmring_reader_free(reader);
    gst_harness_teardown(h);
}
GST_END_TEST;

static Suite *sinktime_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("sinktime", &tcase);

    tcase_add_test(tcase, test_live);
    tcase_add_test(tcase, test_other_clock);
    tcase_add_test(tcase, test_clock_in_steps);
    tcase_add_test(tcase, test_no_time);
    tcase_add_test(tcase, test_paced_by_a_reader);
    tcase_add_test(tcase, test_paced_by_nobody);
    tcase_add_test(tcase, test_flush);
    tcase_add_test(tcase, test_negative_times);
    tcase_add_test(tcase, test_in_step);
    tcase_add_test(tcase, test_waits_in_time);
    tcase_add_loop_test(tcase, test_measured_latency, 0, 2);
    tcase_add_test(tcase, test_no_latency);
    tcase_add_test(tcase, test_after_a_wait);
    return suite;
}

GST_CHECK_MAIN(sinktime);
