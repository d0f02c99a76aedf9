/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layout.h"

#include <stdlib.h>

struct layout *layout_ref(struct layout *layout) {
    layout->refs++;
    return layout;
}

void layout_unref(struct layout *layout) {
    if (!layout || --layout->refs > 0)
        return;
    Py_XDECREF(layout->problem);
    Py_XDECREF(layout->tight);
    free(layout);
}

PyObject *tuple_of(const Py_ssize_t *numbers, int count) {
    PyObject *tuple = PyTuple_New(count);
    for (int i = 0; tuple && i < count; i++) {
        PyObject *number = PyLong_FromSsize_t(numbers[i]);
        if (!number || PyTuple_SetItem(tuple, i, number) < 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

/* ---- From Python ---- */

static bool set_numbers(PyObject *tuple, Py_ssize_t *numbers) {
    for (Py_ssize_t i = 0; i < PyTuple_Size(tuple); i++)
        numbers[i] = PyLong_AsSsize_t(PyTuple_GetItem(tuple, i));
    return !PyErr_Occurred();
}

static bool set_view(struct view *view, PyObject *array) {
    PyObject *shape, *strides;
    const char *code;
    if (!PyArg_ParseTuple(array, "nnsO!O!", &view->offset, &view->itemsize, &code, &PyTuple_Type,
                          &shape, &PyTuple_Type, &strides))
        return false;
    PyOS_snprintf(view->code, sizeof(view->code), "%s", code);
    view->ndim = (int)PyTuple_Size(shape);
    if (view->ndim <= VIEW_MAX_DIMS && PyTuple_Size(strides) == view->ndim)
        return set_numbers(shape, view->shape) && set_numbers(strides, view->strides);
    PyErr_SetString(PyExc_SystemError, "shmring.formats made an array of too many dimensions");
    return false;
}

static bool set_layout(struct layout *layout, PyObject *answer) {
    PyObject *problem, *whole, *planes, *tight;
    if (!PyArg_ParseTuple(answer, "OOO!O", &problem, &whole, &PyTuple_Type, &planes, &tight))
        return false;
    layout->problem = problem == Py_None ? NULL : Py_NewRef(problem);
    layout->tight = tight == Py_None ? NULL : Py_NewRef(tight);
    if (whole != Py_None && !set_view(&layout->whole, whole))
        return false;
    for (; (Py_ssize_t)layout->planes < PyTuple_Size(planes); layout->planes++)
        if (!set_view(&layout->plane[layout->planes], PyTuple_GetItem(planes, layout->planes)))
            return false;
    return true;
}

_Static_assert(SHMRING_MAX_PLANES == 4, "as many numbers are given below");

PyObject *info_planes(const struct shmring_frame_info *info) {
    const int32_t *s = info->stride;
    const uint64_t *o = info->offset;
    PyObject *strides = Py_BuildValue("(iiii)", s[0], s[1], s[2], s[3]);
    PyObject *offsets = Py_BuildValue("(KKKK)", o[0], o[1], o[2], o[3]);
    PyObject *planes = NULL;
    if (strides && offsets)
        planes = Py_BuildValue("NNK", PyTuple_GetSlice(strides, 0, info->planes),
                               PyTuple_GetSlice(offsets, 0, info->planes),
                               (unsigned long long)info->size);
    Py_XDECREF(strides);
    Py_XDECREF(offsets);
    return planes;
}

/* What shmring.formats makes of it. */
static PyObject *answer_for(struct module_state *state, const struct shmring_frame_info *info) {
    PyObject *function = helper(state, HELPER_LAYOUT);
    if (!function)
        return NULL;
    Py_ssize_t length = (Py_ssize_t)strlen(info->format);
    return PyObject_CallFunction(function, "NIIN",
                                 PyUnicode_DecodeASCII(info->format, length, "replace"),
                                 info->width, info->height, info_planes(info));
}

/* ---- One for many frames ---- */

static bool same_format(const struct shmring_frame_info *a, const struct shmring_frame_info *b) {
    return a->size == b->size && a->width == b->width && a->height == b->height &&
           a->planes == b->planes && memcmp(a->format, b->format, sizeof(a->format)) == 0 &&
           memcmp(a->stride, b->stride, sizeof(a->stride)) == 0 &&
           memcmp(a->offset, b->offset, sizeof(a->offset)) == 0;
}

void view_bytes(struct view *view, Py_ssize_t size) {
    *view = (struct view){.itemsize = 1, .code = "B", .ndim = 1, .shape = {size}, .strides = {1}};
}

static struct layout *layout_new(struct module_state *state,
                                 const struct shmring_frame_info *info) {
    struct layout *layout = calloc(1, sizeof(*layout));
    if (!layout) {
        PyErr_NoMemory();
        return NULL;
    }
    layout->refs = 1;
    layout->info = *info;
    if (info->planes == 0) {
        view_bytes(&layout->whole, (Py_ssize_t)info->size);
        return layout;
    }
    PyObject *answer = answer_for(state, info);
    if (!answer || !set_layout(layout, answer)) {
        layout_unref(layout);
        layout = NULL;
    }
    Py_XDECREF(answer);
    return layout;
}

static struct layout *remember(struct layout *layout, struct layout **last) {
    if (layout) {
        layout_unref(*last);
        *last = layout_ref(layout);
    }
    return layout;
}

struct layout *layout_get(struct module_state *state, const struct shmring_frame_info *info,
                          struct layout **last) {
    if (*last && same_format(info, &(*last)->info))
        return layout_ref(*last);
    return remember(layout_new(state, info), last);
}

bool info_set_planes(struct shmring_frame_info *info, PyObject *planes) {
    PyObject *strides, *offsets;
    unsigned long long size;
    Py_ssize_t stride[SHMRING_MAX_PLANES], offset[SHMRING_MAX_PLANES];
    if (!PyArg_ParseTuple(planes, "O!O!K", &PyTuple_Type, &strides, &PyTuple_Type, &offsets, &size))
        return false;
    Py_ssize_t count = PyTuple_Size(strides);
    if (count > SHMRING_MAX_PLANES || PyTuple_Size(offsets) != count) {
        PyErr_Format(PyExc_ValueError, "a frame has at most %d planes", SHMRING_MAX_PLANES);
        return false;
    }
    if (!set_numbers(strides, stride) || !set_numbers(offsets, offset))
        return false;
    info->planes = (uint32_t)count;
    info->size = size;
    for (Py_ssize_t i = 0; i < count; i++) {
        info->stride[i] = (int32_t)stride[i];
        info->offset[i] = (uint64_t)offset[i];
    }
    return true;
}

struct layout *layout_get_tight(struct module_state *state, struct layout *layout,
                                struct layout **last) {
    struct shmring_frame_info info = layout->info;
    if (!layout->tight)
        return layout_ref(layout);
    return info_set_planes(&info, layout->tight) ? layout_get(state, &info, last) : NULL;
}
