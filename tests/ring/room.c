/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A /dev/shm of 64 MiB, as containers have it, and rings that fill most of it. */
#include <fcntl.h>
#include <sched.h>

#include "distributor.h"
#include "support.h"
#include "writer.h"

#define MS INT64_C(1000000)
/* Of BGR; eight of the larger ones are 50 MB. */
#define SIZE_720P (1280 * 720 * 3)
#define SIZE_1080P (1920 * 1080 * 3)

/* ---- A small /dev/shm ---- */

/* False: not here. This process, and its children, have it alone. */
static bool has_small_shm(const char *test) {
    bool mounted = mount_shm("size=64m");
    if (!mounted)
        fprintf(stderr, "skipped: %s, no mount namespace here\n", test);
    return mounted;
}

#define SMALL_SHM_TEST(name)                                                                       \
    static void run_##name(void);                                                                  \
    START_TEST(name) {                                                                             \
        if (has_small_shm(#name))                                                                  \
            run_##name();                                                                          \
    }                                                                                              \
    END_TEST                                                                                       \
    static void run_##name(void)

static struct shmring_writer_options large(uint64_t slot_size) {
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    options.slot_size = slot_size;
    return options;
}

static int write_until_killed(struct child *test, const char *name) {
    struct shmring_writer_options options = large(SIZE_1080P);
    struct shmring_writer *writer = NULL;
    CHILD_ASSERT(shmring_writer_open(name, &options, &writer, NULL) == SHMRING_OK);
    CHILD_ASSERT(child_say(test, 'r'));
    while (child_hear(test)) {
        CHILD_ASSERT(try_put(writer, 1, LONG) == SHMRING_OK);
        CHILD_ASSERT(child_say(test, 'p'));
    }
    return 0;
}

static struct child start_large_writer(const char *name) {
    struct child child = start_child(write_until_killed, name);
    ck_assert_int_eq(child_hear(&child), 'r');
    return child;
}

/* ---- A restart ---- */

SMALL_SHM_TEST(a_killed_writer_starts_again) {
    const char *name = new_name();
    struct shmring_writer_options options = large(SIZE_1080P);
    for (int life = 0; life < 3; life++) {
        struct child child = start_large_writer(name);
        kill_child(&child);
    }
    struct shmring_writer *writer = open_writer(name, &options);
    put(writer, 1);
    shmring_writer_close(writer);
    ck_assert_int_eq(shm_entries("", false), 2); /* . and .. */
}

SMALL_SHM_TEST(with_another_size) {
    const char *name = new_name();
    struct shmring_writer_options options = large(SIZE_1080P * 9 / 8);
    struct child child = start_large_writer(name);
    kill_child(&child);
    struct shmring_writer *writer = open_writer(name, &options);
    put(writer, 1);
    shmring_writer_close(writer);
}

/* It waits there for the next writer, and what it was offered is still its own. */
SMALL_SHM_TEST(with_another_size_and_a_reader) {
    const char *name = new_name();
    struct shmring_writer_options options = large(SIZE_1080P * 9 / 8);
    struct child child = start_large_writer(name);
    struct shmring_reader *reader = new_reader_that_goes_on(name, 1u << SHMRING_LOST);
    tell(&child, 'p');
    kill_child(&child);
    read_many(reader, 1, 1);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    struct shmring_writer *writer = open_writer(name, &options);
    ck_assert_int_eq(take_result(reader, 10 * MS), SHMRING_TIMEOUT);
    ck_assert_int_eq(shmring_writer_wait_reader(writer, LONG), SHMRING_OK);
    put(writer, 2);
    read_many(reader, 2, 2);
    ck_assert_uint_eq(reader_stats(reader).received, 2);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}

/* ---- A death in the midst of a move ---- */

static int move_until_killed(struct child *test, const char *name) {
    struct shmring_writer_options options = large(SIZE_1080P);
    struct shmring_writer *writer = NULL;
    CHILD_ASSERT(shmring_writer_open(name, &options, &writer, NULL) == SHMRING_OK);
    CHILD_ASSERT(child_say(test, 'r'));
    child_hear(test);
    put_many(writer, 1, 2);
    CHILD_ASSERT(child_say(test, 'p'));
    shmring_writer_resize(writer, 8, SIZE_1080P * 9 / 8, 16384, NULL);
    return 1;
}

/* It waits there for who has not read. */
static void wait_until_it_moves(struct shmring_reader *reader) {
    while (atomic_load(&reader_segment(reader)->header->state) != STATE_MOVING)
        sched_yield();
}

SMALL_SHM_TEST(killed_while_its_readers_read) {
    const char *name = new_name();
    struct shmring_writer_options options = large(SIZE_1080P);
    struct child child = start_child(move_until_killed, name);
    ck_assert_int_eq(child_hear(&child), 'r');
    struct shmring_reader *reader = new_reader_that_goes_on(name, 1u << SHMRING_LOST);
    tell(&child, 'p');
    wait_until_it_moves(reader);
    kill_child(&child);
    read_many(reader, 1, 1);
    struct shmring_writer *writer = open_writer(name, &options);
    put(writer, 3);
    read_many(reader, 2, 3);
    ck_assert_uint_eq(reader_stats(reader).received, 3);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
    ck_assert_int_eq(shm_entries("", false), 2); /* . and .. */
}

/* What the next segment has of it, under its first name. */
static const char *half_a_segment(const char *name) {
    static struct ring_paths paths;
    const uint8_t instance[16] = {1};
    name_temporary_paths(&paths, name, instance);
    return paths.frames;
}

static int move_half_way(struct child *test, const char *name) {
    struct shmring_writer_options options = large(SIZE_1080P);
    struct shmring_writer *writer = NULL;
    CHILD_ASSERT(shmring_writer_open(name, &options, &writer, NULL) == SHMRING_OK);
    CHILD_ASSERT(child_say(test, 'r'));
    child_hear(test);
    put_many(writer, 1, 5);
    atomic_store(&writer_segment(writer)->header->state, STATE_MOVING);
    distributor_free_memory(writer->distributor);
    int fd = open(half_a_segment(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHILD_ASSERT(fd >= 0 && posix_fallocate(fd, 0, 30 << 20) == 0);
    CHILD_ASSERT(child_say(test, 'm'));
    child_hear(test);
    return 0;
}

static struct shmring_reader *start_half_a_move(const char *name) {
    struct child child = start_child(move_half_way, name);
    ck_assert_int_eq(child_hear(&child), 'r');
    struct shmring_reader *reader = new_reader_that_goes_on(name, 1u << SHMRING_LOST);
    tell(&child, 'm');
    kill_child(&child);
    return reader;
}

static void go_on_after_half_a_move(const char *name, struct shmring_reader *reader) {
    struct shmring_writer_options options = large(SIZE_1080P);
    struct shmring_writer *writer = open_writer(name, &options);
    ck_assert_uint_eq(stats_of(writer).adopted, 5);
    put_many(writer, 6, 8);
    read_many(reader, 1, 8);
    ck_assert_uint_eq(reader_stats(reader).received, 8);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
    ck_assert_int_eq(shm_entries("", false), 2);
}

SMALL_SHM_TEST(killed_before_the_next_segment_had_the_name) {
    const char *name = new_name();
    go_on_after_half_a_move(name, start_half_a_move(name));
}

/* Then nothing is written into holes. */
SMALL_SHM_TEST(and_somebody_else_has_the_memory) {
    const char *name = new_name();
    struct shmring_writer_options options = large(SIZE_1080P);
    struct shmring_writer *writer = NULL;
    struct shmring_reader *reader = start_half_a_move(name);
    ck_assert_int_eq(rename(half_a_segment(name), path_of("else", "")), 0);
    ck_assert_int_eq(shmring_writer_open(name, &options, &writer, NULL), -ENOSPC);
    ck_assert_int_eq(unlink(path_of("else", "")), 0);
    go_on_after_half_a_move(name, reader);
}

SMALL_SHM_TEST(and_then_another_size) {
    const char *name = new_name();
    struct shmring_writer_options options = large(SIZE_1080P * 17 / 16);
    struct shmring_reader *stuck = start_half_a_move(name);
    options.patience_ns = 20 * MS;
    struct shmring_writer *writer = open_writer(name, &options);
    ck_assert_int_eq(take_result(stuck, 10 * MS), SHMRING_TIMEOUT);
    put(writer, 6);
    struct shmring_frame *frame = take(stuck, 6);
    ck_assert_uint_eq(frame->missed, 5);
    shmring_frame_release(frame);
    shmring_reader_free(stuck);
    shmring_writer_close(writer);
}

/* ---- A loop ---- */

SMALL_SHM_TEST(one_stream_after_the_other) {
    const char *name = new_name();
    struct shmring_writer_options options = large(SIZE_1080P);
    struct shmring_writer *writer = open_writer(name, &options);
    struct shmring_reader *reader = new_reader(name, 1);
    for (uint64_t number = 1; number <= 5; number++) {
        put(writer, number);
        shmring_writer_end(writer);
        read_many(reader, number, number);
        ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
        ck_assert_int_eq(shmring_writer_wait_reader(writer, 0), SHMRING_TIMEOUT);
        ck_assert_int_eq(shmring_reader_attach(reader, LONG, NULL), SHMRING_OK);
    }
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}

/* ---- A resize ---- */

enum { FRAMES = 60 };

static void *read_all(void *reader) {
    for (uint64_t number = 1; number <= FRAMES; number++) {
        struct shmring_frame *frame = take(reader, number);
        ck_assert_uint_eq(frame->missed, 0);
        shmring_frame_release(frame);
    }
    return NULL;
}

SMALL_SHM_TEST(larger_and_smaller_again) {
    const char *name = new_name();
    pthread_t thread;
    struct shmring_writer_options options = large(SIZE_720P);
    struct shmring_writer *writer = open_writer(name, &options);
    struct shmring_reader *reader = new_reader(name, 2);
    pthread_create(&thread, NULL, read_all, reader);
    for (uint64_t number = 1; number <= FRAMES; number++) {
        struct shmring_error error = {0};
        put(writer, number);
        if (number % 10)
            continue;
        int result = shmring_writer_resize(writer, 8, number / 10 % 2 ? SIZE_1080P : SIZE_720P,
                                           16384, &error);
        ck_assert_msg(result == 0, "%s", error.message);
    }
    pthread_join(thread, NULL);
    ck_assert_uint_eq(reader_stats(reader).received, FRAMES);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}

/* Only what it holds stays in the way. */
SMALL_SHM_TEST(a_held_frame_is_not_waited_for) {
    const char *name = new_name();
    struct shmring_writer_options options = large(SIZE_1080P * 7 / 8);
    struct shmring_writer *writer = open_writer(name, &options);
    struct shmring_reader *reader = new_reader(name, 1);
    put(writer, 1);
    struct shmring_frame *held = take(reader, 1);
    ck_assert_int_eq(shmring_writer_resize(writer, 8, SIZE_1080P, 16384, NULL), 0);
    ck_assert(is_filled(held->data, 1));
    ck_assert_int_eq(take_result(reader, 10 * MS), SHMRING_TIMEOUT);
    put(writer, 2);
    read_many(reader, 2, 2);
    ck_assert(is_filled(held->data, 1));
    shmring_frame_release(held);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}

SMALL_SHM_TEST(who_does_not_read_is_waited_for_at_most_for_the_patience) {
    const char *name = new_name();
    struct shmring_writer_options options = large(SIZE_720P);
    options.patience_ns = 20 * MS;
    struct shmring_writer *writer = open_writer(name, &options);
    struct shmring_reader *stuck = new_reader(name, 0), *latest = new_latest(name, 1);
    put(writer, 1);
    ck_assert_int_eq(shmring_writer_resize(writer, 8, SIZE_1080P, 16384, NULL), 0);
    put(writer, 2);
    struct shmring_frame *frame = take(stuck, 1); /* its memory stayed */
    shmring_frame_release(frame);
    ck_assert_int_eq(take_result(stuck, 10 * MS), SHMRING_TIMEOUT);
    ck_assert_int_eq(take_result(latest, 10 * MS), SHMRING_TIMEOUT);
    put(writer, 3);
    frame = take(stuck, 3);
    ck_assert_uint_eq(frame->missed, 1);
    shmring_frame_release(frame);
    read_many(latest, 3, 3);
    shmring_reader_free(stuck);
    shmring_reader_free(latest);
    shmring_writer_close(writer);
}

/* All of the ring is offered to who is stuck: it loses that, as it would when the ring is full. */
SMALL_SHM_TEST(who_is_stuck_keeps_nobody_from_moving) {
    const char *name = new_name();
    struct shmring_writer_options options = large(SIZE_1080P);
    options.patience_ns = 20 * MS;
    struct shmring_writer *writer = open_writer(name, &options);
    struct shmring_reader *stuck = new_reader(name, 0), *other = new_reader(name, 0);
    put_many(writer, 1, 8);
    read_many(other, 1, 8);
    ck_assert_int_eq(shmring_writer_resize(writer, 8, SIZE_1080P * 9 / 8, 16384, NULL), 0);
    ck_assert_int_eq(take_result(other, 10 * MS), SHMRING_TIMEOUT);
    ck_assert_int_eq(take_result(stuck, 10 * MS), SHMRING_TIMEOUT);
    put(writer, 9);
    read_many(other, 9, 9);
    struct shmring_frame *frame = take(stuck, 9);
    ck_assert_uint_eq(frame->missed, 8);
    ck_assert_uint_eq(reader_stats(stuck).withdrawn, 8);
    shmring_frame_release(frame);
    shmring_reader_free(stuck);
    shmring_reader_free(other);
    shmring_writer_close(writer);
}

static int hold_until_killed(struct child *test, const char *name) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    struct shmring_reader *reader = NULL;
    struct shmring_frame *frame;
    options.lease = 2;
    CHILD_ASSERT(shmring_reader_new(name, &options, &reader, NULL) == SHMRING_OK);
    CHILD_ASSERT(shmring_reader_attach(reader, LONG, NULL) == SHMRING_OK);
    CHILD_ASSERT(child_say(test, 'r'));
    while (child_hear(test)) {
        CHILD_ASSERT(shmring_reader_take(reader, LONG, &frame, NULL) == SHMRING_OK);
        CHILD_ASSERT(child_say(test, 'h'));
    }
    return 0;
}

/* It had taken all that it was offered: nobody waits for it, and nobody asks whether it lives. */
SMALL_SHM_TEST(who_died_keeps_no_memory) {
    const char *name = new_name();
    struct shmring_writer_options options = large(SIZE_1080P);
    struct shmring_writer *writer = open_writer(name, &options);
    struct child child = start_child(hold_until_killed, name);
    ck_assert_int_eq(child_hear(&child), 'r');
    put_many(writer, 1, 2);
    tell(&child, 'h');
    tell(&child, 'h');
    kill_child(&child);
    ck_assert_int_eq(shmring_writer_resize(writer, 8, SIZE_1080P * 9 / 8, 16384, NULL), 0);
    shmring_writer_close(writer);
}

/* Nor another writer, that opens the ring of a dead one. */
SMALL_SHM_TEST(who_is_stuck_at_a_dead_ring) {
    const char *name = new_name();
    struct shmring_writer_options options = large(SIZE_1080P * 9 / 8);
    struct shmring_error error = {0};
    struct shmring_writer *writer = NULL;
    struct child child = start_large_writer(name);
    struct shmring_reader *stuck = new_reader_that_goes_on(name, 1u << SHMRING_LOST);
    for (int i = 0; i < 8; i++)
        tell(&child, 'p');
    kill_child(&child);
    ck_assert_int_eq(shmring_writer_open(name, &options, &writer, &error), -ENOSPC);
    assert_says(&error, own_process());
    options.patience_ns = 20 * MS;
    writer = open_writer(name, &options);
    ck_assert_int_eq(take_result(stuck, 10 * MS), SHMRING_TIMEOUT);
    put(writer, 9);
    struct shmring_frame *frame = take(stuck, 9);
    ck_assert_uint_eq(frame->missed, 8);
    shmring_frame_release(frame);
    shmring_reader_free(stuck);
    shmring_writer_close(writer);
}

SMALL_SHM_TEST(what_cannot_be_had_leaves_all_as_it_was) {
    const char *name = new_name();
    struct shmring_writer_options options = large(SIZE_720P);
    struct shmring_error error = {0};
    struct shmring_observer *observer = NULL;
    struct shmring_frame *frame;
    struct shmring_writer *writer = open_writer(name, &options);
    struct shmring_reader *reader = new_reader(name, 1);
    put(writer, 1);
    read_many(reader, 1, 1);
    ck_assert_int_eq(shmring_observer_open(name, &observer, NULL), 0);
    ck_assert_int_eq(shmring_writer_resize(writer, 8, 2 * SIZE_1080P, 16384, &error), -ENOSPC);
    ck_assert_ptr_nonnull(strstr(error.message, name));
    /* Its memory was given back and had again: nobody takes the zeros for a frame. */
    ck_assert_int_eq(shmring_observer_latest(observer, 0, 0, &frame, NULL), SHMRING_TIMEOUT);
    for (uint64_t number = 2; number <= 20; number++) {
        put(writer, number);
        read_many(reader, number, number);
    }
    struct shmring_info info = SHMRING_INFO_INIT;
    ck_assert_int_eq(shmring_query(name, &info, NULL), 0);
    ck_assert_int_eq(info.state, SHMRING_STATE_LIVE);
    shmring_observer_close(observer);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}

/* ---- Names ---- */

SMALL_SHM_TEST(removed_names_come_back_in_the_same_room) {
    const char *name = new_name();
    struct shmring_writer_options options = large(SIZE_1080P);
    struct shmring_writer *writer = open_writer(name, &options);
    struct shmring_reader *reader = new_reader(name, 1);
    put(writer, 1);
    read_many(reader, 1, 1);
    remove_names(name);
    uint64_t number = 1;
    while (stats_of(writer).names_lost == 0) {
        if (try_put(writer, number + 1, 0) != SHMRING_OK)
            continue; /* it has just moved, and waits for its reader */
        ++number;
        read_many(reader, number, number);
    }
    ck_assert_int_eq(access(path_of(name, ""), F_OK), 0);
    ck_assert_int_eq(take_result(reader, 10 * MS), SHMRING_TIMEOUT);
    put(writer, ++number);
    read_many(reader, number, number);
    ck_assert_uint_eq(reader_stats(reader).received, number);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}

/* There is no room until it has read, and nobody waits longer for that than he said. */
SMALL_SHM_TEST(who_does_not_read_stops_nobody_meanwhile) {
    const char *name = new_name();
    struct timespec housekeeping = {.tv_nsec = 600 * MS};
    struct shmring_writer_options options = large(SIZE_1080P);
    struct shmring_writer *writer = open_writer(name, &options);
    struct shmring_reader *reader = new_reader(name, 1);
    put(writer, 1);
    remove_names(name);
    nanosleep(&housekeeping, NULL);
    ck_assert_uint_eq(stats_of(writer).names_lost, 0);
    ck_assert_int_eq(try_put(writer, 2, 0), SHMRING_OK);
    ck_assert_int_eq(try_put(writer, 3, 0), SHMRING_OK);
    read_many(reader, 1, 3);
    while (stats_of(writer).names_lost == 0)
        sched_yield();
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}

/* ---- Others' leftovers ---- */

SMALL_SHM_TEST(dead_rings_of_other_names_make_room) {
    struct shmring_writer_options options = large(SIZE_720P);
    char first[100];
    options.slots = 4;
    options.lend_limit = 2;
    for (int i = 0; i < 10; i++) {
        const char *name = new_name();
        int result;
        if (i == 0)
            snprintf(first, sizeof first, "%s", name);
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            struct shmring_writer *writer = NULL;
            _exit(shmring_writer_open(name, &options, &writer, NULL) != SHMRING_OK);
        }
        ck_assert_int_eq(waitpid(pid, &result, 0), pid);
        ck_assert_int_eq(result, 0);
    }
    ck_assert_int_ne(access(path_of(first, ""), F_OK), 0);
    struct shmring_writer *writer = open_writer(first, &options);
    put(writer, 1);
    shmring_writer_close(writer);
}

int main(void) {
    TCase *tests = tcase_create("room");
    tcase_add_test(tests, a_killed_writer_starts_again);
    tcase_add_test(tests, with_another_size);
    tcase_add_test(tests, with_another_size_and_a_reader);
    tcase_add_test(tests, killed_while_its_readers_read);
    tcase_add_test(tests, killed_before_the_next_segment_had_the_name);
    tcase_add_test(tests, and_somebody_else_has_the_memory);
    tcase_add_test(tests, and_then_another_size);
    tcase_add_test(tests, one_stream_after_the_other);
    tcase_add_test(tests, larger_and_smaller_again);
    tcase_add_test(tests, a_held_frame_is_not_waited_for);
    tcase_add_test(tests, who_does_not_read_is_waited_for_at_most_for_the_patience);
    tcase_add_test(tests, who_is_stuck_keeps_nobody_from_moving);
    tcase_add_test(tests, who_died_keeps_no_memory);
    tcase_add_test(tests, who_is_stuck_at_a_dead_ring);
    tcase_add_test(tests, what_cannot_be_had_leaves_all_as_it_was);
    tcase_add_test(tests, removed_names_come_back_in_the_same_room);
    tcase_add_test(tests, who_does_not_read_stops_nobody_meanwhile);
    tcase_add_test(tests, dead_rings_of_other_names_make_room);
    return run_tests(tests);
}
