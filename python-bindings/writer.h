/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What writer.c and loan.c share. */
#ifndef WRITER_H
#define WRITER_H

#include <stdatomic.h>

#include "handle.h"
#include "memory.h"

/* Loans that may be out at once, those included whose arrays were kept. Three, so that a loop that
 * keeps the array of its last loan has one to fill and one to copy to. */
#define MAX_LOANS 3

struct writer_object {
    struct handle handle;
    struct shmring_frame_info info; /* what every frame is */
    PyObject *caps;                 /* a str that its caps point into, or NULL */
    uint64_t frames;                /* published or dropped */
    atomic_uint busy;               /* threads that wait for a slot or fill one, in write() */
    bool warned;                    /* of copies of loans */
    uint64_t names_lost;            /* of those it was warned of */
    int64_t next_look;              /* at that count */
};

/* A frame to be written, as its caller described it; what that left out is set when it is
 * published. */
struct outgoing {
    struct shmring_frame_info info;
    PyObject *caps, *metas; /* references that its texts lie in, or NULL */
    bool is_as_it_was;      /* of another ring: what it does not tell stays so */
};

void outgoing_clear(struct outgoing *frame);

/* Borrows a slot, waiting for it. Its user has entered the handle. False with an exception: for a
 * Timeout the frame is counted as dropped. */
bool writer_borrow(struct writer_object *self, struct shmring_slot *slot);

/* Publishes and returns the slot; the frame's number, or 0 with an exception. */
uint64_t writer_publish(struct writer_object *self, struct shmring_slot *slot,
                        const struct outgoing *frame);

/* Once: that loans are copied. False when the warning is an exception. */
bool writer_warn_of_copies(struct writer_object *self);

/* A Loan that owns SLOT and FRAME; gives them back when there is no memory for one. */
PyObject *loan_object_new(struct writer_object *writer, struct shmring_slot *slot,
                          const struct outgoing *frame);

#endif
