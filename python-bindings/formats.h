/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The arrays that a frame's bytes form: shape, strides and element type by video format. */
#ifndef FORMATS_H
#define FORMATS_H

#include "binding.h"

#define VIEW_MAX_DIMS 3

/* In the buffer protocol's terms, relative to the frame's first byte. */
struct view {
    Py_ssize_t offset;
    Py_ssize_t itemsize;
    const char *code; /* as in Python's struct module */
    int ndim;
    Py_ssize_t shape[VIEW_MAX_DIMS];
    Py_ssize_t strides[VIEW_MAX_DIMS];
};

/* Planes of INFO that have an array of their own; 0: plain bytes (opaque data, or a format whose
 * samples are no whole bytes). */
unsigned view_planes(const struct shmring_frame_info *info);

/* The array of one plane; false: it would reach beyond the frame's bytes. */
bool view_of_plane(struct view *view, const struct shmring_frame_info *info, unsigned plane);

/* The one array of the whole frame, in OpenCV's shapes. NULL, or why there is none (a static
 * text). */
const char *view_of_frame(struct view *view, const struct shmring_frame_info *info);

/* Fills in planes, channels, strides, offsets and size for the format, width and height of INFO,
 * with rows padded as GStreamer does it, or not at all. NULL, or why that cannot be (a static
 * text). */
const char *layout_rows(struct shmring_frame_info *info, bool padded);

#endif
