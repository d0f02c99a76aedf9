/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "measure.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef uint64_t vector __attribute__((vector_size(16), aligned(1), may_alias));

int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void fill_all(void *data, size_t size, uint64_t number) {
    vector *at = data, value = {number, ~number};
    for (size_t left = size / sizeof value / 4; left > 0; left--, at += 4)
        at[0] = at[1] = at[2] = at[3] = value;
}

uint64_t read_all(const void *data, size_t size) {
    const vector *at = data;
    vector sum[4] = {{0}};
    for (size_t left = size / sizeof *at / 4; left > 0; left--, at += 4)
        for (int i = 0; i < 4; i++)
            sum[i] ^= at[i];
    sum[0] ^= sum[1] ^ sum[2] ^ sum[3];
    return sum[0][0] ^ sum[0][1];
}

/* ---- Meter ---- */

void meter_begin(struct meter *meter) {
    getrusage(RUSAGE_SELF, &meter->began);
    meter->began_ns = now_ns();
}

void meter_end(struct meter *meter) {
    meter->ended_ns = now_ns();
    getrusage(RUSAGE_SELF, &meter->ended);
}

void meter_took(struct meter *meter, int64_t ns) {
    if (meter->took == meter->room) {
        meter->room = meter->room ? 2 * meter->room : 4096;
        meter->took_ns = realloc(meter->took_ns, meter->room * sizeof *meter->took_ns);
        if (!meter->took_ns)
            abort();
    }
    meter->took_ns[meter->took++] = ns;
}

static double seconds_of(struct timeval time) {
    return (double)time.tv_sec + 1e-6 * (double)time.tv_usec;
}

static double cpu_of(const struct rusage *usage) {
    return seconds_of(usage->ru_utime) + seconds_of(usage->ru_stime);
}

