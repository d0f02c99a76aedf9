/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "timeline.h"

#include "support.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define ORIGIN (1000 * SECOND)

static struct shmring_timeline *timeline;

static void make_timeline(void) {
    timeline = shmring_timeline_new();
    ck_assert_ptr_nonnull(timeline);
}

static void drop_timeline(void) {
    shmring_timeline_unref(timeline);
}

static const struct shmring_timing at_will = {
    .struct_size = sizeof(struct shmring_timing),
    .origin_ns = ORIGIN,
};
static const struct shmring_timing paced = {
    .struct_size = sizeof(struct shmring_timing),
    .origin_ns = ORIGIN,
    .latency_ns = 200 * MS,
    .paced = true,
};

static int64_t stamp(const struct shmring_timing *timing, int64_t pts, int64_t now) {
    bool jumped = true;
    int64_t due = shmring_timeline_stamp(timeline, timing, pts, now, &jumped);
    ck_assert(!jumped);
    return due;
}

/* ---- Frames that come when they come ---- */

START_TEST(too_fast_with_a_lossless_reader) {
    timeline_count_pacer(timeline, 1);
    int64_t first = stamp(&at_will, 0, ORIGIN + SECOND);
    ck_assert_int_eq(first, ORIGIN + SECOND);
    for (int64_t i = 1; i < 300; i++)
        ck_assert_int_eq(stamp(&at_will, i * 30 * MS, ORIGIN + SECOND + i * 6 * MS),
                         first + i * 30 * MS);
}
END_TEST

START_TEST(too_fast_without) {
    for (int64_t i = 0; i < 300; i++)
        ck_assert_int_eq(stamp(&at_will, i * 30 * MS, ORIGIN + i * 6 * MS), ORIGIN + i * 6 * MS);
}
END_TEST

START_TEST(when_that_reader_goes_it_is_now_again) {
    timeline_count_pacer(timeline, 1);
    ck_assert_int_eq(stamp(&at_will, 10 * SECOND, ORIGIN), ORIGIN + 10 * SECOND);
    timeline_count_pacer(timeline, -1);
    ck_assert_int_eq(stamp(&at_will, 11 * SECOND, ORIGIN), ORIGIN);
}
END_TEST

START_TEST(slower_than_said) {
    timeline_count_pacer(timeline, _i);
    for (int64_t i = 0; i < 300; i++)
        ck_assert_int_eq(stamp(&at_will, i * SECOND / 30, ORIGIN + i * SECOND / 28),
                         ORIGIN + i * SECOND / 28);
}
END_TEST

START_TEST(without_a_time_it_is_now) {
    ck_assert_int_eq(stamp(&at_will, SHMRING_TIME_NONE, 77), 77);
    ck_assert_int_eq(shmring_timeline_get_shift(timeline), 0);
}
END_TEST

/* Picture and sound: what moves one moves the other. */
START_TEST(two_streams_stay_together) {
    int64_t now = ORIGIN;
    timeline_count_pacer(timeline, 1);
    for (int64_t i = 0; i < 300; i++) {
        now += 30 * MS + (i % 50 == 17) * 96 * MS;
        int64_t picture = stamp(&at_will, i * 30 * MS, now) - i * 30 * MS;
        ck_assert_int_eq(stamp(&at_will, i * 30 * MS + 5 * MS, now),
                         picture + i * 30 * MS + 5 * MS);
    }
}
END_TEST

/* ---- Frames that come when they are due ---- */

START_TEST(a_late_one_is_late) {
    for (int64_t late = -SECOND; late <= 10 * SECOND; late += 100 * MS)
        ck_assert_int_eq(stamp(&paced, 20 * SECOND, ORIGIN + 20 * SECOND + late),
                         ORIGIN + 20 * SECOND);
    ck_assert_int_eq(shmring_timeline_get_shift(timeline), 0);
}
END_TEST

static const struct {
    int64_t early;
    bool jumps;
} distances[] = {
    {SECOND + 200 * MS, false},       {SECOND + 200 * MS + 1, true},
    {-10 * SECOND - 200 * MS, false}, {-10 * SECOND - 200 * MS - 1, true},
    {INT64_C(172800) * SECOND, true},
};

START_TEST(one_of_another_clock_is_now) {
    int64_t now = ORIGIN + 20 * SECOND, pts = 20 * SECOND + distances[_i].early;
    bool jumped;
    int64_t due = shmring_timeline_stamp(timeline, &paced, pts, now, &jumped);
    ck_assert_int_eq(jumped, distances[_i].jumps);
    ck_assert_int_eq(due, jumped ? now : ORIGIN + pts);
    due = shmring_timeline_stamp(timeline, &paced, pts + SECOND, now + SECOND, &jumped);
    ck_assert(!jumped); /* once */
    ck_assert_int_eq(due, distances[_i].jumps ? now + SECOND : ORIGIN + pts + SECOND);
}
END_TEST

START_TEST(time_that_was_waited_is_added) {
    shmring_timeline_add(timeline, 3 * SECOND);
    ck_assert_int_eq(stamp(&paced, 0, ORIGIN + 3 * SECOND), ORIGIN + 3 * SECOND);
    shmring_timeline_reset(timeline);
    ck_assert_int_eq(shmring_timeline_get_shift(timeline), 0);
}
END_TEST

/* ---- What nobody means ---- */

START_TEST(times_that_cannot_be_are_survived) {
    static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, -2, 0, INT64_MAX - 1, INT64_MAX};
    for (int round = 0; round < 1000; round++) {
        struct shmring_timing timing = at_will;
        timing.origin_ns = times[round % 6];
        timing.latency_ns = times[round / 6 % 6];
        timing.paced = round / 36 % 2;
        shmring_timeline_stamp(timeline, &timing, times[round / 72 % 6], ORIGIN, NULL);
        if (round % 7 == 0)
            shmring_timeline_add(timeline, times[round % 6]);
    }
    for (int i = 0; i < 20; i++) {
        struct shmring_timing timing = at_will;
        timing.origin_ns = INT64_MAX;
        shmring_timeline_stamp(timeline, &timing, INT64_MAX, ORIGIN, NULL);
    }
}
END_TEST

/* It ends before what this library has beside it. */
START_TEST(an_older_program) {
    struct shmring_timing older = paced;
    older.struct_size = offsetof(struct shmring_timing, latency_ns);
    ck_assert_int_eq(stamp(&older, 0, ORIGIN + SECOND), ORIGIN + SECOND);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("timeline");
    tcase_add_checked_fixture(tests, make_timeline, drop_timeline);
    tcase_add_test(tests, too_fast_with_a_lossless_reader);
    tcase_add_test(tests, too_fast_without);
    tcase_add_test(tests, when_that_reader_goes_it_is_now_again);
    tcase_add_loop_test(tests, slower_than_said, 0, 2);
    tcase_add_test(tests, without_a_time_it_is_now);
    tcase_add_test(tests, two_streams_stay_together);
    tcase_add_test(tests, a_late_one_is_late);
    tcase_add_loop_test(tests, one_of_another_clock_is_now, 0, COUNT(distances));
    tcase_add_test(tests, time_that_was_waited_is_added);
    tcase_add_test(tests, times_that_cannot_be_are_survived);
    tcase_add_test(tests, an_older_program);
    return run_tests(tests);
}
