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

static void close_now(void) {
    shmring_writer_close(writer);
    writer = NULL;
}

static void resize(uint32_t slots) {
    struct shmring_error error = {0};
    int result = shmring_writer_resize(writer, slots, FRAME_SIZE, 4096, &error);
    ck_assert_msg(result == SHMRING_OK, "%d %s", result, error.message);
}

START_TEST(a_fresh_writer) {
    struct shmring_writer_stats stats = stats_of(writer);
    ck_assert_uint_eq(stats.slots, 4);
    ck_assert_uint_eq(stats.max_readers, 8);
    ck_assert_uint_eq(stats.header_size, 4096);
    ck_assert_uint_eq(stats.slot_size, FRAME_SIZE);
    ck_assert_uint_eq(stats.readers | stats.loans | stats.published | stats.bytes, 0);
    ck_assert_uint_eq(stats.dropped | stats.revoked | stats.flushed | stats.waits, 0);
    ck_assert_uint_eq(stats.dead_readers | stats.bad_claims, 0);
    ck_assert_uint_eq(stats.names_lost | stats.adopted | stats.withdrawn, 0);
}
END_TEST

START_TEST(closing_nothing_is_allowed) {
    shmring_writer_close(NULL);
}
END_TEST

/* ---- Readers, as the writer knows them ---- */

START_TEST(readers_are_counted_and_described) {
    struct shmring_reader *all = new_reader(name, 1), *latest = new_latest(name, 7);
    put_many(writer, 1, 2);
    struct shmring_frame *frame = take(all, 1);
    ck_assert_uint_eq(stats_of(writer).readers, 2);
    struct described described = readers_of(writer);
    const struct shmring_reader_info *info = described.reader;
    ck_assert_uint_eq(described.count, 2);
    ck_assert_int_eq(info[0].mode, SHMRING_MODE_ALL);
    ck_assert_uint_eq(info[0].held, 1);
    ck_assert_uint_eq(info[0].offered, 1);
    ck_assert_uint_eq(info[0].lag, 1);
    ck_assert_uint_eq(info[0].received, 1);
    ck_assert_uint_eq(info[0].port, 0);
    ck_assert_uint_eq(info[0].lease, 1);
    ck_assert_uint_eq(info[0].pid, (uint32_t)getpid());
    ck_assert_int_eq(info[1].mode, SHMRING_MODE_LATEST);
    ck_assert_uint_eq(info[1].depth, 7);
    ck_assert_uint_eq(info[1].offered, 2);
    ck_assert_uint_ne(info[0].id, info[1].id);
    shmring_reader_free(latest);
    ck_assert_uint_eq(readers_of(writer).count, 1);
    shmring_frame_release(frame);
    shmring_reader_free(all);
    ck_assert_uint_eq(stats_of(writer).readers, 0);
}
END_TEST

/* Also of a reader that moved, or came again: whoever keeps a list by it keeps it right. */
START_TEST(no_readers_id_comes_twice) {
    uint64_t ids[5];
    struct shmring_reader *reader = new_reader(name, 1);
    for (int i = 0; i < 5; i++) {
        ids[i] = readers_of(writer).reader[0].id;
        for (int other = 0; other < i; other++)
            ck_assert_uint_ne(ids[i], ids[other]);
        if (i % 2)
            shmring_reader_leave(reader);
        else
            resize(6 + (uint32_t)i);
        ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT); /* follows, or comes again */
    }
    shmring_reader_free(reader);
}
END_TEST

START_TEST(latency_crosses_and_survives_a_resize) {
    struct shmring_reader *reader = new_reader(name, 1);
    shmring_writer_set_latency(writer, 40000000);
    ck_assert_int_eq(info_of_ring(reader).latency_ns, 40000000);
    ck_assert_int_eq(shmring_reader_get_latency(reader), 40000000);
    resize(6);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    ck_assert_uint_eq(info_of_ring(reader).slots, 6);
    ck_assert_int_eq(info_of_ring(reader).latency_ns, 40000000);
    ck_assert_int_eq(shmring_reader_get_latency(reader), 40000000);
    shmring_reader_free(reader);
}
END_TEST

/* ---- The three ends ---- */

