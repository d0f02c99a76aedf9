/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that copies were in: a fresh block of a frame's size costs more in page faults than the
 * copy itself. Shared by a reader and what it made; used under the GIL only.
 */
#ifndef POOL_H
#define POOL_H

#include <stddef.h>

struct pool;

/* NULL when there is no memory. */
struct pool *pool_new(void);
struct pool *pool_ref(struct pool *pool);
void pool_unref(struct pool *pool);

/* A block of SIZE bytes, or NULL when there is no memory. */
void *pool_take(struct pool *pool, size_t size);
void pool_put(struct pool *pool, void *block, size_t size);

#endif
