/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <sys/mman.h>

#include "support.h"

/* What the test made before it forked. */
static const char *name;
static struct shmring_writer *writer;
static struct shmring_reader *reader;
static struct shmring_observer *observer;
static struct shmring_frame *frame, *copy, *seen;
static struct shmring_slot slot;
static void *parents_ctl;

static void make_everything(void) {
    name = new_name();
    writer = new_writer(name, 6);
    reader = new_reader(name, 1);
    put_many(writer, 1, 3);
    frame = take(reader, 1);
    copy = take(reader, 2);
    slot = loan(writer, SHMRING_LOAN_LEND);
    ck_assert_int_eq(shmring_observer_open(name, &observer, NULL), SHMRING_OK);
    ck_assert_int_eq(shmring_observer_latest(observer, 0, 0, &seen, NULL), SHMRING_OK);
}

static void free_everything(void) {
    shmring_slot_return(&slot);
    shmring_frame_release(frame);
    shmring_frame_release(copy);
    shmring_frame_release(seen);
    shmring_reader_free(reader);
    shmring_observer_close(observer);
    shmring_writer_close(writer);
}

/* ---- Inherited handles ---- */

static void try_inherited_writer(void) {
    struct shmring_slot other = {.data = &other};
    struct shmring_frame_info info = info_of(1);
    struct shmring_error error = {0};
    CHILD_ASSERT(shmring_writer_loan(writer, SHMRING_LOAN_FILL, 0, &other, &error) == -ECHILD);
    CHILD_ASSERT(!other.data);
    CHILD_ASSERT(error.code == -ECHILD && strstr(error.message, name));
    error.code = 0;
    CHILD_ASSERT(shmring_writer_publish(writer, &slot, &info, NULL, &error) == -ECHILD);
    CHILD_ASSERT(error.code == -ECHILD && strstr(error.message, name));
    CHILD_ASSERT(shmring_writer_resize(writer, 8, FRAME_SIZE, 4096, &error) == -ECHILD);
    CHILD_ASSERT(shmring_writer_wait_reader(writer, SHMRING_FOREVER) == -ECHILD);
    CHILD_ASSERT(!shmring_writer_can_publish(writer, &slot));
    CHILD_ASSERT(shmring_writer_each_reader(writer, NULL, NULL) == 0);
    CHILD_ASSERT(stats_of(writer).published == 0);
    shmring_writer_drop(writer);
    shmring_writer_flush(writer);
    CHILD_ASSERT(shmring_writer_watch(writer, SHMRING_FOREVER) == -ECHILD);
    CHILD_ASSERT(!shmring_writer_take_key_request(writer, NULL));
    shmring_writer_set_latency(writer, 5);
    shmring_writer_set_patience(writer, 0);
    shmring_writer_begin_stretch(writer);
    shmring_writer_interrupt(writer, true);
    shmring_writer_end(writer);
}

static void try_inherited_readers(void) {
    struct shmring_error error = {0};
    struct shmring_info info = SHMRING_INFO_INIT;
    struct shmring_frame *other = frame;
    CHILD_ASSERT(shmring_reader_attach(reader, 0, &error) == -ECHILD);
    CHILD_ASSERT(error.code == -ECHILD && strstr(error.message, name));
    CHILD_ASSERT(shmring_reader_take(reader, SHMRING_FOREVER, &other, &error) == -ECHILD);
    CHILD_ASSERT(!other);
    CHILD_ASSERT(shmring_reader_get_info(reader, &info) == -ECHILD);
    CHILD_ASSERT(shmring_reader_get_latency(reader) == SHMRING_TIME_NONE);
    CHILD_ASSERT(reader_stats(reader).received == 0);
    CHILD_ASSERT(shmring_reader_request_keyframe(reader, SHMRING_TIME_NONE) == -ECHILD);
    shmring_reader_resume(reader);
    shmring_reader_leave(reader);
    shmring_reader_interrupt(reader, true);
    error.code = 0;
    CHILD_ASSERT(shmring_observer_latest(observer, 0, 0, &other, &error) == -ECHILD);
    CHILD_ASSERT(!other);
    CHILD_ASSERT(error.code == -ECHILD && strstr(error.message, name));
}

static int try_inherited(struct child *test, const char *ring) {
    try_inherited_writer();
    try_inherited_readers();
    CHILD_ASSERT(is_filled(frame->data, 1)); /* no SIGSEGV */
    CHILD_ASSERT(is_filled(copy->data, 2));
    free_everything();
    return 0;
}

/* The parent's ring is as it was: nothing given back, ended, flushed, dropped or interrupted. */
static void assert_untouched(void) {
    struct shmring_info info = SHMRING_INFO_INIT;
    ck_assert_uint_eq(stats_of(writer).readers, 1);
    ck_assert_uint_eq(stats_of(writer).loans, 1);
    ck_assert_uint_eq(stats_of(writer).dropped | stats_of(writer).flushed, 0);
    ck_assert_uint_eq(reader_stats(reader).held, 1);
    ck_assert_int_eq(shmring_reader_get_info(reader, &info), 0);
    ck_assert_int_eq(info.latency_ns, 0);
    ck_assert(segment_has_name(writer_segment(writer)));
    ck_assert_uint_eq(writer_segment(writer)->header->state, STATE_ACTIVE);
    ck_assert_uint_eq(writer_segment(writer)->header->stretch, 1);
    read_many(reader, 3, 3);
    put_many(writer, 4, 7);
    read_many(reader, 4, 7);
    ck_assert(is_filled(frame->data, 1));
}

