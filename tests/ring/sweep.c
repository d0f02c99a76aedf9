/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sweep.h"

#include <fcntl.h>

#include "lock.h"
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

static int resize_and_wait(struct child *test, const char *name) {
    struct shmring_writer *writer = new_writer(name, 4);
    put(writer, 1);
    CHILD_ASSERT(shmring_writer_resize(writer, 5, FRAME_SIZE, 4096, NULL) == 0);
    child_say(test, 'm');
    child_hear(test);
    return 0;
}

/* Readers of the one before may be on their way. */
START_TEST(one_that_just_took_anothers_place_stays) {
    const char *name = new_name();
    struct child child = start_child(resize_and_wait, name);
    ck_assert_int_eq(child_hear(&child), 'm');
    kill_child(&child);
    assert_kept(name, -EAGAIN, "a moment ago");
    shmring_writer_close(new_writer(name, 4));
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

static int remove_what_is_mounted(struct child *test, const char *name) {
    static const char *const kept[] = {"", ".ctl"};
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return 77;
    for (int i = 0; i < 2; i++) {
        const char *path = path_of(name, kept[i]);
        struct shmring_error error = {0};
        CHILD_ASSERT(mount(path, path, NULL, MS_BIND, NULL) == 0);
        CHILD_ASSERT(shmring_remove(name, false, &error) == -EBUSY && error.code == -EBUSY);
        CHILD_ASSERT(strstr(error.message, path) && strstr(error.message, "a mount of"));
        umount2(path, MNT_DETACH);
    }
    return 0;
}

START_TEST(what_cannot_be_removed_says_why) {
    const char *name = dead_ring();
    struct child child = start_child(remove_what_is_mounted, name);
    int status = end_child(&child);
    if (status == 77)
        fprintf(stderr, "skipped: what_cannot_be_removed_says_why, no mount namespace here\n");
    ck_assert(status == 0 || status == 77);
    ck_assert_int_eq(shmring_remove(name, false, NULL), 0);
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

/* ---- What crashes left under temporary names ---- */

#define DIGITS "0123456789abcdef0123456789abcdef"

static const char *leftover_of(const char *name, const char *suffix) {
    static char paths[2][PATH_SIZE];
    static unsigned count;
    char *path = paths[++count % 2];
    snprintf(path, sizeof paths[0], SHM_DIR "/%.100s." DIGITS "%s.new", name, suffix);
    return path;
}

START_TEST(leftovers_are_swept) {
    const char *name = new_name();
    const char *frames = leftover_of(name, ""), *ctl = leftover_of(name, ".ctl");
    write_file(frames, "half");
    write_file(ctl, "");
    shmring_writer_close(new_writer(name, 4));
    ck_assert_int_eq(access(frames, F_OK), -1);
    ck_assert_int_eq(access(ctl, F_OK), -1);
}
END_TEST

/* Its writer was killed in the midst of a resize; the next one takes the old segment as it lies. */
START_TEST(leftovers_of_an_adopted_ring_are_swept) {
    const char *name = dead_ring(), *frames = leftover_of(name, "");
    write_file(frames, "half");
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_int_eq(access(frames, F_OK), -1);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(what_a_live_writer_makes_is_not_swept) {
    const char *name = new_name(), *frames = leftover_of(name, "");
    write_file(frames, "half");
    int fd = open(frames, O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(lock_try(fd, LOCK_WRITER), 0);
    shmring_writer_close(new_writer(name, 4));
    assert_content(frames, "half");
    close(fd);
    shmring_writer_close(new_writer(name, 4));
    ck_assert_int_eq(access(frames, F_OK), -1);
}
END_TEST

/* A sweep may come between the making of a file and its lock: then it is made anew. */
struct sweeping {
    const char *name[2];
    _Atomic bool over;
};

static void *sweep_again_and_again(void *data) {
    struct sweeping *s = data;
    while (!s->over) {
        sweep_leftovers(s->name[0]);
        sweep_leftovers(s->name[1]);
    }
    return NULL;
}

START_TEST(a_sweep_at_any_moment_is_harmless) {
    struct sweeping s = {.name = {new_name(), new_name()}};
    struct shmring_writer *writer = new_writer(s.name[0], 4);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, sweep_again_and_again, &s), 0);
    for (uint32_t i = 0; i < 300; i++) {
        struct shmring_error error = {0};
        int result = shmring_writer_resize(writer, 4 + i % 3, FRAME_SIZE, 4096, &error);
        ck_assert_msg(result == 0, "%d %s", result, error.message);
        shmring_writer_close(new_writer(s.name[1], 4));
    }
    s.over = true;
    pthread_join(thread, NULL);
    shmring_writer_close(writer);
}
END_TEST

struct looking {
    const char *path;
    _Atomic bool begun, over;
};

/* As a sweep does, to see whether it is dead; half of the time it has the lock. */
static void *look_again_and_again(void *data) {
    struct looking *l = data;
    while (!l->over) {
        int fd = open(l->path, O_RDWR | O_CLOEXEC);
        if (fd >= 0)
            lock_try(fd, LOCK_WRITER);
        l->begun = true;
        usleep(300);
        if (fd >= 0)
            close(fd);
        usleep(300); /* a sweep comes once in a while */
    }
    return NULL;
}

static int open_under_eyes(const char *name, uint32_t slots) {
    struct shmring_writer_options options = writer_options(slots);
    struct looking l = {.path = path_of(name, ".ctl")};
    struct shmring_writer *writer = NULL;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, look_again_and_again, &l), 0);
    while (!l.begun)
        sched_yield();
    int result = shmring_writer_open(name, &options, &writer, NULL);
    l.over = true;
    pthread_join(thread, NULL);
    shmring_writer_close(writer);
    return result;
}

START_TEST(a_dead_ring_that_is_looked_at_is_not_in_use) {
    int refusals = 0;
    for (int round = 0; round < 30; round++) {
        const char *name = dead_ring();
        if (open_under_eyes(name, round % 2 ? 4 : 6) == 0)
            continue;
        refusals++;
        shmring_writer_close(new_writer(name, 4));
    }
    /* On a busy machine a look may last as long as all tries. */
    ck_assert_int_le(refusals, 4);
}
END_TEST

START_TEST(other_rings_leftovers_are_not_swept) {
    const char *name = new_name(), *other = new_name(), *frames = leftover_of(other, "");
    write_file(frames, "half");
    shmring_writer_close(new_writer(name, 4));
    assert_content(frames, "half");
    unlink(frames);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("sweep");
    tcase_add_test(tests, a_dead_ring_goes);
    tcase_add_test(tests, a_live_one_stays_until_it_is_closed);
    tcase_add_test(tests, a_dead_one_that_is_read_stays);
    tcase_add_test(tests, one_that_just_took_anothers_place_stays);
    tcase_add_test(tests, half_of_one_goes);
    tcase_add_test(tests, the_half_that_is_being_made_stays);
    tcase_add_test(tests, what_cannot_be_removed_says_why);
    tcase_add_test(tests, what_is_no_ring_stays);
    tcase_add_test(tests, temporary_names_of_an_adopted_ring_go);
    tcase_add_test(tests, leftovers_are_swept);
    tcase_add_test(tests, leftovers_of_an_adopted_ring_are_swept);
    tcase_add_test(tests, what_a_live_writer_makes_is_not_swept);
    tcase_add_test(tests, a_sweep_at_any_moment_is_harmless);
    tcase_add_test(tests, a_dead_ring_that_is_looked_at_is_not_in_use);
    tcase_add_test(tests, other_rings_leftovers_are_not_swept);
    return run_tests(tests);
}
