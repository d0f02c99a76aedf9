/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files about a Reader share. */
#ifndef READER_OBJECT_H
#define READER_OBJECT_H

#include <stdatomic.h>

#include "handle.h"
#include "pool.h"
#include "reader-arguments.h"

struct reader_object {
    PyObject_HEAD
    struct handle handle;
    int64_t timeout_ns;
    enum on_disconnect on_disconnect;
    uint32_t lease;       /* as asked for */
    atomic_bool attached; /* this and the end are set by whoever waits, without the GIL */
    atomic_int end;       /* SHMRING_ENDED, _CLOSED or _LOST once seen, else 0 */
    struct shmring_error end_error;
    bool warned;                       /* of copies */
    unsigned leaving;                  /* waits that were abandoned and are not over yet */
    PyObject *unread;                  /* list of Frames that were put back, or NULL */
    struct pool *pool;                 /* for copies */
    uint64_t dropped;                  /* frames missed up to the last read */
    struct shmring_reader_stats stats; /* the last ones, once closed */
};

/* ---- reading.c: waiting for a frame, and what comes of it ---- */

struct take {
    struct reader_object *reader;
    int64_t timeout_ns;
    int64_t newer_than;  /* CLOCK_MONOTONIC: skip frames published until then */
    bool for_copy;       /* the frame is copied and let go, so it need not be a view */
    PyObject *abandoned; /* a list, or NULL; once something is in it the wait ends */
    /* What came of it: */
    int result; /* an enum shmring_result, a negative errno, or WAIT_RAISED */
    struct shmring_frame *frame;
    PyObject *unread; /* instead, a Frame that was put back */
    struct shmring_error error;
};

#define TAKE_INIT(self)                                                                            \
    { .reader = (self), .timeout_ns = (self)->timeout_ns, .newer_than = SHMRING_TIME_NONE, }

/* Attaches if the ring is there; false with an exception when it never can be. */
bool reader_try_attach(struct reader_object *self);

void take_wait(struct take *take);

/* The Frame, or the exception that the result means. */
PyObject *take_outcome(struct take *take);

/* The result is an end of the iteration without an exception. */
bool take_ended(const struct take *take);

/* Puts a Frame back: the next read gets it. */
int reader_unread(struct reader_object *self, PyObject *frame);

/* Nobody waits for the ring while there is a frame that was put back, or soon may be. */
void reader_update_interrupt(struct reader_object *self);

/* Puts it back and keeps the exception that is set. */
void reader_unread_raised(struct reader_object *self, PyObject *frame);

struct shmring_reader_stats reader_get_stats(struct reader_object *self);

/* ---- async.c: methods for aio.py ---- */

/* A Frame, or None once something is in the list ABANDONED. */
PyObject *reader_read_unless(struct reader_object *self, PyObject *abandoned);

/* The task of such a wait was cancelled; and the wait is over, with a Frame or None. */
PyObject *reader_abandon(struct reader_object *self, PyObject *unused);
PyObject *reader_left(struct reader_object *self, PyObject *frame);

PyObject *reader_put_back(struct reader_object *self, PyObject *frame);
PyObject *reader_anext(struct reader_object *self);

#endif
