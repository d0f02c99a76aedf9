/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attachment.h"

#include <fcntl.h>

#include "lock.h"
#include "support.h"

static const char *name;
static struct shmring_writer *writer;

static void open_ring(void) {
    name = new_name();
    writer = new_writer(name, 8); /* may lend 3: four slots for leases */
}

static void close_ring(void) {
    shmring_writer_close(writer);
}

static struct layout_port *port(uint32_t number) {
    return &writer_segment(writer)->ctl->port[number];
}

static struct shmring_reader_options options_of(enum shmring_mode mode, uint32_t lease) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    options.mode = mode;
    options.depth = 100;
    options.lease = lease;
    return options;
}

/* ---- Coming and going ---- */

START_TEST(a_port_says_whose_it_is) {
    uint32_t bell = writer_segment(writer)->ctl->doorbell;
    struct shmring_reader *reader = new_latest(name, 7);
    ck_assert_uint_eq(port(0)->attach, attach_word(1, 7, SHMRING_MODE_LATEST, PORT_ATTACHED));
    ck_assert_uint_eq(port(0)->lease, 2);
    ck_assert_uint_eq(port(0)->pid, (uint32_t)getpid());
    ck_assert_str_eq(port(0)->process, own_process());
    ck_assert(lock_is_held(writer_segment(writer)->ctl_fd, lock_port(0)));
    ck_assert(!lock_is_held(writer_segment(writer)->ctl_fd, lock_attach(8)));
    ck_assert_uint_ne(writer_segment(writer)->ctl->doorbell, bell);
    shmring_reader_free(reader);
    ck_assert_uint_eq(attach_state(port(0)->attach), PORT_FREE);
    ck_assert(!lock_is_held(writer_segment(writer)->ctl_fd, lock_port(0)));
    reader = new_reader(name, 2);
    ck_assert_uint_eq(attach_epoch(port(0)->attach), 2);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(the_epoch_after_the_last_is_not_zero) {
    port(0)->attach = attach_word(UINT32_MAX, 0, 0, PORT_FREE);
    writer_segment(writer)->header->answer[0].epoch = UINT32_MAX;
    struct shmring_reader *reader = new_reader(name, 2);
    ck_assert_uint_eq(attach_epoch(port(0)->attach), 1);
    put(writer, 1);
    read_many(reader, 1, 1);
    shmring_reader_free(reader);
}
END_TEST

/* Who leaves a lie behind harms nobody who comes after. */
START_TEST(an_epoch_that_was_answered_is_not_taken_again) {
    struct shmring_reader *reader = new_reader(name, 2);
    put(writer, 1);
    read_many(reader, 1, 1);
    shmring_reader_free(reader);
    port(0)->attach = attach_word(0, 0, 0, PORT_FREE);
    reader = new_reader(name, 2);
    ck_assert_uint_eq(attach_epoch(port(0)->attach), 2);
    put(writer, 2);
    read_many(reader, 2, 2);
    shmring_reader_free(reader);
}
END_TEST

/* Far ahead of what was answered, or behind it: whatever stands there, the next reader reads. */
START_TEST(an_epoch_that_is_a_lie_traps_nobody) {
    static const uint32_t answered[] = {1, 5, 0x80000000, UINT32_MAX - 1, UINT32_MAX};
    static const uint32_t left[] = {0,         1, 4, 5, 6, 0x7fffffff, 0x80000000, UINT32_MAX - 1,
                                    UINT32_MAX};
    uint64_t number = 1;
    for (size_t i = 0; i < COUNT(answered) * COUNT(left); i++) {
        port(0)->attach = attach_word(answered[i / COUNT(left)], 1, 0, PORT_ATTACHED);
        stats_of(writer); /* answers */
        ck_assert_uint_eq(writer_segment(writer)->header->answer[0].epoch,
                          answered[i / COUNT(left)]);
        port(0)->attach = attach_word(left[i % COUNT(left)], 0, 0, PORT_FREE);
        struct shmring_reader *reader = new_reader(name, 2);
        ck_assert_uint_ne(attach_epoch(port(0)->attach), answered[i / COUNT(left)]);
        put(writer, number);
        read_many(reader, number, number);
        number++;
        shmring_reader_free(reader);
    }
}
END_TEST

START_TEST(nothing_from_before_is_seen) {
    put_many(writer, 1, 5);
    struct shmring_reader *reader = new_reader(name, 2);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 6);
    read_many(reader, 6, 6);
    ck_assert_uint_eq(reader_stats(reader).dropped, 0);
    shmring_reader_free(reader);
}
END_TEST

