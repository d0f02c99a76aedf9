/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reader: attaches when it is made if the ring is there, else on the first read. */
#include "reader-object.h"

#include <errno.h>

#include "arguments.h"
#include "frame.h"
#include "records.h"
#include "waiting.h"

/* ---- Reading ---- */

static PyObject *reader_read(struct reader_object *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"timeout", "newer_than", NULL};
    struct take take = TAKE_INIT(self);
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&O&:read", names, timeout_from_seconds,
                                     &take.timeout_ns, time_from_int, &take.newer_than))
        return NULL;
    take_wait(&take);
    return take_outcome(&take);
}

/* A frame that cannot be copied (OUT does not fit) is put back. */
static PyObject *reader_read_array(struct reader_object *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"out", "timeout", NULL};
    struct take take = TAKE_INIT(self);
    PyObject *out = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO&:read_array", names, &out,
                                     timeout_from_seconds, &take.timeout_ns))
        return NULL;
    take.for_copy = true;
    take_wait(&take);
    PyObject *frame = take_outcome(&take);
    PyObject *array = frame ? frame_copy_to(frame, out) : NULL;
    if (frame && !array)
        reader_unread_raised(self, frame);
    Py_XDECREF(frame);
    return array;
}

static PyObject *reader_try_read(struct reader_object *self, PyObject *unused) {
    struct take take = TAKE_INIT(self);
    take.timeout_ns = 0;
    take_wait(&take);
    if (take.result == SHMRING_TIMEOUT)
        Py_RETURN_NONE;
    return take_outcome(&take);
}

static PyObject *reader_next(struct reader_object *self) {
    struct take take = TAKE_INIT(self);
    take_wait(&take);
    return take_ended(&take) ? NULL : take_outcome(&take);
}

/* ---- What a reader says of itself ---- */

static PyObject *reader_stats(struct reader_object *self, void *closure) {
    struct shmring_reader_stats stats = reader_get_stats(self);
    return stats_record(state_of(self), &stats);
}

static PyObject *reader_info(struct reader_object *self, void *closure) {
    struct shmring_info info;
    if (!handle_enter(&self->handle))
        return NULL;
    int result = shmring_reader_get_info(self->handle.ring, &info);
    handle_leave(&self->handle);
    if (result == SHMRING_OK)
        return info_record(state_of(self), &info);
    if (result == -ECHILD)
        return handle_raise_forked(state_of(self), &self->handle);
    PyErr_Format(state_of(self)->errors[ERROR_NOT_FOUND],
                 "not attached to ring '%U': it is not there yet, or its stream has ended",
                 self->handle.name);
    return NULL;
}

static PyObject *reader_name(struct reader_object *self, void *closure) {
    return Py_NewRef(self->handle.name);
}

static PyObject *reader_closed(struct reader_object *self, void *closure) {
    return PyBool_FromLong(self->handle.closed);
}

static PyObject *reader_repr(struct reader_object *self) {
    const char *what = self->handle.closed ? "closed"
                       : self->attached    ? "attached"
                       : self->end         ? "ended"
                                           : "waiting for the ring";
    return PyUnicode_FromFormat("<shmring.Reader of '%U', %s>", self->handle.name, what);
}

/* ---- A reader's life ---- */

static PyObject *reader_close(struct reader_object *self, PyObject *unused) {
    reader_get_stats(self);
    handle_close(&self->handle);
    Py_CLEAR(self->unread);
    Py_RETURN_NONE;
}

static PyObject *reader_enter(struct reader_object *self, PyObject *unused) {
    if (!handle_enter(&self->handle))
        return NULL;
    handle_leave(&self->handle);
    return Py_NewRef((PyObject *)self);
}

static PyObject *reader_exit(struct reader_object *self, PyObject *args) {
    return reader_close(self, NULL);
}

static PyObject *reader_reduce(struct reader_object *self, PyObject *unused) {
    return handle_refuse_pickle(&self->handle, (PyObject *)self);
}

static void reader_dealloc(struct reader_object *self) {
    PyTypeObject *type = Py_TYPE(&self->ob_base);
    handle_clear(&self->handle);
    Py_CLEAR(self->unread);
    pool_unref(self->pool);
    PyObject_Free(self);
    Py_DECREF(type);
}

static void interrupt_ring(void *ring) {
    shmring_reader_interrupt(ring, true);
}

static void free_ring(void *ring) {
    shmring_reader_free(ring);
}

static struct reader_object *allocate(PyTypeObject *type, const struct reader_arguments *a) {
    struct reader_object *self = PyObject_New(struct reader_object, type);
    if (!self)
        return NULL;
    memset((char *)self + sizeof(PyObject), 0, sizeof(*self) - sizeof(PyObject));
    self->handle = (struct handle){
        .kind = "reader",
        .name = Py_NewRef(a->name),
        .interrupt = interrupt_ring,
        .free = free_ring,
    };
    self->timeout_ns = a->timeout_ns;
    self->on_disconnect = a->on_disconnect;
    self->lease = a->options.lease;
    self->pool = pool_new();
    if (!self->pool) {
        PyErr_NoMemory();
        Py_CLEAR(self);
    }
    return self;
}

