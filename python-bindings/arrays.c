/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "picture.h"

PyObject *numpy_asarray(struct module_state *state) {
    if (state->asarray)
        return state->asarray;
    PyObject *numpy = PyImport_ImportModule("numpy");
    if (!numpy) {
        if (PyErr_ExceptionMatches(PyExc_ModuleNotFoundError))
            PyErr_SetString(PyExc_ModuleNotFoundError,
                            "a frame's array needs numpy (Debian: apt install python3-numpy); "
                            "memoryview(frame) works without");
        return NULL;
    }
    state->asarray = PyObject_GetAttrString(numpy, "asarray");
    Py_DECREF(numpy);
    return state->asarray;
}

/* By way of a memoryview, because numpy hides an exporter's exception and makes an array of one
 * object instead. */
PyObject *array_of(struct module_state *state, PyObject *exporter) {
    PyObject *asarray = numpy_asarray(state);
    if (!asarray)
        return NULL;
    PyObject *memory = PyMemoryView_FromObject(exporter);
    if (!memory)
        return NULL;
    PyObject *array = PyObject_CallFunctionObjArgs(asarray, memory, NULL);
    Py_DECREF(memory);
    return array;
}
