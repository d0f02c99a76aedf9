/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reader: waiting for a frame. Its arguments, texts and records are shmring.reader's. */
#include <errno.h>

#include "copies.h"
#include "frame.h"
#include "handle.h"
#include "waiting.h"

struct reader_object {
    struct handle handle;
    PyObject *on_disconnect;
    uint32_t lease;                    /* as asked for */
    bool warned;                       /* of copies */
    bool told;                         /* that there is no room for one */
    unsigned leaving;                  /* waits that were abandoned and are not over yet */
    PyObject *unread;                  /* list of Frames that were put back, or NULL */
    struct shmring_reader_stats stats; /* the last ones, once closed */
};

/* A wait for a frame, and what came of it. */
struct take {
    struct reader_object *reader;
    long long timeout_ns;
    long long newer_than; /* CLOCK_MONOTONIC: skip frames published until then */
    bool for_copy;        /* the frame is copied and let go, so it need not be a view */
    PyObject *abandoned;  /* a list, or NULL; once something is in it the wait ends */
    int result;           /* an enum shmring_result, a negative errno, or WAIT_RAISED */
    struct shmring_frame *frame;
    uint64_t missed;  /* before those that were skipped */
    PyObject *unread; /* instead, a Frame that was put back */
    struct shmring_error error;
};

#define TAKE_INIT(self)                                                                            \
    { .reader = (self), .timeout_ns = (self)->handle.timeout_ns, .newer_than = SHMRING_TIME_NONE, }

static void get_stats(struct reader_object *self) {
    if (self->handle.ring)
        shmring_reader_get_stats(self->handle.ring, &self->stats);
}

/* ---- Frames that were put back ---- */

static bool has_unread(const struct reader_object *self) {
    return self->unread && PyList_Size(self->unread) > 0;
}

/* Nobody waits for the ring while there is a frame that was put back, or soon may be. */
static void update_interrupt(struct reader_object *self) {
    if (!self->handle.closed)
        shmring_reader_interrupt(self->handle.ring, self->leaving > 0 || has_unread(self));
}

/* The next read gets it. */
static int unread(struct reader_object *self, PyObject *frame) {
    if (!self->unread)
        self->unread = PyList_New(0);
    int result = self->unread ? PyList_Insert(self->unread, 0, frame) : -1;
    update_interrupt(self);
    return result;
}

/* Keeps the exception that is set. */
static void unread_raised(struct reader_object *self, PyObject *frame) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (unread(self, frame) < 0)
        PyErr_Clear();
    PyErr_Restore(type, value, traceback);
}

static PyObject *pop_unread(struct take *take) {
    struct reader_object *self = take->reader;
    PyObject *frame = NULL;
    if (!has_unread(self))
        return NULL;
    while (!frame && has_unread(self)) {
        frame = Py_NewRef(PyList_GetItem(self->unread, 0));
        if (PyList_SetSlice(self->unread, 0, 1, NULL) < 0 ||
            frame_publish_ns(frame) <= take->newer_than)
            Py_CLEAR(frame);
    }
    update_interrupt(self);
    return frame;
}

/* ---- Taking a frame ---- */

static bool is_end(int result) {
    return result == SHMRING_ENDED || result == SHMRING_CLOSED || result == SHMRING_LOST;
}

static int take_step(void *arg, int64_t slice_ns) {
    struct take *take = arg;
    int result =
        shmring_reader_take(take->reader->handle.ring, slice_ns, &take->frame, &take->error);
    if (result == SHMRING_OK && take->frame->info.publish_ns <= take->newer_than) {
        take->missed += take->frame->missed;
        shmring_frame_release(take->frame);
        return SHMRING_INTERRUPTED;
    }
    if (result == SHMRING_INTERRUPTED)
        wait_nap();
    return result;
}

static bool is_abandoned(const struct take *take) {
    return take->abandoned && PyList_Size(take->abandoned) > 0;
}

/* The first time, that there is no room for a copy, where no Timeout says so; false when that is an
 * exception. */
static bool warn_of_limit(struct take *take) {
    struct reader_object *self = take->reader;
    if (take->error.code != -ENOBUFS || take->timeout_ns > 0 || self->told)
        return true;
    self->told = true;
    return handle_was_warned(
        PyObject_CallMethod((PyObject *)self, "_warn_of_limit", "s", take->error.message));
}

