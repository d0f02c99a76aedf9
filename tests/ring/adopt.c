/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A writer dies, the next one goes on in the same segment, and so do its readers. */
#include "frame.h"
#include "support.h"
#include "writer.h"

/* ---- Writers that are killed ---- */

static struct shmring_writer *child_writer(const char *name) {
    struct shmring_writer_options options = writer_options(4);
    struct shmring_writer *writer = NULL;
    CHILD_ASSERT(shmring_writer_open(name, &options, &writer, NULL) == SHMRING_OK);
    return writer;
}

/* The number in its content is the one that the ring gives it. */
static uint64_t put_next(struct shmring_writer *writer) {
    struct shmring_slot slot;
    uint64_t seq = distributor_head(writer->distributor), given = 0;
    struct shmring_frame_info info = info_of(seq);
    CHILD_ASSERT(shmring_writer_loan(writer, SHMRING_LOAN_FILL, LONG, &slot, NULL) == SHMRING_OK);
    fill(slot.data, seq);
    CHILD_ASSERT(shmring_writer_publish(writer, &slot, &info, &given, NULL) == SHMRING_OK);
    shmring_slot_return(&slot);
    CHILD_ASSERT(given == seq);
    return seq;
}

/* A frame that finds no slot and is given up. */
static void lose_one(struct shmring_writer *writer) {
    struct shmring_slot slot;
    int result = shmring_writer_loan(writer, SHMRING_LOAN_FILL, 1000000, &slot, NULL);
    CHILD_ASSERT(result == SHMRING_TIMEOUT || result == SHMRING_FULL);
    shmring_writer_drop(writer);
}

/* 'p': puts one. 'd': drops one. 'e': ends. */
static void obey(struct shmring_writer *writer, struct child *test) {
    char word;
    child_say(test, 'r');
    while ((word = child_hear(test))) {
        if (word == 'p')
            put_next(writer);
        else if (word == 'd')
            lose_one(writer);
        else
            shmring_writer_end(writer);
        child_say(test, word);
    }
    shmring_writer_close(writer);
}

static int write_obediently(struct child *test, const char *name) {
    obey(child_writer(name), test);
    return 0;
}

static struct child start_child_writer(int (*run)(struct child *, const char *), const char *name) {
    struct child child = start_child(run, name);
    ck_assert_int_eq(child_hear(&child), 'r');
    return child;
}

static struct shmring_reader *new_survivor(const char *name, uint32_t lease) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    options.lease = lease;
    options.go_on_after = 1u << SHMRING_LOST;
    return open_reader(name, &options);
}

static void assert_complete(struct shmring_reader *reader, uint64_t published) {
    struct shmring_reader_stats stats = reader_stats(reader);
    ck_assert_uint_eq(stats.received, published);
    ck_assert_uint_eq(stats.dropped + stats.flushed + stats.withdrawn + stats.skipped, 0);
}

static ino_t inode_of(const char *name) {
    struct stat status;
    ck_assert_int_eq(stat(path_of(name, ""), &status), 0);
    return status.st_ino;
}

/* ---- What goes on ---- */

