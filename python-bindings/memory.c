/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memory.h"

void memory_init(struct memory_object *self, const struct shmring_frame_info *info, void *data,
                 PyObject *ring_name, struct pool *pool) {
    self->ring_name = Py_NewRef(ring_name);
    self->info = *info;
    self->info.format[sizeof(self->info.format) - 1] = '\0';
    self->pool = pool_ref(pool);
    self->layout = NULL;
    self->data = data;
    self->exports = 0;
    self->writable = false;
    self->released = 0;
    self->ended = "was released";
}

struct layout *memory_layout(struct memory_object *self) {
    struct layout *layout = self->layout;
    if (!layout)
        layout = layout_get(state_of(self), &self->info, &self->pool->layout);
    if (self->layout != layout && self->layout) /* another thread was here meanwhile */
        layout_unref(layout);
    else
        self->layout = layout;
    return self->layout;
}

PyObject *memory_raise(struct memory_object *self, PyObject *type, const char *what,
                       PyObject *problem) {
    PyObject *text = problem ? Py_NewRef(problem) : PyUnicode_FromString("");
    if (text && self->info.seq)
        PyErr_Format(type, "frame %llu of ring '%U' %s%U", (unsigned long long)self->info.seq,
                     self->ring_name, what, text);
    else if (text)
        PyErr_Format(type, "a loan of ring '%U' %s%U", self->ring_name, what, text);
    Py_XDECREF(text);
    return NULL;
}

int memory_check_held(struct memory_object *self) {
    if (self->released)
        memory_raise(self, PyExc_ValueError, self->ended, NULL);
    return self->released ? -1 : 0;
}

static void give_back(struct memory_object *self) {
    if (!self->data)
        return;
    self->data = NULL;
    self->give_back(self);
}

void memory_end_hold(struct memory_object *self) {
    self->released = 1;
    if (self->exports == 0)
        give_back(self);
}

void memory_dealloc(struct memory_object *self) {
    PyTypeObject *type = Py_TYPE(&self->ob_base);
    give_back(self);
    layout_unref(self->layout);
    pool_unref(self->pool);
    Py_DECREF(self->ring_name);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* ---- The buffer protocol ---- */

static void fill_buffer(Py_buffer *buffer, struct memory_object *memory, struct view *view) {
    buffer->buf = memory->data + view->offset;
    buffer->itemsize = view->itemsize;
    buffer->len = view->itemsize;
    for (int i = 0; i < view->ndim; i++)
        buffer->len *= view->shape[i];
    buffer->readonly = !memory->writable;
    buffer->ndim = view->ndim;
    buffer->format = view->code;
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

/* The getbuffer of EXPORTER, which is MEMORY or refers to it. */
static int export(PyObject *exporter, struct memory_object *memory, struct view *view,
                  Py_buffer *buffer, int flags) {
    fill_buffer(buffer, memory, view);
    const char *problem = refusal(buffer, flags);
    if (problem) {
        memory_raise(memory, PyExc_BufferError, problem, NULL);
        return -1;
    }
    trim_buffer(buffer, flags);
    buffer->obj = Py_NewRef(exporter);
    memory->exports++;
    return 0;
}

void memory_drop_export(struct memory_object *self) {
    if (--self->exports == 0 && self->released)
        give_back(self);
}

int memory_getbuffer(struct memory_object *self, Py_buffer *buffer, int flags) {
    buffer->obj = NULL;
    struct layout *layout = memory_layout(self);
    if (!layout || memory_check_held(self) < 0)
        return -1;
    if (!layout->problem)
        return export((PyObject *)self, self, &layout->whole, buffer, flags);
    memory_raise(self, PyExc_BufferError, "has no one array: ", layout->problem);
    return -1;
}

void memory_releasebuffer(struct memory_object *self, Py_buffer *buffer) {
    memory_drop_export(self);
}

/* ---- One plane as an exporter of its own, so that it counts as a view of the memory ---- */

struct plane_object {
    PyObject_HEAD
    struct memory_object *memory;
    struct view view;
};

static int plane_getbuffer(struct plane_object *self, Py_buffer *buffer, int flags) {
    buffer->obj = NULL;
    if (memory_check_held(self->memory) < 0)
        return -1;
    return export((PyObject *)self, self->memory, &self->view, buffer, flags);
}

static void plane_releasebuffer(struct plane_object *self, Py_buffer *buffer) {
    memory_drop_export(self->memory);
}

static void plane_dealloc(struct plane_object *self) {
    PyTypeObject *type = Py_TYPE(&self->ob_base);
    Py_DECREF(self->memory);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *plane_array(struct memory_object *memory, const struct view *view) {
    struct module_state *state = state_of(memory);
    struct plane_object *plane = PyObject_New(struct plane_object, state->plane_type);
    if (!plane)
        return NULL;
    plane->memory = (struct memory_object *)Py_NewRef((PyObject *)memory);
    plane->view = *view;
    PyObject *array = array_of(state, (PyObject *)plane);
    Py_DECREF(plane);
    return array;
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

int memory_types_init(PyObject *module, struct module_state *state) {
    state->plane_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &plane_spec, NULL);
    return state->plane_type ? 0 : -1;
}

/* ---- Arrays ---- */

/* By way of a memoryview, because numpy hides an exporter's exception and makes an array of one
 * object instead. */
PyObject *array_of(struct module_state *state, PyObject *exporter) {
    PyObject *asarray = helper(state, HELPER_ASARRAY);
    PyObject *memory = asarray ? PyMemoryView_FromObject(exporter) : NULL;
    PyObject *array = memory ? PyObject_CallFunctionObjArgs(asarray, memory, NULL) : NULL;
    Py_XDECREF(memory);
    return array;
}

PyObject *memory_array(struct memory_object *self, void *closure) {
    return array_of(state_of(self), (PyObject *)self);
}

/* numpy comes here only when the buffer protocol refused: raise what it hid. */
PyObject *memory_dunder_array(struct memory_object *self, PyObject *args, PyObject *kwargs) {
    PyObject *asarray = helper(state_of(self), HELPER_ASARRAY);
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

PyObject *memory_planes(struct memory_object *self, void *closure) {
    struct layout *layout = memory_check_held(self) < 0 ? NULL : memory_layout(self);
    if (!layout)
        return NULL;
    PyObject *planes = PyTuple_New(layout->planes);
    for (unsigned i = 0; planes && i < layout->planes; i++) {
        PyObject *array = plane_array(self, &layout->plane[i]);
        if (!array || PyTuple_SetItem(planes, i, array) < 0)
            Py_CLEAR(planes);
    }
    return planes;
}

PyObject *memory_strides(struct memory_object *self, void *closure) {
    PyObject *planes = info_planes(&self->info);
    PyObject *strides = planes ? Py_NewRef(PyTuple_GetItem(planes, 0)) : NULL;
    Py_XDECREF(planes);
    return strides;
}
