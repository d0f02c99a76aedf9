/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "layout.h"
#include "support.h"

struct listing {
    const char *wanted;
    struct shmring_info info;
    int found, visited;
};

/* The machine may have other rings: only ours count. */
static bool note(const struct shmring_info *info, void *data) {
    struct listing *listing = data;
    listing->visited++;
    if (strcmp(info->name, listing->wanted) != 0)
        return true;
    listing->info = *info;
    listing->found++;
    return true;
}

static bool stop(const struct shmring_info *info, void *data) {
    ++*(int *)data;
    return false;
}

static struct listing look_for(const char *name) {
    struct listing listing = {.wanted = name};
    ck_assert_int_eq(shmring_list(note, &listing), 0);
    return listing;
}

START_TEST(a_live_ring_is_listed_once) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 6);
    struct shmring_reader *reader = new_reader(name, 1); /* does not matter */
    shmring_writer_set_latency(writer, 5);
    struct listing listing = look_for(name);
    ck_assert_int_eq(listing.found, 1);
    ck_assert_uint_eq(listing.info.slots, 6);
    ck_assert_uint_eq(listing.info.slot_size, FRAME_SIZE);
    ck_assert_uint_eq(listing.info.writer_pid, (uint32_t)getpid());
    ck_assert_int_eq(listing.info.latency_ns, 5);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
    ck_assert_int_eq(look_for(name).found, 0);
}
END_TEST

/* ---- One ring ---- */

START_TEST(what_a_ring_says_of_itself) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 6);
    struct stat frames, ctl;
    ck_assert_uint_eq(query(name).newest, 0);
    ck_assert_uint_eq(query(name).key, 0);
    put_many(writer, 1, 3);
    shmring_writer_drop(writer);
    stat(path_of(name, ""), &frames);
    stat(path_of(name, ".ctl"), &ctl);
    struct shmring_info info = query(name);
    ck_assert_uint_eq(info.struct_size, sizeof info);
    ck_assert_str_eq(info.name, name);
    ck_assert_int_eq(info.state, SHMRING_STATE_LIVE);
    ck_assert_uint_eq(info.slots, 6);
    ck_assert_uint_eq(info.max_readers, 8);
    ck_assert_uint_eq(info.lend_limit, 3);
    ck_assert_uint_eq(info.header_size, 4096);
    ck_assert_uint_eq(info.slot_size, FRAME_SIZE);
    ck_assert_uint_eq(info.total_size, (uint64_t)(frames.st_size + ctl.st_size));
    ck_assert_uint_eq(info.owner, geteuid());
    ck_assert_uint_eq(info.mode, 0600);
    ck_assert_uint_eq(info.newest, 3);
    ck_assert_uint_eq(info.key, 3);
    ck_assert_int_eq(info.waits_for, -1);
    ck_assert_mem_eq(info.instance, writer_segment(writer)->g.instance, 16);
    shmring_writer_close(writer);
}
END_TEST

static void assert_counts(struct shmring_writer *writer, const char *name) {
    struct shmring_info shown = query(name);
    assert_counters(&shown, stats_of(writer));
}

START_TEST(counters_are_those_of_the_writer_at_once) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *latest = new_latest(name, 1), *slow = new_reader(name, 1);
    shmring_writer_set_patience(writer, 1);
    for (uint64_t frame = 1; frame <= 6; frame++) { /* revokes, waits and withdraws */
        struct shmring_slot slot = loan(writer, SHMRING_LOAN_FILL);
        assert_counts(writer, name);
        shmring_slot_return(&slot);
        put(writer, frame);
        assert_counts(writer, name);
    }
    shmring_writer_set_patience(writer, SHMRING_FOREVER);
    shmring_writer_flush(writer);
    assert_counts(writer, name);
    shmring_writer_drop(writer);
    assert_counts(writer, name);
    struct shmring_info info = query(name);
    ck_assert(info.revoked && info.withdrawn && info.flushed && info.waits && info.dropped == 1);
    shmring_reader_free(latest);
    shmring_reader_free(slow);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(states) {
    const char *name = new_name();
    struct child child = start_writer(name);
    kill_child(&child);
    ck_assert_int_eq(query(name).state, SHMRING_STATE_DEAD);
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_int_eq(query(name).state, SHMRING_STATE_LIVE);
    shmring_writer_end(writer);
    ck_assert_int_eq(query(name).state, SHMRING_STATE_ENDED);
    put(writer, 1);
    ck_assert_int_eq(query(name).state, SHMRING_STATE_LIVE);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(no_ring_and_no_name) {
    struct shmring_info info = SHMRING_INFO_INIT;
    struct shmring_error error = {0};
    const char *name = new_name();
    ck_assert_int_eq(shmring_query(name, &info, &error), -ENOENT);
    assert_says(&error, name);
    ck_assert_int_eq(shmring_query("a/b", &info, &error), -EINVAL);
    ck_assert_int_eq(shmring_query_readers(name, NULL, NULL, &error), -ENOENT);
    assert_says(&error, name);
    FILE *file = fopen(path_of(name, ""), "we");
    fclose(file);
    ck_assert_int_eq(shmring_query(name, &info, &error), -EPROTO);
    assert_says(&error, name);
    unlink(path_of(name, ""));
}
END_TEST

/* ---- Its readers ---- */

/* Who may attach may write any mode. */
static void write_mode(const char *name, uint8_t mode) {
    uint64_t word;
    off_t at = sizeof(struct layout_ctl) + offsetof(struct layout_port, attach);
    int fd = open(path_of(name, ".ctl"), O_RDWR);
    ck_assert_int_eq(pread(fd, &word, sizeof word, at), sizeof word);
    word = attach_word(attach_epoch(word), attach_depth(word), mode, attach_state(word));
    ck_assert_int_eq(pwrite(fd, &word, sizeof word, at), sizeof word);
    close(fd);
}

/* Moving, and its frames' memory given up. */
static void give_up_memory(const char *name) {
    int fd = open(path_of(name, ""), O_RDWR | O_CLOEXEC);
    struct layout_header *header =
        mmap(NULL, LAYOUT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    off_t last = lseek(fd, 0, SEEK_END) - LAYOUT_PAGE;
    ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, last, LAYOUT_PAGE),
                     0);
    atomic_store(&header->state, STATE_MOVING);
    munmap(header, LAYOUT_PAGE);
    close(fd);
}

