/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A victim does all that a writer, or a reader, does, and is killed or stopped at one step of it,
 * or forks a child that frees what it inherited; once for each step. Those that live on check what
 * they see: whole frames, in order, none twice, each gap told (I4 to I6); the writer goes on; in
 * the end each claim and slot is free, and no name is left (I7, I1).
 *
 * usage: faults [--every N] [--seed N] [SCENARIO...]      each Nth step, from step SEED % N on
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "points.h"
#include "shm.h"
#include "stress.h"

#define WAIT_NS INT64_C(60000000000)
#define STOPPED_PATIENCE_NS INT64_C(5000000)
#define FRAME_SIZE 512
#define LAST UINT64_C(1000000)
#define SLOTS 6

static char name[64];
static uint64_t slot_size;

/* ---- Frames that say who they are ---- */

static void publish(struct shmring_writer *writer, uint64_t number) {
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    struct shmring_error error = {0};
    struct shmring_slot slot;
    info.size = FRAME_SIZE;
    info.frame_number = number;
    info.caps = "application/octet-stream";
    int result = shmring_writer_loan(writer, SHMRING_LOAN_FILL, WAIT_NS, &slot, &error);
    REQUIRE(result == SHMRING_OK, "loan: %d %s", result, error.message);
    for (int i = 0; i < FRAME_SIZE / 8; i++)
        ((uint64_t *)slot.data)[i] = number;
    result = shmring_writer_publish(writer, &slot, &info, NULL, &error);
    REQUIRE(result == 0, "publish: %d %s", result, error.message);
    shmring_slot_return(&slot);
}

static void require_whole(const struct shmring_frame *frame) {
    const uint64_t *words = frame->data;
    REQUIRE(frame->info.size == FRAME_SIZE, "%llu bytes", (unsigned long long)frame->info.size);
    for (int i = 0; i < FRAME_SIZE / 8; i++)
        REQUIRE(words[i] == frame->info.frame_number, "I4: frame %llu, word %d",
                (unsigned long long)frame->info.seq, i);
}

/* ---- Handles ---- */

static struct shmring_writer *open_writer(int64_t patience_ns) {
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    struct shmring_error error = {0};
    struct shmring_writer *writer = NULL;
    options.slots = SLOTS;
    options.slot_size = slot_size;
    options.header_size = 4096;
    options.max_readers = 4;
    options.lend_limit = 1;
    options.patience_ns = patience_ns;
    int result = shmring_writer_open(name, &options, &writer, &error);
    REQUIRE(result == 0, "open: %d %s", result, error.message);
    return writer;
}

static void resize(struct shmring_writer *writer, uint32_t slots) {
    struct shmring_error error = {0};
    int result = shmring_writer_resize(writer, slots, slot_size, 4096, &error);
    REQUIRE(result == 0, "resize: %d %s", result, error.message);
}

/* What the victim has, and its child inherits; not while it is being freed. */
static struct {
    struct shmring_writer *writer;
    struct shmring_reader *reader;
    struct shmring_frame *frame;
} own;

static void close_own_writer(void) {
    struct shmring_writer *writer = own.writer;
    own.writer = NULL;
    shmring_writer_close(writer);
}

static void free_own_reader(void) {
    struct shmring_reader *reader = own.reader;
    own.reader = NULL;
    shmring_reader_free(reader);
}

static void release_own_frame(void) {
    struct shmring_frame *frame = own.frame;
    own.frame = NULL;
    shmring_frame_release(frame);
}

static struct shmring_reader *new_reader(enum shmring_mode mode, uint32_t lease) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    struct shmring_reader *reader = NULL;
    options.mode = mode;
    options.depth = 2;
    options.lease = lease;
    options.go_on_after = 1u << SHMRING_ENDED | 1u << SHMRING_CLOSED | 1u << SHMRING_LOST;
    REQUIRE(shmring_reader_new(name, &options, &reader, NULL) == 0, "no reader");
    return reader;
}

