/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "binding.h"

#include "copies.h"
#include "frame.h"
#include "metas.h"
#include "waiting.h"

int add_type(PyObject *module, PyTypeObject *type, PyTypeObject **where) {
    *where = type;
    return type ? PyModule_AddType(module, type) : -1;
}

static int module_exec(PyObject *module) {
    struct module_state *state = PyModule_GetState(module);
    if (errors_init(module, state) < 0 || copy_type_init(module, state) < 0 ||
        metas_init(module, state) < 0 || frame_type_init(module, state) < 0 ||
        reader_type_init(module, state) < 0 || writer_type_init(module, state) < 0 ||
        list_init(module) < 0 || layouts_init(module) < 0)
        return -1;
    return PyModule_AddStringConstant(module, "__version__", SHMRING_VERSION);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
    struct module_state *state = PyModule_GetState(module);
    for (int i = 0; i < ERROR_CLASSES; i++)
        Py_VISIT(state->errors[i]);
    Py_VISIT(state->frame_type);
    Py_VISIT(state->plane_type);
    Py_VISIT(state->copy_type);
    Py_VISIT(state->metas_type);
    Py_VISIT(state->region_type);
    Py_VISIT(state->reader_type);
    Py_VISIT(state->loan_type);
    Py_VISIT(state->writer_type);
    Py_VISIT(state->info_type);
    Py_VISIT(state->stats_type);
    Py_VISIT(state->asarray);
    return 0;
}

static int module_clear(PyObject *module) {
    struct module_state *state = PyModule_GetState(module);
    for (int i = 0; i < ERROR_CLASSES; i++)
        Py_CLEAR(state->errors[i]);
    Py_CLEAR(state->frame_type);
    Py_CLEAR(state->plane_type);
    Py_CLEAR(state->copy_type);
    Py_CLEAR(state->metas_type);
    Py_CLEAR(state->region_type);
    Py_CLEAR(state->reader_type);
    Py_CLEAR(state->loan_type);
    Py_CLEAR(state->writer_type);
    Py_CLEAR(state->info_type);
    Py_CLEAR(state->stats_type);
    Py_CLEAR(state->asarray);
    return 0;
}

static void module_free(void *module) {
    module_clear(module);
}

static PyObject *module_now(PyObject *module, PyObject *unused) {
    return PyLong_FromLongLong(monotonic_now());
}

static PyMethodDef module_functions[] = {
    {"now", module_now, METH_NOARGS,
     "now($module, /)\n--\n\nThe time for read(newer_than=...): CLOCK_MONOTONIC in nanoseconds, as "
     "time.monotonic_ns() and the publish_ns and clock_ns of frames."},
    {NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "shmring._shmring",
    .m_doc = "The C part of shmring.",
    .m_size = sizeof(struct module_state),
    .m_methods = module_functions,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__shmring(void);
PyMODINIT_FUNC PyInit__shmring(void) {
    return PyModuleDef_Init(&module_def);
}
