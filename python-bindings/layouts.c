/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* layouts_of(): the arrays of a Frame for other memory, so that a GstSample has the same ones. */
#include "binding.h"

#include "formats.h"
#include "pixels.h"

/* COUNT numbers of a tuple; the caller has checked its size. */
static bool numbers(PyObject *tuple, unsigned count, int64_t *list) {
    for (unsigned i = 0; i < count; i++) {
        list[i] = PyLong_AsLongLong(PyTuple_GetItem(tuple, i));
        if (list[i] == -1 && PyErr_Occurred())
            return false;
    }
    return true;
}

static bool set_planes(struct shmring_frame_info *info, PyObject *strides, PyObject *offsets) {
    int64_t stride[SHMRING_MAX_PLANES], offset[SHMRING_MAX_PLANES];
    Py_ssize_t count = PyTuple_Size(strides);
    if (count != PyTuple_Size(offsets) || count > SHMRING_MAX_PLANES) {
        PyErr_Format(PyExc_ValueError, "strides and offsets must be as many, at most %d",
                     SHMRING_MAX_PLANES);
        return false;
    }
    info->planes = (uint32_t)count;
    if (!numbers(strides, info->planes, stride) || !numbers(offsets, info->planes, offset))
        return false;
    for (unsigned i = 0; i < info->planes; i++) {
        info->stride[i] = (int32_t)stride[i];
        info->offset[i] = (uint64_t)offset[i];
    }
    return true;
}

static PyObject *layout_tuple(const struct view *view) {
    return Py_BuildValue("nsNN", view->offset, view->code, shape_tuple(view->shape, view->ndim),
                         shape_tuple(view->strides, view->ndim));
}

static PyObject *plane_layouts(const struct shmring_frame_info *info) {
    PyObject *planes = PyTuple_New(view_planes(info));
    for (unsigned i = 0; planes && i < view_planes(info); i++) {
        struct view view;
        if (!view_of_plane(&view, info, i)) {
            PyErr_Format(PyExc_ValueError,
                         "plane %u of a %ux%u %s picture is not within %llu bytes", i, info->width,
                         info->height, info->format, (unsigned long long)info->size);
            Py_CLEAR(planes);
            break;
        }
        PyObject *layout = layout_tuple(&view);
        if (!layout || PyTuple_SetItem(planes, i, layout) < 0)
            Py_CLEAR(planes);
    }
    return planes;
}

static PyObject *layouts_of(PyObject *module, PyObject *args) {
    struct shmring_frame_info info = {0};
    PyObject *strides, *offsets;
    const char *format;
    if (!PyArg_ParseTuple(args, "sIIO!O!K:layouts_of", &format, &info.width, &info.height,
                          &PyTuple_Type, &strides, &PyTuple_Type, &offsets, &info.size) ||
        !set_planes(&info, strides, offsets))
        return NULL;
    PyOS_snprintf(info.format, sizeof(info.format), "%s", format);
    PyObject *planes = plane_layouts(&info);
    if (!planes)
        return NULL;
    struct view view;
    bool apart = view_of_frame(&view, &info) != NULL;
    return Py_BuildValue("NN", apart ? Py_NewRef(Py_None) : layout_tuple(&view), planes);
}

static PyMethodDef layouts_functions[] = {
    {"layouts_of", layouts_of, METH_VARARGS,
     "layouts_of($module, format, width, height, strides, offsets, size, /)\n--\n\n"
     "(whole, planes): the arrays that a Frame like this has, each as (offset, code, shape, "
     "strides); whole is None when only the planes are arrays."},
    {NULL},
};

int layouts_init(PyObject *module) {
    return PyModule_AddFunctions(module, layouts_functions);
}