static struct shmring_frame *take(struct shmring_reader *reader) {
    struct shmring_frame *frame = NULL;
    struct shmring_error error = {0};
    int result = shmring_reader_take(reader, WAIT_NS, &frame, &error);
    REQUIRE(result == SHMRING_OK, "take: %d %s", result, error.message);
    require_whole(frame);
    return frame;
}

/* ---- Those that live on ---- */

struct seen {
    uint64_t seq;
    uint8_t instance[16];
    bool any, was_first;
};

/* In one segment; another may begin anew. */
static void require_next(struct seen *seen, struct shmring_reader *reader,
                         const struct shmring_frame *frame, enum shmring_mode mode) {
    struct shmring_info info = SHMRING_INFO_INIT;
    REQUIRE(shmring_reader_get_info(reader, &info) == 0, "not attached");
    bool same = seen->any && memcmp(seen->instance, info.instance, sizeof info.instance) == 0;
    REQUIRE(!same || frame->info.seq > seen->seq, "%llu after %llu",
            (unsigned long long)frame->info.seq, (unsigned long long)seen->seq);
    if (same && !frame->is_first && !(seen->was_first && mode == SHMRING_MODE_LATEST))
        REQUIRE(frame->info.seq - seen->seq - 1 == frame->missed, "I6: %llu after %llu, %llu told",
                (unsigned long long)frame->info.seq, (unsigned long long)seen->seq,
                (unsigned long long)frame->missed);
    memcpy(seen->instance, info.instance, sizeof seen->instance);
    seen->seq = frame->info.seq;
    seen->any = true;
    seen->was_first = frame->is_first;
}

static void read_to_last(enum shmring_mode mode, uint32_t lease) {
    struct shmring_reader *reader = new_reader(mode, lease);
    struct shmring_frame *frame, *before = NULL;
    struct seen seen = {0};
    bool last = false;
    while (!last) {
        frame = take(reader);
        require_next(&seen, reader, frame, mode);
        last = frame->info.frame_number == LAST;
        if (before)
            require_whole(before); /* held while the next one came */
        shmring_frame_release(before);
        before = frame;
    }
    require_whole(before);
    shmring_frame_release(before);
    shmring_reader_free(reader);
    _exit(0);
}

static pid_t start(enum shmring_mode mode, uint32_t lease) {
    pid_t child = fork();
    REQUIRE(child >= 0, "fork");
    if (child == 0)
        read_to_last(mode, lease);
    return child;
}

/* To a stream that has ended nobody comes: this begins the next one. */
static void wait_for_readers(struct shmring_writer *writer, uint32_t count) {
    shmring_writer_wait_reader(writer, WAIT_NS);
    while (stress_readers(writer) < count)
        shmring_writer_watch(writer, 1000000);
}

static bool are_ports_free(struct shmring_writer *writer) {
    struct segment *seg = writer_segment(writer);
    bool all_free = true;
    for (uint32_t port = 0; port < seg->g.max_readers; port++)
        all_free = all_free && attach_state(atomic_load(&seg->ctl->port[port].attach)) == PORT_FREE;
    return all_free;
}

/* Publishes the last frame until everybody saw it: who was attached to a stream that has ended
 * comes anew, and only then is offered frames. */
static void conclude(struct shmring_writer *writer, uint32_t count, const pid_t *readers) {
    wait_for_readers(writer, count);
    for (uint64_t number = 1; number <= 3; number++)
        publish(writer, number);
    for (uint32_t i = 0; i < count; i++) {
        int status = 0;
        while (waitpid(readers[i], &status, WNOHANG) == 0) {
            publish(writer, LAST);
            shmring_writer_watch(writer, 1000000);
        }
        REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0, "reader %u: %#x", i, status);
    }
    while (!are_ports_free(writer)) /* who died while leaving is found in half a second */
        shmring_writer_watch(writer, 1000000);
    shmring_writer_flush(writer); /* what was offered while they left is taken back by a look */
    stress_require_all_free(writer);
    shmring_writer_close(writer);
    stress_require_nothing_left(name);
}

