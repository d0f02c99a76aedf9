/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support.h"

static const char *name;
static struct shmring_writer *writer;

static void open_ring(void) {
    name = new_name();
    writer = new_writer(name, 4);
}

static void close_ring(void) {
    shmring_writer_close(writer);
}

static int publish(struct shmring_slot *slot, const struct shmring_frame_info *info,
                   struct shmring_error *error) {
    *error = (struct shmring_error){0};
    int result = shmring_writer_publish(writer, slot, info, NULL, error);
    ck_assert_int_eq(error->code, result);
    return result;
}

START_TEST(frames_are_numbered_from_one) {
    for (uint64_t number = 1; number <= 3; number++) {
        struct shmring_slot slot = loan(writer, SHMRING_LOAN_FILL);
        struct shmring_frame_info info = info_of(number);
        uint64_t seq = 0;
        info.seq = 77; /* ignored */
        ck_assert_int_eq(shmring_writer_publish(writer, &slot, &info, &seq, NULL), SHMRING_OK);
        ck_assert_uint_eq(seq, number);
        shmring_slot_return(&slot);
    }
    ck_assert_uint_eq(stats_of(writer).published, 3);
    ck_assert_uint_eq(stats_of(writer).bytes, 3 * FRAME_SIZE);
}
END_TEST

/* Across 2^32, where a reader of 32 bits would begin again. */
START_TEST(frames_are_numbered_past_32_bits) {
    struct shmring_writer_options options = writer_options(4);
    const char *other = new_name();
    options.first_seq = UINT32_MAX - 2;
    struct shmring_writer *far = open_writer(other, &options);
    struct shmring_reader *reader = new_reader(other, 1);
    for (uint64_t n = 0; n < 20; n++) {
        put(far, n);
        struct shmring_frame *frame = take(reader, n);
        ck_assert_uint_eq(frame->info.seq, UINT64_C(0xfffffffd) + n);
        shmring_frame_release(frame);
    }
    ck_assert_uint_eq(writer_segment(far)->header->event, 17); /* wrapped */
    ck_assert_uint_eq(reader_stats(reader).received, 20);
    ck_assert_uint_eq(reader_stats(reader).dropped, 0);
    shmring_reader_free(reader);
    shmring_writer_close(far);
}
END_TEST

static struct shmring_frame *cross(struct shmring_reader *reader,
                                   const struct shmring_frame_info *info) {
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_FILL);
    struct shmring_error error;
    fill(slot.data, info->frame_number);
    ck_assert_int_eq(publish(&slot, info, &error), SHMRING_OK);
    shmring_slot_return(&slot);
    return take(reader, info->frame_number);
}

START_TEST(publishing_stamps_the_times_it_was_not_given) {
    struct shmring_reader *reader = new_reader(name, 1);
    struct shmring_frame_info info = info_of(1);
    int64_t monotonic = monotonic_ns(), realtime = realtime_ns();
    info.publish_ns = 77; /* ignored */
    struct shmring_frame *frame = cross(reader, &info);
    ck_assert(frame->info.publish_ns >= monotonic && frame->info.publish_ns <= monotonic_ns());
    ck_assert(frame->info.timestamp_ns >= realtime && frame->info.timestamp_ns <= realtime_ns());
    shmring_frame_release(frame);
    info = info_of(2);
    info.timestamp_ns = 5;
    frame = cross(reader, &info);
    ck_assert_int_eq(frame->info.timestamp_ns, 5);
    shmring_frame_release(frame);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(less_than_a_slot_and_nothing_at_all) {
    static const uint64_t sizes[] = {1, 0, FRAME_SIZE};
    struct shmring_reader *reader = new_reader(name, 1);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct shmring_slot slot = loan(writer, SHMRING_LOAN_FILL);
        struct shmring_frame_info info = info_of(1);
        struct shmring_frame *frame;
        struct shmring_error error;
        info.size = sizes[i];
        ck_assert_int_eq(publish(&slot, &info, &error), SHMRING_OK);
        shmring_slot_return(&slot);
        ck_assert_int_eq(shmring_reader_take(reader, LONG, &frame, NULL), SHMRING_OK);
        ck_assert_uint_eq(frame->info.size, sizes[i]);
        shmring_frame_release(frame);
    }
    shmring_reader_free(reader);
}
END_TEST

