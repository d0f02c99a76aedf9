/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Included before each source of the ring when it is built for tests/faults: each load, store and
 * change of an atomic word is a step, and so is each block of code (the compiler's trace-pc), which
 * a compare-and-swap has. At the step that is chosen the process is hit.
 */
#ifndef POINTS_H
#define POINTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

void fault_point(void);

/* At step AT, counted from now and over all armed times, HIT is called. With BETWEEN_FORKS at the
 * first from there on at which the ring does not hold off fork(). */
void fault_choose(uint64_t at, void (*hit)(void), bool between_forks);
void fault_arm(bool armed);
/* Steps so far. */
uint64_t fault_count(void);

int fault_lock(pthread_mutex_t *mutex, const char *name);
int fault_unlock(pthread_mutex_t *mutex, const char *name);
#define pthread_mutex_lock(mutex) fault_lock(mutex, #mutex)
#define pthread_mutex_unlock(mutex) fault_unlock(mutex, #mutex)

/* What takes an _Atomic has other names in clang. */
#ifdef __clang__
#define POINTS_ATOMIC_LOAD __c11_atomic_load
#define POINTS_ATOMIC_STORE __c11_atomic_store
#define POINTS_ATOMIC_FETCH(change) __c11_atomic_fetch_##change
#else
#define POINTS_ATOMIC_LOAD __atomic_load_n
#define POINTS_ATOMIC_STORE __atomic_store_n
#define POINTS_ATOMIC_FETCH(change) __atomic_fetch_##change
#endif
#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_and_explicit
#undef atomic_fetch_or_explicit
#define atomic_load_explicit(object, order) (fault_point(), POINTS_ATOMIC_LOAD(object, order))
#define atomic_store_explicit(object, value, order)                                                \
    (fault_point(), POINTS_ATOMIC_STORE(object, value, order))
#define atomic_fetch_add_explicit(object, value, order)                                            \
    (fault_point(), POINTS_ATOMIC_FETCH(add)(object, value, order))
#define atomic_fetch_sub_explicit(object, value, order)                                            \
    (fault_point(), POINTS_ATOMIC_FETCH(sub)(object, value, order))
#define atomic_fetch_and_explicit(object, value, order)                                            \
    (fault_point(), POINTS_ATOMIC_FETCH(and)(object, value, order))
#define atomic_fetch_or_explicit(object, value, order)                                             \
    (fault_point(), POINTS_ATOMIC_FETCH(or)(object, value, order))

#endif
