/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writer and readers as processes, with supersedes: what production looks like. */
#include <sys/wait.h>
#include <unistd.h>

#include "stress.h"

#define READERS 6

static struct stress_plan plan = {
    .frames = 30000, .frame_size = 16384, .flush_every = 997, .resize_every = 3001, .sizes = 6};

static const struct stress_reader jobs[READERS] = {
    {.options = STRESS_OPTIONS(SHMRING_MODE_ALL, 1, 2), .hold = 2},
    {.options = STRESS_OPTIONS(SHMRING_MODE_ALL, 1, 0), .hold = 4},
    {.options = STRESS_OPTIONS(SHMRING_MODE_LATEST, 1, 2), .hold = 2},
    {.options = STRESS_OPTIONS(SHMRING_MODE_LATEST, 3, 0), .hold = 3},
    {.options = STRESS_OPTIONS(SHMRING_MODE_ALL, 1, 1), .hold = 1, .leave_every = 50},
    {.options = STRESS_OPTIONS(SHMRING_MODE_LATEST, 2, 1), .hold = 1, .leave_every = 9},
};

/* In a child: attaches, says so on the pipe, reads to the end. */
static int read_in_child(int number, int ready) {
    struct stress_reader job = jobs[number];
    job.plan = &plan;
    job.seed = plan.seed + 1 + (uint64_t)number;
    struct shmring_reader *reader = stress_attach(&job);
    REQUIRE(write(ready, "r", 1) == 1, "the test's pipe");
    stress_read(&job, reader);
    return 0;
}

static void start(int ready[2]) {
    for (int i = 0; i < READERS; i++) {
        pid_t child = fork();
        REQUIRE(child >= 0, "fork");
        if (child == 0)
            _exit(read_in_child(i, ready[1]));
    }
}

static void require_ready(int ready) {
    char byte;
    for (int i = 0; i < READERS; i++)
        REQUIRE(read(ready, &byte, 1) == 1, "a reader did not attach");
}

static void require_success(void) {
    int status;
    for (int i = 0; i < READERS; i++) {
        REQUIRE(wait(&status) > 0, "wait");
        REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a reader failed: %#x", status);
    }
}

int main(int argc, char **argv) {
    int ready[2];
    plan.seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    stress_name(plan.name, "processes");
    REQUIRE(pipe(ready) == 0, "pipe");
    start(ready); /* before the ring: the children make handles of their own */
    struct shmring_writer *writer = stress_open(&plan);
    require_ready(ready[0]);
    struct shmring_writer_stats stats = stress_write(writer, &plan);
    require_success();
    stress_require_all_free(writer);
    shmring_writer_close(writer);
    printf("seed %llu: %llu frames, %llu revoked, %llu flushed, %llu waits\n",
           (unsigned long long)plan.seed, (unsigned long long)stats.published,
           (unsigned long long)stats.revoked, (unsigned long long)stats.flushed,
           (unsigned long long)stats.waits);
    return 0;
}
