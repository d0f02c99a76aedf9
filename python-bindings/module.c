/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "binding.h"

#include "format.h"
#include "handle.h"
#include "waiting.h"

/* ---- What the other files need of the module ---- */

int add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **where) {
    *where = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
#if PY_VERSION_HEX < 0x030a0000
    if (*where && (spec->flags & Py_TPFLAGS_DISALLOW_INSTANTIATION))
        (*where)->tp_new = NULL;
#endif
    return *where ? PyModule_AddType(module, *where) : -1;
}

struct module_state *state_of_type(PyTypeObject *type) {
    PyObject *module = NULL;
    while (type && !(module = PyType_GetModule(type))) {
        PyErr_Clear();
        type = PyType_GetSlot(type, Py_tp_base);
    }
    return module ? PyModule_GetState(module) : NULL;
}

static const struct {
    const char *module, *name, *advice;
} helper_names[HELPERS] = {
    [HELPER_ASARRAY] = {"numpy", "asarray",
                        "a frame's array needs numpy (Debian: apt install python3-numpy); "
                        "memoryview(frame) works without"},
    [HELPER_LAYOUT] = {"shmring.formats", "layout_of"},
    [HELPER_METAS] = {"shmring.metas", "read_metas"},
    [HELPER_FLAGS] = {"shmring.records", "FrameFlags"},
    [HELPER_END] = {"shmring.errors", "EndOfStream"},
    [HELPER_RAISE] = {"shmring.errors", "raise_result"},
};

PyObject *helper(struct module_state *state, enum helper which) {
    if (state->helpers[which])
        return state->helpers[which];
    PyObject *module = PyImport_ImportModule(helper_names[which].module);
    if (module)
        state->helpers[which] = PyObject_GetAttrString(module, helper_names[which].name);
    else if (helper_names[which].advice && PyErr_ExceptionMatches(PyExc_ModuleNotFoundError))
        PyErr_SetString(PyExc_ModuleNotFoundError, helper_names[which].advice);
    Py_XDECREF(module);
    return state->helpers[which];
}

PyObject *raise_result(struct module_state *state, int result, const struct shmring_error *error) {
    PyObject *function = helper(state, HELPER_RAISE);
    return function ? PyObject_CallFunction(function, "is", result, error->message) : NULL;
}

/* ---- Functions ---- */

static PyObject *module_now(PyObject *module, PyObject *unused) {
    return PyLong_FromLongLong(monotonic_now());
}

/* What a process says of itself may be anything. */
static PyObject *text_of(const char *bytes, size_t size) {
    return PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)strnlen(bytes, size), "replace");
}

PyObject *info_values(const struct shmring_info *info) {
    return Py_BuildValue(
        "siIKIIIKIIINLLKKKKKKKKKLiLiy#", info->name, (int)info->state, info->slots,
        (unsigned long long)info->slot_size, info->max_readers, info->lend_limit, info->header_size,
        (unsigned long long)info->total_size, info->owner, info->mode, info->writer_pid,
        text_of(info->writer_process, sizeof(info->writer_process)), (long long)info->created_ns,
        (long long)info->latency_ns, (unsigned long long)info->published,
        (unsigned long long)info->bytes, (unsigned long long)info->dropped,
        (unsigned long long)info->revoked, (unsigned long long)info->withdrawn,
        (unsigned long long)info->flushed, (unsigned long long)info->newest,
        (unsigned long long)info->key, (unsigned long long)info->waits, (long long)info->wait_ns,
        info->waits_for, (long long)info->waited_ns, info->free_slots, info->instance,
        (Py_ssize_t)sizeof(info->instance));
}

static PyObject *reader_values(const struct shmring_reader_info *r) {
    return Py_BuildValue("KINIiIIIIKKKKLNN", (unsigned long long)r->id, r->port,
                         text_of(r->process, sizeof(r->process)), r->pid, (int)r->mode, r->depth,
                         r->lease, r->offered, r->held, (unsigned long long)r->lag,
                         (unsigned long long)r->received, (unsigned long long)r->dropped,
                         (unsigned long long)r->withdrawn, (long long)r->waited_ns,
                         PyBool_FromLong(r->is_waited_for), PyBool_FromLong(r->is_stuck));
}

void append_reader(const struct shmring_reader_info *reader, void *list) {
    PyObject *values = PyErr_Occurred() ? NULL : reader_values(reader);
    if (values)
        PyList_Append(list, values);
    Py_XDECREF(values);
}

