/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each call that the ring makes fails once, with each error that it can have: nobody crashes, what
 * does not work is said in a sentence that fits, nothing is left of memory, descriptors, mappings
 * or names, and afterwards all goes on.
 *
 * usage: failures [--verbose] [SCENARIO...]
 */
#include "calls.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "shm.h"
#include "stress.h"

#undef open
#undef close
#undef opendir
#undef readdir
#undef closedir
#undef unlink
#undef rename
#undef fopen
#undef fgets
#undef fclose

#define FRAME_SIZE 512
#define SLOTS 6
#define SECOND INT64_C(1000000000)

static char name[64];
static struct shmring_writer *writer;
static struct shmring_reader *reader;

/* What came of the calls that were made while one failed; the first that did not work. */
static struct {
    int result;
    struct shmring_error error;
} outcome;

static int note(int result, const struct shmring_error *error) {
    if (outcome.result == 0 && result != 0) {
        outcome.result = result;
        outcome.error = *error;
    }
    return result;
}

/* ---- Handles ---- */

static struct shmring_writer *open_writer(uint32_t slots, struct shmring_error *error) {
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    struct shmring_writer *opened = NULL;
    options.slots = slots;
    options.slot_size = FRAME_SIZE;
    options.header_size = 4096;
    options.max_readers = 4;
    options.lend_limit = 1;
    note(shmring_writer_open(name, &options, &opened, error), error);
    return opened;
}

static int publish(uint64_t number) {
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    struct shmring_error error = {0};
    struct shmring_slot slot;
    info.size = FRAME_SIZE;
    info.frame_number = number;
    info.caps = "application/octet-stream";
    if (note(shmring_writer_loan(writer, SHMRING_LOAN_FILL, SECOND, &slot, &error), &error))
        return -1;
    memset(slot.data, (int)number, FRAME_SIZE);
    int result = note(shmring_writer_publish(writer, &slot, &info, NULL, &error), &error);
    shmring_slot_return(&slot);
    return result;
}

static void must_open(void) {
    struct shmring_error error = {0};
    writer = open_writer(SLOTS, &error);
    REQUIRE(writer, "%s", error.message);
}

static void must_read(void) {
    struct shmring_error error = {0};
    REQUIRE(shmring_reader_new(name, NULL, &reader, &error) == 0, "%s", error.message);
    REQUIRE(shmring_reader_attach(reader, SECOND, &error) == 0, "%s", error.message);
}

/* Takes a frame of NUMBER; one with a lower number was published before. */
static int take(uint64_t number, int64_t timeout) {
    struct shmring_frame *frame = NULL;
    struct shmring_error error = {0};
    uint64_t got = 0;
    int result;
    do {
        result = note(shmring_reader_take(reader, timeout, &frame, &error), &error);
        if (frame) {
            got = frame->info.frame_number;
            REQUIRE(((const uint8_t *)frame->data)[FRAME_SIZE - 1] == (uint8_t)got, "content");
        }
        shmring_frame_release(frame);
    } while (result == SHMRING_OK && got < number);
    return result;
}

static void must_take(uint64_t number) {
    REQUIRE(take(number, 10 * SECOND) == SHMRING_OK, "%s", outcome.error.message);
}

/* A writer that died, with one frame. */
static void leave_dead_ring(uint32_t slots) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct shmring_error error = {0};
        writer = open_writer(slots, &error);
        publish(1);
        kill(getpid(), SIGKILL);
    }
    REQUIRE(waitpid(child, &status, 0) == child && WIFSIGNALED(status), "%#x", status);
}

/* ---- Scenarios: what is there before, and what is done while a call fails ---- */

static void nothing(void) {
}

static void open_and_publish(void) {
    struct shmring_error error = {0};
    call_arm(true);
    writer = open_writer(SLOTS, &error);
    if (writer)
        publish(1);
}

static void dead_ring(void) {
    leave_dead_ring(SLOTS);
}

static void dead_ring_of_other_sizes(void) {
    leave_dead_ring(SLOTS + 1);
}

