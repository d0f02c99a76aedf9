/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files about a Writer share. */
#ifndef WRITER_OBJECT_H
#define WRITER_OBJECT_H

#include "handle.h"
#include "writer-arguments.h"

/* Loans that may be out at once, those included whose arrays were kept. Three, so that a loop that
 * keeps the array of its last loan has one to fill and one to copy to. */
#define MAX_LOANS 3

struct writer_object {
    PyObject_HEAD
    struct handle handle;
    struct picture_format picture;
    int64_t timeout_ns;
    int64_t opened_ns; /* CLOCK_MONOTONIC, as the next */
    int64_t origin_ns; /* of pts 0 */
    uint64_t frames;   /* published or dropped */
    unsigned busy;     /* slots on their way in write() */
    bool warned;       /* of copies of loans */
};

/* The times that a frame is given; SHMRING_TIME_NONE: by us. */
struct frame_times {
    int64_t pts_ns, timestamp_ns;
};

#define FRAME_TIMES_INIT                                                                           \
    { .pts_ns = SHMRING_TIME_NONE, .timestamp_ns = SHMRING_TIME_NONE, }

/* ---- publishing.c: from an empty slot to a frame ---- */

/* Borrows a slot, waiting for it. Its user has entered the handle. False with an exception: for a
 * Timeout the frame is counted as dropped. */
bool writer_borrow(struct writer_object *self, struct shmring_slot *slot);

/* Publishes and returns the slot; the frame's number, or 0 with an exception. */
uint64_t writer_publish(struct writer_object *self, struct shmring_slot *slot,
                        const struct frame_times *times);

/* ---- loan.c ---- */

int loan_type_init(PyObject *module, struct module_state *state);

/* A Loan that owns SLOT; returns it when there is no memory for one. */
PyObject *loan_object_new(struct writer_object *writer, struct shmring_slot *slot,
                          const struct frame_times *times);

#endif
