/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef ERROR_H
#define ERROR_H

#include "shmring.h"

/* Fills ERROR (NULL is allowed) and returns CODE, a negative errno. */
int error_set(struct shmring_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
