/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "handle.h"

const char *name_text(PyObject *name) {
    Py_ssize_t length;
    const char *text = PyUnicode_AsUTF8AndSize(name, &length);
    if (!text || strlen(text) == (size_t)length)
        return text;
    PyErr_SetString(PyExc_ValueError, "a ring's name has no NUL in it");
    return NULL;
}

static void free_ring(struct handle *handle) {
    void *ring = handle->ring;
    handle->ring = NULL;
    if (!ring)
        return;
    Py_BEGIN_ALLOW_THREADS
    handle->free(ring);
    Py_END_ALLOW_THREADS
}

bool handle_enter(struct handle *handle) {
    if (handle->closed) {
        PyErr_Format(PyExc_ValueError, "the %s of ring '%U' is closed", handle->kind, handle->name);
        return false;
    }
    handle->users++;
    return true;
}

/* In use until it is freed: a program that ends waits for those in use. */
void handle_leave(struct handle *handle) {
    if (handle->users == 1 && handle->closed)
        free_ring(handle);
    handle->users--;
}

void handle_close(struct handle *handle) {
    if (handle->closed)
        return;
    handle->closed = true;
    if (handle->users++ > 0)
        handle->interrupt(handle->ring);
    handle_leave(handle);
}

void handle_clear(struct handle *handle) {
    free_ring(handle);
    Py_CLEAR(handle->name);
}

PyObject *handle_raise_closed(struct handle *handle) {
    return PyErr_Format(PyExc_ValueError, "the %s of ring '%U' was closed while it waited",
                        handle->kind, handle->name);
}

PyObject *handle_refuse_pickle(struct handle *handle, PyObject *owner) {
    PyObject *type = PyType_GetName(Py_TYPE(owner));
    if (!type)
        return NULL;
    PyErr_Format(PyExc_TypeError,
                 "a %U cannot be pickled: make shmring.%U('%U') in the other process", type, type,
                 handle->name);
    Py_DECREF(type);
    return NULL;
}
