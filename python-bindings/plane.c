/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plane: what a view of one plane refers to, so that it counts as a view of the frame. */
#include "frame-object.h"

struct plane_object {
    PyObject_HEAD
    struct frame_object *frame;
    struct view view;
};

static int plane_getbuffer(struct plane_object *self, Py_buffer *buffer, int flags) {
    return export_view((PyObject *)self, self->frame, &self->view, buffer, flags);
}

static void plane_releasebuffer(struct plane_object *self, Py_buffer *buffer) {
    export_drop(self->frame);
}

static PyObject *plane_new(struct module_state *state, struct frame_object *frame, unsigned index) {
    struct view view;
    if (!view_of_plane(&view, &frame->info, index)) {
        PyErr_Format(state->errors[ERROR_LAYOUT],
                     "frame %llu of ring '%U': plane %u does not fit in its %llu bytes",
                     (unsigned long long)frame->info.seq, frame->ring_name, index,
                     (unsigned long long)frame->info.size);
        return NULL;
    }
    struct plane_object *plane = PyObject_New(struct plane_object, state->plane_type);
    if (!plane)
        return NULL;
    plane->frame = (struct frame_object *)Py_NewRef((PyObject *)frame);
    plane->view = view;
    return (PyObject *)plane;
}

PyObject *plane_array(struct module_state *state, struct frame_object *frame, unsigned index) {
    PyObject *plane = plane_new(state, frame, index);
    PyObject *array = plane ? array_of(state, plane) : NULL;
    Py_XDECREF(plane);
    return array;
}

static void plane_dealloc(struct plane_object *self) {
    PyTypeObject *type = Py_TYPE(&self->ob_base);
    Py_DECREF(self->frame);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyType_Slot plane_slots[] = {
    {Py_tp_dealloc, plane_dealloc},
    {Py_bf_getbuffer, plane_getbuffer},
    {Py_bf_releasebuffer, plane_releasebuffer},
    {0, NULL},
};

static PyType_Spec plane_spec = {
    .name = "shmring.Plane",
    .basicsize = sizeof(struct plane_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = plane_slots,
};

int plane_type_init(PyObject *module, struct module_state *state) {
    state->plane_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &plane_spec, NULL);
    return state->plane_type ? 0 : -1;
}
