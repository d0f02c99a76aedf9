/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loan: a slot to fill in place. Once a frame is published nobody may write it, so an array that
 * outlives the `with` block keeps the slot to itself, and what is published is a copy.
 */
#include "picture.h"
#include "writer-object.h"

#include <stddef.h>
#include <structmember.h>

struct loan_object {
    struct picture_object picture;
    struct shmring_slot slot;
    struct writer_object *writer; /* NULL once published or abandoned */
    struct frame_times times;
};

static void give_back(struct picture_object *picture) {
    shmring_slot_return(&((struct loan_object *)picture)->slot);
}

PyObject *loan_object_new(struct writer_object *writer, struct shmring_slot *slot,
                          const struct frame_times *times) {
    struct module_state *state = state_of(writer);
    struct loan_object *self = PyObject_New(struct loan_object, state->loan_type);
    if (!self) {
        shmring_slot_return(slot);
        return NULL;
    }
    picture_init(&self->picture, &writer->picture.info, slot->data, writer->handle.name);
    self->picture.writable = true;
    self->picture.give_back = give_back;
    self->slot = *slot;
    self->writer = (struct writer_object *)Py_NewRef((PyObject *)writer);
    self->times = *times;
    return (PyObject *)self;
}

/* ---- The end of the block ---- */

static int warn_of_copies(struct writer_object *writer) {
    if (writer->warned)
        return 0;
    writer->warned = true;
    PyObject *text = PyUnicode_FromFormat(
        "an array of a loan of ring '%U' outlives its `with` block, so this frame and others like "
        "it are copied to be published: let go of the array in the block, or use write()",
        writer->handle.name);
    const char *utf8 = text ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL;
    int result = utf8 ? PyErr_WarnEx(PyExc_RuntimeWarning, utf8, 1) : -1;
    Py_XDECREF(text);
    return result;
}

static bool publish_copy(struct loan_object *self, struct writer_object *writer) {
    struct shmring_slot slot;
    /* Another thread may let go of the last array meanwhile: the slot stays ours until copied. */
    self->picture.exports++;
    bool ok = writer_borrow(writer, &slot);
    if (ok) {
        writer->busy++;
        Py_BEGIN_ALLOW_THREADS
        memcpy(slot.data, self->picture.data, self->picture.info.size);
        Py_END_ALLOW_THREADS
        writer->busy--;
        self->picture.info.seq = writer_publish(writer, &slot, &self->times);
        ok = self->picture.info.seq && warn_of_copies(writer) == 0;
    }
    picture_drop_export(&self->picture);
    return ok;
}

/* No view is left and, released, it gives no more. */
static bool publish_slot(struct loan_object *self, struct writer_object *writer) {
    self->picture.data = NULL;
    self->picture.info.seq = writer_publish(writer, &self->slot, &self->times);
    return self->picture.info.seq;
}

static bool publish(struct loan_object *self, struct writer_object *writer) {
    if (!handle_enter(&writer->handle))
        return false;
    self->picture.released = 1;
    bool ok = self->picture.exports ? publish_copy(self, writer) : publish_slot(self, writer);
    handle_leave(&writer->handle);
    return ok;
}

static PyObject *loan_exit(struct loan_object *self, PyObject *args) {
    PyObject *type = PyTuple_Size(args) > 0 ? PyTuple_GetItem(args, 0) : Py_None;
    struct writer_object *writer = self->writer;
    self->writer = NULL;
    if (!writer)
        Py_RETURN_NONE;
    self->picture.ended = type == Py_None ? "was published" : "was abandoned";
    bool ok = type != Py_None || publish(self, writer);
    picture_end_hold(&self->picture);
    Py_DECREF(writer);
    if (!ok)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *loan_enter(struct loan_object *self, PyObject *unused) {
    return picture_check_held(&self->picture) < 0 ? NULL : Py_NewRef((PyObject *)self);
}

/* ---- What it is ---- */

static PyObject *loan_seq(struct loan_object *self, void *closure) {
    if (!self->picture.info.seq)
        Py_RETURN_NONE;
    return PyLong_FromUnsignedLongLong(self->picture.info.seq);
}

static PyObject *loan_repr(struct loan_object *self) {
    const struct shmring_frame_info *info = &self->picture.info;
    return PyUnicode_FromFormat("<shmring.Loan of '%U': %ux%u %s, %s>", self->picture.ring_name,
                                info->width, info->height, info->format,
                                self->picture.released ? self->picture.ended : "to be filled");
}

static void loan_dealloc(struct loan_object *self) {
    PyObject *writer = (PyObject *)self->writer;
    picture_dealloc(&self->picture);
    Py_XDECREF(writer);
}

#define OFFSET(field) offsetof(struct loan_object, field)

static PyMemberDef loan_members[] = {
    {"width", T_UINT, OFFSET(picture.info.width), READONLY, "Pixels a row."},
    {"height", T_UINT, OFFSET(picture.info.height), READONLY, "Rows."},
    {"channels", T_UINT, OFFSET(picture.info.channels), READONLY, "Components a pixel."},
    {"format", T_STRING_INPLACE, OFFSET(picture.info.format), READONLY,
     "GStreamer's name of the pixel format."},
    {NULL},
};

static PyGetSetDef loan_getset[] = {
    {"array", (getter)picture_array, NULL,
     "A new writable numpy array of the slot itself, in Frame.array's shape.", NULL},
    {"planes", (getter)picture_planes, NULL,
     "A tuple of writable numpy arrays, one a plane in GStreamer's order.", NULL},
    {"strides", (getter)picture_strides, NULL, "Bytes from row to row, one number a plane.", NULL},
    {"seq", (getter)loan_seq, NULL, "The frame's number once it is published, else None.", NULL},
    {NULL},
};

static PyMethodDef loan_methods[] = {
    {"__enter__", (PyCFunction)loan_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)loan_exit, METH_VARARGS,
     "Publish the frame; on an exception abandon it."},
    {"__array__", (PyCFunction)(void (*)(void))picture_dunder_array, METH_VARARGS | METH_KEYWORDS,
     NULL},
    {NULL},
};

static PyType_Slot loan_slots[] = {
    {Py_tp_doc,
     "A frame to be filled in place, from Writer.loan(). Supports the buffer protocol, writable. "
     "The end of its `with` block publishes it. An array kept beyond that stays valid and is yours "
     "alone: the frame is then copied to be published, with a RuntimeWarning once."},
    {Py_tp_dealloc, loan_dealloc},
    {Py_tp_repr, loan_repr},
    {Py_tp_members, loan_members},
    {Py_tp_getset, loan_getset},
    {Py_tp_methods, loan_methods},
    {Py_bf_getbuffer, picture_getbuffer},
    {Py_bf_releasebuffer, picture_releasebuffer},
    {0, NULL},
};

static PyType_Spec loan_spec = {
    .name = "shmring.Loan",
    .basicsize = sizeof(struct loan_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = loan_slots,
};

int loan_type_init(PyObject *module, struct module_state *state) {
    PyObject *type = PyType_FromModuleAndSpec(module, &loan_spec, NULL);
    return add_type(module, (PyTypeObject *)type, &state->loan_type);
}
