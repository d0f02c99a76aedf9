/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What readers are told of how late frames leave: within 3 ms of what is true, over streams of
 * every kind. Arithmetic alone, with a given clock. */
#include "support.h"

#include "gstshmringsink.h"

#define MS ((gint64)GST_MSECOND)
#define S ((gint64)GST_SECOND)
#define FPS 30
#define BEGIN (1000 * S)
#define CLOSE (3 * MS)

static GstShmRingSinkLateness lateness;
static gint64 told;
static GRand *any;

static void setup(void) {
    memset(&lateness, 0, sizeof lateness);
    told = 0;
    any = g_rand_new_with_seed(1);
}

static void teardown(void) {
    g_rand_free(any);
}

/* Frame NUMBER comes LATE. */
static void come(gint number, gint64 late) {
    told = gst_shm_ring_sink_lateness_keep(&lateness, late, BEGIN + number * S / FPS + late);
}

static void assert_told(gint64 truth) {
    fail_unless(told >= truth && told <= truth + CLOSE,
                "%" G_GINT64_FORMAT " us told of %" G_GINT64_FORMAT, told / 1000, truth / 1000);
}

GST_START_TEST(test_steady) {
    static const gint64 times[] = {0, 400, 4000, 9500, 33333, 200000, 2000500};

    for (gsize i = 0; i < G_N_ELEMENTS(times); i++) {
        memset(&lateness, 0, sizeof lateness);
        for (gint number = 0; number < 60 * FPS; number++) {
            come(number, times[i] * 1000);
            assert_told(times[i] * 1000);
        }
    }
}
GST_END_TEST;

/* Between 5 and 40 ms: in every second some are nearly that. */
GST_START_TEST(test_jittery) {
    for (gint number = 0; number < 60 * FPS; number++) {
        come(number, (number % FPS == 7 ? 39900 : g_rand_int_range(any, 5000, 39900)) * 1000);
        if (number > 2 * FPS)
            assert_told(39900 * 1000);
    }
}
GST_END_TEST;

/* Half a second's frames at once. */
GST_START_TEST(test_bursty) {
    for (gint number = 0; number < 60 * FPS; number++) {
        come(number, (FPS / 2 - number % (FPS / 2)) * S / FPS);
        if (number > 2 * FPS)
            assert_told(S / 2);
    }
}
GST_END_TEST;

/* A camera that takes 700 ms to begin, and catches up. */
GST_START_TEST(test_late_start) {
    for (gint number = 0; number < 60 * FPS; number++) {
        come(number, MAX(20 * MS, 700 * MS - number * S / FPS));
        if (number > 3 * FPS)
            assert_told(20 * MS);
    }
}
GST_END_TEST;

/* Once, for 800 ms; then once more. */
GST_START_TEST(test_hiccups) {
    for (gint number = 0; number < 60 * FPS; number++) {
        const gint since = number % (25 * FPS) - 20 * FPS;

        come(number, since < 0 ? 20 * MS : MAX(20 * MS, 800 * MS - since * S / FPS));
        assert_told(20 * MS);
    }
}
GST_END_TEST;

/* The stream stood still for a second; what had queued up comes at once. Again and again. */
GST_START_TEST(test_stuck_readers) {
    for (gint number = 0; number < 60 * FPS; number++) {
        const gint since = number % (5 * FPS) - 4 * FPS;

        if (since == 0)
            gst_shm_ring_sink_lateness_waited(&lateness, S, BEGIN + number * S / FPS + S);
        come(number, since < 0 ? 20 * MS : MAX(20 * MS, S - since * S / FPS));
        assert_told(20 * MS);
    }
}
GST_END_TEST;

/* What lasts is told. */
GST_START_TEST(test_later_from_now_on) {
    for (gint number = 0; number < 60 * FPS; number++) {
        come(number, number < 30 * FPS ? 20 * MS : 90 * MS);
        if (number >= 33 * FPS)
            assert_told(90 * MS);
    }
    for (gint number = 60 * FPS; number < 120 * FPS; number++)
        come(number, 20 * MS);
    assert_told(20 * MS);
}
GST_END_TEST;

static Suite *lateness_suite(void) {
    Suite *suite = suite_create("lateness");
    TCase *tcase = tcase_create("arithmetic");

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_steady);
    tcase_add_test(tcase, test_jittery);
    tcase_add_test(tcase, test_bursty);
    tcase_add_test(tcase, test_late_start);
    tcase_add_test(tcase, test_hiccups);
    tcase_add_test(tcase, test_stuck_readers);
    tcase_add_test(tcase, test_later_from_now_on);
    return suite;
}

GST_CHECK_MAIN(lateness);
