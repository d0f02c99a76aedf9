/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events and times that shmringsink carries into frame headers. */
#include "writing.h"

#include <gst/check/gsttestclock.h>
#include <string.h>
#include <time.h>

static GstHarness *h;
static struct shmring_reader *reader;

static void setup(void) {
    h = harness_for("shmringsink", ring, "");
    gst_harness_set_live(h, FALSE);
    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
}

static void teardown(void) {
    shmring_reader_free(reader);
    gst_harness_teardown(h);
}

static struct shmring_frame *carry(guint8 seed, GstClockTime pts) {
    GstBuffer *buffer = make_picture(GRAY, seed);

    GST_BUFFER_PTS(buffer) = pts;
    assert_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
    return take_frame(reader);
}

/* ---- Gaps --------------------------------------------------------------------------------- */

GST_START_TEST(test_gap) {
    struct shmring_frame *frame;

    shmring_frame_release(carry(0, 0));
    fail_unless(gst_harness_push_event(h, gst_event_new_gap(GST_SECOND, 2 * GST_SECOND)));
    frame = take_frame(reader);
    assert_equals_int(frame->info.flags, SHMRING_FRAME_GAP);
    assert_equals_uint64(frame->info.size, 0);
    assert_equals_int(frame->info.planes, 0);
    assert_equals_int64(frame->info.pts_ns, GST_SECOND);
    assert_equals_int64(frame->info.duration_ns, 2 * GST_SECOND);
    shmring_frame_release(frame);
    frame = carry(1, 3 * GST_SECOND);
    assert_equals_int(frame->info.flags, 0);
    assert_equals_uint64(frame->info.size, 32);
    assert_equals_uint64(frame->info.frame_number, 1);
    shmring_frame_release(frame);
}
GST_END_TEST;

/* A picture that says it has no content keeps it. */
GST_START_TEST(test_gap_picture) {
    GstBuffer *buffer = make_picture(GRAY, 7);
    struct shmring_frame *frame;

    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_GAP);
    gst_harness_push(h, buffer);
    frame = take_frame(reader);
    assert_equals_uint64(frame->info.size, 32);
    fail_unless(frame->info.flags & SHMRING_FRAME_GAP);
    shmring_frame_release(frame);
}
GST_END_TEST;

/* ---- Tags --------------------------------------------------------------------------------- */

static void push_tags(const gchar *text) {
    gst_harness_push_event(h, gst_event_new_tag(gst_tag_list_new_from_string(text)));
}

/* The text of the block's entry of tags (type 4), or "". */
static const gchar *tags_of(const struct shmring_frame *frame) {
    const guint32 *entry = frame->info.metas;

    if (frame->info.metas_size == 0)
        return "";
    assert_equals_int(entry[0], 4);
    return (const gchar *)&entry[2];
}

static void expect_tags(const gchar *part) {
    struct shmring_frame *frame = carry(0, 0);
    const gchar *text = tags_of(frame);

    if (*part == '\0')
        assert_equals_string(text, "");
    fail_unless(strstr(text, part) != NULL, "%s", text);
    shmring_frame_release(frame);
}

GST_START_TEST(test_orientation) {
    expect_tags("");
    push_tags("taglist, title=(string)holiday");
    expect_tags("");
    push_tags("taglist, image-orientation=(string)rotate-90, title=(string)holiday");
    expect_tags("rotate-90");
    push_tags("taglist, title=(string)later");
    expect_tags("rotate-90");
    push_tags("taglist, image-orientation=(string)flip-rotate-180");
    expect_tags("flip-rotate-180");
    gst_harness_push_event(h, gst_event_new_stream_start("next"));
    expect_tags("");
}
GST_END_TEST;

/* ---- Flushes and pauses ------------------------------------------------------------------- */

/* No frame from before the flush is seen after it; frames in slots that upstream still has are no
 * exception. */
GST_START_TEST(test_flush) {
    GstBufferPool *pool = active_pool(h, GRAY);

    for (guint8 i = 0; i < 50; i++) {
        struct shmring_frame *frame;
        GstBuffer *buffer = acquire(pool);

        paint(buffer, 100);
        gst_harness_push(h, gst_buffer_ref(buffer));
        flush_sink(h);
        frame = carry(i, 0);
        assert_equals_int(((const guint8 *)frame->data)[0], picture_byte(0, i));
        assert_equals_int(frame->info.flags, SHMRING_FRAME_DISCONT);
        shmring_frame_release(frame);
        gst_buffer_unref(buffer);
    }
    /* the slots are lent again, too */
    assert_equals_uint64(count_of(h->element, "in-place"), 50);
    gst_buffer_pool_set_active(pool, FALSE);
    gst_object_unref(pool);
}
GST_END_TEST;

