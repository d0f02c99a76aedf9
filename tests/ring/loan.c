/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support.h"

static const char *name;
static struct shmring_writer *writer;

static void open_ring(void) {
    name = new_name();
    writer = new_writer(name, 6); /* may lend 3 */
}

static void close_ring(void) {
    shmring_writer_close(writer);
}

/* What a loan without a slot said, and why. */
static int loan_error(enum shmring_loan kind, int64_t timeout_ns, struct shmring_error *error) {
    struct shmring_slot slot;
    int result = shmring_writer_loan(writer, kind, timeout_ns, &slot, error);
    ck_assert(!slot.data && !slot.size);
    assert_says(error, name);
    ck_assert_int_lt(error->code, 0);
    return result;
}

static int loan_result(enum shmring_loan kind, int64_t timeout_ns) {
    struct shmring_error error = {0};
    return loan_error(kind, timeout_ns, &error);
}

/* Full of frames that READER did not read. */
static struct shmring_reader *fill_ring(void) {
    struct shmring_reader *reader = new_reader(name, 2);
    put_many(writer, 1, 6);
    return reader;
}

/* ---- Limits ---- */

START_TEST(a_slot_is_writable_memory) {
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_FILL);
    ck_assert_uint_eq(slot.size, FRAME_SIZE);
    ck_assert_uint_eq((uintptr_t)slot.data % LAYOUT_PAGE, 0);
    memset(slot.data, 0xff, slot.size);
    ck_assert_uint_eq(stats_of(writer).loans, 1);
    shmring_slot_return(&slot);
    ck_assert(!slot.data && !slot.size && !slot.segment);
    shmring_slot_return(&slot); /* zeroed is allowed */
    ck_assert_uint_eq(stats_of(writer).loans, 0);
}
END_TEST

START_TEST(lend_limit_and_one_more) {
    struct shmring_slot slots[4];
    for (int i = 0; i < 3; i++)
        slots[i] = loan(writer, SHMRING_LOAN_LEND);
    ck_assert_int_eq(loan_result(SHMRING_LOAN_LEND, SHMRING_FOREVER), SHMRING_LIMIT);
    slots[3] = loan(writer, SHMRING_LOAN_FILL);
    ck_assert_int_eq(loan_result(SHMRING_LOAN_FILL, SHMRING_FOREVER), SHMRING_LIMIT);
    for (int i = 0; i < 4; i++) {
        for (int other = 0; other < i; other++)
            ck_assert_ptr_ne(slots[i].data, slots[other].data);
    }
    shmring_slot_return(&slots[1]);
    ck_assert_int_eq(loan_result(SHMRING_LOAN_LEND, 0), SHMRING_LIMIT); /* FILL's counts too */
    slots[1] = loan(writer, SHMRING_LOAN_FILL);
    for (int i = 0; i < 4; i++)
        shmring_slot_return(&slots[i]);
}
END_TEST

/* A slot stays out until it is returned, published or not. */
START_TEST(published_slots_count_until_returned) {
    struct shmring_slot slots[3];
    for (int i = 0; i < 3; i++) {
        struct shmring_frame_info info = info_of(1);
        slots[i] = loan(writer, SHMRING_LOAN_LEND);
        fill(slots[i].data, 1);
        ck_assert_int_eq(shmring_writer_publish(writer, &slots[i], &info, NULL, NULL), 0);
    }
    ck_assert_int_eq(loan_result(SHMRING_LOAN_LEND, 0), SHMRING_LIMIT);
    put_many(writer, 4, 23); /* round and round, not through the three */
    for (int i = 0; i < 3; i++) {
        ck_assert(is_filled(slots[i].data, 1));
        shmring_slot_return(&slots[i]);
    }
    shmring_slot_return(&(struct shmring_slot){0});
}
END_TEST

/* ---- Empty, full, and who is waited for ---- */

START_TEST(without_readers_it_never_waits) {
    put_many(writer, 1, 100);
    ck_assert_uint_eq(stats_of(writer).waits, 0);
}
END_TEST

