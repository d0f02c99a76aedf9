/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attachment.h"

#include "support.h"

static const char *name;
static struct shmring_writer *writer;

static void open_ring(void) {
    name = new_name();
    writer = new_writer(name, 8); /* may lend 3: four slots for leases */
}

static void close_ring(void) {
    shmring_writer_close(writer);
}

START_TEST(frames_come_back_in_any_order) {
    static const int order[] = {2, 0, 3, 1};
    struct shmring_reader *reader = new_reader(name, 4);
    for (uint64_t first = 1; first <= 41; first += 4) {
        struct shmring_frame *frames[4];
        put_many(writer, first, first + 3);
        for (uint64_t i = 0; i < 4; i++)
            frames[i] = take(reader, first + i);
        for (int i = 0; i < 4; i++)
            shmring_frame_release(frames[order[i]]);
    }
    ck_assert_uint_eq(claims_at(writer, 0), 0);
    shmring_reader_free(reader);
}
END_TEST

/* More than the ring's 16 descriptors behind: it goes on with the newest, and counts exactly. */
START_TEST(lapped) {
    struct shmring_reader *reader = new_latest(name, 1);
    put_many(writer, 1, 1000);
    ck_assert_uint_eq(reader_stats(reader).lag, 0); /* it did not look yet */
    read_many(reader, 1000, 1000);
    ck_assert_uint_eq(reader_stats(reader).dropped, 999);
    put_many(writer, 1001, 1017);
    ck_assert_uint_eq(reader_stats(reader).lag, 17);
    read_many(reader, 1017, 1017);
    ck_assert_uint_eq(reader_stats(reader).received, 2);
    ck_assert_uint_eq(reader_stats(reader).dropped, 999 + 16);
    ck_assert_uint_eq(reader_stats(reader).lag, 0);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(the_newest_of_a_depth) {
    struct shmring_reader *reader = new_latest(name, 3);
    put_many(writer, 1, 6);
    read_many(reader, 4, 6);
    put_many(writer, 7, 8);
    read_many(reader, 7, 8);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    ck_assert_uint_eq(reader_stats(reader).received, 5);
    ck_assert_uint_eq(reader_stats(reader).dropped, 3);
    shmring_reader_free(reader);
}
END_TEST

/* Also for one that holds frames and does nothing: never older than the depth. */
START_TEST(the_newest_also_while_holding) {
    struct shmring_reader *reader = new_latest(name, 1);
    put(writer, 1);
    struct shmring_frame *frame = take(reader, 1);
    put_many(writer, 2, 50);
    read_many(reader, 50, 50);
    ck_assert(is_filled(frame->data, 1));
    shmring_frame_release(frame);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(a_damaged_frame_is_skipped) {
    struct shmring_reader *reader = new_reader(name, 2);
    struct shmring_error error = {0};
    struct shmring_frame *frame;
    put_many(writer, 1, 3);
    segment_frame(writer_segment(writer), 1)->size = UINT64_MAX;
    read_many(reader, 1, 1);
    ck_assert_int_eq(shmring_reader_take(reader, 0, &frame, &error), -EPROTO);
    ck_assert_ptr_null(frame);
    ck_assert_ptr_nonnull(strstr(error.message, name));
    read_many(reader, 3, 3);
    ck_assert_uint_eq(reader_stats(reader).dropped, 1);
    ck_assert_uint_eq(claims_at(writer, 0), 0); /* its slot is free again */
    shmring_reader_free(reader);
}
END_TEST

static const uint64_t descriptors[] = {0, UINT64_MAX, 0x2ffff, 0x20008, 0x10001, 0x30001};

/* A ring that was scribbled over: the reader bounds every index; its claim tells where the frame
 * lies. */
START_TEST(a_damaged_descriptor_is_no_matter) {
    struct shmring_reader *reader = new_reader(name, 2);
    put_many(writer, 1, 3);
    *segment_descriptor(writer_segment(writer), 2) = descriptors[_i];
    read_many(reader, 1, 3);
    ck_assert_uint_eq(reader_stats(reader).dropped, 0);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(a_damaged_head_is_survived) {
    static const uint64_t heads[] = {0, UINT64_MAX, UINT64_C(1) << 48, 3};
    struct shmring_reader *reader = new_reader(name, 2);
    put_many(writer, 1, 2);
    for (size_t i = 0; i < COUNT(heads); i++) {
        writer_segment(writer)->header->head = heads[i];
        struct shmring_frame *frame = NULL;
        shmring_reader_take(reader, 0, &frame, NULL);
        shmring_frame_release(frame);
    }
    shmring_reader_free(reader);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("take");
    tcase_add_checked_fixture(tests, open_ring, close_ring);
    tcase_add_test(tests, frames_come_back_in_any_order);
    tcase_add_test(tests, lapped);
    tcase_add_test(tests, the_newest_of_a_depth);
    tcase_add_test(tests, the_newest_also_while_holding);
    tcase_add_test(tests, a_damaged_frame_is_skipped);
    tcase_add_loop_test(tests, a_damaged_descriptor_is_no_matter, 0, COUNT(descriptors));
    tcase_add_test(tests, a_damaged_head_is_survived);
    return run_tests(tests);
}
