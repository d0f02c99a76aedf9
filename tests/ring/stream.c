/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a stream, and the next one in the same segment. */
#include "support.h"
#include "writer.h"

#define MS INT64_C(1000000)

static const char *name;
static struct shmring_writer *writer;
static struct shmring_reader *reader;

static void open_ring(void) {
    name = new_name();
    writer = new_writer(name, 4);
}

static void close_ring(void) {
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}

/* ---- For readers that go on ---- */

START_TEST(the_next_one_is_in_the_same_memory) {
    reader = new_reader(name, 1);
    ino_t inode = writer_segment(writer)->inode;
    uint32_t stretch;
    put_many(writer, 1, 2);
    struct shmring_frame *frame = take(reader, 1);
    stretch = frame->info.stretch;
    shmring_frame_release(frame);
    shmring_writer_end(writer);
    read_many(reader, 2, 2);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
    put(writer, 3);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
    ck_assert_int_eq(shmring_reader_attach(reader, LONG, NULL), SHMRING_OK);
    put(writer, 4);
    frame = take(reader, 4);
    ck_assert(frame->is_first);
    ck_assert_uint_eq(frame->info.seq, 4);
    ck_assert_uint_eq(frame->missed, 0);
    ck_assert_uint_gt(frame->info.stretch, stretch);
    shmring_frame_release(frame);
    ck_assert_uint_eq(writer_segment(writer)->inode, inode);
    assert_told_of_all(reader, 3);
}
END_TEST

static void *read_fifty(void *unused) {
    for (uint64_t number = 1; number <= 50; number++)
        shmring_frame_release(take(reader, number));
    return NULL;
}

START_TEST(a_loop) {
    pthread_t thread;
    reader = new_reader_that_goes_on(name, 1u << SHMRING_ENDED);
    pthread_create(&thread, NULL, read_fifty, NULL);
    for (uint64_t number = 1; number <= 50; number++) {
        ck_assert_int_eq(shmring_writer_wait_reader(writer, LONG), SHMRING_OK);
        put(writer, number);
        shmring_writer_end(writer);
    }
    pthread_join(thread, NULL);
    ck_assert_uint_eq(assert_told_of_all(reader, 50).received, 50);
}
END_TEST

static _Atomic bool over;

static void *wait_on(void *unused) {
    struct shmring_frame *frame;
    while (!atomic_load(&over)) {
        if (shmring_reader_take(reader, MS * 50, &frame, NULL) == SHMRING_OK)
            shmring_frame_release(frame);
    }
    return NULL;
}

/* Who looks ten times a second hears of a tenth of the beginnings within 10 ms. */
START_TEST(who_waits_hears_of_it_at_once) {
    enum { ROUNDS = 21, ENOUGH = 8 };
    pthread_t thread;
    int at_once = 0;
    reader = new_reader_that_goes_on(name, 1u << SHMRING_ENDED);
    atomic_store(&over, false);
    pthread_create(&thread, NULL, wait_on, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        struct timespec pause = {.tv_nsec = (7 + round * 13 % 50) * MS};
        shmring_writer_end(writer);
        while (stats_of(writer).readers)
            sched_yield();
        nanosleep(&pause, NULL);
        int64_t began = monotonic_ns();
        ck_assert_int_eq(shmring_writer_wait_reader(writer, LONG), SHMRING_OK);
        at_once += monotonic_ns() - began < 10 * MS;
    }
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    ck_assert_int_ge(at_once, ENOUGH);
}
END_TEST

/* ---- For readers that are late ---- */

/* The ring has room for the descriptors of 8 frames, and the next stream needs them. */
START_TEST(who_reads_late_gets_all_of_its_own) {
    reader = new_reader(name, 1);
    put_many(writer, 1, 3);
    shmring_writer_end(writer);
    struct shmring_reader *next = unattached_reader(name, NULL);
    for (uint64_t number = 4; number <= 100; number++) {
        put(writer, number);
        if (number == 4)
            ck_assert_int_eq(shmring_reader_attach(next, LONG, NULL), SHMRING_OK);
        else
            read_many(next, number, number);
    }
    for (uint64_t number = 1; number <= 3; number++) {
        struct shmring_frame *frame = take(reader, number);
        ck_assert_uint_eq(frame->missed, 0);
        shmring_frame_release(frame);
    }
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
    assert_told_of_all(reader, 3);
    put(writer, 101); /* and no slot is lost */
    read_many(next, 101, 101);
    shmring_reader_free(next);
}
END_TEST

