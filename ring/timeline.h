/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When frames are due; the public part is in shmring.h. */
#ifndef TIMELINE_H
#define TIMELINE_H

#include "shmring.h"

/* A writer of the timeline has (+1), or has no longer (-1), a lossless reader that it waits for. */
void timeline_count_pacer(struct shmring_timeline *timeline, int change);

#endif
