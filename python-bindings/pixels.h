/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arrays of others: what they must be to fit, and copying them whatever their strides. */
#ifndef PIXELS_H
#define PIXELS_H

#include "layout.h"

/* Gets ARRAY's buffer when its shape and element type are VIEW's: with any strides, or when
 * WRITABLE to be written, in rows without padding. Else false with an exception that says what is
 * needed for a frame of INFO and what there was. */
bool pixels_get(Py_buffer *buffer, PyObject *array, const struct view *view, bool writable,
                const struct shmring_frame_info *info);

/* Copies an array of VIEW's shape from strides to strides; needs no GIL. */
void pixels_copy(char *to, const Py_ssize_t *to_strides, const char *from,
                 const Py_ssize_t *from_strides, const struct view *view);

#endif
