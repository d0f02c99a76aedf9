/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "create.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>

#include "lock.h"
#include "support.h"

/* In place of libc's: who can open a file can lock it, so it is nobody else's until we have. */
int fchmod(int fd, mode_t mode) {
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int other = mode & 077 ? open(path, O_RDWR | O_CLOEXEC) : -1;
    ck_assert(other < 0 || lock_is_held(other, LOCK_WRITER));
    if (other >= 0)
        close(other);
    return (int)syscall(SYS_fchmod, fd, mode);
}

static mode_t mode_of(const char *path) {
    struct stat status = {0};
    ck_assert_msg(stat(path, &status) == 0, "%s", path);
    return status.st_mode & 07777;
}

/* What opening a writer says; there must be no writer. */
static int refusal(const char *name, const struct shmring_writer_options *options,
                   struct shmring_error *error) {
    struct shmring_writer *writer = NULL;
    *error = (struct shmring_error){0};
    int result = shmring_writer_open(name, options, &writer, error);
    ck_assert_ptr_null(writer);
    ck_assert_int_eq(error->code, result);
    return result;
}

/* ---- A name that is free ---- */

START_TEST(a_name_comes_complete_and_goes) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct segment *seg = writer_segment(writer), *opened = NULL;
    ck_assert_int_eq(shm_entries(name, false), 2); /* nothing under temporary names */
    struct layout_header header;
    ck_assert_int_eq(segment_look(name, SEGMENT_ATTACH, &opened, &header, NULL), 0);
    ck_assert(segment_has_writer(opened));
    ck_assert(lock_is_held(opened->frames_fd, LOCK_WRITER));
    ck_assert_mem_eq(opened->g.instance, seg->g.instance, 16);
    ck_assert_mem_eq(seg->ctl->instance, seg->g.instance, 16);
    segment_unref(opened);
    shmring_writer_close(writer);
    ck_assert_int_eq(shm_entries(name, false), 0);
}
END_TEST

START_TEST(the_header_says_who_and_when) {
    int64_t before = realtime_ns();
    struct shmring_writer *writer = new_writer(new_name(), 4);
    const struct layout_header *header = writer_segment(writer)->header;
    ck_assert_uint_eq(header->writer_pid, (uint32_t)getpid());
    ck_assert_str_eq((const char *)header->writer_process, own_process());
    ck_assert(header->created_ns >= before && header->created_ns <= realtime_ns());
    ck_assert_uint_eq(header->state, STATE_ACTIVE);
    ck_assert_uint_eq(header->head, 1);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(two_rings_have_two_instances) {
    struct shmring_writer *one = new_writer(new_name(), 4), *two = new_writer(new_name(), 4);
    ck_assert_mem_ne(writer_segment(one)->g.instance, writer_segment(two)->g.instance, 16);
    shmring_writer_close(one);
    shmring_writer_close(two);
}
END_TEST

static const struct {
    uint32_t perms;
    mode_t frames, ctl;
} permissions[] = {
    {0600, 0600, 0600}, {0640, 0640, 0600}, {0660, 0640, 0660},
    {0644, 0644, 0600}, {0664, 0644, 0660}, {0666, 0644, 0666},
};

START_TEST(modes_are_exact_whatever_the_umask) {
    static const mode_t masks[] = {0, 022, 077, 0777};
    struct shmring_writer_options options = writer_options(4);
    options.perms = permissions[_i].perms;
    for (size_t i = 0; i < COUNT(masks); i++) {
        const char *name = new_name();
        mode_t before = umask(masks[i]);
        struct shmring_writer *writer = open_writer(name, &options);
        umask(before);
        ck_assert_int_eq(mode_of(path_of(name, "")), permissions[_i].frames);
        ck_assert_int_eq(mode_of(path_of(name, ".ctl")), permissions[_i].ctl);
        shmring_writer_close(writer);
    }
}
END_TEST

START_TEST(options_that_cannot_be) {
    const char *name = new_name();
    struct shmring_writer_options options = writer_options(4);
    struct shmring_error error;
    options.perms = 0700;
    ck_assert_int_eq(refusal(name, &options, &error), -EINVAL);
    assert_says(&error, name);
    assert_says(&error, "0700");
    options.perms = 0460; /* it could not take over what it left itself */
    ck_assert_int_eq(refusal(name, &options, &error), -EINVAL);
    options = writer_options(4);
    options.slots = 3;
    ck_assert_int_eq(refusal(name, &options, &error), -EINVAL);
    assert_says(&error, name);
    assert_says(&error, "slots");
    ck_assert_int_eq(shm_entries(name, false), 0);
}
END_TEST

/* ---- A name that is not ---- */

static void assert_in_use(const char *name, pid_t pid) {
    struct shmring_writer_options options = writer_options(4);
    struct shmring_error error;
    char owner[80];
    snprintf(owner, sizeof owner, "in use by %s (pid %d)", own_process(), (int)pid);
    ck_assert_int_eq(refusal(name, &options, &error), -EBUSY);
    assert_says(&error, name);
    assert_says(&error, owner);
}

START_TEST(a_second_writer_is_refused_by_name_and_pid) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    assert_in_use(name, getpid());
    put(writer, 1); /* the first one does not feel it */
    read_many(reader, 1, 1);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
    ck_assert_int_eq(shm_entries(name, false), 0);
}
END_TEST

