/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support.h"

static const char *name;

static void choose_name(void) {
    name = new_name();
}

static struct shmring_observer *new_observer(void) {
    struct shmring_observer *observer = NULL;
    struct shmring_error error = {0};
    int result = shmring_observer_open(name, &observer, &error);
    ck_assert_msg(result == SHMRING_OK, "%d %s", result, error.message);
    return observer;
}

/* The newest frame after AFTER, which must be that one. */
static void see(struct shmring_observer *observer, uint64_t after, uint64_t number) {
    struct shmring_frame *frame;
    struct shmring_error error = {0};
    int result = shmring_observer_latest(observer, after, LONG, &frame, &error);
    ck_assert_msg(result == SHMRING_OK, "%d %s", result, error.message);
    ck_assert_uint_eq(frame->info.frame_number, number);
    ck_assert(frame->is_copy);
    ck_assert(is_filled(frame->data, number));
    shmring_frame_release(frame);
}

/* What a look without a frame said. */
static int blind_look(struct shmring_observer *observer, uint64_t after, int64_t timeout_ns) {
    struct shmring_frame *frame;
    int result = shmring_observer_latest(observer, after, timeout_ns, &frame, NULL);
    ck_assert_ptr_null(frame);
    return result;
}

START_TEST(no_such_ring) {
    struct shmring_observer *observer = NULL;
    struct shmring_error error;
    ck_assert_int_eq(shmring_observer_open(name, &observer, &error), -ENOENT);
    ck_assert_int_eq(error.code, -ENOENT);
    ck_assert_ptr_nonnull(strstr(error.message, name));
    ck_assert_ptr_null(observer);
    shmring_observer_close(NULL);
}
END_TEST

START_TEST(the_newest_frame) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_observer *observer = new_observer();
    ck_assert_int_eq(blind_look(observer, 0, 0), SHMRING_TIMEOUT);
    put_many(writer, 1, 7);
    see(observer, 0, 7);
    see(observer, 0, 7); /* any: again */
    see(observer, 6, 7);
    ck_assert_int_eq(blind_look(observer, 7, 0), SHMRING_TIMEOUT);
    ck_assert_int_eq(blind_look(observer, 8, 1000000), SHMRING_TIMEOUT);
    shmring_observer_close(observer);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(past_32_bits) {
    struct shmring_writer_options options = writer_options(4);
    options.first_seq = UINT32_MAX;
    struct shmring_writer *writer = open_writer(name, &options);
    struct shmring_observer *observer = new_observer();
    put(writer, 1);
    see(observer, UINT32_MAX - 1, 1);
    ck_assert_int_eq(blind_look(observer, UINT32_MAX, 0), SHMRING_TIMEOUT);
    put(writer, 2);
    see(observer, UINT32_MAX, 2);
    shmring_observer_close(observer);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(nobody_is_disturbed) {
    struct shmring_writer_options options = writer_options(4);
    options.max_readers = 1;
    struct shmring_writer *writer = open_writer(name, &options);
    struct shmring_reader *reader = new_reader(name, 1); /* the only port */
    struct shmring_observer *observer = new_observer();
    for (uint64_t number = 1; number <= 20; number++) {
        put(writer, number);
        see(observer, number - 1, number);
        read_many(reader, number, number);
    }
    ck_assert_uint_eq(stats_of(writer).readers, 1);
    ck_assert_uint_eq(stats_of(writer).waits, 0);
    ck_assert_uint_eq(reader_stats(reader).dropped, 0);
    shmring_observer_close(observer);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_frame_that_is_being_written_is_not_seen) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_observer *observer = new_observer();
    put_many(writer, 1, 2);
    segment_frame(writer_segment(writer), 1)->seq = 0;
    ck_assert_int_eq(blind_look(observer, 0, 0), SHMRING_TIMEOUT);
    put(writer, 3);
    see(observer, 0, 3);
    shmring_observer_close(observer);
    shmring_writer_close(writer);
}
END_TEST

static const uint64_t descriptors[] = {0, UINT64_MAX, 0x10001, 0x20004, 0x2ffff};

START_TEST(a_damaged_descriptor_is_not_followed) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_observer *observer = new_observer();
    put_many(writer, 1, 2);
    *segment_descriptor(writer_segment(writer), 2) = descriptors[_i];
    ck_assert_int_eq(blind_look(observer, 0, 0), SHMRING_TIMEOUT);
    put(writer, 3);
    see(observer, 0, 3);
    shmring_observer_close(observer);
    shmring_writer_close(writer);
}
END_TEST

/* ---- Never torn ---- */

enum { LARGE = 1 << 16, LOOKS = 300 };

