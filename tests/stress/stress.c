/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stress.h"

#include <dirent.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_HELD 8
#define WAIT_NS INT64_C(60000000000)

static struct stress_tally own_tally;
struct stress_tally *stress_tally = &own_tally;

uint32_t random_below(struct random *random, uint32_t below) {
    /* xorshift64*, Vigna 2016 */
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return (uint32_t)((random->state * UINT64_C(2685821657736338717)) >> 32) % below;
}

bool stress_is_wanted(const char *scenario, int count, char **wanted) {
    for (int i = 0; i < count; i++) {
        if (strcmp(scenario, wanted[i]) == 0)
            return true;
    }
    return count == 0;
}

void stress_name(char name[64], const char *test) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(name, 64, "stress-%s-%d-%ld", test, (int)getpid(), now.tv_nsec);
}

/* ---- Frames ---- */

static uint64_t word_at(uint64_t number, uint64_t i) {
    return (number + 1) * UINT64_C(0x9e3779b97f4a7c15) + i;
}

static void fill(void *data, uint64_t size, uint64_t number) {
    uint64_t *words = data;
    for (uint64_t i = 0; i < size / 8; i++)
        words[i] = word_at(number, i);
}

static void require_content(const struct shmring_frame *frame, const char *when) {
    const uint64_t *words = frame->data;
    for (uint64_t i = 0; i < frame->info.size / 8; i++)
        REQUIRE_OR(torn, words[i] == word_at(frame->info.frame_number, i),
                   "I4: %s, frame %llu, word %llu", when, (unsigned long long)frame->info.seq,
                   (unsigned long long)i);
}

/* ---- Writer ---- */

struct shmring_writer *stress_open(const struct stress_plan *plan) {
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    struct shmring_writer *writer = NULL;
    struct shmring_error error = {0};
    struct random random = {~plan->seed};
    options.slot_size = plan->frame_size;
    options.header_size = 4096;
    options.slots = 6 + random_below(&random, plan->sizes);
    /* Wraps the 32-bit wake-up words on the way. */
    options.first_seq = UINT32_MAX - plan->frames / 2;
    int result = shmring_writer_open(plan->name, &options, &writer, &error);
    REQUIRE(result == 0, "%s", error.message);
    return writer;
}

static void publish_one(struct shmring_writer *writer, uint64_t number, uint64_t size) {
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    struct shmring_error error = {0};
    struct shmring_slot slot;
    info.size = size;
    info.frame_number = number;
    info.caps = "application/octet-stream";
    int result = shmring_writer_loan(writer, SHMRING_LOAN_FILL, WAIT_NS, &slot, &error);
    REQUIRE_OR(hung, result != SHMRING_TIMEOUT, "loan: %s", error.message);
    REQUIRE(result == SHMRING_OK, "loan: %d %s", result, error.message);
    fill(slot.data, size, number);
    result = shmring_writer_publish(writer, &slot, &info, NULL, &error);
    REQUIRE(result == 0, "publish: %s", error.message);
    shmring_slot_return(&slot);
    TALLY(published);
}

/* Every so many frames, but not before the first. */
static int is_due(uint64_t number, uint32_t every) {
    return every && number && number % every == 0;
}

void stress_publish(struct shmring_writer *writer, const struct stress_plan *plan) {
    struct random random = {plan->seed};
    struct shmring_error error = {0};
    for (uint64_t number = 0; number < plan->frames; number++) {
        if (is_due(number, plan->flush_every))
            shmring_writer_flush(writer);
        if (is_due(number, plan->resize_every)) {
            int result = shmring_writer_resize(writer, 6 + random_below(&random, plan->sizes),
                                               plan->frame_size, 4096, &error);
            REQUIRE(result == 0, "resize: %s", error.message);
            TALLY(resizes);
        }
        publish_one(writer, number, 8 * (1 + random_below(&random, plan->frame_size / 8)));
    }
}

struct shmring_writer_stats stress_write(struct shmring_writer *writer,
                                         const struct stress_plan *plan) {
    struct shmring_writer_stats stats = SHMRING_WRITER_STATS_INIT;
    stress_publish(writer, plan);
    shmring_writer_end(writer);
    shmring_writer_get_stats(writer, &stats);
    REQUIRE(stats.published == plan->frames, "published %llu", (unsigned long long)stats.published);
    return stats;
}

uint32_t stress_readers(struct shmring_writer *writer) {
    struct shmring_writer_stats stats = SHMRING_WRITER_STATS_INIT;
    shmring_writer_get_stats(writer, &stats);
    return stats.readers;
}

void stress_require_nothing_left(const char *name) {
    DIR *directory = opendir("/dev/shm");
    REQUIRE(directory, "/dev/shm");
    for (struct dirent *entry; (entry = readdir(directory));)
        REQUIRE(!strstr(entry->d_name, name), "%s was left", entry->d_name);
    closedir(directory);
}

