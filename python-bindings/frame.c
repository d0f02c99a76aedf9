/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frame: one taken frame. */
#include "frame.h"

#include "copies.h"
#include "waiting.h"

struct frame_object {
    struct memory_object memory;
    struct shmring_frame *frame; /* NULL once given back */
    int64_t latency_ns;
    unsigned long long dropped;
    char is_view;
};

/* ---- What a frame says of itself ---- */

static PyObject *frame_time(struct frame_object *self, void *offset) {
    int64_t time = *(int64_t *)((char *)&self->memory.info + (size_t)offset);
    if (time == SHMRING_TIME_NONE)
        Py_RETURN_NONE;
    return PyLong_FromLongLong(time);
}

static PyObject *frame_number(struct frame_object *self, void *offset) {
    uint64_t number = *(uint64_t *)((char *)&self->memory.info + (size_t)offset);
    if (number == SHMRING_NUMBER_NONE)
        Py_RETURN_NONE;
    return PyLong_FromUnsignedLongLong(number);
}

static PyObject *frame_framerate(struct frame_object *self, void *closure) {
    if (self->memory.info.fps_num == 0)
        Py_RETURN_NONE;
    return Py_BuildValue("II", self->memory.info.fps_num, self->memory.info.fps_den);
}

static PyObject *frame_flags(struct frame_object *self, void *closure) {
    PyObject *flags = helper(state_of(self), HELPER_FLAGS);
    return flags ? PyObject_CallFunction(flags, "I", self->memory.info.flags) : NULL;
}

/* Text and metas lie in the slot's header, so they end with the hold. */
static PyObject *frame_caps(struct frame_object *self, void *closure) {
    if (memory_check_held(&self->memory) < 0)
        return NULL;
    const char *caps = self->frame->info.caps;
    if (!caps)
        Py_RETURN_NONE;
    return PyUnicode_DecodeUTF8(caps, (Py_ssize_t)strlen(caps), "replace");
}

static PyObject *frame_metas(struct frame_object *self, void *closure) {
    if (memory_check_held(&self->memory) < 0)
        return NULL;
    PyObject *read_metas = helper(state_of(self), HELPER_METAS);
    const struct shmring_frame_info *info = &self->frame->info;
    return read_metas
               ? PyObject_CallFunction(read_metas, "y#II", info->metas ? info->metas : "",
                                       (Py_ssize_t)info->metas_size, info->width, info->height)
               : NULL;
}

static PyObject *frame_repr(struct frame_object *self) {
    return PyUnicode_FromFormat("<shmring.Frame %llu of '%U': %ux%u %s, %s>",
                                (unsigned long long)self->memory.info.seq, self->memory.ring_name,
                                self->memory.info.width, self->memory.info.height,
                                self->memory.info.format[0] ? self->memory.info.format : "bytes",
                                self->memory.released ? "released"
                                : self->is_view       ? "view"
                                                      : "copy");
}

/* What Writer._write_as_it_is() takes: the bytes, the planes and the block of metas. */
static PyObject *frame_as_it_is(struct frame_object *self, PyObject *unused) {
    if (memory_check_held(&self->memory) < 0)
        return NULL;
    const struct shmring_frame_info *info = &self->frame->info;
    return Py_BuildValue("y#Ny#", self->frame->data, (Py_ssize_t)info->size, info_planes(info),
                         info->metas ? info->metas : "", (Py_ssize_t)info->metas_size);
}

static PyObject *frame_contiguous(struct memory_object *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"out", NULL};
    PyObject *out = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:contiguous", names, &out))
        return NULL;
    return copy_frame(self, out);
}

/* ---- A frame's life ---- */

static PyObject *frame_release(struct frame_object *self, PyObject *unused) {
    if (self->memory.released)
        Py_RETURN_NONE;
    if (self->memory.exports > 0) {
        PyErr_Format(PyExc_BufferError,
                     "frame %llu of ring '%U' cannot be released: %zd arrays or views of it are "
                     "still in use",
                     (unsigned long long)self->memory.info.seq, self->memory.ring_name,
                     self->memory.exports);
        return NULL;
    }
    memory_end_hold(&self->memory);
    Py_RETURN_NONE;
}

