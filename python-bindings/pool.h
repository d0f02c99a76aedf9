/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a reader or writer shares with the frames it made: memory that copies were in (a fresh block
 * of a frame's size costs more in page faults than the copy itself), and the layouts of the last
 * frame. Used under the GIL only.
 */
#ifndef POOL_H
#define POOL_H

#include "layout.h"

struct pool {
    unsigned refs;
    struct layout *layout, *tight; /* the last ones, or NULL */
    size_t size;                   /* of each block */
    unsigned count;
    void *block[4];
};

/* NULL with an exception when there is no memory. */
struct pool *pool_new(void);
struct pool *pool_ref(struct pool *pool);
/* NULL is allowed. */
void pool_unref(struct pool *pool);

/* A block of SIZE bytes, or NULL with an exception when there is no memory. */
void *pool_take(struct pool *pool, size_t size);
void pool_put(struct pool *pool, void *block, size_t size);

#endif
