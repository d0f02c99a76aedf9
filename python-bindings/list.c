/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list(): the live rings, found without the GIL and made into records with it. */
#include "binding.h"

#include <errno.h>
#include <stdlib.h>

#include "records.h"

struct rings {
    struct shmring_info *info;
    size_t count, room;
    bool full; /* there was no memory for another one */
};

static bool grow(struct rings *rings) {
    size_t room = rings->room ? 2 * rings->room : 8;
    struct shmring_info *info = reallocarray(rings->info, room, sizeof(*info));
    if (!info)
        return false;
    rings->info = info;
    rings->room = room;
    return true;
}

static bool add_ring(const struct shmring_info *info, void *data) {
    struct rings *rings = data;
    rings->full = rings->count == rings->room && !grow(rings);
    if (!rings->full)
        rings->info[rings->count++] = *info;
    return !rings->full;
}

/* By name, which is a record's first field: shmring_list() knows no order. */
static PyObject *records_of(struct module_state *state, const struct rings *rings) {
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < rings->count; i++) {
        PyObject *record = info_record(state, &rings->info[i]);
        if (!record || PyList_Append(list, record) < 0)
            Py_CLEAR(list);
        Py_XDECREF(record);
    }
    if (list && PyList_Sort(list) < 0)
        Py_CLEAR(list);
    return list;
}

static PyObject *list_rings(PyObject *module, PyObject *unused) {
    struct rings rings = {0};
    int result;
    Py_BEGIN_ALLOW_THREADS
    result = shmring_list(add_ring, &rings);
    Py_END_ALLOW_THREADS
    PyObject *list = NULL;
    if (rings.full)
        PyErr_NoMemory();
    else if (result < 0) {
        errno = -result;
        PyErr_SetFromErrnoWithFilename(PyExc_OSError, "/dev/shm");
    } else
        list = records_of(PyModule_GetState(module), &rings);
    free(rings.info);
    return list;
}

static PyMethodDef list_functions[] = {
    {"list", list_rings, METH_NOARGS,
     "list($module, /)\n--\n\nThe live rings that this user may observe, as a list of shmring.Info "
     "sorted by name."},
    {NULL},
};

int list_init(PyObject *module) {
    return PyModule_AddFunctions(module, list_functions);
}
