/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When frames are due behind a source: arithmetic alone, without a pipeline. */
#include "support.h"

#include "gstshmringsrc.h"

#define MS ((gint64)GST_MSECOND)
#define S ((gint64)GST_SECOND)
#define START ((gint64)3600 * 1000 * S)
#define ORIGIN (100 * S)

static GstShmRingSrcTime at;
static gint64 latency, now;
static gboolean is_live, is_first;
static GstClockTime pts, dts;

static void start(const gchar *text, gboolean live, gboolean leaky) {
    GstCaps *caps = gst_caps_from_string(text);

    gst_shm_ring_src_time_start(&at, leaky);
    gst_shm_ring_src_time_set_caps(&at, caps);
    gst_caps_unref(caps);
    is_live = live;
    is_first = TRUE;
    latency = 0;
    now = ORIGIN;
}

/* A frame that is due at DUE of the writer's running time, its DTS earlier by REORDER. */
static gboolean place(gint64 due, gint64 reorder) {
    GstShmRingSrcArrival arrival = {.is_first = is_first,
                                    .has_origin = is_live,
                                    .origin = ORIGIN,
                                    .now = now,
                                    .latency = latency};
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;

    info.pts_ns = due;
    info.dts_ns = due - reorder;
    info.clock_ns = ORIGIN + due;
    info.publish_ns = now;
    info.duration_ns = 40 * MS;
    is_first = FALSE;
    return gst_shm_ring_src_time_place(&at, &info, &arrival, &pts, &dts);
}

GST_START_TEST(test_live) {
    start("video/x-raw", TRUE, FALSE);
    now = ORIGIN + S;
    fail_unless(place(S, 0));
    assert_equals_uint64(pts, S);
    /* late or early, it is what it is */
    fail_unless(place(S - 500 * MS, 0));
    assert_equals_uint64(pts, S - 500 * MS);
    fail_unless(place(S + 5 * S, 0));
    assert_equals_uint64(pts, 6 * S);
    fail_if(place(-1 * MS, 0));
}
GST_END_TEST;

/* Its demuxer gives times on as they come, in a segment that begins at 0. */
GST_START_TEST(test_images_in_parts) {
    start("multipart/x-mixed-replace", TRUE, FALSE);
    now = ORIGIN + S;
    fail_unless(place(S, 0));
    assert_equals_uint64(pts, S);
    start("video/x-h264", TRUE, FALSE);
    fail_unless(place(S, 0));
    assert_equals_uint64(pts, START + S);
}
GST_END_TEST;

/* Theirs are in the file; none of its bytes can be left out. */
GST_START_TEST(test_fragmented_film) {
    start("video/quicktime, variant=iso", TRUE, FALSE);
    fail_unless(place(-1 * MS, 0));
    assert_equals_uint64(pts, 0);
    fail_unless(place(S, 0));
    assert_equals_uint64(pts, S);
}
GST_END_TEST;

/* A stream that runs ahead of the clock begins now for who comes to it. */
GST_START_TEST(test_first_is_far_ahead) {
    start("video/x-raw", TRUE, FALSE);
    now = ORIGIN + S;
    fail_unless(place(61 * S, 0));
    assert_equals_uint64(pts, S);
    fail_unless(place(61 * S + 40 * MS, 0));
    assert_equals_uint64(pts, S + 40 * MS);
    is_first = TRUE;
    fail_unless(place(S + 900 * MS, 0));
    assert_equals_uint64(pts, S + 900 * MS);
}
GST_END_TEST;

/* The newest frame is neither held, for the future or for those that come later than it, nor too
 * late for a sink. */
GST_START_TEST(test_leaky) {
    start("video/x-raw", TRUE, TRUE);
    latency = 100 * MS;
    now = ORIGIN + 10 * S;
    fail_unless(place(20 * S, 0));
    assert_equals_uint64(pts, 9 * S + 905 * MS);
    now += 40 * MS;
    fail_unless(place(2 * S, 0));
    assert_equals_uint64(pts, 9 * S + 940 * MS);
    now += 40 * MS;
    fail_unless(place(10 * S + 30 * MS, 0));
    assert_equals_uint64(pts, 9 * S + 985 * MS);
    now += 500 * MS;
    fail_unless(place(2 * S, 0));
    assert_equals_uint64(pts, 10 * S + 480 * MS);
}
GST_END_TEST;

/* As late as was told: times are exact. */
GST_START_TEST(test_leaky_and_steady) {
    start("video/x-raw", TRUE, TRUE);
    latency = 200 * MS;
    for (gint64 due = S; due < 5 * S; due += 40 * MS) {
        now = ORIGIN + due + 198 * MS;
        fail_unless(place(due, 0));
        assert_equals_uint64(pts, due);
    }
}
GST_END_TEST;

