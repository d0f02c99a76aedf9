/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ring alone, without GStreamer or Python. The arguments are KEY=VALUE:
 *
 *   bench-ring write NAME    [slots= max_readers=, and what measure.h lists]
 *   bench-ring read NAME     [mode=all|latest depth= spin=1 all= timed=]
 *   bench-ring observe NAME  [seconds=]  how many looks succeed while somebody writes
 *   bench-ring attach NAME   [count= all=]  how long from attaching to the first frame
 *   bench-ring start NAME began=NS  one frame, sent when the process was started
 *   bench-ring follow NAME count=N  how long those take to come, from one writer to the next
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"
#include "shmring.h"

static _Noreturn void fail(const struct shmring_error *error) {
    fprintf(stderr, "%s\n", error->message);
    exit(1);
}

/* ---- Writing ---- */

static struct shmring_writer *open_writer(const char *name, char **argv, uint64_t size) {
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    struct shmring_writer *writer = NULL;
    struct shmring_error error;
    options.slot_size = size;
    options.slots = (uint32_t)number_argument(argv, "slots", 8);
    options.lend_limit = options.slots > 4 ? 3 : 2;
    if (shmring_writer_open(name, &options, &writer, &error) != 0)
        fail(&error);
    return writer;
}

static struct shmring_frame_info describe(char **argv, uint64_t size) {
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.width = (uint32_t)number_argument(argv, "width", 1920);
    info.height = (uint32_t)number_argument(argv, "height", 1080);
    info.channels = 3;
    memcpy(info.format, "BGR", 4);
    info.planes = 1;
    info.stride[0] = 3 * (int32_t)info.width;
    info.size = size;
    return info;
}

static void publish(struct shmring_writer *writer, const struct shmring_frame_info *info,
                    struct pen *pen) {
    struct shmring_slot slot;
    struct shmring_error error = {.message = "no slot"};
    if (shmring_writer_loan(writer, SHMRING_LOAN_FILL, SHMRING_FOREVER, &slot, &error) !=
        SHMRING_OK)
        fail(&error);
    pen_write(pen, slot.data);
    if (shmring_writer_publish(writer, &slot, info, NULL, &error) != 0)
        fail(&error);
    shmring_slot_return(&slot);
}

static int run_write(const char *name, char **argv) {
    struct pen pen;
    pen_init(&pen, argv);
    struct shmring_writer *writer = open_writer(name, argv, pen.size);
    struct shmring_frame_info info = describe(argv, pen.size);
    while (pen_next(&pen))
        publish(writer, &info, &pen);
    shmring_writer_end(writer);
    shmring_writer_close(writer);
    return 0;
}

static int run_start(const char *name, char **argv) {
    struct pen pen;
    pen_init(&pen, argv);
    struct shmring_writer *writer = open_writer(name, argv, pen.size);
    struct shmring_frame_info info = describe(argv, pen.size);
    struct stamp stamp = {.sent_ns = number_argument(argv, "began", 0)};
    struct shmring_slot slot;
    struct shmring_error error;
    /* The frame is for the reader that waits for this ring. */
    shmring_writer_wait_reader(writer, SHMRING_FOREVER);
    if (shmring_writer_loan(writer, SHMRING_LOAN_FILL, SHMRING_FOREVER, &slot, &error) !=
        SHMRING_OK)
        fail(&error);
    memcpy(slot.data, &stamp, sizeof stamp);
    if (shmring_writer_publish(writer, &slot, &info, NULL, &error) != 0)
        fail(&error);
    shmring_slot_return(&slot);
    wait_for_goodbye();
    shmring_writer_close(writer);
    return 0;
}

/* ---- Reading ---- */

static struct shmring_reader *new_reader(const char *name, char **argv) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    struct shmring_reader *reader = NULL;
    struct shmring_error error;
    if (strcmp(argument(argv, "mode", "all"), "latest") == 0)
        options.mode = SHMRING_MODE_LATEST;
    options.depth = (uint32_t)number_argument(argv, "depth", 1);
    options.go_on_after = 1 << SHMRING_LOST | 1 << SHMRING_CLOSED;
    if (shmring_reader_new(name, &options, &reader, &error) != 0)
        fail(&error);
    return reader;
}

