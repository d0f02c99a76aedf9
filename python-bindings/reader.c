/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reader: attaches when it is made if the ring is there, else on the first read. Any number of
 * threads may read from one; close() wakes them, and the last one out frees the handle.
 */
#include "binding.h"

#include <errno.h>
#include <stdatomic.h>

#include "reader-arguments.h"
#include "records.h"
#include "waiting.h"

struct reader_object {
    PyObject_HEAD
    struct shmring_reader *handle;
    PyObject *name;
    int64_t timeout_ns;
    enum on_disconnect on_disconnect;
    unsigned users;       /* threads inside the handle */
    atomic_bool attached; /* this and the end are set by whoever waits, without the GIL */
    atomic_int end;       /* SHMRING_ENDED, _CLOSED or _LOST once seen, else 0 */
    struct shmring_error end_error;
    bool closed;
    bool warned;                       /* of copies */
    uint64_t dropped;                  /* frames missed up to the last read */
    struct shmring_reader_stats stats; /* the last ones, once closed */
};

/* ---- The handle and its users ---- */

static void free_handle(struct reader_object *self) {
    struct shmring_reader *handle = self->handle;
    self->handle = NULL;
    Py_BEGIN_ALLOW_THREADS
    shmring_reader_free(handle);
    Py_END_ALLOW_THREADS
}

static bool enter(struct reader_object *self) {
    if (self->closed) {
        PyErr_Format(PyExc_ValueError, "the reader of ring '%U' is closed", self->name);
        return false;
    }
    self->users++;
    return true;
}

static void leave(struct reader_object *self) {
    if (--self->users == 0 && self->closed)
        free_handle(self);
}

static struct shmring_reader_stats get_stats(struct reader_object *self) {
    if (!self->closed)
        shmring_reader_get_stats(self->handle, &self->stats);
    return self->stats;
}

/* ---- Taking a frame ---- */

struct take {
    struct reader_object *reader;
    struct shmring_frame *frame;
    struct shmring_error error;
};

static int attach_step(struct take *take, int64_t slice_ns) {
    int result = shmring_reader_attach(take->reader->handle, slice_ns, &take->error);
    if (result != SHMRING_OK)
        return result;
    take->reader->attached = true;
    return SHMRING_INTERRUPTED;
}

static bool is_end(int result) {
    return result == SHMRING_ENDED || result == SHMRING_CLOSED || result == SHMRING_LOST;
}

/* The end is stored before `attached` is cleared, and they are read in the opposite order: a thread
 * that was not told of the end by the ring itself learns it here instead of attaching again. */
static int record_end(struct take *take, int result) {
    struct reader_object *self = take->reader;
    bool again = self->on_disconnect == DISCONNECT_WAIT && result != SHMRING_ENDED;
    if (!again) {
        self->end_error = take->error;
        self->end = result;
    }
    self->attached = false;
    return again ? SHMRING_INTERRUPTED : result;
}

static int take_step(void *arg, int64_t slice_ns) {
    struct take *take = arg;
    struct reader_object *self = take->reader;
    bool attached = self->attached;
    if (self->end)
        return self->end;
    if (!attached)
        return attach_step(take, slice_ns);
    int result = shmring_reader_take(self->handle, slice_ns, &take->frame, &take->error);
    if (is_end(result))
        return record_end(take, result);
    if (result == -ENOTCONN) /* another thread is just about to record the end */
        return SHMRING_INTERRUPTED;
    if (result < 0) /* the ring may be left: attaching again tells */
        self->attached = false;
    return result;
}

static int take_frame(struct take *take, int64_t timeout_ns) {
    struct reader_object *self = take->reader;
    if (!enter(self))
        return WAIT_RAISED;
    int result = wait_in_slices(take_step, take, timeout_ns, &self->closed);
    leave(self);
    if (result != SHMRING_INTERRUPTED)
        return result;
    PyErr_Format(PyExc_ValueError, "the reader of ring '%U' was closed while it waited",
                 self->name);
    return WAIT_RAISED;
}

/* ---- What came of it ---- */

static int warn_of_copies(struct reader_object *self, const struct shmring_reader_stats *stats) {
    if (self->warned)
        return 0;
    self->warned = true;
    PyObject *text = PyUnicode_FromFormat(
        "ring '%U': %u frames are still referenced and the lease is %u, so this frame and others "
        "beyond it are copies; let go of frames earlier, or ask for a larger lease",
        self->name, stats->held, stats->lease);
    const char *utf8 = text ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL;
    int result = utf8 ? PyErr_WarnEx(PyExc_RuntimeWarning, utf8, 1) : -1;
    Py_XDECREF(text);
    return result;
}