/* A viewer that agreed to 2 ms, and to no more while frames come later and later, takes the newest
 * one whenever it has shown the last, and drops what comes 5 ms too late. */
GST_START_TEST(test_leaky_never_agreed_anew) {
    const gint64 agreed = 27 * MS, hand_over = 5 * MS;
    gint64 is_free = 0;
    gint shown = 0;

    start("video/x-raw", TRUE, TRUE);
    latency = agreed - hand_over;
    for (gint64 i = 0; i < 300; i++) {
        const gint64 due = S + i * S / 30, arrived = due + 2 * MS + i * 498 * MS / 299;
        const gint64 next = arrived + S / 30 + 498 * MS / 299;

        if (next <= is_free)
            continue;
        now = ORIGIN + MAX(arrived, is_free);
        fail_unless(place(due, 0));
        shown += (gint64)pts + agreed + 5 * MS >= now - ORIGIN + hand_over;
        is_free = MAX((gint64)pts + agreed, now - ORIGIN + hand_over);
    }
    fail_unless(shown >= 280, "%d of 300", shown);
}
GST_END_TEST;

/* One whose frames are in time, but for some: none waits for those. */
GST_START_TEST(test_leaky_and_jittery) {
    gint64 is_free = 0;
    gint shown = 0;

    start("video/x-raw", TRUE, TRUE);
    latency = 100 * MS;
    for (gint64 i = 0; i < 300; i++) {
        const gint64 due = S + i * 40 * MS, arrived = due + (i % 50 == 0 ? 100 : 3) * MS;

        if (arrived + 40 * MS <= is_free)
            continue;
        now = ORIGIN + MAX(arrived, is_free);
        fail_unless(place(due, 0));
        shown++;
        is_free = (gint64)pts + latency + 25 * MS;
    }
    fail_unless(shown >= 280, "%d of 300", shown);
}
GST_END_TEST;

GST_START_TEST(test_other_namespace) {
    start("video/x-raw", TRUE, FALSE);
    now = ORIGIN + 3 * S;
    fail_unless(place(S, 0));
    {
        GstShmRingSrcArrival arrival = {.has_origin = TRUE, .origin = ORIGIN, .now = now};
        struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;

        info.pts_ns = S;
        info.clock_ns = ORIGIN + 1000 * S;
        info.publish_ns = ORIGIN + 1000 * S;
        fail_unless(gst_shm_ring_src_time_place(&at, &info, &arrival, &pts, &dts));
        assert_equals_uint64(pts, 3 * S);
    }
}
GST_END_TEST;

/* Frames that need those before them all come, in order, and catch up. */
GST_START_TEST(test_squeezed) {
    gint64 last = -1;

    start("video/x-h264", TRUE, FALSE);
    for (gint64 due = -2 * S; due <= S; due += 40 * MS) {
        fail_unless(place(due, 0));
        fail_unless((gint64)pts >= START);
        fail_unless((gint64)pts - last >= MS);
        assert_equals_uint64(dts, pts);
        last = pts;
    }
    assert_equals_uint64(pts, START + S);
}
GST_END_TEST;

/* Of those that reorder (two B-frames) a DTS is never after its PTS, nor before the last one, and
 * as far ahead of it in the first frame as later. */
GST_START_TEST(test_squeezed_and_reordered) {
    const gint64 later[] = {120, -40, -40}; /* P, B, B */
    gint64 last = -1;

    start("video/x-h264", TRUE, FALSE);
    for (gint i = 0; i < 100; i++) {
        const gint64 decoded = -2 * S - 80 * MS + i * 40 * MS;
        const gint64 reorder = i == 0 ? 80 * MS : 80 * MS + later[(i - 1) % 3] * MS;

        fail_unless(place(decoded + reorder, reorder));
        fail_unless(dts <= pts && (gint64)dts > last);
        last = dts;
        if (i == 0) {
            assert_equals_uint64(pts, START);
            assert_equals_uint64(dts, START - 80 * MS);
        }
    }
    assert_equals_uint64(dts, START - 2 * S - 80 * MS + 99 * 40 * MS);
}
GST_END_TEST;

GST_START_TEST(test_negative_dts) {
    GstSegment segment;

    start("video/x-h264", TRUE, FALSE);
    fail_unless(place(0, 80 * MS));
    assert_equals_uint64(pts, START);
    assert_equals_uint64(dts, START - 80 * MS);
    fail_unless(gst_shm_ring_src_time_take_segment(&at, &segment));
    assert_equals_uint64(gst_segment_to_running_time(&segment, GST_FORMAT_TIME, pts), 0);
    assert_equals_uint64(gst_segment_to_stream_time(&segment, GST_FORMAT_TIME, pts), 0);
    fail_if(gst_shm_ring_src_time_take_segment(&at, &segment));
    /* only -1 is no time */
    fail_unless(place(S, S + 2));
    assert_equals_uint64(dts, START - 2);
}
GST_END_TEST;

