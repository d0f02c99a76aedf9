/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encoded streams: what is left out until a frame stands alone, and who asks for one. */
#include "attachment.h"
#include "support.h"
#include "writer.h"

#define SECOND INT64_C(1000000000)

static const char *name;
static struct shmring_writer *writer;
static struct shmring_reader *reader;

static void open_ring(void) {
    name = new_name();
    writer = new_writer(name, 8);
    reader = NULL;
}

static void close_ring(void) {
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}

enum { KEY = 0, DELTA = SHMRING_FRAME_DELTA, GAP = SHMRING_FRAME_GAP };

static void assert_next(uint64_t number, uint64_t missed) {
    struct shmring_frame *frame = take(reader, number);
    ck_assert_uint_eq(frame->missed, missed);
    shmring_frame_release(frame);
}

static void assert_nothing(void) {
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
}

static void put_image(uint64_t number) {
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_FILL);
    struct shmring_frame_info info = info_of(number);
    info.flags = DELTA;
    info.caps = "image/png, width=(int)4";
    fill(slot.data, number);
    ck_assert_int_eq(shmring_writer_publish(writer, &slot, &info, NULL, NULL), SHMRING_OK);
    shmring_slot_return(&slot);
}

/* Answered, and its request seen. */
static void attach(bool wait_for_keyframe) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    options.wait_for_keyframe = wait_for_keyframe;
    reader = open_reader(name, &options);
    stats_of(writer);
    shmring_writer_take_key_request(writer, NULL);
}

/* ---- What is left out ---- */

START_TEST(after_an_attach) {
    put_flagged(writer, 1, KEY);
    put_flagged(writer, 2, DELTA);
    attach(true);
    put_flagged(writer, 3, DELTA);
    put_flagged(writer, 4, DELTA);
    assert_nothing();
    put_flagged(writer, 5, KEY);
    put_flagged(writer, 6, DELTA);
    assert_next(5, 2);
    assert_next(6, 0);
    ck_assert_uint_eq(reader_stats(reader).skipped, 2);
    ck_assert_uint_eq(reader_stats(reader).received, 2);
}
END_TEST

START_TEST(who_wants_all_gets_all) {
    attach(false);
    put_flagged(writer, 1, DELTA);
    put_flagged(writer, 2, DELTA);
    read_many(reader, 1, 2);
    ck_assert_uint_eq(reader_stats(reader).skipped, 0);
}
END_TEST

START_TEST(streams_that_never_say_delta) {
    attach(true);
    put_many(writer, 1, 2);
    shmring_writer_flush(writer);
    put_many(writer, 3, 4);
    assert_next(3, 2);
    assert_next(4, 0);
    ck_assert(!shmring_writer_take_key_request(writer, NULL));
}
END_TEST

static void lose_third(void) {
    attach(true);
    put_flagged(writer, 1, KEY);
    put_flagged(writer, 2, DELTA);
    read_many(reader, 1, 2);
    put_flagged(writer, 3, DELTA);
    shmring_writer_flush(writer);
}

START_TEST(after_a_loss) {
    lose_third();
    put_flagged(writer, 4, DELTA);
    assert_nothing();
    ck_assert(shmring_writer_take_key_request(writer, NULL));
    put_flagged(writer, 5, DELTA);
    put_flagged(writer, 6, KEY);
    assert_next(6, 3);
    ck_assert_uint_eq(reader_stats(reader).skipped, 2);
    ck_assert_uint_eq(reader_stats(reader).flushed, 1);
}
END_TEST

START_TEST(silence_does_not_make_a_loss_forgotten) {
    lose_third();
    put_flagged(writer, 4, GAP);
    put_flagged(writer, 5, DELTA);
    assert_next(4, 1);
    assert_nothing();
    put_flagged(writer, 6, KEY);
    assert_next(6, 1);
}
END_TEST

START_TEST(a_key_frame_after_a_loss) {
    lose_third();
    put_flagged(writer, 4, KEY);
    put_flagged(writer, 5, DELTA);
    assert_next(4, 1);
    assert_next(5, 0);
    ck_assert_uint_eq(reader_stats(reader).skipped, 0);
}
END_TEST

