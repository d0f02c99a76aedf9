/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many threads on one handle; what they race for is ThreadSanitizer's to see, too. */
#include "support.h"

#define WRITERS 3
#define READERS 4
#define FRAMES 1500

static struct shmring_writer *writer;
static struct shmring_reader *reader;
static _Atomic uint64_t next_number;
static _Atomic unsigned seen[FRAMES + 1];
static _Atomic bool over;

static void start(pthread_t *threads, int count, void *(*run)(void *)) {
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run, NULL), 0);
}

static void join(const pthread_t *threads, int count) {
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

static void *write_some(void *data) {
    for (uint64_t number; (number = ++next_number) <= FRAMES;) {
        int result;
        do
            result = AGAIN(try_put(writer, number, LONG));
        while (result == -ESTALE); /* the ring moved after the loan */
        ck_assert_int_eq(result, SHMRING_OK);
    }
    return NULL;
}

static void look_at_frame(const struct shmring_frame *frame) {
    uint64_t number = frame->info.frame_number;
    ck_assert(number >= 1 && number <= FRAMES && is_filled(frame->data, number));
    seen[number]++;
}

/* Holds one while it takes the next. */
static void *read_some(void *data) {
    struct shmring_frame *frame, *held = NULL;
    int result;
    while ((result = AGAIN(shmring_reader_take(reader, LONG, &frame, NULL))) == SHMRING_OK) {
        look_at_frame(frame);
        shmring_frame_release(held);
        held = frame;
    }
    ck_assert_int_eq(result, SHMRING_ENDED);
    shmring_frame_release(held);
    return NULL;
}

/* What asks, and what interrupts, whoever waits. */
static void *disturb(void *data) {
    struct shmring_info info = SHMRING_INFO_INIT;
    while (!over) {
        stats_of(writer);
        readers_of(writer);
        reader_stats(reader);
        shmring_reader_get_info(reader, &info);
        shmring_reader_get_latency(reader);
        shmring_reader_request_keyframe(reader, SHMRING_TIME_NONE);
        shmring_writer_take_key_request(writer, NULL);
        shmring_writer_set_latency(writer, 1);
        shmring_writer_set_patience(writer, SHMRING_FOREVER);
        shmring_writer_begin_stretch(writer);
        shmring_writer_interrupt(writer, true);
        shmring_reader_interrupt(reader, true);
        shmring_writer_interrupt(writer, false);
        shmring_reader_interrupt(reader, false);
    }
    return NULL;
}

static void open_both(void) {
    const char *name = new_name();
    writer = new_writer(name, 6);
    reader = new_reader(name, 2);
}

static void assert_all_free_and_close(void) {
    ck_assert_uint_eq(reader_stats(reader).held, 0);
    ck_assert_uint_eq(stats_of(writer).loans, 0);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}

START_TEST(each_frame_is_one_threads) {
    pthread_t writers[WRITERS], readers[READERS], disturber;
    open_both();
    start(readers, READERS, read_some);
    start(&disturber, 1, disturb);
    start(writers, WRITERS, write_some);
    join(writers, WRITERS);
    shmring_writer_end(writer);
    join(readers, READERS);
    over = true;
    join(&disturber, 1);
    for (int number = 1; number <= FRAMES; number++)
        ck_assert_uint_eq(seen[number], 1);
    ck_assert_uint_eq(assert_told_of_all(reader, FRAMES).received, FRAMES);
    assert_all_free_and_close();
}
END_TEST

/* ---- What changes the ring or the attachment under whoever is inside ---- */

static void *change(void *data) {
    for (uint32_t slots = 5; !over; slots = 11 - slots) {
        shmring_writer_flush(writer);
        shmring_reader_leave(reader);
        ck_assert_int_eq(shmring_writer_resize(writer, slots, FRAME_SIZE, 4096, NULL), 0);
        shmring_reader_resume(reader);
        shmring_writer_watch(writer, 0);
    }
    return NULL;
}

static void *read_what_comes(void *data) {
    struct shmring_frame *frame;
    while (!over) {
        int result = AGAIN(shmring_reader_take(reader, 1000000, &frame, NULL));
        ck_assert(result == SHMRING_OK || result == SHMRING_TIMEOUT);
        if (frame)
            look_at_frame(frame);
        shmring_frame_release(frame);
    }
    return NULL;
}

START_TEST(no_frame_is_two_threads) {
    pthread_t writers[WRITERS], readers[READERS], changer;
    open_both();
    start(readers, READERS, read_what_comes);
    start(&changer, 1, change);
    start(writers, WRITERS, write_some);
    join(writers, WRITERS);
    over = true;
    join(&changer, 1);
    join(readers, READERS);
    for (int number = 1; number <= FRAMES; number++)
        ck_assert_uint_le(seen[number], 1);
    assert_all_free_and_close();
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("threads");
    tcase_add_test(tests, each_frame_is_one_threads);
    tcase_add_test(tests, no_frame_is_two_threads);
    return run_tests(tests);
}