static void ring_and_reader(void) {
    must_open();
    must_read();
}

static void write_frames(void) {
    call_arm(true);
    int result = publish(1);
    struct shmring_writer_stats stats = SHMRING_WRITER_STATS_INIT;
    shmring_writer_get_stats(writer, &stats);
    call_arm(false);
    if (result == 0)
        must_take(1);
}

/* The reader has nothing more to take: alone with its writer in one thread, that could wait for
 * ever. */
static void resize(void) {
    struct shmring_frame *frame = NULL;
    struct shmring_error error = {0};
    publish(1);
    must_take(1);
    call_arm(true);
    note(shmring_writer_resize(writer, SLOTS + 1, FRAME_SIZE, 4096, &error), &error);
    call_arm(false);
    REQUIRE(shmring_reader_take(reader, 0, &frame, NULL) == SHMRING_TIMEOUT, "no frame is there");
    REQUIRE(publish(2) == 0, "%s", outcome.error.message);
    must_take(2);
}

/* The reader is what the call fails for. */
static void follow(void) {
    struct shmring_error error = {0};
    publish(1);
    must_take(1);
    REQUIRE(shmring_writer_resize(writer, SLOTS + 1, FRAME_SIZE, 4096, &error) == 0, "%s",
            error.message);
    call_arm(true);
    take(2, 0);
    call_arm(false);
    take(2, 0);
    REQUIRE(publish(2) == 0, "%s", outcome.error.message);
    must_take(2);
}

static void ring_only(void) {
    must_open();
    publish(1);
}

static void read_frames(void) {
    struct shmring_error error = {0};
    call_arm(true);
    note(shmring_reader_new(name, NULL, &reader, &error), &error);
    if (reader && note(shmring_reader_attach(reader, 0, &error), &error) == 0) {
        publish(2);
        take(2, 0);
        shmring_reader_leave(reader);
    }
    call_arm(false);
    shmring_reader_free(reader);
    reader = NULL;
    must_read();
    publish(3);
    must_take(3);
}

static void read_newest(void) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    struct shmring_error error = {0};
    options.mode = SHMRING_MODE_LATEST;
    options.lease = 0;
    call_arm(true);
    note(shmring_reader_new(name, &options, &reader, &error), &error);
    if (reader)
        take(1, 0);
    call_arm(false);
    if (reader) {
        publish(2);
        must_take(2);
    }
}

static void observe(void) {
    struct shmring_observer *observer = NULL;
    struct shmring_frame *frame = NULL;
    struct shmring_error error = {0};
    call_arm(true);
    note(shmring_observer_open(name, &observer, &error), &error);
    if (observer)
        note(shmring_observer_latest(observer, 0, 0, &frame, &error), &error);
    shmring_frame_release(frame);
    shmring_observer_close(observer);
}

static void visit_reader(const struct shmring_reader_info *info, void *data) {
}

static bool visit_ring(const struct shmring_info *info, void *data) {
    return strcmp(info->name, name) != 0;
}

static void look(void) {
    struct shmring_info info = SHMRING_INFO_INIT;
    struct shmring_error error = {0};
    call_arm(true);
    note(shmring_query(name, &info, &error), &error);
    int readers = shmring_query_readers(name, visit_reader, NULL, &error);
    note(readers < 0 ? readers : 0, &error);
    shmring_list(visit_ring, NULL);
}

static void end(void) {
    call_arm(true);
    shmring_writer_end(writer);
    shmring_writer_close(writer);
    writer = NULL;
}

/* What a creation leaves that is killed before its names are in place. */
static void leftovers(void) {
    static const char *const suffixes[] = {"", ".ctl"};
    leave_dead_ring(SLOTS);
    for (int i = 0; i < 2; i++) {
        char from[128], to[128];
        snprintf(from, sizeof from, "/dev/shm/%s%s", name, suffixes[i]);
        snprintf(to, sizeof to, "/dev/shm/%s.%032d%s.new", name, 0, suffixes[i]);
        REQUIRE(rename(from, to) == 0, "%s", to);
    }
}

