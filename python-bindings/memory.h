/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a Frame, a Loan and an owned copy have in common: memory lent out through the buffer
 * protocol. Every export counts: the memory goes back when its object's own hold has ended
 * (release(), `with`, or nobody refers to it) and no view is left. It never refers to an array of
 * its own: that would be a cycle that only the garbage collector ends.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include "pool.h"

struct memory_object {
    PyObject_HEAD
    PyObject *ring_name;
    struct shmring_frame_info info; /* a copy that outlives the memory; seq 0: not published */
    struct pool *pool;
    struct layout *layout; /* NULL until somebody needed it */
    char *data;            /* NULL once given back */
    Py_ssize_t exports;
    bool writable;
    char released;     /* its own hold has ended */
    const char *ended; /* how to say so: "was released" */
    void (*give_back)(struct memory_object *);
};

/* Fills in what the head does not; the memory is DATA, laid out as INFO says. */
void memory_init(struct memory_object *self, const struct shmring_frame_info *info, void *data,
                 PyObject *ring_name, struct pool *pool);

/* The layout (borrowed), or NULL with an exception. */
struct layout *memory_layout(struct memory_object *self);

/* 0, or -1 with a ValueError when its own hold has ended. */
int memory_check_held(struct memory_object *self);

/* "frame 7 of ring 'cam0' WHAT"; PROBLEM is a str, or NULL. Returns NULL. */
PyObject *memory_raise(struct memory_object *self, PyObject *type, const char *what,
                       PyObject *problem);

/* Ends its own hold; the memory goes back now or with the last view. */
void memory_end_hold(struct memory_object *self);

void memory_drop_export(struct memory_object *self);
void memory_dealloc(struct memory_object *self);

/* Slots, methods and attributes of its types. */
int memory_getbuffer(struct memory_object *self, Py_buffer *buffer, int flags);
void memory_releasebuffer(struct memory_object *self, Py_buffer *buffer);
PyObject *memory_array(struct memory_object *self, void *closure);
PyObject *memory_dunder_array(struct memory_object *self, PyObject *args, PyObject *kwargs);
PyObject *memory_planes(struct memory_object *self, void *closure);
PyObject *memory_strides(struct memory_object *self, void *closure);

/* A numpy array of an exporter of the buffer protocol. */
PyObject *array_of(struct module_state *state, PyObject *exporter);

#endif