START_TEST(a_writer_of_another_process_is_named_too) {
    const char *name = new_name();
    struct child child = start_writer(name);
    assert_in_use(name, child.pid);
    ck_assert_int_eq(end_child(&child), 0);
}
END_TEST

/* Stopped is not dead. */
START_TEST(a_stopped_writer_keeps_its_name) {
    const char *name = new_name();
    struct child child = start_writer(name);
    int status;
    kill(child.pid, SIGSTOP);
    ck_assert_int_eq(waitpid(child.pid, &status, WUNTRACED), child.pid);
    assert_in_use(name, child.pid);
    kill(child.pid, SIGCONT);
    ck_assert_int_eq(end_child(&child), 0);
}
END_TEST

/* Of other sizes: its readers move to the new one. */
START_TEST(a_killed_writers_ring_is_taken_over_and_its_readers_follow) {
    const char *name = new_name();
    struct child child = start_writer(name);
    struct shmring_reader *reader = new_reader(name, 1);
    struct shmring_frame *frame;
    struct segment *old = NULL;
    struct layout_header header;
    ck_assert_int_eq(segment_look(name, SEGMENT_OBSERVE, &old, &header, NULL), 0);
    tell_to_put(&child);
    tell_to_put(&child);
    read_many(reader, 1, 1);
    kill_child(&child);
    struct shmring_writer *writer = new_writer(name, 6);
    ck_assert_int_eq(segment_read_header(old, &header), 0);
    ck_assert_uint_eq(header.state, STATE_SUPERSEDED);
    ck_assert_uint_eq(header.event, 4); /* from 1: two frames, and the end of it */
    segment_unref(old);
    struct shmring_reader *late = new_reader(name, 1);
    put(writer, 3); /* the dead one's reader is not there yet: this writer waits for its own */
    frame = take(late, 3);
    ck_assert_uint_eq(frame->info.flags, SHMRING_FRAME_DISCONT); /* another stream */
    shmring_frame_release(frame);
    shmring_reader_free(late);
    read_many(reader, 2, 2);                                   /* out of the dead one's segment */
    ck_assert_int_eq(take_result(reader, 0), SHMRING_TIMEOUT); /* has followed */
    put(writer, 4);
    frame = take(reader, 4);
    ck_assert_uint_eq(frame->info.seq, 4); /* the numbers go on */
    shmring_frame_release(frame);
    ck_assert_uint_eq(reader_stats(reader).dropped, 1);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* As left by a kill between two steps of making, placing or removing. */
START_TEST(half_a_dead_ring_is_taken_over) {
    static const char *const missing[] = {"", ".ctl"};
    for (size_t i = 0; i < COUNT(missing); i++) {
        const char *name = new_name();
        struct child child = start_writer(name);
        kill_child(&child);
        ck_assert_int_eq(unlink(path_of(name, missing[i])), 0);
        struct shmring_writer *writer = new_writer(name, 4);
        struct shmring_reader *reader = new_reader(name, 1);
        put(writer, 1);
        read_many(reader, 1, 1);
        shmring_reader_free(reader);
        shmring_writer_close(writer);
        ck_assert_int_eq(shm_entries(name, false), 0);
    }
}
END_TEST

/* Somebody's rm does not make a live writer's frames anybody's. */
START_TEST(a_live_writer_without_its_ctl_is_in_use) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    ck_assert_int_eq(unlink(path_of(name, ".ctl")), 0);
    assert_in_use(name, getpid());
    ck_assert_int_eq(access(path_of(name, ".ctl"), F_OK), -1);
    shmring_writer_close(writer);
    ck_assert_int_eq(shm_entries(name, false), 0);
}
END_TEST

