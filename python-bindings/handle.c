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

void *handle_new(PyTypeObject *type, const char *kind, PyObject *name, long long timeout_ns,
                 void (*interrupt)(void *ring), void (*free)(void *ring)) {
    allocfunc alloc = PyType_GetSlot(type, Py_tp_alloc);
    struct handle *self = (struct handle *)alloc(type, 0);
    if (!self)
        return NULL;
    self->state = state_of_type(type);
    self->kind = kind;
    self->name = Py_NewRef(name);
    self->timeout_ns = timeout_ns;
    self->interrupt = interrupt;
    self->free = free;
    self->pool = pool_new();
    if (!self->pool)
        Py_CLEAR(self);
    return self;
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

void handle_dealloc(struct handle *self) {
    PyTypeObject *type = Py_TYPE(&self->ob_base);
    freefunc free = PyType_GetSlot(type, Py_tp_free);
    free_ring(self);
    Py_CLEAR(self->name);
    pool_unref(self->pool);
    free(self);
    Py_DECREF(type);
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

PyObject *handle_begin(struct handle *handle, PyObject *unused) {
    if (!handle_enter(handle))
        return NULL;
    handle_leave(handle);
    return Py_NewRef((PyObject *)handle);
}

void handle_close(struct handle *handle) {
    if (handle->closed)
        return;
    handle->closed = true;
    if (handle->users++ > 0)
        handle->interrupt(handle->ring);
    handle_leave(handle);
}

PyObject *handle_raise_closed(struct handle *handle) {
    return PyErr_Format(PyExc_ValueError, "the %s of ring '%U' was closed while it waited",
                        handle->kind, handle->name);
}

bool handle_was_warned(PyObject *done) {
    Py_XDECREF(done);
    return done;
}
