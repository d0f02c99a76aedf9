/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every writer here puts into a frame: a number and a time at its two ends, so that a reader
 * can tell that it has the frame whole, which one, and how long it took. Either that alone (a
 * producer that fills the memory itself: what is measured is the handing over), or a copy of a
 * whole picture before (a producer that has its picture elsewhere).
 */
#ifndef PICTURE_H
#define PICTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct picture {
    uint32_t width, height;
    uint64_t size;   /* bytes: BGR without padding */
    uint8_t *pixels; /* what is copied into each frame, or NULL */
};

struct stamp {
    uint64_t number;
    int64_t sent_ns; /* CLOCK_MONOTONIC */
};

static inline int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* MODE: "stamp" or "fill". */
static inline bool picture_init(struct picture *p, const char *width, const char *height,
                                const char *mode) {
    *p = (struct picture){.width = (uint32_t)atoi(width), .height = (uint32_t)atoi(height)};
    p->size = (uint64_t)p->width * p->height * 3;
    if (p->size < 2 * sizeof(struct stamp))
        return false;
    if (strcmp(mode, "fill") == 0)
        p->pixels = malloc(p->size);
    for (uint64_t i = 0; p->pixels && i < p->size; i++)
        p->pixels[i] = (uint8_t)(i * 31);
    return p->pixels || strcmp(mode, "stamp") == 0;
}

#endif