static void lonely_ctl(void) {
    char path[128];
    leave_dead_ring(SLOTS);
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    REQUIRE(unlink(path) == 0, "%s", path);
}

static void remove_ring(void) {
    struct shmring_error error = {0};
    call_arm(true);
    note(shmring_remove(name, false, &error), &error);
}

/* Where it could not be looked at there is no ring: the next writer removes it. */
static void remove_lonely(void) {
    struct shmring_error error = {0};
    call_arm(true);
    int result = shmring_remove(name, false, &error);
    if (result != -ENOENT)
        note(result, &error);
}

/* Nothing comes; that a wait was cut short is no failure. */
static void wait_for_frame(void) {
    struct shmring_frame *frame = NULL;
    struct shmring_error error = {0};
    call_arm(true);
    int result = shmring_reader_take(reader, 1000000, &frame, &error);
    REQUIRE(result == SHMRING_TIMEOUT || result == SHMRING_INTERRUPTED, "%d %s", result,
            error.message);
    shmring_reader_interrupt(reader, true);
    call_arm(false);
    shmring_reader_interrupt(reader, false);
    REQUIRE(publish(1) == 0, "%s", outcome.error.message);
    must_take(1);
}

static const struct scenario {
    const char *name;
    void (*prepare)(void), (*act)(void);
} scenarios[] = {
    {"create", nothing, open_and_publish},
    {"adopt", dead_ring, open_and_publish},
    {"replace", dead_ring_of_other_sizes, open_and_publish},
    {"write", ring_and_reader, write_frames},
    {"resize", ring_and_reader, resize},
    {"follow", ring_and_reader, follow},
    {"read", ring_only, read_frames},
    {"newest", ring_only, read_newest},
    {"observe", ring_only, observe},
    {"look", ring_and_reader, look},
    {"end", ring_and_reader, end},
    {"sweep", leftovers, open_and_publish},
    {"remove", dead_ring, remove_ring},
    {"lonely", lonely_ctl, remove_lonely},
    {"wait", ring_and_reader, wait_for_frame},
};

/* ---- What is left ---- */

struct left {
    int balance, descriptors, mappings;
};

static int count_entries(const char *folder, const char *part, bool remove) {
    DIR *directory = opendir(folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[300];
        if (entry->d_name[0] == '.' || (part && !strstr(entry->d_name, part)))
            continue;
        snprintf(path, sizeof path, "%s/%.255s", folder, entry->d_name);
        if (remove)
            unlink(path);
        count++;
    }
    closedir(directory);
    return count;
}

static int count_mappings(void) {
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    int count = 0;
    while (fgets(line, sizeof line, maps))
        count += strstr(line, name) != NULL;
    fclose(maps);
    return count;
}

static struct left look_around(void) {
    return (struct left){call_balance(), count_entries("/proc/self/fd", NULL, false),
                         count_mappings()};
}

static void close_all(void) {
    shmring_reader_free(reader);
    shmring_writer_close(writer);
    reader = NULL;
    writer = NULL;
}

/* Who comes next finds no trace, also where a name could not be removed. */
static void require_nothing_left(const struct left *before) {
    struct left now = look_around();
    bool may_stay = call_failed() && strncmp(call_failed(), "unlink", 6) == 0;
    REQUIRE(now.balance == before->balance, "%d pieces of memory or streams",
            now.balance - before->balance);
    REQUIRE(now.descriptors == before->descriptors, "%d descriptors",
            now.descriptors - before->descriptors);
    REQUIRE(now.mappings == before->mappings, "%d mappings", now.mappings - before->mappings);
    must_open();
    close_all();
    int names = count_entries("/dev/shm", name, true);
    REQUIRE(names == 0 || may_stay, "%d names", names);
}

/* ---- What is said ---- */

#define ANY (-1)

