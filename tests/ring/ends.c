/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support.h"

static const char *name;

static void choose_name(void) {
    name = new_name();
}

/* ---- The three ends, and the way back ---- */

static int lost_result(struct shmring_reader *reader, struct shmring_error *error) {
    struct shmring_frame *frame;
    *error = (struct shmring_error){0};
    int result = shmring_reader_take(reader, LONG, &frame, error);
    ck_assert_ptr_null(frame);
    return result;
}

START_TEST(a_killed_writer_is_lost_after_its_last_frame) {
    struct child child = start_writer(name);
    struct shmring_reader *reader = new_reader(name, 1);
    struct shmring_error error;
    char pid[32];
    snprintf(pid, sizeof pid, "(pid %d)", (int)child.pid);
    tell_to_put(&child);
    tell_to_put(&child);
    kill_child(&child);
    read_many(reader, 1, 2);
    ck_assert_int_eq(lost_result(reader, &error), SHMRING_LOST);
    assert_says(&error, name);
    assert_says(&error, pid);
    assert_says(&error, "died");
    error.message[0] = 0;
    ck_assert_int_eq(lost_result(reader, &error), SHMRING_LOST); /* until it is told to go on */
    assert_says(&error, pid);
    shmring_reader_resume(reader);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    shmring_reader_free(reader);
    remove_names(name);
}
END_TEST

/* Whoever cleans up by hand does not turn a death into a clean end. */
START_TEST(a_killed_writer_whose_names_are_gone_is_lost) {
    struct child child = start_writer(name);
    struct shmring_reader *reader = new_reader(name, 1);
    struct shmring_error error;
    kill_child(&child);
    remove_names(name);
    ck_assert_int_eq(lost_result(reader, &error), SHMRING_LOST);
    assert_says(&error, "died");
    shmring_reader_free(reader);
}
END_TEST

START_TEST(a_stopped_writer_is_not_lost) {
    struct child child = start_writer(name);
    struct shmring_reader *reader = new_reader(name, 1);
    int status;
    kill(child.pid, SIGSTOP);
    ck_assert_int_eq(waitpid(child.pid, &status, WUNTRACED), child.pid);
    /* Past the first look at the writer's lock, 100 ms after the last frame. */
    ck_assert_int_eq(take_result(reader, 150000000), SHMRING_TIMEOUT);
    kill(child.pid, SIGCONT);
    tell_to_put(&child);
    read_many(reader, 1, 1);
    shmring_reader_free(reader);
    ck_assert_int_eq(end_child(&child), 0);
}
END_TEST

START_TEST(a_removed_name_does_not_end_a_stream) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    remove_names(name);
    ck_assert_int_eq(take_result(reader, 150000000), SHMRING_TIMEOUT);
    put(writer, 1);
    read_many(reader, 1, 1);
    shmring_writer_end(writer);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(attach_is_the_way_back) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    put(writer, 1);
    read_many(reader, 1, 1);
    shmring_writer_close(writer);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_CLOSED);
    ck_assert_int_eq(take_result(reader, SHMRING_FOREVER), SHMRING_CLOSED);
    ck_assert_int_eq(shmring_reader_attach(reader, 0, NULL), SHMRING_TIMEOUT);
    writer = new_writer(name, 4);
    ck_assert_int_eq(shmring_reader_attach(reader, LONG, NULL), SHMRING_OK);
    put(writer, 2);
    read_many(reader, 2, 2);
    ck_assert_uint_eq(reader_stats(reader).received, 2); /* over all writers */
    ck_assert_uint_eq(reader_stats(reader).dropped, 0);
    shmring_writer_close(writer);
    shmring_reader_free(reader);
}
END_TEST

/* Its own place, in the same memory: not one frame is missing. */
START_TEST(a_dead_writers_ring_goes_on_without_a_gap) {
    struct child child = start_writer(name);
    struct shmring_reader *reader = new_reader_that_goes_on(name, 1u << SHMRING_LOST);
    struct shmring_frame *frame;
    struct shmring_error error;
    tell_to_put(&child);
    tell_to_put(&child);
    read_many(reader, 1, 1);
    kill_child(&child);
    read_many(reader, 2, 2);
    ck_assert_int_eq(shmring_reader_take(reader, 300000000, &frame, &error), SHMRING_TIMEOUT);
    assert_says(&error, "died"); /* it knows */
    struct shmring_writer *writer = new_writer(name, 4);
    put(writer, 3);
    frame = take(reader, 3);
    ck_assert_uint_eq(frame->info.seq, 3);
    ck_assert_uint_eq(frame->missed, 0);
    ck_assert(!frame->is_first);
    ck_assert(frame->info.flags & SHMRING_FRAME_DISCONT);
    shmring_frame_release(frame);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* In another segment: it waits for whoever takes that over, and knows what it missed there. */
START_TEST(a_writer_that_died_after_it_moved_is_lost) {
    struct child child = start_writer(name);
    struct shmring_reader *reader = new_reader_that_goes_on(name, _i ? 1u << SHMRING_LOST : 0);
    struct shmring_error error;
    tell_to_put(&child);
    tell_to_resize(&child);
    kill_child(&child);
    read_many(reader, 1, 1);
    if (_i) {
        ck_assert_int_eq(take_result(reader, 150000000), SHMRING_TIMEOUT);
        struct shmring_writer_options options = writer_options(6);
        options.lend_limit = 2;
        struct shmring_writer *writer = open_writer(name, &options);
        put(writer, 2);
        ck_assert_int_eq(take_result(reader, 150000000), SHMRING_TIMEOUT);
        put(writer, 3);
        struct shmring_frame *frame = take(reader, 3);
        ck_assert_uint_eq(frame->missed, 1);
        ck_assert(!frame->is_first);
        shmring_frame_release(frame);
        shmring_reader_free(reader);
        shmring_writer_close(writer);
    } else {
        ck_assert_int_eq(lost_result(reader, &error), SHMRING_LOST);
        assert_says(&error, "died");
        shmring_reader_free(reader);
        remove_names(name);
    }
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("ends");
    tcase_add_checked_fixture(tests, choose_name, NULL);
    tcase_add_test(tests, a_killed_writer_is_lost_after_its_last_frame);
    tcase_add_test(tests, a_killed_writer_whose_names_are_gone_is_lost);
    tcase_add_test(tests, a_stopped_writer_is_not_lost);
    tcase_add_test(tests, a_removed_name_does_not_end_a_stream);
    tcase_add_test(tests, attach_is_the_way_back);
    tcase_add_test(tests, a_dead_writers_ring_goes_on_without_a_gap);
    tcase_add_loop_test(tests, a_writer_that_died_after_it_moved_is_lost, 0, 2);
    return run_tests(tests);
}
