/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes 300 grey frames at 30 fps: ./write cam0 */
#include <shmring.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WIDTH = 640, HEIGHT = 480, FRAMES = 300 };

int main(int argc, char **argv) {
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    struct shmring_writer *writer = NULL;
    struct shmring_error error = {0};
    options.slot_size = WIDTH * HEIGHT;
    if (shmring_writer_open(argc > 1 ? argv[1] : "cam0", &options, &writer, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    for (int n = 0; n < FRAMES; n++) {
        struct shmring_frame_info info = {
            .width = WIDTH,
            .height = HEIGHT,
            .channels = 1,
            .format = "GRAY8",
            .planes = 1,
            .stride = {WIDTH},
            .size = WIDTH * HEIGHT,
            .frame_number = (uint64_t)n,
            .pts_ns = n * 33333333LL,
            .dts_ns = SHMRING_TIME_NONE,
            .duration_ns = 33333333,
            .clock_ns = SHMRING_TIME_NONE,
            .fps_num = 30,
            .fps_den = 1,
            .caps = "video/x-raw, format=GRAY8, width=640, height=480, framerate=30/1",
        };
        struct shmring_slot slot;
        int result = shmring_writer_loan(writer, SHMRING_LOAN_FILL, SHMRING_FOREVER, &slot);
        if (result != SHMRING_OK) {
            shmring_writer_drop(writer);
            continue;
        }
        memset(slot.data, n % 256, WIDTH * HEIGHT);
        if (shmring_writer_publish(writer, &slot, &info, NULL, &error) < 0)
            fprintf(stderr, "%s\n", error.message);
        shmring_slot_return(&slot);
        nanosleep(&(struct timespec){.tv_nsec = 33333333}, NULL);
    }
    shmring_writer_end(writer);
    shmring_writer_close(writer);
    return 0;
}
