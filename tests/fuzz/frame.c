/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A frame's header, caps and metas of any bytes, read as a view, as a copy and as an observer's
 * copy. */
#include <errno.h>
#include <unistd.h>

#include "create.h"
#include "frame.h"
#include "input.h"
#include "testing.h"

#define SLOT_SIZE 4096

static struct segment *the_segment(void) {
    static struct shmring_writer *writer;
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    char name[64];
    if (writer)
        return writer_segment(writer);
    snprintf(name, sizeof name, "fuzz-frame-%d", (int)getpid());
    options.slots = SHMRING_MIN_SLOTS;
    options.lend_limit = 1;
    options.slot_size = SLOT_SIZE;
    options.header_size = LAYOUT_PAGE;
    REQUIRE(shmring_writer_open(name, &options, &writer, NULL) == 0);
    segment_remove_names(writer_segment(writer));
    return writer_segment(writer);
}

static unsigned given_back;

static void give_back(void *holder, uint32_t slot) {
    REQUIRE(holder == &given_back && slot == 0);
    given_back++;
}

static void check(int result, struct shmring_frame *frame, const struct shmring_error *error) {
    if (result < 0) {
        REQUIRE(!frame && (result == -EAGAIN || (error->code == result && error->message[0])));
        return;
    }
    REQUIRE(frame->info.size <= SLOT_SIZE && !shmring_frame_problem(&frame->info));
    touch(frame->data, frame->info.size);
    touch(frame->info.metas, frame->info.metas_size);
    if (frame->info.caps)
        touch(frame->info.caps, strlen(frame->info.caps));
    shmring_frame_release(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct segment *seg = the_segment();
    struct layout_frame *header = segment_frame(seg, 0);
    struct shmring_frame *frame = NULL;
    struct shmring_error error = {0};
    size_t most = seg->g.frame_stride;
    memset(header, 0, most);
    memcpy(header, data, size < most ? size : most);
    given_back = 0;
    int result = frame_view(seg, 0, 1, give_back, &given_back, &frame, &error);
    check(result, frame, &error);
    REQUIRE(given_back == (result == 0));
    frame = NULL;
    int copied = frame_copy(seg, 0, 1, &frame, &error);
    check(copied, frame, &error);
    REQUIRE(copied == result);
    frame = NULL;
    result = frame_observe(seg, 0, header->seq, &frame, &error);
    check(result, frame, &error);
    REQUIRE(result == copied);
    return 0;
}
