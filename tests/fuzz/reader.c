/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reader and an observer over a ring whose writer writes anything: the input is a list of what
 * the writer puts into NAME and NAME.ctl, and of what the reader calls meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "input.h"
#include "lock.h"
#include "testing.h"

#define MAX_HELD 8

/* The writer's side, made by hand. */
static struct {
    char name[64];
    struct ring_paths paths;
    size_t size, ctl_size;
    char *frames, *ctl; /* a good ring, as it was found */
    struct geometry g;
} good;

static struct ring {
    int fd, ctl_fd;
    struct layout_header *header;
    struct layout_ctl *ctl;
    struct shmring_reader *reader;
    struct shmring_observer *observer;
    struct shmring_frame *held[MAX_HELD];
} ring;

static void publish(struct shmring_writer *writer, const char *caps) {
    struct shmring_slot slot;
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    memcpy(info.format, "GRAY8", 6);
    info.width = info.height = 8;
    info.channels = info.planes = 1;
    info.stride[0] = 8;
    info.size = 64;
    info.caps = caps;
    info.metas = "12345678";
    info.metas_size = 8;
    REQUIRE(shmring_writer_loan(writer, SHMRING_LOAN_FILL, 0, &slot, NULL) == SHMRING_OK);
    REQUIRE(shmring_writer_publish(writer, &slot, &info, NULL, NULL) == 0);
    shmring_slot_return(&slot);
}

static char *copy_of(const void *bytes, size_t size) {
    char *copy = malloc(size);
    REQUIRE(copy);
    return memcpy(copy, bytes, size);
}

static void make_good(void) {
    struct shmring_writer *writer;
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    if (good.frames)
        return;
    snprintf(good.name, sizeof good.name, "fuzz-reader-%d", (int)getpid());
    name_paths(&good.paths, good.name);
    options.slots = SHMRING_MIN_SLOTS;
    options.lend_limit = 1;
    options.max_readers = 2;
    options.slot_size = LAYOUT_PAGE;
    options.header_size = LAYOUT_PAGE;
    REQUIRE(shmring_writer_open(good.name, &options, &writer, NULL) == 0);
    publish(writer, "video/x-raw");
    publish(writer, NULL);
    good.g = writer_segment(writer)->g;
    good.size = good.g.total_size;
    good.ctl_size = good.g.ctl_size;
    good.frames = copy_of(writer_segment(writer)->header, good.size);
    good.ctl = copy_of(writer_segment(writer)->ctl, good.ctl_size);
    shmring_writer_close(writer);
}

static int put(const char *path, const void *bytes, size_t size) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && write(fd, bytes, size) == (ssize_t)size && lock_try(fd, LOCK_WRITER) == 0);
    return fd;
}

static void begin(void) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    make_good();
    ring = (struct ring){0};
    ring.fd = put(good.paths.frames, good.frames, good.size);
    ring.ctl_fd = put(good.paths.ctl, good.ctl, good.ctl_size);
    ring.header = mmap(NULL, good.size, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, 0);
    ring.ctl = mmap(NULL, good.ctl_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring.ctl_fd, 0);
    REQUIRE(ring.header != MAP_FAILED && ring.ctl != MAP_FAILED);
    options.lease = 1;
    REQUIRE(shmring_reader_new(good.name, &options, &ring.reader, NULL) == 0);
}

static void look_at(struct shmring_frame *frame) {
    REQUIRE(!shmring_frame_problem(&frame->info));
    touch(frame->data, frame->info.size);
    touch(frame->info.metas, frame->info.metas_size);
    if (frame->info.caps)
        touch(frame->info.caps, strlen(frame->info.caps));
}

static void finish(void) {
    shmring_reader_free(ring.reader);
    for (int i = 0; i < MAX_HELD; i++) {
        if (ring.held[i] && !ring.held[i]->is_copy)
            look_at(ring.held[i]); /* its size and text are private: they are as they were */
        shmring_frame_release(ring.held[i]);
    }
    shmring_observer_close(ring.observer);
    munmap(ring.header, good.size);
    munmap(ring.ctl, good.ctl_size);
    close(ring.fd);
    close(ring.ctl_fd);
    unlink(good.paths.frames);
    unlink(good.paths.ctl);
}

/* ---- What the writer does ---- */

static void *field(uint8_t which) {
    struct layout_header *h = ring.header;
    struct layout_answer *a = &h->answer[which >> 7];
    char *frame = (char *)h + good.g.frames_offset + (which >> 6 & 1) * good.g.frame_stride;
    void *fields[] = {&h->head,
                      &h->base,
                      &h->state,
                      &h->stream,
                      &h->key_seq,
                      &h->waited_since_ns,
                      &h->waited_port,
                      &a->epoch,
                      &a->first,
                      &a->end,
                      &a->stream,
                      &a->flushed,
                      &a->withdrawn,
                      &a->banned,
                      &h->total_size,
                      &h->slot_size,
                      &h->slots,
                      &h->max_readers,
                      (char *)h + good.g.ring_offset,
                      frame,
                      frame + offsetof(struct layout_frame, size),
                      frame + offsetof(struct layout_frame, caps_size),
                      frame + offsetof(struct layout_frame, stride),
                      frame + offsetof(struct layout_frame, offset)};
    return fields[which % (sizeof fields / sizeof *fields)];
}