START_TEST(it_is_offered_nothing_of_the_next) {
    reader = new_reader(name, 1);
    put(writer, 1);
    shmring_writer_end(writer);
    put_many(writer, 2, 40);
    struct described readers = readers_of(writer);
    ck_assert_uint_eq(readers.count, 1);
    ck_assert_uint_eq(readers.reader[0].offered, 1);
    read_many(reader, 1, 1);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
}
END_TEST

START_TEST(what_it_did_not_read_holds_its_slots) {
    reader = new_reader(name, 0);
    put_many(writer, 1, 4);
    shmring_writer_end(writer);
    ck_assert_int_eq(try_put(writer, 5, 0), SHMRING_TIMEOUT);
    read_many(reader, 1, 1);
    put_many(writer, 5, 30);
    read_many(reader, 2, 4);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
    assert_told_of_all(reader, 4);
}
END_TEST

START_TEST(at_most_for_the_patience) {
    shmring_writer_set_patience(writer, 20 * MS);
    reader = new_reader(name, 0);
    put_many(writer, 1, 4);
    shmring_writer_end(writer);
    put_many(writer, 5, 5);
    read_many(reader, 2, 4);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
    ck_assert_uint_eq(assert_told_of_all(reader, 4).withdrawn, 1);
}
END_TEST

START_TEST(the_newest_frame_is_of_its_own_stream) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    options.mode = SHMRING_MODE_LATEST;
    reader = open_reader(name, &options);
    put(writer, 1);
    shmring_writer_end(writer);
    put_many(writer, 2, 3);
    read_many(reader, 1, 1);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
}
END_TEST

/* ---- At the end itself ---- */

START_TEST(who_was_not_seen_yet_hears_it) {
    put(writer, 1);
    reader = new_reader(name, 1);
    shmring_writer_end(writer);
    put(writer, 2);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
    assert_told_of_all(reader, 0);
}
END_TEST

/* It came while the state said ENDED, and was not gone yet when the writer looked. */
START_TEST(an_answer_then_begins_and_ends_at_once) {
    reader = new_reader(name, 1);
    put(writer, 1);
    shmring_writer_end(writer);
    struct segment *seg = writer_segment(writer);
    struct layout_port *port = &seg->ctl->port[1];
    port->attach = attach_word(7, 0, SHMRING_MODE_ALL, PORT_ATTACHED);
    stats_of(writer);
    ck_assert_uint_eq(seg->header->answer[1].epoch, 7);
    ck_assert_uint_eq(seg->header->answer[1].first, 2);
    ck_assert_uint_eq(seg->header->answer[1].end, 2);
    port->attach = attach_word(7, 0, 0, PORT_FREE);
    read_many(reader, 1, 1);
}
END_TEST

START_TEST(a_lent_slot_begins_the_next_one) {
    reader = new_reader(name, 1);
    struct shmring_frame_info info = info_of(1);
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_LEND);
    fill(slot.data, 1);
    shmring_writer_end(writer);
    ck_assert(shmring_writer_can_publish(writer, &slot));
    ck_assert_int_eq(shmring_writer_publish(writer, &slot, &info, NULL, NULL), 0);
    shmring_slot_return(&slot);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
    assert_told_of_all(reader, 0);
}
END_TEST

START_TEST(it_waits_for_readers_of_the_next_one) {
    reader = new_reader(name, 1);
    put(writer, 1);
    shmring_writer_end(writer);
    ck_assert_int_eq(shmring_writer_wait_reader(writer, 0), SHMRING_TIMEOUT);
    read_many(reader, 1, 1);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
    ck_assert_int_eq(shmring_reader_attach(reader, LONG, NULL), SHMRING_OK);
    ck_assert_int_eq(shmring_writer_wait_reader(writer, 0), SHMRING_OK);
}
END_TEST

