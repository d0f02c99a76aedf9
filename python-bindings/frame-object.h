/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files about a Frame share. Every export of its memory counts: the slot is given back
 * when the frame's own hold has ended (release(), `with`, or nobody refers to it) and no view is
 * left.
 */
#ifndef FRAME_OBJECT_H
#define FRAME_OBJECT_H

#include "binding.h"
#include "formats.h"

struct frame_object {
    PyObject_HEAD
    struct shmring_frame *frame;    /* NULL once given back */
    struct shmring_frame_info info; /* a copy that outlives the slot */
    PyObject *ring_name;
    const char *problem; /* why there is no one array */
    struct view view;
    Py_ssize_t exports;
    int64_t latency_ns;
    unsigned long long dropped;
    char is_view;
    char released; /* its own hold has ended */
};

/* ---- export.c: the buffer protocol ---- */

/* 0, or -1 with a ValueError when the frame was released. */
int export_check_held(struct frame_object *frame);

/* Ends the hold on the slot itself. */
void export_give_back(struct frame_object *frame);

/* The getbuffer of EXPORTER, which is the frame or refers to it; VIEW lives as long as EXPORTER. */
int export_view(PyObject *exporter, struct frame_object *frame, struct view *view,
                Py_buffer *buffer, int flags);

/* The releasebuffer that belongs to it. */
void export_drop(struct frame_object *frame);

/* ---- arrays.c: numpy ---- */

/* A borrowed reference to numpy.asarray, or NULL with ModuleNotFoundError. */
PyObject *numpy_asarray(struct module_state *state);

PyObject *array_of(struct module_state *state, PyObject *exporter);

/* ---- plane.c: one plane as an exporter of its own ---- */

int plane_type_init(PyObject *module, struct module_state *state);

/* A new read-only array of plane INDEX. */
PyObject *plane_array(struct module_state *state, struct frame_object *frame, unsigned index);

#endif