START_TEST(what_is_moving_is_said_to_be) {
    const char *name = new_name(), *said = "is just being made or moved";
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_observer *observer = NULL;
    struct shmring_info info = SHMRING_INFO_INIT;
    struct shmring_error error[3] = {0};
    give_up_memory(name);
    ck_assert_int_eq(shmring_query(name, &info, &error[0]), -EAGAIN);
    ck_assert_int_eq(shmring_query_readers(name, NULL, NULL, &error[1]), -EAGAIN);
    ck_assert_int_eq(shmring_observer_open(name, &observer, &error[2]), -EAGAIN);
    for (size_t i = 0; i < COUNT(error); i++)
        assert_says(&error[i], said);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_mode_that_is_none) {
    const char *name = new_name();
    struct described all = {.count = 0};
    struct shmring_writer *writer = new_writer(name, 6);
    struct shmring_reader *reader = new_reader(name, 1);
    write_mode(name, 7);
    ck_assert_int_eq(shmring_query_readers(name, describe_reader, &all, NULL), 0);
    ck_assert_uint_eq(shmring_writer_each_reader(writer, describe_reader, &all), 0);
    ck_assert_uint_eq(all.count, 0);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(readers_as_they_say) {
    const char *name = new_name();
    struct described all = {.count = 0};
    struct shmring_writer *writer = new_writer(name, 6);
    struct shmring_error error = {0};
    ck_assert_int_eq(shmring_query_readers(name, describe_reader, &all, &error), 0);
    struct shmring_reader *lossless = new_reader(name, 2), *latest = new_latest(name, 3);
    put_many(writer, 1, 4);
    struct shmring_frame *frame = take(lossless, 1);
    ck_assert_int_eq(shmring_query_readers(name, describe_reader, &all, &error), 2);
    ck_assert_uint_eq(all.count, 2);
    ck_assert_uint_eq(all.reader[0].struct_size, sizeof all.reader[0]);
    ck_assert_int_eq(all.reader[0].mode, SHMRING_MODE_ALL);
    ck_assert_uint_eq(all.reader[0].held, 1);
    ck_assert_uint_eq(all.reader[0].offered, 3);
    ck_assert_uint_eq(all.reader[0].lag, 3);
    ck_assert_uint_eq(all.reader[0].pid, (uint32_t)getpid());
    ck_assert_uint_eq(all.reader[1].port, 1);
    ck_assert_uint_eq(all.reader[1].depth, 3);
    ck_assert_uint_eq(all.reader[1].offered, 3);
    ck_assert_uint_eq(all.reader[0].dropped, 0);
    ck_assert_int_eq(query(name).free_slots, 6 - 4);
    shmring_frame_release(frame);
    shmring_reader_free(lossless);
    shmring_frame_release(take(latest, 2));
    all.count = 0;
    ck_assert_int_eq(shmring_query_readers(name, describe_reader, &all, &error), 1);
    ck_assert_uint_eq(all.reader[0].port, 1);
    ck_assert_uint_eq(all.reader[0].received, 1);
    ck_assert_uint_eq(all.reader[0].dropped, 1);
    shmring_reader_free(latest);
    shmring_writer_close(writer);
}
END_TEST

struct loaning {
    struct shmring_writer *writer;
    int result;
};

static void *loan_for_ever(void *data) {
    struct loaning *l = data;
    struct shmring_slot slot;
    l->result = shmring_writer_loan(l->writer, SHMRING_LOAN_FILL, SHMRING_FOREVER, &slot, NULL);
    shmring_slot_return(&slot);
    return NULL;
}

START_TEST(whom_the_writer_waits_for) {
    const char *name = new_name();
    struct loaning l = {.writer = new_writer(name, 4)};
    struct shmring_reader *latest = new_latest(name, 1), *slow = new_reader(name, 1);
    struct described all = {.count = 0};
    pthread_t thread;
    put_many(l.writer, 1, 4);
    ck_assert_int_eq(pthread_create(&thread, NULL, loan_for_ever, &l), 0);
    int64_t deadline = deadline_after(LONG);
    while (query(name).waits_for < 0 && deadline_left(deadline, 1))
        sched_yield();
    struct shmring_info info = query(name);
    ck_assert(info.waits_for == 1 || info.waits_for == -1); /* it looks again ten times a second */
    ck_assert_int_ge(info.waited_ns, 0);
    do {
        all.count = 0;
        ck_assert_int_eq(shmring_query_readers(name, describe_reader, &all, NULL), 2);
    } while (!all.reader[1].is_waited_for && deadline_left(deadline, 1));
    ck_assert(!all.reader[0].is_waited_for && all.reader[1].is_waited_for);
    read_many(slow, 1, 1);
    pthread_join(thread, NULL);
    ck_assert_int_eq(l.result, SHMRING_OK);
    ck_assert_int_eq(query(name).waits_for, -1);
    shmring_reader_free(slow);
    shmring_reader_free(latest);
    shmring_writer_close(l.writer);
}
END_TEST

/* ---- What it costs ---- */

/* No page of it is mapped, whatever its size. */
START_TEST(a_look_does_not_touch_the_frames) {
    const char *name = new_name();
    struct shmring_writer_options options = writer_options(4);
    struct rusage before, after;
    options.slot_size = 8 << 20;
    struct shmring_writer *writer = open_writer(name, &options);
    query(name);
    getrusage(RUSAGE_SELF, &before);
    for (int i = 0; i < 50; i++)
        query(name);
    getrusage(RUSAGE_SELF, &after);
    ck_assert_int_lt(after.ru_minflt - before.ru_minflt, 500); /* 8192 pages a look otherwise */
    shmring_writer_close(writer);
}
END_TEST

/* ---- All rings ---- */

START_TEST(the_visitor_may_stop) {
    struct shmring_writer *one = new_writer(new_name(), 4), *two = new_writer(new_name(), 4);
    int visits = 0;
    ck_assert_int_eq(shmring_list(stop, &visits), 0);
    ck_assert_int_eq(visits, 1);
    ck_assert_int_ge(look_for("").visited, 2);
    shmring_writer_close(one);
    shmring_writer_close(two);
}
END_TEST

START_TEST(an_ended_ring_is_not_live) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    shmring_writer_end(writer);
    ck_assert_int_eq(look_for(name).found, 0);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_dead_ring_is_not_live) {
    const char *name = new_name();
    struct child child = start_writer(name);
    ck_assert_int_eq(look_for(name).found, 1);
    kill_child(&child);
    ck_assert_int_eq(look_for(name).found, 0);
    shmring_writer_close(new_writer(name, 4));
}
END_TEST

