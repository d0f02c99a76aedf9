/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tests of the ring share: names that nobody else has, writers and readers in one line,
 * frames whose content says which frame they are, and children that wait for a word.
 */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "futex.h"
#include "shm.h"
#include "shmring.h"
#include "testing.h"

/* Long enough that only a hang reaches it. */
#define LONG INT64_C(20000000000)
#define FRAME_SIZE 64
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- Names ---- */

static pid_t support_runner;

static inline void support_prefix(char prefix[64]) {
    snprintf(prefix, 64, "test-%.24s-%d.", program_invocation_short_name, (int)support_runner);
}

/* A name for a ring, different at every call. */
static inline const char *new_name(void) {
    static char names[16][100];
    static unsigned count;
    char prefix[64], *name = names[++count % 16];
    support_prefix(prefix);
    snprintf(name, 100, "%s%d.%u", prefix, (int)getpid(), count);
    return name;
}

static inline const char *path_of(const char *name, const char *suffix) {
    static char paths[4][PATH_SIZE + 100];
    static unsigned count;
    char *path = paths[++count % 4];
    snprintf(path, sizeof paths[0], SHM_DIR "/%s%s", name, suffix);
    return path;
}

/* How many entries of /dev/shm contain TEXT; removes them if told to. */
static inline int shm_entries(const char *text, bool removing) {
    DIR *directory = opendir(SHM_DIR);
    int found = 0;
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (!strstr(entry->d_name, text))
            continue;
        found++;
        if (removing && remove(path_of(entry->d_name, "")) < 0)
            perror(entry->d_name);
    }
    if (directory)
        closedir(directory);
    return found;
}

/* ---- Files ---- */

static inline void write_file(const char *path, const char *content) {
    FILE *file = fopen(path, "we");
    ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
    fputs(content, file);
    fclose(file);
}

static inline void assert_content(const char *path, const char *content) {
    char found[64] = {0};
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fread(found, 1, sizeof found - 1, file), strlen(content));
    ck_assert_str_eq(found, content);
    fclose(file);
}

/* ---- Writers ---- */

static inline struct shmring_writer_options writer_options(uint32_t slots) {
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    options.slots = slots;
    options.slot_size = FRAME_SIZE;
    options.lend_limit = slots - 2 < 3 ? slots - 2 : 3;
    options.header_size = 4096;
    return options;
}

static inline struct shmring_writer *open_writer(const char *name,
                                                 const struct shmring_writer_options *options) {
    struct shmring_writer *writer = NULL;
    struct shmring_error error = {0};
    int result = shmring_writer_open(name, options, &writer, &error);
    ck_assert_msg(result == SHMRING_OK, "%s: %d %s", name, result, error.message);
    return writer;
}

static inline struct shmring_writer *new_writer(const char *name, uint32_t slots) {
    struct shmring_writer_options options = writer_options(slots);
    return open_writer(name, &options);
}

static inline struct shmring_writer_stats stats_of(struct shmring_writer *writer) {
    struct shmring_writer_stats stats = SHMRING_WRITER_STATS_INIT;
    shmring_writer_get_stats(writer, &stats);
    return stats;
}

static inline struct shmring_info query(const char *name) {
    struct shmring_info info = SHMRING_INFO_INIT;
    struct shmring_error error = {0};
    int result = shmring_query(name, &info, &error);
    ck_assert_msg(result == 0, "%d %s", result, error.message);
    return info;
}

/* What a ring showed, and what its writer says. The ring is asked before: the writer's own look
 * shows them, too. */
static inline void assert_counters(const struct shmring_info *shown,
                                   struct shmring_writer_stats stats) {
    ck_assert_uint_eq(shown->published, stats.published);
    ck_assert_uint_eq(shown->bytes, stats.bytes);
    ck_assert_uint_eq(shown->dropped, stats.dropped);
    ck_assert_uint_eq(shown->revoked, stats.revoked);
    ck_assert_uint_eq(shown->withdrawn, stats.withdrawn);
    ck_assert_uint_eq(shown->flushed, stats.flushed);
    ck_assert_uint_eq(shown->waits, stats.waits);
    ck_assert_int_eq(shown->wait_ns, stats.wait_ns);
}

