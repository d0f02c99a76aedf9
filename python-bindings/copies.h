/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames copied out, in rows without padding. */
#ifndef COPIES_H
#define COPIES_H

#include "memory.h"

/* An owned copy of FRAME: in OUT, which is returned, or when that is None in a new array with
 * memory of its pool. The GIL is not held while it copies. */
PyObject *copy_frame(struct memory_object *frame, PyObject *out);

#endif
