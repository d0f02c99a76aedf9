/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writers that are killed at any moment, also in the midst of a resize, and followed by others of
 * the same or of other sizes; readers that are killed too. Those that are not killed see whole
 * frames, in order, none twice, and know of each that they did not get.
 *
 * usage: kills [--kills N] [--seed N]      (150, 1)
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

#define STAYING 4
#define KILLED 2

static struct stress_plan plan = {
    .frames = 200, .frame_size = 4096, .resize_every = 40, .sizes = 2};

#define GOES_ON (1u << SHMRING_CLOSED | 1u << SHMRING_LOST)

static const struct stress_reader jobs[STAYING + KILLED] = {
    {.options = STRESS_OPTIONS(SHMRING_MODE_ALL, 1, 2), .hold = 2},
    {.options = STRESS_OPTIONS(SHMRING_MODE_ALL, 1, 0), .hold = 3},
    {.options = STRESS_OPTIONS(SHMRING_MODE_LATEST, 1, 1), .hold = 1},
    {.options = STRESS_OPTIONS(SHMRING_MODE_LATEST, 3, 0), .hold = 2},
    {.options = STRESS_OPTIONS(SHMRING_MODE_ALL, 1, 1), .hold = 1},
    {.options = STRESS_OPTIONS(SHMRING_MODE_LATEST, 2, 1), .hold = 1},
};

static void pause_up_to(struct random *random, uint32_t most_us) {
    uint32_t us = random_below(random, most_us);
    nanosleep(&(struct timespec){.tv_nsec = us * 1000L}, NULL);
}

static void read_in_child(int number, uint64_t seed) {
    struct stress_reader job = jobs[number];
    job.plan = &plan;
    job.seed = seed;
    job.options.go_on_after = GOES_ON;
    stress_follow(&job);
    _exit(0);
}

static pid_t start_reader(int number, struct random *random) {
    uint64_t seed = random_below(random, UINT32_MAX) + UINT64_C(1);
    pid_t child = fork();
    REQUIRE(child >= 0, "fork");
    if (child == 0)
        read_in_child(number, seed);
    return child;
}

/* Writes until it is killed: by its father, or as soon as that is gone. */
static void write_in_child(uint64_t seed) {
    struct stress_plan endless = plan;
    endless.seed = seed;
    struct shmring_writer *writer = stress_open(&endless);
    struct shmring_writer_stats stats = SHMRING_WRITER_STATS_INIT;
    shmring_writer_get_stats(writer, &stats);
    TALLY(opened);
    if (stats.adopted)
        TALLY(adopted);
    for (;;)
        stress_publish(writer, &endless);
}

static pid_t start_writer(struct random *random) {
    uint64_t seed = random_below(random, UINT32_MAX) + UINT64_C(1);
    pid_t child = fork();
    REQUIRE(child >= 0, "fork");
    if (child == 0)
        write_in_child(seed);
    return child;
}

static void kill_child(pid_t child) {
    int status;
    kill(child, SIGKILL);
    REQUIRE(waitpid(child, &status, 0) == child, "waitpid");
    REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "it had ended before: %#x", status);
}

static void require_success(const pid_t *children, int count) {
    for (int i = 0; i < count; i++) {
        int status;
        REQUIRE(waitpid(children[i], &status, 0) == children[i], "waitpid");
        REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0, "reader %d: %#x", i, status);
    }
}

/* The last one is not killed: it ends the stream, for all who have come as far. */
static struct shmring_writer *write_last(struct random *random) {
    plan.seed = random_below(random, UINT32_MAX) + UINT64_C(1);
    struct shmring_writer *writer = stress_open(&plan);
    stress_publish(writer, &plan);
    while (stress_readers(writer) < STAYING + KILLED)
        stress_publish(writer, &plan);
    shmring_writer_end(writer);
    return writer;
}

/* One that found a failure, which it counted, has ended. */
static void replace_failed(pid_t *readers, struct random *random) {
    for (int i = 0; i < STAYING + KILLED; i++) {
        if (waitpid(readers[i], NULL, WNOHANG) == readers[i])
            readers[i] = start_reader(i, random);
    }
}

static void share_tally(void) {
    void *shared =
        mmap(NULL, sizeof *stress_tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED, "mmap");
    stress_tally = shared;
}

static uint64_t print_tally(uint64_t kills) {
    const struct {
        const char *what;
        uint64_t count;
    } lines[] = {
        {"writers killed", kills},
        {"of them, once they had the ring", stress_tally->opened},
        {"of those, adopted the ring of the one before", stress_tally->adopted},
        {"resizes", stress_tally->resizes},
        {"readers killed", kills / 4},
        {"frames published", stress_tally->published},
        {"frames taken", stress_tally->taken},
        {"hung", stress_tally->hung},
        {"torn", stress_tally->torn},
        {"wrongly lost, twice or out of order", stress_tally->lost},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        printf("%-46s %10llu\n", lines[i].what, (unsigned long long)lines[i].count);
    return stress_tally->hung + stress_tally->torn + stress_tally->lost;
}

static void kill_many(pid_t *readers, uint64_t kills, struct random *random) {
    for (uint64_t n = 0; n < kills; n++) {
        alarm(300); /* whatever hangs without saying so */
        pid_t writer = start_writer(random);
        pause_up_to(random, 20000);
        kill_child(writer);
        if (n % 4 == 3) {
            uint64_t which = STAYING + n / 4 % KILLED;
            kill_child(readers[which]);
            readers[which] = start_reader((int)which, random);
        }
        replace_failed(readers, random);
    }
}

static uint64_t option(int argc, char **argv, const char *name, uint64_t value) {
    for (int i = 1; i + 1 < argc; i += 2)
        value = strcmp(argv[i], name) == 0 ? strtoull(argv[i + 1], NULL, 0) : value;
    return value;
}

int main(int argc, char **argv) {
    struct random random = {option(argc, argv, "--seed", 1)};
    uint64_t kills = option(argc, argv, "--kills", 150);
    pid_t readers[STAYING + KILLED];
    stress_name(plan.name, "kills");
    share_tally();
    for (int i = 0; i < STAYING + KILLED; i++)
        readers[i] = start_reader(i, &random);
    kill_many(readers, kills, &random);
    struct shmring_writer *writer = write_last(&random);
    require_success(readers, STAYING + KILLED);
    stress_require_all_free(writer);
    shmring_writer_close(writer);
    stress_require_nothing_left(plan.name);
    return print_tally(kills) > 0;
}
