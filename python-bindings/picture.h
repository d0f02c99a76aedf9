/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a Frame, a Loan and an owned copy have in common: memory lent out through the buffer
 * protocol. Every export counts: the memory goes back when its object's own hold has ended
 * (release(), `with`, or nobody refers to it) and no view is left. A picture never refers to an
 * array of its own: that would be a cycle that only the garbage collector ends.
 */
#ifndef PICTURE_H
#define PICTURE_H

#include "binding.h"
#include "formats.h"

struct picture_object {
    PyObject_HEAD
    PyObject *ring_name;
    struct shmring_frame_info info; /* a copy that outlives the memory; seq 0: not published */
    const char *problem;            /* why there is no one array */
    struct view view;
    char *data; /* NULL once given back */
    Py_ssize_t exports;
    bool writable;
    char released;     /* its own hold has ended */
    const char *ended; /* how to say so: "was released" */
    void (*give_back)(struct picture_object *);
};

/* Fills in what the head does not; the memory is DATA, laid out as INFO says. */
void picture_init(struct picture_object *self, const struct shmring_frame_info *info, void *data,
                  PyObject *ring_name);

/* 0, or -1 with a ValueError when its own hold has ended. */
int picture_check_held(struct picture_object *self);

/* Ends its own hold; the memory goes back now or with the last view. */
void picture_end_hold(struct picture_object *self);

/* The end of the object itself, which has no views any more. */
void picture_dealloc(struct picture_object *self);

/* Type slots and attributes. */
int picture_getbuffer(struct picture_object *self, Py_buffer *buffer, int flags);
void picture_releasebuffer(struct picture_object *self, Py_buffer *buffer);
PyObject *picture_array(struct picture_object *self, void *closure);
PyObject *picture_dunder_array(struct picture_object *self, PyObject *args, PyObject *kwargs);
PyObject *picture_planes(struct picture_object *self, void *closure);
PyObject *picture_strides(struct picture_object *self, void *closure);

/* The getbuffer of EXPORTER, which is PICTURE or refers to it; VIEW lives as long as EXPORTER. */
int picture_export(PyObject *exporter, struct picture_object *picture, struct view *view,
                   Py_buffer *buffer, int flags);

/* The releasebuffer that belongs to it. */
void picture_drop_export(struct picture_object *picture);

/* ---- arrays.c: numpy ---- */

/* A borrowed reference to numpy.asarray, or NULL with ModuleNotFoundError. */
PyObject *numpy_asarray(struct module_state *state);

PyObject *array_of(struct module_state *state, PyObject *exporter);

/* ---- plane.c: one plane as an exporter of its own ---- */

int plane_type_init(PyObject *module, struct module_state *state);

/* A new array of plane INDEX. */
PyObject *plane_array(struct module_state *state, struct picture_object *picture, unsigned index);

#endif
