/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writer: the other direction, arrays into a ring. */
#include "writer-object.h"

#include <errno.h>

#include "arguments.h"
#include "pixels.h"
#include "waiting.h"

/* ---- Copying a frame in ---- */

/* What write() was given: one array, or one a plane. */
struct source {
    unsigned count;
    struct view view[SHMRING_MAX_PLANES];
    Py_buffer buffer[SHMRING_MAX_PLANES];
};

static void source_release(struct source *source) {
    while (source->count > 0)
        PyBuffer_Release(&source->buffer[--source->count]);
}

static bool source_add(struct source *source, PyObject *array,
                       const struct shmring_frame_info *info) {
    unsigned i = source->count;
    if (!pixels_get(&source->buffer[i], array, &source->view[i], false, info))
        return false;
    source->count++;
    return true;
}

static bool source_get_planes(struct source *source, struct writer_object *self, PyObject *planes) {
    const struct shmring_frame_info *info = &self->picture.info;
    if (PyTuple_Size(planes) != (Py_ssize_t)info->planes) {
        PyErr_Format(PyExc_ValueError, "a frame in %s has %u planes, not %zd", info->format,
                     info->planes, PyTuple_Size(planes));
        return false;
    }
    bool ok = true;
    for (unsigned i = 0; ok && i < info->planes; i++) {
        view_of_plane(&source->view[i], info, i);
        ok = source_add(source, PyTuple_GetItem(planes, i), info);
    }
    if (!ok)
        source_release(source);
    return ok;
}

static bool source_get(struct source *source, struct writer_object *self, PyObject *array) {
    const struct picture_format *picture = &self->picture;
    source->count = 0;
    if (PyTuple_Check(array))
        return source_get_planes(source, self, array);
    if (picture->problem) {
        PyErr_Format(
            PyExc_TypeError, "a %ux%u %s frame has no one array: write a tuple of its %u planes",
            picture->info.width, picture->info.height, picture->info.format, picture->info.planes);
        return false;
    }
    source->view[0] = picture->view;
    return source_add(source, array, &picture->info);
}

static void source_copy(const struct source *source, void *data) {
    for (unsigned i = 0; i < source->count; i++) {
        const struct view *view = &source->view[i];
        const Py_buffer *buffer = &source->buffer[i];
        pixels_copy((char *)data + view->offset, view->strides, buffer->buf, buffer->strides, view);
    }
}

/* The number of the frame, or 0 with an exception. */
static uint64_t write_source(struct writer_object *self, const struct source *source,
                             const struct frame_times *times) {
    struct shmring_slot slot;
    if (!writer_borrow(self, &slot))
        return 0;
    self->busy++;
    Py_BEGIN_ALLOW_THREADS
    source_copy(source, slot.data);
    Py_END_ALLOW_THREADS
    self->busy--;
    return writer_publish(self, &slot, times);
}

static PyObject *writer_write(struct writer_object *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"array", "pts_ns", "timestamp_ns", NULL};
    struct frame_times times = FRAME_TIMES_INIT;
    struct source source;
    PyObject *array;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O&O&:write", names, &array, time_from_int,
                                     &times.pts_ns, time_from_int, &times.timestamp_ns) ||
        !handle_enter(&self->handle))
        return NULL;
    uint64_t seq = 0;
    if (source_get(&source, self, array)) {
        seq = write_source(self, &source, &times);
        source_release(&source);
    }
    handle_leave(&self->handle);
    return seq ? PyLong_FromUnsignedLongLong(seq) : NULL;
}

/* ---- Other calls ---- */

static PyObject *writer_loan(struct writer_object *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"pts_ns", "timestamp_ns", NULL};
    struct frame_times times = FRAME_TIMES_INIT;
    struct shmring_slot slot;
    PyObject *loan = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&O&:loan", names, time_from_int,
                                     &times.pts_ns, time_from_int, &times.timestamp_ns) ||
        !handle_enter(&self->handle))
        return NULL;
    if (writer_borrow(self, &slot))
        loan = loan_object_new(self, &slot, &times);
    handle_leave(&self->handle);
    return loan;
}

static int wait_reader_step(void *self, int64_t slice_ns) {
    return shmring_writer_wait_reader(((struct writer_object *)self)->handle.ring, slice_ns);
}

static bool is_closed(void *self) {
    return ((struct writer_object *)self)->handle.closed;
}