START_TEST(once_a_loan) {
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_LEND);
    struct shmring_frame_info info = info_of(1);
    struct shmring_error error;
    ck_assert(shmring_writer_can_publish(writer, &slot));
    ck_assert_int_eq(publish(&slot, &info, &error), SHMRING_OK);
    ck_assert(!shmring_writer_can_publish(writer, &slot));
    ck_assert_int_eq(publish(&slot, &info, &error), -EALREADY);
    assert_says(&error, name);
    shmring_slot_return(&slot);
    ck_assert(!shmring_writer_can_publish(writer, &slot));
    ck_assert_uint_eq(stats_of(writer).published, 1);
}
END_TEST

START_TEST(what_cannot_be_true_is_refused) {
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_FILL);
    struct shmring_frame_info info = info_of(1);
    struct shmring_error error;
    info.size = FRAME_SIZE + 1;
    ck_assert_int_eq(publish(&slot, &info, &error), -EINVAL);
    assert_says(&error, name);
    assert_says(&error, "larger than its slot");
    info = info_of(1);
    info.planes = 2;
    info.stride[0] = info.stride[1] = 4;
    info.offset[1] = FRAME_SIZE;
    ck_assert_int_eq(publish(&slot, &info, &error), -EINVAL);
    assert_says(&error, "plane");
    info = info_of(1);
    ck_assert_int_eq(publish(&slot, &info, &error), SHMRING_OK); /* and may be put right */
    shmring_slot_return(&slot);
}
END_TEST

/* theora's caps are 5.8 kB: refused, resized, loaned again, published. */
START_TEST(caps_that_need_a_larger_header) {
    static char caps[5800];
    struct shmring_reader *reader = new_reader(name, 1);
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_FILL);
    struct shmring_frame_info info = info_of(1);
    struct shmring_error error;
    memset(caps, 'c', sizeof caps - 1);
    info.caps = caps;
    ck_assert_int_eq(publish(&slot, &info, &error), -EMSGSIZE);
    assert_says(&error, name);
    assert_says(&error, "4096");
    shmring_slot_return(&slot);
    ck_assert_int_eq(shmring_writer_resize(writer, 4, FRAME_SIZE, 8192, &error), SHMRING_OK);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT); /* follows */
    struct shmring_frame *frame = cross(reader, &info);
    ck_assert_str_eq(frame->info.caps, caps);
    shmring_frame_release(frame);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(a_slot_from_before_a_resize_is_stale) {
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_LEND);
    struct shmring_frame_info info = info_of(1);
    struct shmring_error error;
    fill(slot.data, 1);
    ck_assert_int_eq(shmring_writer_resize(writer, 6, 2 * FRAME_SIZE, 4096, &error), SHMRING_OK);
    ck_assert(!shmring_writer_can_publish(writer, &slot));
    ck_assert_int_eq(publish(&slot, &info, &error), -ESTALE);
    assert_says(&error, name);
    struct shmring_slot fresh = loan(writer, SHMRING_LOAN_FILL);
    memcpy(fresh.data, slot.data, FRAME_SIZE); /* still there, to be copied */
    ck_assert(is_filled(fresh.data, 1));
    ck_assert_int_eq(publish(&fresh, &info, &error), SHMRING_OK);
    shmring_slot_return(&fresh);
    shmring_slot_return(&slot);
}
END_TEST

/* What was lent before the end is not lost: it begins the next stream. */
START_TEST(a_slot_from_before_an_end_begins_the_next_stream) {
    struct shmring_reader *reader = new_reader(name, 1);
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_LEND), more;
    struct shmring_frame_info info = info_of(1);
    struct shmring_error error;
    fill(slot.data, 1);
    shmring_writer_end(writer);
    ck_assert_int_eq(shmring_writer_loan(writer, SHMRING_LOAN_LEND, 0, &more, NULL), SHMRING_OK);
    shmring_slot_return(&more); /* lending begins nothing */
    ck_assert_uint_eq(writer_segment(writer)->header->state, STATE_ENDED);
    ck_assert(shmring_writer_can_publish(writer, &slot));
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
    ck_assert_int_eq(publish(&slot, &info, &error), SHMRING_OK);
    ck_assert_uint_eq(writer_segment(writer)->header->state, STATE_ACTIVE);
    ck_assert_uint_eq(writer_segment(writer)->header->stream, 2);
    shmring_slot_return(&slot);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_ENDED); /* of another stream */
    shmring_reader_free(reader);
}
END_TEST

