/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Info and Stats: the library's plain structs as named tuples. */
#ifndef RECORDS_H
#define RECORDS_H

#include "binding.h"

/* Takes over the references in VALUES; any of them may be NULL with an exception. */
PyObject *record_new(PyTypeObject *type, PyObject **values, Py_ssize_t count);

int records_init(PyObject *module, struct module_state *state);

PyObject *info_record(struct module_state *state, const struct shmring_info *info);
PyObject *stats_record(struct module_state *state, const struct shmring_reader_stats *stats);

#endif
