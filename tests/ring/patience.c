/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A lossless reader that does not read: how long it is waited for, and what it loses then. */
#include "support.h"
#include "writer.h"

#define MS INT64_C(1000000)
/* Of most tests: over at the first look after they let it pass. */
#define PATIENCE (20 * MS)

static struct shmring_writer *patient_writer(const char *name, int64_t patience_ns) {
    struct shmring_writer_options options = writer_options(4);
    options.patience_ns = patience_ns;
    return open_writer(name, &options);
}

static void let_patience_pass(void) {
    struct timespec time = {.tv_nsec = 2 * PATIENCE};
    while (nanosleep(&time, &time) < 0)
        continue;
}

static void put_and_read(struct shmring_writer *writer, struct shmring_reader *reader,
                         uint64_t first, uint64_t last) {
    for (uint64_t number = first; number <= last; number++) {
        put(writer, number);
        shmring_frame_release(take(reader, number));
    }
}

/* ---- Who loses what ---- */

START_TEST(only_the_one_that_is_stuck_loses_its_oldest) {
    const char *name = new_name();
    struct shmring_writer *writer = patient_writer(name, PATIENCE);
    struct shmring_reader *stuck = new_reader(name, 0), *other = new_reader(name, 1);
    struct shmring_reader *latest = new_latest(name, 1);
    put_and_read(writer, other, 1, 12);
    struct shmring_frame *frame = take(stuck, 9);
    ck_assert_uint_eq(frame->missed, 8);
    ck_assert_uint_eq(frame->info.flags, SHMRING_FRAME_DISCONT);
    shmring_frame_release(frame);
    for (uint64_t number = 10; number <= 12; number++) {
        frame = take(stuck, number);
        ck_assert_uint_eq(frame->missed, 0);
        ck_assert_uint_eq(frame->info.flags, 0);
        shmring_frame_release(frame);
    }
    ck_assert_uint_eq(reader_stats(stuck).withdrawn, 8);
    ck_assert_uint_eq(reader_stats(stuck).received, 4);
    ck_assert_uint_eq(reader_stats(other).received, 12);
    assert_told_of_all(other, 12);
    shmring_frame_release(take(latest, 12));
    assert_told_of_all(latest, 12);
    ck_assert_uint_eq(reader_stats(latest).withdrawn, 0);
    ck_assert_uint_eq(stats_of(writer).withdrawn, 8);
    ck_assert_uint_eq(stats_of(writer).dropped, 0);
    shmring_reader_free(stuck);
    shmring_reader_free(other);
    shmring_reader_free(latest);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(it_is_waited_for_once) {
    const char *name = new_name();
    struct shmring_writer *writer = patient_writer(name, PATIENCE);
    struct shmring_reader *stuck = new_reader(name, 0);
    put_many(writer, 1, 40);
    ck_assert_uint_eq(stats_of(writer).waits, 1);
    ck_assert_int_ge(stats_of(writer).wait_ns, PATIENCE);
    ck_assert(readers_of(writer).reader[0].is_stuck);
    ck_assert_uint_eq(readers_of(writer).reader[0].withdrawn, 36);
    shmring_reader_free(stuck);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_take_brings_it_back) {
    const char *name = new_name();
    struct shmring_writer *writer = patient_writer(name, PATIENCE);
    struct shmring_reader *reader = new_reader(name, 0);
    put_many(writer, 1, 6);
    ck_assert(readers_of(writer).reader[0].is_stuck);
    read_many(reader, 3, 3);
    ck_assert(!readers_of(writer).reader[0].is_stuck);
    put(writer, 7);
    ck_assert_int_eq(try_put(writer, 8, 0), SHMRING_TIMEOUT);
    read_many(reader, 4, 7);
    assert_told_of_all(reader, 7);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* An older offer that stays, behind another reader's hold, is lapped by the ring: its slot would be
 * lost for ever. */
START_TEST(the_older_ones_go_with_it) {
    const char *name = new_name();
    struct shmring_writer *writer = patient_writer(name, PATIENCE);
    struct shmring_reader *stuck = new_reader(name, 0), *holder = new_reader(name, 1);
    put_many(writer, 1, 4);
    struct shmring_frame *held = take(holder, 1);
    read_many(holder, 2, 4);
    put(writer, 5);
    ck_assert(readers_of(writer).reader[0].is_stuck);
    ck_assert(!readers_of(writer).reader[1].is_stuck);
    read_many(holder, 5, 5);
    struct shmring_frame *frame = take(stuck, 3);
    ck_assert_uint_eq(frame->missed, 2);
    shmring_frame_release(frame);
    ck_assert_uint_eq(reader_stats(stuck).withdrawn, 2);
    ck_assert(is_filled(held->data, 1));
    shmring_frame_release(held);
    read_many(stuck, 4, 5);
    assert_told_of_all(stuck, 5);
    shmring_reader_free(stuck);
    shmring_reader_free(holder);
    shmring_writer_close(writer);
}
END_TEST

/* The writer finds that it moved while it looks for what to take back: frame 5 lies in the first
 * slot that it looks at, frame 2, which is just being taken, in the next. */
START_TEST(who_moves_meanwhile_loses_nothing) {
    const char *name = new_name();
    struct shmring_writer *writer = patient_writer(name, PATIENCE);
    struct shmring_reader *reader = new_reader(name, 1);
    put_many(writer, 1, 5);
    struct distributor *d = writer->distributor;
    _Atomic uint64_t *claim = d->seg->ctl->port[0].claim;
    ck_assert_uint_eq(claim[0], claim_word(5, CLAIM_OFFERED));
    ck_assert_uint_eq(claim[1], claim_word(2, CLAIM_OFFERED));
    claim[1] = claim_word(2, CLAIM_TAKEN);
    bool lost_race = false;
    pthread_mutex_lock(&writer->mutex);
    ck_assert_uint_eq(distributor_reclaim(d, &lost_race), NO_SLOT);
    pthread_mutex_unlock(&writer->mutex);
    ck_assert(lost_race);
    ck_assert_uint_eq(claim[0], claim_word(5, CLAIM_OFFERED));
    claim[1] = 0;
    read_many(reader, 3, 5);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(two_of_them) {
    const char *name = new_name();
    struct shmring_writer *writer = patient_writer(name, PATIENCE);
    struct shmring_reader *one = new_reader(name, 0), *two = new_reader(name, 0);
    put_many(writer, 1, 4);
    read_many(two, 1, 2);
    put_many(writer, 5, 9);
    read_many(one, 6, 9);
    read_many(two, 6, 9);
    ck_assert_uint_eq(reader_stats(one).withdrawn, 5);
    ck_assert_uint_eq(reader_stats(two).withdrawn, 3);
    shmring_reader_free(one);
    shmring_reader_free(two);
    shmring_writer_close(writer);
}
END_TEST

/* ---- Who is waited for ---- */

START_TEST(a_held_frame_is_never_waited_for) {
    const char *name = new_name();
    struct shmring_writer *writer = patient_writer(name, SHMRING_FOREVER);
    struct shmring_reader *holder = new_reader(name, 1);
    put(writer, 1);
    struct shmring_frame *held = take(holder, 1);
    put_and_read(writer, holder, 2, 30);
    ck_assert_uint_eq(stats_of(writer).waits, 0);
    ck_assert(!readers_of(writer).reader[0].is_stuck);
    ck_assert(!readers_of(writer).reader[0].is_waited_for);
    ck_assert(is_filled(held->data, 1));
    shmring_frame_release(held);
    shmring_reader_free(holder);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(without_patience_it_waits_for_ever) {
    const char *name = new_name();
    struct shmring_writer *writer = patient_writer(name, SHMRING_FOREVER);
    struct shmring_reader *reader = new_reader(name, 0);
    put_many(writer, 1, 4);
    ck_assert_int_eq(try_put(writer, 5, 5 * PATIENCE), SHMRING_TIMEOUT);
    ck_assert_int_gt(readers_of(writer).reader[0].waited_ns, PATIENCE);
    ck_assert(readers_of(writer).reader[0].is_waited_for);
    read_many(reader, 1, 4);
    assert_told_of_all(reader, 4);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

static void *put_fifth(void *writer) {
    put(writer, 5);
    return NULL;
}

START_TEST(patience_is_told_while_it_waits) {
    const char *name = new_name();
    pthread_t thread;
    struct shmring_writer *writer = patient_writer(name, SHMRING_FOREVER);
    struct shmring_reader *reader = new_reader(name, 0);
    put_many(writer, 1, 4);
    pthread_create(&thread, NULL, put_fifth, writer);
    while (readers_of(writer).reader[0].waited_ns == 0)
        sched_yield();
    shmring_writer_set_patience(writer, PATIENCE);
    pthread_join(thread, NULL);
    read_many(reader, 2, 5);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* Slower than the writer, and never near the end of a patience of AMPLE, on no machine. */
#define AMPLE (50 * PATIENCE)

static void *read_slowly(void *reader) {
    struct timespec pause = {.tv_nsec = PATIENCE / 4};
    for (uint64_t number = 1; number <= 24; number++) {
        nanosleep(&pause, NULL);
        shmring_frame_release(take(reader, number));
    }
    return NULL;
}

START_TEST(another_readers_progress_is_no_help) {
    const char *name = new_name();
    pthread_t thread;
    struct shmring_writer *writer = patient_writer(name, AMPLE);
    struct shmring_reader *stuck = new_reader(name, 0), *slow = new_reader(name, 0);
    pthread_create(&thread, NULL, read_slowly, slow);
    put_many(writer, 1, 24);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(reader_stats(slow).received, 24);
    read_many(stuck, 21, 24);
    ck_assert_uint_eq(reader_stats(stuck).withdrawn, 20);
    shmring_reader_free(stuck);
    shmring_reader_free(slow);
    shmring_writer_close(writer);
}
END_TEST

/* ---- The clock ---- */

/* A take rings no doorbell: the writer looks once more before it gives somebody up. */
START_TEST(a_take_at_the_last_moment) {
    const char *name = new_name();
    struct shmring_writer *writer = patient_writer(name, PATIENCE);
    struct shmring_reader *reader = new_reader(name, 1);
    put_many(writer, 1, 4);
    ck_assert_int_eq(try_put(writer, 5, 0), SHMRING_TIMEOUT);
    let_patience_pass();
    struct shmring_frame *held = take(reader, 1);
    ck_assert_int_eq(try_put(writer, 5, 0), SHMRING_TIMEOUT);
    ck_assert(!readers_of(writer).reader[0].is_stuck);
    let_patience_pass();
    ck_assert_int_eq(try_put(writer, 5, 0), SHMRING_OK);
    ck_assert(readers_of(writer).reader[0].is_stuck);
    shmring_frame_release(held);
    read_many(reader, 3, 5);
    ck_assert_uint_eq(reader_stats(reader).withdrawn, 1);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* Another thread's, while the writer waits. */
START_TEST(a_take_that_another_look_saw) {
    const char *name = new_name();
    struct shmring_writer *writer = patient_writer(name, PATIENCE);
    struct shmring_reader *reader = new_reader(name, 1);
    put_many(writer, 1, 4);
    ck_assert_int_eq(try_put(writer, 5, 0), SHMRING_TIMEOUT);
    let_patience_pass();
    struct shmring_frame *held = take(reader, 1);
    stats_of(writer);
    ck_assert_int_eq(readers_of(writer).reader[0].waited_ns, 0);
    ck_assert_int_eq(try_put(writer, 5, 0), SHMRING_TIMEOUT);
    shmring_frame_release(held);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(who_only_asks_waits_too) {
    const char *name = new_name();
    struct shmring_writer *writer = patient_writer(name, PATIENCE);
    struct shmring_reader *reader = new_reader(name, 0);
    put_many(writer, 1, 4);
    ck_assert_int_eq(try_put(writer, 5, 0), SHMRING_TIMEOUT);
    let_patience_pass();
    ck_assert_int_eq(try_put(writer, 5, 0), SHMRING_OK);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* Time counts in which the writer wanted a slot, and no other. */
START_TEST(it_stands_while_the_writer_does_not_wait) {
    const char *name = new_name();
    struct shmring_writer *writer = patient_writer(name, 20 * PATIENCE);
    struct shmring_reader *reader = new_reader(name, 0);
    put_many(writer, 1, 4);
    for (int i = 0; i < 15; i++)
        let_patience_pass();
    ck_assert_int_eq(try_put(writer, 5, 0), SHMRING_TIMEOUT);
    ck_assert_int_eq(try_put(writer, 5, 0), SHMRING_TIMEOUT);
    read_many(reader, 1, 4);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_flush_begins_it_anew) {
    const char *name = new_name();
    struct shmring_writer *writer = patient_writer(name, PATIENCE);
    struct shmring_reader *reader = new_reader(name, 0);
    put_many(writer, 1, 4);
    ck_assert_int_eq(try_put(writer, 5, 0), SHMRING_TIMEOUT);
    let_patience_pass();
    shmring_writer_flush(writer);
    put_many(writer, 5, 8);
    ck_assert_int_eq(try_put(writer, 9, 0), SHMRING_TIMEOUT);
    read_many(reader, 5, 8);
    ck_assert_uint_eq(reader_stats(reader).flushed, 4);
    assert_told_of_all(reader, 8);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_flush_is_no_progress) {
    const char *name = new_name();
    struct shmring_writer *writer = patient_writer(name, PATIENCE);
    struct shmring_reader *reader = new_reader(name, 0);
    put_many(writer, 1, 5);
    shmring_writer_flush(writer);
    ck_assert(readers_of(writer).reader[0].is_stuck);
    put_many(writer, 6, 9);
    ck_assert_int_eq(try_put(writer, 10, 0), SHMRING_OK);
    read_many(reader, 7, 10);
    struct shmring_reader_stats stats = reader_stats(reader);
    ck_assert_uint_eq(stats.withdrawn, 2);
    ck_assert_uint_eq(stats.flushed, 4);
    assert_told_of_all(reader, 10);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* ---- Over a resize ---- */

START_TEST(nothing_is_taken_back_in_a_segment_that_was_left) {
    const char *name = new_name();
    struct shmring_writer *writer = patient_writer(name, PATIENCE);
    struct shmring_reader *stuck = new_reader(name, 0), *other = new_reader(name, 0);
    put_and_read(writer, other, 1, 3);
    ck_assert_int_eq(shmring_writer_resize(writer, 5, FRAME_SIZE, 4096, NULL), 0);
    ck_assert_int_eq(take_result(other, 0), SHMRING_TIMEOUT);
    put(writer, 4); /* waits for both; the other one follows when it looks again */
    ck_assert_uint_eq(stats_of(writer).withdrawn, 0);
    read_many(stuck, 1, 3);
    assert_told_of_all(stuck, 3);
    shmring_reader_free(stuck);
    shmring_reader_free(other);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(it_follows_and_counts_what_it_was_too_late_for) {
    const char *name = new_name();
    struct shmring_writer *writer = patient_writer(name, PATIENCE);
    struct shmring_reader *stuck = new_reader(name, 0);
    put_many(writer, 1, 3);
    ck_assert_int_eq(shmring_writer_resize(writer, 5, FRAME_SIZE, 4096, NULL), 0);
    put_many(writer, 4, 6);
    read_many(stuck, 1, 3);
    ck_assert_int_eq(take_result(stuck, 50 * MS), SHMRING_TIMEOUT);
    put(writer, 7);
    struct shmring_frame *frame = take(stuck, 7);
    ck_assert_uint_eq(frame->missed, 3);
    shmring_frame_release(frame);
    assert_told_of_all(stuck, 7);
    shmring_reader_free(stuck);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(progress_there_makes_the_writer_wait_again) {
    const char *name = new_name();
    struct shmring_writer *writer = patient_writer(name, PATIENCE);
    struct shmring_reader *reader = new_reader(name, 0);
    put_many(writer, 1, 3);
    ck_assert_int_eq(shmring_writer_resize(writer, 5, FRAME_SIZE, 4096, NULL), 0);
    put(writer, 4);
    ck_assert_int_eq(try_put(writer, 5, 0), SHMRING_OK);
    read_many(reader, 1, 1);
    ck_assert_int_eq(try_put(writer, 6, 0), SHMRING_TIMEOUT);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* ---- What is said of it ---- */

START_TEST(the_writer_hears_who_it_is) {
    const char *name = new_name();
    char pid[32];
    struct shmring_slot slot;
    struct shmring_error error = {0};
    struct shmring_writer *writer = patient_writer(name, SHMRING_FOREVER);
    struct shmring_reader *reader = new_reader(name, 0);
    put_many(writer, 1, 4);
    ck_assert_int_eq(shmring_writer_loan(writer, SHMRING_LOAN_FILL, PATIENCE, &slot, &error),
                     SHMRING_TIMEOUT);
    snprintf(pid, sizeof pid, "(pid %d, this process", (int)getpid());
    ck_assert_ptr_nonnull(strstr(error.message, pid));
    ck_assert_ptr_nonnull(strstr(error.message, "has 4 to take"));
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(other_readers_hear_who_it_is) {
    const char *name = new_name();
    pthread_t thread;
    struct shmring_frame *frame;
    struct shmring_error error = {0};
    struct shmring_writer *writer = patient_writer(name, SHMRING_FOREVER);
    struct shmring_reader *stuck = new_reader(name, 0), *other = new_reader(name, 0);
    put_many(writer, 1, 4);
    read_many(other, 1, 4);
    pthread_create(&thread, NULL, put_fifth, writer);
    while (!strstr(error.message, "waits for another reader"))
        ck_assert_int_eq(shmring_reader_take(other, MS, &frame, &error), SHMRING_TIMEOUT);
    ck_assert_int_eq(error.code, -ETIMEDOUT);
    read_many(stuck, 1, 1);
    pthread_join(thread, NULL);
    shmring_reader_free(stuck);
    shmring_reader_free(other);
    shmring_writer_close(writer);
}
END_TEST

/* ---- A stopped process ---- */

static int read_to_the_end(struct child *test, const char *name) {
    struct shmring_reader *reader = NULL;
    struct shmring_frame *frame;
    uint64_t last = 0;
    int result;
    CHILD_ASSERT(shmring_reader_new(name, NULL, &reader, NULL) == 0);
    CHILD_ASSERT(shmring_reader_attach(reader, LONG, NULL) == 0);
    CHILD_ASSERT(child_say(test, 'a'));
    while ((result = shmring_reader_take(reader, LONG, &frame, NULL)) == SHMRING_OK) {
        CHILD_ASSERT(frame->info.frame_number == last + 1 + frame->missed);
        CHILD_ASSERT(is_filled(frame->data, frame->info.frame_number));
        last = frame->info.frame_number;
        shmring_frame_release(frame);
    }
    CHILD_ASSERT(result == SHMRING_ENDED && last == 60);
    struct shmring_reader_stats stats = reader_stats(reader);
    CHILD_ASSERT(stats.received + stats.withdrawn == 60 && stats.dropped + stats.flushed == 0);
    shmring_reader_free(reader);
    return 0;
}

START_TEST(a_stopped_process_harms_itself_only) {
    const char *name = new_name();
    int status;
    struct shmring_writer *writer = patient_writer(name, PATIENCE);
    struct child child = start_child(read_to_the_end, name);
    struct shmring_reader *other = new_reader(name, 0);
    ck_assert_int_eq(child_hear(&child), 'a');
    put_and_read(writer, other, 1, 20);
    kill(child.pid, SIGSTOP);
    ck_assert_int_eq(waitpid(child.pid, &status, WUNTRACED), child.pid);
    put_and_read(writer, other, 21, 40);
    kill(child.pid, SIGCONT);
    put_and_read(writer, other, 41, 60);
    shmring_writer_end(writer);
    ck_assert_int_eq(end_child(&child), 0);
    assert_told_of_all(other, 60);
    ck_assert_uint_eq(reader_stats(other).received, 60);
    shmring_reader_free(other);
    shmring_writer_close(writer);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("patience");
    tcase_add_test(tests, only_the_one_that_is_stuck_loses_its_oldest);
    tcase_add_test(tests, it_is_waited_for_once);
    tcase_add_test(tests, a_take_brings_it_back);
    tcase_add_test(tests, the_older_ones_go_with_it);
    tcase_add_test(tests, who_moves_meanwhile_loses_nothing);
    tcase_add_test(tests, two_of_them);
    tcase_add_test(tests, a_held_frame_is_never_waited_for);
    tcase_add_test(tests, without_patience_it_waits_for_ever);
    tcase_add_test(tests, patience_is_told_while_it_waits);
    tcase_add_test(tests, another_readers_progress_is_no_help);
    tcase_add_test(tests, a_take_at_the_last_moment);
    tcase_add_test(tests, a_take_that_another_look_saw);
    tcase_add_test(tests, who_only_asks_waits_too);
    tcase_add_test(tests, it_stands_while_the_writer_does_not_wait);
    tcase_add_test(tests, a_flush_begins_it_anew);
    tcase_add_test(tests, a_flush_is_no_progress);
    tcase_add_test(tests, nothing_is_taken_back_in_a_segment_that_was_left);
    tcase_add_test(tests, it_follows_and_counts_what_it_was_too_late_for);
    tcase_add_test(tests, progress_there_makes_the_writer_wait_again);
    tcase_add_test(tests, the_writer_hears_who_it_is);
    tcase_add_test(tests, other_readers_hear_who_it_is);
    tcase_add_loop_test(tests, a_stopped_process_harms_itself_only, 0, 5);
    return run_tests(tests);
}
