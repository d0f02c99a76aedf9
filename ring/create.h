/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a segment comes into the world, and leaves it: a name appears only when all of it is there,
 * and is never free in between (I1). */
#ifndef CREATE_H
#define CREATE_H

#include "segment.h"

/*
 * Makes a segment of these sizes, complete and locked, under temporary names, and puts the ring's
 * name in place. WITH is the segment of ours that now has the name, or NULL. A dead writer's
 * readers follow, and its numbering goes on. Errors as in shmring_writer_open.
 */
int segment_create(const char *name, const struct shmring_writer_options *options,
                   const struct segment *with, struct segment **created,
                   struct shmring_error *error);

/* Takes a dead writer's ring of these very sizes as it lies, locked and mapped. -ENOENT: there is
 * none that can be. */
int segment_adopt(const char *name, const struct shmring_writer_options *options,
                  struct segment **adopted, struct shmring_error *error);

/* Removes the names, where they still are this segment's. */
void segment_remove_names(const struct segment *seg);

/* ---- Between create.c, names.c and adopt.c ---- */

/* The two names: who has them, and putting a complete segment there. (names.c) */
struct naming {
    struct segment *seg;
    struct ring_paths made, wanted;
    struct shmring_error *error;
};

/* Gives them to a segment of a writer that has none yet. A dead writer's segment is superseded, and
 * its numbering goes on. 0; -ESTALE: somebody swept the new one; or a refusal. */
int names_take(const struct naming *naming);

/* From WITH, a segment of this writer, where nobody else took them from it. As names_take. */
int names_move(const struct naming *naming, const struct segment *with, bool only_look);

/* The number of the first frame. Until the names are in place nobody else looks. */
void segment_begin_at(struct segment *seg, uint64_t base);

bool segment_perms_are_good(uint32_t perms);
/* The mode of both objects, whatever the umask. 0 or -errno. */
int segment_set_modes(const struct segment *seg, uint32_t perms);
/* Nobody could open its files until now who may not by PERMS. */
bool segment_modes_are_within(const struct segment *seg, uint32_t perms);
/* Before it is locked and mapped: opens NAME once more, by PATH, so that the lock is on an open
 * file that no mapping keeps alive and ends with us, also when a child of fork() still has a view
 * of the frames. 0 or -errno. */
int segment_part_from_mapping(struct segment *seg, const char *path);
/* What the ring says of its writer, for people. */
void segment_sign(struct segment *seg);
/* Remembers which files these are. */
void segment_remember_files(struct segment *seg);

#endif
