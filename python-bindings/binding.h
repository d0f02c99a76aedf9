/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the extension's files share: one file a type, the stable ABI of Python 3.11. */
#ifndef BINDING_H
#define BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "shmring.h"

enum error_class {
    ERROR_BASE,
    ERROR_TIMEOUT,
    ERROR_NOT_FOUND,
    ERROR_WRITER_LOST,
    ERROR_END_OF_STREAM,
    ERROR_DENIED,
    ERROR_BUSY,
    ERROR_LEASE,
    ERROR_LAYOUT,
    ERROR_CLASSES,
};

struct module_state {
    PyObject *errors[ERROR_CLASSES];
    PyTypeObject *frame_type;
    PyTypeObject *plane_type;
    PyTypeObject *copy_type;
    PyTypeObject *metas_type;
    PyTypeObject *region_type;
    PyTypeObject *reader_type;
    PyTypeObject *loan_type;
    PyTypeObject *writer_type;
    PyTypeObject *info_type;
    PyTypeObject *stats_type;
    PyObject *asarray; /* numpy.asarray, once somebody needed it */
};

/* Each adds its types or functions to the module; 0, or -1 with an exception. */
int errors_init(PyObject *module, struct module_state *state);
int reader_type_init(PyObject *module, struct module_state *state);
int writer_type_init(PyObject *module, struct module_state *state);
int list_init(PyObject *module);
int layouts_init(PyObject *module);

/* Adds a type under its own name and stores it. */
int add_type(PyObject *module, PyTypeObject *type, PyTypeObject **where);

/* The state of the module that made SELF; no type here can be subclassed, so it is always ours. */
static inline struct module_state *state_of(void *self) {
    return PyType_GetModuleState(Py_TYPE((PyObject *)self));
}

/* Raises what RESULT, a negative errno, means. Returns NULL. */
PyObject *raise_result(struct module_state *state, int result, const struct shmring_error *error);

#endif
