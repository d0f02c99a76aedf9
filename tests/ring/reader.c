/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support.h"

static const char *name;

static void choose_name(void) {
    name = new_name();
}

/* ---- Making one ---- */

START_TEST(a_handle_touches_no_ring) {
    struct shmring_reader *reader = unattached_reader(name, NULL);
    struct shmring_info info = SHMRING_INFO_INIT;
    ck_assert_int_eq(shm_entries(name, false), 0);
    ck_assert_int_eq(shmring_reader_request_keyframe(reader, SHMRING_TIME_NONE), -ENOTCONN);
    ck_assert_int_eq(shmring_reader_get_info(reader, &info), -ENOTCONN);
    ck_assert_uint_eq(reader_stats(reader).received, 0);
    ck_assert_uint_eq(reader_stats(reader).lease, 0);
    shmring_reader_free(reader);
    shmring_reader_free(NULL);
}
END_TEST

#define OPTIONS .struct_size = sizeof(struct shmring_reader_options)

static const struct {
    struct shmring_reader_options options;
    const char *reason;
} impossible[] = {
    {{.struct_size = 0}, "struct_size"},
    {{.struct_size = sizeof(size_t) - 1}, "struct_size"},
    {{OPTIONS, .mode = 2, .depth = 1}, "mode"},
    {{OPTIONS, .mode = SHMRING_MODE_LATEST, .depth = 0}, "depth"},
    {{OPTIONS, .mode = SHMRING_MODE_LATEST, .depth = 65536}, "depth"},
    {{OPTIONS, .mode = SHMRING_MODE_ALL, .depth = 1, .lease = 257}, "lease"},
};

START_TEST(options_that_cannot_be) {
    struct shmring_reader *reader = NULL;
    struct shmring_error error;
    ck_assert_int_eq(shmring_reader_new(name, &impossible[_i].options, &reader, &error), -EINVAL);
    ck_assert_ptr_null(reader);
    assert_says(&error, name);
    assert_says(&error, impossible[_i].reason);
}
END_TEST

/* ---- Attaching ---- */

static int attach_result(struct shmring_reader *reader, int64_t timeout_ns,
                         struct shmring_error *error) {
    *error = (struct shmring_error){0};
    return shmring_reader_attach(reader, timeout_ns, error);
}

START_TEST(no_ring_is_a_timeout_that_says_so) {
    struct shmring_reader *reader = unattached_reader(name, NULL);
    struct shmring_error error;
    ck_assert_int_eq(attach_result(reader, 0, &error), SHMRING_TIMEOUT);
    assert_says(&error, name);
    assert_says(&error, "no ring");
    ck_assert_int_eq(error.code, -ENOENT);
    ck_assert_int_eq(attach_result(reader, 1000000, &error), SHMRING_TIMEOUT);
    struct shmring_frame *frame;
    ck_assert_int_eq(shmring_reader_take(reader, 1000000, &frame, &error), SHMRING_TIMEOUT);
    ck_assert_int_eq(error.code, -ENOENT);
    shmring_reader_free(reader);
}
END_TEST

/* Half a ring is one that comes, or that somebody's rm left. */
START_TEST(a_ring_without_its_ctl_is_a_timeout_that_says_so) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = unattached_reader(name, NULL);
    struct shmring_error error;
    unlink(path_of(name, ".ctl"));
    ck_assert_int_eq(attach_result(reader, 0, &error), SHMRING_TIMEOUT);
    assert_says(&error, name);
    assert_says(&error, ".ctl");
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

static int be_a_writer(struct child *test, const char *ring) {
    struct shmring_writer_options options = writer_options(4);
    struct shmring_writer *writer = NULL;
    CHILD_ASSERT(shmring_writer_open(ring, &options, &writer, NULL) == 0);
    CHILD_ASSERT(child_say(test, 'O'));
    for (uint64_t number = 1; child_hear(test) == 'P'; number++) {
        CHILD_ASSERT(try_put(writer, number, LONG) == 0);
        CHILD_ASSERT(child_say(test, 'P'));
    }
    shmring_writer_close(writer);
    return 0;
}

static struct child start_writer(void) {
    struct child child = start_child(be_a_writer, name);
    ck_assert_int_eq(child_hear(&child), 'O');
    return child;
}

static void tell_to_put(struct child *child) {
    ck_assert(child_say(child, 'P'));
    ck_assert_int_eq(child_hear(child), 'P');
}

