/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool.h"

#include <stdlib.h>

#define BLOCKS 4
#define ALIGNMENT 64

struct pool {
    unsigned refs;
    size_t size; /* of each block */
    unsigned count;
    void *block[BLOCKS];
};

struct pool *pool_new(void) {
    struct pool *pool = calloc(1, sizeof(*pool));
    if (pool)
        pool->refs = 1;
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
    free(pool);
}

void *pool_take(struct pool *pool, size_t size) {
    if (pool->size != size)
        empty(pool);
    pool->size = size;
    if (pool->count > 0)
        return pool->block[--pool->count];
    return aligned_alloc(ALIGNMENT, (size / ALIGNMENT + 1) * ALIGNMENT);
}

void pool_put(struct pool *pool, void *block, size_t size) {
    if (size == pool->size && pool->count < BLOCKS)
        pool->block[pool->count++] = block;
    else
        free(block);
}
