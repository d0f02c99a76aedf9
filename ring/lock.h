/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Byte locks that belong to an open file (OFD locks): the kernel drops them when its last
 * descriptor is closed, so also at any death, and keeps them while the owner is stopped.
 */
#ifndef LOCK_H
#define LOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Takes a byte: 0, or -EAGAIN when another open file has it. FD must be open for writing. */
int lock_try(int fd, int64_t byte);
void lock_release(int fd, int64_t byte);

/* True when another open file has the byte. Only a file open for writing can have it: a reader of
 * the file cannot make the dead look alive. */
bool lock_is_held(int fd, int64_t byte);

#endif