static void remove_names(void) {
    unlink(path_of(name, ""));
    unlink(path_of(name, ".ctl"));
}

START_TEST(a_dead_ring_is_a_timeout_that_says_whose) {
    struct child child = start_writer();
    struct shmring_reader *reader = unattached_reader(name, NULL);
    struct shmring_error error;
    char pid[32];
    snprintf(pid, sizeof pid, "(pid %d)", (int)child.pid);
    kill_child(&child);
    ck_assert_int_eq(attach_result(reader, 0, &error), SHMRING_TIMEOUT);
    assert_says(&error, name);
    assert_says(&error, pid);
    assert_says(&error, "died");
    shmring_reader_free(reader);
    remove_names();
}
END_TEST

START_TEST(an_ended_ring_is_a_timeout_that_says_so) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = unattached_reader(name, NULL);
    struct shmring_error error;
    shmring_writer_end(writer);
    ck_assert_int_eq(attach_result(reader, 0, &error), SHMRING_TIMEOUT);
    assert_says(&error, "has ended");
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(what_is_no_ring_is_not_waited_for) {
    struct shmring_reader *reader = unattached_reader(name, NULL);
    struct shmring_error error;
    FILE *file = fopen(path_of(name, ""), "we");
    fputs("text", file);
    fclose(file);
    file = fopen(path_of(name, ".ctl"), "we");
    fclose(file);
    ck_assert_int_eq(attach_result(reader, SHMRING_FOREVER, &error), -EPROTO);
    assert_says(&error, name);
    shmring_reader_free(reader);
    remove_names();
}
END_TEST

START_TEST(attached_already_is_fine) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    put(writer, 1);
    ck_assert_int_eq(shmring_reader_attach(reader, 0, NULL), SHMRING_OK);
    read_many(reader, 1, 1);
    ck_assert_uint_eq(stats_of(writer).readers, 1);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(the_ring_it_is_attached_to) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    struct shmring_info info = info_of_ring(reader);
    char comm[16] = {0};
    strncpy(comm, program_invocation_short_name, sizeof comm - 1);
    ck_assert_str_eq(info.name, name);
    ck_assert_int_eq(info.state, SHMRING_STATE_LIVE);
    ck_assert_uint_eq(info.slots, 4);
    ck_assert_uint_eq(info.max_readers, 8);
    ck_assert_uint_eq(info.lend_limit, 2);
    ck_assert_uint_eq(info.header_size, 4096);
    ck_assert_uint_eq(info.slot_size, FRAME_SIZE);
    ck_assert_uint_eq(info.writer_pid, (uint32_t)getpid());
    ck_assert_str_eq(info.writer_process, comm);
    ck_assert(info.created_ns > 0 && info.created_ns <= realtime_ns());
    ck_assert_int_eq(info.latency_ns, 0);
    ck_assert_mem_eq(info.instance, writer_segment(writer)->g.instance, 16);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* ---- Threads that wait ---- */

struct waiting {
    struct shmring_reader *reader;
    struct shmring_frame *frame;
    _Atomic bool begun;
    int result;
};

static void *attach_for_ever(void *data) {
    struct waiting *w = data;
    w->begun = true;
    w->result = shmring_reader_attach(w->reader, SHMRING_FOREVER, NULL);
    return NULL;
}

static void *take_for_ever(void *data) {
    struct waiting *w = data;
    w->begun = true;
    w->result = shmring_reader_take(w->reader, SHMRING_FOREVER, &w->frame, NULL);
    return NULL;
}

static pthread_t start(void *(*run)(void *), struct waiting *w) {
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, run, w), 0);
    while (!w->begun)
        sched_yield();
    return thread;
}

