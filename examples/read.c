/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads frames to the end of the stream: ./read cam0 */
#include <inttypes.h>
#include <shmring.h>
#include <stdio.h>

static void show(const struct shmring_frame *frame) {
    const struct shmring_frame_info *info = &frame->info;
    printf("frame %" PRIu64 ": %" PRIu32 "x%" PRIu32 " %s, first byte %d\n", info->seq, info->width,
           info->height, info->format, *(const unsigned char *)frame->data);
}

int main(int argc, char **argv) {
    struct shmring_reader *reader = NULL;
    struct shmring_frame *frame = NULL;
    struct shmring_error error = {0};
    int result = shmring_reader_new(argc > 1 ? argv[1] : "cam0", NULL, &reader, &error);
    while (result == SHMRING_OK) {
        result = shmring_reader_take(reader, SHMRING_FOREVER, &frame, &error);
        if (result == SHMRING_OK) {
            show(frame);
            shmring_frame_release(frame);
        }
    }
    shmring_reader_free(reader);
    if (result < 0 || result == SHMRING_LOST)
        fprintf(stderr, "%s\n", error.message);
    return result == SHMRING_ENDED || result == SHMRING_CLOSED ? 0 : 1;
}
