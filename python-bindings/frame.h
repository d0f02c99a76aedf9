/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FRAME_H
#define FRAME_H

#include "binding.h"
#include "pool.h"

int frame_type_init(PyObject *module, struct module_state *state);

/* A Frame that owns FRAME; releases it when there is no memory for one. POOL is for copies of it,
 * DROPPED counts what its reader missed before it. */
PyObject *frame_object_new(struct module_state *state, struct shmring_frame *frame,
                           PyObject *ring_name, struct pool *pool, uint64_t dropped);

/* An owned copy: see copy_frame(). */
PyObject *frame_copy_to(PyObject *frame, PyObject *out);

int64_t frame_publish_ns(PyObject *frame);

#endif
