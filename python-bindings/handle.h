/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A Reader's or Writer's hold on the library. Any number of threads may be inside; close() wakes
 * them, and the last one out frees it.
 */
#ifndef HANDLE_H
#define HANDLE_H

#include "binding.h"

struct handle {
    const char *kind; /* "reader", "writer" */
    PyObject *name;   /* the ring's */
    void *ring;       /* the library's handle */
    void (*interrupt)(void *ring);
    void (*free)(void *ring);
    unsigned users; /* threads inside */
    bool closed;
};

/* The UTF-8 text of a ring's name, or NULL with an exception. */
const char *name_text(PyObject *name);

/* Around every use of ring; false with a ValueError once closed. */
bool handle_enter(struct handle *handle);
void handle_leave(struct handle *handle);

void handle_close(struct handle *handle);

/* For the dealloc of its owner: nobody is inside any more. Its name may be NULL. */
void handle_clear(struct handle *handle);

/* Raises what close() by another thread means for a call. Returns NULL. */
PyObject *handle_raise_closed(struct handle *handle);

/* "a Reader cannot be pickled", with the way out. */
PyObject *handle_refuse_pickle(struct handle *handle, PyObject *owner);

#endif