static void set_field(struct input *in) {
    void *at = field(input_byte(in));
    uint64_t value;
    memcpy(&value, at, sizeof value);
    value = input_near(in, value);
    memcpy(at, &value, sizeof value);
}

/* As a writer that keeps to the rules: answers the reader, and offers it the next frame. */
static void offer(struct input *in) {
    struct layout_header *h = ring.header;
    uint32_t slot = input_byte(in) % SHMRING_MIN_SLOTS, port = input_byte(in) % 2;
    uint64_t seq = h->head, descriptor = seq << 16 | slot;
    struct layout_frame *frame =
        (void *)((char *)h + good.g.frames_offset + slot * good.g.frame_stride);
    struct layout_answer *answer = &h->answer[port];
    uint64_t epoch = attach_epoch(ring.ctl->port[port].attach);
    if (answer->epoch != epoch) {
        answer->first = seq;
        answer->end = LAYOUT_NO_END;
        answer->epoch = epoch;
    }
    frame->seq = seq;
    ring.ctl->port[port].claim[slot] = claim_word(seq, CLAIM_OFFERED);
    memcpy((char *)h + good.g.ring_offset + seq % good.g.capacity * 8, &descriptor, 8);
    h->head = seq + 1;
}

static void resize_file(struct input *in) {
    /* Under a mapping that is a SIGBUS, for which the owner of the ring answers. */
    struct shmring_reader_stats stats = SHMRING_READER_STATS_INIT;
    shmring_reader_get_stats(ring.reader, &stats);
    off_t size = (off_t)input_number(in, 2);
    if (!stats.attached && !ring.observer && size >= (off_t)good.size)
        REQUIRE(ftruncate(ring.fd, size) == 0);
}

/* ---- What the reader does ---- */

static void check_result(int result, const struct shmring_error *error) {
    REQUIRE(result >= 0 || (error->code == result && error->message[0]));
    REQUIRE(!strchr(error->message, '\n'));
}

static void take(struct input *in) {
    struct shmring_frame **frame = &ring.held[input_byte(in) % MAX_HELD];
    struct shmring_error error = {0};
    shmring_frame_release(*frame);
    int result = shmring_reader_take(ring.reader, 0, frame, &error);
    check_result(result, &error);
    REQUIRE((result == SHMRING_OK) == (*frame != NULL));
    if (*frame)
        look_at(*frame);
}

static void observe(struct input *in) {
    struct shmring_frame *frame = NULL;
    struct shmring_error error = {0};
    int result = ring.observer ? 0 : shmring_observer_open(good.name, &ring.observer, &error);
    check_result(result, &error);
    if (result < 0)
        return;
    result = shmring_observer_latest(ring.observer, input_byte(in), 0, &frame, &error);
    check_result(result, &error);
    if (frame)
        look_at(frame);
    shmring_frame_release(frame);
}

static void visit(const struct shmring_reader_info *reader, void *data) {
    REQUIRE(memchr(reader->process, 0, sizeof reader->process));
}

static void query(void) {
    struct shmring_info info = SHMRING_INFO_INIT;
    struct shmring_error error = {0};
    check_result(shmring_query(good.name, &info, &error), &error);
    REQUIRE(memchr(info.writer_process, 0, sizeof info.writer_process));
    error.code = 0;
    check_result(shmring_query_readers(good.name, visit, NULL, &error), &error);
    shmring_reader_get_info(ring.reader, &info);
}

static void attach(void) {
    struct shmring_error error = {0};
    check_result(shmring_reader_attach(ring.reader, 0, &error), &error);
}

static void step(struct input *in) {
    enum {
        PATCH,
        PATCH_CTL,
        FIELD,
        OFFER,
        RESIZE,
        ATTACH,
        TAKE,
        OBSERVE,
        QUERY,
        LEAVE,
        RESUME,
        REQUEST,
        COUNT
    };
    switch (input_byte(in) % COUNT) {
    case PATCH:
        input_patch(in, ring.header, good.size < 65536 ? good.size : 65536);
        break;
    case PATCH_CTL:
        input_patch(in, ring.ctl, good.ctl_size);
        break;
    case FIELD:
        set_field(in);
        break;
    case OFFER:
        offer(in);
        break;
    case RESIZE:
        resize_file(in);
        break;
    case ATTACH:
        attach();
        break;
    case TAKE:
        take(in);
        break;
    case OBSERVE:
        observe(in);
        break;
    case QUERY:
        query();
        break;
    case LEAVE:
        shmring_reader_leave(ring.reader);
        break;
    case RESUME:
        shmring_reader_resume(ring.reader);
        break;
    default:
        shmring_reader_request_keyframe(ring.reader, (int64_t)input_number(in, 8));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, size};
    begin();
    for (int steps = 0; in.left && steps < 64; steps++)
        step(&in);
    finish();
    return 0;
}