START_TEST(headers_stand_alone) {
    attach(true);
    put_flagged(writer, 1, DELTA);
    put_flagged(writer, 2, SHMRING_FRAME_HEADER);
    put_flagged(writer, 3, DELTA);
    assert_next(2, 1);
    assert_next(3, 0);
}
END_TEST

/* What marks each image as a delta means none (pngenc, multipartdemux). */
START_TEST(images_stand_alone) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    struct shmring_reader *newest;
    put_image(1);
    ck_assert_uint_eq(writer->distributor->seg->header->key_seq, 1);
    options.mode = SHMRING_MODE_LATEST;
    newest = open_reader(name, &options);
    shmring_frame_release(take(newest, 1));
    shmring_reader_free(newest);
    attach(true);
    put_image(2);
    assert_next(2, 0);
    ck_assert_uint_eq(reader_stats(reader).skipped, 0);
}
END_TEST

START_TEST(what_the_source_lost_is_its_own_matter) {
    attach(true);
    put_flagged(writer, 1, KEY);
    put_flagged(writer, 2, DELTA | SHMRING_FRAME_DISCONT);
    read_many(reader, 1, 2);
}
END_TEST

START_TEST(it_is_known_over_a_resize) {
    attach(true);
    put_flagged(writer, 1, KEY);
    read_many(reader, 1, 1);
    ck_assert_int_eq(shmring_writer_resize(writer, 6, FRAME_SIZE, 4096, NULL), 0);
    assert_nothing();
    put_flagged(writer, 2, DELTA);
    assert_next(2, 0);
    struct shmring_info info = SHMRING_INFO_INIT;
    ck_assert_int_eq(shmring_query(name, &info, NULL), 0);
    ck_assert_uint_eq(info.key, 1);
}
END_TEST

/* ---- Streams that refresh their pictures bit by bit ---- */

static struct attachment *join(int64_t since_ns) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    struct attachment_start start = {.copies = copies_new(0)};
    struct segment *seg = NULL;
    struct layout_header header;
    struct attachment *at = NULL;
    ck_assert_int_eq(segment_look(name, SEGMENT_ATTACH, &seg, &header, NULL), 0);
    ck_assert_int_eq(segment_map(seg, false), 0);
    ck_assert_int_eq(attachment_join(seg, &options, &start, &at, NULL), 0);
    copies_unref(start.copies);
    at->wants_key_since -= since_ns;
    stats_of(writer);
    return at;
}

START_TEST(after_ten_seconds_all_pass) {
    static const struct {
        int64_t since;
        bool had_key, passes;
    } waits[] = {
        {11 * SECOND, false, true}, {5 * SECOND, false, false}, {11 * SECOND, true, false}};
    struct shmring_frame *frame = NULL;
    if (waits[_i].had_key)
        put_flagged(writer, 1, KEY);
    struct attachment *at = join(waits[_i].since);
    put_flagged(writer, 1 + waits[_i].had_key, DELTA);
    int result = attachment_take(at, &frame, NULL);
    ck_assert_int_eq(result, waits[_i].passes ? SHMRING_OK : TAKE_NOTHING);
    shmring_frame_release(frame);
    attachment_leave(at);
}
END_TEST

/* ---- Requests ---- */

START_TEST(an_attach_asks) {
    int64_t at = 0;
    ck_assert(!shmring_writer_take_key_request(writer, &at));
    reader = new_reader(name, 1);
    ck_assert(shmring_writer_take_key_request(writer, &at));
    ck_assert_int_eq(at, SHMRING_TIME_NONE);
    ck_assert(!shmring_writer_take_key_request(writer, &at));
}
END_TEST

START_TEST(so_does_a_reader_that_is_told_to) {
    int64_t at, due = monotonic_ns() + 2 * SECOND;
    attach(true);
    ck_assert_int_eq(shmring_reader_request_keyframe(reader, due), 0);
    ck_assert(shmring_writer_take_key_request(writer, &at));
    ck_assert_int_eq(at, due);
    ck_assert(!shmring_writer_take_key_request(writer, &at));
}
END_TEST