struct described {
    struct shmring_reader_info reader[SHMRING_MAX_READERS];
    uint32_t count;
};

static inline void describe_reader(const struct shmring_reader_info *reader, void *data) {
    struct described *all = data;
    all->reader[all->count++] = *reader;
}

static inline struct described readers_of(struct shmring_writer *writer) {
    struct described all = {.count = 0};
    ck_assert_uint_eq(shmring_writer_each_reader(writer, describe_reader, &all), all.count);
    return all;
}

/* The claims that the reader of a port has. */
static inline uint32_t claims_at(struct shmring_writer *writer, uint32_t port) {
    const struct segment *seg = writer_segment(writer);
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < seg->g.slots; slot++)
        count += seg->ctl->port[port].claim[slot] != 0;
    return count;
}

/* ---- What is said ---- */

/* As a ring has it: cut. */
static inline const char *own_process(void) {
    static char process[SHMRING_PROCESS_NAME];
    strncpy(process, program_invocation_short_name, sizeof process - 1);
    return process;
}

static inline void assert_says(const struct shmring_error *error, const char *text) {
    ck_assert_msg(strstr(error->message, text) != NULL, "'%s' is not in: %s", text, error->message);
}

/* ---- Frames: byte I of frame NUMBER is 31 x NUMBER + I ---- */

static inline void fill(void *data, uint64_t number) {
    for (unsigned i = 0; i < FRAME_SIZE; i++)
        ((uint8_t *)data)[i] = (uint8_t)(31 * number + i);
}

static inline bool is_filled(const void *data, uint64_t number) {
    for (unsigned i = 0; i < FRAME_SIZE; i++) {
        if (((const uint8_t *)data)[i] != (uint8_t)(31 * number + i))
            return false;
    }
    return true;
}

static inline struct shmring_frame_info info_of(uint64_t number) {
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.size = FRAME_SIZE;
    info.frame_number = number;
    return info;
}

/* What the loan said; published if it was SHMRING_OK. */
static inline int try_put_flagged(struct shmring_writer *writer, uint64_t number, uint32_t flags,
                                  int64_t timeout_ns) {
    struct shmring_frame_info info = info_of(number);
    struct shmring_error error = {0};
    struct shmring_slot slot;
    int result = shmring_writer_loan(writer, SHMRING_LOAN_FILL, timeout_ns, &slot, &error);
    if (result != SHMRING_OK)
        return result;
    info.flags = flags;
    fill(slot.data, number);
    result = shmring_writer_publish(writer, &slot, &info, NULL, &error);
    shmring_slot_return(&slot);
    return result;
}

static inline int try_put(struct shmring_writer *writer, uint64_t number, int64_t timeout_ns) {
    return try_put_flagged(writer, number, 0, timeout_ns);
}

static inline void put_flagged(struct shmring_writer *writer, uint64_t number, uint32_t flags) {
    ck_assert_int_eq(try_put_flagged(writer, number, flags, LONG), SHMRING_OK);
}

static inline void put(struct shmring_writer *writer, uint64_t number) {
    put_flagged(writer, number, 0);
}

static inline void put_many(struct shmring_writer *writer, uint64_t first, uint64_t last) {
    for (uint64_t number = first; number <= last; number++)
        put(writer, number);
}

static inline struct shmring_slot loan(struct shmring_writer *writer, enum shmring_loan kind) {
    struct shmring_slot slot;
    ck_assert_int_eq(shmring_writer_loan(writer, kind, LONG, &slot, NULL), SHMRING_OK);
    return slot;
}

/* ---- Readers ---- */