/* What it did not take is free at once, what it holds when it is released. */
START_TEST(who_leaves_keeps_what_it_holds) {
    struct shmring_reader *reader = new_reader(name, 2);
    put_many(writer, 1, 5);
    struct shmring_frame *first = take(reader, 1), *second = take(reader, 2);
    shmring_reader_free(reader);
    ck_assert_uint_eq(claims_at(writer, 0), 2);
    ck_assert_uint_eq(attach_state(port(0)->attach), PORT_LEAVING);
    put_many(writer, 6, 30); /* not into those two, and without waiting */
    ck_assert(is_filled(first->data, 1) && is_filled(second->data, 2));
    shmring_frame_release(second);
    ck_assert(lock_is_held(writer_segment(writer)->ctl_fd, lock_port(0)));
    shmring_frame_release(first);
    ck_assert(!lock_is_held(writer_segment(writer)->ctl_fd, lock_port(0)));
    ck_assert_uint_eq(attach_state(port(0)->attach), PORT_FREE);
    ck_assert_uint_eq(claims_at(writer, 0), 0);
    ck_assert_uint_eq(stats_of(writer).dead_readers, 0);
}
END_TEST

START_TEST(the_superseded_are_not_joined) {
    struct segment *seg = NULL;
    struct attachment *at = NULL;
    struct layout_header header;
    struct shmring_error error = {0};
    const struct attachment_start start = {.copies = copies_new(0)};
    struct shmring_reader_options options = options_of(SHMRING_MODE_ALL, 2);
    ck_assert_int_eq(segment_look(name, SEGMENT_ATTACH, &seg, &header, NULL), 0);
    ck_assert_int_eq(segment_map(seg, false), 0);
    ck_assert_int_eq(shmring_writer_resize(writer, 6, FRAME_SIZE, 4096, NULL), 0);
    ck_assert_int_eq(attachment_join(segment_ref(seg), &options, &start, &at, &error), -EAGAIN);
    assert_says(&error, name);
    ck_assert_ptr_null(at);
    ck_assert_uint_eq(attach_state(seg->ctl->port[0].attach), PORT_FREE);
    copies_unref(start.copies);
    segment_unref(seg);
    put(writer, 1);
}
END_TEST

struct resizing {
    _Atomic bool over;
    _Atomic uint64_t times;
};

static void *resize_again_and_again(void *data) {
    struct resizing *r = data;
    for (; !r->over; r->times++)
        shmring_writer_resize(writer, 8, 4096 + r->times % 4096, 4096, NULL);
    return NULL;
}

/* Superseded between the look and the port: whatever is told, it is told of this ring. */
START_TEST(attaches_that_cross_resizes) {
    struct resizing r = {.over = false};
    pthread_t thread;
    int attached = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, resize_again_and_again, &r), 0);
    for (int i = 0; i < 2000 || (r.times < 200 && i < 100000); i++) {
        struct shmring_reader *reader = unattached_reader(name, NULL);
        struct shmring_error error = {0};
        int result = shmring_reader_attach(reader, 0, &error);
        if (result == SHMRING_TIMEOUT)
            assert_says(&error, name);
        else if (result != SHMRING_OK)
            ck_abort_msg("%d %s", result, error.message);
        attached += result == SHMRING_OK;
        shmring_reader_free(reader);
    }
    r.over = true;
    pthread_join(thread, NULL);
    ck_assert_int_gt(attached, 0);
    ck_assert_int_eq(shm_entries(name, false), 2);
}
END_TEST