/* ---- What a victim does ---- */

/* Unpublished, lent beyond an end, in another order than they came. */
static void write_frames(struct shmring_writer *writer) {
    struct shmring_slot slot;
    for (uint64_t number = 1; number <= 3; number++)
        publish(writer, number);
    if (shmring_writer_loan(writer, SHMRING_LOAN_LEND, 0, &slot, NULL) == SHMRING_OK)
        shmring_slot_return(&slot);
    shmring_writer_flush(writer);
    publish(writer, 4);
}

static void victim_writes(void) {
    fault_arm(true);
    own.writer = open_writer(SHMRING_FOREVER);
    fault_arm(false);
    wait_for_readers(own.writer, 2);
    fault_arm(true);
    write_frames(own.writer);
}

static void victim_opens(void) {
    fault_arm(true);
    own.writer = open_writer(SHMRING_FOREVER);
    fault_arm(false);
    wait_for_readers(own.writer, 2);
    publish(own.writer, 1);
}

static void victim_goes_on_writing(void) {
    own.writer = open_writer(SHMRING_FOREVER);
    wait_for_readers(own.writer, 2);
    fault_arm(true);
    write_frames(own.writer);
}

static void victim_resizes(void) {
    own.writer = open_writer(SHMRING_FOREVER);
    wait_for_readers(own.writer, 2);
    publish(own.writer, 1);
    fault_arm(true);
    resize(own.writer, SLOTS + 1);
    publish(own.writer, 2);
}

static void victim_ends(void) {
    own.writer = open_writer(SHMRING_FOREVER);
    wait_for_readers(own.writer, 2);
    publish(own.writer, 1);
    fault_arm(true);
    shmring_writer_end(own.writer);
    publish(own.writer, 2); /* the next stream */
    close_own_writer();
}

/* A dead writer's ring is there; a second one dies while it adopts it. */
static void victim_adopts(void) {
    pid_t first = fork();
    if (first == 0) {
        struct shmring_writer *writer = open_writer(SHMRING_FOREVER);
        wait_for_readers(writer, 2);
        publish(writer, 1);
        kill(getpid(), SIGKILL);
    }
    waitpid(first, NULL, 0);
    fault_arm(true);
    own.writer = open_writer(SHMRING_FOREVER);
    publish(own.writer, 2);
}

static void read_frames(enum shmring_mode mode) {
    own.reader = new_reader(mode, 1);
    own.frame = take(own.reader);
    struct shmring_frame *copy = take(own.reader);
    require_whole(own.frame);
    release_own_frame();
    require_whole(copy);
    shmring_frame_release(copy);
    shmring_reader_leave(own.reader);
    own.frame = take(own.reader);
    shmring_reader_request_keyframe(own.reader, SHMRING_TIME_NONE);
    for (int i = 0; i < 3; i++)
        shmring_frame_release(take(own.reader));
    free_own_reader();
    require_whole(own.frame);
    release_own_frame();
}

static void victim_reads(void) {
    fault_arm(true);
    read_frames(SHMRING_MODE_ALL);
}

static void victim_looks(void) {
    fault_arm(true);
    read_frames(SHMRING_MODE_LATEST);
}

/* ---- One step ---- */

static void die(void) {
    kill(getpid(), SIGKILL);
}

static void stop(void) {
    kill(getpid(), SIGSTOP);
}

static void fork_and_free(void) {
    int status;
    fault_arm(false);
    pid_t child = fork();
    REQUIRE(child >= 0, "fork");
    if (child == 0) {
        alarm(60);
        shmring_frame_release(own.frame);
        shmring_reader_free(own.reader);
        shmring_writer_close(own.writer);
        _exit(0);
    }
    REQUIRE(waitpid(child, &status, 0) == child && status == 0, "a child: %#x", status);
    fault_arm(true);
}

