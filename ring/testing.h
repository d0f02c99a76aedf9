/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tests need to look behind the public header. Nothing else includes it. */
#ifndef TESTING_H
#define TESTING_H

#include "segment.h"

struct segment *writer_segment(struct shmring_writer *writer);

/* NULL while not attached. */
struct segment *reader_segment(struct shmring_reader *reader);

/* The reader will use SEG's mapping instead of one of its own: ThreadSanitizer tells races by
 * address. */
void reader_share_mapping(struct shmring_reader *reader, struct segment *seg);

#endif