struct rush {
    struct shmring_writer *writer;
    _Atomic bool over;
};

static void put_uniform(struct shmring_writer *writer, uint64_t number) {
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_FILL);
    struct shmring_frame_info info = info_of(number);
    memset(slot.data, (int)(number % 251), LARGE);
    info.size = LARGE;
    ck_assert_int_eq(shmring_writer_publish(writer, &slot, &info, NULL, NULL), SHMRING_OK);
    shmring_slot_return(&slot);
}

static void *rush(void *data) {
    struct rush *r = data;
    for (uint64_t number = 1; !r->over; number++)
        put_uniform(r->writer, number);
    return NULL;
}

static bool is_uniform(const struct shmring_frame *frame) {
    const uint8_t *data = frame->data;
    return data[0] == frame->info.frame_number % 251 && memcmp(data, data + 1, LARGE - 1) == 0;
}

/* The writer laps four slots as fast as it can. */
START_TEST(no_frame_is_torn) {
    struct shmring_writer_options options = writer_options(4);
    options.slot_size = LARGE;
    struct rush r = {.writer = open_writer(name, &options)};
    struct shmring_observer *observer = new_observer();
    pthread_t thread;
    uint64_t after = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, rush, &r), 0);
    for (int i = 0; i < LOOKS; i++) {
        struct shmring_frame *frame;
        ck_assert_int_eq(shmring_observer_latest(observer, after, LONG, &frame, NULL), 0);
        ck_assert_uint_gt(frame->info.seq, after);
        ck_assert_uint_eq(frame->info.seq, frame->info.frame_number);
        ck_assert(is_uniform(frame));
        after = frame->info.seq;
        shmring_frame_release(frame);
    }
    r.over = true;
    pthread_join(thread, NULL);
    shmring_observer_close(observer);
    shmring_writer_close(r.writer);
}
END_TEST

/* ---- Threads ---- */

struct watch {
    struct shmring_observer *observer;
    _Atomic bool begun;
    int result;
    uint64_t number;
};

static void *watch_for_ever(void *data) {
    struct watch *w = data;
    struct shmring_frame *frame;
    w->begun = true;
    w->result = shmring_observer_latest(w->observer, 1, SHMRING_FOREVER, &frame, NULL);
    w->number = frame ? frame->info.frame_number : 0;
    shmring_frame_release(frame);
    return NULL;
}

static void start_watch(struct watch *w, pthread_t *thread) {
    ck_assert_int_eq(pthread_create(thread, NULL, watch_for_ever, w), 0);
    while (!w->begun)
        sched_yield();
}

START_TEST(a_frame_ends_a_wait) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct watch w = {.observer = new_observer()};
    pthread_t thread;
    put(writer, 1);
    start_watch(&w, &thread);
    put(writer, 2);
    pthread_join(thread, NULL);
    ck_assert_int_eq(w.result, SHMRING_OK);
    ck_assert_uint_eq(w.number, 2);
    shmring_observer_close(w.observer);
    shmring_writer_close(writer);
}
END_TEST

/* One handle, several threads: one follows to the new segment while the others sleep on the old. */
START_TEST(a_resize_under_waiting_threads) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_observer *observer = new_observer();
    struct watch watches[4] = {0};
    pthread_t threads[4];
    put(writer, 1);
    for (int i = 0; i < 4; i++) {
        watches[i].observer = observer;
        start_watch(&watches[i], &threads[i]);
    }
    ck_assert_int_eq(shmring_writer_resize(writer, 6, FRAME_SIZE, 4096, NULL), SHMRING_OK);
    put(writer, 2);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(watches[i].result, SHMRING_OK);
        ck_assert_uint_eq(watches[i].number, 2);
    }
    shmring_observer_close(observer);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_signal_ends_a_wait) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_observer *observer = new_observer();
    timer_t timer = start_signals();
    ck_assert_int_eq(blind_look(observer, 0, SHMRING_FOREVER), SHMRING_INTERRUPTED);
    timer_delete(timer);
    shmring_observer_close(observer);
    shmring_writer_close(writer);
}
END_TEST

/* ---- Ends ---- */

START_TEST(ended) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_observer *observer = new_observer();
    put(writer, 1);
    shmring_writer_end(writer);
    see(observer, 0, 1);
    ck_assert_int_eq(blind_look(observer, 1, SHMRING_FOREVER), SHMRING_ENDED);
    shmring_writer_close(writer);
    ck_assert_int_eq(blind_look(observer, 1, SHMRING_FOREVER), SHMRING_ENDED);
    see(observer, 0, 1); /* what there was stays */
    shmring_observer_close(observer);
}
END_TEST