static struct shmring_frame *take(struct shmring_reader *reader, bool spin) {
    struct shmring_frame *frame = NULL;
    struct shmring_error error;
    int result;
    do
        result = shmring_reader_take(reader, spin ? 0 : SHMRING_FOREVER, &frame, &error);
    while (spin && result == SHMRING_TIMEOUT);
    if (result != SHMRING_OK)
        fail(&error);
    return frame;
}

static int run_read(const char *name, char **argv) {
    struct eye eye;
    eye_init(&eye, argv);
    bool spin = number_argument(argv, "spin", 0) != 0, more;
    struct shmring_reader *reader = new_reader(name, argv);
    do {
        struct shmring_frame *frame = take(reader, spin);
        more = eye_look(&eye, frame->data, frame->info.size);
        shmring_frame_release(frame);
    } while (more);
    wait_for_goodbye();
    shmring_reader_free(reader);
    return 0;
}

static void attach_once(const char *name, char **argv, struct eye *eye) {
    int64_t began = now_ns();
    struct shmring_reader *reader = new_reader(name, argv);
    struct shmring_frame *frame = take(reader, false);
    if (eye->all)
        eye->seen ^= read_all(frame->data, frame->info.size);
    meter_took(&eye->meter, now_ns() - began);
    shmring_frame_release(frame);
    shmring_reader_free(reader);
}

static int run_attach(const char *name, char **argv) {
    struct eye eye;
    eye_init(&eye, argv);
    say_warm();
    meter_begin(&eye.meter);
    for (int64_t left = number_argument(argv, "count", 50); left > 0; left--, eye.meter.frames++)
        attach_once(name, argv, &eye);
    meter_end(&eye.meter);
    meter_print(&eye.meter, "read", 0, 0);
    wait_for_goodbye();
    return 0;
}

static int run_follow(const char *name, char **argv) {
    struct meter meter = {0};
    struct shmring_reader *reader = new_reader(name, argv);
    say_warm();
    meter_begin(&meter);
    for (int64_t left = number_argument(argv, "count", 1); left > 0; left--, meter.frames++) {
        struct shmring_frame *frame = take(reader, false);
        struct stamp stamp;
        memcpy(&stamp, frame->data, sizeof stamp);
        meter_took(&meter, now_ns() - stamp.sent_ns);
        shmring_frame_release(frame);
        say_warm();
    }
    meter_end(&meter);
    meter_print(&meter, "read", 0, 0);
    wait_for_goodbye();
    shmring_reader_free(reader);
    return 0;
}

/* ---- Looking ---- */

/* Looks again and again; MISSED counts those that found nothing newer within a second. */
static int run_observe(const char *name, char **argv) {
    struct meter meter = {0};
    struct shmring_observer *observer = NULL;
    struct shmring_error error;
    uint64_t seq = 0;
    int64_t failed = 0, run_ns = (int64_t)(1e9 * strtod(argument(argv, "seconds", "1"), NULL));
    while (shmring_observer_open(name, &observer, &error) == -2 /* ENOENT */)
        ;
    if (!observer)
        fail(&error);
    say_warm();
    meter_begin(&meter);
    do {
        struct shmring_frame *frame = NULL;
        int64_t began = now_ns();
        int result = shmring_observer_latest(observer, seq, 1000000000, &frame, &error);
        failed += result != SHMRING_OK;
        if (frame) {
            meter_took(&meter, now_ns() - began);
            seq = frame->info.seq;
            meter.frames++;
        }
        shmring_frame_release(frame);
    } while (now_ns() - meter.began_ns < run_ns);
    meter_end(&meter);
    meter_print(&meter, "read", failed, 0);
    wait_for_goodbye();
    shmring_observer_close(observer);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(const char *ring, char **argv);
} commands[] = {
    {"write", run_write},   {"read", run_read},   {"observe", run_observe},
    {"attach", run_attach}, {"start", run_start}, {"follow", run_follow},
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 2 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argv[2], argv + 3);
    fprintf(stderr, "usage: %s write|read|observe|attach|start|follow NAME [KEY=VALUE...]\n",
            argv[0]);
    return 2;
}