static inline struct shmring_reader *
unattached_reader(const char *name, const struct shmring_reader_options *options) {
    struct shmring_reader *reader = NULL;
    ck_assert_int_eq(shmring_reader_new(name, options, &reader, NULL), SHMRING_OK);
    return reader;
}

static inline struct shmring_reader *open_reader(const char *name,
                                                 const struct shmring_reader_options *options) {
    struct shmring_reader *reader = unattached_reader(name, options);
    struct shmring_error error = {0};
    int result = shmring_reader_attach(reader, LONG, &error);
    ck_assert_msg(result == SHMRING_OK, "%s: %d %s", name, result, error.message);
    return reader;
}

static inline struct shmring_reader *new_reader(const char *name, uint32_t lease) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    options.lease = lease;
    return open_reader(name, &options);
}

/* It had the newest frame, if there was one. */
static inline struct shmring_reader *new_latest(const char *name, uint32_t depth) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    options.mode = SHMRING_MODE_LATEST;
    options.depth = depth;
    struct shmring_reader *reader = open_reader(name, &options);
    struct shmring_frame *frame; /* the one that is there already */
    shmring_reader_take(reader, 0, &frame, NULL);
    shmring_frame_release(frame);
    return reader;
}

static inline struct shmring_reader *new_reader_that_goes_on(const char *name, uint32_t ends) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    options.go_on_after = ends;
    return open_reader(name, &options);
}

static inline struct shmring_info info_of_ring(struct shmring_reader *reader) {
    struct shmring_info info = SHMRING_INFO_INIT;
    ck_assert_int_eq(shmring_reader_get_info(reader, &info), SHMRING_OK);
    return info;
}

static inline struct shmring_reader_stats reader_stats(struct shmring_reader *reader) {
    struct shmring_reader_stats stats = SHMRING_READER_STATS_INIT;
    shmring_reader_get_stats(reader, &stats);
    return stats;
}

/* Every frame was either received or is told of. */
static inline struct shmring_reader_stats assert_told_of_all(struct shmring_reader *reader,
                                                             uint64_t published) {
    struct shmring_reader_stats stats = reader_stats(reader);
    ck_assert_uint_eq(stats.received + stats.dropped + stats.flushed + stats.withdrawn +
                          stats.skipped,
                      published);
    return stats;
}

/* What a take without a frame said. */
static inline int take_result(struct shmring_reader *reader, int64_t timeout_ns) {
    struct shmring_frame *frame;
    int result = shmring_reader_take(reader, timeout_ns, &frame, NULL);
    ck_assert_ptr_null(frame);
    return result;
}

/* The next frame, which must be that one. */
static inline struct shmring_frame *take(struct shmring_reader *reader, uint64_t number) {
    struct shmring_frame *frame;
    struct shmring_error error = {0};
    int result = shmring_reader_take(reader, LONG, &frame, &error);
    ck_assert_msg(result == SHMRING_OK, "take: %d %s", result, error.message);
    ck_assert_uint_eq(frame->info.frame_number, number);
    ck_assert_uint_eq(frame->info.size, FRAME_SIZE);
    ck_assert(is_filled(frame->data, number));
    return frame;
}

static inline void read_many(struct shmring_reader *reader, uint64_t first, uint64_t last) {
    for (uint64_t number = first; number <= last; number++)
        shmring_frame_release(take(reader, number));
}

/* ---- Children, who share nothing with the test but two pipes. They must not ck_assert. ---- */

struct child {
    pid_t pid;
    int read_fd, write_fd;
};

static inline bool child_say(struct child *child, char word) {
    return write(child->write_fd, &word, 1) == 1;
}

static inline char child_hear(struct child *child) {
    char word = 0;
    while (read(child->read_fd, &word, 1) < 0 && errno == EINTR)
        continue;
    return word;
}

