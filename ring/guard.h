/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file that somebody cuts off while it is mapped is a SIGBUS for whoever touches it next, and no
 * look beforehand helps. Where the program asked for it (shmring_guard), what is mapped here then
 * becomes private zeros, and is known to have been cut; libwayland-server and PulseAudio do so too.
 */
#ifndef GUARD_H
#define GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* Of no mapping. */
#define GUARD_NONE (-1)

/* A mapping from now on. GUARD_NONE: there are too many; this one is not guarded. */
int guard_add(void *begin, size_t size, int protection);
/* Before it is unmapped. */
void guard_remove(int guard);
bool guard_was_cut(int guard);

#endif