START_TEST(a_full_ring_waits_for_a_lossless_reader_until_the_timeout) {
    struct shmring_reader *reader = fill_ring();
    ck_assert_int_eq(loan_result(SHMRING_LOAN_FILL, 0), SHMRING_TIMEOUT);
    ck_assert_int_eq(loan_result(SHMRING_LOAN_FILL, 1000000), SHMRING_TIMEOUT);
    ck_assert_uint_eq(stats_of(writer).waits, 2);
    ck_assert_int_ge(stats_of(writer).wait_ns, 1000000);
    read_many(reader, 1, 1);
    put(writer, 7);
    read_many(reader, 2, 7);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(latest_readers_are_never_waited_for) {
    struct shmring_reader *reader = new_latest(name, 100);
    put_many(writer, 1, 7);
    ck_assert_uint_eq(stats_of(writer).waits, 0);
    ck_assert_uint_eq(stats_of(writer).revoked, 1);
    read_many(reader, 2, 7);
    shmring_reader_free(reader);
}
END_TEST

/* All slots held by `latest` readers and on loan: nothing is waited for. */
START_TEST(nothing_to_wait_for) {
    struct shmring_slot slots[4];
    struct shmring_reader *reader = new_latest(name, 100);
    struct shmring_frame *held[2];
    put_many(writer, 1, 2);
    held[0] = take(reader, 1);
    held[1] = take(reader, 2);
    for (int i = 0; i < 4; i++)
        slots[i] = loan(writer, SHMRING_LOAN_FILL);
    shmring_slot_return(&slots[0]);
    slots[0] = loan(writer, SHMRING_LOAN_FILL);
    ck_assert_int_eq(loan_result(SHMRING_LOAN_FILL, SHMRING_FOREVER), SHMRING_LIMIT);
    ck_assert_uint_eq(stats_of(writer).waits, 0);
    for (int i = 0; i < 4; i++)
        shmring_slot_return(&slots[i]);
    shmring_frame_release(held[0]);
    shmring_frame_release(held[1]);
    shmring_reader_free(reader);
}
END_TEST

/* Only a reader that takes more than its lease can fill the ring, and only once. */
START_TEST(full_by_a_liar) {
    struct shmring_reader *liar = new_latest(name, 100);
    struct shmring_error error = {0};
    put_many(writer, 1, 6);
    for (uint64_t slot = 0; slot < 6; slot++)
        writer_segment(writer)->ctl->port[0].claim[slot] = claim_word(slot + 1, CLAIM_TAKEN);
    ck_assert_int_eq(loan_error(SHMRING_LOAN_FILL, SHMRING_FOREVER, &error), SHMRING_FULL);
    assert_says(&error, "held by readers");
    put(writer, 7);
    ck_assert_uint_eq(stats_of(writer).bad_claims, 1);
    shmring_reader_free(liar);
}
END_TEST

/* Who holds its lease is waited for never: the others go on. */
START_TEST(a_held_lease_is_not_waited_for) {
    struct shmring_reader *holder = new_reader(name, 2);
    put_many(writer, 1, 2);
    struct shmring_frame *first = take(holder, 1), *second = take(holder, 2);
    for (uint64_t number = 3; number <= 40; number++) {
        put(writer, number);
        read_many(holder, number, number); /* copies */
    }
    ck_assert_uint_eq(stats_of(writer).waits, 0);
    ck_assert(is_filled(first->data, 1) && is_filled(second->data, 2));
    shmring_frame_release(first);
    shmring_frame_release(second);
    shmring_reader_free(holder);
}
END_TEST

START_TEST(a_timeout_says_who_is_waited_for) {
    struct shmring_reader *reader = fill_ring();
    struct shmring_error error = {0};
    char pid[32];
    snprintf(pid, sizeof pid, "(pid %d, this process", (int)getpid());
    ck_assert_int_eq(loan_error(SHMRING_LOAN_FILL, 2000000, &error), SHMRING_TIMEOUT);
    assert_says(&error, pid);
    assert_says(&error, "6 to take");
    struct described all = readers_of(writer);
    ck_assert(all.reader[0].is_waited_for && !all.reader[0].is_stuck);
    /* Its clock began to run a little after the 2 ms did. */
    ck_assert_int_gt(all.reader[0].waited_ns, 0);
    shmring_reader_free(reader);
}
END_TEST

/* ---- What ends a wait ---- */

static void *loan_for_ever(void *slot) {
    int result = shmring_writer_loan(writer, SHMRING_LOAN_FILL, SHMRING_FOREVER, slot, NULL);
    return (void *)(intptr_t)result;
}

static pthread_t start_loan(struct shmring_slot *slot) {
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, loan_for_ever, slot), 0);
    while (!writer_segment(writer)->header->waiting)
        sched_yield();
    return thread;
}