START_TEST(an_observer_goes_on) {
    struct shmring_observer *observer = NULL;
    struct shmring_frame *frame;
    put(writer, 1);
    ck_assert_int_eq(shmring_observer_open(name, &observer, NULL), 0);
    shmring_writer_end(writer);
    ck_assert_int_eq(shmring_observer_latest(observer, 1, LONG, &frame, NULL), SHMRING_ENDED);
    put(writer, 2);
    ck_assert_int_eq(shmring_observer_latest(observer, 1, LONG, &frame, NULL), SHMRING_OK);
    ck_assert_uint_eq(frame->info.seq, 2);
    shmring_frame_release(frame);
    shmring_observer_close(observer);
}
END_TEST

/* ---- With a resize ---- */

START_TEST(a_resize_between_two_streams) {
    reader = new_reader_that_goes_on(name, 1u << SHMRING_ENDED);
    put_many(writer, 1, 2);
    shmring_writer_end(writer);
    ck_assert_int_eq(shmring_writer_resize(writer, 5, FRAME_SIZE, 4096, NULL), 0);
    read_many(reader, 1, 2);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 3);
    ck_assert_int_eq(shmring_reader_attach(reader, LONG, NULL), SHMRING_OK);
    put(writer, 4);
    read_many(reader, 4, 4);
    assert_told_of_all(reader, 3);
}
END_TEST

/* The writer had given it up, and its stream ended in a segment that it has not seen. */
START_TEST(who_was_left_behind_hears_it_too) {
    shmring_writer_set_patience(writer, 20 * MS);
    reader = new_reader(name, 0);
    put_many(writer, 1, 2);
    ck_assert_int_eq(shmring_writer_resize(writer, 5, FRAME_SIZE, 4096, NULL), 0);
    put_many(writer, 3, 5);
    shmring_writer_end(writer);
    read_many(reader, 1, 2);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
    assert_told_of_all(reader, 5);
}
END_TEST

START_TEST(or_the_one_after_it_has_begun) {
    shmring_writer_set_patience(writer, 20 * MS);
    reader = new_reader(name, 0);
    put_many(writer, 1, 2);
    ck_assert_int_eq(shmring_writer_resize(writer, 5, FRAME_SIZE, 4096, NULL), 0);
    put(writer, 3);
    shmring_writer_end(writer);
    put(writer, 4);
    read_many(reader, 1, 2);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
    ck_assert_int_eq(shmring_reader_attach(reader, LONG, NULL), SHMRING_OK);
    put(writer, 5);
    read_many(reader, 5, 5);
}
END_TEST

/* A loop: what came before the end is read. */
START_TEST(a_seek_after_it_takes_nothing_back) {
    reader = new_reader(name, 1);
    put_many(writer, 1, 3);
    shmring_writer_end(writer);
    shmring_writer_flush(writer);
    read_many(reader, 1, 3);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
    ck_assert_uint_eq(assert_told_of_all(reader, 3).flushed, 0);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("stream");
    tcase_add_checked_fixture(tests, open_ring, close_ring);
    tcase_add_test(tests, the_next_one_is_in_the_same_memory);
    tcase_add_test(tests, a_loop);
    tcase_add_test(tests, a_seek_after_it_takes_nothing_back);
    tcase_add_test(tests, who_waits_hears_of_it_at_once);
    tcase_add_test(tests, who_reads_late_gets_all_of_its_own);
    tcase_add_test(tests, it_is_offered_nothing_of_the_next);
    tcase_add_test(tests, what_it_did_not_read_holds_its_slots);
    tcase_add_test(tests, at_most_for_the_patience);
    tcase_add_test(tests, the_newest_frame_is_of_its_own_stream);
    tcase_add_test(tests, who_was_not_seen_yet_hears_it);
    tcase_add_test(tests, an_answer_then_begins_and_ends_at_once);
    tcase_add_test(tests, a_lent_slot_begins_the_next_one);
    tcase_add_test(tests, it_waits_for_readers_of_the_next_one);
    tcase_add_test(tests, an_observer_goes_on);
    tcase_add_test(tests, a_resize_between_two_streams);
    tcase_add_test(tests, who_was_left_behind_hears_it_too);
    tcase_add_test(tests, or_the_one_after_it_has_begun);
    return run_tests(tests);
}