/* RUN's result is the exit status. It hears 0 when the test is gone. */
static inline struct child start_child(int (*run)(struct child *test, const char *name),
                                       const char *name) {
    int down[2], up[2];
    ck_assert_int_eq(pipe(down), 0);
    ck_assert_int_eq(pipe(up), 0);
    pid_t pid = fork();
    if (pid == 0) { /* another thread may have been in an assertion */
        close(down[1]);
        close(up[0]);
        _exit(run(&(struct child){.pid = getppid(), .read_fd = down[0], .write_fd = up[1]}, name));
    }
    ck_assert_int_gt(pid, 0);
    close(down[0]);
    close(up[1]);
    return (struct child){.pid = pid, .read_fd = up[0], .write_fd = down[1]};
}

static inline int end_child(struct child *child) {
    int status = -1;
    close(child->write_fd);
    while (waitpid(child->pid, &status, 0) != child->pid)
        ck_assert_int_eq(errno, EINTR);
    close(child->read_fd);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline void kill_child(struct child *child) {
    kill(child->pid, SIGKILL);
    ck_assert_int_eq(end_child(child), 128 + SIGKILL);
}

/* For children: ends them with the line as the exit status, and on standard error. */
#define CHILD_ASSERT(condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: child: %s\n", __FILE__, __LINE__, #condition);                 \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* ---- A writer in a child: of 4 slots, or 6 once it is told to resize ---- */

static inline int be_a_writer(struct child *test, const char *ring) {
    struct shmring_writer_options options = writer_options(4);
    struct shmring_writer *writer = NULL;
    CHILD_ASSERT(shmring_writer_open(ring, &options, &writer, NULL) == 0);
    CHILD_ASSERT(child_say(test, 'O'));
    uint64_t number = 0;
    for (char word; (word = child_hear(test)) != 0;) {
        if (word == 'P')
            CHILD_ASSERT(try_put(writer, ++number, LONG) == 0);
        if (word == 'R')
            CHILD_ASSERT(shmring_writer_resize(writer, 6, FRAME_SIZE, 4096, NULL) == 0);
        CHILD_ASSERT(child_say(test, word));
    }
    shmring_writer_close(writer);
    return 0;
}

static inline struct child start_writer(const char *name) {
    struct child child = start_child(be_a_writer, name);
    ck_assert_int_eq(child_hear(&child), 'O');
    return child;
}

static inline void tell(struct child *child, char word) {
    ck_assert(child_say(child, word));
    ck_assert_int_eq(child_hear(child), word);
}

static inline void tell_to_put(struct child *child) {
    tell(child, 'P');
}

static inline void tell_to_resize(struct child *child) {
    tell(child, 'R');
}

static inline void remove_names(const char *name) {
    unlink(path_of(name, ""));
    unlink(path_of(name, ".ctl"));
}

/* ---- Signals ---- */

/* Calls it until it was not interrupted. */
#define AGAIN(call)                                                                                \
    ({                                                                                             \
        int again_;                                                                                \
        while ((again_ = (call)) == SHMRING_INTERRUPTED)                                           \
            continue;                                                                              \
        again_;                                                                                    \
    })

static inline void note_signal(int number) {
}

/* Signals with a handler, every millisecond: the first may come before the wait it is to end. */
static inline timer_t start_signals(void) {
    struct sigaction action = {.sa_handler = note_signal};
    struct itimerspec often = {.it_value.tv_nsec = 1000000, .it_interval.tv_nsec = 1000000};
    timer_t timer;
    sigaction(SIGALRM, &action, NULL);
    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
    timer_settime(timer, 0, &often, NULL);
    return timer;
}

/* ---- Running ---- */

/* Runs the tests, and fails too when they left something in /dev/shm. */
static inline int run_tests(TCase *tests) {
    Suite *suite = suite_create(program_invocation_short_name);
    char prefix[64];
    support_runner = getpid();
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    support_prefix(prefix);
    int left = shm_entries(prefix, true);
    if (left)
        fprintf(stderr, "%d objects were left in " SHM_DIR "\n", left);
    return failed || left;
}

#endif
