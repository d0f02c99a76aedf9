/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A Reader's or Writer's hold on the library. Any number of threads may be inside; close() wakes
 * them, and the last one out frees it.
 */
#ifndef HANDLE_H
#define HANDLE_H

#include "pool.h"

/* What a Reader and a Writer begin with. */
struct handle {
    PyObject_HEAD
    struct module_state *state;
    const char *kind; /* "reader", "writer" */
    PyObject *name;   /* the ring's */
    void *ring;       /* the library's handle */
    void (*interrupt)(void *ring);
    void (*free)(void *ring);
    struct pool *pool;
    long long timeout_ns;
    unsigned users; /* threads inside */
    char closed;
};

#define HANDLE_MEMBERS                                                                             \
    {"name", T_OBJECT, offsetof(struct handle, name), READONLY, "The ring's name."},               \
        {"closed", T_BOOL, offsetof(struct handle, closed), READONLY,                              \
         "True once close() was called."},                                                         \
    {                                                                                              \
        "_timeout_ns", T_LONGLONG, offsetof(struct handle, timeout_ns), READONLY, NULL             \
    }

/* A Reader or Writer without a ring yet, or NULL with an exception. FREE frees a ring, INTERRUPT
 * ends waits in it. */
void *handle_new(PyTypeObject *type, const char *kind, PyObject *name, long long timeout_ns,
                 void (*interrupt)(void *ring), void (*free)(void *ring));

/* The end of its owner's dealloc: nobody is inside any more. */
void handle_dealloc(struct handle *handle);

/* The UTF-8 text of a ring's name, or NULL with an exception. */
const char *name_text(PyObject *name);

/* Around every use of ring; false with a ValueError once closed. */
bool handle_enter(struct handle *handle);
void handle_leave(struct handle *handle);

void handle_close(struct handle *handle);

/* For `with`: itself, or NULL with a ValueError once closed. */
PyObject *handle_begin(struct handle *handle, PyObject *unused);

/* Raises what close() by another thread means for a call. Returns NULL. */
PyObject *handle_raise_closed(struct handle *handle);

/* DONE is what a method that warns returned: false when the warning is an exception. */
bool handle_was_warned(PyObject *done);

#endif
