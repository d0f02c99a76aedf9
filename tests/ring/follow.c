/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dlfcn.h>
#include <stdarg.h>

#include "support.h"

static const char *name;
static atomic_int sleeps;

/* In place of libc's: counts how often somebody begins to sleep (futex_waitv). */
long syscall(long number, ...) {
    long (*libcs)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    long value[6];
    va_list values;
    va_start(values, number);
    for (int i = 0; i < 6; i++)
        value[i] = va_arg(values, long);
    va_end(values);
    sleeps += number == 449;
    return libcs(number, value[0], value[1], value[2], value[3], value[4], value[5]);
}

static void choose_name(void) {
    name = new_name();
}

/* The dead one's ring goes on as it lies, or is drained, and it follows to the one that took over.
 */
START_TEST(a_restarted_writer_is_followed) {
    struct child child = start_writer(name);
    struct shmring_reader *reader = new_reader(name, 1);
    ino_t inode = reader_segment(reader)->inode;
    tell_to_put(&child);
    kill_child(&child);
    struct shmring_writer *writer = new_writer(name, _i ? 6 : 4);
    ck_assert((writer_segment(writer)->inode == inode) == !_i);
    ck_assert_uint_eq(stats_of(writer).adopted, _i ? 0 : 1);
    read_many(reader, 1, 1);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 2);
    read_many(reader, 2, 2);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

static void move(const char *suffix, const char *to) {
    ck_assert_int_eq(rename(path_of(name, suffix), path_of(name, to)), 0);
}

/* The name moved on, its writer died before it said so, and the first look at the new one finds
 * half of it: no failure of one look stays. */
START_TEST(a_look_at_half_a_successor_is_not_the_last) {
    static const uint32_t ends[] = {0, 1u << SHMRING_LOST};
    struct child first = start_writer(name);
    struct shmring_reader *reader = new_reader_that_goes_on(name, ends[_i]);
    tell_to_put(&first);
    read_many(reader, 1, 1);
    move("", ".old");
    move(".ctl", ".old-ctl");
    struct child second = start_writer(name);
    move(".ctl", ".half");
    kill_child(&first);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(take_result(reader, 120000000), SHMRING_TIMEOUT);
    move(".half", ".ctl");
    int result = take_result(reader, 500000000); /* it follows, or hears of the death */
    ck_assert(result == SHMRING_TIMEOUT || (result == SHMRING_LOST && ends[_i] == 0));
    shmring_reader_resume(reader);
    ck_assert_int_eq(shmring_reader_attach(reader, LONG, NULL), SHMRING_OK);
    tell_to_put(&second);
    read_many(reader, 1, 1);
    shmring_reader_free(reader);
    ck_assert_int_eq(end_child(&second), 0);
    unlink(path_of(name, ".old"));
    unlink(path_of(name, ".old-ctl"));
}
END_TEST

/* As a kill between the two renames leaves it: the .ctl of another segment beside the old NAME. */
START_TEST(a_writer_that_died_between_two_renames) {
    static const uint32_t ends[] = {0, 1u << SHMRING_LOST};
    const char *ring = name;
    struct child first = start_writer(name);
    struct shmring_reader *reader = new_reader_that_goes_on(name, ends[_i]);
    struct shmring_error error;
    struct shmring_frame *frame = NULL;
    name = new_name();
    struct child other = start_writer(name);
    kill_child(&first);
    kill_child(&other);
    ck_assert_int_eq(rename(path_of(name, ".ctl"), path_of(ring, ".ctl")), 0);
    unlink(path_of(name, ""));
    name = ring;
    int result = shmring_reader_take(reader, 300000000, &frame, &error);
    ck_assert_int_eq(result, ends[_i] ? SHMRING_TIMEOUT : SHMRING_LOST);
    assert_says(&error, "died");
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_int_eq(shmring_reader_attach(reader, LONG, NULL), SHMRING_OK);
    ck_assert_int_eq(take_result(reader, 200000000), SHMRING_TIMEOUT); /* it is there by then */
    put(writer, 1);
    read_many(reader, 1, 1);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
    ck_assert_int_eq(shm_entries(name, false), 0);
}
END_TEST

/* Somebody removed what the dead writer left, and the next one's numbers begin anew: that is told.
 */