static void assert_refused_untouched(const char *name, const char *foreign) {
    struct shmring_writer_options options = writer_options(4);
    struct shmring_error error;
    write_file(foreign, "somebody's own");
    ck_assert_int_eq(refusal(name, &options, &error), -EEXIST);
    assert_says(&error, path_of(name, ""));
    assert_says(&error, "not a ring");
    assert_content(foreign, "somebody's own");
    ck_assert_int_eq(unlink(foreign), 0);
    ck_assert_int_eq(shm_entries(name, false), 0);
}

START_TEST(a_foreign_file_is_refused_and_untouched) {
    const char *name = new_name();
    assert_refused_untouched(name, path_of(name, ""));
}
END_TEST

START_TEST(a_foreign_ctl_is_refused_and_untouched) {
    const char *name = new_name();
    assert_refused_untouched(name, path_of(name, ".ctl"));
}
END_TEST

static int make_directory(const char *path) {
    return mkdir(path, 0700);
}

static int make_fifo(const char *path) {
    return mkfifo(path, 0600);
}

static int make_symlink(const char *path) {
    return symlink("/dev/zero", path);
}

static int make_dangling_symlink(const char *path) {
    return symlink("nowhere", path);
}

static int (*const not_files[])(const char *path) = {make_directory, make_fifo, make_symlink,
                                                     make_dangling_symlink};

START_TEST(what_is_not_a_file_is_refused_and_stays) {
    static const char *const suffixes[] = {"", ".ctl"};
    struct shmring_writer_options options = writer_options(4);
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        const char *name = new_name(), *path = path_of(name, suffixes[i]);
        struct shmring_error error;
        struct stat before, after;
        ck_assert_int_eq(not_files[_i](path), 0);
        ck_assert_int_eq(lstat(path, &before), 0);
        ck_assert_int_eq(refusal(name, &options, &error), -EEXIST);
        ck_assert_int_eq(lstat(path, &after), 0);
        ck_assert(before.st_ino == after.st_ino && before.st_mode == after.st_mode);
        ck_assert_int_eq(remove(path), 0);
        ck_assert_int_eq(shm_entries(name, false), 0);
    }
}
END_TEST

/* A dead ring of another user may be that user's to keep. */
START_TEST(another_users_ring_is_refused) {
    static const char *const suffixes[] = {"", ".ctl"};
    struct shmring_writer_options options = writer_options(4);
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        const char *name = new_name(), *path = path_of(name, suffixes[i]);
        struct shmring_error error;
        write_file(path, "");
        ck_assert_int_eq(chown(path, 65534, 65534), 0);
        ck_assert_int_eq(refusal(name, &options, &error), -EPERM);
        assert_says(&error, path);
        assert_says(&error, "nobody");
        unlink(path);
    }
}
END_TEST

/* ---- Races ---- */

#define RACERS 8

struct race {
    const char *name;
    pthread_barrier_t start, decided;
    _Atomic int winners, busy;
};

static void *race_for_a_name(void *data) {
    struct race *race = data;
    struct shmring_writer_options options = writer_options(4);
    struct shmring_writer *writer = NULL;
    struct shmring_error error = {0};
    pthread_barrier_wait(&race->start);
    int result = shmring_writer_open(race->name, &options, &writer, &error);
    race->winners += result == 0;
    race->busy += result == -EBUSY;
    if (result != 0 && result != -EBUSY)
        fprintf(stderr, "%d %s\n", result, error.message);
    pthread_barrier_wait(&race->decided);
    if (writer && !lock_is_held(open(path_of(race->name, ""), O_RDONLY), LOCK_WRITER))
        race->winners = -1; /* observers would take it for dead */
    shmring_writer_close(writer);
    return NULL;
}

