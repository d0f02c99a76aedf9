/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pixels.h"

/* ---- What an array is ---- */

static const char *type_name(char kind, Py_ssize_t size) {
    static const struct {
        const char *kinds;
        Py_ssize_t size;
        const char *name;
    } types[] = {
        {"Bc", 1, "uint8"},     {"b", 1, "int8"},       {"?", 1, "bool"},
        {"HILQN", 2, "uint16"}, {"HILQN", 4, "uint32"}, {"ILQN", 8, "uint64"},
        {"hilqn", 2, "int16"},  {"hilqn", 4, "int32"},  {"ilqn", 8, "int64"},
        {"e", 2, "float16"},    {"f", 4, "float32"},    {"d", 8, "float64"},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (types[i].size == size && strchr(types[i].kinds, kind))
            return types[i].name;
    return "another type";
}

/* Of a buffer's element: its kind letter, and whether its bytes are in the other order. */
static char kind_of(const char *code) {
    const char *letter = strchr("@=<>!", code[0]) ? code + 1 : code;
    return letter[0] && !letter[1] ? letter[0] : 'x';
}

static bool is_swapped(const char *code, Py_ssize_t itemsize) {
    return itemsize > 1 && (code[0] == '>' || code[0] == '!');
}

static bool same_type(const char *a, const char *b, Py_ssize_t a_size, Py_ssize_t b_size) {
    return type_name(kind_of(a), a_size) == type_name(kind_of(b), b_size) &&
           is_swapped(a, a_size) == is_swapped(b, b_size);
}

static PyObject *type_text(const char *code, Py_ssize_t size) {
    return PyUnicode_FromFormat("%s%s", is_swapped(code, size) ? "big-endian " : "",
                                type_name(kind_of(code), size));
}

static PyObject *frame_text(const struct shmring_frame_info *info) {
    if (!info->format[0])
        return PyUnicode_FromFormat("a frame of %llu bytes", (unsigned long long)info->size);
    return PyUnicode_FromFormat("a %ux%u %s frame", info->width, info->height, info->format);
}

static void raise_misfit(const Py_buffer *buffer, const char *code, const struct view *view,
                         const struct shmring_frame_info *info, PyObject *type) {
    PyObject *texts[] = {
        frame_text(info),
        type_text(view->code, view->itemsize),
        tuple_of(view->shape, view->ndim),
        type_text(code, buffer->itemsize),
        tuple_of(buffer->shape, buffer->ndim),
    };
    if (!PyErr_Occurred())
        PyErr_Format(type, "%U is an array of %U %R, not of %U %R", texts[0], texts[1], texts[2],
                     texts[3], texts[4]);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        Py_XDECREF(texts[i]);
}

/* ---- Whether it fits ---- */

static bool same_shape(const Py_buffer *buffer, const struct view *view) {
    return buffer->ndim == view->ndim &&
           memcmp(buffer->shape, view->shape, (size_t)view->ndim * sizeof(*view->shape)) == 0;
}

static bool check(const Py_buffer *buffer, const struct view *view,
                  const struct shmring_frame_info *info) {
    const char *code = buffer->format ? buffer->format : "B";
    PyObject *problem = NULL;
    if (!same_type(code, view->code, buffer->itemsize, view->itemsize))
        problem = PyExc_TypeError;
    else if (!same_shape(buffer, view))
        problem = PyExc_ValueError;
    if (problem)
        raise_misfit(buffer, code, view, info, problem);
    return !problem;
}

bool pixels_get(Py_buffer *buffer, PyObject *array, const struct view *view, bool writable,
                const struct shmring_frame_info *info) {
    int flags = writable ? PyBUF_WRITABLE | PyBUF_ND | PyBUF_FORMAT : PyBUF_RECORDS_RO;
    if (!PyObject_CheckBuffer(array)) {
        PyErr_Format(PyExc_TypeError,
                     "a frame is an array with the buffer protocol, as numpy.asarray() makes one, "
                     "not %R",
                     Py_TYPE(array));
        return false;
    }
    if (PyObject_GetBuffer(array, buffer, flags) < 0)
        return false;
    if (check(buffer, view, info))
        return true;
    PyBuffer_Release(buffer);
    return false;
}

/* ---- Copying ---- */

#define COPY_ITEMS(bytes)                                                                          \
    for (Py_ssize_t i = 0; i < count; i++)                                                         \
    memcpy(to + i * to_step, from + i * from_step, bytes)

/* A size known here makes each copy one load and one store. */
static void copy_items(char *to, Py_ssize_t to_step, const char *from, Py_ssize_t from_step,
                       Py_ssize_t count, size_t size) {
    switch (size) {
    case 1:
        COPY_ITEMS(1);
        break;
    case 2:
        COPY_ITEMS(2);
        break;
    case 3:
        COPY_ITEMS(3);
        break;
    case 4:
        COPY_ITEMS(4);
        break;
    default:
        COPY_ITEMS(size);
    }
}

/* The first NDIM dimensions, of items of SIZE bytes. */
static void copy_dims(char *to, const Py_ssize_t *to_strides, const char *from,
                      const Py_ssize_t *from_strides, const Py_ssize_t *shape, int ndim,
                      size_t size) {
    if (ndim == 0)
        memcpy(to, from, size);
    else if (ndim == 1)
        copy_items(to, *to_strides, from, *from_strides, *shape, size);
    else
        for (Py_ssize_t i = 0; i < *shape; i++)
            copy_dims(to + i * *to_strides, to_strides + 1, from + i * *from_strides,
                      from_strides + 1, shape + 1, ndim - 1, size);
}

void pixels_copy(char *to, const Py_ssize_t *to_strides, const char *from,
                 const Py_ssize_t *from_strides, const struct view *view) {
    Py_ssize_t size = view->itemsize;
    int ndim = view->ndim;
    while (ndim > 0 && to_strides[ndim - 1] == size && from_strides[ndim - 1] == size)
        size *= view->shape[--ndim];
    copy_dims(to, to_strides, from, from_strides, view->shape, ndim, (size_t)size);
}