/* A seek after the end begins the ring anew for the same readers' next attach. */
GST_START_TEST(test_seek_after_end) {
    struct shmring_frame *frame;

    shmring_frame_release(carry(1, 0));
    gst_harness_push_event(h, gst_event_new_eos());
    assert_equals_int(shmring_reader_take(reader, SHMRING_FOREVER, &frame, NULL), SHMRING_ENDED);
    flush_sink(h);
    gst_harness_push(h, make_picture(GRAY, 2));
    assert_equals_int(shmring_reader_attach(reader, SHMRING_FOREVER, NULL), SHMRING_OK);
    frame = carry(3, 0);
    assert_equals_int(((const guint8 *)frame->data)[0], picture_byte(0, 3));
    shmring_frame_release(frame);
}
GST_END_TEST;

GST_START_TEST(test_pauses) {
    GstBufferPool *pool = active_pool(h, GRAY);

    for (guint8 i = 0; i < 50; i++) {
        GstBuffer *buffer;
        GThread *thread;
        struct shmring_frame *frame;

        gst_element_set_state(h->element, GST_STATE_PAUSED);
        buffer = acquire(pool);
        paint(buffer, i);
        thread = push_in_thread(h, buffer);
        gst_element_set_state(h->element, GST_STATE_PLAYING);
        frame = take_frame(reader);
        assert_equals_int(((const guint8 *)frame->data)[0], picture_byte(0, i));
        assert_equals_int(FLOW_OF(thread), GST_FLOW_OK);
        shmring_frame_release(frame);
    }
    gst_buffer_pool_set_active(pool, FALSE);
    gst_object_unref(pool);
}
GST_END_TEST;

/* A slot that came through a pause is published in place, and the next one is lent at once. */
GST_START_TEST(test_lends_after_pause) {
    GstBufferPool *pool = active_pool(h, GRAY);

    for (gint i = 0; i < 20; i++) {
        GstBuffer *buffer = acquire(pool);
        GThread *thread;

        fail_unless(is_slot(buffer));
        gst_element_set_state(h->element, GST_STATE_PAUSED);
        thread = push_in_thread(h, buffer);
        gst_element_set_state(h->element, GST_STATE_PLAYING);
        assert_equals_int(FLOW_OF(thread), GST_FLOW_OK);
        shmring_frame_release(take_frame(reader));
    }
    assert_equals_uint64(count_of(h->element, "copied"), 0);
    gst_buffer_pool_set_active(pool, FALSE);
    gst_object_unref(pool);
}
GST_END_TEST;

/* ---- Times -------------------------------------------------------------------------------- */

static gint64 monotonic(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return GST_TIMESPEC_TO_TIME(now);
}

/* A sink asks for that when the latency is agreed. */
static void become_live(void) {
    gst_harness_set_live(h, TRUE);
    gst_element_send_event(h->element, gst_event_new_latency(0));
}

/* A clock that stands at 7 s, in a pipeline that began when it said 5 s: a frame of running time
 * 3 s is due in one second from now. */
GST_START_TEST(test_other_clock) {
    GstClock *clock = gst_test_clock_new_with_start_time(7 * GST_SECOND);
    struct shmring_frame *frame;
    gint64 before, after;

    become_live();
    gst_element_set_clock(h->element, clock);
    gst_element_set_base_time(h->element, 5 * GST_SECOND);
    before = monotonic();
    frame = carry(0, 3 * GST_SECOND);
    after = monotonic();
    fail_unless(frame->info.clock_ns >= before + (gint64)GST_SECOND);
    fail_unless(frame->info.clock_ns <= after + (gint64)GST_SECOND);
    assert_equals_int64(frame->info.pts_ns, 3 * GST_SECOND);
    shmring_frame_release(frame);
    gst_object_unref(clock);
}
GST_END_TEST;

