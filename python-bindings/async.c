/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The half of aio.py that is about the ring: a wait in a thread, which its task may abandon. From
 * abandon() to left() nobody else takes a frame, so that one that the thread took meanwhile is put
 * back before later ones are read.
 */
#include "reader-object.h"

PyObject *reader_read_unless(struct reader_object *self, PyObject *abandoned) {
    struct take take = TAKE_INIT(self);
    if (!PyList_Check(abandoned))
        return PyErr_Format(PyExc_TypeError, "needs a list, not %R", Py_TYPE(abandoned));
    take.abandoned = abandoned;
    take_wait(&take);
    if (take.result == SHMRING_INTERRUPTED)
        Py_RETURN_NONE;
    return take_outcome(&take);
}

PyObject *reader_abandon(struct reader_object *self, PyObject *unused) {
    self->leaving++;
    reader_update_interrupt(self);
    Py_RETURN_NONE;
}

static int put_back(struct reader_object *self, PyObject *frame) {
    if (frame == Py_None || self->handle.closed)
        return 0;
    if (Py_IS_TYPE(frame, state_of(self)->frame_type))
        return reader_unread(self, frame);
    PyErr_Format(PyExc_TypeError, "only a Frame can be put back, not %R", Py_TYPE(frame));
    return -1;
}

PyObject *reader_left(struct reader_object *self, PyObject *frame) {
    int result = put_back(self, frame);
    self->leaving--;
    reader_update_interrupt(self);
    if (result < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *reader_put_back(struct reader_object *self, PyObject *frame) {
    if (put_back(self, frame) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *reader_anext(struct reader_object *self) {
    PyObject *module = PyImport_ImportModule("shmring.aio");
    PyObject *awaitable =
        module ? PyObject_CallMethod(module, "next_frame", "O", (PyObject *)self) : NULL;
    Py_XDECREF(module);
    return awaitable;
}
