/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Timeline: what Writers share whose streams belong together. */
#include "binding.h"

struct timeline_object {
    PyObject_HEAD
    struct shmring_timeline *timeline;
};

static PyObject *timeline_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":Timeline", names))
        return NULL;
    struct timeline_object *self = PyObject_New(struct timeline_object, type);
    if (!self)
        return NULL;
    self->timeline = shmring_timeline_new();
    if (self->timeline)
        return (PyObject *)self;
    Py_DECREF(self);
    return PyErr_NoMemory();
}

static void timeline_dealloc(struct timeline_object *self) {
    PyTypeObject *type = Py_TYPE(&self->ob_base);
    shmring_timeline_unref(self->timeline);
    PyObject_Free(self);
    Py_DECREF(type);
}

struct shmring_timeline *timeline_get(struct module_state *state, PyObject *object) {
    if (Py_IS_TYPE(object, state->timeline_type))
        return ((struct timeline_object *)object)->timeline;
    PyErr_Format(PyExc_TypeError, "timeline must be None or a shmring.Timeline, not %R", object);
    return NULL;
}

static PyType_Slot timeline_slots[] = {
    {Py_tp_doc,
     "Timeline()\n--\n\nDecides when frames are due. Writers whose streams belong together "
     "(picture and sound) share one, so that they stay in step."},
    {Py_tp_new, timeline_new},
    {Py_tp_dealloc, timeline_dealloc},
    {0, NULL},
};

static PyType_Spec timeline_spec = {
    .name = "shmring.Timeline",
    .basicsize = sizeof(struct timeline_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = timeline_slots,
};

int timeline_type_init(PyObject *module, struct module_state *state) {
    return add_type(module, &timeline_spec, &state->timeline_type);
}