static void race_threads(const char *name) {
    struct race race = {.name = name};
    pthread_t racers[RACERS];
    pthread_barrier_init(&race.start, NULL, RACERS);
    pthread_barrier_init(&race.decided, NULL, RACERS);
    for (int i = 0; i < RACERS; i++)
        ck_assert_int_eq(pthread_create(&racers[i], NULL, race_for_a_name, &race), 0);
    for (int i = 0; i < RACERS; i++)
        pthread_join(racers[i], NULL);
    ck_assert_int_eq(race.winners, 1);
    ck_assert_int_eq(race.busy, RACERS - 1);
    ck_assert_int_eq(shm_entries(name, false), 0);
}

START_TEST(of_racing_threads_one_wins) {
    for (int round = 0; round < 50; round++)
        race_threads(new_name());
}
END_TEST

START_TEST(of_threads_racing_for_a_dead_ring_one_wins) {
    for (int round = 0; round < 20; round++) {
        const char *name = new_name();
        struct child child = start_writer(name);
        kill_child(&child);
        race_threads(name);
    }
}
END_TEST

static int open_when_told(struct child *test, const char *name) {
    struct shmring_writer_options options = writer_options(4);
    struct shmring_writer *writer = NULL;
    CHILD_ASSERT(child_hear(test) == 'G');
    int result = shmring_writer_open(name, &options, &writer, NULL);
    CHILD_ASSERT(result == 0 || result == -EBUSY);
    CHILD_ASSERT(child_say(test, result == 0 ? 'W' : 'B'));
    child_hear(test);
    shmring_writer_close(writer);
    return 0;
}

static int race_processes(const char *name) {
    struct child racers[RACERS];
    int winners = 0;
    for (int i = 0; i < RACERS; i++)
        racers[i] = start_child(open_when_told, name);
    for (int i = 0; i < RACERS; i++)
        ck_assert(child_say(&racers[i], 'G'));
    for (int i = 0; i < RACERS; i++)
        winners += child_hear(&racers[i]) == 'W';
    /* Later ones hold the earlier ones' pipes open: told, not closed. */
    for (int i = 0; i < RACERS; i++)
        ck_assert(child_say(&racers[i], 'E'));
    for (int i = 0; i < RACERS; i++)
        ck_assert_int_eq(end_child(&racers[i]), 0);
    return winners;
}

START_TEST(of_racing_processes_one_wins) {
    for (int round = 0; round < 10; round++) {
        const char *name = new_name();
        ck_assert_int_eq(race_processes(name), 1);
        ck_assert_int_eq(shm_entries(name, false), 0);
    }
}
END_TEST

/* ---- No room ---- */

/* Two terabytes: more than the machine's shared memory, less than what cannot be. */
START_TEST(an_absurd_size_is_refused_with_the_numbers) {
    const char *name = new_name();
    struct shmring_writer_options options = writer_options(8);
    struct shmring_error error;
    options.slot_size = UINT64_C(1) << 38;
    int result = refusal(name, &options, &error);
    assert_says(&error, name);
    if (sizeof(size_t) == 4) {
        ck_assert_int_eq(result, -EINVAL);
        assert_says(&error, "address space");
        return;
    }
    ck_assert_int_eq(result, -ENOSPC);
    assert_says(&error, "MB free");
    assert_says(&error, "needs 2199023.");
    ck_assert_int_eq(shm_entries(name, false), 0);
}
END_TEST

static void run_in_namespace(int (*run)(struct child *test, const char *name), const char *what) {
    struct child child = start_child(run, new_name());
    int status = end_child(&child);
    if (status == 77)
        fprintf(stderr, "skipped: %s, no mount namespace here\n", what);
    else
        ck_assert_int_eq(status, 0);
}

