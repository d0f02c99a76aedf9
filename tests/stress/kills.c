/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writers that are killed at any moment, also in the midst of a resize, and followed by others of
 * the same or of other sizes; readers that are killed too. Those that are not killed see whole
 * frames, in order, none twice, and know of each that they did not get.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

#define WRITERS 150
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

int main(int argc, char **argv) {
    struct random random = {argc > 1 ? strtoull(argv[1], NULL, 0) : 1};
    pid_t readers[STAYING + KILLED];
    stress_name(plan.name, "kills");
    alarm(600); /* whatever hangs */
    for (int i = 0; i < STAYING + KILLED; i++)
        readers[i] = start_reader(i, &random);
    for (int n = 0; n < WRITERS; n++) {
        pid_t writer = start_writer(&random);
        pause_up_to(&random, 20000);
        kill_child(writer);
        if (n % 4 == 3) {
            int which = STAYING + n / 4 % KILLED;
            kill_child(readers[which]);
            readers[which] = start_reader(which, &random);
        }
    }
    struct shmring_writer *writer = write_last(&random);
    require_success(readers, STAYING + KILLED);
    stress_require_all_free(writer);
    shmring_writer_close(writer);
    stress_require_nothing_left(plan.name);
    printf("%d writers\n", WRITERS);
    return 0;
}