static PyObject *wait_outcome(struct writer_object *self, int result) {
    struct module_state *state = state_of(self);
    if (result == SHMRING_OK)
        Py_RETURN_NONE;
    if (result == SHMRING_TIMEOUT)
        return PyErr_Format(state->errors[ERROR_TIMEOUT],
                            "no reader of ring '%U' came within the timeout: start one",
                            self->handle.name);
    if (result == SHMRING_INTERRUPTED)
        return handle_raise_closed(&self->handle);
    if (result == -ECHILD)
        return handle_raise_forked(state, &self->handle);
    return NULL;
}

static PyObject *writer_wait_reader(struct writer_object *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"timeout", NULL};
    int64_t timeout_ns = self->timeout_ns;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&:wait_reader", names, timeout_from_seconds,
                                     &timeout_ns) ||
        !handle_enter(&self->handle))
        return NULL;
    int result = wait_in_slices(wait_reader_step, is_closed, self, timeout_ns);
    PyObject *outcome = wait_outcome(self, result);
    handle_leave(&self->handle);
    return outcome;
}

static PyObject *writer_end(struct writer_object *self, PyObject *unused) {
    if (!handle_enter(&self->handle))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    shmring_writer_end(self->handle.ring);
    Py_END_ALLOW_THREADS
    handle_leave(&self->handle);
    Py_RETURN_NONE;
}

static PyObject *writer_name(struct writer_object *self, void *closure) {
    return Py_NewRef(self->handle.name);
}

static PyObject *writer_closed(struct writer_object *self, void *closure) {
    return PyBool_FromLong(self->handle.closed);
}

static PyObject *writer_repr(struct writer_object *self) {
    const struct shmring_frame_info *info = &self->picture.info;
    return PyUnicode_FromFormat("<shmring.Writer of '%U': %ux%u %s, %s>", self->handle.name,
                                info->width, info->height, info->format,
                                self->handle.closed ? "closed" : "open");
}

/* ---- A writer's life ---- */

static PyObject *writer_close(struct writer_object *self, PyObject *unused) {
    handle_close(&self->handle);
    Py_RETURN_NONE;
}

static PyObject *writer_enter(struct writer_object *self, PyObject *unused) {
    if (!handle_enter(&self->handle))
        return NULL;
    handle_leave(&self->handle);
    return Py_NewRef((PyObject *)self);
}

/* Only what ran to its end is the end of the stream. */
static PyObject *writer_exit(struct writer_object *self, PyObject *args) {
    PyObject *type = PyTuple_Size(args) > 0 ? PyTuple_GetItem(args, 0) : Py_None;
    PyObject *ended = type == Py_None && !self->handle.closed ? writer_end(self, NULL) : NULL;
    Py_XDECREF(ended);
    return writer_close(self, NULL);
}

static PyObject *writer_reduce(struct writer_object *self, PyObject *unused) {
    return handle_refuse_pickle(&self->handle, (PyObject *)self);
}

static void writer_dealloc(struct writer_object *self) {
    PyTypeObject *type = Py_TYPE(&self->ob_base);
    handle_clear(&self->handle);
    PyObject_Free(self);
    Py_DECREF(type);
}

static void interrupt_ring(void *ring) {
    shmring_writer_interrupt(ring, true);
}

static void free_ring(void *ring) {
    shmring_writer_close(ring);
}

static struct writer_object *allocate(PyTypeObject *type, const struct writer_arguments *a) {
    struct writer_object *self = PyObject_New(struct writer_object, type);
    if (!self)
        return NULL;
    memset((char *)self + sizeof(PyObject), 0, sizeof(*self) - sizeof(PyObject));
    self->handle = (struct handle){
        .kind = "writer",
        .name = Py_NewRef(a->name),
        .interrupt = interrupt_ring,
        .free = free_ring,
    };
    self->picture = a->picture;
    self->timeout_ns = a->timeout_ns;
    self->opened_ns = monotonic_now();
    return self;
}

static bool open_ring(struct writer_object *self, const struct writer_arguments *a) {
    const char *name = name_text(a->name);
    struct shmring_writer *ring = NULL;
    struct shmring_error error = {0};
    int result;
    if (!name)
        return false;
    Py_BEGIN_ALLOW_THREADS
    result = shmring_writer_open(name, &a->options, &ring, &error);
    Py_END_ALLOW_THREADS
    self->handle.ring = ring;
    if (result < 0)
        raise_result(state_of(self), result, &error);
    return result >= 0;
}

