/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What Writer() was called with. */
#ifndef WRITER_ARGUMENTS_H
#define WRITER_ARGUMENTS_H

#include "binding.h"
#include "formats.h"

/* What every frame of a Writer is. */
struct picture_format {
    struct shmring_frame_info info; /* its caps point to the text below */
    const char *problem;            /* why there is no one array */
    struct view view;
    char caps[256];
};

struct writer_arguments {
    PyObject *name;
    int64_t timeout_ns;
    struct shmring_writer_options options;
    struct picture_format picture;
};

/* Fills in what was given and leaves the rest; false with an exception. */
bool writer_arguments_parse(PyObject *args, PyObject *kwargs, struct writer_arguments *a);

#endif
