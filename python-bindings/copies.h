/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames copied out, in rows without padding. */
#ifndef COPIES_H
#define COPIES_H

#include "binding.h"
#include "pool.h"

int copy_type_init(PyObject *module, struct module_state *state);

/* An owned copy of the frame that INFO says is at DATA: in OUT, which is returned, or when that is
 * None in a new array with memory of POOL. The GIL is not held while it copies. */
PyObject *copy_frame(struct module_state *state, struct pool *pool,
                     const struct shmring_frame_info *info, const void *data, PyObject *ring_name,
                     PyObject *out);

#endif
