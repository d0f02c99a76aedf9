/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "copies.h"

#include "picture.h"
#include "pixels.h"

/* What an array of our own making refers to: it gives its memory back to the pool. */
struct copy_object {
    struct picture_object picture;
    struct pool *pool;
    void *block;
};

static void give_back(struct picture_object *picture) {
    struct copy_object *self = (struct copy_object *)picture;
    pool_put(self->pool, self->block, (size_t)picture->info.size);
    pool_unref(self->pool);
}

static struct copy_object *copy_new(struct module_state *state, struct pool *pool,
                                    const struct shmring_frame_info *info, PyObject *ring_name) {
    void *block = pool_take(pool, (size_t)info->size);
    if (!block) {
        PyErr_NoMemory();
        return NULL;
    }
    struct copy_object *self = PyObject_New(struct copy_object, state->copy_type);
    if (!self) {
        pool_put(pool, block, (size_t)info->size);
        return NULL;
    }
    picture_init(&self->picture, info, block, ring_name);
    self->picture.writable = true;
    self->picture.give_back = give_back;
    self->pool = pool_ref(pool);
    self->block = block;
    return self;
}

/* ---- Without padding ---- */

struct plan {
    struct shmring_frame_info tight;
    struct view view; /* of the whole copy */
    unsigned planes;  /* 0: bytes */
    struct view from[SHMRING_MAX_PLANES], to[SHMRING_MAX_PLANES];
};

static const char *make_plan(struct plan *plan, const struct shmring_frame_info *info) {
    const char *problem = NULL;
    plan->tight = *info;
    plan->planes = view_planes(info);
    if (plan->planes)
        problem = layout_rows(&plan->tight, false);
    for (unsigned i = 0; !problem && i < plan->planes; i++) {
        view_of_plane(&plan->to[i], &plan->tight, i);
        if (!view_of_plane(&plan->from[i], info, i))
            problem = view_of_frame(&plan->view, info);
    }
    return problem ? problem : view_of_frame(&plan->view, &plan->tight);
}

static void run_plan(const struct plan *plan, char *to, const char *from) {
    if (plan->planes == 0)
        memcpy(to, from, (size_t)plan->tight.size);
    for (unsigned i = 0; i < plan->planes; i++)
        pixels_copy(to + plan->to[i].offset, plan->to[i].strides, from + plan->from[i].offset,
                    plan->from[i].strides, &plan->to[i]);
}

static PyObject *copy_to_array(struct module_state *state, struct pool *pool,
                               const struct plan *plan, const void *data, PyObject *ring_name) {
    struct copy_object *copy = copy_new(state, pool, &plan->tight, ring_name);
    if (!copy)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    run_plan(plan, copy->block, data);
    Py_END_ALLOW_THREADS
    PyObject *array = array_of(state, (PyObject *)copy);
    Py_DECREF(copy);
    return array;
}

static PyObject *copy_to_buffer(const struct plan *plan, const void *data, PyObject *out) {
    Py_buffer buffer;
    if (!pixels_get(&buffer, out, &plan->view, true, &plan->tight))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    run_plan(plan, buffer.buf, data);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&buffer);
    return Py_NewRef(out);
}

PyObject *copy_frame(struct module_state *state, struct pool *pool,
                     const struct shmring_frame_info *info, const void *data, PyObject *ring_name,
                     PyObject *out) {
    struct plan plan;
    const char *problem = make_plan(&plan, info);
    if (problem)
        return PyErr_Format(PyExc_BufferError, "frame %llu of ring '%U' has no one array: %s",
                            (unsigned long long)info->seq, ring_name, problem);
    if (out == Py_None)
        return copy_to_array(state, pool, &plan, data, ring_name);
    return copy_to_buffer(&plan, data, out);
}

static PyType_Slot copy_slots[] = {
    {Py_tp_dealloc, picture_dealloc},
    {Py_bf_getbuffer, picture_getbuffer},
    {Py_bf_releasebuffer, picture_releasebuffer},
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
