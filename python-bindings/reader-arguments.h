/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What Reader() was called with. */
#ifndef READER_ARGUMENTS_H
#define READER_ARGUMENTS_H

#include "binding.h"

enum on_disconnect { DISCONNECT_AUTO, DISCONNECT_END, DISCONNECT_ERROR, DISCONNECT_WAIT };

struct reader_arguments {
    PyObject *name;
    int64_t timeout_ns;
    int on_disconnect;
    struct shmring_reader_options options;
};

/* Fills in what was given and leaves the rest; false with an exception. */
bool reader_arguments_parse(PyObject *args, PyObject *kwargs, struct reader_arguments *a);

#endif
