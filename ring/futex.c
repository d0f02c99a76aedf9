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

/* The kernel's, also where the headers are older than 5.16: asm-generic/unistd.h. */
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#define WAIT_SIZE_U32 2 /* FUTEX2_SIZE_U32, FUTEX_32 */

struct wait_word { /* struct futex_waitv */
    uint64_t value, address;
    uint32_t flags, reserved;
};

/* struct __kernel_timespec; 32-bit kernels take it by a call of its own. */
struct wait_time {
    int64_t seconds, nanoseconds;
};
#if __SIZEOF_LONG__ == 4
#define SYS_FUTEX_TIME64 SYS_futex_time64
#else
#define SYS_FUTEX_TIME64 SYS_futex
#endif

static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static struct wait_time wait_time_of(int64_t ns) {
    return (struct wait_time){.seconds = ns / 1000000000, .nanoseconds = ns % 1000000000};
}

int64_t monotonic_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t realtime_ns(void) {
    return clock_ns(CLOCK_REALTIME);
}

int64_t deadline_after(int64_t timeout_ns) {
    if (timeout_ns < 0)
        return INT64_MAX;
    int64_t now = monotonic_ns();
    return timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
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

static int wait_result(long waited) {
    if (waited >= 0 || (errno != EINTR && errno != EFAULT))
        return 0;
    return -errno;
}

static int wait_blind(const _Atomic uint32_t *word, uint32_t value, int64_t timeout_ns) {
    struct wait_time slice =
        wait_time_of(timeout_ns < BLIND_SLICE_NS ? timeout_ns : BLIND_SLICE_NS);
    return wait_result(syscall(SYS_FUTEX_TIME64, word, FUTEX_WAIT, value, &slice, NULL, 0));
}

int futex_wait(const _Atomic uint32_t *word, uint32_t value, const _Atomic uint32_t *interrupt,
               int64_t timeout_ns) {
    struct wait_word words[2] = {
        {.value = value, .address = (uintptr_t)word, .flags = WAIT_SIZE_U32},
        {.address = (uintptr_t)interrupt, .flags = WAIT_SIZE_U32 | FUTEX_PRIVATE_FLAG},
    };
    struct wait_time end = wait_time_of(monotonic_ns() + timeout_ns);
    long waited = syscall(SYS_futex_waitv, words, 2, 0, &end, CLOCK_MONOTONIC);
    if (waited < 0 && (errno == ENOSYS || errno == EPERM))
        return wait_blind(word, value, timeout_ns);
    return wait_result(waited);
}

void futex_interrupt(_Atomic uint32_t *interrupt, uint32_t bits) {
    /* Release: who sees the interrupt sees why it was raised. */
    atomic_fetch_or_explicit(interrupt, bits, memory_order_release);
    syscall(SYS_futex, interrupt, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
