/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "records.h"

static PyStructSequence_Field info_fields[] = {
    {"name", "the ring's name"},
    {"slots", "frames that shared memory holds"},
    {"slot_size", "bytes that a frame may have"},
    {"max_readers", "readers that may be attached at once"},
    {"writer_pid", "process id of the writer, as it sees itself"},
    {"writer_comm", "name of the writer's program"},
    {"created_ns", "when the ring was made, as time.time_ns()"},
    {"latency_ns", "of the writing pipeline, now"},
    {"instance", "random id of this ring, 32 hexadecimal digits"},
    {NULL},
};

static PyStructSequence_Desc info_desc = {
    .name = "shmring.Info",
    .doc = "A ring as its writer made it.",
    .fields = info_fields,
    .n_in_sequence = sizeof(info_fields) / sizeof(*info_fields) - 1,
};

static PyStructSequence_Field stats_fields[] = {
    {"received", "frames read"},
    {"copied", "of those, as copies"},
    {"dropped", "frames published while attached that this reader missed"},
    {"flushed", "frames that the writer took back (a seek)"},
    {"lag", "frames published that this reader did not get to yet"},
    {"held", "frames held as views now"},
    {"lease", "frames that may be held as views, as granted"},
    {NULL},
};

static PyStructSequence_Desc stats_desc = {
    .name = "shmring.Stats",
    .doc = "What a reader counted.",
    .fields = stats_fields,
    .n_in_sequence = sizeof(stats_fields) / sizeof(*stats_fields) - 1,
};

int records_init(PyObject *module, struct module_state *state) {
    if (add_type(module, PyStructSequence_NewType(&info_desc), &state->info_type) < 0)
        return -1;
    return add_type(module, PyStructSequence_NewType(&stats_desc), &state->stats_type);
}

PyObject *record_new(PyTypeObject *type, PyObject **values, Py_ssize_t count) {
    PyObject *record = PyErr_Occurred() ? NULL : PyStructSequence_New(type);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (record)
            PyStructSequence_SetItem(record, i, values[i]);
        else
            Py_XDECREF(values[i]);
    }
    return record;
}

static PyObject *hexadecimal(const uint8_t *bytes, size_t count) {
    char text[2 * sizeof(((struct shmring_info *)0)->instance) + 1] = "";
    for (size_t i = 0; i < count; i++)
        PyOS_snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return PyUnicode_FromString(text);
}

static PyObject *text_of(const char *bytes, size_t size) {
    return PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)strnlen(bytes, size), "replace");
}

PyObject *info_record(struct module_state *state, const struct shmring_info *info) {
    PyObject *values[] = {
        PyUnicode_FromString(info->name),
        PyLong_FromUnsignedLong(info->slots),
        PyLong_FromUnsignedLongLong(info->slot_size),
        PyLong_FromUnsignedLong(info->max_readers),
        PyLong_FromUnsignedLong(info->writer_pid),
        text_of(info->writer_comm, sizeof(info->writer_comm)),
        PyLong_FromLongLong(info->created_ns),
        PyLong_FromLongLong(info->latency_ns),
        hexadecimal(info->instance, sizeof(info->instance)),
    };
    return record_new(state->info_type, values, sizeof(values) / sizeof(*values));
}

PyObject *stats_record(struct module_state *state, const struct shmring_reader_stats *stats) {
    PyObject *values[] = {
        PyLong_FromUnsignedLongLong(stats->received), PyLong_FromUnsignedLongLong(stats->copied),
        PyLong_FromUnsignedLongLong(stats->dropped),  PyLong_FromUnsignedLongLong(stats->flushed),
        PyLong_FromUnsignedLongLong(stats->lag),      PyLong_FromUnsignedLong(stats->held),
        PyLong_FromUnsignedLong(stats->lease),
    };
    return record_new(state->stats_type, values, sizeof(values) / sizeof(*values));
}