START_TEST(of_several_the_first_that_is_due) {
    int64_t at, due = monotonic_ns() + 2 * SECOND;
    attach(true);
    struct shmring_reader *other = new_reader(name, 1);
    ck_assert(shmring_writer_take_key_request(writer, &at));
    ck_assert_int_eq(shmring_reader_request_keyframe(reader, due), 0);
    ck_assert_int_eq(shmring_reader_request_keyframe(other, due + SECOND), 0);
    ck_assert(shmring_writer_take_key_request(writer, &at));
    ck_assert_int_eq(at, due);
    ck_assert_int_eq(shmring_reader_request_keyframe(reader, SHMRING_TIME_NONE), 0);
    ck_assert_int_eq(shmring_reader_request_keyframe(other, due), 0);
    ck_assert(shmring_writer_take_key_request(writer, &at));
    ck_assert_int_eq(at, SHMRING_TIME_NONE);
    shmring_reader_free(other);
}
END_TEST

START_TEST(not_in_a_far_future) {
    attach(true);
    ck_assert_int_eq(shmring_reader_request_keyframe(reader, monotonic_ns() + 60 * SECOND), 0);
    ck_assert(!shmring_writer_take_key_request(writer, NULL));
    ck_assert_int_eq(shmring_reader_request_keyframe(reader, INT64_MAX), 0);
    ck_assert(!shmring_writer_take_key_request(writer, NULL));
}
END_TEST

START_TEST(who_is_nowhere_cannot_ask) {
    reader = unattached_reader(name, NULL);
    ck_assert_int_eq(shmring_reader_request_keyframe(reader, 0), -ENOTCONN);
}
END_TEST

static void *watch(void *result) {
    *(int *)result = SHMRING_TIMEOUT;
    while (!shmring_writer_take_key_request(writer, NULL))
        *(int *)result = shmring_writer_watch(writer, LONG);
    return NULL;
}

START_TEST(a_request_wakes_the_watcher) {
    pthread_t thread;
    int result;
    attach(true);
    pthread_create(&thread, NULL, watch, &result);
    shmring_reader_request_keyframe(reader, SHMRING_TIME_NONE);
    pthread_join(thread, NULL);
    ck_assert(result == SHMRING_OK || result == SHMRING_TIMEOUT);
}
END_TEST

START_TEST(nothing_happens) {
    attach(true);
    while (shmring_writer_watch(writer, 1000000) != SHMRING_TIMEOUT)
        continue;
    ck_assert(!shmring_writer_take_key_request(writer, NULL));
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("keyframe");
    tcase_add_checked_fixture(tests, open_ring, close_ring);
    tcase_add_test(tests, after_an_attach);
    tcase_add_test(tests, who_wants_all_gets_all);
    tcase_add_test(tests, streams_that_never_say_delta);
    tcase_add_test(tests, after_a_loss);
    tcase_add_test(tests, silence_does_not_make_a_loss_forgotten);
    tcase_add_test(tests, a_key_frame_after_a_loss);
    tcase_add_test(tests, headers_stand_alone);
    tcase_add_test(tests, images_stand_alone);
    tcase_add_test(tests, what_the_source_lost_is_its_own_matter);
    tcase_add_test(tests, it_is_known_over_a_resize);
    tcase_add_loop_test(tests, after_ten_seconds_all_pass, 0, 3);
    tcase_add_test(tests, an_attach_asks);
    tcase_add_test(tests, so_does_a_reader_that_is_told_to);
    tcase_add_test(tests, of_several_the_first_that_is_due);
    tcase_add_test(tests, not_in_a_far_future);
    tcase_add_test(tests, who_is_nowhere_cannot_ask);
    tcase_add_test(tests, a_request_wakes_the_watcher);
    tcase_add_test(tests, nothing_happens);
    return run_tests(tests);
}