static int end_loan(pthread_t thread) {
    void *result;
    pthread_join(thread, &result);
    return (int)(intptr_t)result;
}

START_TEST(a_release_ends_it) {
    struct shmring_reader *reader = fill_ring();
    struct shmring_frame *frame = take(reader, 1);
    struct shmring_slot slot;
    pthread_t thread = start_loan(&slot);
    shmring_frame_release(frame);
    ck_assert_int_eq(end_loan(thread), SHMRING_OK);
    shmring_slot_return(&slot);
    ck_assert_uint_eq(writer_segment(writer)->header->waiting, 0);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(a_reader_that_leaves_ends_it) {
    struct shmring_reader *reader = fill_ring();
    struct shmring_slot slot;
    pthread_t thread = start_loan(&slot);
    shmring_reader_free(reader);
    ck_assert_int_eq(end_loan(thread), SHMRING_OK);
    shmring_slot_return(&slot);
}
END_TEST

/* An unpublished loan that comes back. */
START_TEST(a_returned_slot_ends_it) {
    struct shmring_reader *reader = new_reader(name, 2);
    struct shmring_slot other = loan(writer, SHMRING_LOAN_FILL), slot;
    put_many(writer, 1, 5);
    pthread_t thread = start_loan(&slot);
    uint32_t bell = writer_segment(writer)->ctl->doorbell;
    shmring_slot_return(&other);
    ck_assert_uint_ne(writer_segment(writer)->ctl->doorbell, bell); /* at once, not by a probe */
    ck_assert_int_eq(end_loan(thread), SHMRING_OK);
    shmring_slot_return(&slot);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(an_interrupt_ends_it) {
    struct shmring_reader *reader = fill_ring();
    struct shmring_slot slot;
    pthread_t thread = start_loan(&slot);
    shmring_writer_interrupt(writer, true);
    ck_assert_int_eq(end_loan(thread), SHMRING_INTERRUPTED);
    ck_assert_ptr_null(slot.data);
    ck_assert_int_eq(loan_result(SHMRING_LOAN_FILL, SHMRING_FOREVER), SHMRING_INTERRUPTED);
    ck_assert_int_eq(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_INTERRUPTED);
    shmring_writer_interrupt(writer, false);
    ck_assert_int_eq(loan_result(SHMRING_LOAN_FILL, 0), SHMRING_TIMEOUT);
    shmring_reader_free(reader);
}
END_TEST

/* Whoever loses the race for the one slot waits on. */
START_TEST(two_threads_wait) {
    struct shmring_reader *reader = fill_ring();
    struct shmring_slot one, two;
    pthread_t first = start_loan(&one), second = start_loan(&two);
    read_many(reader, 1, 2);
    ck_assert_int_eq(end_loan(first), SHMRING_OK);
    ck_assert_int_eq(end_loan(second), SHMRING_OK);
    ck_assert_ptr_ne(one.data, two.data);
    shmring_slot_return(&one);
    shmring_slot_return(&two);
    shmring_reader_free(reader);
}
END_TEST

static int hold_first_frame(struct child *test, const char *ring) {
    struct shmring_reader *reader = NULL;
    struct shmring_frame *frame;
    CHILD_ASSERT(shmring_reader_new(ring, NULL, &reader, NULL) == 0);
    CHILD_ASSERT(shmring_reader_attach(reader, LONG, NULL) == 0);
    CHILD_ASSERT(child_say(test, 'A'));
    CHILD_ASSERT(shmring_reader_take(reader, LONG, &frame, NULL) == 0);
    CHILD_ASSERT(child_say(test, 'T'));
    child_hear(test);
    return 1; /* it is killed before */
}

static struct child start_holder(void) {
    struct child child = start_child(hold_first_frame, name);
    ck_assert_int_eq(child_hear(&child), 'A');
    put_many(writer, 1, 6);
    ck_assert_int_eq(child_hear(&child), 'T');
    return child;
}

START_TEST(a_reader_killed_while_holding) {
    struct child child = start_holder();
    ck_assert_int_eq(loan_result(SHMRING_LOAN_FILL, 0), SHMRING_TIMEOUT);
    kill_child(&child);
    put_many(writer, 7, 30);
    ck_assert_uint_eq(stats_of(writer).dead_readers, 1);
    ck_assert_uint_eq(stats_of(writer).readers, 0);
}
END_TEST

START_TEST(a_reader_killed_while_the_writer_waits) {
    struct child child = start_holder();
    struct shmring_slot slot;
    pthread_t thread = start_loan(&slot);
    kill_child(&child);
    ck_assert_int_eq(end_loan(thread), SHMRING_OK); /* found by the probe */
    shmring_slot_return(&slot);
    ck_assert_uint_eq(stats_of(writer).dead_readers, 1);
}
END_TEST

static int64_t time_until_noticed(void) {
    struct child child = start_holder();
    struct shmring_slot slot;
    pthread_t thread = start_loan(&slot);
    kill_child(&child);
    int64_t died = monotonic_ns();
    ck_assert_int_eq(end_loan(thread), SHMRING_OK);
    int64_t noticed = monotonic_ns() - died;
    shmring_slot_return(&slot);
    return noticed;
}

/* Nobody stands still for a second because somebody died. The best of some tries: a busy machine
 * is slow at times. */
START_TEST(a_reader_that_dies_is_noticed_soon) {
    int64_t best = INT64_MAX;
    for (int i = 0; i < 5 && best > 300000000; i++) {
        int64_t noticed = time_until_noticed();
        best = noticed < best ? noticed : best;
        shmring_writer_close(writer);
        open_ring();
    }
    ck_assert_int_le(best, 300000000); /* looked for every 100 ms */
}
END_TEST

/* Stopped is alive: mode `all` means it. */
START_TEST(a_stopped_reader_is_waited_for) {
    struct child child = start_holder();
    int status;
    kill(child.pid, SIGSTOP);
    ck_assert_int_eq(waitpid(child.pid, &status, WUNTRACED), child.pid);
    ck_assert_int_eq(loan_result(SHMRING_LOAN_FILL, 1000000), SHMRING_TIMEOUT);
    ck_assert_uint_eq(stats_of(writer).dead_readers, 0);
    kill_child(&child);
    put(writer, 7);
}
END_TEST

/* ---- Hostile words in .ctl ---- */

/* A reader that scribbles over its claims is shut out, nobody else loses anything. */
START_TEST(a_scribbler_is_banned) {
    struct shmring_reader *scribbler = new_reader(name, 1), *other = new_reader(name, 1);
    put_many(writer, 1, 6);
    for (int slot = 0; slot < 6; slot++)
        writer_segment(writer)->ctl->port[0].claim[slot] = UINT64_C(0xdeadbeef00000000) + slot;
    read_many(other, 1, 6);
    put_many(writer, 7, 12);
    read_many(other, 7, 12);
    ck_assert_uint_eq(stats_of(writer).bad_claims, 1);
    ck_assert_uint_eq(stats_of(writer).readers, 1);
    struct shmring_error error = {0};
    struct shmring_frame *frame;
    ck_assert_int_eq(shmring_reader_take(scribbler, 0, &frame, &error), -ECONNRESET); /* it hears */
    assert_says(&error, name);
    ck_assert_int_eq(take_result(scribbler, 0), SHMRING_TIMEOUT); /* and is welcome again */
    put(writer, 13);
    read_many(scribbler, 13, 13);
    read_many(other, 13, 13);
    shmring_reader_free(scribbler);
    shmring_reader_free(other);
}
END_TEST

static const uint64_t words[] = {
    0,
    UINT64_MAX,
    UINT64_C(0xffffffff00010001), /* an epoch far away */
    UINT64_C(0x0000000100010701), /* a mode that is none */
    UINT64_C(0x0000000100010009), /* a state that is none */
    UINT64_C(0x0000000000000001), /* attached, in the epoch of nobody */
    UINT64_C(0x0000000100000101), /* latest, of depth 0 */
    UINT64_C(0x0000000100010002), /* leaving */
};

/* Whatever stands in an attach word: the writer goes on, the other reader loses nothing. */
START_TEST(hostile_attach_words) {
    struct shmring_reader *hostile = new_reader(name, 1), *other = new_reader(name, 1);
    for (uint64_t number = 1; number <= 30; number++) {
        writer_segment(writer)->ctl->port[0].attach = words[_i] + ((number % 2) << 32);
        shmring_frame_release(number > 1 ? take(other, number - 1) : NULL);
        put(writer, number);
    }
    read_many(other, 30, 30);
    shmring_reader_free(hostile);
    shmring_reader_free(other);
    put_many(writer, 31, 50);
}
END_TEST

START_TEST(a_hostile_doorbell_is_no_more_than_noise) {
    struct shmring_reader *reader = fill_ring();
    struct shmring_slot slot;
    pthread_t thread = start_loan(&slot);
    for (int i = 0; i < 1000; i++)
        segment_ring_doorbell(writer_segment(writer));
    read_many(reader, 1, 1);
    ck_assert_int_eq(end_loan(thread), SHMRING_OK);
    shmring_slot_return(&slot);
    shmring_reader_free(reader);
}
END_TEST

/* ---- Waiting for a reader ---- */

START_TEST(waiting_for_a_reader) {
    ck_assert_int_eq(shmring_writer_wait_reader(writer, 0), SHMRING_TIMEOUT);
    ck_assert_int_eq(shmring_writer_wait_reader(writer, 1000000), SHMRING_TIMEOUT);
    struct shmring_reader *reader = new_latest(name, 1);
    ck_assert_int_eq(shmring_writer_wait_reader(writer, 0), SHMRING_OK);
    shmring_reader_free(reader);
    ck_assert_int_eq(shmring_writer_wait_reader(writer, 0), SHMRING_TIMEOUT);
}
END_TEST

static void *wait_reader_for_ever(void *data) {
    return (void *)(intptr_t)shmring_writer_wait_reader(writer, SHMRING_FOREVER);
}

static pthread_t start_wait_reader(void) {
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_reader_for_ever, NULL), 0);
    while (!writer_segment(writer)->header->waiting)
        sched_yield();
    return thread;
}

