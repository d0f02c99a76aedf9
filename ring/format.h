/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Video formats: how the bytes of a picture lie. */
#ifndef FORMAT_H
#define FORMAT_H

#include "shmring.h"

/* Elements a sample, and the plane's subsampling as shifts of width and height. */
struct format_plane {
    uint8_t items, xshift, yshift;
};

struct format_layout {
    unsigned planes;
    struct format_plane plane[SHMRING_MAX_PLANES];
};

struct format {
    char name[16];
    uint8_t element; /* bytes */
    bool big_endian;
    uint8_t channels;
    const struct format_layout *layout;
};

/* NULL: none of GStreamer's, or one whose samples are no whole bytes. */
const struct format *format_find(const char *name);

/* Of one plane of a picture. */
uint64_t format_rows(const struct format *format, unsigned plane, uint32_t height);
uint64_t format_samples(const struct format *format, unsigned plane, uint32_t width);
uint64_t format_row_bytes(const struct format *format, unsigned plane, uint32_t width);

/* As shmring_frame_problem, of an info that has all fields. */
const char *format_problem(const struct shmring_frame_info *info);

#endif
