/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names that cannot be moved, or lead to where a ring was. */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "support.h"

/* ---- A rename that fails ---- */

static int renames_left = -1; /* until one fails, and the next, which is its second try; -1: none */

int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    if (renames_left == 0 || renames_left == 1) {
        renames_left = renames_left ? 0 : -1;
        errno = EIO;
        return -1;
    }
    renames_left -= renames_left > 0;
    return (int)syscall(SYS_renameat2, from, old, to, new, flags);
}

int rename(const char *old, const char *new) {
    return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0);
}

START_TEST(a_resize_that_cannot_rename_changes_nothing) {
    const char *name = new_name();
    struct shmring_error error = {0};
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    put(writer, 1);
    renames_left = 1 + _i;
    int result = shmring_writer_resize(writer, 5, FRAME_SIZE, 4096, &error);
    renames_left = -1;
    ck_assert_int_eq(result, -EIO);
    ck_assert_ptr_nonnull(strstr(error.message, name));
    ck_assert_int_eq(shm_entries(name, false), 2);
    read_many(reader, 1, 1);
    put(writer, 2);
    read_many(reader, 2, 2);
    struct shmring_reader *other = new_reader(name, 0);
    put(writer, 3);
    read_many(other, 3, 3);
    read_many(reader, 3, 3);
    shmring_reader_free(other);
    ck_assert_int_eq(shmring_writer_resize(writer, 5, FRAME_SIZE, 4096, NULL), 0);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* Whatever fails on the way, the next one finds nothing that keeps it from the name. */
START_TEST(a_takeover_that_cannot_rename_shuts_nobody_out) {
    const char *name = new_name();
    struct shmring_writer_options options = writer_options(5);
    struct shmring_error error = {0};
    struct shmring_writer *writer = NULL;
    struct child child = start_writer(name);
    kill_child(&child);
    renames_left = 1 + _i;
    ck_assert_int_eq(shmring_writer_open(name, &options, &writer, &error), -EIO);
    renames_left = -1;
    writer = open_writer(name, &options);
    struct shmring_reader *reader = new_reader(name, 1);
    put(writer, 1);
    read_many(reader, 1, 1);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
    ck_assert_int_eq(shm_entries(name, false), 0);
}
END_TEST

/* ---- What somebody puts where a live writer's names were ---- */

static const char *const suffixes[] = {"", ".ctl"};

/* The ring's first segment under other names, from where it can be put back. */
static void keep_old_files(const char *name, const char *kept) {
    for (size_t i = 0; i < COUNT(suffixes); i++)
        ck_assert_int_eq(link(path_of(name, suffixes[i]), path_of(kept, suffixes[i])), 0);
}

static void assert_attachable(const char *name, struct shmring_writer *writer, uint64_t number) {
    struct shmring_reader *reader = new_reader(name, 1);
    put(writer, number);
    read_many(reader, number, number);
    shmring_reader_free(reader);
    ck_assert_int_eq(shm_entries(name, false), 2);
}

/* Whichever of the two: the ring's files of before the resize. Nobody writes them any more. */
START_TEST(old_names_put_back_are_replaced) {
    const char *name = new_name(), *kept = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    keep_old_files(name, kept);
    ck_assert_int_eq(shmring_writer_resize(writer, 5, FRAME_SIZE, 4096, NULL), 0);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT); /* follows */
    put(writer, 1);
    read_many(reader, 1, 1);
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        if ((_i + 1) & 1 << i)
            ck_assert_int_eq(rename(path_of(kept, suffixes[i]), path_of(name, suffixes[i])), 0);
    }
    while (stats_of(writer).names_lost == 0) /* as it finds out by itself */
        usleep(1000);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT);
    put(writer, 2);
    read_many(reader, 2, 2);
    assert_attachable(name, writer, 3);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
    ck_assert_int_eq(shm_entries(name, false), 0);
    shm_entries(kept, true);
}
END_TEST

/* Whose reader cannot follow while the pair is of two segments, so that the writer still has both.
 */
START_TEST(an_old_name_put_back_while_its_segment_is_read) {
    const char *name = new_name(), *kept = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    keep_old_files(name, kept);
    put(writer, 1);
    ck_assert_int_eq(shmring_writer_resize(writer, 5, FRAME_SIZE, 4096, NULL), 0);
    ck_assert_int_eq(rename(path_of(kept, suffixes[_i]), path_of(name, suffixes[_i])), 0);
    read_many(reader, 1, 1);
    while (stats_of(writer).names_lost == 0)
        usleep(1000);
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT); /* follows */
    put(writer, 2);
    read_many(reader, 2, 2);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
    ck_assert_int_eq(shm_entries(name, false), 0);
    shm_entries(kept, true);
}
END_TEST

/* Its writer finds out when it writes; who waits until then is told. */
START_TEST(a_name_that_is_missing_is_told) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    struct shmring_error error = {0};
    struct shmring_frame *frame;
    unlink(path_of(name, suffixes[_i]));
    ck_assert_int_eq(shmring_reader_take(reader, 0, &frame, &error), SHMRING_TIMEOUT);
    assert_says(&error, "there is none yet"); /* no name is looked at */
    ck_assert_int_eq(shmring_reader_take(reader, 1, &frame, &error), SHMRING_TIMEOUT);
    assert_says(&error, "somebody removed it from /dev/shm");
    put(writer, 1);
    read_many(reader, 1, 1);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* While its writer lives it stays that one's, and is named. */
