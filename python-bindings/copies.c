/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "copies.h"

#include "pixels.h"

/* What an array of our own making refers to: it gives its memory back to the pool. */
struct copy_object {
    struct memory_object memory;
    void *block;
};

static void give_back(struct memory_object *memory) {
    pool_put(memory->pool, ((struct copy_object *)memory)->block, (size_t)memory->info.size);
}

static struct copy_object *copy_new(struct memory_object *frame, struct layout *layout) {
    struct module_state *state = state_of(frame);
    size_t size = (size_t)layout->info.size;
    char *block = pool_take(frame->pool, size);
    struct copy_object *self = block ? PyObject_New(struct copy_object, state->copy_type) : NULL;
    if (self) {
        memory_init(&self->memory, &layout->info, block, frame->ring_name, frame->pool);
        self->memory.layout = layout_ref(layout);
        self->memory.writable = true;
        self->memory.give_back = give_back;
        self->block = block;
    } else if (block)
        pool_put(frame->pool, block, size);
    return self;
}

/* ---- Without padding ---- */

/* FROM and TO are layouts of the same format. */
static void copy_rows(const struct layout *from, const struct layout *to, const char *source,
                      char *target) {
    if (from->planes == 0)
        memcpy(target, source, (size_t)from->info.size);
    for (unsigned i = 0; i < from->planes; i++)
        pixels_copy(target + to->plane[i].offset, to->plane[i].strides,
                    source + from->plane[i].offset, from->plane[i].strides, &to->plane[i]);
}

static PyObject *copy_to_array(struct memory_object *frame, struct layout *tight) {
    struct copy_object *copy = copy_new(frame, tight);
    if (!copy)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    copy_rows(frame->layout, tight, frame->data, copy->memory.data);
    Py_END_ALLOW_THREADS
    PyObject *array = array_of(state_of(frame), (PyObject *)copy);
    Py_DECREF(copy);
    return array;
}

static PyObject *copy_to_buffer(struct memory_object *frame, struct layout *tight, PyObject *out) {
    Py_buffer buffer;
    if (!pixels_get(&buffer, out, &tight->whole, true, &tight->info))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    copy_rows(frame->layout, tight, frame->data, buffer.buf);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&buffer);
    return Py_NewRef(out);
}

static PyObject *copy_held(struct memory_object *frame, PyObject *out) {
    struct layout *layout = memory_layout(frame);
    struct layout *tight =
        layout ? layout_get_tight(state_of(frame), layout, &frame->pool->tight) : NULL;
    PyObject *copy = NULL;
    if (!tight)
        return NULL;
    if (tight->problem)
        memory_raise(frame, PyExc_BufferError, "has no one array: ", tight->problem);
    else
        copy = out == Py_None ? copy_to_array(frame, tight) : copy_to_buffer(frame, tight, out);
    layout_unref(tight);
    return copy;
}

/* Counts as a view meanwhile, so that another thread's release() cannot take the memory away. */
PyObject *copy_frame(struct memory_object *frame, PyObject *out) {
    if (memory_check_held(frame) < 0)
        return NULL;
    frame->exports++;
    PyObject *copy = copy_held(frame, out);
    memory_drop_export(frame);
    return copy;
}

static PyType_Slot copy_slots[] = {
    {Py_tp_dealloc, memory_dealloc},
    {Py_bf_getbuffer, memory_getbuffer},
    {Py_bf_releasebuffer, memory_releasebuffer},
    {0, NULL},
};

static PyType_Spec copy_spec = {
    .name = "shmring.Copy",
    .basicsize = sizeof(struct copy_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = copy_slots,
};

int copy_type_init(PyObject *module, struct module_state *state) {
    state->copy_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &copy_spec, NULL);
    return state->copy_type ? 0 : -1;
}
