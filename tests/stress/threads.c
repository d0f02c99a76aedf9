/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writer, readers and an observer as threads over one mapping: what ThreadSanitizer can follow. */
#include <pthread.h>
#include <string.h>

#include "stress.h"

#define READERS 5

static struct stress_plan plan = {
    .frames = 6000, .frame_size = 2048, .flush_every = 97, .sizes = 1};

struct thread {
    struct stress_reader job;
    struct shmring_reader *reader;
    pthread_t id;
};

static void *read_all(void *data) {
    struct thread *thread = data;
    stress_read(&thread->job, thread->reader);
    return NULL;
}

static void *observe_all(void *data) {
    return (void *)(uintptr_t)stress_observe(data);
}

static void start(struct thread *threads, struct segment *mapping) {
    static const struct stress_reader jobs[READERS] = {
        {.options = STRESS_OPTIONS(SHMRING_MODE_ALL, 1, 2), .hold = 2},
        {.options = STRESS_OPTIONS(SHMRING_MODE_ALL, 1, 0), .hold = 4},
        {.options = STRESS_OPTIONS(SHMRING_MODE_LATEST, 1, 2), .hold = 2},
        {.options = STRESS_OPTIONS(SHMRING_MODE_LATEST, 3, 0), .hold = 3},
        {.options = STRESS_OPTIONS(SHMRING_MODE_ALL, 1, 1), .hold = 1, .leave_every = 50},
    };
    for (int i = 0; i < READERS; i++) {
        threads[i].job = jobs[i];
        threads[i].job.plan = &plan;
        threads[i].job.mapping = mapping;
        threads[i].job.seed = plan.seed + 1 + (uint64_t)i;
        threads[i].reader = stress_attach(&threads[i].job);
    }
    for (int i = 0; i < READERS; i++)
        pthread_create(&threads[i].id, NULL, read_all, &threads[i]);
}

int main(int argc, char **argv) {
    struct thread threads[READERS];
    pthread_t observer;
    void *observed;
    plan.seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    stress_name(plan.name, "threads");
    struct shmring_writer *writer = stress_open(&plan);
    start(threads, writer_segment(writer));
    pthread_create(&observer, NULL, observe_all, &plan);
    struct shmring_writer_stats stats = stress_write(writer, &plan);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i].id, NULL);
    pthread_join(observer, &observed);
    stress_require_all_free(writer);
    shmring_writer_close(writer);
    printf("seed %llu: %llu frames, %llu revoked, %llu flushed, %llu waits, %llu observed\n",
           (unsigned long long)plan.seed, (unsigned long long)stats.published,
           (unsigned long long)stats.revoked, (unsigned long long)stats.flushed,
           (unsigned long long)stats.waits, (unsigned long long)(uintptr_t)observed);
    return 0;
}
