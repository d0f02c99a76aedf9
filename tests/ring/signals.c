/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process whose timer ticks every 50 us: what waits says that it was interrupted and is called
 * again; all else does not notice. */
#include "support.h"

#define TICK_NS 50000
#define ROUNDS 40
#define FRAMES 500

static _Atomic unsigned ticks;

static void count_tick(int number) {
    ticks++;
}

static timer_t start_ticking(void) {
    struct itimerspec often = {.it_value.tv_nsec = TICK_NS, .it_interval.tv_nsec = TICK_NS};
    struct sigaction action = {.sa_handler = count_tick};
    timer_t timer;
    sigaction(SIGALRM, &action, NULL);
    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
    ck_assert_int_eq(timer_settime(timer, 0, &often, NULL), 0);
    return timer;
}

static void stop_ticking(timer_t timer) {
    timer_delete(timer);
    ck_assert_uint_gt(ticks, 0);
}

static void put_again(struct shmring_writer *writer, uint64_t number) {
    int result = AGAIN(try_put(writer, number, LONG));
    ck_assert_int_eq(result, SHMRING_OK);
}

static struct shmring_frame *take_again(struct shmring_reader *reader, uint64_t number) {
    struct shmring_frame *frame = NULL;
    struct shmring_error error = {0};
    int result = AGAIN(shmring_reader_take(reader, LONG, &frame, &error));
    ck_assert_msg(result == SHMRING_OK, "%d %s", result, error.message);
    ck_assert_uint_eq(frame->info.frame_number, number);
    ck_assert(is_filled(frame->data, number));
    return frame;
}

/* ---- Waits ---- */

static void *read_all(void *reader) {
    struct shmring_frame *held = NULL;
    for (uint64_t number = 1; number <= FRAMES; number++) {
        struct shmring_frame *frame = take_again(reader, number);
        shmring_frame_release(held);
        held = frame;
    }
    shmring_frame_release(held);
    return NULL;
}

START_TEST(each_frame_arrives) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    timer_t timer = start_ticking();
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, read_all, reader), 0);
    for (uint64_t number = 1; number <= FRAMES; number++)
        put_again(writer, number);
    pthread_join(thread, NULL);
    stop_ticking(timer);
    assert_told_of_all(reader, FRAMES);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

static int attach_and_read(struct child *test, const char *name) {
    struct shmring_reader *reader = NULL;
    struct shmring_frame *frame = NULL;
    CHILD_ASSERT(shmring_reader_new(name, NULL, &reader, NULL) == 0);
    CHILD_ASSERT(shmring_reader_attach(reader, LONG, NULL) == 0);
    CHILD_ASSERT(shmring_reader_take(reader, LONG, &frame, NULL) == 0);
    shmring_frame_release(frame);
    shmring_reader_free(reader);
    return 0;
}

START_TEST(a_reader_is_waited_for) {
    const char *name = new_name();
    timer_t timer = start_ticking();
    struct shmring_writer *writer = new_writer(name, 4);
    struct child child = start_child(attach_and_read, name);
    ck_assert_int_eq(AGAIN(shmring_writer_wait_reader(writer, LONG)), SHMRING_OK);
    ck_assert_int_eq(AGAIN(shmring_writer_watch(writer, LONG)), SHMRING_OK);
    stop_ticking(timer);
    put(writer, 1);
    ck_assert_int_eq(end_child(&child), 0);
    shmring_writer_close(writer);
}
END_TEST

/* Nothing comes: only a signal ends these. */
START_TEST(each_wait_says_so) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *absent = unattached_reader(new_name(), NULL);
    struct shmring_observer *observer = NULL;
    struct shmring_frame *frame = NULL;
    ck_assert_int_eq(shmring_observer_open(name, &observer, NULL), 0);
    timer_t timer = start_ticking();
    ck_assert_int_eq(shmring_writer_wait_reader(writer, LONG), SHMRING_INTERRUPTED);
    ck_assert_int_eq(shmring_reader_attach(absent, LONG, NULL), SHMRING_INTERRUPTED);
    ck_assert_int_eq(shmring_observer_latest(observer, 0, LONG, &frame, NULL), SHMRING_INTERRUPTED);
    struct shmring_reader *reader = new_reader(name, 1);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_INTERRUPTED);
    put_many(writer, 1, 4);
    ck_assert_int_eq(try_put(writer, 5, LONG), SHMRING_INTERRUPTED);
    stop_ticking(timer);
    shmring_observer_close(observer);
    shmring_reader_free(absent);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* ---- All else ---- */

static void look_at(const char *name) {
    struct shmring_info info = SHMRING_INFO_INIT;
    struct shmring_observer *observer = NULL;
    struct shmring_frame *frame = NULL;
    struct described all = {.count = 0};
    ck_assert_int_eq(shmring_query(name, &info, NULL), 0);
    ck_assert_int_eq(shmring_query_readers(name, describe_reader, &all, NULL), 1);
    ck_assert_int_eq(shmring_observer_open(name, &observer, NULL), 0);
    ck_assert_int_eq(AGAIN(shmring_observer_latest(observer, 0, LONG, &frame, NULL)), 0);
    ck_assert(is_filled(frame->data, frame->info.frame_number));
    shmring_frame_release(frame);
    shmring_observer_close(observer);
}

static void live(const char *name) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = unattached_reader(name, NULL);
    ck_assert_int_eq(AGAIN(shmring_reader_attach(reader, LONG, NULL)), 0);
    put_again(writer, 1);
    ck_assert_int_eq(shmring_writer_resize(writer, 6, FRAME_SIZE, 4096, NULL), 0);
    shmring_frame_release(take_again(reader, 1));
    ck_assert_int_eq(AGAIN(take_result(reader, 0)), SHMRING_TIMEOUT); /* it follows */
    put_again(writer, 2);
    look_at(name);
    shmring_frame_release(take_again(reader, 2));
    shmring_writer_end(writer);
    ck_assert_int_eq(AGAIN(take_result(reader, LONG)), SHMRING_ENDED);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}

START_TEST(a_rings_life) {
    timer_t timer = start_ticking();
    for (int round = 0; round < ROUNDS; round++)
        live(new_name());
    stop_ticking(timer);
}
END_TEST

static int leave_dead(struct child *test, const char *name) {
    new_writer(name, 4);
    return 0;
}

START_TEST(a_dead_ring_is_adopted_and_removed) {
    timer_t timer = start_ticking();
    for (int round = 0; round < ROUNDS / 4; round++) {
        const char *name = new_name();
        struct child child = start_child(leave_dead, name);
        ck_assert_int_eq(end_child(&child), 0);
        shmring_writer_close(new_writer(name, 4));
        child = start_child(leave_dead, name);
        ck_assert_int_eq(end_child(&child), 0);
        ck_assert_int_eq(shmring_remove(name, false, NULL), 0);
    }
    stop_ticking(timer);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("signals");
    tcase_add_test(tests, each_frame_arrives);
    tcase_add_test(tests, a_reader_is_waited_for);
    tcase_add_test(tests, each_wait_says_so);
    tcase_add_test(tests, a_rings_life);
    tcase_add_test(tests, a_dead_ring_is_adopted_and_removed);
    return run_tests(tests);
}