/* Its ring is as if there had been no child; it dies as those that are killed. */
static void end_parent(void) {
    struct shmring_info info = SHMRING_INFO_INIT;
    struct shmring_error error = {0};
    int result = own.writer ? shmring_query(name, &info, &error) : 0;
    REQUIRE(result == 0 && (!own.writer || info.state == SHMRING_STATE_LIVE), "state %d %s",
            info.state, error.message);
    die();
}

static pid_t start_victim(void (*act)(void), uint64_t step, void (*how)(void)) {
    pid_t child = fork();
    REQUIRE(child >= 0, "fork");
    if (child)
        return child;
    fault_choose(step, how, how == fork_and_free);
    act();
    fault_arm(false);
    if (how == fork_and_free && fault_count() >= step)
        end_parent();
    _exit(how == stop || fault_count() < step ? 0 : 1);
}

/* True: the step was reached, and the victim is dead. */
static bool was_killed(int status) {
    REQUIRE(WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGKILL,
            "the victim ended with %#x", status);
    return WIFSIGNALED(status);
}

static bool hit_writer(void (*act)(void), uint64_t step, void (*how)(void)) {
    pid_t readers[] = {start(SHMRING_MODE_ALL, 2), start(SHMRING_MODE_LATEST, 1)};
    int status;
    pid_t victim = start_victim(act, step, how);
    REQUIRE(waitpid(victim, &status, 0) == victim, "waitpid");
    conclude(open_writer(SHMRING_FOREVER), 2, readers);
    return was_killed(status);
}

static int try_to_open(struct shmring_writer **writer) {
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    struct shmring_error error = {0};
    options.slots = SLOTS;
    options.slot_size = slot_size;
    int result = shmring_writer_open(name, &options, writer, &error);
    REQUIRE(result == 0 || result == -EBUSY, "a stopped writer's ring: %d %s", result,
            error.message);
    return result;
}

/* It is no dead one: nobody gets its ring, and its readers wait. */
static void require_in_use(void) {
    struct shmring_writer *writer = NULL;
    REQUIRE(try_to_open(&writer) == -EBUSY, "a stopped writer's ring was to be had");
}

/* It has no ring yet, or none any more, or it is in use; in between there is nothing. */
static void open_and_close(void) {
    struct shmring_writer *writer = NULL;
    if (try_to_open(&writer) == 0)
        shmring_writer_close(writer);
}

static bool stop_writer(void (*act)(void), uint64_t step, void (*how)(void),
                        void (*meanwhile)(void)) {
    pid_t readers[] = {start(SHMRING_MODE_ALL, 2), start(SHMRING_MODE_LATEST, 1)};
    int status;
    pid_t victim = start_victim(act, step, how);
    REQUIRE(waitpid(victim, &status, WUNTRACED) == victim, "waitpid");
    bool reached = WIFSTOPPED(status);
    if (reached) {
        meanwhile();
        kill(victim, SIGCONT);
        REQUIRE(waitpid(victim, &status, 0) == victim, "waitpid");
    }
    REQUIRE(status == 0, "it did not go on: %#x", status);
    conclude(open_writer(SHMRING_FOREVER), 2, readers);
    return reached;
}

static bool hit_stopping_writer(void (*act)(void), uint64_t step, void (*how)(void)) {
    return stop_writer(act, step, how, require_in_use);
}

static bool hit_opening_or_ending_writer(void (*act)(void), uint64_t step, void (*how)(void)) {
    return stop_writer(act, step, how, open_and_close);
}

/* The others go on while it is stopped; then it goes on too. */
static bool let_go_on(struct shmring_writer *writer, pid_t victim) {
    for (uint64_t number = 1; number <= 2 * SLOTS; number++)
        publish(writer, number);
    kill(victim, SIGCONT);
    return true;
}

