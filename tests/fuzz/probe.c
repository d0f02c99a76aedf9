/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether this clang can make a fuzz target. */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "clang 14 says no in 32 bits of x86");

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return data && size ? 0 : 0;
}
