/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a segment comes into the world, and leaves it: a name appears only when all of it is there,
 * and is never free in between (I1). */
#ifndef CREATE_H
#define CREATE_H

#include "segment.h"

/*
 * Makes a segment of these sizes, complete and locked, under temporary names, and puts the ring's
 * name in place. WITH is the segment of ours that now has the name, or NULL. What a dead writer
 * left is taken over: numbering goes on where it stopped. Errors as in shmring_writer_open.
 */
int segment_create(const char *name, const struct shmring_writer_options *options,
                   const struct segment *with, struct segment **created,
                   struct shmring_error *error);

/* Removes the names, where they still are this segment's. */
void segment_remove_names(const struct segment *seg);

#endif
