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

static PyObject *arguments_of(const struct shmring_frame_info *info) {
    Py_ssize_t strides[SHMRING_MAX_PLANES], offsets[SHMRING_MAX_PLANES];
    for (unsigned i = 0; i < info->planes; i++) {
        strides[i] = info->stride[i];
        offsets[i] = (Py_ssize_t)info->offset[i];
    }
    return Py_BuildValue(
        "NIINNK", PyUnicode_DecodeASCII(info->format, (Py_ssize_t)strlen(info->format), "replace"),
        info->width, info->height, tuple_of(strides, (int)info->planes),
        tuple_of(offsets, (int)info->planes), (unsigned long long)info->size);
}

/* ---- One for many frames ---- */

static bool same_format(const struct shmring_frame_info *a, const struct shmring_frame_info *b) {
    return a->size == b->size && a->width == b->width && a->height == b->height &&
           a->planes == b->planes && memcmp(a->format, b->format, sizeof(a->format)) == 0 &&
           memcmp(a->stride, b->stride, sizeof(a->stride)) == 0 &&
           memcmp(a->offset, b->offset, sizeof(a->offset)) == 0;
}

/* What is no picture differs in size from frame to frame. */
static struct layout *layout_of_bytes(struct layout *layout) {
    layout->whole = (struct view){.itemsize = 1, .code = "B", .ndim = 1};
    layout->whole.shape[0] = (Py_ssize_t)layout->info.size;
    layout->whole.strides[0] = 1;
    return layout;
}

static struct layout *layout_new(struct module_state *state, const struct shmring_frame_info *info,
                                 PyObject *arguments) {
    struct layout *layout = calloc(1, sizeof(*layout));
    if (!layout) {
        PyErr_NoMemory();
        return NULL;
    }
    layout->refs = 1;
    layout->info = *info;
    if (info->planes == 0)
        return layout_of_bytes(layout);
    PyObject *function = arguments ? helper(state, HELPER_LAYOUT) : NULL;
    PyObject *answer = function ? PyObject_CallObject(function, arguments) : NULL;
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
    PyObject *arguments = arguments_of(info);
    struct layout *layout = layout_new(state, info, arguments);
    Py_XDECREF(arguments);
    return remember(layout, last);
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