START_TEST(a_dropped_frame_marks_the_next) {
    struct shmring_reader *reader = new_reader(name, 1);
    struct shmring_frame_info info = info_of(1);
    struct shmring_frame *frame = cross(reader, &info);
    ck_assert_uint_eq(frame->info.flags, 0);
    shmring_frame_release(frame);
    shmring_writer_drop(writer);
    shmring_writer_drop(writer);
    ck_assert_uint_eq(stats_of(writer).dropped, 2);
    info.flags = SHMRING_FRAME_DELTA;
    frame = cross(reader, &info);
    ck_assert_uint_eq(frame->info.flags, SHMRING_FRAME_DELTA | SHMRING_FRAME_DISCONT);
    shmring_frame_release(frame);
    frame = cross(reader, &info);
    ck_assert_uint_eq(frame->info.flags, SHMRING_FRAME_DELTA);
    shmring_frame_release(frame);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(a_flush_takes_back_and_marks_the_next) {
    struct shmring_reader *all = new_reader(name, 1), *latest = new_latest(name, 2);
    put_many(writer, 1, 3);
    struct shmring_frame *held = take(all, 1);
    shmring_writer_flush(writer);
    ck_assert_uint_eq(stats_of(writer).flushed, 4); /* 2 and 3, of both */
    ck_assert(is_filled(held->data, 1));
    put(writer, 4);
    struct shmring_frame *frame = take(latest, 4);
    ck_assert_uint_eq(frame->info.flags, SHMRING_FRAME_DISCONT);
    shmring_frame_release(frame);
    shmring_frame_release(held);
    read_many(all, 4, 4);
    ck_assert_uint_eq(reader_stats(all).flushed, 2);
    ck_assert_uint_eq(reader_stats(all).dropped, 0);
    ck_assert_uint_eq(reader_stats(latest).flushed, 2);
    ck_assert_uint_eq(reader_stats(latest).dropped, 1); /* 1, revoked before */
    shmring_reader_free(all);
    shmring_reader_free(latest);
}
END_TEST

/* Whichever of the two somebody removed: the ring moves, and has them again. */
START_TEST(lost_names_come_back) {
    static const char *const suffixes[] = {"", ".ctl"};
    struct shmring_reader *reader = new_reader(name, 1);
    int64_t deadline = deadline_after(LONG);
    put(writer, 1);
    unlink(path_of(name, suffixes[_i]));
    read_many(reader, 1, 1); /* mapped ends go on */
    while (stats_of(writer).names_lost == 0 && deadline_left(deadline, 1))
        usleep(10000);
    ck_assert_uint_eq(stats_of(writer).names_lost, 1);
    ck_assert_int_eq(access(path_of(name, ""), F_OK), 0);
    ck_assert_int_eq(access(path_of(name, ".ctl"), F_OK), 0);
    ck_assert_int_eq(shm_entries(name, false), 2);
    struct shmring_reader *late = new_reader(name, 1);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT); /* follows */
    put(writer, 2);
    read_many(reader, 2, 2);
    read_many(late, 2, 2);
    ck_assert_uint_eq(reader_stats(reader).dropped, 0);
    shmring_reader_free(reader);
    shmring_reader_free(late);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("publish");
    tcase_add_checked_fixture(tests, open_ring, close_ring);
    tcase_add_test(tests, frames_are_numbered_from_one);
    tcase_add_test(tests, frames_are_numbered_past_32_bits);
    tcase_add_test(tests, publishing_stamps_the_times_it_was_not_given);
    tcase_add_test(tests, less_than_a_slot_and_nothing_at_all);
    tcase_add_test(tests, once_a_loan);
    tcase_add_test(tests, what_cannot_be_true_is_refused);
    tcase_add_test(tests, caps_that_need_a_larger_header);
    tcase_add_test(tests, a_slot_from_before_a_resize_is_stale);
    tcase_add_test(tests, a_slot_from_before_an_end_begins_the_next_stream);
    tcase_add_test(tests, a_dropped_frame_marks_the_next);
    tcase_add_test(tests, a_flush_takes_back_and_marks_the_next);
    tcase_add_loop_test(tests, lost_names_come_back, 0, 2);
    return run_tests(tests);
}
