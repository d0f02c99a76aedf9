/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plane: what a view of one plane refers to, so that it counts as a view of the picture. */
#include "picture.h"

struct plane_object {
    PyObject_HEAD
    struct picture_object *picture;
    struct view view;
};

static int plane_getbuffer(struct plane_object *self, Py_buffer *buffer, int flags) {
    return picture_export((PyObject *)self, self->picture, &self->view, buffer, flags);
}

static void plane_releasebuffer(struct plane_object *self, Py_buffer *buffer) {
    picture_drop_export(self->picture);
}

static PyObject *plane_new(struct module_state *state, struct picture_object *picture,
                           unsigned index) {
    struct view view;
    if (!view_of_plane(&view, &picture->info, index)) {
        PyErr_Format(state->errors[ERROR_LAYOUT],
                     "frame %llu of ring '%U': plane %u does not fit in its %llu bytes",
                     (unsigned long long)picture->info.seq, picture->ring_name, index,
                     (unsigned long long)picture->info.size);
        return NULL;
    }
    struct plane_object *plane = PyObject_New(struct plane_object, state->plane_type);
    if (!plane)
        return NULL;
    plane->picture = (struct picture_object *)Py_NewRef((PyObject *)picture);
    plane->view = view;
    return (PyObject *)plane;
}

PyObject *plane_array(struct module_state *state, struct picture_object *picture, unsigned index) {
    PyObject *plane = plane_new(state, picture, index);
    PyObject *array = plane ? array_of(state, plane) : NULL;
    Py_XDECREF(plane);
    return array;
}

static void plane_dealloc(struct plane_object *self) {
    PyTypeObject *type = Py_TYPE(&self->ob_base);
    Py_DECREF(self->picture);
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
