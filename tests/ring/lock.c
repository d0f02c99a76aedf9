/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lock.h"

#include <fcntl.h>

#include "support.h"

static const char *path;

static int open_file(int flags) {
    int fd = open(path, flags | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void make_path(void) {
    path = path_of(new_name(), "");
}

static void remove_path(void) {
    unlink(path);
}

START_TEST(one_open_file_has_a_byte) {
    int first = open_file(O_RDWR), second = open_file(O_RDWR);
    ck_assert_int_eq(lock_try(first, 3), 0);
    ck_assert_int_eq(lock_try(second, 3), -EAGAIN);
    ck_assert_int_eq(lock_try(first, 3), 0);
    ck_assert_int_eq(lock_try(second, 2), 0);
    ck_assert_int_eq(lock_try(second, 4), 0);
    lock_release(first, 3);
    ck_assert_int_eq(lock_try(second, 3), 0);
}
END_TEST

START_TEST(asking_is_not_taking) {
    int owner = open_file(O_RDWR), other = open_file(O_RDONLY);
    ck_assert(!lock_is_held(other, 0));
    ck_assert_int_eq(lock_try(owner, 0), 0);
    ck_assert(lock_is_held(other, 0));
    ck_assert(!lock_is_held(other, 1));
    ck_assert(!lock_is_held(owner, 0)); /* by another than itself */
    lock_release(owner, 0);
    ck_assert(!lock_is_held(other, 0));
}
END_TEST

START_TEST(taking_needs_write_permission) {
    int fd = open_file(O_RDONLY);
    ck_assert_int_eq(lock_try(fd, 0), -EBADF);
}
END_TEST

/* Or whoever may read the file could keep the dead looking alive. */
START_TEST(a_read_lock_counts_for_nothing) {
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1};
    int observer = open_file(O_RDONLY), other = open_file(O_RDWR);
    ck_assert_int_eq(fcntl(observer, F_OFD_SETLK, &lock), 0);
    ck_assert(!lock_is_held(other, 0));
}
END_TEST

START_TEST(closing_lets_go) {
    int first = open_file(O_RDWR), second = open_file(O_RDWR);
    ck_assert_int_eq(lock_try(first, 0), 0);
    close(first);
    ck_assert_int_eq(lock_try(second, 0), 0);
}
END_TEST

/* POSIX record locks are lost by that: whoever opened the file for a look would drop them. */
START_TEST(closing_another_descriptor_of_the_file_does_not) {
    int owner = open_file(O_RDWR), other = open_file(O_RDWR);
    ck_assert_int_eq(lock_try(owner, 0), 0);
    close(open_file(O_RDWR));
    ck_assert(lock_is_held(other, 0));
}
END_TEST

static int hold(struct child *test, const char *name) {
    int fd = open(name, O_RDWR | O_CLOEXEC);
    CHILD_ASSERT(lock_try(fd, 7) == 0);
    CHILD_ASSERT(child_say(test, 'L'));
    return child_hear(test);
}

START_TEST(death_lets_go) {
    int fd = open_file(O_RDWR);
    struct child child = start_child(hold, path);
    ck_assert_int_eq(child_hear(&child), 'L');
    ck_assert(lock_is_held(fd, 7));
    ck_assert_int_eq(lock_try(fd, 7), -EAGAIN);
    kill_child(&child);
    ck_assert(!lock_is_held(fd, 7));
    ck_assert_int_eq(lock_try(fd, 7), 0);
}
END_TEST

START_TEST(a_stopped_owner_keeps_it) {
    int fd = open_file(O_RDWR), status;
    struct child child = start_child(hold, path);
    ck_assert_int_eq(child_hear(&child), 'L');
    kill(child.pid, SIGSTOP);
    ck_assert_int_eq(waitpid(child.pid, &status, WUNTRACED), child.pid);
    ck_assert(WIFSTOPPED(status));
    ck_assert_int_eq(lock_try(fd, 7), -EAGAIN);
    kill_child(&child);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("lock");
    tcase_add_checked_fixture(tests, make_path, remove_path);
    tcase_add_test(tests, one_open_file_has_a_byte);
    tcase_add_test(tests, asking_is_not_taking);
    tcase_add_test(tests, taking_needs_write_permission);
    tcase_add_test(tests, a_read_lock_counts_for_nothing);
    tcase_add_test(tests, closing_lets_go);
    tcase_add_test(tests, closing_another_descriptor_of_the_file_does_not);
    tcase_add_test(tests, death_lets_go);
    tcase_add_test(tests, a_stopped_owner_keeps_it);
    return run_tests(tests);
}