static PyObject *frame_enter(struct frame_object *self, PyObject *unused) {
    return memory_check_held(&self->memory) < 0 ? NULL : Py_NewRef((PyObject *)self);
}

static PyObject *frame_exit(struct frame_object *self, PyObject *args) {
    memory_end_hold(&self->memory);
    Py_RETURN_NONE;
}

static PyObject *frame_reduce(struct frame_object *self, PyObject *unused) {
    PyErr_Format(PyExc_TypeError,
                 "a Frame of ring '%U' cannot be pickled: send frame.array.copy(), or let the "
                 "other process read the ring itself",
                 self->memory.ring_name);
    return NULL;
}

static void give_back(struct memory_object *memory) {
    struct frame_object *self = (struct frame_object *)memory;
    struct shmring_frame *frame = self->frame;
    self->frame = NULL;
    shmring_frame_release(frame);
}

int64_t frame_publish_ns(PyObject *frame) {
    return ((struct frame_object *)frame)->memory.info.publish_ns;
}

PyObject *frame_object_new(struct module_state *state, struct shmring_frame *frame,
                           PyObject *ring_name, struct pool *pool, uint64_t missed) {
    struct frame_object *self = PyObject_New(struct frame_object, state->frame_type);
    if (!self) {
        shmring_frame_release(frame);
        return NULL;
    }
    memory_init(&self->memory, &frame->info, (void *)frame->data, ring_name, pool);
    self->memory.give_back = give_back;
    self->frame = frame;
    self->latency_ns = monotonic_now() - frame->info.publish_ns;
    self->dropped = missed + frame->missed;
    self->is_view = !frame->is_copy;
    return (PyObject *)self;
}

#define OFFSET(field) offsetof(struct frame_object, field)

static PyMemberDef frame_members[] = {
    {"seq", T_ULONGLONG, OFFSET(memory.info.seq), READONLY,
     "Number of the frame in its ring, from 1."},
    {"width", T_UINT, OFFSET(memory.info.width), READONLY, "Pixels a row; 0 for opaque data."},
    {"height", T_UINT, OFFSET(memory.info.height), READONLY, "Rows; 0 for opaque data."},
    {"channels", T_UINT, OFFSET(memory.info.channels), READONLY,
     "Components a pixel: BGR 3, GRAY8 1, NV12 3."},
    {"format", T_STRING_INPLACE, OFFSET(memory.info.format), READONLY,
     "GStreamer's name of the pixel format, as 'BGR'; '' for opaque data."},
    {"size", T_ULONGLONG, OFFSET(memory.info.size), READONLY,
     "Bytes of data, row padding included."},
    {"stretch", T_UINT, OFFSET(memory.info.stretch), READONLY,
     "Counts the times that pts_ns began anew: of two frames with the same number it may be "
     "compared."},
    {"timestamp_ns", T_LONGLONG, OFFSET(memory.info.timestamp_ns), READONLY,
     "When it was captured, as time.time_ns()."},
    {"latency_ns", T_LONGLONG, OFFSET(latency_ns), READONLY,
     "From being published to being read, in nanoseconds."},
    {"dropped", T_ULONGLONG, OFFSET(dropped), READONLY,
     "Frames that this reader missed just before this one."},
    {"is_view", T_BOOL, OFFSET(is_view), READONLY,
     "True: the slot itself; False: a copy, because the reader held all frames its lease allows."},
    {NULL},
};

#define AT(field) (void *)offsetof(struct shmring_frame_info, field)