/* Each is said in words of its own, or in those of the C library. */
static bool fits(const char *message, int error) {
    static const struct {
        int error;
        const char *words;
    } said[] = {
        {ENOMEM, "no memory"},
        {ENOSPC, "MB free"},
        {EACCES, "no permission"},
        {EPERM, "no permission"},
        {ENOENT, "there is no ring"},
        {EFBIG, "ulimit -f"},
        {ELOOP, "not a ring"},
        {ENXIO, "not a ring"},
        {EISDIR, "not a ring"},
        {ANY, "is just being"}, /* what a look at names and locks can be told apart by */
        {0, "cut off"},
        {0, "not a ring"},
        {0, "is damaged"},
    };
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        if ((said[i].error == error || said[i].error == ANY) && strstr(message, said[i].words))
            return true;
    }
    return strstr(message, strerror(error)) != NULL;
}

static void require_sentence(void) {
    const struct shmring_error *error = &outcome.error;
    if (outcome.result == 0)
        return;
    REQUIRE(error->message[0] && strstr(error->message, name), "'%s'", error->message);
    REQUIRE(outcome.result > 0 || error->code == outcome.result, "%d, %d", outcome.result,
            error->code);
    REQUIRE(outcome.result > 0 || fits(error->message, call_error()), "'%s'", error->message);
}

/* ---- All of them ---- */

static const char *current;
static unsigned current_call;

static void say_where(int signal) {
    fprintf(stderr, "in %s, call %u, %s\n", current, current_call,
            call_failed() ? call_failed() : "none failed");
    _exit(1);
}

static void run_one(const struct scenario *s, unsigned at, unsigned which, bool verbose) {
    snprintf(name, sizeof name, "failures-%d-%s", (int)getpid(), s->name);
    const struct left before = look_around();
    current_call = at;
    alarm(60);
    s->prepare();
    memset(&outcome, 0, sizeof outcome);
    call_choose(at, which);
    s->act();
    call_arm(false);
    if (verbose && call_failed())
        printf("%s %u %s -> %d %s\n", s->name, at, call_failed(), outcome.result,
               outcome.result ? outcome.error.message : "");
    require_sentence();
    close_all();
    require_nothing_left(&before);
}

static void run(const struct scenario *s, bool verbose) {
    unsigned at = 0, failures = 0;
    bool reached = true;
    current = s->name;
    while (reached) {
        at++;
        for (unsigned which = 0; which == 0 || which < call_errors(); which++) {
            run_one(s, at, which, verbose);
            failures += call_failed() != NULL;
        }
        reached = call_errors() > 0;
    }
    printf("%-8s %4u calls %5u failures\n", s->name, at - 1, failures);
    fflush(stdout);
}

/* Once in a process its first ring asks to hear of forks: the scenarios come too late. Refused, it
 * asks once more. */
static void refuse_to_watch_forks(void) {
    struct shmring_error error = {0};
    struct shmring_slot slot;
    int status;
    current = "first";
    snprintf(name, sizeof name, "failures-%d-%s", (int)getpid(), current);
    do {
        REQUIRE(!writer, "%s", call_failed());
        call_choose(++current_call, 0);
        call_arm(true);
        writer = open_writer(SLOTS, &error);
        call_arm(false);
    } while (strncmp(call_failed(), "pthread_atfork", 14) != 0);
    REQUIRE(writer, "%s", error.message);
    pid_t child = fork();
    if (child == 0)
        _exit(shmring_writer_loan(writer, SHMRING_LOAN_FILL, 0, &slot, NULL) != -ECHILD);
    REQUIRE(waitpid(child, &status, 0) == child && status == 0, "%#x", status);
    close_all();
}

int main(int argc, char **argv) {
    bool verbose = argc > 1 && strcmp(argv[1], "--verbose") == 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGALRM, say_where);
    signal(SIGABRT, say_where);
    /* Who finds no room removes the dead rings of this user: those of other tests, too. */
    if (!mount_shm("size=256m"))
        puts("in the /dev/shm of all: no mount namespace here");
    refuse_to_watch_forks();
    for (size_t n = 0; n < sizeof scenarios / sizeof *scenarios; n++) {
        if (stress_is_wanted(scenarios[n].name, argc - 1 - verbose, argv + 1 + verbose))
            run(&scenarios[n], verbose);
    }
    return 0;
}
