/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two names of a ring: who has them, and putting a complete segment there. */
#ifndef NAMES_H
#define NAMES_H

#include "segment.h"

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

#endif
