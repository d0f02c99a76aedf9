/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files about a Reader share. */
#ifndef READER_OBJECT_H
#define READER_OBJECT_H

#include <stdatomic.h>

#include "handle.h"
#include "reader-arguments.h"

struct reader_object {
    PyObject_HEAD
    struct handle handle;
    int64_t timeout_ns;
    enum on_disconnect on_disconnect;
    atomic_bool attached; /* this and the end are set by whoever waits, without the GIL */
    atomic_int end;       /* SHMRING_ENDED, _CLOSED or _LOST once seen, else 0 */
    struct shmring_error end_error;
    bool warned;                       /* of copies */
    uint64_t dropped;                  /* frames missed up to the last read */
    struct shmring_reader_stats stats; /* the last ones, once closed */
};

/* ---- reading.c: waiting for a frame, and what comes of it ---- */

struct take {
    struct reader_object *reader;
    struct shmring_frame *frame;
    struct shmring_error error;
};

/* Attaches if the ring is there: SHMRING_INTERRUPTED, or else as shmring_reader_attach. Without the
 * GIL. */
int attach_step(struct take *take, int64_t slice_ns);

/* An enum shmring_result, a negative errno, or WAIT_RAISED. */
int take_frame(struct take *take, int64_t timeout_ns);

/* The Frame, or the exception that RESULT means. */
PyObject *take_outcome(struct take *take, int result, int64_t timeout_ns);

/* The end that RESULT is ends an iteration without an exception. */
bool ends_quietly(struct reader_object *self, int result);

struct shmring_reader_stats reader_get_stats(struct reader_object *self);

#endif