START_TEST(strangers_are_passed_over) {
    const char *file = new_name(), *directory = new_name(), *fifo = new_name();
    fclose(fopen(path_of(file, ""), "we"));
    ck_assert_int_eq(mkdir(path_of(directory, ""), 0700), 0);
    ck_assert_int_eq(mkfifo(path_of(fifo, ""), 0600), 0);
    ck_assert_int_eq(look_for(file).found, 0);
    ck_assert_int_eq(look_for(directory).found, 0);
    ck_assert_int_eq(look_for(fifo).found, 0);
    remove(path_of(file, ""));
    remove(path_of(directory, ""));
    remove(path_of(fifo, ""));
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("query");
    tcase_add_test(tests, a_live_ring_is_listed_once);
    tcase_add_test(tests, what_a_ring_says_of_itself);
    tcase_add_test(tests, counters_are_those_of_the_writer_at_once);
    tcase_add_test(tests, states);
    tcase_add_test(tests, no_ring_and_no_name);
    tcase_add_test(tests, what_is_moving_is_said_to_be);
    tcase_add_test(tests, a_mode_that_is_none);
    tcase_add_test(tests, readers_as_they_say);
    tcase_add_test(tests, whom_the_writer_waits_for);
    tcase_add_test(tests, a_look_does_not_touch_the_frames);
    tcase_add_test(tests, the_visitor_may_stop);
    tcase_add_test(tests, an_ended_ring_is_not_live);
    tcase_add_test(tests, a_dead_ring_is_not_live);
    tcase_add_test(tests, strangers_are_passed_over);
    return run_tests(tests);
}
