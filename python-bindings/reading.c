/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reader's wait for a frame. */
#include "reader-object.h"

#include <errno.h>

#include "frame.h"
#include "waiting.h"

struct shmring_reader_stats reader_get_stats(struct reader_object *self) {
    if (self->handle.ring)
        shmring_reader_get_stats(self->handle.ring, &self->stats);
    return self->stats;
}

/* ---- Frames that were put back ---- */

static bool has_unread(const struct reader_object *self) {
    return self->unread && PyList_Size(self->unread) > 0;
}

void reader_update_interrupt(struct reader_object *self) {
    if (!self->handle.closed)
        shmring_reader_interrupt(self->handle.ring, self->leaving > 0 || has_unread(self));
}

int reader_unread(struct reader_object *self, PyObject *frame) {
    if (!self->unread)
        self->unread = PyList_New(0);
    int result = self->unread ? PyList_Insert(self->unread, 0, frame) : -1;
    reader_update_interrupt(self);
    return result;
}

void reader_unread_raised(struct reader_object *self, PyObject *frame) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (reader_unread(self, frame) < 0)
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
    reader_update_interrupt(self);
    return frame;
}

/* ---- Taking a frame ---- */

static int attach_step(struct take *take, int64_t slice_ns) {
    int result = shmring_reader_attach(take->reader->handle.ring, slice_ns, &take->error);
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
    int result = shmring_reader_take(self->handle.ring, slice_ns, &take->frame, &take->error);
    if (result == SHMRING_OK && take->frame->info.publish_ns <= take->newer_than) {
        shmring_frame_release(take->frame);
        return SHMRING_INTERRUPTED;
    }
    if (result == SHMRING_INTERRUPTED)
        wait_nap();
    if (is_end(result))
        return record_end(take, result);
    if (result == -ENOTCONN) /* another thread is just about to record the end */
        return SHMRING_INTERRUPTED;
    if (result < 0) /* the ring may be left: attaching again tells */
        self->attached = false;
    return result;
}

static bool is_abandoned(const struct take *take) {
    return take->abandoned && PyList_Size(take->abandoned) > 0;
}

static bool take_stop(void *arg) {
    const struct take *take = arg;
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

void take_wait(struct take *take) {
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
bool reader_try_attach(struct reader_object *self) {
    struct take take = TAKE_INIT(self);
    int result;
    Py_BEGIN_ALLOW_THREADS
    result = attach_step(&take, 0);
    Py_END_ALLOW_THREADS
    if (result >= 0)
        return true;
    raise_result(state_of(self), result, &take.error);
    return false;
}

/* ---- What came of it ---- */

/* What to do when LEASE frames in place are too few: the ring may have had no more to give. */
static const char *lease_advice(const struct reader_object *self, uint32_t lease) {
    return lease < self->lease
               ? "the ring had no more to lease: make it with more slots, or close another reader"
               : "let go of frames and their arrays earlier, or ask for a larger lease";
}

static int warn_of_copies(struct reader_object *self, const struct shmring_reader_stats *stats) {
    if (self->warned)
        return 0;
    self->warned = true;
    PyObject *text = PyUnicode_FromFormat(
        "ring '%U': %u frames are still referenced and the lease is %u, so this frame and others "
        "beyond it are copies; %s",
        self->handle.name, stats->held, stats->lease, lease_advice(self, stats->lease));
    const char *utf8 = text ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL;
    int result = utf8 ? PyErr_WarnEx(PyExc_RuntimeWarning, utf8, 1) : -1;
    Py_XDECREF(text);
    return result;
}

static PyObject *new_frame(struct take *take) {
    struct reader_object *self = take->reader;
    struct shmring_reader_stats stats = reader_get_stats(self);
    uint64_t missed = stats.dropped - self->dropped;
    bool is_copy = take->frame->is_copy;
    self->dropped = stats.dropped;
    PyObject *frame =
        frame_object_new(state_of(self), take->frame, self->handle.name, self->pool, missed);
    if (frame && is_copy && !take->for_copy && warn_of_copies(self, &stats) < 0) {
        reader_unread_raised(self, frame);
        Py_CLEAR(frame);
    }
    return frame;
}

static PyObject *raise_timeout(const struct take *take) {
    struct reader_object *self = take->reader;
    struct module_state *state = state_of(self);
    PyObject *seconds = PyFloat_FromDouble((double)take->timeout_ns / 1e9);
    if (!seconds)
        return NULL;
    if (self->attached)
        PyErr_Format(state->errors[ERROR_TIMEOUT],
                     "no frame came from ring '%U' within %R s: its writer lives but does not "
                     "publish",
                     self->handle.name, seconds);
    else
        PyErr_Format(state->errors[ERROR_NOT_FOUND],
                     "no ring '%U' appeared within %R s: start its writer, or check the name (%s)",
                     self->handle.name, seconds, take->error.message);
    Py_DECREF(seconds);
    return NULL;
}

static PyObject *raise_lease(struct reader_object *self) {
    struct shmring_reader_stats stats = reader_get_stats(self);
    PyErr_Format(state_of(self)->errors[ERROR_LEASE],
                 "%u frames still referenced: ring '%U' leases this reader %u; %s, or do without "
                 "views_only",
                 stats.held, self->handle.name, stats.lease, lease_advice(self, stats.lease));
    return NULL;
}

static bool ends_quietly(const struct reader_object *self, int result) {
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
        return PyErr_Format(
            state->errors[ERROR_END_OF_STREAM],
            "the stream of ring '%U' has ended: a new Reader waits for its next one",
            self->handle.name);
    if (self->end == SHMRING_CLOSED)
        return PyErr_Format(state->errors[ERROR_WRITER_LOST],
                            "the writer of ring '%U' stopped without ending its stream: start it "
                            "again; on_disconnect='wait' reads on then",
                            self->handle.name);
    return PyErr_Format(state->errors[ERROR_WRITER_LOST],
                        "%s: start it again; on_disconnect='wait' reads on then",
                        self->end_error.message);
}

bool take_ended(const struct take *take) {
    return ends_quietly(take->reader, take->result);
}

PyObject *take_outcome(struct take *take) {
    struct reader_object *self = take->reader;
    if (take->result == SHMRING_OK)
        return take->unread ? take->unread : new_frame(take);
    if (take->result == WAIT_RAISED)
        return NULL;
    if (take->result == SHMRING_TIMEOUT)
        return raise_timeout(take);
    if (take->result == SHMRING_LEASE)
        return raise_lease(self);
    if (is_end(take->result))
        return raise_end(self);
    return raise_result(state_of(self), take->result, &take->error);
}