static PyObject *new_frame(struct reader_object *self, struct shmring_frame *frame) {
    struct shmring_reader_stats stats = get_stats(self);
    uint64_t missed = stats.dropped - self->dropped;
    self->dropped = stats.dropped;
    if (frame->is_copy && warn_of_copies(self, &stats) < 0) {
        shmring_frame_release(frame);
        return NULL;
    }
    return frame_object_new(state_of(self), frame, self->name, missed);
}

static PyObject *raise_timeout(struct reader_object *self, int64_t timeout_ns) {
    struct module_state *state = state_of(self);
    PyObject *seconds = PyFloat_FromDouble((double)timeout_ns / 1e9);
    if (!seconds)
        return NULL;
    if (self->attached)
        PyErr_Format(state->errors[ERROR_TIMEOUT],
                     "no frame came from ring '%U' within %R s: its writer lives but does not "
                     "publish",
                     self->name, seconds);
    else
        PyErr_Format(state->errors[ERROR_NOT_FOUND],
                     "no ring '%U' appeared within %R s: start its writer, or check the name",
                     self->name, seconds);
    Py_DECREF(seconds);
    return NULL;
}

static PyObject *raise_lease(struct reader_object *self) {
    struct shmring_reader_stats stats = get_stats(self);
    PyErr_Format(state_of(self)->errors[ERROR_LEASE],
                 "%u frames of ring '%U' are still referenced, all that the lease of %u allows: "
                 "let go of one (its arrays too), ask for a larger lease, or do without views_only",
                 stats.held, self->name, stats.lease);
    return NULL;
}

static bool ends_quietly(struct reader_object *self, int result) {
    switch (self->on_disconnect) {
    case DISCONNECT_END:
        return is_end(result);
    case DISCONNECT_ERROR:
        return result == SHMRING_ENDED;
    default:
        return result == SHMRING_ENDED || result == SHMRING_CLOSED;
    }
}

static PyObject *raise_end(struct reader_object *self) {
    struct module_state *state = state_of(self);
    if (ends_quietly(self, self->end))
        return PyErr_Format(state->errors[ERROR_END_OF_STREAM], "the stream of ring '%U' has ended",
                            self->name);
    if (self->end == SHMRING_CLOSED)
        return PyErr_Format(state->errors[ERROR_WRITER_LOST],
                            "the writer of ring '%U' stopped without ending its stream",
                            self->name);
    return raise_result(state, SHMRING_LOST, &self->end_error);
}

static PyObject *outcome(struct take *take, int result, int64_t timeout_ns) {
    struct reader_object *self = take->reader;
    if (result == SHMRING_OK)
        return new_frame(self, take->frame);
    if (result == WAIT_RAISED)
        return NULL;
    if (result == SHMRING_TIMEOUT)
        return raise_timeout(self, timeout_ns);
    if (result == SHMRING_LEASE)
        return raise_lease(self);
    if (is_end(result))
        return raise_end(self);
    return raise_result(state_of(self), result, &take->error);
}

static PyObject *reader_read(struct reader_object *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"timeout", NULL};
    int64_t timeout_ns = self->timeout_ns;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&:read", names, timeout_from_seconds,
                                     &timeout_ns))
        return NULL;
    struct take take = {.reader = self};
    int result = take_frame(&take, timeout_ns);
    return outcome(&take, result, timeout_ns);
}

static PyObject *reader_try_read(struct reader_object *self, PyObject *unused) {
    struct take take = {.reader = self};
    int result = take_frame(&take, 0);
    if (result == SHMRING_TIMEOUT)
        Py_RETURN_NONE;
    return outcome(&take, result, 0);
}

static PyObject *reader_next(struct reader_object *self) {
    struct take take = {.reader = self};
    int result = take_frame(&take, self->timeout_ns);
    if (is_end(result) && ends_quietly(self, result))
        return NULL;
    return outcome(&take, result, self->timeout_ns);
}

/* ---- What a reader says of itself ---- */

static PyObject *reader_stats(struct reader_object *self, void *closure) {
    struct shmring_reader_stats stats = get_stats(self);
    return stats_record(state_of(self), &stats);
}

