/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies beyond the lease: what happens while one is made (the memory for it is asked for in the
 * midst of it), and how many there may be. */
#include "copies.h"

#include "reader.h"
#include "support.h"
#include "writer.h"

static const char *name;
static struct shmring_writer *writer;
static struct shmring_reader *reader;
static void (*meanwhile)(void);
static bool no_memory;

void *aligned_alloc(size_t alignment, size_t size) {
    void (*now)(void) = meanwhile;
    void *memory = NULL;
    meanwhile = NULL;
    if (now)
        now();
    return no_memory || posix_memalign(&memory, alignment, size) ? NULL : memory;
}

static void open_ring(void) {
    struct shmring_writer_options options = writer_options(4);
    options.patience_ns = 20000000;
    meanwhile = NULL;
    no_memory = false;
    name = new_name();
    writer = open_writer(name, &options);
}

static void close_ring(void) {
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}

static uint64_t claim_on(uint64_t seq) {
    struct segment *seg = writer_segment(writer);
    return seg->ctl->port[0].claim[*segment_descriptor(seg, seq) & 0xffff];
}

static void seek(void) {
    ck_assert_uint_eq(claim_on(1), claim_word(1, CLAIM_COPYING));
    shmring_writer_flush(writer);
    put_many(writer, 2, 5); /* into its slot too */
}

START_TEST(a_flush_takes_it_back) {
    reader = new_reader(name, 0);
    put(writer, 1);
    meanwhile = seek;
    struct shmring_frame *frame = take(reader, 2);
    ck_assert_uint_eq(frame->missed, 1);
    shmring_frame_release(frame);
    ck_assert_uint_eq(reader_stats(reader).flushed, 1);
    read_many(reader, 3, 5);
    assert_told_of_all(reader, 5);
}
END_TEST

static void wait_for_a_slot(void) {
    put(writer, 5);
    ck_assert_uint_eq(stats_of(writer).withdrawn, 1);
}

START_TEST(patience_takes_it_back) {
    reader = new_reader(name, 0);
    put_many(writer, 1, 4);
    meanwhile = wait_for_a_slot;
    struct shmring_frame *frame = take(reader, 2);
    ck_assert_uint_eq(frame->missed, 1);
    shmring_frame_release(frame);
    ck_assert_uint_eq(reader_stats(reader).withdrawn, 1);
    read_many(reader, 3, 5);
    assert_told_of_all(reader, 5);
}
END_TEST

static void put_three_more(void) {
    put_many(writer, 2, 4);
    ck_assert_uint_eq(claim_on(1), claim_word(1, CLAIM_COPYING));
}

/* Not for the depth: a copy that is slower than a frame would never be made. */
START_TEST(the_depth_leaves_it_alone) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    options.mode = SHMRING_MODE_LATEST;
    options.lease = 0;
    reader = open_reader(name, &options);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 1);
    meanwhile = put_three_more;
    read_many(reader, 1, 1);
    read_many(reader, 4, 4);
    assert_told_of_all(reader, 4);
}
END_TEST

static void leave_meanwhile(void) {
    struct segment *seg = writer_segment(writer);
    uint64_t word = seg->ctl->port[0].attach;
    seg->ctl->port[0].attach = word - PORT_ATTACHED + PORT_LEAVING;
    put_many(writer, 2, 5);
    ck_assert_uint_eq(claim_on(1), 0);
    seg->ctl->port[0].attach = word;
}

START_TEST(leaving_takes_it_back) {
    reader = new_reader(name, 0);
    put(writer, 1);
    meanwhile = leave_meanwhile;
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    ck_assert_uint_eq(reader_stats(reader).received, 0);
}
END_TEST

START_TEST(without_memory_the_frame_is_missed) {
    struct shmring_frame *frame;
    reader = new_reader(name, 0);
    put_many(writer, 1, 2);
    no_memory = true;
    ck_assert_int_eq(shmring_reader_take(reader, LONG, &frame, NULL), -ENOMEM);
    ck_assert_uint_eq(claim_on(1), 0);
    no_memory = false;
    frame = take(reader, 2);
    ck_assert_uint_eq(frame->missed, 1);
    shmring_frame_release(frame);
    assert_told_of_all(reader, 2);
}
END_TEST

/* ---- As many as there may be ---- */

/* One, since the last one may go beyond the limit. */
static struct shmring_reader *reader_of_one_copy(enum shmring_mode mode, uint32_t lease) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    options.mode = mode;
    options.lease = lease;
    options.max_copy_bytes = 1;
    return open_reader(name, &options);
}

