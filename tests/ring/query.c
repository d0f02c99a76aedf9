/* SPDX-License-Identifier: LGPL-2.1-or-later */
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

static int write_until_killed(struct child *test, const char *name) {
    struct shmring_writer_options options = writer_options(4);
    struct shmring_writer *writer = NULL;
    CHILD_ASSERT(shmring_writer_open(name, &options, &writer, NULL) == 0);
    CHILD_ASSERT(child_say(test, 'O'));
    child_hear(test);
    return 1;
}

START_TEST(a_dead_ring_is_not_live) {
    const char *name = new_name();
    struct child child = start_child(write_until_killed, name);
    ck_assert_int_eq(child_hear(&child), 'O');
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
    tcase_add_test(tests, the_visitor_may_stop);
    tcase_add_test(tests, an_ended_ring_is_not_live);
    tcase_add_test(tests, a_dead_ring_is_not_live);
    tcase_add_test(tests, strangers_are_passed_over);
    return run_tests(tests);
}