START_TEST(closed) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_observer *observer = new_observer();
    put(writer, 1);
    shmring_writer_close(writer);
    see(observer, 0, 1);
    ck_assert_int_eq(blind_look(observer, 1, SHMRING_FOREVER), SHMRING_CLOSED);
    shmring_observer_close(observer);
}
END_TEST

START_TEST(lost) {
    struct child child = start_writer(name);
    tell_to_put(&child);
    struct shmring_observer *observer = new_observer();
    ck_assert_int_eq(blind_look(observer, 1, 150000000), SHMRING_TIMEOUT);
    kill_child(&child);
    see(observer, 0, 1);
    ck_assert_int_eq(blind_look(observer, 1, SHMRING_FOREVER), SHMRING_LOST);
    remove_names(name);
    ck_assert_int_eq(blind_look(observer, 1, SHMRING_FOREVER), SHMRING_LOST);
    shmring_observer_close(observer);
}
END_TEST

START_TEST(a_restarted_writer_is_followed) {
    struct child child = start_writer(name);
    tell_to_put(&child);
    struct shmring_observer *observer = new_observer();
    see(observer, 0, 1);
    kill_child(&child);
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_int_eq(blind_look(observer, 1, 0), SHMRING_TIMEOUT);
    put(writer, 2);
    see(observer, 1, 2);
    shmring_observer_close(observer);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(resizes_are_followed) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_observer *observer = new_observer();
    for (uint64_t number = 1; number <= 10; number++) {
        put(writer, number);
        ck_assert_int_eq(
            shmring_writer_resize(writer, 4 + number % 3, FRAME_SIZE * number, 4096, NULL), 0);
        put(writer, 100 + number);
        see(observer, 2 * number - 1, 100 + number);
    }
    shmring_observer_close(observer);
    shmring_writer_close(writer);
}
END_TEST

/* ---- Permission ---- */

static int observe_as_nobody(struct child *test, const char *ring) {
    struct shmring_observer *observer = NULL;
    struct shmring_reader *reader = NULL;
    struct shmring_frame *frame = NULL;
    CHILD_ASSERT(setresuid(65534, 65534, 65534) == 0);
    CHILD_ASSERT(shmring_observer_open(ring, &observer, NULL) == SHMRING_OK);
    CHILD_ASSERT(shmring_observer_latest(observer, 0, LONG, &frame, NULL) == SHMRING_OK);
    CHILD_ASSERT(is_filled(frame->data, 1));
    shmring_frame_release(frame);
    /* It also knows that the writer lives. */
    CHILD_ASSERT(shmring_observer_latest(observer, 1, 1000000, &frame, NULL) == SHMRING_TIMEOUT);
    shmring_observer_close(observer);
    CHILD_ASSERT(shmring_reader_new(ring, NULL, &reader, NULL) == SHMRING_OK);
    CHILD_ASSERT(shmring_reader_attach(reader, 0, NULL) == -EACCES);
    shmring_reader_free(reader);
    return 0;
}

START_TEST(read_permission_is_enough) {
    struct shmring_writer_options options = writer_options(4);
    options.perms = 0644;
    struct shmring_writer *writer = open_writer(name, &options);
    put(writer, 1);
    struct child child = start_child(observe_as_nobody, name);
    ck_assert_int_eq(end_child(&child), 0);
    shmring_writer_close(writer);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("observer");
    tcase_add_checked_fixture(tests, choose_name, NULL);
    tcase_add_test(tests, no_such_ring);
    tcase_add_test(tests, the_newest_frame);
    tcase_add_test(tests, past_32_bits);
    tcase_add_test(tests, nobody_is_disturbed);
    tcase_add_test(tests, a_frame_that_is_being_written_is_not_seen);
    tcase_add_loop_test(tests, a_damaged_descriptor_is_not_followed, 0, COUNT(descriptors));
    tcase_add_test(tests, no_frame_is_torn);
    tcase_add_test(tests, a_frame_ends_a_wait);
    tcase_add_test(tests, a_resize_under_waiting_threads);
    tcase_add_test(tests, a_signal_ends_a_wait);
    tcase_add_test(tests, ended);
    tcase_add_test(tests, closed);
    tcase_add_test(tests, lost);
    tcase_add_test(tests, a_restarted_writer_is_followed);
    tcase_add_test(tests, resizes_are_followed);
    if (geteuid() == 0)
        tcase_add_test(tests, read_permission_is_enough);
    else
        fprintf(stderr, "skipped: read_permission_is_enough, only root can be another user\n");
    return run_tests(tests);
}