/* ---- All ports taken ---- */

START_TEST(all_ports_taken_names_who_took_them) {
    struct shmring_writer_options few = writer_options(8);
    struct shmring_reader *readers[3], *late;
    struct shmring_error error = {0};
    const char *ring = new_name();
    char who[64];
    few.max_readers = 3;
    struct shmring_writer *other = open_writer(ring, &few);
    for (int i = 0; i < 3; i++)
        readers[i] = new_reader(ring, 1);
    late = unattached_reader(ring, NULL);
    ck_assert_int_eq(shmring_reader_attach(late, SHMRING_FOREVER, &error), -EUSERS);
    ck_assert_int_eq(error.code, -EUSERS);
    snprintf(who, sizeof who, "%s (pid %d)", own_process(), (int)getpid());
    const char *first = strstr(error.message, who);
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(strstr(strstr(first + 1, who) + 1, who));
    ck_assert_ptr_nonnull(strstr(error.message, ring));
    ck_assert_ptr_nonnull(strstr(error.message, "has its 3 readers already"));
    shmring_reader_free(readers[1]); /* room again */
    ck_assert_int_eq(shmring_reader_attach(late, LONG, &error), SHMRING_OK);
    put(other, 1);
    read_many(late, 1, 1);
    shmring_reader_free(late);
    shmring_reader_free(readers[0]);
    shmring_reader_free(readers[2]);
    shmring_writer_close(other);
}
END_TEST

/* What they say of themselves may be anything; the message is cut, not the memory. */
START_TEST(hostile_names_of_readers_are_harmless) {
    struct shmring_writer_options many = writer_options(8);
    const char *ring = new_name();
    struct shmring_error error = {0};
    many.max_readers = 32;
    struct shmring_writer *other = open_writer(ring, &many);
    struct segment *seg = writer_segment(other);
    int fd = open(path_of(ring, ".ctl"), O_RDWR | O_CLOEXEC);
    for (uint32_t i = 0; i < 32; i++) {
        ck_assert_int_eq(lock_try(fd, lock_port(i)), 0);
        memset(seg->ctl->port[i].process, '\033', sizeof seg->ctl->port[i].process);
    }
    struct shmring_reader *late = unattached_reader(ring, NULL);
    ck_assert_int_eq(shmring_reader_attach(late, LONG, &error), -EUSERS);
    ck_assert_ptr_null(strchr(error.message, '\033'));
    ck_assert_uint_lt(strlen(error.message), sizeof error.message);
    shmring_reader_free(late);
    close(fd);
    shmring_writer_close(other);
}
END_TEST

