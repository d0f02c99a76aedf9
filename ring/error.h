/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef ERROR_H
#define ERROR_H

#include "shmring.h"

void error_write(struct shmring_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fills ERROR (NULL is allowed) and is CODE, a negative errno: a macro, so that analysers see that
 * it is not 0. */
#define error_set(error, code, ...)                                                                \
    ({                                                                                             \
        int code_ = (code);                                                                        \
        error_write(error, code_, __VA_ARGS__);                                                    \
        code_;                                                                                     \
    })

/* What others named, for an error or a terminal: '?' for all but printable ASCII. */
void error_make_printable(char *text);

#endif
