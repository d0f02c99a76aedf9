/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SHM_H
#define SHM_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mount.h>

#include "name.h"

/* A /dev/shm that this process, and its children, have alone. False: not here. */
static inline bool mount_shm(const char *options) {
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", SHM_DIR, "tmpfs", 0, options) == 0;
}

#endif