/* Stopped in the middle of attaching: the others wait as long as they like, and say for what. */
START_TEST(an_attach_lock_that_is_never_let_go) {
    struct shmring_reader *late = unattached_reader(name, NULL);
    struct shmring_error error = {0};
    int fd = open(path_of(name, ".ctl"), O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(lock_try(fd, lock_attach(8)), 0);
    ck_assert_int_eq(shmring_reader_attach(late, 50000000, &error), SHMRING_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(error.message, name));
    ck_assert_ptr_nonnull(strstr(error.message, "stopped"));
    close(fd);
    ck_assert_int_eq(shmring_reader_attach(late, LONG, &error), SHMRING_OK);
    shmring_reader_free(late);
}
END_TEST

static int be_killed_holding(struct child *test, const char *ring) {
    struct shmring_reader *reader = NULL;
    struct shmring_frame *frame;
    CHILD_ASSERT(shmring_reader_new(ring, NULL, &reader, NULL) == 0);
    CHILD_ASSERT(shmring_reader_attach(reader, LONG, NULL) == 0);
    CHILD_ASSERT(child_say(test, 'A'));
    CHILD_ASSERT(shmring_reader_take(reader, LONG, &frame, NULL) == 0);
    CHILD_ASSERT(child_say(test, 'T'));
    child_hear(test);
    return 1;
}

START_TEST(the_port_of_the_dead_is_taken_again) {
    struct child child = start_child(be_killed_holding, name);
    ck_assert_int_eq(child_hear(&child), 'A');
    put(writer, 1);
    ck_assert_int_eq(child_hear(&child), 'T');
    kill_child(&child);
    struct shmring_reader *reader = new_reader(name, 2); /* at once, the writer did not look yet */
    ck_assert_uint_eq(attach_epoch(port(0)->attach), 2);
    put_many(writer, 2, 9);
    read_many(reader, 2, 9);
    ck_assert_uint_eq(reader_stats(reader).received, 8);
    shmring_reader_free(reader);
}
END_TEST

/* ---- Leases: together at most slots - lend limit - 1 = 4 ---- */

START_TEST(leases_are_reserved) {
    struct shmring_reader *first = new_reader(name, 3), *second = new_reader(name, 3);
    struct shmring_reader *third = new_reader(name, 3);
    ck_assert_uint_eq(reader_stats(first).lease, 3);
    ck_assert_uint_eq(reader_stats(second).lease, 1);
    ck_assert_uint_eq(reader_stats(third).lease, 0);
    shmring_reader_free(first);
    first = new_reader(name, 256);
    ck_assert_uint_eq(reader_stats(first).lease, 3);
    shmring_reader_free(first);
    shmring_reader_free(second);
    shmring_reader_free(third);
}
END_TEST

/* While it holds a frame it has its lease, left or not. */
START_TEST(who_left_holding_still_has_its_lease) {
    struct shmring_reader *first = new_reader(name, 4);
    put(writer, 1);
    struct shmring_frame *frame = take(first, 1);
    shmring_reader_free(first);
    struct shmring_reader *second = new_reader(name, 4);
    ck_assert_uint_eq(reader_stats(second).lease, 0);
    shmring_reader_free(second);
    shmring_frame_release(frame);
    second = new_reader(name, 4);
    ck_assert_uint_eq(reader_stats(second).lease, 4);
    shmring_reader_free(second);
}
END_TEST

START_TEST(a_hostile_lease_takes_all_and_no_more) {
    struct shmring_reader *first = new_reader(name, 1);
    port(0)->lease = UINT32_MAX;
    struct shmring_reader *second = new_reader(name, 2);
    ck_assert_uint_eq(reader_stats(second).lease, 0);
    put(writer, 1);
    read_many(second, 1, 1);
    shmring_reader_free(first);
    shmring_reader_free(second);
}
END_TEST

START_TEST(beyond_the_lease_frames_are_copies) {
    static const enum shmring_mode modes[] = {SHMRING_MODE_ALL, SHMRING_MODE_LATEST};
    struct shmring_reader_options options = options_of(modes[_i], 2);
    struct shmring_reader *reader = open_reader(name, &options);
    struct shmring_frame *frames[5];
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put_many(writer, 1, 5);
    for (uint64_t i = 0; i < 5; i++) {
        frames[i] = take(reader, i + 1);
        ck_assert(frames[i]->is_copy == (i >= 2));
    }
    ck_assert_uint_eq(claims_at(writer, 0), 2);
    ck_assert_uint_eq(reader_stats(reader).held, 2);
    ck_assert_uint_eq(reader_stats(reader).copied, 3);
    ck_assert_uint_eq(reader_stats(reader).received, 5);
    put_many(writer, 6, 11);
    for (uint64_t i = 0; i < 5; i++)
        ck_assert(is_filled(frames[i]->data, i + 1));
    shmring_frame_release(frames[0]);
    frames[0] = take(reader, 6);
    ck_assert(!frames[0]->is_copy); /* within the lease again */
    for (int i = 0; i < 5; i++)
        shmring_frame_release(frames[i]);
    ck_assert_uint_eq(reader_stats(reader).held, 0);
    shmring_reader_free(reader);
}
END_TEST

START_TEST(a_lease_of_nothing_copies_everything) {
    struct shmring_reader *reader = new_reader(name, 0);
    for (uint64_t number = 1; number <= 20; number++) {
        put(writer, number);
        struct shmring_frame *frame = take(reader, number);
        ck_assert(frame->is_copy);
        shmring_frame_release(frame);
    }
    shmring_reader_free(reader);
}
END_TEST

START_TEST(views_only_is_told_instead) {
    struct shmring_reader_options options = options_of(SHMRING_MODE_ALL, 2);
    options.views_only = true;
    struct shmring_reader *reader = open_reader(name, &options);
    put_many(writer, 1, 3);
    struct shmring_frame *first = take(reader, 1), *second = take(reader, 2);
    ck_assert_int_eq(take_result(reader, SHMRING_FOREVER), SHMRING_LEASE);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_LEASE);
    shmring_frame_release(first);
    shmring_frame_release(take(reader, 3)); /* nothing was lost */
    ck_assert_uint_eq(reader_stats(reader).copied, 0);
    ck_assert_uint_eq(reader_stats(reader).dropped, 0);
    shmring_frame_release(second);
    shmring_reader_free(reader);
}
END_TEST

