/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "binding.h"

#include <errno.h>

static PyObject *new_class(const char *name, const char *doc, PyObject *base, PyObject *builtin) {
    char full[64];
    PyOS_snprintf(full, sizeof(full), "shmring.%s", name);
    PyObject *bases = builtin ? PyTuple_Pack(2, base, builtin) : PyTuple_Pack(1, base);
    if (!bases)
        return NULL;
    PyObject *class = PyErr_NewExceptionWithDoc(full, doc, bases, NULL);
    Py_DECREF(bases);
    return class;
}

static int add_class(PyObject *module, struct module_state *state, enum error_class which,
                     const char *name, const char *doc, PyObject *base, PyObject *builtin) {
    state->errors[which] = new_class(name, doc, base, builtin);
    if (!state->errors[which])
        return -1;
    return PyModule_AddObjectRef(module, name, state->errors[which]);
}

int errors_init(PyObject *module, struct module_state *state) {
    if (add_class(module, state, ERROR_BASE, "Error", "Base of all that can go wrong with a ring.",
                  PyExc_Exception, NULL) < 0 ||
        add_class(module, state, ERROR_TIMEOUT, "Timeout", "Nothing came within the timeout.",
                  state->errors[ERROR_BASE], PyExc_TimeoutError) < 0)
        return -1;
    const struct {
        enum error_class which;
        const char *name, *doc;
        PyObject *base, *builtin;
    } classes[] = {
        {ERROR_NOT_FOUND, "RingNotFound",
         "There is no ring of that name, or none appeared within the timeout.",
         state->errors[ERROR_TIMEOUT], PyExc_FileNotFoundError},
        {ERROR_WRITER_LOST, "WriterLost", "The writer died without ending its stream.",
         state->errors[ERROR_BASE], PyExc_ConnectionError},
        {ERROR_END_OF_STREAM, "EndOfStream", "read() after the last frame of an ended stream.",
         state->errors[ERROR_BASE], PyExc_EOFError},
        {ERROR_DENIED, "RingDenied", "The ring's permissions do not let this user in.",
         state->errors[ERROR_BASE], PyExc_PermissionError},
        {ERROR_BUSY, "RingBusy",
         "The ring is in use by another writer, or has no reader place left.",
         state->errors[ERROR_BASE], NULL},
        {ERROR_LEASE, "LeaseError",
         "A views-only reader already holds all frames its lease allows.",
         state->errors[ERROR_BASE], NULL},
        {ERROR_LAYOUT, "LayoutError",
         "Not a ring, one of another layout version, or a damaged one.", state->errors[ERROR_BASE],
         NULL},
    };
    for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
        if (add_class(module, state, classes[i].which, classes[i].name, classes[i].doc,
                      classes[i].base, classes[i].builtin) < 0)
            return -1;
    return 0;
}

static PyObject *class_of(struct module_state *state, int result) {
    switch (result) {
    case -ENOENT:
        return state->errors[ERROR_NOT_FOUND];
    case -EACCES:
    case -EPERM:
        return state->errors[ERROR_DENIED];
    case -EBUSY:
    case -EUSERS:
        return state->errors[ERROR_BUSY];
    case -EPROTO:
    case -EEXIST:
        return state->errors[ERROR_LAYOUT];
    case -EINVAL:
        return PyExc_ValueError;
    case -ENOMEM:
        return PyExc_MemoryError;
    default:
        return state->errors[ERROR_BASE];
    }
}

PyObject *raise_result(struct module_state *state, int result, const struct shmring_error *error) {
    const char *text = error->message[0] ? error->message : strerror(-result);
    PyErr_SetString(class_of(state, result), text);
    return NULL;
}
