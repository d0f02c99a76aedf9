/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "allocate.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "support.h"

#define MIB (UINT64_C(1) << 20)

/* ---- As kernels before 6.9: a signal undoes the whole call ---- */

static unsigned calls, interruptions; /* of each call that is small enough to get through */
static uint64_t most;                 /* bytes that get through between two signals */

/* Takes the place of the C library's. */
int posix_fallocate(int fd, off_t at, off_t size) {
    calls++;
    if (most && (uint64_t)size > most)
        return EINTR;
    if (interruptions && calls % (interruptions + 1) != 0)
        return EINTR;
    return fallocate(fd, 0, at, size) < 0 ? errno : 0;
}

static int fd;
static const char *path;

static void make_file(void) {
    path = path_of(new_name(), "");
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    calls = interruptions = 0;
    most = 0;
}

static void remove_file(void) {
    close(fd);
    unlink(path);
}

static uint64_t bytes_there(void) {
    struct stat status;
    ck_assert_int_eq(fstat(fd, &status), 0);
    return (uint64_t)status.st_blocks * 512;
}

START_TEST(all_of_it_is_there) {
    static const uint64_t sizes[] = {1, 4096, 4 * MIB, 4 * MIB + 1, 9 * MIB};
    ck_assert_int_eq(allocate_range(fd, 0, sizes[_i]), 0);
    ck_assert_uint_ge(bytes_there(), sizes[_i]);
    ck_assert_uint_lt(bytes_there(), sizes[_i] + 8192);
}
END_TEST

START_TEST(a_part_of_it) {
    ck_assert_int_eq(allocate_range(fd, 0, 4096), 0);
    ck_assert_int_eq(pwrite(fd, "kept", 4, 100), 4);
    ck_assert_int_eq(allocate_range(fd, 8 * MIB, 5 * MIB), 0);
    ck_assert_uint_eq(bytes_there(), 5 * MIB + 4096);
    char kept[4];
    ck_assert_int_eq(allocate_range(fd, 0, 13 * MIB), 0);
    ck_assert_int_eq(pread(fd, kept, 4, 100), 4);
    ck_assert_mem_eq(kept, "kept", 4);
}
END_TEST

/* Between two ticks of a fast timer there is time for some megabytes. */
START_TEST(signals_do_not_end_it) {
    most = 8 * MIB;
    interruptions = 3;
    ck_assert_int_eq(allocate_range(fd, 0, 40 * MIB), 0);
    ck_assert_uint_eq(bytes_there(), 40 * MIB);
}
END_TEST

START_TEST(signals_without_end_are_told) {
    most = 1;
    ck_assert_int_eq(allocate_range(fd, 0, 40 * MIB), -EINTR);
    ck_assert_uint_gt(calls, 100);
}
END_TEST

/* ---- More than a file may have (ulimit -f) ---- */

static void limit_files(rlim_t bytes) {
    const struct rlimit limit = {bytes, bytes};
    setrlimit(RLIMIT_FSIZE, &limit);
}

static bool has_pending(int number) {
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, number);
}

static bool is_blocked(int number) {
    sigset_t blocked;
    return pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0 && sigismember(&blocked, number);
}

/* SIGXFSZ would end it. */
static int exceed(struct child *test, const char *name) {
    limit_files(MIB);
    CHILD_ASSERT(allocate_range(fd, 0, 2 * MIB) == -EFBIG);
    CHILD_ASSERT(!has_pending(SIGXFSZ) && !is_blocked(SIGXFSZ));
    CHILD_ASSERT(allocate_range(fd, 0, MIB) == 0);
    return 0;
}

START_TEST(a_limit_is_told) {
    struct child child = start_child(exceed, "");
    ck_assert_int_eq(end_child(&child), 0);
}
END_TEST

/* Who blocked it has its own reasons, and its own signal. */
static int exceed_with_signal_blocked(struct child *test, const char *name) {
    sigset_t limit;
    sigemptyset(&limit);
    sigaddset(&limit, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &limit, NULL);
    limit_files(MIB);
    CHILD_ASSERT(allocate_range(fd, 0, 2 * MIB) == -EFBIG);
    CHILD_ASSERT(is_blocked(SIGXFSZ));
    return 0;
}

START_TEST(a_limit_with_the_signal_blocked) {
    struct child child = start_child(exceed_with_signal_blocked, "");
    ck_assert_int_eq(end_child(&child), 0);
}
END_TEST

static int exceed_with_a_ring(struct child *test, const char *name) {
    struct shmring_writer_options options = writer_options(4);
    struct shmring_writer *writer = NULL;
    struct shmring_error error = {0};
    limit_files(MIB);
    options.slot_size = MIB;
    CHILD_ASSERT(shmring_writer_open(name, &options, &writer, &error) == -EFBIG);
    CHILD_ASSERT(strstr(error.message, name) && strstr(error.message, "ulimit -f"));
    CHILD_ASSERT(shm_entries(name, false) == 0);
    options.slot_size = FRAME_SIZE;
    CHILD_ASSERT(shmring_writer_open(name, &options, &writer, &error) == 0);
    CHILD_ASSERT(shmring_writer_resize(writer, 4, MIB, 4096, &error) == -EFBIG);
    CHILD_ASSERT(try_put(writer, 1, LONG) == 0); /* and goes on as it was */
    CHILD_ASSERT(shm_entries(name, false) == 2);
    shmring_writer_close(writer);
    return 0;
}

START_TEST(a_ring_beyond_the_limit_leaves_nothing) {
    struct child child = start_child(exceed_with_a_ring, new_name());
    ck_assert_int_eq(end_child(&child), 0);
}
END_TEST

START_TEST(room_is_asked_for) {
    ck_assert(allocate_has_room(fd, 4096));
    ck_assert(!allocate_has_room(fd, UINT64_C(1) << 60));
    ck_assert(!allocate_has_room(fd, UINT64_MAX));
    ck_assert_uint_eq(bytes_there(), 0);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("allocate");
    tcase_add_checked_fixture(tests, make_file, remove_file);
    tcase_add_loop_test(tests, all_of_it_is_there, 0, 5);
    tcase_add_test(tests, a_part_of_it);
    tcase_add_test(tests, signals_do_not_end_it);
    tcase_add_test(tests, signals_without_end_are_told);
    tcase_add_test(tests, a_limit_is_told);
    tcase_add_test(tests, a_limit_with_the_signal_blocked);
    tcase_add_test(tests, a_ring_beyond_the_limit_leaves_nothing);
    tcase_add_test(tests, room_is_asked_for);
    return run_tests(tests);
}
