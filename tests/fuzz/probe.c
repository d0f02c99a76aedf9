/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether this clang can make a fuzz target. */
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return data && size ? 0 : 0;
}
