/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "picture.h"

void picture_init(struct picture_object *self, const struct shmring_frame_info *info, void *data,
                  PyObject *ring_name) {
    self->ring_name = Py_NewRef(ring_name);
    self->info = *info;
    self->info.format[sizeof(self->info.format) - 1] = '\0';
    self->problem = view_of_frame(&self->view, &self->info);
    self->data = data;
    self->exports = 0;
    self->writable = false;
    self->released = 0;
    self->ended = "was released";
}

static int raise_of(struct picture_object *self, PyObject *type, const char *what,
                    const char *why) {
    if (self->info.seq)
        PyErr_Format(type, "frame %llu of ring '%U' %s%s", (unsigned long long)self->info.seq,
                     self->ring_name, what, why);
    else
        PyErr_Format(type, "a loan of ring '%U' %s%s", self->ring_name, what, why);
    return -1;
}

int picture_check_held(struct picture_object *self) {
    return self->released ? raise_of(self, PyExc_ValueError, self->ended, "") : 0;
}

static void give_back(struct picture_object *self) {
    if (!self->data)
        return;
    self->data = NULL;
    self->give_back(self);
}

void picture_end_hold(struct picture_object *self) {
    self->released = 1;
    if (self->exports == 0)
        give_back(self);
}

void picture_dealloc(struct picture_object *self) {
    PyTypeObject *type = Py_TYPE(&self->ob_base);
    give_back(self);
    Py_DECREF(self->ring_name);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* ---- The buffer protocol ---- */

static void fill_buffer(Py_buffer *buffer, struct picture_object *picture, struct view *view) {
    buffer->buf = picture->data + view->offset;
    buffer->itemsize = view->itemsize;
    buffer->len = view->itemsize;
    for (int i = 0; i < view->ndim; i++)
        buffer->len *= view->shape[i];
    buffer->readonly = !picture->writable;
    buffer->ndim = view->ndim;
    buffer->format = (char *)view->code;
    buffer->shape = view->shape;
    buffer->strides = view->strides;
    buffer->suboffsets = NULL;
    buffer->internal = NULL;
}

static const char *refusal(const Py_buffer *buffer, int flags) {
    if ((flags & PyBUF_WRITABLE) && buffer->readonly)
        return "is read-only: work on a copy";
    char order = 0;
    if ((flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS)
        order = 'F';
    else if ((flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS)
        order = 'A';
    else if ((flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS ||
             (flags & PyBUF_STRIDES) != PyBUF_STRIDES)
        order = 'C';
    if (order && !PyBuffer_IsContiguous(buffer, order))
        return "has padded rows: ask for a strided buffer, or copy";
    return NULL;
}

/* What was not asked for must be NULL. */
static void trim_buffer(Py_buffer *buffer, int flags) {
    if (!(flags & PyBUF_FORMAT))
        buffer->format = NULL;
    if ((flags & PyBUF_STRIDES) != PyBUF_STRIDES)
        buffer->strides = NULL;
    if (!(flags & PyBUF_ND))
        buffer->shape = NULL;
}

int picture_export(PyObject *exporter, struct picture_object *picture, struct view *view,
                   Py_buffer *buffer, int flags) {
    buffer->obj = NULL;
    if (picture_check_held(picture) < 0)
        return -1;
    fill_buffer(buffer, picture, view);
    const char *problem = refusal(buffer, flags);
    if (problem)
        return raise_of(picture, PyExc_BufferError, problem, "");
    trim_buffer(buffer, flags);
    buffer->obj = Py_NewRef(exporter);
    picture->exports++;
    return 0;
}

void picture_drop_export(struct picture_object *picture) {
    if (--picture->exports == 0 && picture->released)
        give_back(picture);
}

int picture_getbuffer(struct picture_object *self, Py_buffer *buffer, int flags) {
    if (!self->problem)
        return picture_export((PyObject *)self, self, &self->view, buffer, flags);
    buffer->obj = NULL;
    return raise_of(self, PyExc_BufferError, "has no one array: ", self->problem);
}

void picture_releasebuffer(struct picture_object *self, Py_buffer *buffer) {
    picture_drop_export(self);
}

/* ---- Arrays ---- */

PyObject *picture_array(struct picture_object *self, void *closure) {
    return array_of(state_of(self), (PyObject *)self);
}

/* numpy comes here only when the buffer protocol refused: raise what it hid. */
PyObject *picture_dunder_array(struct picture_object *self, PyObject *args, PyObject *kwargs) {
    PyObject *asarray = numpy_asarray(state_of(self));
    PyObject *memory = asarray ? PyMemoryView_FromObject((PyObject *)self) : NULL;
    if (!memory)
        return NULL;
    PyObject *first = PyTuple_Pack(1, memory);
    PyObject *all = first ? PySequence_Concat(first, args) : NULL;
    PyObject *array = all ? PyObject_Call(asarray, all, kwargs) : NULL;
    Py_XDECREF(all);
    Py_XDECREF(first);
    Py_DECREF(memory);
    return array;
}

PyObject *picture_planes(struct picture_object *self, void *closure) {
    unsigned count = view_planes(&self->info);
    PyObject *planes = PyTuple_New(count);
    for (unsigned i = 0; planes && i < count; i++) {
        PyObject *array = plane_array(state_of(self), self, i);
        if (!array || PyTuple_SetItem(planes, i, array) < 0)
            Py_CLEAR(planes);
    }
    return planes;
}

PyObject *picture_strides(struct picture_object *self, void *closure) {
    PyObject *strides = PyTuple_New(self->info.planes);
    for (unsigned i = 0; strides && i < self->info.planes; i++) {
        PyObject *stride = PyLong_FromLong(self->info.stride[i]);
        if (!stride || PyTuple_SetItem(strides, i, stride) < 0)
            Py_CLEAR(strides);
    }
    return strides;
}
