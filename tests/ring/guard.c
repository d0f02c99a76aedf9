/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `> /dev/shm/cam0`, by the same user: an error, and nobody's end. */
#include <fcntl.h>
#include <sys/mman.h>

#include "support.h"

static void cut(const char *name, const char *suffix) {
    ck_assert_int_eq(truncate(path_of(name, suffix), 0), 0);
}

static void assert_cut_off(struct shmring_reader *reader) {
    struct shmring_error error = {0};
    struct shmring_frame *frame;
    ck_assert_int_eq(shmring_reader_take(reader, LONG, &frame, &error), -EPROTO);
    assert_says(&error, "was cut off");
    ck_assert_ptr_null(frame);
}

static void assert_cut_off_too(struct shmring_writer *writer) {
    struct shmring_error error = {0};
    struct shmring_slot slot;
    ck_assert_int_eq(shmring_writer_loan(writer, SHMRING_LOAN_FILL, 0, &slot, &error), -EPROTO);
    assert_says(&error, "was cut off");
}

/* And afterwards the name is to be had as ever. */
static void cut_off(const char *suffix) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 6);
    struct shmring_reader *reader = new_reader(name, 2);
    shmring_guard();
    put_many(writer, 1, 2);
    struct shmring_frame *held = take(reader, 1);
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_LEND);
    cut(name, suffix);
    fill(slot.data, 3); /* whatever is where it was */
    is_filled(held->data, 1);
    assert_cut_off(reader);
    assert_cut_off_too(writer);
    shmring_slot_return(&slot);
    shmring_frame_release(held);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
    writer = new_writer(name, 6);
    reader = new_reader(name, 2);
    put(writer, 1);
    shmring_frame_release(take(reader, 1));
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}

START_TEST(a_ring_that_is_cut_off_is_an_error) {
    cut_off("");
}
END_TEST

START_TEST(so_is_its_ctl) {
    cut_off(".ctl");
}
END_TEST

static void *take_until_cut_off(void *reader) {
    assert_cut_off(reader);
    return NULL;
}

/* Who sleeps hears of it as well. */
START_TEST(sleepers_hear_of_it) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 6);
    struct shmring_reader *reader = new_reader(name, 2);
    pthread_t thread;
    shmring_guard();
    put(writer, 1);
    shmring_frame_release(take(reader, 1));
    ck_assert_int_eq(pthread_create(&thread, NULL, take_until_cut_off, reader), 0);
    cut(name, "");
    pthread_join(thread, NULL);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* A writer that nobody reads yet, as well: it sleeps, and looks now and then. */
static void wait_until_cut_off(const char *suffix,
                               int (*wait)(struct shmring_writer *, int64_t timeout_ns)) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 6);
    int result = SHMRING_OK;
    shmring_guard();
    cut(name, suffix);
    for (int i = 0; i < 5 && result == SHMRING_OK; i++) /* a watch may have seen nothing */
        result = wait(writer, LONG);
    ck_assert_int_eq(result, -EPROTO);
    ck_assert_int_eq(wait(writer, LONG), -EPROTO);
    shmring_writer_close(writer);
}

START_TEST(so_does_who_waits_for_a_reader) {
    wait_until_cut_off("", shmring_writer_wait_reader);
    wait_until_cut_off(".ctl", shmring_writer_wait_reader);
}
END_TEST

START_TEST(so_does_who_watches_readers) {
    wait_until_cut_off("", shmring_writer_watch);
    wait_until_cut_off(".ctl", shmring_writer_watch);
}
END_TEST

/* A publish in the midst. */
START_TEST(so_does_who_publishes) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 6);
    struct shmring_frame_info info = info_of(1);
    struct shmring_error error = {0};
    shmring_guard();
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_FILL);
    cut(name, "");
    fill(slot.data, 1);
    ck_assert_int_eq(shmring_writer_publish(writer, &slot, &info, NULL, &error), -EPROTO);
    assert_says(&error, "was cut off");
    shmring_slot_return(&slot);
    shmring_writer_close(writer);
}
END_TEST

/* ---- What is not a ring's ---- */

/* A byte of a file that is not there. */
static volatile char *nowhere(const char *name) {
    int fd = open(path_of(name, ""), O_RDWR | O_CREAT, 0600);
    CHILD_ASSERT(fd >= 0 && unlink(path_of(name, "")) == 0);
    volatile char *at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    CHILD_ASSERT(at != MAP_FAILED);
    return at;
}

static int die_by_default(struct child *test, const char *name) {
    shmring_guard();
    return *nowhere(name);
}

static void leave_by_signal(int signal) {
    _exit(42);
}

static int die_by_the_program(struct child *test, const char *name) {
    signal(SIGBUS, leave_by_signal);
    shmring_guard();
    return *nowhere(name);
}

static int die_of_a_kill(struct child *test, const char *name) {
    shmring_guard();
    kill(getpid(), SIGBUS);
    return 0;
}

static int die_unguarded(struct child *test, const char *name) {
    struct shmring_reader *reader = NULL;
    struct shmring_frame *frame = NULL;
    CHILD_ASSERT(shmring_reader_new(name, NULL, &reader, NULL) == 0);
    CHILD_ASSERT(shmring_reader_attach(reader, LONG, NULL) == 0);
    CHILD_ASSERT(truncate(path_of(name, ""), 0) == 0);
    return shmring_reader_take(reader, LONG, &frame, NULL);
}

static int status_of(int (*run)(struct child *, const char *), const char *name) {
    struct child child = start_child(run, name);
    return end_child(&child);
}

START_TEST(other_bus_errors_end_the_program) {
    ck_assert_int_eq(status_of(die_by_default, new_name()), 128 + SIGBUS);
    ck_assert_int_eq(status_of(die_by_the_program, new_name()), 42);
    ck_assert_int_eq(status_of(die_of_a_kill, new_name()), 128 + SIGBUS);
}
END_TEST

/* Else the tests above show nothing. */
START_TEST(so_do_all_without_a_guard) {
    const char *name = new_name();
    struct child writer = start_writer(name);
    ck_assert_int_eq(status_of(die_unguarded, name), 128 + SIGBUS);
    kill_child(&writer);
    shm_entries(name, true);
}
END_TEST

/* As many rings as a process has descriptors for, when it may have 4096. */
START_TEST(a_process_with_many_rings) {
    int guards[2048];
    for (size_t i = 0; i < COUNT(guards); i++) {
        guards[i] = guard_add((void *)(4096 * (i + 1)), 4096, PROT_READ);
        ck_assert_int_ne(guards[i], GUARD_NONE);
    }
    for (size_t i = 0; i < COUNT(guards); i++)
        guard_remove(guards[i]);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("guard");
    tcase_add_test(tests, a_ring_that_is_cut_off_is_an_error);
    tcase_add_test(tests, so_is_its_ctl);
    tcase_add_test(tests, sleepers_hear_of_it);
    tcase_add_test(tests, so_does_who_waits_for_a_reader);
    tcase_add_test(tests, so_does_who_watches_readers);
    tcase_add_test(tests, so_does_who_publishes);
#ifndef __SANITIZE_ADDRESS__ /* has a handler of its own */
    tcase_add_test(tests, other_bus_errors_end_the_program);
    tcase_add_test(tests, so_do_all_without_a_guard);
#endif
    tcase_add_test(tests, a_process_with_many_rings);
    return run_tests(tests);
}
