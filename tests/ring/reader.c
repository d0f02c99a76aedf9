/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support.h"

static const char *name;

static void choose_name(void) {
    name = new_name();
}

/* ---- Making one ---- */

START_TEST(a_handle_touches_no_ring) {
    struct shmring_reader *reader = unattached_reader(name, NULL);
    struct shmring_info info = SHMRING_INFO_INIT;
    ck_assert_int_eq(shm_entries(name, false), 0);
    ck_assert_int_eq(shmring_reader_request_keyframe(reader, SHMRING_TIME_NONE), -ENOTCONN);
    ck_assert_int_eq(shmring_reader_get_info(reader, &info), -ENOTCONN);
    ck_assert_int_eq(shmring_reader_get_latency(reader), SHMRING_TIME_NONE);
    ck_assert_uint_eq(reader_stats(reader).received, 0);
    ck_assert_uint_eq(reader_stats(reader).lease, 0);
    shmring_reader_free(reader);
    shmring_reader_free(NULL);
}
END_TEST

#define OPTIONS .struct_size = sizeof(struct shmring_reader_options)

static const struct {
    struct shmring_reader_options options;
    const char *reason;
} impossible[] = {
    {{.struct_size = 0}, "struct_size"},
    {{.struct_size = sizeof(size_t) - 1}, "struct_size"},
    {{OPTIONS, .mode = 2, .depth = 1}, "mode"},
    {{OPTIONS, .mode = SHMRING_MODE_LATEST, .depth = 0}, "depth"},
    {{OPTIONS, .mode = SHMRING_MODE_LATEST, .depth = 65536}, "depth"},
    {{OPTIONS, .mode = SHMRING_MODE_ALL, .depth = 1, .lease = 257}, "lease"},
};

START_TEST(options_that_cannot_be) {
    struct shmring_reader *reader = NULL;
    struct shmring_error error;
    ck_assert_int_eq(shmring_reader_new(name, &impossible[_i].options, &reader, &error), -EINVAL);
    ck_assert_ptr_null(reader);
    assert_says(&error, name);
    assert_says(&error, impossible[_i].reason);
}
END_TEST

/* ---- Attaching ---- */

static int attach_result(struct shmring_reader *reader, int64_t timeout_ns,
                         struct shmring_error *error) {
    *error = (struct shmring_error){0};
    return shmring_reader_attach(reader, timeout_ns, error);
}

START_TEST(no_ring_is_a_timeout_that_says_so) {
    struct shmring_reader *reader = unattached_reader(name, NULL);
    struct shmring_error error;
    ck_assert_int_eq(attach_result(reader, 0, &error), SHMRING_TIMEOUT);
    assert_says(&error, name);
    assert_says(&error, "no ring");
    ck_assert_int_eq(error.code, -ENOENT);
    ck_assert_int_eq(attach_result(reader, 1000000, &error), SHMRING_TIMEOUT);
    struct shmring_frame *frame;
    ck_assert_int_eq(shmring_reader_take(reader, 1000000, &frame, &error), SHMRING_TIMEOUT);
    ck_assert_int_eq(error.code, -ENOENT);
    shmring_reader_free(reader);
}
END_TEST

/* Half a ring is one that comes, or that somebody's rm left. */
START_TEST(a_ring_without_its_ctl_is_a_timeout_that_says_so) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = unattached_reader(name, NULL);
    struct shmring_error error;
    unlink(path_of(name, ".ctl"));
    ck_assert_int_eq(attach_result(reader, 0, &error), SHMRING_TIMEOUT);
    assert_says(&error, name);
    assert_says(&error, ".ctl");
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_ring_that_was_removed_is_a_timeout_that_says_so) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    struct shmring_frame *frame;
    struct shmring_error error;
    unlink(path_of(name, ""));
    ck_assert_int_eq(shmring_reader_take(reader, 1000000, &frame, &error), SHMRING_TIMEOUT);
    assert_says(&error, "somebody removed it");
    put(writer, 1);
    shmring_frame_release(take(reader, 1));
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_dead_ring_is_a_timeout_that_says_whose) {
    struct child child = start_writer(name);
    struct shmring_reader *reader = unattached_reader(name, NULL);
    struct shmring_error error;
    char pid[32];
    snprintf(pid, sizeof pid, "(pid %d)", (int)child.pid);
    kill_child(&child);
    ck_assert_int_eq(attach_result(reader, 0, &error), SHMRING_TIMEOUT);
    assert_says(&error, name);
    assert_says(&error, pid);
    assert_says(&error, "died");
    shmring_reader_free(reader);
    remove_names(name);
}
END_TEST