static void assert_no_room(void) {
    struct shmring_frame *frame;
    struct shmring_error error;
    ck_assert_int_eq(shmring_reader_take(reader, 0, &frame, &error), SHMRING_TIMEOUT);
    ck_assert_int_eq(error.code, -ENOBUFS);
    assert_says(&error, name);
    assert_says(&error, "release frames");
}

START_TEST(a_take_waits_for_room) {
    reader = reader_of_one_copy(SHMRING_MODE_ALL, 0);
    put_many(writer, 1, 2);
    struct shmring_frame *frame = take(reader, 1);
    assert_no_room();
    ck_assert_uint_eq(claim_on(2), claim_word(2, CLAIM_OFFERED));
    shmring_frame_release(frame);
    read_many(reader, 2, 2);
    assert_told_of_all(reader, 2);
}
END_TEST

START_TEST(a_place_in_the_lease_is_room_too) {
    reader = reader_of_one_copy(SHMRING_MODE_ALL, 1);
    put_many(writer, 1, 3);
    struct shmring_frame *view = take(reader, 1), *copy = take(reader, 2);
    ck_assert(!view->is_copy && copy->is_copy);
    assert_no_room();
    uint32_t returned = copies_returned(reader->copies);
    shmring_frame_release(view);
    ck_assert_uint_eq(copies_returned(reader->copies), returned + 1); /* wakes who waits */
    view = take(reader, 3);
    ck_assert(!view->is_copy);
    shmring_frame_release(view);
    shmring_frame_release(copy);
}
END_TEST

START_TEST(the_newest_comes_when_there_is_room) {
    put(writer, 1);
    reader = reader_of_one_copy(SHMRING_MODE_LATEST, 0);
    struct shmring_frame *frame = take(reader, 1);
    put_many(writer, 2, 9);
    assert_no_room();
    ck_assert_uint_eq(reader_stats(reader).dropped, 7);
    shmring_frame_release(frame);
    read_many(reader, 9, 9);
    assert_told_of_all(reader, 8);
}
END_TEST

/* It needs a copy, whatever the lease. */
START_TEST(without_room_it_begins_with_the_next_frame) {
    put(writer, 1);
    reader = reader_of_one_copy(SHMRING_MODE_LATEST, 1);
    struct shmring_frame *frame = take(reader, 1);
    shmring_reader_leave(reader);
    put(writer, 2);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 3);
    read_many(reader, 3, 3);
    shmring_frame_release(frame);
}
END_TEST

START_TEST(patience_ends_for_who_has_no_room) {
    reader = reader_of_one_copy(SHMRING_MODE_ALL, 0);
    put(writer, 1);
    struct shmring_frame *frame = take(reader, 1);
    put_many(writer, 2, 6);
    ck_assert_uint_eq(stats_of(writer).withdrawn, 1);
    shmring_frame_release(frame);
    read_many(reader, 3, 6);
    assert_told_of_all(reader, 6);
}
END_TEST

START_TEST(an_end_is_heard_without_room) {
    reader = reader_of_one_copy(SHMRING_MODE_ALL, 0);
    put_many(writer, 1, 3);
    struct shmring_frame *frame = take(reader, 1);
    assert_no_room();
    shmring_writer_flush(writer);
    shmring_writer_end(writer);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
    shmring_frame_release(frame);
}
END_TEST

START_TEST(copies_outlive_their_reader) {
    reader = reader_of_one_copy(SHMRING_MODE_ALL, 0);
    put(writer, 1);
    struct shmring_frame *frame = take(reader, 1);
    shmring_reader_free(reader);
    reader = NULL;
    ck_assert(is_filled(frame->data, 1));
    shmring_frame_release(frame);
}
END_TEST

START_TEST(a_limit_of_0_is_none) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    struct shmring_frame *frames[100];
    options.lease = 0;
    options.max_copy_bytes = 0;
    reader = open_reader(name, &options);
    for (unsigned i = 0; i < COUNT(frames); i++) {
        put(writer, i + 1);
        frames[i] = take(reader, i + 1);
    }
    for (unsigned i = 0; i < COUNT(frames); i++)
        shmring_frame_release(frames[i]);
}
END_TEST

/* All that a copy takes: 100 bytes are more than its pixels, and less than it has beside them. */
START_TEST(memory_is_counted) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    struct shmring_frame *frame;
    options.lease = 0;
    options.max_copy_bytes = FRAME_SIZE + 100;
    reader = open_reader(name, &options);
    put_many(writer, 1, 2);
    frame = take(reader, 1);
    assert_no_room();
    shmring_frame_release(frame);
}
END_TEST