START_TEST(another_ring_of_the_name_is_no_sequel) {
    struct child first = start_writer(name);
    struct shmring_reader *reader = new_reader_that_goes_on(name, 1u << SHMRING_LOST);
    for (uint64_t number = 1; number <= 5; number++) {
        tell_to_put(&first);
        read_many(reader, number, number);
    }
    kill_child(&first);
    remove_names(name);
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_int_eq(shmring_writer_wait_reader(writer, 0), SHMRING_TIMEOUT);
    ck_assert_int_eq(take_result(reader, 300000000), SHMRING_TIMEOUT);
    put(writer, 1);
    struct shmring_frame *frame = take(reader, 1);
    ck_assert(frame->is_first);
    ck_assert_uint_eq(frame->missed, 0);
    shmring_frame_release(frame);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* Superseded while the name is still the old one's: its successor is on the way. */
START_TEST(a_successor_that_is_not_there_yet_is_waited_for) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    writer_segment(writer)->header->state = STATE_SUPERSEDED;
    ck_assert_int_eq(take_result(reader, 5000000), SHMRING_TIMEOUT);
    ck_assert_int_eq(shmring_writer_resize(writer, 6, FRAME_SIZE, 4096, NULL), SHMRING_OK);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 1);
    read_many(reader, 1, 1);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

static void *put_second(void *writer) {
    put(writer, 2);
    return NULL;
}

/* It is of no port of the new segment: those who read there are told so much. */
START_TEST(who_waits_for_one_that_did_not_follow_hears_it) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *old = new_reader(name, 1);
    struct shmring_frame *frame;
    struct shmring_error error = {0};
    pthread_t thread;
    put(writer, 1);
    ck_assert_int_eq(shmring_writer_resize(writer, 6, FRAME_SIZE, 4096, NULL), SHMRING_OK);
    struct shmring_reader *new = new_reader(name, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, put_second, writer), 0);
    while (!strstr(error.message, "has not followed"))
        ck_assert_int_eq(shmring_reader_take(new, 10000000, &frame, &error), SHMRING_TIMEOUT);
    shmring_reader_free(old);
    pthread_join(thread, NULL);
    read_many(new, 2, 2);
    shmring_reader_free(new);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_successor_without_a_port_is_told) {
    struct shmring_writer_options options = writer_options(4);
    options.max_readers = 1;
    struct shmring_writer *writer = open_writer(name, &options);
    struct shmring_reader *reader = new_latest(name, 9);
    put_many(writer, 1, 2);
    ck_assert_int_eq(shmring_writer_resize(writer, 6, FRAME_SIZE, 4096, NULL), SHMRING_OK);
    struct shmring_reader *faster = new_reader(name, 1);
    read_many(reader, 1, 2); /* what it was offered it gets */
    ck_assert_int_eq(take_result(reader, SHMRING_FOREVER), -EUSERS);
    shmring_reader_free(faster);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 3);
    read_many(reader, 3, 3);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

enum { ABSENT, OVER, DEAD };

/* The next one is looked for a hundred times a second at most; a busy machine makes it fewer. */
START_TEST(waiting_for_one_costs_little) {
    struct shmring_writer *writer = NULL;
    struct shmring_reader *reader;
    if (_i == OVER) {
        writer = new_writer(name, 4);
        shmring_writer_end(writer);
    } else if (_i == DEAD) {
        struct child child = start_writer(name);
        kill_child(&child);
    }
    ck_assert_int_eq(shmring_reader_new(name, NULL, &reader, NULL), 0);
    sleeps = 0;
    ck_assert_int_eq(take_result(reader, 300000000), SHMRING_TIMEOUT);
    ck_assert(sleeps > 0 && sleeps < 40);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
    shmring_remove(name, false, NULL);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("follow");
    tcase_add_checked_fixture(tests, choose_name, NULL);
    tcase_add_loop_test(tests, a_restarted_writer_is_followed, 0, 2);
    tcase_add_loop_test(tests, a_look_at_half_a_successor_is_not_the_last, 0, 2);
    tcase_add_loop_test(tests, a_writer_that_died_between_two_renames, 0, 2);
    tcase_add_test(tests, another_ring_of_the_name_is_no_sequel);
    tcase_add_test(tests, a_successor_that_is_not_there_yet_is_waited_for);
    tcase_add_test(tests, who_waits_for_one_that_did_not_follow_hears_it);
    tcase_add_test(tests, a_successor_without_a_port_is_told);
    tcase_add_loop_test(tests, waiting_for_one_costs_little, ABSENT, DEAD + 1);
    return run_tests(tests);
}
