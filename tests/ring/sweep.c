/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sweep.h"

#include "support.h"

static void assert_removed(const char *name) {
    struct shmring_error error = {0};
    int result = shmring_remove(name, true, &error);
    ck_assert_msg(result == 0, "%d %s", result, error.message);
    ck_assert_int_eq(access(path_of(name, ""), F_OK), 0);
    result = shmring_remove(name, false, &error);
    ck_assert_msg(result == 0, "%d %s", result, error.message);
    ck_assert_int_ne(access(path_of(name, ""), F_OK), 0);
    ck_assert_int_ne(access(path_of(name, ".ctl"), F_OK), 0);
    ck_assert_int_eq(shmring_remove(name, false, &error), -ENOENT);
    assert_says(&error, name);
}

static void assert_kept(const char *name, int code, const char *why) {
    for (int only_look = 0; only_look < 2; only_look++) {
        struct shmring_error error = {0};
        ck_assert_int_eq(shmring_remove(name, only_look, &error), code);
        assert_says(&error, why);
    }
    ck_assert_int_eq(access(path_of(name, ""), F_OK), 0);
    ck_assert_int_eq(access(path_of(name, ".ctl"), F_OK), 0);
}

static const char *dead_ring(void) {
    const char *name = new_name();
    struct child child = start_writer(name);
    kill_child(&child);
    return name;
}

START_TEST(a_dead_ring_goes) {
    assert_removed(dead_ring());
}
END_TEST

START_TEST(a_live_one_stays_until_it_is_closed) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    assert_kept(name, -EBUSY, "in use by ");
    shmring_writer_end(writer);
    assert_kept(name, -EBUSY, "in use by ");
    shmring_writer_close(writer);
    ck_assert_int_eq(shmring_remove(name, false, NULL), -ENOENT);
}
END_TEST

START_TEST(a_dead_one_that_is_read_stays) {
    const char *name = new_name();
    struct child writer = start_writer(name);
    struct shmring_reader *reader = new_reader(name, 1);
    kill_child(&writer);
    assert_kept(name, -EBUSY, "readers that may wait");
    shmring_reader_free(reader);
    assert_removed(name);
}
END_TEST

START_TEST(half_of_one_goes) {
    const char *name = dead_ring();
    ck_assert_int_eq(unlink(path_of(name, "")), 0);
    ck_assert_int_eq(shmring_remove(name, true, NULL), 0);
    ck_assert_int_eq(access(path_of(name, ".ctl"), F_OK), 0);
    ck_assert_int_eq(shmring_remove(name, false, NULL), 0);
    ck_assert_int_ne(access(path_of(name, ".ctl"), F_OK), 0);
}
END_TEST

START_TEST(the_half_that_is_being_made_stays) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_int_eq(unlink(path_of(name, "")), 0);
    ck_assert_int_eq(shmring_remove(name, false, NULL), -ENOENT);
    ck_assert_int_eq(access(path_of(name, ".ctl"), F_OK), 0);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(what_is_no_ring_stays) {
    const char *name = new_name();
    FILE *file = fopen(path_of(name, ""), "we");
    fclose(file);
    ck_assert_int_lt(shmring_remove(name, false, NULL), 0);
    ck_assert_int_eq(unlink(path_of(name, "")), 0);
    ck_assert_int_eq(shmring_remove("../x", false, NULL), -EINVAL);
}
END_TEST

/* Of a writer that died between the names and the temporary ones: whoever adopts its ring holds the
 * lock of both. */
START_TEST(temporary_names_of_an_adopted_ring_go) {
    const char *name = dead_ring();
    static const char digits[] = "0123456789abcdef0123456789abcdef";
    char frames[PATH_SIZE + 100], ctl[PATH_SIZE + 100];
    snprintf(frames, sizeof frames, "%s.%s.new", path_of(name, ""), digits);
    snprintf(ctl, sizeof ctl, "%s.%s.ctl.new", path_of(name, ""), digits);
    ck_assert_int_eq(link(path_of(name, ""), frames), 0);
    ck_assert_int_eq(link(path_of(name, ".ctl"), ctl), 0);
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_int_eq(shm_entries(name, false), 2);
    shmring_writer_close(writer);
    ck_assert_int_eq(shm_entries(name, false), 0);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("sweep");
    tcase_add_test(tests, a_dead_ring_goes);
    tcase_add_test(tests, a_live_one_stays_until_it_is_closed);
    tcase_add_test(tests, a_dead_one_that_is_read_stays);
    tcase_add_test(tests, half_of_one_goes);
    tcase_add_test(tests, the_half_that_is_being_made_stays);
    tcase_add_test(tests, what_is_no_ring_stays);
    tcase_add_test(tests, temporary_names_of_an_adopted_ring_go);
    return run_tests(tests);
}