static bool open_ring(struct reader_object *self, const struct reader_arguments *a) {
    const char *name = name_text(a->name);
    struct shmring_reader *ring = NULL;
    struct shmring_error error = {0};
    if (!name)
        return false;
    int result = shmring_reader_new(name, &a->options, &ring, &error);
    self->handle.ring = ring;
    if (result < 0)
        raise_result(state_of(self), result, &error);
    return result >= 0;
}

static PyObject *reader_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    struct reader_arguments a = {.timeout_ns = SHMRING_FOREVER,
                                 .options = SHMRING_READER_OPTIONS_INIT};
    if (!reader_arguments_parse(args, kwargs, &a))
        return NULL;
    struct reader_object *self = allocate(type, &a);
    if (self && (!open_ring(self, &a) || !reader_try_attach(self)))
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyGetSetDef reader_getset[] = {
    {"name", (getter)reader_name, NULL, "The ring's name.", NULL},
    {"closed", (getter)reader_closed, NULL, "True once close() was called.", NULL},
    {"info", (getter)reader_info, NULL,
     "The ring it is attached to, as a shmring.Info; RingNotFound when it is not.", NULL},
    {"stats", (getter)reader_stats, NULL,
     "Its counts as a shmring.Stats; once closed, the last ones.", NULL},
    {NULL},
};

static PyMethodDef reader_methods[] = {
    {"read", (PyCFunction)(void (*)(void))reader_read, METH_VARARGS | METH_KEYWORDS,
     "read(timeout=<the reader's>, newer_than=None)\n--\n\n"
     "The next Frame. Waits for it, and for the ring, at most TIMEOUT seconds (None: for ever), "
     "then raises Timeout, or RingNotFound when there is no ring. EndOfStream after the last "
     "frame, WriterLost when the writer died.\n\n"
     "newer_than: skip frames published (publish_ns) before that time of CLOCK_MONOTONIC, as "
     "shmring.now() tells it."},
    {"read_array", (PyCFunction)(void (*)(void))reader_read_array, METH_VARARGS | METH_KEYWORDS,
     "read_array(out=None, timeout=<the reader's>)\n--\n\n"
     "The next frame as an array that is yours: writable, in rows without padding, and nothing of "
     "the ring is held. In OUT, which is returned, or in memory of an earlier array that is gone. "
     "When OUT does not fit, the frame stays the next one. Raises as read() does."},
    {"try_read", (PyCFunction)reader_try_read, METH_NOARGS,
     "try_read($self, /)\n--\n\nThe next Frame, or None when there is none now."},
    {"_abandon", (PyCFunction)reader_abandon, METH_NOARGS, NULL},
    {"_left", (PyCFunction)reader_left, METH_O, NULL},
    {"_read_unless", (PyCFunction)reader_read_unless, METH_O, NULL},
    {"_put_back", (PyCFunction)reader_put_back, METH_O, NULL},
    {"close", (PyCFunction)reader_close, METH_NOARGS,
     "close($self, /)\n--\n\nLeave the ring. Frames still held stay valid; a read that waits in "
     "another thread raises ValueError."},
    {"__enter__", (PyCFunction)reader_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)reader_exit, METH_VARARGS, NULL},
    {"__reduce__", (PyCFunction)reader_reduce, METH_NOARGS, NULL},
    {NULL},
};

static PyType_Slot reader_slots[] = {
    {Py_tp_doc,
     "Reader(name, mode='all', depth=1, lease=2, views_only=False, timeout=None, "
     "on_disconnect='auto')\n--\n\n"
     "Reads the ring NAME, as an iterator of Frame (`for` and `async for`) and a context manager. "
     "Does not wait for the "
     "ring: the first read does.\n\n"
     "mode: 'all' gets every frame and the writer waits for it; 'latest' gets the newest DEPTH "
     "frames and never makes the writer wait.\n"
     "lease: frames that may be held at once as views; beyond it a frame is a copy or, with "
     "views_only, a LeaseError.\n"
     "timeout: seconds that a read waits, None for ever.\n"
     "on_disconnect: what a writer that went without end of stream means. 'auto': stopped ends "
     "the iteration, died raises WriterLost; 'end' and 'error': either does that; 'wait': wait "
     "for the next writer of that name."},
    {Py_tp_new, reader_new},
    {Py_tp_dealloc, reader_dealloc},
    {Py_tp_repr, reader_repr},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, reader_next},
    {Py_am_aiter, PyObject_SelfIter},
    {Py_am_anext, reader_anext},
    {Py_tp_getset, reader_getset},
    {Py_tp_methods, reader_methods},
    {0, NULL},
};

static PyType_Spec reader_spec = {
    .name = "shmring.Reader",
    .basicsize = sizeof(struct reader_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reader_slots,
};

int reader_type_init(PyObject *module, struct module_state *state) {
    if (records_init(module, state) < 0)
        return -1;
    PyObject *type = PyType_FromModuleAndSpec(module, &reader_spec, NULL);
    return add_type(module, (PyTypeObject *)type, &state->reader_type);
}
