/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory of a file in shared memory, so that touching it later cannot fail. */
#ifndef ALLOCATE_H
#define ALLOCATE_H

#include <stdbool.h>
#include <stdint.h>

/* Whether the file system has so much left. */
bool allocate_has_room(int fd, uint64_t size);

/* 0 or -errno; what there is already stays as it is. Not ended by signals. */
int allocate_range(int fd, uint64_t offset, uint64_t size);

#endif