START_TEST(a_childs_handles_are_not_its_own) {
    make_everything();
    struct child child = start_child(try_inherited, name);
    ck_assert_int_eq(end_child(&child), 0);
    assert_untouched();
    free_everything();
}
END_TEST

static int try_grandchild(struct child *test, const char *ring) {
    struct child child = {.pid = fork()};
    int status;
    if (child.pid == 0)
        _exit(try_inherited(&child, ring));
    CHILD_ASSERT(waitpid(child.pid, &status, 0) == child.pid);
    CHILD_ASSERT(status == 0);
    return try_inherited(test, ring);
}

START_TEST(nor_a_grandchilds) {
    make_everything();
    struct child child = start_child(try_grandchild, name);
    ck_assert_int_eq(end_child(&child), 0);
    assert_untouched();
    free_everything();
}
END_TEST

/* ---- A child's own handles ---- */

static int use_own(struct child *test, const char *ring) {
    struct shmring_writer_options options = writer_options(4);
    struct shmring_writer *own_writer = NULL;
    struct shmring_reader *own = NULL;
    struct shmring_frame *taken;
    CHILD_ASSERT(shmring_writer_open(ring, &options, &own_writer, NULL) == -EBUSY);
    CHILD_ASSERT(shmring_reader_new(ring, NULL, &own, NULL) == 0);
    CHILD_ASSERT(shmring_reader_attach(own, LONG, NULL) == 0);
    CHILD_ASSERT(child_say(test, 'A'));
    CHILD_ASSERT(shmring_reader_take(own, LONG, &taken, NULL) == 0);
    CHILD_ASSERT(is_filled(taken->data, 4));
    shmring_frame_release(taken);
    shmring_reader_free(own);
    return 0;
}

START_TEST(a_child_may_open_its_own) {
    make_everything();
    struct child child = start_child(use_own, name);
    ck_assert_int_eq(child_hear(&child), 'A');
    put(writer, 4);
    ck_assert_int_eq(end_child(&child), 0);
    free_everything();
}
END_TEST

/* ---- The parent dies, the child lives ---- */

static int write_and_fork(struct child *test, const char *ring) {
    struct shmring_writer_options options = writer_options(4);
    CHILD_ASSERT(shmring_writer_open(ring, &options, &writer, NULL) == 0);
    if (fork() == 0) {
        child_say(test, 'G');
        child_hear(test);
        child_say(test, 'D');
        _exit(0);
    }
    pause();
    return 1; /* it is killed before */
}

static int hold_and_fork(struct child *test, const char *ring) {
    CHILD_ASSERT(shmring_reader_new(ring, NULL, &reader, NULL) == 0);
    CHILD_ASSERT(shmring_reader_attach(reader, LONG, NULL) == 0);
    CHILD_ASSERT(child_say(test, 'A'));
    CHILD_ASSERT(shmring_reader_take(reader, LONG, &frame, NULL) == 0);
    if (fork() == 0) {
        child_say(test, 'G');
        child_hear(test);
        child_say(test, 'D');
        _exit(0);
    }
    pause();
    return 1;
}

static void kill_parent_only(const struct child *child) {
    int status;
    kill(child->pid, SIGKILL);
    ck_assert_int_eq(waitpid(child->pid, &status, 0), child->pid);
}

/* It lived all the time, and says so. */
static void end_grandchild(struct child *child) {
    ck_assert(child_say(child, 'E'));
    ck_assert_int_eq(child_hear(child), 'D');
    close(child->read_fd);
    close(child->write_fd);
}

START_TEST(a_dead_writers_child_does_not_keep_its_name) {
    const char *ring = new_name();
    struct child child = start_child(write_and_fork, ring);
    ck_assert_int_eq(child_hear(&child), 'G');
    kill_parent_only(&child);
    shmring_writer_close(new_writer(ring, 4));
    end_grandchild(&child);
}
END_TEST

START_TEST(a_dead_readers_child_does_not_keep_its_port) {
    const char *ring = new_name();
    struct shmring_writer *own = new_writer(ring, 4);
    struct child child = start_child(hold_and_fork, ring);
    ck_assert_int_eq(child_hear(&child), 'A');
    put(own, 1);
    ck_assert_int_eq(child_hear(&child), 'G');
    put_many(own, 2, 4);
    kill_parent_only(&child);
    put_many(own, 5, 20);
    ck_assert_uint_eq(stats_of(own).dead_readers, 1);
    end_grandchild(&child);
    shmring_writer_close(own);
}
END_TEST

/* ---- Forking while other threads are inside ---- */

struct churn {
    const char *ring;
    _Atomic bool over;
};

