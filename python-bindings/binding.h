/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the extension's files share. One file a type; the stable ABI of Python 3.11, or an older
   Python's own. */
#ifndef BINDING_H
#define BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "shmring.h"

#if PY_VERSION_HEX < 0x030a0000
/* Python 3.9 knows neither: add_type() sees to the first. */
#define Py_TPFLAGS_DISALLOW_INSTANTIATION (1UL << 7)
#define Py_TPFLAGS_IMMUTABLETYPE 0

static inline PyObject *Py_XNewRef(PyObject *object) {
    Py_XINCREF(object);
    return object;
}

static inline PyObject *Py_NewRef(void *object) {
    return Py_XNewRef(object);
}
#endif

/* Written in Python, imported when first needed. */
enum helper {
    HELPER_ASARRAY, /* numpy.asarray */
    HELPER_LAYOUT,  /* shmring.formats.layout_of */
    HELPER_METAS,   /* shmring.metas.read_metas */
    HELPER_FLAGS,   /* shmring.records.FrameFlags */
    HELPER_RAISE,   /* shmring.errors.raise_result */
    HELPER_END,     /* shmring.errors.EndOfStream */
    HELPERS,
};

struct module_state {
    PyTypeObject *frame_type;
    PyTypeObject *plane_type;
    PyTypeObject *copy_type;
    PyTypeObject *reader_type;
    PyTypeObject *loan_type;
    PyTypeObject *writer_type;
    PyTypeObject *timeline_type;
    PyObject *helpers[HELPERS];
};

/* Each adds its types to the module; 0, or -1 with an exception. */
int memory_types_init(PyObject *module, struct module_state *state);
int copy_type_init(PyObject *module, struct module_state *state);
int frame_type_init(PyObject *module, struct module_state *state);
int reader_type_init(PyObject *module, struct module_state *state);
int loan_type_init(PyObject *module, struct module_state *state);
int writer_type_init(PyObject *module, struct module_state *state);
int timeline_type_init(PyObject *module, struct module_state *state);

/* Adds a type under its own name and stores it. */
int add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **where);

/* The state of the module that made TYPE or what it is derived from. */
struct module_state *state_of_type(PyTypeObject *type);

/* Of a type that cannot be subclassed. */
static inline struct module_state *state_of(void *self) {
    return PyType_GetModuleState(Py_TYPE((PyObject *)self));
}

/* The values of a shmring.Info. */
PyObject *info_values(const struct shmring_info *info);

/* Appends the values of a shmring.ReaderInfo to a list. */
void append_reader(const struct shmring_reader_info *reader, void *list);

/* Of a Timeline; NULL with an exception when OBJECT is none. */
struct shmring_timeline *timeline_get(struct module_state *state, PyObject *object);

/* Raises what RESULT, a negative errno, means. Returns NULL. */
PyObject *raise_result(struct module_state *state, int result, const struct shmring_error *error);

/* A borrowed reference, or NULL with an exception. */
PyObject *helper(struct module_state *state, enum helper which);

#endif