/* ---- Waking ---- */

struct sleeper {
    struct copies *copies;
    uint32_t returned;
    _Atomic pid_t id;
    pthread_t thread;
};

static bool is_asleep(pid_t thread) {
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
    FILE *file = fopen(path, "r");
    bool is_read = file && fscanf(file, "%*d (%*[^)]) %c", &state) == 1;
    if (file)
        fclose(file);
    return is_read && state == 'S';
}

static void *sleep_for_a_frame(void *data) {
    struct sleeper *sleeper = data;
    static const _Atomic uint32_t never;
    int64_t start = monotonic_ns();
    sleeper->id = gettid();
    while (copies_returned(sleeper->copies) == sleeper->returned)
        copies_wait(sleeper->copies, sleeper->returned, &never, LONG);
    return elapsed_ns(start) < LONG ? sleeper : NULL;
}

static void start_sleeper(struct sleeper *sleeper, struct copies *copies) {
    *sleeper = (struct sleeper){.copies = copies, .returned = copies_returned(copies)};
    ck_assert_int_eq(pthread_create(&sleeper->thread, NULL, sleep_for_a_frame, sleeper), 0);
    while (copies->waiting == 0 || !is_asleep(sleeper->id))
        sched_yield();
}

START_TEST(whoever_releases_wakes) {
    struct copies *copies = copies_new(1);
    struct sleeper sleeper;
    void *was_woken;
    copies_add(copies, 10);
    start_sleeper(&sleeper, copies);
    if (_i == 0)
        copies_take_away(copies, 10);
    else
        copies_tell(copies);
    ck_assert_int_eq(pthread_join(sleeper.thread, &was_woken), 0);
    ck_assert_ptr_nonnull(was_woken);
    if (_i == 1)
        copies_take_away(copies, 10);
    ck_assert(copies_have_room(copies));
    copies_unref(copies);
}
END_TEST

/* Of 2 MiB and more they lie in huge pages, and count what they take. */
START_TEST(of_any_size) {
    static const uint32_t kib[] = {1, 2047, 2048, 2049, 3500, 3600, 6075};
    struct shmring_writer_options options = writer_options(4);
    options.slot_size = kib[_i] * 1024;
    shmring_writer_close(writer);
    writer = open_writer(name, &options);
    reader = new_reader(name, 0);
    struct shmring_frame_info info = info_of(1);
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_FILL);
    struct shmring_frame *frame = NULL;
    info.size = options.slot_size;
    for (uint32_t i = 0; i < info.size; i++)
        ((uint8_t *)slot.data)[i] = (uint8_t)(i * 31 >> 8);
    ck_assert_int_eq(shmring_writer_publish(writer, &slot, &info, NULL, NULL), 0);
    ck_assert_int_eq(shmring_reader_take(reader, LONG, &frame, NULL), SHMRING_OK);
    ck_assert(frame->is_copy && (uintptr_t)frame->data % 64 == 0);
    ck_assert_mem_eq(frame->data, slot.data, info.size);
    memset((void *)frame->data, 1, info.size); /* it is all ours */
    ck_assert_uint_ge(copies_bytes(reader->copies), info.size);
    ck_assert_uint_lt(copies_bytes(reader->copies), info.size + 516 * 1024);
    shmring_slot_return(&slot);
    shmring_frame_release(frame);
    ck_assert_uint_eq(copies_bytes(reader->copies), 0);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("copies");
    tcase_add_checked_fixture(tests, open_ring, close_ring);
    tcase_add_test(tests, a_flush_takes_it_back);
    tcase_add_test(tests, patience_takes_it_back);
    tcase_add_test(tests, the_depth_leaves_it_alone);
    tcase_add_test(tests, leaving_takes_it_back);
    tcase_add_test(tests, without_memory_the_frame_is_missed);
    tcase_add_test(tests, a_take_waits_for_room);
    tcase_add_test(tests, a_place_in_the_lease_is_room_too);
    tcase_add_test(tests, the_newest_comes_when_there_is_room);
    tcase_add_test(tests, without_room_it_begins_with_the_next_frame);
    tcase_add_test(tests, patience_ends_for_who_has_no_room);
    tcase_add_test(tests, an_end_is_heard_without_room);
    tcase_add_test(tests, copies_outlive_their_reader);
    tcase_add_test(tests, a_limit_of_0_is_none);
    tcase_add_test(tests, memory_is_counted);
    tcase_add_loop_test(tests, whoever_releases_wakes, 0, 2);
    tcase_add_loop_test(tests, of_any_size, 0, 7);
    return run_tests(tests);
}