START_TEST(end_is_seen_after_the_last_frame) {
    struct shmring_reader *reader = new_reader(name, 2);
    put_many(writer, 1, 3);
    shmring_writer_end(writer);
    shmring_writer_end(writer);
    read_many(reader, 1, 3);
    ck_assert_int_eq(take_result(reader, SHMRING_FOREVER), SHMRING_ENDED);
    ck_assert_int_eq(take_result(reader, SHMRING_FOREVER), SHMRING_ENDED); /* it has left */
    ck_assert_uint_eq(stats_of(writer).readers, 0);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(closing_without_an_end) {
    struct shmring_reader *reader = new_reader(name, 2);
    put_many(writer, 1, 3);
    close_now();
    read_many(reader, 1, 3);
    ck_assert_int_eq(take_result(reader, SHMRING_FOREVER), SHMRING_CLOSED);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(closing_after_the_end_keeps_the_end) {
    struct shmring_reader *reader = new_reader(name, 2);
    put(writer, 1);
    shmring_writer_end(writer);
    close_now();
    read_many(reader, 1, 1);
    ck_assert_int_eq(take_result(reader, SHMRING_FOREVER), SHMRING_ENDED);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(an_end_that_a_resize_came_before) {
    struct shmring_reader *all = new_reader(name, 2), *latest = new_latest(name, 2);
    put(writer, 1);
    resize(6);
    shmring_writer_end(writer);
    close_now();
    read_many(all, 1, 1);
    ck_assert_int_eq(take_result(all, SHMRING_FOREVER), SHMRING_ENDED);
    read_many(latest, 1, 1);
    ck_assert_int_eq(take_result(latest, SHMRING_FOREVER), SHMRING_ENDED);
    shmring_reader_free(all);
    shmring_reader_free(latest);
}
END_TEST

/* In the same memory. */
START_TEST(a_loan_after_the_end_begins_anew) {
    struct shmring_reader *reader = new_reader(name, 2);
    put(writer, 1);
    shmring_writer_end(writer);
    struct segment *seg = writer_segment(writer);
    put(writer, 2);
    ck_assert_ptr_eq(writer_segment(writer), seg);
    read_many(reader, 1, 1);
    ck_assert_int_eq(take_result(reader, SHMRING_FOREVER), SHMRING_ENDED);
    ck_assert_int_eq(shmring_reader_attach(reader, LONG, NULL), SHMRING_OK);
    put(writer, 3);
    struct shmring_frame *frame = take(reader, 3);
    ck_assert_uint_eq(frame->info.seq, 3);
    shmring_frame_release(frame);
    shmring_writer_end(writer);
    ck_assert_int_eq(take_result(reader, SHMRING_FOREVER), SHMRING_ENDED);
    shmring_reader_free(reader);
}
END_TEST

/* ---- Slots on loan and frames held outlive what they came from ---- */

START_TEST(slots_outlive_the_writer) {
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_LEND);
    fill(slot.data, 1);
    close_now();
    ck_assert(is_filled(slot.data, 1));
    shmring_slot_return(&slot);
}
END_TEST

START_TEST(slots_outlive_their_segment_and_its_writer) {
    struct shmring_slot old = loan(writer, SHMRING_LOAN_LEND);
    fill(old.data, 1);
    resize(6);
    struct shmring_slot young = loan(writer, SHMRING_LOAN_LEND);
    close_now();
    ck_assert(is_filled(old.data, 1));
    memset(young.data, 0, young.size);
    shmring_slot_return(&old);
    shmring_slot_return(&young);
}
END_TEST

START_TEST(frames_outlive_the_writer) {
    struct shmring_reader *reader = new_reader(name, 2);
    put(writer, 1);
    struct shmring_frame *frame = take(reader, 1);
    close_now();
    ck_assert_int_eq(take_result(reader, SHMRING_FOREVER), SHMRING_CLOSED);
    shmring_reader_free(reader);
    ck_assert(is_filled(frame->data, 1));
    shmring_frame_release(frame);
}
END_TEST

/* ---- Resizing ---- */

START_TEST(a_resize_gives_other_sizes_under_the_same_name) {
    struct shmring_error error;
    put_many(writer, 1, 5);
    ck_assert_int_eq(shmring_writer_resize(writer, 9, 10000, 8192, &error), SHMRING_OK);
    struct shmring_writer_stats stats = stats_of(writer);
    ck_assert_uint_eq(stats.slots, 9);
    ck_assert_uint_eq(stats.slot_size, 10000);
    ck_assert_uint_eq(stats.header_size, 8192);
    ck_assert_uint_eq(stats.published, 5); /* over all segments */
    ck_assert_int_eq(shm_entries(name, false), 2);
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_FILL);
    ck_assert_uint_eq(slot.size, 10000);
    shmring_slot_return(&slot);
}
END_TEST

/* Whichever name somebody removed, the next segment has both again. */
START_TEST(a_resize_puts_lost_names_back) {
    static const char *const removed[] = {"", ".ctl"};
    for (unsigned which = 1; which < 4; which++) {
        for (unsigned i = 0; i < 2; i++) {
            if (which & 1u << i)
                ck_assert_int_eq(unlink(path_of(name, removed[i])), 0);
        }
        resize(4 + which);
        struct shmring_reader *reader = new_reader(name, 1);
        put(writer, which);
        read_many(reader, which, which);
        shmring_reader_free(reader);
    }
}
END_TEST

START_TEST(a_refused_resize_changes_nothing) {
    struct shmring_reader *reader = new_reader(name, 1);
    struct shmring_error error = {0};
    ck_assert_int_eq(shmring_writer_resize(writer, 3, FRAME_SIZE, 4096, &error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error.message, name));
    ck_assert_ptr_nonnull(strstr(error.message, "slots"));
    ck_assert_int_eq(shmring_writer_resize(writer, 4, UINT64_C(1) << 38, 4096, &error),
                     sizeof(size_t) > 4 ? -ENOSPC : -EINVAL);
    ck_assert_uint_eq(stats_of(writer).slots, 4);
    ck_assert_uint_eq(stats_of(writer).slot_size, FRAME_SIZE);
    put(writer, 1);
    read_many(reader, 1, 1);
    shmring_reader_free(reader);
}
END_TEST

/* A lossless reader loses nothing, in order, and the writer waits until it has followed. */
START_TEST(the_next_loan_waits_for_lossless_readers) {
    struct shmring_reader *reader = new_reader(name, 2);
    put_many(writer, 1, 3);
    resize(6);
    ck_assert_int_eq(try_put(writer, 4, 0), SHMRING_TIMEOUT);
    read_many(reader, 1, 3);
    ck_assert_int_eq(try_put(writer, 4, 1000000), SHMRING_TIMEOUT);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT); /* follows */
    put_many(writer, 4, 9);
    read_many(reader, 4, 9);
    ck_assert_uint_eq(reader_stats(reader).received, 9);
    ck_assert_uint_eq(reader_stats(reader).dropped, 0);
    shmring_reader_free(reader);
}
END_TEST