/* Readers within their rights cannot stop the ring: all leases held, all loans out, and one more
 * slot is left. */
START_TEST(held_leases_and_loans_leave_a_slot) {
    struct shmring_reader *first = new_reader(name, 2), *second = new_reader(name, 2);
    struct shmring_frame *held[4];
    struct shmring_slot lent[3];
    put_many(writer, 1, 2);
    for (uint64_t i = 0; i < 2; i++) {
        held[2 * i] = take(first, i + 1);
        held[2 * i + 1] = take(second, i + 1);
    }
    put_many(writer, 3, 4);
    shmring_frame_release(held[1]);
    shmring_frame_release(held[3]);
    held[1] = (read_many(second, 3, 3), take(second, 4));
    for (int i = 0; i < 3; i++)
        lent[i] = loan(writer, SHMRING_LOAN_LEND);
    read_many(first, 3, 4); /* copies */
    for (uint64_t number = 5; number <= 30; number++) {
        put(writer, number);
        read_many(first, number, number);
        read_many(second, number, number);
    }
    ck_assert_uint_eq(stats_of(writer).waits, 0);
    for (int i = 0; i < 3; i++)
        shmring_slot_return(&lent[i]);
    for (int i = 0; i < 3; i++)
        shmring_frame_release(held[i]);
    shmring_reader_free(first);
    shmring_reader_free(second);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("attachment");
    tcase_add_checked_fixture(tests, open_ring, close_ring);
    tcase_add_test(tests, a_port_says_whose_it_is);
    tcase_add_test(tests, the_epoch_after_the_last_is_not_zero);
    tcase_add_test(tests, an_epoch_that_was_answered_is_not_taken_again);
    tcase_add_test(tests, an_epoch_that_is_a_lie_traps_nobody);
    tcase_add_test(tests, nothing_from_before_is_seen);
    tcase_add_test(tests, who_leaves_keeps_what_it_holds);
    tcase_add_test(tests, the_superseded_are_not_joined);
    tcase_add_test(tests, attaches_that_cross_resizes);
    tcase_add_test(tests, all_ports_taken_names_who_took_them);
    tcase_add_test(tests, hostile_names_of_readers_are_harmless);
    tcase_add_test(tests, an_attach_lock_that_is_never_let_go);
    tcase_add_test(tests, the_port_of_the_dead_is_taken_again);
    tcase_add_test(tests, leases_are_reserved);
    tcase_add_test(tests, who_left_holding_still_has_its_lease);
    tcase_add_test(tests, a_hostile_lease_takes_all_and_no_more);
    tcase_add_loop_test(tests, beyond_the_lease_frames_are_copies, 0, 2);
    tcase_add_test(tests, a_lease_of_nothing_copies_everything);
    tcase_add_test(tests, views_only_is_told_instead);
    tcase_add_test(tests, held_leases_and_loans_leave_a_slot);
    return run_tests(tests);
}