START_TEST(an_ended_ring_is_a_timeout_that_says_so) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = unattached_reader(name, NULL);
    struct shmring_error error;
    shmring_writer_end(writer);
    ck_assert_int_eq(attach_result(reader, 0, &error), SHMRING_TIMEOUT);
    assert_says(&error, "has ended");
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(what_is_no_ring_is_not_waited_for) {
    struct shmring_reader *reader = unattached_reader(name, NULL);
    struct shmring_error error;
    FILE *file = fopen(path_of(name, ""), "we");
    fputs("text", file);
    fclose(file);
    file = fopen(path_of(name, ".ctl"), "we");
    fclose(file);
    ck_assert_int_eq(attach_result(reader, SHMRING_FOREVER, &error), -EPROTO);
    assert_says(&error, name);
    shmring_reader_free(reader);
    remove_names(name);
}
END_TEST

START_TEST(attached_already_is_fine) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    put(writer, 1);
    ck_assert_int_eq(shmring_reader_attach(reader, 0, NULL), SHMRING_OK);
    read_many(reader, 1, 1);
    ck_assert_uint_eq(stats_of(writer).readers, 1);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(the_ring_it_is_attached_to) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    struct shmring_info info = info_of_ring(reader);
    ck_assert_str_eq(info.name, name);
    ck_assert_int_eq(info.state, SHMRING_STATE_LIVE);
    ck_assert_uint_eq(info.slots, 4);
    ck_assert_uint_eq(info.max_readers, 8);
    ck_assert_uint_eq(info.lend_limit, 2);
    ck_assert_uint_eq(info.header_size, 4096);
    ck_assert_uint_eq(info.slot_size, FRAME_SIZE);
    ck_assert_uint_eq(info.writer_pid, (uint32_t)getpid());
    ck_assert_str_eq(info.writer_process, own_process());
    ck_assert(info.created_ns > 0 && info.created_ns <= realtime_ns());
    ck_assert_int_eq(info.latency_ns, 0);
    ck_assert_mem_eq(info.instance, writer_segment(writer)->g.instance, 16);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* ---- Threads that wait ---- */

struct waiting {
    struct shmring_reader *reader;
    struct shmring_frame *frame;
    _Atomic bool begun;
    int result;
};

static void *attach_for_ever(void *data) {
    struct waiting *w = data;
    w->begun = true;
    w->result = shmring_reader_attach(w->reader, SHMRING_FOREVER, NULL);
    return NULL;
}

static void *take_for_ever(void *data) {
    struct waiting *w = data;
    w->begun = true;
    w->result = shmring_reader_take(w->reader, SHMRING_FOREVER, &w->frame, NULL);
    return NULL;
}

static pthread_t start(void *(*run)(void *), struct waiting *w) {
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, run, w), 0);
    while (!w->begun)
        sched_yield();
    return thread;
}

START_TEST(a_writer_that_comes_ends_the_wait_for_a_ring) {
    struct waiting w = {.reader = unattached_reader(name, NULL)};
    pthread_t thread = start(attach_for_ever, &w);
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_int_eq(shmring_writer_wait_reader(writer, LONG), SHMRING_OK);
    pthread_join(thread, NULL);
    ck_assert_int_eq(w.result, SHMRING_OK);
    put(writer, 1);
    read_many(w.reader, 1, 1);
    shmring_reader_free(w.reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(an_interrupt_ends_the_wait_for_a_ring) {
    struct waiting w = {.reader = unattached_reader(name, NULL)};
    pthread_t thread = start(attach_for_ever, &w);
    shmring_reader_interrupt(w.reader, true);
    pthread_join(thread, NULL);
    ck_assert_int_eq(w.result, SHMRING_INTERRUPTED);
    ck_assert_int_eq(shmring_reader_attach(w.reader, SHMRING_FOREVER, NULL), SHMRING_INTERRUPTED);
    shmring_reader_interrupt(w.reader, false);
    ck_assert_int_eq(shmring_reader_attach(w.reader, 0, NULL), SHMRING_TIMEOUT);
    shmring_reader_free(w.reader);
}
END_TEST

START_TEST(an_interrupt_ends_the_wait_for_a_frame) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct waiting w = {.reader = new_reader(name, 1)};
    pthread_t thread = start(take_for_ever, &w);
    shmring_reader_interrupt(w.reader, true);
    pthread_join(thread, NULL);
    ck_assert_int_eq(w.result, SHMRING_INTERRUPTED);
    ck_assert_ptr_null(w.frame);
    ck_assert_int_eq(take_result(w.reader, SHMRING_FOREVER), SHMRING_INTERRUPTED);
    shmring_reader_interrupt(w.reader, false);
    put(writer, 1);
    read_many(w.reader, 1, 1);
    shmring_reader_free(w.reader);
    shmring_writer_close(writer);
}
END_TEST

/* Each of what ends a wait, from the other side. */
static void publish_one(struct shmring_writer *writer) {
    put(writer, 1);
}

static void end(struct shmring_writer *writer) {
    shmring_writer_end(writer);
}

static void resize_and_publish(struct shmring_writer *writer) {
    ck_assert_int_eq(shmring_writer_resize(writer, 6, FRAME_SIZE, 4096, NULL), SHMRING_OK);
    put(writer, 1); /* waits until the reader has followed */
}

static const struct {
    void (*act)(struct shmring_writer *writer);
    int result;
} wakers[] = {
    {publish_one, SHMRING_OK},
    {end, SHMRING_ENDED},
    {resize_and_publish, SHMRING_OK},
};

START_TEST(what_the_writer_does_ends_the_wait_for_a_frame) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct waiting w = {.reader = new_reader(name, 1)};
    pthread_t thread = start(take_for_ever, &w);
    wakers[_i].act(writer);
    pthread_join(thread, NULL);
    ck_assert_int_eq(w.result, wakers[_i].result);
    if (w.frame)
        ck_assert(is_filled(w.frame->data, 1));
    shmring_frame_release(w.frame);
    shmring_reader_free(w.reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_writer_that_closes_ends_the_wait_for_a_frame) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct waiting w = {.reader = new_reader(name, 1)};
    pthread_t thread = start(take_for_ever, &w);
    shmring_writer_close(writer);
    pthread_join(thread, NULL);
    ck_assert_int_eq(w.result, SHMRING_CLOSED);
    shmring_reader_free(w.reader);
}
END_TEST