START_TEST(a_name_of_another_live_ring_stays) {
    const char *name = new_name(), *other_name = new_name(), *path = path_of(name, suffixes[_i]);
    struct shmring_writer *writer = new_writer(name, 4), *other = new_writer(other_name, 4);
    struct shmring_error error = {0};
    struct stat before, after;
    ck_assert_int_eq(rename(path_of(other_name, suffixes[_i]), path), 0);
    ck_assert_int_eq(stat(path, &before), 0);
    ck_assert_int_eq(shmring_writer_resize(writer, 5, FRAME_SIZE, 4096, &error), -EBUSY);
    assert_says(&error, path);
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert(before.st_ino == after.st_ino);
    shmring_writer_close(other);
    ck_assert_int_eq(shmring_writer_resize(writer, 5, FRAME_SIZE, 4096, &error), 0);
    assert_attachable(name, writer, 1);
    shmring_writer_close(writer);
}
END_TEST

static int put_file(const char *path) {
    FILE *file = fopen(path, "w");
    return file && fputs("somebody's own", file) >= 0 ? fclose(file) : -1;
}

static int put_directory(const char *path) {
    return mkdir(path, 0700);
}

static int put_symlink(const char *path) {
    return symlink("nowhere", path);
}

/* What no ring made is not the ring's to remove. */
START_TEST(what_is_no_ring_stays) {
    static int (*const puts[])(const char *path) = {put_file, put_directory, put_symlink};
    const char *name = new_name(), *path = path_of(name, suffixes[_i % 2]);
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_error error = {0};
    struct stat before, after;
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(puts[_i / 2](path), 0);
    ck_assert_int_eq(lstat(path, &before), 0);
    ck_assert_int_eq(shmring_writer_resize(writer, 5, FRAME_SIZE, 4096, &error), -EEXIST);
    assert_says(&error, path_of(name, ""));
    ck_assert_int_eq(lstat(path, &after), 0);
    ck_assert(before.st_ino == after.st_ino && before.st_mode == after.st_mode);
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(shmring_writer_resize(writer, 5, FRAME_SIZE, 4096, &error), 0);
    assert_attachable(name, writer, 1);
    shmring_writer_close(writer);
}
END_TEST

/* ---- One file of /dev/shm, mounted somewhere else ---- */

/* Two files of the writer's /dev/shm in one of our own, as a container has it. */
static bool mount_files(const char *name) {
    char whole[] = "/tmp/ring-names-XXXXXX", from[sizeof whole + 300];
    bool good = mkdtemp(whole) && mount(SHM_DIR, whole, NULL, MS_BIND, NULL) == 0 &&
                mount("tmpfs", SHM_DIR, "tmpfs", 0, "size=1m") == 0;
    for (int i = 0; i < 2 && good; i++) {
        const char *to = path_of(name, suffixes[i]);
        snprintf(from, sizeof from, "%s/%s%s", whole, name, suffixes[i]);
        good = mknod(to, S_IFREG | 0600, 0) == 0 && mount(from, to, NULL, MS_BIND, NULL) == 0;
    }
    umount2(whole, MNT_DETACH);
    rmdir(whole);
    return good;
}

/* Where this reader is, both names lead to the first segment for ever. */
static int read_through_a_bind_mount(struct child *test, const char *name) {
    struct shmring_reader *reader = NULL;
    struct shmring_frame *frame;
    struct shmring_error error = {0};
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return 77;
    CHILD_ASSERT(mount_files(name));
    CHILD_ASSERT(shmring_reader_new(name, NULL, &reader, NULL) == 0);
    CHILD_ASSERT(shmring_reader_attach(reader, LONG, NULL) == SHMRING_OK);
    child_say(test, 'a');
    child_hear(test);
    int64_t began = monotonic_ns();
    CHILD_ASSERT(shmring_reader_take(reader, LONG, &frame, &error) == -ESTALE);
    CHILD_ASSERT(monotonic_ns() - began >= INT64_C(1900000000));
    CHILD_ASSERT(strstr(error.message, name) && strstr(error.message, "mounted"));
    shmring_reader_free(reader);
    return 0;
}

START_TEST(a_file_that_is_mounted_alone) {
    const char *name = new_name();
    struct shmring_writer_options options = writer_options(4);
    options.patience_ns = 0;
    struct shmring_writer *writer = open_writer(name, &options);
    struct child child = start_child(read_through_a_bind_mount, name);
    if (child_hear(&child) == 'a') {
        ck_assert_int_eq(shmring_writer_resize(writer, 5, FRAME_SIZE, 4096, NULL), 0);
        ck_assert(child_say(&child, 'r'));
        ck_assert_int_eq(end_child(&child), 0);
    } else {
        ck_assert_int_eq(end_child(&child), 77);
        fprintf(stderr, "skipped: a_file_that_is_mounted_alone, no mount namespace here\n");
    }
    shmring_writer_close(writer);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("names");
    tcase_add_loop_test(tests, a_resize_that_cannot_rename_changes_nothing, 0, 2);
    tcase_add_loop_test(tests, a_takeover_that_cannot_rename_shuts_nobody_out, 0, 2);
    tcase_add_loop_test(tests, old_names_put_back_are_replaced, 0, 3);
    tcase_add_loop_test(tests, an_old_name_put_back_while_its_segment_is_read, 0, 2);
    tcase_add_loop_test(tests, a_name_that_is_missing_is_told, 0, 2);
    tcase_add_loop_test(tests, a_name_of_another_live_ring_stays, 0, 2);
    tcase_add_loop_test(tests, what_is_no_ring_stays, 0, 6);
    tcase_add_test(tests, a_file_that_is_mounted_alone);
    return run_tests(tests);
}
