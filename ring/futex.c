/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "futex.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shmring.h"

/* Without futex_waitv(2) (Linux < 5.16) a sleeper may miss an interrupt that comes just before it
 * sleeps; it then notices after this long. */
#define BLIND_SLICE_NS 10000000

static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static struct timespec timespec_of(int64_t ns) {
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

int64_t monotonic_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t realtime_ns(void) {
    return clock_ns(CLOCK_REALTIME);
}

int64_t deadline_after(int64_t timeout_ns) {
    int64_t now = monotonic_ns();
    return timeout_ns < 0 || timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
}

int64_t deadline_left(int64_t deadline, int64_t longest_ns) {
    if (deadline == INT64_MAX)
        return longest_ns;
    int64_t left = deadline - monotonic_ns();
    if (left <= 0)
        return 0;
    return left < longest_ns ? left : longest_ns;
}

void futex_wake_all(_Atomic uint32_t *word) {
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static int wait_blind(const _Atomic uint32_t *word, uint32_t value, int64_t timeout_ns) {
    struct timespec slice = timespec_of(timeout_ns < BLIND_SLICE_NS ? timeout_ns : BLIND_SLICE_NS);
    if (syscall(SYS_futex, word, FUTEX_WAIT, value, &slice, NULL, 0) < 0 && errno == EINTR)
        return -EINTR;
    return 0;
}

int futex_wait(const _Atomic uint32_t *word, uint32_t value, const _Atomic uint32_t *interrupt,
               int64_t timeout_ns) {
    struct futex_waitv waiters[2] = {
        {.val = value, .uaddr = (uintptr_t)word, .flags = FUTEX_32},
        {.val = 0, .uaddr = (uintptr_t)interrupt, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG},
    };
    struct timespec end = timespec_of(monotonic_ns() + timeout_ns);
    if (syscall(SYS_futex_waitv, waiters, 2, 0, &end, CLOCK_MONOTONIC) >= 0)
        return 0;
    if (errno == EINTR)
        return -EINTR;
    if (errno == ENOSYS || errno == EPERM)
        return wait_blind(word, value, timeout_ns);
    return 0;
}

void futex_interrupt(_Atomic uint32_t *interrupt, int raised, const _Atomic uint32_t *word) {
    /* Release: who sees the interrupt sees why it was raised. */
    atomic_store_explicit(interrupt, (uint32_t)raised, memory_order_release);
    if (!raised)
        return;
    syscall(SYS_futex, interrupt, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    if (word)
        syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