/* ---- Not live ----------------------------------------------------------------------------- */

GST_START_TEST(test_writers_in_a_row) {
    const gchar *const caps[] = {"video/x-raw", "video/x-h264"};
    GstSegment segment;

    for (gsize i = 0; i < G_N_ELEMENTS(caps); i++) {
        start(caps[i], FALSE, FALSE);
        for (gint frame = 0; frame < 10; frame++)
            fail_unless(place(frame * 40 * MS, 0));
        is_first = TRUE;
        gst_shm_ring_src_time_take_segment(&at, &segment);
        for (gint frame = 0; frame < 10; frame++) {
            fail_unless(place(7 * S + frame * 40 * MS, 0));
            fail_unless(gst_shm_ring_src_time_take_segment(&at, &segment) == (frame == 0));
            assert_equals_uint64(gst_segment_to_running_time(&segment, GST_FORMAT_TIME, pts),
                                 (10 + frame) * 40 * MS);
        }
    }
}
GST_END_TEST;

/* A loop is another stretch of the same writer. */
GST_START_TEST(test_stretches) {
    GstSegment segment;

    start("video/x-raw", FALSE, FALSE);
    for (guint frame = 0; frame < 30; frame++) {
        GstShmRingSrcArrival arrival = {.is_first = frame == 0, .now = now};
        struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;

        info.pts_ns = (frame % 10) * 33 * MS;
        info.stretch = frame / 10;
        info.publish_ns = now;
        fail_unless(gst_shm_ring_src_time_place(&at, &info, &arrival, &pts, &dts));
        if (gst_shm_ring_src_time_take_segment(&at, &segment))
            fail_unless(frame % 10 == 0);
        if (frame >= 10)
            assert_equals_uint64(gst_segment_to_running_time(&segment, GST_FORMAT_TIME, pts),
                                 frame * 33 * MS);
    }
}
GST_END_TEST;

/* Any bytes for times: nothing overflows (under UBSan), and PTS stay in the segment. */
GST_START_TEST(test_any_times) {
    GRand *rand = g_rand_new_with_seed(1);
    const gint64 edges[] = {G_MININT64, -2, -1, 0, 1, ORIGIN, G_MAXINT64};

    for (gint i = 0; i < 20000; i++) {
        GstShmRingSrcArrival arrival = {.is_first = i % 3 == 0,
                                        .has_origin = i % 4 != 0,
                                        .origin = ORIGIN,
                                        .now = ORIGIN + i,
                                        .latency = i};
        struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
        gint64 *const times[] = {&info.pts_ns, &info.dts_ns, &info.clock_ns, &info.duration_ns,
                                 &info.publish_ns};

        if (i % 100 == 0)
            start(i % 200 ? "video/x-raw" : "video/x-h264", TRUE, i % 300 == 0);
        for (gsize k = 0; k < G_N_ELEMENTS(times); k++)
            *times[k] = edges[g_rand_int_range(rand, 0, G_N_ELEMENTS(edges))];
        if (gst_shm_ring_src_time_place(&at, &info, &arrival, &pts, &dts) && !at.stands_alone)
            fail_unless((gint64)pts >= START || pts == GST_CLOCK_TIME_NONE);
    }
    g_rand_free(rand);
}
GST_END_TEST;

static Suite *srctime_suite(void) {
    Suite *suite = suite_create("srctime");
    TCase *tcase = tcase_create("arithmetic");

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, test_live);
    tcase_add_test(tcase, test_images_in_parts);
    tcase_add_test(tcase, test_fragmented_film);
    tcase_add_test(tcase, test_first_is_far_ahead);
    tcase_add_test(tcase, test_leaky);
    tcase_add_test(tcase, test_leaky_and_steady);
    tcase_add_test(tcase, test_leaky_never_agreed_anew);
    tcase_add_test(tcase, test_leaky_and_jittery);
    tcase_add_test(tcase, test_other_namespace);
    tcase_add_test(tcase, test_squeezed);
    tcase_add_test(tcase, test_squeezed_and_reordered);
    tcase_add_test(tcase, test_negative_dts);
    tcase_add_test(tcase, test_writers_in_a_row);
    tcase_add_test(tcase, test_stretches);
    tcase_add_test(tcase, test_any_times);
    return suite;
}

GST_CHECK_MAIN(srctime);
