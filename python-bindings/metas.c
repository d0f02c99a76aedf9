/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metas.h"

#include "records.h"

enum meta_type { META_CROP = 1, META_TRANSFORMATION = 2, META_REGION = 3, META_TAGS = 4 };

#define MATRIX 16

struct entry {
    uint32_t type, size;
};

struct crop {
    uint32_t x, y, width, height;
};

struct region {
    int32_t id, parent_id;
    uint32_t x, y, width, height;
};

/* References or NULL. */
struct found {
    PyObject *crop, *transformation, *regions, *tags;
};

/* ---- One entry each ---- */

/* A text that ends within its SIZE bytes, as a new str; NULL without an exception when it does not
 * or is no UTF-8. LENGTH gets what it takes, its NUL counted. */
static PyObject *text_at(const char *payload, size_t size, size_t *length) {
    *length = strnlen(payload, size);
    if (*length == size)
        return NULL;
    PyObject *text = PyUnicode_DecodeUTF8(payload, (Py_ssize_t)*length, "strict");
    if (!text && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
        PyErr_Clear();
    ++*length;
    return text;
}

/* The later of two entries counts. */
static void replace(PyObject **where, PyObject *object) {
    if (!object)
        return;
    Py_XDECREF(*where);
    *where = object;
}

static void read_crop(struct found *found, const char *payload, size_t size,
                      const struct shmring_frame_info *info) {
    struct crop crop;
    if (size < sizeof(crop))
        return;
    memcpy(&crop, payload, sizeof(crop));
    if ((uint64_t)crop.x + crop.width <= info->width &&
        (uint64_t)crop.y + crop.height <= info->height)
        replace(&found->crop, Py_BuildValue("IIII", crop.x, crop.y, crop.width, crop.height));
}

static void read_transformation(struct found *found, const char *payload, size_t size) {
    float matrix[MATRIX];
    if (size < sizeof(matrix))
        return;
    memcpy(matrix, payload, sizeof(matrix));
    PyObject *tuple = PyTuple_New(MATRIX);
    for (int i = 0; tuple && i < MATRIX; i++) {
        PyObject *number = PyFloat_FromDouble(matrix[i]);
        if (!number || PyTuple_SetItem(tuple, i, number) < 0)
            Py_CLEAR(tuple);
    }
    replace(&found->transformation, tuple);
}

/* Up to the first text that makes no sense. */
static PyObject *read_texts(const char *payload, size_t size) {
    PyObject *list = PyList_New(0), *text;
    size_t length;
    while (list && (text = text_at(payload, size, &length))) {
        if (PyList_Append(list, text) < 0)
            Py_CLEAR(list);
        Py_DECREF(text);
        payload += length;
        size -= length;
    }
    PyObject *tuple = list ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple;
}

static PyObject *region_record(struct module_state *state, const struct region *region,
                               PyObject *type, PyObject *params) {
    PyObject *values[] = {
        type,
        PyLong_FromUnsignedLong(region->x),
        PyLong_FromUnsignedLong(region->y),
        PyLong_FromUnsignedLong(region->width),
        PyLong_FromUnsignedLong(region->height),
        PyLong_FromLong(region->id),
        PyLong_FromLong(region->parent_id),
        params,
    };
    return record_new(state->region_type, values, sizeof(values) / sizeof(*values));
}

static void read_region(struct module_state *state, struct found *found, const char *payload,
                        size_t size) {
    struct region region;
    size_t length;
    if (size < sizeof(region))
        return;
    memcpy(&region, payload, sizeof(region));
    payload += sizeof(region);
    size -= sizeof(region);
    PyObject *type = text_at(payload, size, &length);
    if (!type)
        return;
    PyObject *params = read_texts(payload + length, size - length);
    PyObject *record = region_record(state, &region, type, params);
    if (record)
        PyList_Append(found->regions, record);
    Py_XDECREF(record);
}

static void read_tags(struct found *found, const char *payload, size_t size) {
    size_t length;
    replace(&found->tags, text_at(payload, size, &length));
}

/* ---- The block ---- */

static void read_entry(struct module_state *state, struct found *found, const struct entry *entry,
                       const char *payload, const struct shmring_frame_info *info) {
    switch (entry->type) {
    case META_CROP:
        read_crop(found, payload, entry->size, info);
        break;
    case META_TRANSFORMATION:
        read_transformation(found, payload, entry->size);
        break;
    case META_REGION:
        read_region(state, found, payload, entry->size);
        break;
    case META_TAGS:
        read_tags(found, payload, entry->size);
        break;
    }
}

static void read_block(struct module_state *state, struct found *found,
                       const struct shmring_frame_info *info) {
    const char *block = info->metas;
    size_t left = block ? info->metas_size : 0;
    struct entry entry;
    while (left >= sizeof(entry) && !PyErr_Occurred()) {
        memcpy(&entry, block, sizeof(entry));
        left -= sizeof(entry);
        block += sizeof(entry);
        if (entry.size > left)
            return;
        read_entry(state, found, &entry, block, info);
        size_t step = ((size_t)entry.size + 7) & ~(size_t)7;
        step = step < left ? step : left;
        block += step;
        left -= step;
    }
}

static PyObject *or_none(PyObject *object) {
    return object ? object : Py_NewRef(Py_None);
}

PyObject *metas_record(struct module_state *state, const struct shmring_frame_info *info) {
    struct found found = {.regions = PyList_New(0)};
    if (!found.regions)
        return NULL;
    read_block(state, &found, info);
    PyObject *values[] = {
        or_none(found.crop),
        or_none(found.transformation),
        PyList_AsTuple(found.regions),
        or_none(found.tags),
    };
    Py_DECREF(found.regions);
    return record_new(state->metas_type, values, sizeof(values) / sizeof(*values));
}

static PyStructSequence_Field metas_fields[] = {
    {"crop", "the part of the picture to show: (x, y, width, height), or None"},
    {"transformation", "for showing: a 4x4 matrix, column after column, or None"},
    {"regions", "a tuple of shmring.Region, as a detector found them"},
    {"tags", "what changes the picture's meaning, as text of a GstTagList, or None"},
    {NULL},
};

static PyStructSequence_Desc metas_desc = {
    .name = "shmring.Metas",
    .doc = "What GStreamer's metas say of a frame.",
    .fields = metas_fields,
    .n_in_sequence = sizeof(metas_fields) / sizeof(*metas_fields) - 1,
};

static PyStructSequence_Field region_fields[] = {
    {"type", "what it is, as 'face'"},
    {"x", "its left column"},
    {"y", "its top row"},
    {"width", "columns"},
    {"height", "rows"},
    {"id", "its number in the frame"},
    {"parent_id", "the number of the region it belongs to"},
    {"params", "a tuple of texts of GstStructures, as 'detection, confidence=(double)0.9;'"},
    {NULL},
};

static PyStructSequence_Desc region_desc = {
    .name = "shmring.Region",
    .doc = "A region of interest.",
    .fields = region_fields,
    .n_in_sequence = sizeof(region_fields) / sizeof(*region_fields) - 1,
};

int metas_init(PyObject *module, struct module_state *state) {
    if (add_type(module, PyStructSequence_NewType(&metas_desc), &state->metas_type) < 0)
        return -1;
    return add_type(module, PyStructSequence_NewType(&region_desc), &state->region_type);
}
