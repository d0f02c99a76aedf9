/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of rings and the paths they stand for. */
#ifndef NAME_H
#define NAME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shmring.h"

/* Where Linux keeps POSIX shared memory; shm_open(3) has no link() and no rename(). */
#define SHM_DIR "/dev/shm"
/* "/dev/shm/" NAME "." instance ".ctl.new" NUL */
#define PATH_SIZE (sizeof SHM_DIR + 1 + SHMRING_MAX_NAME + 1 + 32 + 8)

struct ring_paths {
    char frames[PATH_SIZE]; /* /dev/shm/NAME */
    char ctl[PATH_SIZE];    /* /dev/shm/NAME.ctl */
};

/* Returns 0 or -EINVAL with the reason. */
int name_check(const char *name, struct shmring_error *error);

/* Paths of a ring's objects, and of the same while they are being made. NAME was checked. */
void name_paths(struct ring_paths *paths, const char *name);
void name_temporary_paths(struct ring_paths *paths, const char *name, const uint8_t instance[16]);

/* True while PATH is a name of that file. */
bool name_leads_to(const char *path, dev_t device, ino_t inode);

/* True when ENTRY, a file name in SHM_DIR, is a temporary name of ring NAME, or of any (NULL). */
bool name_is_leftover(const char *name, const char *entry);

#endif
