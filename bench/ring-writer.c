/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Publishes numbered frames into a ring:
 *
 *   bench-ring-writer NAME WIDTH HEIGHT FRAMES FPS stamp|fill
 *
 * FRAMES 0: until its standard input is closed. FPS 0: as fast as the readers let it. Prints
 * "ready" when the ring is there, and begins when a reader is attached.
 */
#include <poll.h>
#include <stdio.h>

#include "picture.h"
#include "shmring.h"

struct program {
    struct picture picture;
    struct shmring_writer *writer;
    uint64_t frames;
    int64_t interval_ns;
    struct shmring_error error;
};

static void fill(const struct picture *picture, uint8_t *data, uint64_t number) {
    if (picture->pixels)
        memcpy(data, picture->pixels, picture->size);
    struct stamp stamp = {.number = number, .sent_ns = now_ns()};
    memcpy(data, &stamp, sizeof stamp);
    memcpy(data + picture->size - sizeof stamp, &stamp, sizeof stamp);
}

static struct shmring_frame_info describe(const struct picture *picture, uint64_t number) {
    return (struct shmring_frame_info){
        .struct_size = sizeof(struct shmring_frame_info),
        .width = picture->width,
        .height = picture->height,
        .channels = 3,
        .format = "BGR",
        .planes = 1,
        .stride = {(int32_t)picture->width * 3},
        .size = picture->size,
        .frame_number = number,
        .frame_number_end = SHMRING_NUMBER_NONE,
        .pts_ns = SHMRING_TIME_NONE,
        .dts_ns = SHMRING_TIME_NONE,
        .duration_ns = SHMRING_TIME_NONE,
        .clock_ns = now_ns(),
        .fps_den = 1,
    };
}

static bool publish(struct program *p, uint64_t number) {
    struct shmring_frame_info info = describe(&p->picture, number);
    struct shmring_slot slot;
    int result =
        shmring_writer_loan(p->writer, SHMRING_LOAN_FILL, SHMRING_FOREVER, &slot, &p->error);
    if (result != SHMRING_OK)
        return false;
    fill(&p->picture, slot.data, number);
    result = shmring_writer_publish(p->writer, &slot, &info, NULL, &p->error);
    shmring_slot_return(&slot);
    return result == 0;
}

/* False: standard input was closed meanwhile. */
static bool wait_until(int64_t time_ns) {
    struct pollfd input = {.fd = 0, .events = POLLIN};
    int64_t left = time_ns - now_ns();
    struct timespec timeout = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
    return left <= 0 || ppoll(&input, 1, &timeout, NULL) == 0;
}

static bool run(struct program *p) {
    int64_t next = now_ns();
    for (uint64_t number = 0; !p->frames || number < p->frames; number++) {
        if (p->interval_ns && !wait_until(next += p->interval_ns))
            break;
        if (!publish(p, number))
            return false;
    }
    shmring_writer_end(p->writer);
    return true;
}

static bool configure(struct program *p, int argc, char **argv) {
    if (argc != 7 || !picture_init(&p->picture, argv[2], argv[3], argv[6]))
        return false;
    int fps = atoi(argv[5]);
    p->frames = strtoull(argv[4], NULL, 10);
    p->interval_ns = fps ? 1000000000 / fps : 0;
    return p->frames || fps;
}

int main(int argc, char **argv) {
    struct program p = {0};
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    if (!configure(&p, argc, argv)) {
        fprintf(stderr, "usage: %s NAME WIDTH HEIGHT FRAMES FPS stamp|fill\n", argv[0]);
        return 2;
    }
    options.slot_size = p.picture.size;
    bool done = shmring_writer_open(argv[1], &options, &p.writer, &p.error) == 0;
    if (done) {
        puts("ready");
        fflush(stdout);
        done = shmring_writer_wait_reader(p.writer, SHMRING_FOREVER) == SHMRING_OK && run(&p);
    }
    if (!done)
        fprintf(stderr, "%s\n", p.error.message);
    shmring_writer_close(p.writer);
    free(p.picture.pixels);
    return done ? 0 : 1;
}