void stress_require_all_free(struct shmring_writer *writer) {
    struct segment *seg = writer_segment(writer);
    for (uint32_t port = 0; port < seg->g.max_readers; port++) {
        for (uint32_t slot = 0; slot < seg->g.slots; slot++)
            REQUIRE(atomic_load(&seg->ctl->port[port].claim[slot]) == 0,
                    "I7: port %u still has slot %u", port, slot);
        uint64_t word = atomic_load(&seg->ctl->port[port].attach);
        REQUIRE(attach_state(word) == PORT_FREE, "I7: port %u is not free", port);
    }
}

/* ---- Readers ---- */

struct hand {
    struct shmring_frame *frame[MAX_HELD];
    uint32_t count;
};

/* Any of them, not the oldest: out of order. */
static void release_one(struct hand *hand, struct random *random) {
    uint32_t which = random_below(random, hand->count);
    require_content(hand->frame[which], "at its release");
    shmring_frame_release(hand->frame[which]);
    hand->frame[which] = hand->frame[--hand->count];
}

static void pause_sometimes(struct random *random) {
    if (random_below(random, 64) == 0)
        nanosleep(&(struct timespec){.tv_nsec = random_below(random, 300000)}, NULL);
}

struct shmring_reader *stress_attach(const struct stress_reader *job) {
    struct shmring_reader *reader = NULL;
    struct shmring_error error = {0};
    int result = shmring_reader_new(job->plan->name, &job->options, &reader, &error);
    REQUIRE(result == 0, "%s", error.message);
    if (job->mapping)
        reader_share_mapping(reader, job->mapping);
    result = shmring_reader_attach(reader, WAIT_NS, &error);
    REQUIRE(result == SHMRING_OK, "attach: %d %s", result, error.message);
    return reader;
}

static uint64_t published_before(struct shmring_reader *reader) {
    struct segment *seg = reader_segment(reader);
    return seg ? atomic_load(&seg->header->head) : 0;
}

static uint64_t missed(const struct shmring_reader_stats *stats) {
    return stats->dropped + stats->flushed;
}

/* I5: in mode all only a flush makes a gap; both modes: what was missed is what was counted, and
 * what the frame tells. */
static void require_order(struct shmring_reader *reader, const struct stress_reader *job,
                          uint64_t previous, const struct shmring_frame *frame,
                          const struct shmring_reader_stats *before) {
    struct shmring_reader_stats stats = SHMRING_READER_STATS_INIT;
    uint64_t seq = frame->info.seq;
    shmring_reader_get_stats(reader, &stats);
    if (job->options.mode == SHMRING_MODE_ALL)
        REQUIRE(stats.dropped == 0, "I5: %llu dropped", (unsigned long long)stats.dropped);
    REQUIRE(frame->missed == missed(&stats) - missed(before), "I6: %llu told, %llu counted",
            (unsigned long long)frame->missed,
            (unsigned long long)(missed(&stats) - missed(before)));
    if (previous && before->received) /* not after one from before it was attached */
        REQUIRE(seq - previous - 1 == frame->missed, "I6: %llu after %llu, %llu told",
                (unsigned long long)seq, (unsigned long long)previous,
                (unsigned long long)frame->missed);
    REQUIRE(seq > previous, "I6: %llu after %llu", (unsigned long long)seq,
            (unsigned long long)previous);
}

static int take_one(struct shmring_reader *reader, const struct stress_reader *job,
                    struct hand *hand, uint64_t *previous) {
    struct shmring_reader_stats before = SHMRING_READER_STATS_INIT;
    struct shmring_frame *frame;
    struct shmring_error error = {0};
    shmring_reader_get_stats(reader, &before);
    uint64_t head = published_before(reader);
    int result = shmring_reader_take(reader, WAIT_NS, &frame, &error);
    if (result != SHMRING_OK) {
        REQUIRE(result == SHMRING_ENDED, "take: %d %s", result, error.message);
        return 0;
    }
    require_content(frame, "when taken");
    require_order(reader, job, *previous, frame, &before);
    if (job->options.mode == SHMRING_MODE_LATEST)
        REQUIRE(frame->info.seq + job->options.depth + 1 >= head,
                "I6: %llu is older than %llu - %u", (unsigned long long)frame->info.seq,
                (unsigned long long)head, job->options.depth);
    *previous = frame->info.seq;
    hand->frame[hand->count++] = frame;
    return 1;
}

static void require_sum(struct shmring_reader *reader, const struct stress_reader *job) {
    struct shmring_reader_stats stats = SHMRING_READER_STATS_INIT;
    shmring_reader_get_stats(reader, &stats);
    REQUIRE(stats.received + missed(&stats) == job->plan->frames, "I6: %llu + %llu of %llu",
            (unsigned long long)stats.received, (unsigned long long)missed(&stats),
            (unsigned long long)job->plan->frames);
}