static PyObject *reader_info(struct reader_object *self, void *closure) {
    struct shmring_info info;
    if (!enter(self))
        return NULL;
    int result = shmring_reader_get_info(self->handle, &info);
    leave(self);
    if (result == SHMRING_OK)
        return info_record(state_of(self), &info);
    if (result != -ENOTCONN)
        return raise_result(state_of(self), result, &(struct shmring_error){0});
    PyErr_Format(state_of(self)->errors[ERROR_NOT_FOUND],
                 "not attached to ring '%U': it is not there yet, or its stream has ended",
                 self->name);
    return NULL;
}

static PyObject *reader_name(struct reader_object *self, void *closure) {
    return Py_NewRef(self->name);
}

static PyObject *reader_closed(struct reader_object *self, void *closure) {
    return PyBool_FromLong(self->closed);
}

static PyObject *reader_repr(struct reader_object *self) {
    const char *what = self->closed     ? "closed"
                       : self->attached ? "attached"
                       : self->end      ? "ended"
                                        : "waiting for the ring";
    return PyUnicode_FromFormat("<shmring.Reader of '%U', %s>", self->name, what);
}

/* ---- A reader's life ---- */

static PyObject *reader_close(struct reader_object *self, PyObject *unused) {
    if (self->closed)
        Py_RETURN_NONE;
    get_stats(self);
    self->closed = true;
    if (self->users == 0)
        free_handle(self);
    else
        shmring_reader_interrupt(self->handle, true);
    Py_RETURN_NONE;
}

static PyObject *reader_enter(struct reader_object *self, PyObject *unused) {
    if (!enter(self))
        return NULL;
    leave(self);
    return Py_NewRef((PyObject *)self);
}

static PyObject *reader_exit(struct reader_object *self, PyObject *args) {
    return reader_close(self, NULL);
}

static PyObject *reader_reduce(struct reader_object *self, PyObject *unused) {
    PyErr_Format(PyExc_TypeError,
                 "a Reader cannot be pickled: make shmring.Reader('%U') in the other process",
                 self->name);
    return NULL;
}

static void reader_dealloc(struct reader_object *self) {
    PyTypeObject *type = Py_TYPE(&self->ob_base);
    shmring_reader_free(self->handle);
    Py_XDECREF(self->name);
    PyObject_Free(self);
    Py_DECREF(type);
}

static struct reader_object *allocate(PyTypeObject *type, const struct reader_arguments *a) {
    struct reader_object *self = PyObject_New(struct reader_object, type);
    if (!self)
        return NULL;
    memset((char *)self + sizeof(PyObject), 0, sizeof(*self) - sizeof(PyObject));
    self->name = Py_NewRef(a->name);
    self->timeout_ns = a->timeout_ns;
    self->on_disconnect = a->on_disconnect;
    return self;
}

/* A ring that is not there yet is waited for by the first read, so that making a reader never
 * blocks. */
static bool try_attach(struct reader_object *self) {
    struct take take = {.reader = self};
    int result;
    Py_BEGIN_ALLOW_THREADS
    result = attach_step(&take, 0);
    Py_END_ALLOW_THREADS
    if (result >= 0)
        return true;
    raise_result(state_of(self), result, &take.error);
    return false;
}

static PyObject *reader_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    struct reader_arguments a = {.timeout_ns = SHMRING_FOREVER,
                                 .options = SHMRING_READER_OPTIONS_INIT};
    if (!reader_arguments_parse(args, kwargs, &a))
        return NULL;
    Py_ssize_t length;
    const char *name = PyUnicode_AsUTF8AndSize(a.name, &length);
    if (!name)
        return NULL;
    if (strlen(name) != (size_t)length) {
        PyErr_SetString(PyExc_ValueError, "a ring's name has no NUL in it");
        return NULL;
    }
    struct reader_object *self = allocate(type, &a);
    if (!self)
        return NULL;
    struct shmring_error error = {0};
    int result = shmring_reader_new(name, &a.options, &self->handle, &error);
    if (result < 0)
        raise_result(state_of(self), result, &error);
    if (result < 0 || !try_attach(self))
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
     "read(timeout=<the reader's>)\n--\n\n"
     "The next Frame. Waits for it, and for the ring, at most TIMEOUT seconds (None: for ever), "
     "then raises Timeout, or RingNotFound when there is no ring. EndOfStream after the last "
     "frame, WriterLost when the writer died."},
    {"try_read", (PyCFunction)reader_try_read, METH_NOARGS,
     "try_read($self, /)\n--\n\nThe next Frame, or None when there is none now."},
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
     "Reader(name, mode='all', *, depth=1, lease=2, views_only=False, timeout=None, "
     "on_disconnect='auto')\n--\n\n"
     "Reads the ring NAME, as an iterator of Frame and a context manager. Does not wait for the "
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