static bool hit_reader(void (*act)(void), uint64_t step, void (*how)(void)) {
    bool reached = false, over = false;
    int status;
    struct shmring_writer *writer =
        open_writer(how == stop ? STOPPED_PATIENCE_NS : SHMRING_FOREVER);
    pid_t readers[] = {start(SHMRING_MODE_ALL, 1)};
    wait_for_readers(writer, 1);
    pid_t victim = start_victim(act, step, how);
    for (uint64_t number = 1; !over; number++) {
        publish(writer, number);
        if (number % 64 == 0)
            resize(writer, SLOTS + (uint32_t)(number / 64 % 2));
        pid_t found = waitpid(victim, &status, WNOHANG | WUNTRACED);
        REQUIRE(found >= 0, "waitpid");
        if (found && WIFSTOPPED(status))
            reached = let_go_on(writer, victim);
        else if (found)
            over = true;
    }
    reached = how == stop ? reached : was_killed(status);
    REQUIRE(how != stop || status == 0, "it did not go on: %#x", status);
    conclude(writer, 1, readers);
    return reached;
}

/* ---- All of them ---- */

static const struct scenario {
    const char *name;
    bool (*hit)(void (*act)(void), uint64_t step, void (*how)(void));
    void (*act)(void);
    void (*how)(void);
    bool has_little_room; /* for one segment, not for two */
} scenarios[] = {
    {"write", hit_writer, victim_writes, die},
    {"resize", hit_writer, victim_resizes, die},
    {"end", hit_writer, victim_ends, die},
    {"adopt", hit_writer, victim_adopts, die},
    {"read", hit_reader, victim_reads, die},
    {"look", hit_reader, victim_looks, die},
    {"stop-open", hit_opening_or_ending_writer, victim_opens, stop},
    {"stop-write", hit_stopping_writer, victim_goes_on_writing, stop},
    {"stop-resize", hit_stopping_writer, victim_resizes, stop},
    {"stop-end", hit_opening_or_ending_writer, victim_ends, stop},
    {"stop-adopt", hit_opening_or_ending_writer, victim_adopts, stop},
    {"stop-read", hit_reader, victim_reads, stop},
    {"stop-look", hit_reader, victim_looks, stop},
    {"fork-write", hit_writer, victim_writes, fork_and_free},
    {"fork-resize", hit_writer, victim_resizes, fork_and_free},
    {"fork-end", hit_writer, victim_ends, fork_and_free},
    {"fork-adopt", hit_writer, victim_adopts, fork_and_free},
    {"fork-read", hit_reader, victim_reads, fork_and_free},
    {"fork-look", hit_reader, victim_looks, fork_and_free},
    {"move", hit_writer, victim_resizes, die, true}, /* the last: its /dev/shm stays */
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint64_t current_step;
static const char *current_name;

static void say_where(int signal) {
    fprintf(stderr, "in %s, at step %llu\n", current_name, (unsigned long long)current_step);
    _exit(1);
}

static void run(const struct scenario *s, uint64_t every, uint64_t seed) {
    uint64_t step = 1 + seed % every, hits = 0;
    double begun = now();
    slot_size = s->has_little_room ? 262144 : FRAME_SIZE;
    if (s->has_little_room && !mount_shm("size=3m")) {
        printf("%-12s skipped: no mount namespace here\n", s->name);
        return;
    }
    current_name = s->name;
    for (bool reached = true; reached; step += every) {
        current_step = step;
        alarm(300); /* whatever hangs */
        stress_name(name, s->name);
        reached = s->hit(s->act, step, s->how);
        hits += reached;
    }
    REQUIRE(hits, "no step was reached");
    printf("%-12s %6llu steps %6llu hits %8.1f s\n", s->name, (unsigned long long)(step - every),
           (unsigned long long)hits, now() - begun);
    fflush(stdout);
}

int main(int argc, char **argv) {
    uint64_t every = 1, seed = 0;
    int i = 1;
    for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        uint64_t *value = strcmp(argv[i], "--every") == 0 ? &every : &seed;
        *value = strtoull(argv[i + 1], NULL, 0);
    }
    signal(SIGALRM, say_where);
    signal(SIGABRT, say_where);
    for (size_t n = 0; n < sizeof scenarios / sizeof *scenarios; n++) {
        if (stress_is_wanted(scenarios[n].name, argc - i, argv + i))
            run(&scenarios[n], every, seed);
    }
    return 0;
}
