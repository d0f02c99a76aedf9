/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "waiting.h"

#include <time.h>

/* A signal may be delivered to another thread than the waiting one, which then has to look by
 * itself: this is how long Ctrl-C takes at worst. */
#define SLICE_NS ((int64_t)100 * 1000 * 1000)
#define NAP_NS (200 * 1000)

int64_t monotonic_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void wait_nap(void) {
    nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
}

static int64_t next_slice(int64_t start, int64_t timeout_ns) {
    if (timeout_ns == SHMRING_FOREVER)
        return SLICE_NS;
    int64_t left = timeout_ns - (monotonic_now() - start);
    if (left <= 0)
        return 0;
    return left < SLICE_NS ? left : SLICE_NS;
}

static bool is_over(int result, int64_t start, int64_t timeout_ns) {
    if (timeout_ns == SHMRING_FOREVER)
        return false;
    int64_t beyond = monotonic_now() - start - timeout_ns;
    return beyond >= (result == SHMRING_TIMEOUT ? 0 : SLICE_NS);
}

int wait_in_slices(wait_fn fn, stop_fn stop, void *arg, int64_t timeout_ns) {
    int64_t start = monotonic_now();
    for (;;) {
        int64_t slice = next_slice(start, timeout_ns);
        int result;
        Py_BEGIN_ALLOW_THREADS
        result = fn(arg, slice);
        Py_END_ALLOW_THREADS
        if (result != SHMRING_TIMEOUT && result != SHMRING_INTERRUPTED)
            return result;
        if (PyErr_CheckSignals() < 0)
            return WAIT_RAISED;
        int stopped = stop(arg);
        if (stopped)
            return stopped < 0 ? WAIT_RAISED : SHMRING_INTERRUPTED;
        if (is_over(result, start, timeout_ns))
            return SHMRING_TIMEOUT;
    }
}