START_TEST(a_writer_that_comes_ends_the_wait_for_a_ring) {
    struct waiting w = {.reader = unattached_reader(name, NULL)};
    pthread_t thread = start(attach_for_ever, &w);
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_int_eq(shmring_writer_wait_reader(writer, LONG), SHMRING_OK);
    pthread_join(thread, NULL);
    ck_assert_int_eq(w.result, SHMRING_OK);
    put(writer, 1);
    read_many(w.reader, 1, 1);
    shmring_reader_free(w.reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(an_interrupt_ends_the_wait_for_a_ring) {
    struct waiting w = {.reader = unattached_reader(name, NULL)};
    pthread_t thread = start(attach_for_ever, &w);
    shmring_reader_interrupt(w.reader, true);
    pthread_join(thread, NULL);
    ck_assert_int_eq(w.result, SHMRING_INTERRUPTED);
    ck_assert_int_eq(shmring_reader_attach(w.reader, SHMRING_FOREVER, NULL), SHMRING_INTERRUPTED);
    shmring_reader_interrupt(w.reader, false);
    ck_assert_int_eq(shmring_reader_attach(w.reader, 0, NULL), SHMRING_TIMEOUT);
    shmring_reader_free(w.reader);
}
END_TEST

START_TEST(an_interrupt_ends_the_wait_for_a_frame) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct waiting w = {.reader = new_reader(name, 1)};
    pthread_t thread = start(take_for_ever, &w);
    shmring_reader_interrupt(w.reader, true);
    pthread_join(thread, NULL);
    ck_assert_int_eq(w.result, SHMRING_INTERRUPTED);
    ck_assert_ptr_null(w.frame);
    ck_assert_int_eq(take_result(w.reader, SHMRING_FOREVER), SHMRING_INTERRUPTED);
    shmring_reader_interrupt(w.reader, false);
    put(writer, 1);
    read_many(w.reader, 1, 1);
    shmring_reader_free(w.reader);
    shmring_writer_close(writer);
}
END_TEST

/* Each of what ends a wait, from the other side. */
static void publish_one(struct shmring_writer *writer) {
    put(writer, 1);
}

static void end(struct shmring_writer *writer) {
    shmring_writer_end(writer);
}

static void resize_and_publish(struct shmring_writer *writer) {
    ck_assert_int_eq(shmring_writer_resize(writer, 6, FRAME_SIZE, 4096, NULL), SHMRING_OK);
    put(writer, 1); /* waits until the reader has followed */
}

static const struct {
    void (*act)(struct shmring_writer *writer);
    int result;
} wakers[] = {
    {publish_one, SHMRING_OK},
    {end, SHMRING_ENDED},
    {resize_and_publish, SHMRING_OK},
};

START_TEST(what_the_writer_does_ends_the_wait_for_a_frame) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct waiting w = {.reader = new_reader(name, 1)};
    pthread_t thread = start(take_for_ever, &w);
    wakers[_i].act(writer);
    pthread_join(thread, NULL);
    ck_assert_int_eq(w.result, wakers[_i].result);
    if (w.frame)
        ck_assert(is_filled(w.frame->data, 1));
    shmring_frame_release(w.frame);
    shmring_reader_free(w.reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_writer_that_closes_ends_the_wait_for_a_frame) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct waiting w = {.reader = new_reader(name, 1)};
    pthread_t thread = start(take_for_ever, &w);
    shmring_writer_close(writer);
    pthread_join(thread, NULL);
    ck_assert_int_eq(w.result, SHMRING_CLOSED);
    shmring_reader_free(w.reader);
}
END_TEST

/* A frame at the wrap of the word that sleepers watch. */
START_TEST(a_frame_wakes_also_at_the_wrap) {
    struct shmring_writer_options options = writer_options(4);
    options.first_seq = UINT32_MAX;
    struct shmring_writer *writer = open_writer(name, &options);
    struct waiting w = {.reader = new_reader(name, 1)};
    pthread_t thread = start(take_for_ever, &w);
    put(writer, 1);
    pthread_join(thread, NULL);
    ck_assert_int_eq(w.result, SHMRING_OK);
    ck_assert_uint_eq(w.frame->info.seq, UINT32_MAX);
    ck_assert_uint_eq(writer_segment(writer)->header->event, 0);
    shmring_frame_release(w.frame);
    shmring_reader_free(w.reader);
    shmring_writer_close(writer);
}
END_TEST

/* ---- The three ends, and the way back ---- */

static int lost_result(struct shmring_reader *reader, struct shmring_error *error) {
    struct shmring_frame *frame;
    *error = (struct shmring_error){0};
    int result = shmring_reader_take(reader, LONG, &frame, error);
    ck_assert_ptr_null(frame);
    return result;
}

START_TEST(a_killed_writer_is_lost_after_its_last_frame) {
    struct child child = start_writer();
    struct shmring_reader *reader = new_reader(name, 1);
    struct shmring_error error;
    char pid[32];
    snprintf(pid, sizeof pid, "(pid %d)", (int)child.pid);
    tell_to_put(&child);
    tell_to_put(&child);
    kill_child(&child);
    read_many(reader, 1, 2);
    ck_assert_int_eq(lost_result(reader, &error), SHMRING_LOST);
    assert_says(&error, name);
    assert_says(&error, pid);
    assert_says(&error, "died");
    error.message[0] = 0;
    ck_assert_int_eq(lost_result(reader, &error), SHMRING_LOST); /* until it is told to go on */
    assert_says(&error, pid);
    shmring_reader_resume(reader);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    shmring_reader_free(reader);
    remove_names();
}
END_TEST