static void *churn(void *data) {
    struct churn *c = data;
    while (!c->over) {
        struct shmring_observer *own = NULL;
        if (shmring_observer_open(c->ring, &own, NULL) == SHMRING_OK)
            shmring_observer_close(own);
    }
    return NULL;
}

static int open_and_close(struct child *test, const char *ring) {
    struct shmring_observer *own = NULL;
    struct shmring_frame *newest;
    CHILD_ASSERT(shmring_observer_open(ring, &own, NULL) == SHMRING_OK);
    CHILD_ASSERT(shmring_observer_latest(own, 0, 0, &newest, NULL) == SHMRING_OK);
    shmring_frame_release(newest);
    shmring_observer_close(own);
    return 0;
}

START_TEST(a_fork_amid_opening_and_closing) {
    struct churn c = {.ring = new_name()};
    struct shmring_writer *own = new_writer(c.ring, 4);
    pthread_t thread;
    put(own, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, churn, &c), 0);
    for (int i = 0; i < 50; i++) {
        struct child child = start_child(open_and_close, c.ring);
        ck_assert_int_eq(end_child(&child), 0);
    }
    c.over = true;
    pthread_join(thread, NULL);
    shmring_writer_close(own);
}
END_TEST

static void *take_for_ever(void *data) {
    struct shmring_frame *taken = NULL;
    shmring_reader_take(reader, SHMRING_FOREVER, &taken, NULL);
    return taken;
}

static int free_reader(struct child *test, const char *ring) {
    shmring_reader_free(reader);
    return 0;
}

START_TEST(a_fork_amid_a_wait) {
    const char *ring = new_name();
    struct shmring_writer *own = new_writer(ring, 4);
    pthread_t thread;
    void *taken;
    reader = new_reader(ring, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, take_for_ever, NULL), 0);
    for (int i = 0; i < 20; i++) {
        struct child child = start_child(free_reader, ring);
        ck_assert_int_eq(end_child(&child), 0);
    }
    put(own, 1);
    pthread_join(thread, &taken);
    ck_assert_ptr_nonnull(taken);
    shmring_frame_release(taken);
    shmring_reader_free(reader);
    shmring_writer_close(own);
}
END_TEST

/* A child closes the descriptors it inherited, not those that others got the numbers of. */
static int count_descriptors(struct child *test, const char *ring) {
    int fd = open("/dev/null", O_RDONLY);
    free_everything();
    CHILD_ASSERT(fcntl(fd, F_GETFD) >= 0);
    return 0;
}

START_TEST(freeing_in_a_child_closes_nothing_of_others) {
    make_everything();
    struct child child = start_child(count_descriptors, name);
    ck_assert_int_eq(end_child(&child), 0);
    free_everything();
}
END_TEST

/* Where a file of the ring is mapped; NULL: nowhere. */
static void *mapping_of(const char *file) {
    char line[512];
    void *address = NULL;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (!address && fgets(line, sizeof line, maps)) {
        line[strcspn(line, "\n")] = '\0';
        if (strstr(line, file) && strcmp(strstr(line, file), file) == 0)
            address = (void *)(uintptr_t)strtoull(line, NULL, 16);
    }
    fclose(maps);
    return address;
}

/* A child has no mapping of .ctl: what it has in that place is its own. */
static int close_inherited(struct child *test, const char *ring) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char resident;
    CHILD_ASSERT(mmap(parents_ctl, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                      0) == parents_ctl);
    CHILD_ASSERT(mapping_of(path_of(ring, "")));
    shmring_writer_close(writer);
    CHILD_ASSERT(!mapping_of(path_of(ring, "")));
    CHILD_ASSERT(mincore(parents_ctl, page, &resident) == 0);
    return 0;
}

START_TEST(closing_in_a_child_unmaps_the_ring_alone) {
    name = new_name();
    writer = new_writer(name, 4);
    put(writer, 1);
    ck_assert_int_eq(shmring_writer_resize(writer, 6, FRAME_SIZE, 4096, NULL), 0);
    parents_ctl = mapping_of(path_of(name, ".ctl"));
    ck_assert_ptr_nonnull(parents_ctl);
    struct child child = start_child(close_inherited, name);
    ck_assert_int_eq(end_child(&child), 0);
    ck_assert(segment_has_name(writer_segment(writer)));
    put(writer, 2);
    shmring_writer_close(writer);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("fork");
    tcase_add_test(tests, a_childs_handles_are_not_its_own);
    tcase_add_test(tests, nor_a_grandchilds);
    tcase_add_test(tests, a_child_may_open_its_own);
    tcase_add_test(tests, a_dead_writers_child_does_not_keep_its_name);
    tcase_add_test(tests, a_dead_readers_child_does_not_keep_its_port);
    tcase_add_test(tests, a_fork_amid_opening_and_closing);
    tcase_add_test(tests, a_fork_amid_a_wait);
    tcase_add_test(tests, freeing_in_a_child_closes_nothing_of_others);
    tcase_add_test(tests, closing_in_a_child_unmaps_the_ring_alone);
    return run_tests(tests);
}
