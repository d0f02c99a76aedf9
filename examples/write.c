/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes 300 grey frames at 30 fps: ./write cam0. Ctrl-C and SIGTERM end it in order. */
#include <shmring.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WIDTH = 640, HEIGHT = 480, SIZE = WIDTH * HEIGHT, FRAMES = 300, PERIOD_NS = 33333333 };

static struct shmring_writer *writer;
static volatile sig_atomic_t stopped;

/* A wait for a free slot ends, too. */
static void stop(int number) {
    (void)number;
    stopped = 1;
    shmring_writer_interrupt(writer, true);
}

static void write_frame(int n) {
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.width = WIDTH;
    info.height = HEIGHT;
    info.channels = info.planes = 1;
    info.stride[0] = WIDTH;
    info.size = SIZE;
    info.pts_ns = (int64_t)n * PERIOD_NS;
    strcpy(info.format, "GRAY8");
    info.caps = "video/x-raw, format=GRAY8, width=640, height=480, framerate=30/1";
    struct shmring_slot slot;
    if (shmring_writer_loan(writer, SHMRING_LOAN_FILL, SHMRING_FOREVER, &slot, NULL) != SHMRING_OK)
        return;
    memset(slot.data, n % 256, SIZE);
    shmring_writer_publish(writer, &slot, &info, NULL, NULL);
    shmring_slot_return(&slot);
}

int main(int argc, char **argv) {
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    struct sigaction action = {.sa_handler = stop};
    struct shmring_error error = {0};
    options.slot_size = SIZE;
    if (shmring_writer_open(argc > 1 ? argv[1] : "cam0", &options, &writer, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    for (int n = 0; n < FRAMES && !stopped; n++) {
        write_frame(n);
        nanosleep(&(struct timespec){.tv_nsec = PERIOD_NS}, NULL);
    }
    if (!stopped)
        shmring_writer_end(writer);
    shmring_writer_close(writer);
    return 0;
}