/* Whoever cleans up by hand does not turn a death into a clean end. */
START_TEST(a_killed_writer_whose_names_are_gone_is_lost) {
    struct child child = start_writer();
    struct shmring_reader *reader = new_reader(name, 1);
    struct shmring_error error;
    kill_child(&child);
    remove_names();
    ck_assert_int_eq(lost_result(reader, &error), SHMRING_LOST);
    assert_says(&error, "died");
    shmring_reader_free(reader);
}
END_TEST

START_TEST(a_stopped_writer_is_not_lost) {
    struct child child = start_writer();
    struct shmring_reader *reader = new_reader(name, 1);
    int status;
    kill(child.pid, SIGSTOP);
    ck_assert_int_eq(waitpid(child.pid, &status, WUNTRACED), child.pid);
    /* Past the first look at the writer's lock, 100 ms after the last frame. */
    ck_assert_int_eq(take_result(reader, 150000000), SHMRING_TIMEOUT);
    kill(child.pid, SIGCONT);
    tell_to_put(&child);
    read_many(reader, 1, 1);
    shmring_reader_free(reader);
    ck_assert_int_eq(end_child(&child), 0);
}
END_TEST

START_TEST(a_removed_name_does_not_end_a_stream) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    remove_names();
    ck_assert_int_eq(take_result(reader, 150000000), SHMRING_TIMEOUT);
    put(writer, 1);
    read_many(reader, 1, 1);
    shmring_writer_end(writer);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_ENDED);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(attach_is_the_way_back) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    put(writer, 1);
    read_many(reader, 1, 1);
    shmring_writer_close(writer);
    ck_assert_int_eq(take_result(reader, LONG), SHMRING_CLOSED);
    ck_assert_int_eq(take_result(reader, SHMRING_FOREVER), SHMRING_CLOSED);
    ck_assert_int_eq(shmring_reader_attach(reader, 0, NULL), SHMRING_TIMEOUT);
    writer = new_writer(name, 4);
    ck_assert_int_eq(shmring_reader_attach(reader, LONG, NULL), SHMRING_OK);
    put(writer, 2);
    read_many(reader, 2, 2);
    ck_assert_uint_eq(reader_stats(reader).received, 2); /* over all writers */
    ck_assert_uint_eq(reader_stats(reader).dropped, 0);
    shmring_writer_close(writer);
    shmring_reader_free(reader);
}
END_TEST

/* The dead one's ring goes on as it lies, or is drained, and it follows to the one that took over.
 */
START_TEST(a_restarted_writer_is_followed) {
    struct child child = start_writer();
    struct shmring_reader *reader = new_reader(name, 1);
    ino_t inode = reader_segment(reader)->inode;
    tell_to_put(&child);
    kill_child(&child);
    struct shmring_writer *writer = new_writer(name, _i ? 6 : 4);
    ck_assert((writer_segment(writer)->inode == inode) == !_i);
    ck_assert_uint_eq(stats_of(writer).adopted, _i ? 0 : 1);
    read_many(reader, 1, 1);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 2);
    read_many(reader, 2, 2);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

static struct shmring_reader *new_reader_that_goes_on(uint32_t ends) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    options.go_on_after = ends;
    return open_reader(name, &options);
}

static void move(const char *suffix, const char *to) {
    ck_assert_int_eq(rename(path_of(name, suffix), path_of(name, to)), 0);
}

/* The name moved on, its writer died before it said so, and the first look at the new one finds
 * half of it: no failure of one look stays. */