/* A frame at the wrap of the word that sleepers watch. */
START_TEST(a_frame_wakes_also_at_the_wrap) {
    struct shmring_writer_options options = writer_options(4);
    options.first_seq = UINT32_MAX;
    struct shmring_writer *writer = open_writer(name, &options);
    struct waiting w = {.reader = new_reader(name, 1)};
    pthread_t thread = start(take_for_ever, &w);
    put(writer, 1);
    pthread_join(thread, NULL);
    ck_assert_int_eq(w.result, SHMRING_OK);
    ck_assert_uint_eq(w.frame->info.seq, UINT32_MAX);
    ck_assert_uint_eq(writer_segment(writer)->header->event, 0);
    shmring_frame_release(w.frame);
    shmring_reader_free(w.reader);
    shmring_writer_close(writer);
}
END_TEST

/* ---- Counting ---- */

/* taken + dropped + flushed = published while attached. */
START_TEST(counts_are_exact) {
    struct shmring_writer *writer = new_writer(name, 8);
    put_many(writer, 1, 10);
    struct shmring_reader *reader = new_latest(name, 2); /* has 10, from before */
    put_many(writer, 11, 13);                            /* 11 dropped */
    read_many(reader, 12, 12);
    shmring_writer_flush(writer); /* 13 flushed */
    put_many(writer, 14, 20);     /* 14 to 18 dropped */
    read_many(reader, 19, 20);
    struct shmring_reader_stats stats = reader_stats(reader);
    ck_assert_uint_eq(stats.received, 3);
    ck_assert_uint_eq(stats.early, 1);
    ck_assert_uint_eq(stats.flushed, 1);
    ck_assert_uint_eq(stats.dropped, 6);
    ck_assert_uint_eq(stats.lag, 0);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_signal_ends_a_wait) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    timer_t timer = start_signals();
    ck_assert_int_eq(take_result(reader, SHMRING_FOREVER), SHMRING_INTERRUPTED);
    timer_delete(timer);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("reader");
    tcase_add_checked_fixture(tests, choose_name, NULL);
    tcase_add_test(tests, a_handle_touches_no_ring);
    tcase_add_loop_test(tests, options_that_cannot_be, 0, COUNT(impossible));
    tcase_add_test(tests, no_ring_is_a_timeout_that_says_so);
    tcase_add_test(tests, a_ring_without_its_ctl_is_a_timeout_that_says_so);
    tcase_add_test(tests, a_ring_that_was_removed_is_a_timeout_that_says_so);
    tcase_add_test(tests, a_dead_ring_is_a_timeout_that_says_whose);
    tcase_add_test(tests, an_ended_ring_is_a_timeout_that_says_so);
    tcase_add_test(tests, what_is_no_ring_is_not_waited_for);
    tcase_add_test(tests, attached_already_is_fine);
    tcase_add_test(tests, the_ring_it_is_attached_to);
    tcase_add_test(tests, a_writer_that_comes_ends_the_wait_for_a_ring);
    tcase_add_test(tests, an_interrupt_ends_the_wait_for_a_ring);
    tcase_add_test(tests, an_interrupt_ends_the_wait_for_a_frame);
    tcase_add_loop_test(tests, what_the_writer_does_ends_the_wait_for_a_frame, 0, COUNT(wakers));
    tcase_add_test(tests, a_writer_that_closes_ends_the_wait_for_a_frame);
    tcase_add_test(tests, a_frame_wakes_also_at_the_wrap);
    tcase_add_test(tests, counts_are_exact);
    tcase_add_test(tests, a_signal_ends_a_wait);
    return run_tests(tests);
}