START_TEST(readers_and_numbers_go_on) {
    const char *name = new_name();
    struct child child = start_child_writer(write_obediently, name);
    struct shmring_reader *reader = new_survivor(name, 1);
    ino_t inode = inode_of(name);
    for (int i = 0; i < 3; i++)
        tell(&child, 'p');
    read_many(reader, 1, 2);
    kill_child(&child);
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_uint_eq(inode_of(name), inode);
    ck_assert_uint_eq(stats_of(writer).adopted, 3);
    put_many(writer, 4, 5);
    read_many(reader, 3, 3);
    struct shmring_frame *frame = take(reader, 4);
    ck_assert_uint_eq(frame->info.seq, 4);
    ck_assert_uint_eq(frame->missed, 0);
    ck_assert(frame->info.flags & SHMRING_FRAME_DISCONT);
    shmring_frame_release(frame);
    frame = take(reader, 5);
    ck_assert(!(frame->info.flags & SHMRING_FRAME_DISCONT));
    shmring_frame_release(frame);
    assert_complete(reader, 5);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(counters_go_on) {
    const char *name = new_name();
    struct child child = start_child_writer(write_obediently, name);
    struct shmring_reader *reader = new_survivor(name, 1);
    for (int i = 0; i < 4; i++)
        tell(&child, 'p');
    tell(&child, 'd');
    kill_child(&child);
    struct shmring_info left = query(name);
    ck_assert_uint_eq(left.dropped, 1);
    ck_assert_uint_eq(left.waits, 1);
    ck_assert_int_gt(left.wait_ns, 0);
    struct shmring_writer *writer = new_writer(name, 4);
    assert_counters(&left, stats_of(writer));
    read_many(reader, 1, 4);
    put(writer, 5);
    struct shmring_info now = query(name);
    assert_counters(&now, stats_of(writer));
    read_many(reader, 5, 5);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* Also when the caller asked for the very number that comes next. */
START_TEST(the_first_frame_is_always_marked) {
    const char *name = new_name();
    struct child child = start_child_writer(write_obediently, name);
    struct shmring_reader *reader = new_survivor(name, 1);
    struct shmring_writer_options options = writer_options(4);
    tell(&child, 'p');
    kill_child(&child);
    options.first_seq = 2;
    struct shmring_writer *writer = open_writer(name, &options);
    put(writer, 2);
    read_many(reader, 1, 1);
    struct shmring_frame *frame = take(reader, 2);
    ck_assert(frame->info.flags & SHMRING_FRAME_DISCONT);
    shmring_frame_release(frame);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(one_that_waits_for_it_wakes_up) {
    const char *name = new_name();
    struct child child = start_child_writer(write_obediently, name);
    struct shmring_reader *reader = new_survivor(name, 1);
    kill_child(&child);
    ck_assert_int_eq(take_result(reader, 150000000), SHMRING_TIMEOUT);
    child = start_child_writer(write_obediently, name);
    tell(&child, 'p');
    read_many(reader, 1, 1);
    assert_complete(reader, 1);
    shmring_reader_free(reader);
    ck_assert_int_eq(end_child(&child), 0);
}
END_TEST

START_TEST(who_was_told_attaches_anew) {
    const char *name = new_name();
    struct child child = start_child_writer(write_obediently, name);
    struct shmring_reader *reader = new_reader(name, 1);
    tell(&child, 'p');
    kill_child(&child);
    read_many(reader, 1, 1);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_LOST);
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_LOST);
    ck_assert_int_eq(shmring_reader_attach(reader, LONG, NULL), SHMRING_OK);
    put(writer, 2);
    read_many(reader, 2, 2);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(one_after_the_other) {
    const char *name = new_name();
    struct shmring_reader *reader = NULL;
    uint64_t number = 1;
    for (int life = 0; life < 8; life++) {
        struct child child = start_child_writer(write_obediently, name);
        if (!reader)
            reader = new_survivor(name, 1);
        for (int i = 0; i < 3; i++)
            tell(&child, 'p');
        read_many(reader, number, number + 2);
        number += 3;
        kill_child(&child);
    }
    assert_complete(reader, 24);
    shmring_reader_free(reader);
    shmring_writer_close(new_writer(name, 4));
}
END_TEST

/* ---- What the dead one left ---- */

static void half_publish(struct shmring_writer *writer, int steps) {
    struct distributor *d = writer->distributor;
    struct shmring_slot slot;
    struct shmring_frame_info info = info_of(99);
    CHILD_ASSERT(shmring_writer_loan(writer, SHMRING_LOAN_FILL, LONG, &slot, NULL) == SHMRING_OK);
    fill(slot.data, 99);
    info.seq = distributor_head(d);
    if (steps > 0)
        frame_write_header(d->seg, slot.index, &info);
    ports_look(d);
    if (steps > 1)
        port_offer(d, 0, slot.index, info.seq);
    if (steps > 2)
        *segment_descriptor(d->seg, info.seq) = info.seq << 16 | slot.index;
}

static int half_steps;

static int write_three_and_a_half(struct child *test, const char *name) {
    struct shmring_writer *writer = child_writer(name);
    child_say(test, 'r');
    child_hear(test);
    for (int i = 0; i < 3; i++)
        put_next(writer);
    half_publish(writer, half_steps);
    child_say(test, 'h');
    child_hear(test);
    return 0;
}

START_TEST(a_frame_that_was_half_published_never_was) {
    const char *name = new_name();
    half_steps = _i;
    struct child child = start_child_writer(write_three_and_a_half, name);
    struct shmring_reader *reader = new_survivor(name, 1);
    tell(&child, 'h');
    kill_child(&child);
    read_many(reader, 1, 3);
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_uint_eq(writer_segment(writer)->ctl->port[0].claim[3], 0);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    for (uint64_t number = 4; number <= 30; number++) {
        put(writer, number);
        struct shmring_frame *frame = take(reader, number);
        ck_assert_uint_eq(frame->info.seq, number);
        shmring_frame_release(frame);
    }
    assert_complete(reader, 30);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_held_frame_stays_as_it_is) {
    const char *name = new_name();
    struct child child = start_child_writer(write_obediently, name);
    struct shmring_reader *reader = new_survivor(name, 1);
    tell(&child, 'p');
    struct shmring_frame *held = take(reader, 1);
    kill_child(&child);
    struct shmring_writer *writer = new_writer(name, 4);
    for (uint64_t number = 2; number <= 30; number++) {
        put(writer, number);
        read_many(reader, number, number);
        ck_assert(is_filled(held->data, 1));
    }
    shmring_frame_release(held);
    assert_complete(reader, 30);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(who_left_holding_keeps_it_too) {
    const char *name = new_name();
    struct child child = start_child_writer(write_obediently, name);
    struct shmring_reader *reader = new_reader(name, 1);
    tell(&child, 'p');
    struct shmring_frame *held = take(reader, 1);
    shmring_reader_free(reader);
    kill_child(&child);
    struct shmring_writer *writer = new_writer(name, 4);
    put_many(writer, 2, 30);
    ck_assert(is_filled(held->data, 1));
    shmring_frame_release(held);
    put_many(writer, 31, 40);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(what_was_not_read_is_still_offered) {
    const char *name = new_name();
    struct child child = start_child_writer(write_obediently, name);
    struct shmring_reader *reader = new_survivor(name, 0);
    for (int i = 0; i < 4; i++)
        tell(&child, 'p');
    kill_child(&child);
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_int_eq(try_put(writer, 5, 0), SHMRING_TIMEOUT);
    read_many(reader, 1, 4);
    put(writer, 5);
    read_many(reader, 5, 5);
    assert_complete(reader, 5);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(who_was_not_answered_is_answered_now) {
    const char *name = new_name();
    struct child child = start_child_writer(write_obediently, name);
    tell(&child, 'p');
    struct shmring_reader *reader = new_survivor(name, 1);
    kill_child(&child);
    struct shmring_writer *writer = new_writer(name, 4);
    put(writer, 2);
    read_many(reader, 2, 2);
    assert_complete(reader, 1);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

static int write_and_read(struct child *test, const char *name) {
    struct shmring_writer *writer = child_writer(name);
    struct shmring_reader *reader = NULL;
    CHILD_ASSERT(shmring_reader_new(name, NULL, &reader, NULL) == SHMRING_OK);
    CHILD_ASSERT(shmring_reader_attach(reader, LONG, NULL) == SHMRING_OK);
    obey(writer, test);
    return 0;
}

START_TEST(a_reader_that_died_with_it_is_found) {
    const char *name = new_name();
    struct child child = start_child_writer(write_and_read, name);
    for (int i = 0; i < 4; i++)
        tell(&child, 'p');
    kill_child(&child);
    struct shmring_writer *writer = new_writer(name, 4);
    put_many(writer, 5, 30);
    ck_assert_uint_eq(stats_of(writer).dead_readers, 1);
    shmring_writer_close(writer);
}
END_TEST

static int lend_two(struct child *test, const char *name) {
    struct shmring_writer *writer = child_writer(name);
    struct shmring_slot slots[2];
    put_next(writer);
    for (int i = 0; i < 2; i++)
        CHILD_ASSERT(shmring_writer_loan(writer, SHMRING_LOAN_LEND, LONG, &slots[i], NULL) ==
                     SHMRING_OK);
    child_say(test, 'r');
    child_hear(test);
    return 0;
}

/* A device may still write into them. */
START_TEST(slots_that_were_lent_are_used_last) {
    const char *name = new_name();
    struct child child = start_child_writer(lend_two, name);
    kill_child(&child);
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert(!writer->distributor->slot[0].was_lent);
    ck_assert(writer->distributor->slot[1].was_lent);
    ck_assert(writer->distributor->slot[2].was_lent);
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_FILL);
    ck_assert_uint_eq(slot.index, 0);
    shmring_slot_return(&slot);
    shmring_writer_close(writer);
}
END_TEST

/* ---- A stream that was over ---- */

START_TEST(an_ended_ring) {
    const char *name = new_name();
    struct child child = start_child_writer(write_obediently, name);
    struct shmring_reader *reader = new_reader(name, 1);
    ino_t inode = inode_of(name);
    tell(&child, 'p');
    tell(&child, 'p');
    tell(&child, 'e');
    kill_child(&child);
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_uint_eq(inode_of(name), inode);
    put(writer, 3);
    read_many(reader, 1, 2);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
    assert_complete(reader, 2);
    ck_assert_int_eq(shmring_reader_attach(reader, LONG, NULL), SHMRING_OK);
    put(writer, 4);
    read_many(reader, 4, 4);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

static int write_two_and_half_an_end(struct child *test, const char *name) {
    struct shmring_writer *writer = child_writer(name);
    child_say(test, 'r');
    child_hear(test);
    put_next(writer);
    put_next(writer);
    writer_segment(writer)->header->state = STATE_ENDED;
    child_say(test, 'h');
    child_hear(test);
    return 0;
}

/* Its readers were not told yet where it ended. */
START_TEST(half_an_end) {
    const char *name = new_name();
    struct child child = start_child_writer(write_two_and_half_an_end, name);
    struct shmring_reader *reader = new_reader(name, 1);
    tell(&child, 'h');
    kill_child(&child);
    struct shmring_writer *writer = new_writer(name, 4);
    put(writer, 3);
    read_many(reader, 1, 2);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
    assert_complete(reader, 2);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* ---- A move that did not come to its end ---- */

static int write_three_and_half_a_move(struct child *test, const char *name) {
    struct shmring_writer *writer = child_writer(name);
    child_say(test, 'r');
    child_hear(test);
    for (int i = 0; i < 3; i++)
        put_next(writer);
    child_say(test, 'p');
    child_hear(test);
    writer_segment(writer)->header->state = STATE_MOVING;
    if (half_steps > 0)
        distributor_free_memory(writer->distributor);
    child_say(test, 'h');
    child_hear(test);
    return 0;
}

/* What it gave back is had again; what readers hold, or have yet to read, it never gave. */
START_TEST(half_a_move) {
    const char *name = new_name();
    struct stat status;
    half_steps = _i;
    struct child child = start_child_writer(write_three_and_half_a_move, name);
    struct shmring_reader *reader = new_survivor(name, 1);
    ino_t inode = inode_of(name);
    tell(&child, 'p');
    struct shmring_frame *held = take(reader, 1);
    read_many(reader, 2, 2);
    tell(&child, 'h');
    kill_child(&child);
    ck_assert_int_eq(stat(path_of(name, ""), &status), 0);
    ck_assert_int_eq(status.st_blocks * 512 < status.st_size, half_steps);
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_uint_eq(inode_of(name), inode);
    ck_assert_uint_eq(stats_of(writer).adopted, 3);
    ck_assert_int_eq(stat(path_of(name, ""), &status), 0);
    ck_assert_int_ge(status.st_blocks * 512, status.st_size);
    ck_assert_int_eq(query(name).state, SHMRING_STATE_LIVE);
    read_many(reader, 3, 3);
    for (uint64_t number = 4; number <= 30; number++) {
        put(writer, number);
        read_many(reader, number, number);
        ck_assert(is_filled(held->data, 1));
    }
    shmring_frame_release(held);
    shmring_reader_free(new_reader(name, 1));
    assert_complete(reader, 30);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* Nobody's memory is kept for who is not there. */
START_TEST(half_a_move_can_be_removed) {
    const char *name = new_name();
    half_steps = 1;
    struct child child = start_child_writer(write_three_and_half_a_move, name);
    tell(&child, 'p');
    tell(&child, 'h');
    kill_child(&child);
    ck_assert_int_eq(shmring_remove(name, false, NULL), 0);
    ck_assert_int_eq(shm_entries(name, false), 0);
}
END_TEST

/* ---- What is not taken as it lies ---- */

static void change(struct shmring_writer_options *options, int what) {
    if (what == 0)
        options->slots = 5;
    else if (what == 1)
        options->slot_size += 1;
    else if (what == 2)
        options->lend_limit -= 1;
    else if (what == 3)
        options->max_readers += 1;
    else
        options->header_size += 4096;
}

START_TEST(other_sizes) {
    const char *name = new_name();
    struct shmring_writer_options options = writer_options(4);
    struct child child = start_child_writer(write_obediently, name);
    struct shmring_reader *reader = new_survivor(name, 0);
    ino_t inode = inode_of(name);
    tell(&child, 'p');
    tell(&child, 'p');
    kill_child(&child);
    change(&options, _i);
    struct shmring_writer *writer = open_writer(name, &options);
    ck_assert_uint_ne(inode_of(name), inode);
    ck_assert_uint_eq(stats_of(writer).adopted, 0);
    read_many(reader, 1, 2);
    ck_assert_int_eq(take_result(reader, 10000000), SHMRING_TIMEOUT);
    ck_assert_int_eq(shmring_writer_wait_reader(writer, LONG), SHMRING_OK);
    put(writer, 3);
    struct shmring_frame *frame = take(reader, 3);
    ck_assert_uint_eq(frame->info.seq, 3);
    ck_assert(frame->info.flags & SHMRING_FRAME_DISCONT);
    shmring_frame_release(frame);
    assert_complete(reader, 3);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

static const struct {
    enum layout_state state;
    uint64_t head;
} damage[] = {
    {STATE_CLOSED, 3},
    {STATE_SUPERSEDED, 3},
    {77, 3},
    {STATE_ACTIVE, 0},
    {STATE_ACTIVE, UINT64_C(1) << 47},
    {0, 3},
};

static int write_two_and_damage(struct child *test, const char *name) {
    struct shmring_writer *writer = child_writer(name);
    put_next(writer);
    put_next(writer);
    writer_segment(writer)->header->state = damage[half_steps].state;
    writer_segment(writer)->header->head = damage[half_steps].head;
    child_say(test, 'r');
    child_hear(test);
    return 0;
}

START_TEST(what_cannot_go_on) {
    const char *name = new_name();
    half_steps = _i;
    struct child child = start_child_writer(write_two_and_damage, name);
    ino_t inode = inode_of(name);
    kill_child(&child);
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_uint_ne(inode_of(name), inode);
    ck_assert_uint_eq(stats_of(writer).adopted, 0);
    put(writer, 1);
    shmring_writer_close(writer);
}
END_TEST

/* A claim of a frame that its slot does not carry. */
START_TEST(a_liar_is_shut_out) {
    const char *name = new_name();
    struct child child = start_child_writer(write_obediently, name);
    struct shmring_reader *liar = new_survivor(name, 1), *other = new_survivor(name, 0);
    tell(&child, 'p');
    reader_segment(liar)->ctl->port[0].claim[2] = claim_word(1, CLAIM_TAKEN);
    kill_child(&child);
    struct shmring_writer *writer = new_writer(name, 4);
    put_many(writer, 2, 3);
    read_many(other, 1, 3);
    ck_assert_uint_eq(stats_of(writer).bad_claims, 1);
    shmring_reader_free(liar);
    shmring_reader_free(other);
    shmring_writer_close(writer);
}
END_TEST

/* ---- At any moment ---- */

static int write_for_ever(struct child *test, const char *name) {
    struct shmring_writer *writer = child_writer(name);
    child_say(test, 'r');
    for (;;)
        put_next(writer);
    return 0;
}

static _Atomic bool over;

static void *read_in_order(void *reader) {
    uint64_t last = 0;
    while (!atomic_load(&over)) {
        struct shmring_frame *frame;
        if (shmring_reader_take(reader, 20000000, &frame, NULL) != SHMRING_OK)
            continue;
        ck_assert_uint_eq(frame->info.seq, last ? last + 1 : frame->info.seq);
        ck_assert_uint_eq(frame->missed, 0);
        ck_assert(is_filled(frame->data, frame->info.seq));
        last = frame->info.seq;
        shmring_frame_release(frame);
    }
    return NULL;
}

START_TEST(killed_at_any_moment) {
    enum { READERS = 2, LIVES = 60 };
    const char *name = new_name();
    struct shmring_reader *readers[READERS];
    pthread_t threads[READERS];
    atomic_store(&over, false);
    for (int life = 0; life < LIVES; life++) {
        struct timespec pause = {.tv_nsec = 100000 + (life * 7919 % 50) * 60000};
        struct child child = start_child_writer(write_for_ever, name);
        for (int i = 0; life == 0 && i < READERS; i++) {
            readers[i] = new_survivor(name, i);
            pthread_create(&threads[i], NULL, read_in_order, readers[i]);
        }
        nanosleep(&pause, NULL);
        kill_child(&child);
    }
    atomic_store(&over, true);
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_uint_gt(reader_stats(readers[i]).received, 0);
        shmring_reader_free(readers[i]);
    }
    struct shmring_writer *writer = new_writer(name, 4);
    put_many(writer, 1, 20);
    shmring_writer_close(writer);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("adopt");
    tcase_add_test(tests, readers_and_numbers_go_on);
    tcase_add_test(tests, counters_go_on);
    tcase_add_test(tests, the_first_frame_is_always_marked);
    tcase_add_test(tests, one_that_waits_for_it_wakes_up);
    tcase_add_test(tests, who_was_told_attaches_anew);
    tcase_add_test(tests, one_after_the_other);
    tcase_add_loop_test(tests, a_frame_that_was_half_published_never_was, 0, 4);
    tcase_add_test(tests, a_held_frame_stays_as_it_is);
    tcase_add_test(tests, who_left_holding_keeps_it_too);
    tcase_add_test(tests, what_was_not_read_is_still_offered);
    tcase_add_test(tests, who_was_not_answered_is_answered_now);
    tcase_add_test(tests, a_reader_that_died_with_it_is_found);
    tcase_add_test(tests, slots_that_were_lent_are_used_last);
    tcase_add_test(tests, an_ended_ring);
    tcase_add_test(tests, half_an_end);
    tcase_add_loop_test(tests, half_a_move, 0, 2);
    tcase_add_test(tests, half_a_move_can_be_removed);
    tcase_add_loop_test(tests, other_sizes, 0, 5);
    tcase_add_loop_test(tests, what_cannot_go_on, 0, COUNT(damage));
    tcase_add_test(tests, a_liar_is_shut_out);
    tcase_add_test(tests, killed_at_any_moment);
    return run_tests(tests);
}