START_TEST(a_look_at_half_a_successor_is_not_the_last) {
    static const uint32_t ends[] = {0, 1u << SHMRING_LOST};
    struct child first = start_writer();
    struct shmring_reader *reader = new_reader_that_goes_on(ends[_i]);
    tell_to_put(&first);
    read_many(reader, 1, 1);
    move("", ".old");
    move(".ctl", ".old-ctl");
    struct child second = start_writer();
    move(".ctl", ".half");
    kill_child(&first);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(take_result(reader, 120000000), SHMRING_TIMEOUT);
    move(".half", ".ctl");
    int result = take_result(reader, 500000000); /* it follows, or hears of the death */
    ck_assert(result == SHMRING_TIMEOUT || (result == SHMRING_LOST && ends[_i] == 0));
    shmring_reader_resume(reader);
    ck_assert_int_eq(shmring_reader_attach(reader, LONG, NULL), SHMRING_OK);
    tell_to_put(&second);
    read_many(reader, 1, 1);
    shmring_reader_free(reader);
    ck_assert_int_eq(end_child(&second), 0);
    unlink(path_of(name, ".old"));
    unlink(path_of(name, ".old-ctl"));
}
END_TEST

/* As a kill between the two renames leaves it: the .ctl of another segment beside the old NAME. */
START_TEST(a_writer_that_died_between_two_renames) {
    static const uint32_t ends[] = {0, 1u << SHMRING_LOST};
    const char *ring = name;
    struct child first = start_writer();
    struct shmring_reader *reader = new_reader_that_goes_on(ends[_i]);
    struct shmring_error error;
    struct shmring_frame *frame = NULL;
    name = new_name();
    struct child other = start_writer();
    kill_child(&first);
    kill_child(&other);
    ck_assert_int_eq(rename(path_of(name, ".ctl"), path_of(ring, ".ctl")), 0);
    unlink(path_of(name, ""));
    name = ring;
    int result = shmring_reader_take(reader, 300000000, &frame, &error);
    ck_assert_int_eq(result, ends[_i] ? SHMRING_TIMEOUT : SHMRING_LOST);
    assert_says(&error, "died");
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_int_eq(shmring_reader_attach(reader, LONG, NULL), SHMRING_OK);
    ck_assert_int_eq(take_result(reader, 200000000), SHMRING_TIMEOUT); /* it is there by then */
    put(writer, 1);
    read_many(reader, 1, 1);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
    ck_assert_int_eq(shm_entries(name, false), 0);
}
END_TEST

/* Somebody removed what the dead writer left, and the next one's numbers begin anew: that is told.
 */
START_TEST(another_ring_of_the_name_is_no_sequel) {
    struct child first = start_writer();
    struct shmring_reader *reader = new_reader_that_goes_on(1u << SHMRING_LOST);
    for (uint64_t number = 1; number <= 5; number++) {
        tell_to_put(&first);
        read_many(reader, number, number);
    }
    kill_child(&first);
    remove_names();
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_int_eq(shmring_writer_wait_reader(writer, 0), SHMRING_TIMEOUT);
    ck_assert_int_eq(take_result(reader, 300000000), SHMRING_TIMEOUT);
    put(writer, 1);
    struct shmring_frame *frame = take(reader, 1);
    ck_assert(frame->is_first);
    ck_assert_uint_eq(frame->missed, 0);
    shmring_frame_release(frame);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* Its own place, in the same memory: not one frame is missing. */
START_TEST(a_dead_writers_ring_goes_on_without_a_gap) {
    struct child child = start_writer();
    struct shmring_reader *reader = new_reader_that_goes_on(1u << SHMRING_LOST);
    struct shmring_frame *frame;
    struct shmring_error error;
    tell_to_put(&child);
    tell_to_put(&child);
    read_many(reader, 1, 1);
    kill_child(&child);
    read_many(reader, 2, 2);
    ck_assert_int_eq(shmring_reader_take(reader, 300000000, &frame, &error), SHMRING_TIMEOUT);
    assert_says(&error, "died"); /* it knows */
    struct shmring_writer *writer = new_writer(name, 4);
    put(writer, 3);
    frame = take(reader, 3);
    ck_assert_uint_eq(frame->info.seq, 3);
    ck_assert_uint_eq(frame->missed, 0);
    ck_assert(!frame->is_first);
    ck_assert(frame->info.flags & SHMRING_FRAME_DISCONT);
    shmring_frame_release(frame);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* Superseded while the name is still the old one's: its successor is on the way. */
START_TEST(a_successor_that_is_not_there_yet_is_waited_for) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    writer_segment(writer)->header->state = STATE_SUPERSEDED;
    ck_assert_int_eq(take_result(reader, 5000000), SHMRING_TIMEOUT);
    ck_assert_int_eq(shmring_writer_resize(writer, 6, FRAME_SIZE, 4096, NULL), SHMRING_OK);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 1);
    read_many(reader, 1, 1);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_successor_without_a_place_is_told) {
    struct shmring_writer_options options = writer_options(4);
    options.max_readers = 1;
    struct shmring_writer *writer = open_writer(name, &options);
    struct shmring_reader *reader = new_latest(name, 9);
    put_many(writer, 1, 2);
    ck_assert_int_eq(shmring_writer_resize(writer, 6, FRAME_SIZE, 4096, NULL), SHMRING_OK);
    struct shmring_reader *faster = new_reader(name, 1);
    read_many(reader, 1, 2); /* what it was offered it gets */
    ck_assert_int_eq(take_result(reader, SHMRING_FOREVER), -EUSERS);
    shmring_reader_free(faster);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 3);
    read_many(reader, 3, 3);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* ---- Counting ---- */

