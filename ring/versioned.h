/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Structs that begin with their size: the caller's may be older and smaller, or newer and larger,
 * than ours. */
#ifndef VERSIONED_H
#define VERSIONED_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline size_t versioned_size(const void *versioned) {
    size_t size;
    memcpy(&size, versioned, sizeof size);
    return size;
}

/* False: the caller did not fill in struct_size. */
static inline bool versioned_is_set(const void *versioned) {
    size_t size = versioned_size(versioned);
    return size >= sizeof(size_t) && size <= 65536;
}

/* OURS holds the defaults of what THEIRS is too old to have. */
static inline void versioned_read(void *ours, size_t size, const void *theirs) {
    size_t known = versioned_size(theirs) < size ? versioned_size(theirs) : size;
    memcpy((char *)ours + sizeof(size_t), (const char *)theirs + sizeof(size_t),
           known - sizeof(size_t));
}

/* Nothing is written where the caller did not say how much there is room for. */
static inline void versioned_write(void *theirs, const void *ours, size_t size) {
    if (!versioned_is_set(theirs))
        return;
    size_t known = versioned_size(theirs) < size ? versioned_size(theirs) : size;
    memcpy((char *)theirs + sizeof(size_t), (const char *)ours + sizeof(size_t),
           known - sizeof(size_t));
    memset((char *)theirs + known, 0, versioned_size(theirs) - known);
}

#endif