static int compare(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void print_took(FILE *to, struct meter *meter) {
    static const int percents[] = {50, 90, 99, 100};
    qsort(meter->took_ns, meter->took, sizeof *meter->took_ns, compare);
    for (int i = 0; meter->took > 0 && i < 4; i++)
        fprintf(to, ", \"p%d_us\": %.3f", percents[i],
                1e-3 * (double)meter->took_ns[(meter->took - 1) * (size_t)percents[i] / 100]);
}

static void print_usage(FILE *to, const struct meter *meter) {
    const struct rusage *began = &meter->began, *ended = &meter->ended;
    fprintf(to, ", \"seconds\": %.6f, \"cpu\": %.6f",
            1e-9 * (double)(meter->ended_ns - meter->began_ns), cpu_of(ended) - cpu_of(began));
    fprintf(to, ", \"faults\": %ld, \"switches\": %ld", ended->ru_minflt - began->ru_minflt,
            ended->ru_nvcsw + ended->ru_nivcsw - began->ru_nvcsw - began->ru_nivcsw);
}

/* In one write: both ends may be in one process, and one of them Python. */
static void say(const char *line, size_t size) {
    if (write(1, line, size) != (ssize_t)size)
        exit(1);
}

void say_warm(void) {
    say("warm\n", 5);
}

void meter_print(struct meter *meter, const char *role, int64_t missed, uint64_t first) {
    char *line;
    size_t size;
    FILE *to = open_memstream(&line, &size);
    if (!to)
        abort();
    fprintf(to, "{\"role\": \"%s\", \"pid\": %d, \"frames\": %" PRIu64, role, getpid(),
            meter->frames);
    print_usage(to, meter);
    fprintf(to, ", \"missed\": %" PRId64 ", \"first\": %" PRIu64, missed, first);
    print_took(to, meter);
    fprintf(to, "}\n");
    fclose(to);
    say(line, size);
    free(line);
    free(meter->took_ns);
    *meter = (struct meter){0};
}

/* ---- Pen ---- */

/* As iceoryx2/src/main.rs has room for. */
_Static_assert(sizeof(struct pen) <= 1024 && sizeof(struct eye) <= 1024, "too large for Rust");
_Static_assert(offsetof(struct pen, size) == 0, "Rust looks for the size elsewhere");

static bool input_has_come(void) {
    struct pollfd input = {.fd = 0, .events = POLLIN};
    return poll(&input, 1, 0) > 0;
}

void wait_for_goodbye(void) {
    char byte;
    while (read(0, &byte, 1) > 0)
        ;
}

static void take_line(void) {
    char byte = 0;
    while (byte != '\n' && read(0, &byte, 1) > 0)
        ;
}

static void sleep_until(int64_t ns) {
    struct timespec at = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
        ;
}

static void pen_begin(struct pen *pen) {
    take_line();
    pen->phase = PHASE_MEASURED;
    pen->first = pen->number;
    meter_begin(&pen->meter);
    pen->until_ns = pen->meter.began_ns + pen->run_ns;
}

static void pen_end(struct pen *pen) {
    pen->phase = PHASE_LAST;
    pen->meter.frames = pen->number - pen->first;
    meter_end(&pen->meter);
}

bool pen_next(struct pen *pen) {
    if (pen->phase == PHASE_LAST) {
        meter_print(&pen->meter, "write", 0, pen->first);
        wait_for_goodbye();
        return false;
    }
    int64_t now = now_ns();
    if (pen->interval_ns) {
        pen->due_ns = (pen->due_ns ? pen->due_ns : now) + pen->interval_ns;
        sleep_until(pen->due_ns);
        now = now_ns();
    }
    if (pen->phase == PHASE_WARM && input_has_come())
        pen_begin(pen);
    else if (pen->phase == PHASE_MEASURED && now >= pen->until_ns)
        pen_end(pen);
    return true;
}

void pen_write(struct pen *pen, void *data) {
    if (pen->number == 0) {
        say_warm();
    }
    if (pen->fill)
        fill_all(data, pen->size, pen->number);
    struct stamp stamp = {pen->number++, now_ns(), pen->phase};
    memcpy(data, &stamp, sizeof stamp);
    memcpy((uint8_t *)data + pen->size - sizeof stamp, &stamp, sizeof stamp);
}

/* ---- Eye ---- */

static void eye_begin(struct eye *eye, const struct stamp *stamp) {
    eye->begun = true;
    eye->first = stamp->number;
    eye->missed = 0;
    meter_begin(&eye->meter);
}

static void eye_end(struct eye *eye) {
    meter_end(&eye->meter);
    meter_print(&eye->meter, "read", (int64_t)eye->missed, eye->first);
}

static struct stamp stamp_of(const void *data, size_t size) {
    struct stamp first, last;
    memcpy(&first, data, sizeof first);
    memcpy(&last, (const uint8_t *)data + size - sizeof last, sizeof last);
    if (memcmp(&first, &last, sizeof first) != 0) {
        fprintf(stderr, "frame %" PRIu64 " is torn: its end is of frame %" PRIu64 "\n",
                first.number, last.number);
        exit(1);
    }
    return first;
}

bool eye_look(struct eye *eye, const void *data, size_t size) {
    struct stamp stamp = stamp_of(data, size);
    if (eye->next == 0) {
        say_warm();
    } else if (stamp.number != eye->next) {
        eye->missed += stamp.number - eye->next;
    }
    eye->next = stamp.number + 1;
    if (stamp.phase != PHASE_WARM && !eye->begun)
        eye_begin(eye, &stamp);
    if (stamp.phase == PHASE_LAST) {
        eye_end(eye);
        return false;
    }
    if (eye->timed && eye->begun)
        meter_took(&eye->meter, now_ns() - stamp.sent_ns);
    if (eye->all)
        eye->seen ^= read_all(data, size);
    eye->meter.frames += eye->begun;
    return true;
}

/* ---- Arguments ---- */

const char *argument(char **argv, const char *key, const char *without) {
    size_t length = strlen(key);
    for (; *argv; argv++)
        if (strncmp(*argv, key, length) == 0 && (*argv)[length] == '=')
            return *argv + length + 1;
    return without;
}

int64_t number_argument(char **argv, const char *key, int64_t without) {
    const char *text = argument(argv, key, NULL);
    return text ? strtoll(text, NULL, 10) : without;
}

void pen_init(struct pen *pen, char **argv) {
    int64_t fps = number_argument(argv, "fps", 0);
    *pen = (struct pen){
        .size = (uint64_t)(3 * number_argument(argv, "width", 1920) *
                           number_argument(argv, "height", 1080)),
        .fill = number_argument(argv, "fill", 0) != 0,
        .interval_ns = fps ? 1000000000 / fps : 0,
        .run_ns = (int64_t)(1e9 * strtod(argument(argv, "seconds", "1"), NULL)),
    };
}

void eye_init(struct eye *eye, char **argv) {
    *eye = (struct eye){
        .all = number_argument(argv, "all", 0) != 0,
        .timed = number_argument(argv, "timed", 0) != 0,
    };
}
