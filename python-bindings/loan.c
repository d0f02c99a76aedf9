/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loan: a slot to fill in place. Once a frame is published nobody may write it, so an array that
 * outlives the `with` block keeps the slot to itself, and what is published is a copy.
 */
#include "writer.h"

struct loan_object {
    struct memory_object memory;
    struct shmring_slot slot;
    struct writer_object *writer; /* NULL once published or abandoned */
    struct outgoing frame;
};

static void give_back(struct memory_object *memory) {
    shmring_slot_return(&((struct loan_object *)memory)->slot);
}

PyObject *loan_object_new(struct writer_object *writer, struct shmring_slot *slot,
                          const struct outgoing *frame) {
    struct loan_object *self = PyObject_New(struct loan_object, writer->handle.state->loan_type);
    if (!self) {
        shmring_slot_return(slot);
        outgoing_clear(&(struct outgoing){.caps = frame->caps, .metas = frame->metas});
        return NULL;
    }
    memory_init(&self->memory, &frame->info, slot->data, writer->handle.name, writer->handle.pool);
    self->memory.writable = true;
    self->memory.give_back = give_back;
    self->slot = *slot;
    self->writer = (struct writer_object *)Py_NewRef((PyObject *)writer);
    self->frame = *frame;
    return (PyObject *)self;
}

/* ---- The end of the block ---- */

static bool publish_copy(struct loan_object *self, struct writer_object *writer) {
    struct shmring_slot slot;
    /* Another thread may let go of the last array meanwhile: the slot stays ours until copied. */
    self->memory.exports++;
    bool ok = writer_borrow(writer, &slot);
    if (ok) {
        writer->busy++;
        Py_BEGIN_ALLOW_THREADS
        memcpy(slot.data, self->memory.data, self->memory.info.size);
        Py_END_ALLOW_THREADS
        writer->busy--;
        self->memory.info.seq = writer_publish(writer, &slot, &self->frame);
        ok = self->memory.info.seq && writer_warn_of_copies(writer);
    }
    memory_drop_export(&self->memory);
    return ok;
}

/* No view is left and, released, it gives no more. */
static bool publish_slot(struct loan_object *self, struct writer_object *writer) {
    self->memory.data = NULL;
    self->memory.info.seq = writer_publish(writer, &self->slot, &self->frame);
    return self->memory.info.seq;
}

static bool publish(struct loan_object *self, struct writer_object *writer) {
    if (!handle_enter(&writer->handle))
        return false;
    self->memory.released = 1;
    bool ok = self->memory.exports ? publish_copy(self, writer) : publish_slot(self, writer);
    handle_leave(&writer->handle);
    return ok;
}

static PyObject *loan_exit(struct loan_object *self, PyObject *args) {
    PyObject *type = PyTuple_Size(args) > 0 ? PyTuple_GetItem(args, 0) : Py_None;
    struct writer_object *writer = self->writer;
    self->writer = NULL;
    if (!writer)
        Py_RETURN_NONE;
    self->memory.ended = type == Py_None ? "ended with an error" : "was abandoned";
    bool ok = type != Py_None || publish(self, writer);
    if (self->memory.info.seq)
        self->memory.ended = "was published";
    memory_end_hold(&self->memory);
    Py_DECREF(writer);
    if (!ok)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *loan_enter(struct loan_object *self, PyObject *unused) {
    return memory_check_held(&self->memory) < 0 ? NULL : Py_NewRef((PyObject *)self);
}

/* ---- What it is ---- */

static PyObject *loan_seq(struct loan_object *self, void *closure) {
    if (!self->memory.info.seq)
        Py_RETURN_NONE;
    return PyLong_FromUnsignedLongLong(self->memory.info.seq);
}

static PyObject *loan_repr(struct loan_object *self) {
    const struct shmring_frame_info *info = &self->memory.info;
    return PyUnicode_FromFormat("<shmring.Loan of '%U': %ux%u %s, %s>", self->memory.ring_name,
                                info->width, info->height, info->format,
                                self->memory.released ? self->memory.ended : "to be filled");
}

static void loan_dealloc(struct loan_object *self) {
    PyObject *writer = (PyObject *)self->writer;
    outgoing_clear(&self->frame);
    memory_dealloc(&self->memory);
    Py_XDECREF(writer);
}

#define OFFSET(field) offsetof(struct loan_object, field)

static PyMemberDef loan_members[] = {
    {"width", T_UINT, OFFSET(memory.info.width), READONLY, "Pixels a row."},
    {"height", T_UINT, OFFSET(memory.info.height), READONLY, "Rows."},
    {"channels", T_UINT, OFFSET(memory.info.channels), READONLY, "Components a pixel."},
    {"format", T_STRING_INPLACE, OFFSET(memory.info.format), READONLY,
     "GStreamer's name of the pixel format."},
    {NULL},
};

static PyGetSetDef loan_getset[] = {
    {"array", (getter)memory_array, NULL,
     "A new writable numpy array of the slot itself, in Frame.array's shape.", NULL},
    {"planes", (getter)memory_planes, NULL,
     "A tuple of writable numpy arrays, one a plane in GStreamer's order.", NULL},
    {"strides", (getter)memory_strides, NULL, "Bytes from row to row, one number a plane.", NULL},
    {"seq", (getter)loan_seq, NULL, "The frame's number once it is published, else None.", NULL},
    {NULL},
};

static PyMethodDef loan_methods[] = {
    {"__enter__", (PyCFunction)loan_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)loan_exit, METH_VARARGS,
     "Publish the frame; on an exception abandon it."},
    {"__array__", (PyCFunction)(void (*)(void))memory_dunder_array, METH_VARARGS | METH_KEYWORDS,
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
    {Py_bf_getbuffer, memory_getbuffer},
    {Py_bf_releasebuffer, memory_releasebuffer},
    {0, NULL},
};

static PyType_Spec loan_spec = {
    .name = "shmring.Loan",
    .basicsize = sizeof(struct loan_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = loan_slots,
};

int loan_type_init(PyObject *module, struct module_state *state) {
    return add_type(module, &loan_spec, &state->loan_type);
}
