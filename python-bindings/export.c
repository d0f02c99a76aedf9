/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frame-object.h"

int export_check_held(struct frame_object *self) {
    if (!self->released)
        return 0;
    PyErr_Format(PyExc_ValueError, "frame %llu of ring '%U' was released",
                 (unsigned long long)self->info.seq, self->ring_name);
    return -1;
}

void export_give_back(struct frame_object *self) {
    struct shmring_frame *frame = self->frame;
    self->frame = NULL;
    shmring_frame_release(frame);
}

static void fill_buffer(Py_buffer *buffer, struct frame_object *frame, struct view *view) {
    buffer->buf = (char *)frame->frame->data + view->offset;
    buffer->itemsize = view->itemsize;
    buffer->len = view->itemsize;
    for (int i = 0; i < view->ndim; i++)
        buffer->len *= view->shape[i];
    buffer->readonly = 1;
    buffer->ndim = view->ndim;
    buffer->format = (char *)view->code;
    buffer->shape = view->shape;
    buffer->strides = view->strides;
    buffer->suboffsets = NULL;
    buffer->internal = NULL;
}

static const char *refusal(const Py_buffer *buffer, int flags) {
    if (flags & PyBUF_WRITABLE)
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

int export_view(PyObject *exporter, struct frame_object *frame, struct view *view,
                Py_buffer *buffer, int flags) {
    buffer->obj = NULL;
    if (export_check_held(frame) < 0)
        return -1;
    fill_buffer(buffer, frame, view);
    const char *problem = refusal(buffer, flags);
    if (problem) {
        PyErr_Format(PyExc_BufferError, "frame %llu of ring '%U' %s",
                     (unsigned long long)frame->info.seq, frame->ring_name, problem);
        return -1;
    }
    trim_buffer(buffer, flags);
    buffer->obj = Py_NewRef(exporter);
    frame->exports++;
    return 0;
}

void export_drop(struct frame_object *frame) {
    if (--frame->exports == 0 && frame->released)
        export_give_back(frame);
}