static int take_stop(void *arg) {
    struct take *take = arg;
    if (!warn_of_limit(take))
        return -1;
    return take->reader->handle.closed || is_abandoned(take) || has_unread(take->reader);
}

/* Once more when another thread put a frame back. */
static int wait_for_frame(struct take *take) {
    struct handle *handle = &take->reader->handle;
    int result;
    do {
        take->unread = pop_unread(take);
        if (take->unread)
            return SHMRING_OK;
        result = wait_in_slices(take_step, take_stop, take, take->timeout_ns);
    } while (result == SHMRING_INTERRUPTED && !handle->closed && !is_abandoned(take));
    return result;
}

static void take_wait(struct take *take) {
    struct handle *handle = &take->reader->handle;
    take->result = WAIT_RAISED;
    if (!handle_enter(handle))
        return;
    take->result = wait_for_frame(take);
    bool closed = handle->closed;
    handle_leave(handle);
    if (take->result != SHMRING_INTERRUPTED || !closed)
        return;
    handle_raise_closed(handle);
    take->result = WAIT_RAISED;
}

/* A ring that is not there yet is waited for by the first read, so that making a reader never
 * blocks. */
static bool try_attach(struct reader_object *self) {
    struct shmring_error error = {0};
    int result;
    Py_BEGIN_ALLOW_THREADS
    result = shmring_reader_attach(self->handle.ring, 0, &error);
    Py_END_ALLOW_THREADS
    if (result < 0)
        raise_result(self->handle.state, result, &error);
    return result >= 0;
}

/* ---- What came of it ---- */

/* Raises it, in the words of shmring.reader. */
static PyObject *fail(const struct take *take) {
    return PyObject_CallMethod((PyObject *)take->reader, "_fail", "iisL", take->result,
                               take->error.code, take->error.message, take->timeout_ns);
}

/* The first time, that frames beyond the lease are copies; false when that is an exception. The
 * newest frame at an attach is a copy, too. */
static bool warn_of_copies(struct reader_object *self) {
    get_stats(self);
    if (self->warned || self->stats.held < self->stats.lease)
        return true;
    self->warned = true;
    return handle_was_warned(PyObject_CallMethod((PyObject *)self, "_warn_of_copies", NULL));
}

static PyObject *new_frame(struct take *take) {
    struct reader_object *self = take->reader;
    bool is_copy = take->frame->is_copy;
    PyObject *frame = frame_object_new(self->handle.state, take->frame, self->handle.name,
                                       self->handle.pool, take->missed);
    if (frame && is_copy && !take->for_copy && !warn_of_copies(self)) {
        unread_raised(self, frame);
        Py_CLEAR(frame);
    }
    return frame;
}

static PyObject *outcome(struct take *take) {
    if (take->result == SHMRING_OK)
        return take->unread ? take->unread : new_frame(take);
    return take->result == WAIT_RAISED ? NULL : fail(take);
}

/* ---- Reading ---- */

static PyObject *reader_take(struct reader_object *self, PyObject *args) {
    struct take take = TAKE_INIT(self);
    if (!PyArg_ParseTuple(args, "LL:_take", &take.timeout_ns, &take.newer_than))
        return NULL;
    take_wait(&take);
    return outcome(&take);
}

/* A frame that cannot be copied (OUT does not fit) is put back. */
static PyObject *reader_take_array(struct reader_object *self, PyObject *args) {
    struct take take = TAKE_INIT(self);
    PyObject *out;
    if (!PyArg_ParseTuple(args, "OL:_take_array", &out, &take.timeout_ns))
        return NULL;
    take.for_copy = true;
    take_wait(&take);
    PyObject *frame = outcome(&take);
    PyObject *array = frame ? copy_frame((struct memory_object *)frame, out) : NULL;
    if (frame && !array)
        unread_raised(self, frame);
    Py_XDECREF(frame);
    return array;
}

static PyObject *reader_try_read(struct reader_object *self, PyObject *unused) {
    struct take take = TAKE_INIT(self);
    take.timeout_ns = 0;
    take_wait(&take);
    if (take.result == SHMRING_TIMEOUT)
        Py_RETURN_NONE;
    return outcome(&take);
}