START_TEST(a_reader_that_comes_ends_the_wait) {
    pthread_t thread = start_wait_reader();
    struct shmring_reader *reader = new_reader(name, 1);
    ck_assert_int_eq(end_loan(thread), SHMRING_OK);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(an_interrupt_ends_the_wait_for_a_reader) {
    pthread_t thread = start_wait_reader();
    shmring_writer_interrupt(writer, true);
    ck_assert_int_eq(end_loan(thread), SHMRING_INTERRUPTED);
}
END_TEST

START_TEST(a_signal_ends_a_wait) {
    timer_t timer = start_signals();
    ck_assert_int_eq(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_INTERRUPTED);
    timer_delete(timer);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("loan");
    tcase_add_checked_fixture(tests, open_ring, close_ring);
    tcase_add_test(tests, a_slot_is_writable_memory);
    tcase_add_test(tests, lend_limit_and_one_more);
    tcase_add_test(tests, published_slots_count_until_returned);
    tcase_add_test(tests, without_readers_it_never_waits);
    tcase_add_test(tests, a_full_ring_waits_for_a_lossless_reader_until_the_timeout);
    tcase_add_test(tests, latest_readers_are_never_waited_for);
    tcase_add_test(tests, nothing_to_wait_for);
    tcase_add_test(tests, full_by_a_liar);
    tcase_add_test(tests, a_held_lease_is_not_waited_for);
    tcase_add_test(tests, a_timeout_says_who_is_waited_for);
    tcase_add_test(tests, a_release_ends_it);
    tcase_add_test(tests, a_reader_that_leaves_ends_it);
    tcase_add_test(tests, a_returned_slot_ends_it);
    tcase_add_test(tests, an_interrupt_ends_it);
    tcase_add_test(tests, two_threads_wait);
    tcase_add_test(tests, a_reader_killed_while_holding);
    tcase_add_test(tests, a_reader_killed_while_the_writer_waits);
    tcase_add_test(tests, a_reader_that_dies_is_noticed_soon);
    tcase_add_test(tests, a_stopped_reader_is_waited_for);
    tcase_add_test(tests, a_scribbler_is_banned);
    tcase_add_loop_test(tests, hostile_attach_words, 0, COUNT(words));
    tcase_add_test(tests, a_hostile_doorbell_is_no_more_than_noise);
    tcase_add_test(tests, waiting_for_a_reader);
    tcase_add_test(tests, a_reader_that_comes_ends_the_wait);
    tcase_add_test(tests, an_interrupt_ends_the_wait_for_a_reader);
    tcase_add_test(tests, a_signal_ends_a_wait);
    return run_tests(tests);
}
