/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every end of a benchmark does, whatever carries the frames between them.
 *
 * The writing end numbers its frames: a stamp at both ends of each tells which it is, when it was
 * written, and whether it counts. The reading end looks at both stamps: a frame that is torn ends
 * the benchmark, one that is missing is counted. Frames do not count until whoever started the ends
 * has seen that all are there and writes a line to the writing end's standard input.
 *
 * Either end prints "warm" at its first frame and a line of JSON after the last, and then waits
 * until its standard input is closed, so that it can be looked at.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

enum phase { PHASE_WARM, PHASE_MEASURED, PHASE_LAST };

struct stamp {
    uint64_t number;
    int64_t sent_ns; /* CLOCK_MONOTONIC */
    uint64_t phase;
};

int64_t now_ns(void);
/* Every byte, by ordinary stores, as decoders and converters do. */
void fill_all(void *data, size_t size, uint64_t number);
/* Every byte: something made from all of them. */
uint64_t read_all(const void *data, size_t size);

/* What passes between two moments of this process. */
struct meter {
    uint64_t frames;
    int64_t began_ns, ended_ns;
    struct rusage began, ended;
    int64_t *took_ns; /* of each frame, on its way */
    size_t took, room;
};

void meter_begin(struct meter *meter);
void meter_end(struct meter *meter);
/* A frame that was NS on its way. */
void meter_took(struct meter *meter, int64_t ns);
/* The line that says that this end has begun. */
void say_warm(void);
/* The line of JSON; MISSED is -1 for who cannot tell. */
void meter_print(struct meter *meter, const char *role, int64_t missed, uint64_t first);

/* The writing end. */
struct pen {
    uint64_t size;
    bool fill;           /* every byte, not only the stamps */
    int64_t interval_ns; /* between frames; 0: as fast as they go */
    int64_t run_ns;      /* measured */
    int64_t due_ns, until_ns;
    uint64_t number; /* of the next frame */
    uint64_t first;  /* that counts */
    enum phase phase;
    struct meter meter;
};

/* Waits until the next frame is due; false: the last one was written, and everybody has looked. */
bool pen_next(struct pen *pen);
/* What a writer does to a frame of pen->size bytes. */
void pen_write(struct pen *pen, void *data);

/* The reading end. */
struct eye {
    bool all;   /* looks at every byte, not only at the stamps */
    bool timed; /* notes how long each frame took */
    uint64_t next, missed, first;
    uint64_t seen; /* made from what was read, so that it is */
    bool begun;
    struct meter meter;
};

/* False: this was the last frame; what was measured is printed. A torn frame ends the process. */
bool eye_look(struct eye *eye, const void *data, size_t size);

/* Until standard input is closed. */
void wait_for_goodbye(void);

/* The value of "KEY=VALUE" among the arguments, or WITHOUT. */
const char *argument(char **argv, const char *key, const char *without);
int64_t number_argument(char **argv, const char *key, int64_t without);
/* width=, height= (of a BGR picture), fill=, fps=, seconds= */
void pen_init(struct pen *pen, char **argv);
/* all=, timed= */
void eye_init(struct eye *eye, char **argv);

#endif