/* A stream that is not live and nine seconds late: it goes on from now, at its own pace. */
GST_START_TEST(test_too_late) {
    GstClock *clock = gst_test_clock_new_with_start_time(17 * GST_SECOND);
    struct shmring_frame *frame;
    gint64 before, then;

    gst_element_set_clock(h->element, clock);
    gst_element_set_base_time(h->element, 5 * GST_SECOND);
    before = monotonic();
    frame = carry(0, 3 * GST_SECOND);
    then = frame->info.clock_ns;
    fail_unless(then >= before && then <= monotonic());
    shmring_frame_release(frame);
    frame = carry(1, 4 * GST_SECOND);
    fail_unless(frame->info.clock_ns >= then + (gint64)GST_SECOND);
    assert_equals_int64(frame->info.pts_ns, 4 * GST_SECOND);
    shmring_frame_release(frame);
    gst_object_unref(clock);
}
GST_END_TEST;

/* The ring has one of its own. */
GST_START_TEST(test_without_clock) {
    gint64 before = monotonic();
    struct shmring_frame *frame;

    gst_element_set_clock(h->element, NULL);
    frame = carry(0, GST_SECOND);
    fail_unless(frame->info.clock_ns >= before);
    assert_equals_int64(frame->info.pts_ns, GST_SECOND);
    fail_unless(frame->info.timestamp_ns > 0);
    shmring_frame_release(frame);
    frame = carry(0, GST_CLOCK_TIME_NONE);
    fail_unless(frame->info.clock_ns >= before);
    shmring_frame_release(frame);
}
GST_END_TEST;

/* Running time, not the segment's own. */
GST_START_TEST(test_segment) {
    struct shmring_frame *frame;
    GstSegment segment;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.start = segment.time = 10 * GST_SECOND;
    segment.base = 2 * GST_SECOND;
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    frame = carry(0, 11 * GST_SECOND);
    assert_equals_int64(frame->info.pts_ns, 3 * GST_SECOND);
    shmring_frame_release(frame);
}
GST_END_TEST;

/* At another speed, also backwards, times and durations are those of who watches. */
GST_START_TEST(test_speeds) {
    static const gdouble speeds[] = {2, 0.5, -1, -4};
    struct shmring_frame *frame;
    GstSegment segment;

    for (gsize i = 0; i < G_N_ELEMENTS(speeds); i++) {
        GstBuffer *buffer = make_picture(GRAY, 0);
        const gdouble speed = ABS(speeds[i]);

        gst_segment_init(&segment, GST_FORMAT_TIME);
        segment.rate = speeds[i];
        segment.stop = 2 * GST_SECOND;
        gst_harness_push_event(h, gst_event_new_segment(&segment));
        GST_BUFFER_PTS(buffer) = GST_SECOND;
        GST_BUFFER_DURATION(buffer) = GST_SECOND;
        assert_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
        frame = take_frame(reader);
        assert_equals_int64(frame->info.pts_ns, GST_SECOND / speed);
        assert_equals_int64(frame->info.duration_ns, GST_SECOND / speed);
        shmring_frame_release(frame);
        fail_unless(gst_harness_push_event(h, gst_event_new_gap(GST_SECOND, GST_SECOND)));
        frame = take_frame(reader);
        assert_equals_int64(frame->info.duration_ns, GST_SECOND / speed);
        shmring_frame_release(frame);
    }
}
GST_END_TEST;

/* What upstream says of itself is nothing; what the sink agreed to keep to is. */
GST_START_TEST(test_latency) {
    gst_harness_set_live(h, TRUE);
    gst_harness_set_upstream_latency(h, 200 * GST_MSECOND);
    gst_element_send_event(h->element, gst_event_new_latency(300 * GST_MSECOND));
    assert_equals_int64(latency_in_ring(), 0);
    g_object_set(h->element, "sync", TRUE, NULL);
    gst_element_send_event(h->element, gst_event_new_latency(300 * GST_MSECOND));
    assert_equals_int64(latency_in_ring(), 300 * GST_MSECOND);
}
GST_END_TEST;

static Suite *events_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("events", &tcase);

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_gap);
    tcase_add_test(tcase, test_gap_picture);
    tcase_add_test(tcase, test_orientation);
    tcase_add_test(tcase, test_flush);
    tcase_add_test(tcase, test_seek_after_end);
    tcase_add_test(tcase, test_pauses);
    tcase_add_test(tcase, test_lends_after_pause);
    tcase_add_test(tcase, test_other_clock);
    tcase_add_test(tcase, test_too_late);
    tcase_add_test(tcase, test_without_clock);
    tcase_add_test(tcase, test_segment);
    tcase_add_test(tcase, test_speeds);
    tcase_add_test(tcase, test_latency);
    return suite;
}

GST_CHECK_MAIN(events);