static PyObject *writer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    struct writer_arguments a = {.timeout_ns = SHMRING_FOREVER,
                                 .options = SHMRING_WRITER_OPTIONS_INIT};
    a.options.lend_limit = MAX_LOANS - 1;
    if (!writer_arguments_parse(args, kwargs, &a))
        return NULL;
    struct writer_object *self = allocate(type, &a);
    if (self && !open_ring(self, &a))
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyGetSetDef writer_getset[] = {
    {"name", (getter)writer_name, NULL, "The ring's name.", NULL},
    {"closed", (getter)writer_closed, NULL, "True once close() was called.", NULL},
    {NULL},
};

static PyMethodDef writer_methods[] = {
    {"write", (PyCFunction)(void (*)(void))writer_write, METH_VARARGS | METH_KEYWORDS,
     "write($self, /, array, pts_ns=None, timestamp_ns=None)\n--\n\n"
     "Publish a copy of ARRAY and return the frame's number. ARRAY has Frame.array's shape and "
     "element type and any strides, or is a tuple of planes as Frame.planes. Waits for a free slot "
     "at most the writer's timeout, then drops the frame and raises Timeout.\n\n"
     "pts_ns: running time; by default counted from the framerate, or from the clock since the "
     "writer was made.\n"
     "timestamp_ns: when it was captured, as time.time_ns(); by default now."},
    {"loan", (PyCFunction)(void (*)(void))writer_loan, METH_VARARGS | METH_KEYWORDS,
     "loan($self, /, pts_ns=None, timestamp_ns=None)\n--\n\n"
     "A Loan to fill in place, for `with`: published at its end, abandoned on an exception. Its "
     "memory holds what was there before. Waits as write() does."},
    {"wait_reader", (PyCFunction)(void (*)(void))writer_wait_reader, METH_VARARGS | METH_KEYWORDS,
     "wait_reader(timeout=<the writer's>)\n--\n\n"
     "Return once a reader is attached; raise Timeout when none came within TIMEOUT seconds."},
    {"end", (PyCFunction)writer_end, METH_NOARGS,
     "end($self, /)\n--\n\nEnd the stream: readers read what is there, then see its end. A later "
     "write() begins a new one."},
    {"close", (PyCFunction)writer_close, METH_NOARGS,
     "close($self, /)\n--\n\nStop and remove the ring's name; readers keep what they have. A call "
     "that waits in another thread raises ValueError."},
    {"__enter__", (PyCFunction)writer_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)writer_exit, METH_VARARGS,
     "End the stream, unless by an exception, and close."},
    {"__reduce__", (PyCFunction)writer_reduce, METH_NOARGS, NULL},
    {NULL},
};

static PyType_Slot writer_slots[] = {
    {Py_tp_doc,
     "Writer(name, width, height, format='BGR', slots=8, framerate=None, perms=0o600, "
     "timeout=None)\n--\n\n"
     "Makes the ring NAME and writes frames of one size and format, for shmring.Reader, for "
     "`shmringsrc ring-name=NAME` and everything else that reads rings. A context manager: its end "
     "is the end of the stream, unless it is left by an exception.\n\n"
     "format: GStreamer's name, as 'BGR', 'GRAY8', 'NV12'.\n"
     "slots: frames that shared memory holds, 4 to 256.\n"
     "framerate: frames a second, a number or (numerator, denominator).\n"
     "perms: like a file's; r may observe, w may attach.\n"
     "timeout: seconds to wait for a reader in mode 'all', None for ever."},
    {Py_tp_new, writer_new},
    {Py_tp_dealloc, writer_dealloc},
    {Py_tp_repr, writer_repr},
    {Py_tp_getset, writer_getset},
    {Py_tp_methods, writer_methods},
    {0, NULL},
};

static PyType_Spec writer_spec = {
    .name = "shmring.Writer",
    .basicsize = sizeof(struct writer_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = writer_slots,
};

int writer_type_init(PyObject *module, struct module_state *state) {
    if (loan_type_init(module, state) < 0)
        return -1;
    PyObject *type = PyType_FromModuleAndSpec(module, &writer_spec, NULL);
    return add_type(module, (PyTypeObject *)type, &state->writer_type);
}
