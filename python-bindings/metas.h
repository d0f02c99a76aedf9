/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Metas and Region: what a frame's block of metas says, as docs/layout.md describes it. */
#ifndef METAS_H
#define METAS_H

#include "binding.h"

int metas_init(PyObject *module, struct module_state *state);

/* A Metas; it is empty when INFO has no block. */
PyObject *metas_record(struct module_state *state, const struct shmring_frame_info *info);

#endif
