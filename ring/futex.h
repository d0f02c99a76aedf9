/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sleeping on a word of shared memory, and the times that bound it. */
#ifndef FUTEX_H
#define FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

int64_t monotonic_ns(void);
int64_t realtime_ns(void);

/* Since THEN, which another process wrote: any number. */
static inline int64_t elapsed_ns(int64_t then) {
    return (int64_t)((uint64_t)monotonic_ns() - (uint64_t)then);
}

/* The moment a timeout that starts now ends; INT64_MAX for SHMRING_FOREVER. */
int64_t deadline_after(int64_t timeout_ns);
/* What is left until it, at most LONGEST; 0 when it passed. */
int64_t deadline_left(int64_t deadline, int64_t longest_ns);

void futex_wake_all(_Atomic uint32_t *word);

/*
 * Sleeps until WORD no longer holds VALUE, INTERRUPT (a word of this process, raised from 0) is
 * raised, or the timeout passes. Returns 0, -EINTR after a signal handler, or -EFAULT when WORD's
 * file was cut off. May return 0 early: the caller looks again. WORD may be mapped read-only.
 */
int futex_wait(const _Atomic uint32_t *word, uint32_t value, const _Atomic uint32_t *interrupt,
               int64_t timeout_ns);

/* Raises bits of an interrupt word and wakes its sleepers. To lower them, clear them. */
void futex_interrupt(_Atomic uint32_t *interrupt, uint32_t bits);

#endif
