/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waits that leave the other threads running and that Ctrl-C ends. */
#ifndef WAITING_H
#define WAITING_H

#include "binding.h"

/* Waits at most SLICE ns and returns an enum shmring_result or a negative errno. Called without the
 * GIL; SHMRING_INTERRUPTED: there may be more at once, so it is called again for up to a slice
 * beyond the timeout. */
typedef int (*wait_fn)(void *arg, int64_t slice_ns);

enum { WAIT_RAISED = -65536 }; /* apart from every -errno */

/* Called with the GIL: whether the wait is to end; -1: it raised. */
typedef int (*stop_fn)(void *arg);

/* Calls FN until it returns something else than SHMRING_TIMEOUT and SHMRING_INTERRUPTED, the
 * timeout passed (SHMRING_TIMEOUT), STOP says so (SHMRING_INTERRUPTED), or it or a signal handler
 * raised (WAIT_RAISED). */
int wait_in_slices(wait_fn fn, stop_fn stop, void *arg, int64_t timeout_ns);

/* Without the GIL: lets a thread go on that nobody can be told of. */
void wait_nap(void);

int64_t monotonic_now(void);

#endif
