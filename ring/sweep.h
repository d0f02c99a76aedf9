/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What writers that died left in shared memory. */
#ifndef SWEEP_H
#define SWEEP_H

#include <stdbool.h>
#include <stddef.h>

/* Removes temporary files of ring NAME, or of any (NULL), whose maker is dead. True: there were. */
bool sweep_leftovers(const char *name);

/* Removes this user's rings that have neither a writer nor a reader. True: there were. */
bool sweep_dead_rings(void);

/* Fills in the largest files that are there, "cam1 (49.8 MB), cam2 (2.0 MB)". */
void sweep_describe(char *text, size_t size);

#endif
