/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a handle's mutex, in a child of fork() too. */
#ifndef MUTEX_H
#define MUTEX_H

#include <pthread.h>

/* Another thread of the parent may have had it when it forked: here nobody gives it back, and a
 * mutex that somebody has must not be destroyed. */
static inline void mutex_end(pthread_mutex_t *mutex) {
    if (pthread_mutex_trylock(mutex) != 0)
        return;
    pthread_mutex_unlock(mutex);
    pthread_mutex_destroy(mutex);
}

#endif
