/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arguments.h"

#include <math.h>

#define NS_PER_SECOND 1e9

int timeout_from_seconds(PyObject *seconds, void *timeout_ns) {
    int64_t *timeout = timeout_ns;
    if (seconds == Py_None) {
        *timeout = SHMRING_FOREVER;
        return 1;
    }
    double value = PyFloat_AsDouble(seconds);
    if (value == -1.0 && PyErr_Occurred())
        return 0;
    if (isnan(value) || value < 0) {
        PyErr_Format(PyExc_ValueError, "timeout must be None or 0 and more seconds, not %R",
                     seconds);
        return 0;
    }
    bool fits = value < (double)INT64_MAX / NS_PER_SECOND;
    *timeout = fits ? (int64_t)(value * NS_PER_SECOND) : SHMRING_FOREVER;
    return 1;
}

int time_from_int(PyObject *time, void *time_ns) {
    int64_t *result = time_ns;
    if (time == Py_None) {
        *result = SHMRING_TIME_NONE;
        return 1;
    }
    *result = PyLong_AsLongLong(time);
    if (*result == -1 && PyErr_Occurred())
        return 0;
    if (*result >= 0)
        return 1;
    PyErr_Format(PyExc_ValueError, "a time must be None or 0 and more nanoseconds, not %R", time);
    return 0;
}

int count_from_int(PyObject *object, void *count) {
    unsigned long value = PyLong_AsUnsignedLong(object);
    if (value == (unsigned long)-1 && PyErr_Occurred())
        return 0;
    if (value > UINT32_MAX) {
        PyErr_Format(PyExc_OverflowError, "%R does not fit in 32 bits", object);
        return 0;
    }
    *(uint32_t *)count = (uint32_t)value;
    return 1;
}

/* ---- Frame rates ---- */

/* The float that a camera says is the nearest fraction with a denominator that frame rates have:
 * 29.97002997 is 30000/1001. */
static PyObject *fraction_from(PyObject *rate) {
    PyObject *fractions = PyImport_ImportModule("fractions");
    PyObject *class = fractions ? PyObject_GetAttrString(fractions, "Fraction") : NULL;
    Py_XDECREF(fractions);
    if (!class)
        return NULL;
    PyObject *fraction = PyTuple_Check(rate) ? PyObject_Call(class, rate, NULL)
                                             : PyObject_CallFunctionObjArgs(class, rate, NULL);
    Py_DECREF(class);
    if (!fraction || !PyFloat_Check(rate))
        return fraction;
    PyObject *near = PyObject_CallMethod(fraction, "limit_denominator", "i", 1001);
    Py_DECREF(fraction);
    return near;
}

/* The attribute as a number of 31 bits, or -1 with an exception. */
static long long part_of(PyObject *fraction, const char *name) {
    PyObject *part = PyObject_GetAttrString(fraction, name);
    long long number = part ? PyLong_AsLongLong(part) : -1;
    Py_XDECREF(part);
    if (number == -1 && PyErr_Occurred())
        return -1;
    if (number > 0 && number <= INT32_MAX)
        return number;
    PyErr_Format(PyExc_ValueError, "framerate must be more than 0 and of 31 bits, not %S",
                 fraction);
    return -1;
}

int framerate_from_object(PyObject *framerate, void *pointer) {
    struct shmring_frame_info *info = pointer;
    if (framerate == Py_None)
        return 1;
    PyObject *fraction = fraction_from(framerate);
    long long numerator = fraction ? part_of(fraction, "numerator") : -1;
    long long denominator = numerator > 0 ? part_of(fraction, "denominator") : -1;
    Py_XDECREF(fraction);
    if (denominator < 0)
        return 0;
    info->fps_num = (uint32_t)numerator;
    info->fps_den = (uint32_t)denominator;
    return 1;
}