static PyGetSetDef frame_getset[] = {
    {"array", (getter)memory_array, NULL,
     "A new read-only numpy array of the frame's memory, with its true strides: (height, width, 3) "
     "for BGR, (height, width) for GRAY8, OpenCV's shapes for planar formats, flat bytes for "
     "opaque data. Costs no copy; the slot is held while it lives.",
     NULL},
    {"planes", (getter)memory_planes, NULL,
     "A tuple of read-only numpy arrays, one a plane in GStreamer's order; empty for opaque data.",
     NULL},
    {"strides", (getter)memory_strides, NULL, "Bytes from row to row, one number a plane.", NULL},
    {"pts_ns", (getter)frame_time, NULL,
     "Running time of the writing pipeline in nanoseconds, or None.", AT(pts_ns)},
    {"dts_ns", (getter)frame_time, NULL, "Decoding time in nanoseconds, or None.", AT(dts_ns)},
    {"duration_ns", (getter)frame_time, NULL, "Duration in nanoseconds, or None.", AT(duration_ns)},
    {"clock_ns", (getter)frame_time, NULL,
     "The pts as CLOCK_MONOTONIC time (time.monotonic_ns()), or None.", AT(clock_ns)},
    {"publish_ns", (getter)frame_time, NULL,
     "When it was published, as CLOCK_MONOTONIC time (time.monotonic_ns()).", AT(publish_ns)},
    {"frame_number", (getter)frame_number, NULL, "The source's own count of frames, or None.",
     AT(frame_number)},
    {"frame_number_end", (getter)frame_number, NULL, "Where that ends (audio: samples), or None.",
     AT(frame_number_end)},
    {"flags", (getter)frame_flags, NULL, "What GStreamer says of it, as shmring.FrameFlags.", NULL},
    {"framerate", (getter)frame_framerate, NULL,
     "(numerator, denominator), or None when not known or variable.", NULL},
    {"metas", (getter)frame_metas, NULL,
     "What GStreamer's metas say of the frame (crop, transformation, regions of interest, tags), "
     "as a shmring.Metas.",
     NULL},
    {"caps", (getter)frame_caps, NULL, "The frame's GStreamer caps as text, or None.", NULL},
    {NULL},
};

static PyMethodDef frame_methods[] = {
    {"contiguous", (PyCFunction)(void (*)(void))frame_contiguous, METH_VARARGS | METH_KEYWORDS,
     "contiguous($self, /, out=None)\n--\n\n"
     "A copy in rows without padding: in OUT, which is returned, or in a new writable array that "
     "is yours to keep (in memory of earlier ones that are gone). Makes one array also of planes "
     "with padded rows, as OpenCV wants I420."},
    {"release", (PyCFunction)frame_release, METH_NOARGS,
     "Give the frame back now. BufferError while arrays or views of it live."},
    {"_as_it_is", (PyCFunction)frame_as_it_is, METH_NOARGS, NULL},
    {"__enter__", (PyCFunction)frame_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)frame_exit, METH_VARARGS,
     "End the frame's own hold; the slot goes back with the last array."},
    {"__array__", (PyCFunction)(void (*)(void))memory_dunder_array, METH_VARARGS | METH_KEYWORDS,
     NULL},
    {"__reduce__", (PyCFunction)frame_reduce, METH_NOARGS, NULL},
    {NULL},
};

static PyType_Slot frame_slots[] = {
    {Py_tp_doc, "One frame of a ring, read-only. Supports the buffer protocol: np.asarray(frame) "
                "and memoryview(frame) are views of the slot. Ends with release(), with a `with` "
                "block, or when nothing refers to it or its arrays."},
    {Py_tp_dealloc, memory_dealloc},
    {Py_tp_repr, frame_repr},
    {Py_tp_members, frame_members},
    {Py_tp_getset, frame_getset},
    {Py_tp_methods, frame_methods},
    {Py_bf_getbuffer, memory_getbuffer},
    {Py_bf_releasebuffer, memory_releasebuffer},
    {0, NULL},
};

static PyType_Spec frame_spec = {
    .name = "shmring.Frame",
    .basicsize = sizeof(struct frame_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = frame_slots,
};

int frame_type_init(PyObject *module, struct module_state *state) {
    return add_type(module, &frame_spec, &state->frame_type);
}