static void *put_two(void *data) {
    return (void *)(intptr_t)try_put(writer, 2, LONG);
}

/* It waits for a reader that cannot find the new one any more: whoever waits keeps house too. */
START_TEST(names_lost_while_readers_are_to_follow) {
    struct shmring_reader *reader = new_reader(name, 1);
    pthread_t thread;
    void *result;
    put(writer, 1);
    resize(6);
    remove_names(name);
    ck_assert_int_eq(pthread_create(&thread, NULL, put_two, NULL), 0);
    read_many(reader, 1, 2);
    pthread_join(thread, &result);
    ck_assert_int_eq((int)(intptr_t)result, SHMRING_OK);
    ck_assert_uint_eq(stats_of(writer).names_lost, 1);
    shmring_reader_free(reader);
}
END_TEST

/* What it still holds of the old one does not keep the writer. */
START_TEST(a_held_frame_does_not_hold_up_a_resize) {
    struct shmring_reader *reader = new_reader(name, 2);
    put(writer, 1);
    struct shmring_frame *frame = take(reader, 1);
    resize(6);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put_many(writer, 2, 7);
    read_many(reader, 2, 7);
    ck_assert(is_filled(frame->data, 1));
    shmring_frame_release(frame);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(two_resizes_in_a_row) {
    struct shmring_reader *reader = new_reader(name, 2);
    put_many(writer, 1, 2);
    resize(6);
    resize(8);
    ck_assert_int_eq(try_put(writer, 3, 0), SHMRING_TIMEOUT);
    read_many(reader, 1, 2);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 3);
    read_many(reader, 3, 3);
    ck_assert_uint_eq(info_of_ring(reader).slots, 8);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(latest_readers_are_not_waited_for) {
    struct shmring_reader *reader = new_latest(name, 1);
    put(writer, 1);
    resize(6);
    put_many(writer, 2, 3); /* before the reader got there: dropped */
    read_many(reader, 1, 1);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 4);
    read_many(reader, 4, 4);
    ck_assert_uint_eq(reader_stats(reader).received, 2);
    ck_assert_uint_eq(reader_stats(reader).dropped, 2);
    shmring_reader_free(reader);
}
END_TEST

/* It had frames to find there; the names were gone before it looked. */
START_TEST(a_latest_reader_left_behind_hears_the_end) {
    struct shmring_reader *reader = new_latest(name, 1);
    put(writer, 1);
    resize(6);
    put_many(writer, 2, 3);
    shmring_writer_end(writer);
    shmring_writer_close(writer);
    writer = NULL;
    read_many(reader, 1, 1);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_ENDED);
    shmring_reader_free(reader);
}
END_TEST