static PyObject *reader_next(struct reader_object *self) {
    struct take take = TAKE_INIT(self);
    take_wait(&take);
    if (!is_end(take.result))
        return outcome(&take);
    PyObject *end = helper(self->handle.state, HELPER_END);
    if (end && !fail(&take) && PyErr_ExceptionMatches(end))
        PyErr_Clear();
    return NULL;
}

/*
 * For shmring.aio: a wait in a thread, which its task may abandon. From _abandon() to _left()
 * nobody else takes a frame, so that one that the thread took meanwhile is put back before later
 * ones are read.
 */
/* A Frame, or None once something is in the list ABANDONED. */
static PyObject *reader_take_unless(struct reader_object *self, PyObject *args) {
    struct take take = TAKE_INIT(self);
    if (!PyArg_ParseTuple(args, "O!LL:_take_unless", &PyList_Type, &take.abandoned,
                          &take.timeout_ns, &take.newer_than))
        return NULL;
    take_wait(&take);
    if (take.result == SHMRING_INTERRUPTED)
        Py_RETURN_NONE;
    return outcome(&take);
}

static PyObject *reader_abandon(struct reader_object *self, PyObject *unused) {
    self->leaving++;
    update_interrupt(self);
    Py_RETURN_NONE;
}

static int put_back(struct reader_object *self, PyObject *frame) {
    if (frame == Py_None || self->handle.closed)
        return 0;
    if (Py_IS_TYPE(frame, self->handle.state->frame_type))
        return unread(self, frame);
    PyErr_Format(PyExc_TypeError, "only a Frame can be put back, not %R", Py_TYPE(frame));
    return -1;
}

