/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mode latest begins with the frame that is there. */
#include "support.h"

static const char *name;
static struct shmring_writer *writer;
static struct shmring_reader *reader;

static struct shmring_reader *late_reader(enum shmring_mode mode, uint32_t depth) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    options.mode = mode;
    options.depth = depth;
    return open_reader(name, &options);
}

static void open_ring(void) {
    name = new_name();
    writer = new_writer(name, 8);
}

static void close_ring(void) {
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}

START_TEST(the_one_that_is_there_then_the_next) {
    put_many(writer, 1, 3);
    reader = late_reader(SHMRING_MODE_LATEST, 1);
    struct shmring_frame *frame = take(reader, 3);
    ck_assert(frame->is_copy && frame->is_first);
    ck_assert_uint_eq(frame->missed, 0);
    shmring_frame_release(frame);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 4);
    read_many(reader, 4, 4);
    struct shmring_reader_stats stats = reader_stats(reader);
    ck_assert_uint_eq(stats.early, 1);
    ck_assert_uint_eq(stats.received, 1);
    ck_assert_uint_eq(stats.dropped, 0);
}
END_TEST

START_TEST(one_that_came_since_the_attach_counts) {
    reader = late_reader(SHMRING_MODE_LATEST, 2);
    put_many(writer, 1, 3);
    read_many(reader, 3, 3);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 4);
    struct shmring_frame *frame = take(reader, 4);
    ck_assert_uint_eq(frame->missed, 0);
    shmring_frame_release(frame);
    struct shmring_reader_stats stats = reader_stats(reader);
    ck_assert_uint_eq(stats.early, 0);
    ck_assert_uint_eq(stats.received, 2);
    ck_assert_uint_eq(stats.dropped, 2);
}
END_TEST

START_TEST(not_one_that_needs_others) {
    put(writer, 1);
    put_flagged(writer, 2, _i ? SHMRING_FRAME_DELTA : SHMRING_FRAME_GAP);
    reader = late_reader(SHMRING_MODE_LATEST, 1);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 3);
    read_many(reader, 3, 3);
    ck_assert_uint_eq(reader_stats(reader).early, 0);
}
END_TEST

START_TEST(not_one_that_is_being_overwritten) {
    put_many(writer, 1, 2);
    struct segment *seg = writer_segment(writer);
    segment_frame(seg, *segment_descriptor(seg, 2) & 0xffff)->seq = 0;
    reader = late_reader(SHMRING_MODE_LATEST, 1);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 3);
    read_many(reader, 3, 3);
}
END_TEST

START_TEST(there_is_none) {
    reader = late_reader(SHMRING_MODE_LATEST, 1);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put_many(writer, 1, 2);
    read_many(reader, 2, 2);
}
END_TEST

START_TEST(none_twice_after_a_leave) {
    put_many(writer, 1, 3);
    reader = late_reader(SHMRING_MODE_LATEST, 1);
    read_many(reader, 3, 3);
    shmring_reader_leave(reader);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    shmring_reader_leave(reader);
    put(writer, 4);
    read_many(reader, 4, 4);
}
END_TEST

START_TEST(lossless_readers_begin_with_the_next) {
    put(writer, 1);
    reader = late_reader(SHMRING_MODE_ALL, 1);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 2);
    read_many(reader, 2, 2);
}
END_TEST

static _Atomic bool over;

static void *write_on(void *unused) {
    (void)unused;
    for (uint64_t number = 1; !atomic_load(&over); number++)
        put(writer, number);
    return NULL;
}

START_TEST(none_twice_none_out_of_order) {
    pthread_t thread;
    struct shmring_frame *frame;
    uint64_t last = 0;
    atomic_store(&over, false);
    pthread_create(&thread, NULL, write_on, NULL);
    reader = late_reader(SHMRING_MODE_LATEST, 1 + _i);
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(shmring_reader_take(reader, LONG, &frame, NULL), SHMRING_OK);
        ck_assert_uint_gt(frame->info.seq, last);
        ck_assert(is_filled(frame->data, frame->info.seq));
        last = frame->info.seq;
        shmring_frame_release(frame);
        if (i % 3 == 0)
            shmring_reader_leave(reader);
    }
    atomic_store(&over, true);
    pthread_join(thread, NULL);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("newest");
    tcase_add_checked_fixture(tests, open_ring, close_ring);
    tcase_add_test(tests, the_one_that_is_there_then_the_next);
    tcase_add_test(tests, one_that_came_since_the_attach_counts);
    tcase_add_loop_test(tests, not_one_that_needs_others, 0, 2);
    tcase_add_test(tests, not_one_that_is_being_overwritten);
    tcase_add_test(tests, there_is_none);
    tcase_add_test(tests, none_twice_after_a_leave);
    tcase_add_test(tests, lossless_readers_begin_with_the_next);
    tcase_add_loop_test(tests, none_twice_none_out_of_order, 0, 3);
    return run_tests(tests);
}
