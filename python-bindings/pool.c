/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool.h"

#include <stdlib.h>

#define ALIGNMENT 64

struct pool *pool_new(void) {
    struct pool *pool = calloc(1, sizeof(*pool));
    if (pool)
        pool->refs = 1;
    else
        PyErr_NoMemory();
    return pool;
}

struct pool *pool_ref(struct pool *pool) {
    pool->refs++;
    return pool;
}

static void empty(struct pool *pool) {
    while (pool->count > 0)
        free(pool->block[--pool->count]);
}

void pool_unref(struct pool *pool) {
    if (!pool || --pool->refs > 0)
        return;
    empty(pool);
    layout_unref(pool->layout);
    layout_unref(pool->tight);
    free(pool);
}

void *pool_take(struct pool *pool, size_t size) {
    if (pool->size != size)
        empty(pool);
    pool->size = size;
    void *block = pool->count > 0 ? pool->block[--pool->count]
                                  : aligned_alloc(ALIGNMENT, (size / ALIGNMENT + 1) * ALIGNMENT);
    if (!block)
        PyErr_NoMemory();
    return block;
}

void pool_put(struct pool *pool, void *block, size_t size) {
    if (size == pool->size && pool->count < sizeof(pool->block) / sizeof(*pool->block))
        pool->block[pool->count++] = block;
    else
        free(block);
}