static PyObject *reader_left(struct reader_object *self, PyObject *frame) {
    int result = put_back(self, frame);
    self->leaving--;
    update_interrupt(self);
    if (result < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *reader_put_back(struct reader_object *self, PyObject *frame) {
    if (put_back(self, frame) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- Other calls ---- */

static PyObject *reader_request_keyframe(struct reader_object *self, PyObject *args) {
    struct take take = TAKE_INIT(self);
    long long at_ns;
    if (!PyArg_ParseTuple(args, "L:_request_keyframe", &at_ns) || !handle_enter(&self->handle))
        return NULL;
    take.result = shmring_reader_request_keyframe(self->handle.ring, at_ns);
    handle_leave(&self->handle);
    if (take.result == SHMRING_OK || take.result == -ENOTCONN)
        return PyBool_FromLong(take.result == SHMRING_OK);
    return fail(&take);
}

static PyObject *reader_resume(struct reader_object *self, PyObject *unused) {
    if (!handle_enter(&self->handle))
        return NULL;
    shmring_reader_resume(self->handle.ring);
    handle_leave(&self->handle);
    Py_RETURN_NONE;
}

/* ---- What a reader says of itself ---- */

static PyObject *reader_stats(struct reader_object *self, PyObject *unused) {
    get_stats(self);
    const struct shmring_reader_stats *s = &self->stats;
    return Py_BuildValue("KKKKKKKKIIN", (unsigned long long)s->received,
                         (unsigned long long)s->copied, (unsigned long long)s->early,
                         (unsigned long long)s->dropped, (unsigned long long)s->flushed,
                         (unsigned long long)s->withdrawn, (unsigned long long)s->skipped,
                         (unsigned long long)s->lag, s->held, s->lease,
                         PyBool_FromLong(s->attached));
}

/* None when it is not attached. */
static PyObject *reader_info(struct reader_object *self, PyObject *unused) {
    struct shmring_info info = SHMRING_INFO_INIT;
    struct take take = TAKE_INIT(self);
    if (!handle_enter(&self->handle))
        return NULL;
    take.result = shmring_reader_get_info(self->handle.ring, &info);
    handle_leave(&self->handle);
    if (take.result == -ENOTCONN)
        Py_RETURN_NONE;
    return take.result == SHMRING_OK ? info_values(&info) : fail(&take);
}

/* ---- A reader's life ---- */

static PyObject *reader_close(struct reader_object *self, PyObject *unused) {
    get_stats(self);
    handle_close(&self->handle);
    Py_CLEAR(self->unread);
    Py_RETURN_NONE;
}

static void reader_dealloc(struct reader_object *self) {
    Py_CLEAR(self->unread);
    Py_CLEAR(self->on_disconnect);
    handle_dealloc(&self->handle);
}

static void interrupt_ring(void *ring) {
    shmring_reader_interrupt(ring, true);
}

static void free_ring(void *ring) {
    shmring_reader_free(ring);
}

static bool open_ring(struct reader_object *self, const struct shmring_reader_options *options) {
    const char *name = name_text(self->handle.name);
    struct shmring_reader *ring = NULL;
    struct shmring_error error = {0};
    if (!name)
        return false;
    int result = shmring_reader_new(name, options, &ring, &error);
    self->handle.ring = ring;
    if (result < 0)
        raise_result(self->handle.state, result, &error);
    return result >= 0;
}

/* As shmring.reader checked them. */
static PyObject *reader_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    PyObject *name, *on_disconnect;
    long long timeout_ns;
    unsigned long long max_copy_bytes;
    int latest, views_only, any_owner, wait_for_keyframe;
    if (!PyArg_ParseTuple(args, "UpIIpLUppK:Reader", &name, &latest, &options.depth, &options.lease,
                          &views_only, &timeout_ns, &on_disconnect, &wait_for_keyframe, &any_owner,
                          &max_copy_bytes))
        return NULL;
    options.mode = latest ? SHMRING_MODE_LATEST : SHMRING_MODE_ALL;
    options.views_only = views_only;
    options.wait_for_keyframe = wait_for_keyframe;
    options.any_owner = any_owner;
    options.max_copy_bytes = max_copy_bytes;
    if (PyUnicode_CompareWithASCIIString(on_disconnect, "wait") == 0)
        options.go_on_after = 1u << SHMRING_CLOSED | 1u << SHMRING_LOST;
    struct reader_object *self =
        handle_new(type, "reader", name, timeout_ns, interrupt_ring, free_ring);
    if (!self)
        return NULL;
    self->on_disconnect = Py_NewRef(on_disconnect);
    self->lease = options.lease;
    self->stats = (struct shmring_reader_stats)SHMRING_READER_STATS_INIT;
    if (!open_ring(self, &options) || !try_attach(self))
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyMemberDef reader_members[] = {
    HANDLE_MEMBERS,
    {"_lease", T_UINT, offsetof(struct reader_object, lease), READONLY, NULL},
    {"_on_disconnect", T_OBJECT, offsetof(struct reader_object, on_disconnect), READONLY, NULL},
    {NULL},
};

static PyMethodDef reader_methods[] = {
    {"_take", (PyCFunction)reader_take, METH_VARARGS, NULL},
    {"_take_array", (PyCFunction)reader_take_array, METH_VARARGS, NULL},
    {"_take_unless", (PyCFunction)reader_take_unless, METH_VARARGS, NULL},
    {"_abandon", (PyCFunction)reader_abandon, METH_NOARGS, NULL},
    {"_left", (PyCFunction)reader_left, METH_O, NULL},
    {"_put_back", (PyCFunction)reader_put_back, METH_O, NULL},
    {"_stats", (PyCFunction)reader_stats, METH_NOARGS, NULL},
    {"_info", (PyCFunction)reader_info, METH_NOARGS, NULL},
    {"_request_keyframe", (PyCFunction)reader_request_keyframe, METH_VARARGS, NULL},
    {"resume", (PyCFunction)reader_resume, METH_NOARGS,
     "resume($self, /)\n--\n\nAfter an end: the next read waits for the next stream, or for the "
     "next writer."},
    {"_enter", (PyCFunction)handle_begin, METH_NOARGS, NULL},
    {"try_read", (PyCFunction)reader_try_read, METH_NOARGS,
     "try_read($self, /)\n--\n\nThe next Frame, or None when there is none now."},
    {"close", (PyCFunction)reader_close, METH_NOARGS,
     "close($self, /)\n--\n\nLeave the ring. Frames still held stay valid; a read that waits in "
     "another thread raises ValueError."},
    {NULL},
};

static PyType_Slot reader_slots[] = {
    {Py_tp_doc, "What shmring.Reader is made of."},
    {Py_tp_new, reader_new},
    {Py_tp_dealloc, reader_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, reader_next},
    {Py_tp_members, reader_members},
    {Py_tp_methods, reader_methods},
    {0, NULL},
};

static PyType_Spec reader_spec = {
    .name = "shmring._shmring.Reader",
    .basicsize = sizeof(struct reader_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reader_slots,
};

int reader_type_init(PyObject *module, struct module_state *state) {
    return add_type(module, &reader_spec, &state->reader_type);
}