static int attach_and_wait(struct child *test, const char *ring) {
    struct shmring_reader *reader = NULL;
    CHILD_ASSERT(shmring_reader_new(ring, NULL, &reader, NULL) == 0);
    CHILD_ASSERT(shmring_reader_attach(reader, LONG, NULL) == 0);
    CHILD_ASSERT(child_say(test, 'A'));
    child_hear(test);
    return 1; /* it is killed before */
}

START_TEST(a_dead_reader_does_not_hold_up_a_resize) {
    struct child child = start_child(attach_and_wait, name);
    ck_assert_int_eq(child_hear(&child), 'A');
    put(writer, 1);
    resize(6);
    ck_assert_int_eq(try_put(writer, 2, 0), SHMRING_TIMEOUT);
    kill_child(&child);
    put(writer, 2);
    ck_assert_uint_eq(stats_of(writer).dead_readers, 1);
}
END_TEST

START_TEST(a_flush_reaches_superseded_segments) {
    struct shmring_reader *reader = new_reader(name, 2);
    put_many(writer, 1, 3);
    resize(6);
    shmring_writer_flush(writer);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 4);
    struct shmring_frame *frame = take(reader, 4);
    ck_assert_uint_eq(frame->info.flags, SHMRING_FRAME_DISCONT);
    shmring_frame_release(frame);
    ck_assert_uint_eq(reader_stats(reader).flushed, 3);
    ck_assert_uint_eq(reader_stats(reader).dropped, 0);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(counts_go_over_all_segments) {
    struct shmring_reader *reader = new_latest(name, 1);
    put_many(writer, 1, 3); /* 1 and 2 revoked */
    resize(6);
    ck_assert_uint_eq(stats_of(writer).revoked, 2);
    read_many(reader, 3, 3);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put_many(writer, 4, 5);
    shmring_writer_flush(writer);
    ck_assert_uint_eq(stats_of(writer).revoked, 3);
    ck_assert_uint_eq(stats_of(writer).flushed, 1);
    ck_assert_uint_eq(stats_of(writer).published, 5);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    ck_assert_uint_eq(reader_stats(reader).received, 1);
    ck_assert_uint_eq(reader_stats(reader).dropped, 3);
    ck_assert_uint_eq(reader_stats(reader).flushed, 1);
    shmring_reader_free(reader);
}
END_TEST

/* A hundred segments: neither mappings nor descriptors stay behind. */
START_TEST(resizing_leaves_nothing) {
    struct shmring_reader *reader = new_reader(name, 2);
    int before = dup(0);
    close(before);
    for (uint64_t number = 1; number <= 100; number++) {
        resize(4 + number % 8);
        ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
        put(writer, number);
        read_many(reader, number, number);
    }
    int after = dup(0);
    close(after);
    ck_assert_int_le(after, before + 4);
    ck_assert_int_eq(shm_entries(name, false), 2);
    shmring_reader_free(reader);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("writer");
    tcase_add_checked_fixture(tests, open_ring, close_ring);
    tcase_add_test(tests, a_fresh_writer);
    tcase_add_test(tests, closing_nothing_is_allowed);
    tcase_add_test(tests, readers_are_counted_and_described);
    tcase_add_test(tests, no_readers_id_comes_twice);
    tcase_add_test(tests, latency_crosses_and_survives_a_resize);
    tcase_add_test(tests, end_is_seen_after_the_last_frame);
    tcase_add_test(tests, closing_without_an_end);
    tcase_add_test(tests, closing_after_the_end_keeps_the_end);
    tcase_add_test(tests, an_end_that_a_resize_came_before);
    tcase_add_test(tests, a_loan_after_the_end_begins_anew);
    tcase_add_test(tests, slots_outlive_the_writer);
    tcase_add_test(tests, slots_outlive_their_segment_and_its_writer);
    tcase_add_test(tests, frames_outlive_the_writer);
    tcase_add_test(tests, a_resize_gives_other_sizes_under_the_same_name);
    tcase_add_test(tests, a_resize_puts_lost_names_back);
    tcase_add_test(tests, a_refused_resize_changes_nothing);
    tcase_add_test(tests, the_next_loan_waits_for_lossless_readers);
    tcase_add_test(tests, names_lost_while_readers_are_to_follow);
    tcase_add_test(tests, a_held_frame_does_not_hold_up_a_resize);
    tcase_add_test(tests, two_resizes_in_a_row);
    tcase_add_test(tests, latest_readers_are_not_waited_for);
    tcase_add_test(tests, a_latest_reader_left_behind_hears_the_end);
    tcase_add_test(tests, a_dead_reader_does_not_hold_up_a_resize);
    tcase_add_test(tests, a_flush_reaches_superseded_segments);
    tcase_add_test(tests, counts_go_over_all_segments);
    tcase_add_test(tests, resizing_leaves_nothing);
    return run_tests(tests);
}