static int fill_small_shm(struct child *test, const char *name) {
    struct shmring_writer_options options = writer_options(8);
    struct shmring_writer *writer = NULL;
    struct shmring_error error = {0};
    if (!mount_shm("size=1m"))
        return 77;
    options.slot_size = 1000000;
    CHILD_ASSERT(shmring_writer_open(name, &options, &writer, &error) == -ENOSPC);
    CHILD_ASSERT(strstr(error.message, "/dev/shm has 1.0 MB free"));
    CHILD_ASSERT(strstr(error.message, "needs 8.1 MB"));
    CHILD_ASSERT(strstr(error.message, "--shm-size=8M"));
    CHILD_ASSERT(shm_entries(name, false) == 0);
    options.slot_size = 4096; /* what fits works, without a SIGBUS */
    CHILD_ASSERT(shmring_writer_open(name, &options, &writer, &error) == 0);
    for (uint64_t number = 1; number <= 20; number++)
        CHILD_ASSERT(try_put(writer, number, LONG) == 0);
    CHILD_ASSERT(shmring_writer_resize(writer, 8, 1000000, 4096, &error) == -ENOSPC);
    CHILD_ASSERT(try_put(writer, 21, LONG) == 0); /* and goes on as it was */
    shmring_writer_close(writer);
    return 0;
}

START_TEST(a_full_tmpfs) {
    run_in_namespace(fill_small_shm, "a_full_tmpfs");
}
END_TEST

/* A directory and one file more: the second one of a ring finds none. */
static int fill_inodes(struct child *test, const char *name) {
    struct shmring_writer_options options = writer_options(4);
    struct shmring_writer *writer = NULL;
    struct shmring_error error = {0};
    if (!mount_shm("size=1m,nr_inodes=2"))
        return 77;
    CHILD_ASSERT(shmring_writer_open(name, &options, &writer, &error) == -ENOSPC);
    CHILD_ASSERT(strstr(error.message, name) && strstr(error.message, "inode"));
    CHILD_ASSERT(!strstr(error.message, "slots"));
    CHILD_ASSERT(shm_entries(name, false) == 0);
    return 0;
}

START_TEST(no_inode_left) {
    run_in_namespace(fill_inodes, "no_inode_left");
}
END_TEST

static int die_as_a_writer(struct child *test, const char *name) {
    struct shmring_writer_options options = writer_options(4);
    struct shmring_writer *writer = NULL;
    options.slot_size = 40000;
    return shmring_writer_open(name, &options, &writer, NULL) < 0;
}

/* Each under a name of its own: they do not fill it up for ever. Those with a reader stay. */
static int fill_with_the_dead(struct child *test, const char *name) {
    struct shmring_reader *reader = NULL;
    char each[SHMRING_MAX_NAME];
    if (!mount_shm("size=1m"))
        return 77;
    for (int i = 0; i < 30; i++) {
        snprintf(each, sizeof each, "%.100s-%d", name, i);
        struct child writer = start_child(i ? die_as_a_writer : be_a_writer, each);
        CHILD_ASSERT(i > 0 || child_hear(&writer) == 'O');
        if (i == 0) {
            CHILD_ASSERT(shmring_reader_new(each, NULL, &reader, NULL) == 0);
            CHILD_ASSERT(shmring_reader_attach(reader, LONG, NULL) == 0);
            kill(writer.pid, SIGKILL);
        }
        CHILD_ASSERT(end_child(&writer) == (i ? 0 : 128 + SIGKILL));
    }
    snprintf(each, sizeof each, "%.100s-0", name);
    CHILD_ASSERT(access(path_of(each, ""), F_OK) == 0);
    shmring_reader_free(reader);
    return 0;
}

START_TEST(dead_rings_make_room) {
    run_in_namespace(fill_with_the_dead, "dead_rings_make_room");
}
END_TEST