/* taken + dropped + flushed = published while attached. */
START_TEST(counts_are_exact) {
    struct shmring_writer *writer = new_writer(name, 8);
    put_many(writer, 1, 10);
    struct shmring_reader *reader = new_latest(name, 2); /* has 10, from before */
    put_many(writer, 11, 13);                            /* 11 dropped */
    read_many(reader, 12, 12);
    shmring_writer_flush(writer); /* 13 flushed */
    put_many(writer, 14, 20);     /* 14 to 18 dropped */
    read_many(reader, 19, 20);
    struct shmring_reader_stats stats = reader_stats(reader);
    ck_assert_uint_eq(stats.received, 3);
    ck_assert_uint_eq(stats.early, 1);
    ck_assert_uint_eq(stats.flushed, 1);
    ck_assert_uint_eq(stats.dropped, 6);
    ck_assert_uint_eq(stats.lag, 0);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_signal_ends_a_wait) {
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    timer_t timer = start_signals();
    ck_assert_int_eq(take_result(reader, SHMRING_FOREVER), SHMRING_INTERRUPTED);
    timer_delete(timer);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("reader");
    tcase_add_checked_fixture(tests, choose_name, NULL);
    tcase_add_test(tests, a_handle_touches_no_ring);
    tcase_add_loop_test(tests, options_that_cannot_be, 0, COUNT(impossible));
    tcase_add_test(tests, no_ring_is_a_timeout_that_says_so);
    tcase_add_test(tests, a_ring_without_its_ctl_is_a_timeout_that_says_so);
    tcase_add_test(tests, a_dead_ring_is_a_timeout_that_says_whose);
    tcase_add_test(tests, an_ended_ring_is_a_timeout_that_says_so);
    tcase_add_test(tests, what_is_no_ring_is_not_waited_for);
    tcase_add_test(tests, attached_already_is_fine);
    tcase_add_test(tests, the_ring_it_is_attached_to);
    tcase_add_test(tests, a_writer_that_comes_ends_the_wait_for_a_ring);
    tcase_add_test(tests, an_interrupt_ends_the_wait_for_a_ring);
    tcase_add_test(tests, an_interrupt_ends_the_wait_for_a_frame);
    tcase_add_loop_test(tests, what_the_writer_does_ends_the_wait_for_a_frame, 0, COUNT(wakers));
    tcase_add_test(tests, a_writer_that_closes_ends_the_wait_for_a_frame);
    tcase_add_test(tests, a_frame_wakes_also_at_the_wrap);
    tcase_add_test(tests, a_killed_writer_is_lost_after_its_last_frame);
    tcase_add_test(tests, a_killed_writer_whose_names_are_gone_is_lost);
    tcase_add_test(tests, a_stopped_writer_is_not_lost);
    tcase_add_test(tests, a_removed_name_does_not_end_a_stream);
    tcase_add_test(tests, attach_is_the_way_back);
    tcase_add_loop_test(tests, a_restarted_writer_is_followed, 0, 2);
    tcase_add_loop_test(tests, a_look_at_half_a_successor_is_not_the_last, 0, 2);
    tcase_add_loop_test(tests, a_writer_that_died_between_two_renames, 0, 2);
    tcase_add_test(tests, another_ring_of_the_name_is_no_sequel);
    tcase_add_test(tests, a_dead_writers_ring_goes_on_without_a_gap);
    tcase_add_test(tests, a_successor_that_is_not_there_yet_is_waited_for);
    tcase_add_test(tests, a_successor_without_a_place_is_told);
    tcase_add_test(tests, counts_are_exact);
    tcase_add_test(tests, a_signal_ends_a_wait);
    return run_tests(tests);
}