/* To the end, or until it is time to leave. */
static int read_some(const struct stress_reader *job, struct shmring_reader *reader,
                     struct random *random) {
    struct hand hand = {.count = 0};
    uint64_t previous = 0;
    uint32_t taken = 0;
    int more = 1;
    while (more && !(job->leave_every && taken == job->leave_every)) {
        more = take_one(reader, job, &hand, &previous);
        taken++;
        pause_sometimes(random);
        while (hand.count > random_below(random, job->hold + 1))
            release_one(&hand, random);
    }
    if (!more && !job->leave_every)
        require_sum(reader, job);
    shmring_reader_free(reader);
    while (hand.count) /* frames outlive their reader */
        release_one(&hand, random);
    return more;
}

void stress_read(const struct stress_reader *job, struct shmring_reader *reader) {
    struct random random = {job->seed};
    while (read_some(job, reader, &random)) {
        struct shmring_error error = {0};
        shmring_reader_new(job->plan->name, &job->options, &reader, &error);
        if (job->mapping)
            reader_share_mapping(reader, job->mapping);
        /* The stream may be over by now. */
        if (shmring_reader_attach(reader, 0, &error) != SHMRING_OK) {
            shmring_reader_free(reader);
            return;
        }
    }
}

struct follower {
    const struct stress_reader *job;
    struct shmring_reader *reader;
    uint64_t previous; /* seq */
    bool was_first;
};

/* In one segment a lossless reader misses nothing, whoever writes it by now. In mode latest the
 * first frame may be from before it was there: of what lies behind that it is not told. */
static void require_next(struct follower *f, const struct shmring_frame *frame, bool moved) {
    uint64_t seq = frame->info.seq, gap = seq - f->previous - 1;
    bool is_lossless = f->job->options.mode == SHMRING_MODE_ALL;
    REQUIRE_OR(lost, seq > f->previous, "%llu after %llu", (unsigned long long)seq,
               (unsigned long long)f->previous);
    if (!frame->is_first && !(f->was_first && !is_lossless))
        REQUIRE_OR(lost, gap == frame->missed, "I6: %llu after %llu, %llu told",
                   (unsigned long long)seq, (unsigned long long)f->previous,
                   (unsigned long long)frame->missed);
    if (is_lossless && !moved)
        REQUIRE_OR(lost, frame->missed == 0, "I5: %llu missed before %llu",
                   (unsigned long long)frame->missed, (unsigned long long)seq);
    f->previous = seq;
    f->was_first = frame->is_first;
}

/* Not by its address, which the next one may get. */
static struct shmring_info ring_of(struct shmring_reader *reader) {
    struct shmring_info info = SHMRING_INFO_INIT;
    shmring_reader_get_info(reader, &info);
    return info;
}

static int follow_one(struct follower *f, struct hand *hand) {
    struct shmring_info before = ring_of(f->reader), after;
    struct shmring_frame *frame;
    struct shmring_error error = {0};
    int result = shmring_reader_take(f->reader, WAIT_NS, &frame, &error);
    if (result != SHMRING_OK) {
        REQUIRE_OR(hung, result != SHMRING_TIMEOUT, "take: %s", error.message);
        REQUIRE(result == SHMRING_ENDED, "take: %d %s", result, error.message);
        return 0;
    }
    require_content(frame, "when taken");
    TALLY(taken);
    after = ring_of(f->reader);
    require_next(f, frame, memcmp(before.instance, after.instance, sizeof after.instance) != 0);
    hand->frame[hand->count++] = frame;
    return 1;
}

void stress_follow(const struct stress_reader *job) {
    struct random random = {job->seed};
    struct follower f = {.job = job};
    struct shmring_error error = {0};
    struct hand hand = {.count = 0};
    int result = shmring_reader_new(job->plan->name, &job->options, &f.reader, &error);
    REQUIRE(result == 0, "%s", error.message);
    while (follow_one(&f, &hand)) {
        pause_sometimes(&random);
        while (hand.count > random_below(&random, job->hold + 1))
            release_one(&hand, &random);
    }
    shmring_reader_free(f.reader);
    while (hand.count)
        release_one(&hand, &random);
}

uint64_t stress_observe(const struct stress_plan *plan) {
    struct shmring_observer *observer = NULL;
    struct shmring_frame *frame;
    struct shmring_error error = {0};
    uint64_t seen = 0, newest = 0;
    int result = shmring_observer_open(plan->name, &observer, &error);
    REQUIRE(result == 0, "%s", error.message);
    while ((result = shmring_observer_latest(observer, newest, WAIT_NS, &frame, &error)) ==
           SHMRING_OK) {
        require_content(frame, "when observed");
        REQUIRE(frame->info.seq > newest, "%llu again", (unsigned long long)newest);
        newest = frame->info.seq;
        seen++;
        shmring_frame_release(frame);
    }
    REQUIRE(result == SHMRING_ENDED || result == SHMRING_CLOSED, "observer: %d %s", result,
            error.message);
    shmring_observer_close(observer);
    return seen;
}