/* (values of an Info, list of those of its readers or None where they cannot be seen) */
static PyObject *module_query(PyObject *module, PyObject *name) {
    struct shmring_info info = SHMRING_INFO_INIT;
    struct shmring_error error = {0};
    const char *text = name_text(name);
    int result = text ? shmring_query(text, &info, &error) : 0;
    if (result < 0)
        raise_result(PyModule_GetState(module), result, &error);
    PyObject *readers = text && result >= 0 ? PyList_New(0) : NULL;
    if (!readers)
        return NULL;
    if (shmring_query_readers(text, append_reader, readers, &error) < 0) {
        Py_DECREF(readers);
        readers = Py_NewRef(Py_None);
    }
    if (PyErr_Occurred())
        Py_CLEAR(readers);
    return readers ? Py_BuildValue("NN", info_values(&info), readers) : NULL;
}

/* Nothing is left of it, or would be: why not, raised. */
static PyObject *module_remove(PyObject *module, PyObject *args) {
    const char *name;
    int only_look;
    struct shmring_error error = {0};
    if (!PyArg_ParseTuple(args, "sp:remove", &name, &only_look))
        return NULL;
    int result = shmring_remove(name, only_look, &error);
    return result < 0 ? raise_result(PyModule_GetState(module), result, &error)
                      : Py_NewRef(Py_None);
}

/* ---- The table of formats ---- */

static PyObject *planes_of(const struct format *format) {
    PyObject *planes = PyTuple_New(format->layout->planes);
    for (unsigned i = 0; planes && i < format->layout->planes; i++) {
        const struct format_plane *p = &format->layout->plane[i];
        PyObject *plane = Py_BuildValue("iii", p->items, p->xshift, p->yshift);
        if (!plane || PyTuple_SetItem(planes, i, plane) < 0)
            Py_CLEAR(planes);
    }
    return planes;
}

static PyObject *dtype_of(const struct format *format) {
    const char *order = format->element == 1 ? "" : format->big_endian ? ">" : "<";
    return PyUnicode_FromFormat("%su%d", order, format->element);
}

static PyObject *module_format(PyObject *module, PyObject *name) {
    const char *text = PyUnicode_AsUTF8AndSize(name, NULL);
    const struct format *format = text ? format_find(text) : NULL;
    if (!text)
        return NULL;
    if (!format)
        Py_RETURN_NONE;
    return Py_BuildValue("NNi", dtype_of(format), planes_of(format), format->channels);
}

/* ---- The module ---- */

static PyTypeObject **types_of(struct module_state *state, size_t *count) {
    *count = offsetof(struct module_state, helpers) / sizeof(PyTypeObject *);
    return &state->frame_type;
}

static int module_exec(PyObject *module) {
    struct module_state *state = PyModule_GetState(module);
    if (memory_types_init(module, state) < 0 || copy_type_init(module, state) < 0 ||
        frame_type_init(module, state) < 0 || reader_type_init(module, state) < 0 ||
        loan_type_init(module, state) < 0 || writer_type_init(module, state) < 0 ||
        timeline_type_init(module, state) < 0)
        return -1;
    shmring_guard();
    return PyModule_AddStringConstant(module, "__version__", PACKAGE_VERSION);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
    struct module_state *state = PyModule_GetState(module);
    size_t count;
    PyTypeObject **types = types_of(state, &count);
    for (size_t i = 0; i < count; i++)
        Py_VISIT(types[i]);
    for (size_t i = 0; i < HELPERS; i++)
        Py_VISIT(state->helpers[i]);
    return 0;
}

static int module_clear(PyObject *module) {
    struct module_state *state = PyModule_GetState(module);
    size_t count;
    PyTypeObject **types = types_of(state, &count);
    for (size_t i = 0; i < count; i++)
        Py_CLEAR(types[i]);
    for (size_t i = 0; i < HELPERS; i++)
        Py_CLEAR(state->helpers[i]);
    return 0;
}

static void module_free(void *module) {
    module_clear(module);
}

static PyMethodDef module_functions[] = {
    {"now", module_now, METH_NOARGS,
     "now($module, /)\n--\n\nThe time for read(newer_than=...): CLOCK_MONOTONIC in nanoseconds, as "
     "time.monotonic_ns() and the publish_ns and clock_ns of frames."},
    {"format", module_format, METH_O,
     "format($module, name, /)\n--\n\n(dtype, planes, channels) of a video format, or None: each "
     "plane "
     "as (elements a sample, shift of the width, shift of the height)."},
    {"query", module_query, METH_O,
     "query($module, name, /)\n--\n\nThe values of an Info and those of its readers."},
    {"remove", module_remove, METH_VARARGS,
     "remove($module, name, only_look, /)\n--\n\nRemoves what a dead writer left under the name."},
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
