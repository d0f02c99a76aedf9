/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FRAME_H
#define FRAME_H

#include "pool.h"

/* A Frame that owns FRAME; releases it when there is no memory for one. POOL is its reader's,
 * MISSED counts what that missed before frames that were skipped. */
PyObject *frame_object_new(struct module_state *state, struct shmring_frame *frame,
                           PyObject *ring_name, struct pool *pool, uint64_t missed);

int64_t frame_publish_ns(PyObject *frame);

#endif
