/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The arrays that a frame's bytes form, as shmring.formats works them out. */
#ifndef LAYOUT_H
#define LAYOUT_H

#include "binding.h"

#define VIEW_MAX_DIMS 3

/* In the buffer protocol's terms, relative to the frame's first byte. */
struct view {
    Py_ssize_t offset;
    Py_ssize_t itemsize;
    char code[3]; /* as in Python's struct module */
    int ndim;
    Py_ssize_t shape[VIEW_MAX_DIMS];
    Py_ssize_t strides[VIEW_MAX_DIMS];
};

struct layout {
    unsigned refs;                  /* counted under the GIL */
    struct shmring_frame_info info; /* what it is the layout of */
    PyObject *problem;              /* why `whole` is none, or NULL */
    struct view whole;              /* the one array of all of it */
    unsigned planes;                /* that have an array of their own; 0: plain bytes */
    struct view plane[SHMRING_MAX_PLANES];
    PyObject *tight; /* what info_set_planes() takes: rows without padding; or NULL */
};

/* The layout of frames as INFO describes them: a new reference, or NULL with an exception. *LAST
 * (a reference, or NULL) is a former one, and becomes this one. */
struct layout *layout_get(struct module_state *state, const struct shmring_frame_info *info,
                          struct layout **last);

/* The same in rows without padding; where LAYOUT has no planes, LAYOUT itself. */
struct layout *layout_get_tight(struct module_state *state, struct layout *layout,
                                struct layout **last);

/* NULL is allowed. */
struct layout *layout_ref(struct layout *layout);
void layout_unref(struct layout *layout);

/* Sets planes, strides, offsets and size from Python's (strides, offsets, size); false with an
 * exception. */
bool info_set_planes(struct shmring_frame_info *info, PyObject *planes);

/* What info_set_planes() takes, or NULL with an exception. */
PyObject *info_planes(const struct shmring_frame_info *info);

/* Plain bytes, SIZE of them. */
void view_bytes(struct view *view, Py_ssize_t size);

/* COUNT numbers as a tuple. */
PyObject *tuple_of(const Py_ssize_t *numbers, int count);

#endif
