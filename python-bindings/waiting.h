/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waits that leave the other threads running and that Ctrl-C ends. */
#ifndef WAITING_H
#define WAITING_H

#include "binding.h"

/* Waits at most SLICE ns and returns an enum shmring_result or a negative errno. Called without the
 * GIL; SHMRING_INTERRUPTED makes it be called again. */
typedef int (*wait_fn)(void *arg, int64_t slice_ns);

enum { WAIT_RAISED = -65536 }; /* apart from every -errno */

/* Calls FN until it returns something else than SHMRING_TIMEOUT and SHMRING_INTERRUPTED, the
 * timeout passed (SHMRING_TIMEOUT), *STOP is set (SHMRING_INTERRUPTED), or a signal handler raised
 * (WAIT_RAISED). */
int wait_in_slices(wait_fn fn, void *arg, int64_t timeout_ns, const bool *stop);

int64_t monotonic_now(void);

#endif