/* What fills it is named. */
static int fill_with_a_file(struct child *test, const char *name) {
    struct shmring_writer_options options = writer_options(4);
    struct shmring_writer *writer = NULL;
    struct shmring_error error = {0};
    if (!mount_shm("size=1m"))
        return 77;
    int fd = open(SHM_DIR "/somebodys", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHILD_ASSERT(fallocate(fd, 0, 0, 900000) == 0);
    options.slot_size = 100000;
    CHILD_ASSERT(shmring_writer_open(name, &options, &writer, &error) == -ENOSPC);
    CHILD_ASSERT(strstr(error.message, "somebodys (0.9 MB)"));
    CHILD_ASSERT(shm_entries(name, false) == 0);
    return 0;
}

START_TEST(what_fills_it_is_named) {
    run_in_namespace(fill_with_a_file, "what_fills_it_is_named");
}
END_TEST

/* Before the names lead to it: its writer may be killed right then. */
START_TEST(the_stream_goes_on_in_the_next_segment) {
    struct shmring_writer_options options = writer_options(4);
    struct shmring_writer *writer = new_writer(new_name(), 4);
    struct segment *old = writer_segment(writer), *next = NULL;
    old->header->stream = 3;
    old->header->stretch = 5;
    old->header->latency_ns = 7;
    ck_assert_int_eq(segment_create(old->name, &options, old, &next, NULL), 0);
    ck_assert_uint_eq(next->header->stream, 3);
    ck_assert_uint_eq(next->header->stretch, 5);
    ck_assert_int_eq(next->header->latency_ns, 7);
    segment_remove_names(next);
    segment_unref(next);
    shmring_writer_close(writer);
}
END_TEST

/* ---- Leaving ---- */

START_TEST(closing_leaves_what_is_somebody_elses) {
    const char *name = new_name(), *frames = path_of(name, ""), *ctl = path_of(name, ".ctl");
    struct shmring_writer *writer = new_writer(name, 4);
    unlink(frames);
    unlink(ctl);
    write_file(frames, "new");
    write_file(ctl, "new too");
    shmring_writer_close(writer);
    assert_content(frames, "new");
    assert_content(ctl, "new too");
    unlink(frames);
    unlink(ctl);
}
END_TEST

START_TEST(a_name_can_be_used_again_and_again) {
    const char *name = new_name();
    for (int i = 0; i < 100; i++) {
        struct shmring_writer *writer = new_writer(name, 4);
        put(writer, 1);
        shmring_writer_close(writer);
    }
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("create");
    tcase_add_test(tests, a_name_comes_complete_and_goes);
    tcase_add_test(tests, the_header_says_who_and_when);
    tcase_add_test(tests, two_rings_have_two_instances);
    tcase_add_loop_test(tests, modes_are_exact_whatever_the_umask, 0, COUNT(permissions));
    tcase_add_test(tests, options_that_cannot_be);
    tcase_add_test(tests, a_second_writer_is_refused_by_name_and_pid);
    tcase_add_test(tests, a_writer_of_another_process_is_named_too);
    tcase_add_test(tests, a_stopped_writer_keeps_its_name);
    tcase_add_test(tests, a_killed_writers_ring_is_taken_over_and_its_readers_follow);
    tcase_add_test(tests, half_a_dead_ring_is_taken_over);
    tcase_add_test(tests, a_live_writer_without_its_ctl_is_in_use);
    tcase_add_test(tests, a_foreign_file_is_refused_and_untouched);
    tcase_add_test(tests, a_foreign_ctl_is_refused_and_untouched);
    tcase_add_loop_test(tests, what_is_not_a_file_is_refused_and_stays, 0, COUNT(not_files));
    if (geteuid() == 0)
        tcase_add_test(tests, another_users_ring_is_refused);
    else
        fprintf(stderr, "skipped: another_users_ring_is_refused, only root can be another user\n");
    tcase_add_test(tests, of_racing_threads_one_wins);
    tcase_add_test(tests, of_threads_racing_for_a_dead_ring_one_wins);
    tcase_add_test(tests, of_racing_processes_one_wins);
    tcase_add_test(tests, an_absurd_size_is_refused_with_the_numbers);
    tcase_add_test(tests, a_full_tmpfs);
    tcase_add_test(tests, no_inode_left);
    tcase_add_test(tests, dead_rings_make_room);
    tcase_add_test(tests, what_fills_it_is_named);
    tcase_add_test(tests, the_stream_goes_on_in_the_next_segment);
    tcase_add_test(tests, closing_leaves_what_is_somebody_elses);
    tcase_add_test(tests, a_name_can_be_used_again_and_again);
    return run_tests(tests);
}
