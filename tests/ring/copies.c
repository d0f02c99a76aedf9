/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies beyond the lease, and what happens while one is made: the memory for it is asked for in
 * the midst of it. */
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

static void assert_complete(uint64_t published) {
    struct shmring_reader_stats stats = reader_stats(reader);
    ck_assert_uint_eq(stats.received + stats.dropped + stats.flushed + stats.withdrawn +
                          stats.skipped,
                      published);
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
    assert_complete(5);
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
    assert_complete(5);
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
    assert_complete(4);
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
    assert_complete(2);
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
    return run_tests(tests);
}
