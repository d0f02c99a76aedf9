/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reader's wait for a frame. */
#include "reader-object.h"

#include <errno.h>

#include "waiting.h"

/* ---- Taking a frame ---- */

struct shmring_reader_stats reader_get_stats(struct reader_object *self) {
    if (self->handle.ring)
        shmring_reader_get_stats(self->handle.ring, &self->stats);
    return self->stats;
}

int attach_step(struct take *take, int64_t slice_ns) {
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
    if (is_end(result))
        return record_end(take, result);
    if (result == -ENOTCONN) /* another thread is just about to record the end */
        return SHMRING_INTERRUPTED;
    if (result < 0) /* the ring may be left: attaching again tells */
        self->attached = false;
    return result;
}

int take_frame(struct take *take, int64_t timeout_ns) {
    struct handle *handle = &take->reader->handle;
    if (!handle_enter(handle))
        return WAIT_RAISED;
    int result = wait_in_slices(take_step, take, timeout_ns, &handle->closed);
    handle_leave(handle);
    if (result != SHMRING_INTERRUPTED)
        return result;
    handle_raise_closed(handle);
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
        self->handle.name, stats->held, stats->lease);
    const char *utf8 = text ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL;
    int result = utf8 ? PyErr_WarnEx(PyExc_RuntimeWarning, utf8, 1) : -1;
    Py_XDECREF(text);
    return result;
}

static PyObject *new_frame(struct reader_object *self, struct shmring_frame *frame) {
    struct shmring_reader_stats stats = reader_get_stats(self);
    uint64_t missed = stats.dropped - self->dropped;
    self->dropped = stats.dropped;
    if (frame->is_copy && warn_of_copies(self, &stats) < 0) {
        shmring_frame_release(frame);
        return NULL;
    }
    return frame_object_new(state_of(self), frame, self->handle.name, missed);
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
                     self->handle.name, seconds);
    else
        PyErr_Format(state->errors[ERROR_NOT_FOUND],
                     "no ring '%U' appeared within %R s: start its writer, or check the name",
                     self->handle.name, seconds);
    Py_DECREF(seconds);
    return NULL;
}

static PyObject *raise_lease(struct reader_object *self) {
    struct shmring_reader_stats stats = reader_get_stats(self);
    PyErr_Format(state_of(self)->errors[ERROR_LEASE],
                 "%u frames of ring '%U' are still referenced, all that the lease of %u allows: "
                 "let go of one (its arrays too), ask for a larger lease, or do without views_only",
                 stats.held, self->handle.name, stats.lease);
    return NULL;
}

bool ends_quietly(struct reader_object *self, int result) {
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
                            self->handle.name);
    if (self->end == SHMRING_CLOSED)
        return PyErr_Format(state->errors[ERROR_WRITER_LOST],
                            "the writer of ring '%U' stopped without ending its stream",
                            self->handle.name);
    return raise_result(state, SHMRING_LOST, &self->end_error);
}

PyObject *take_outcome(struct take *take, int result, int64_t timeout_ns) {
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
