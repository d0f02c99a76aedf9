/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>

static struct flock one_byte(short type, int64_t byte) {
    /* l_pid must be 0 for OFD locks, fcntl(2). */
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
}

int lock_try(int fd, int64_t byte) {
    struct flock lock = one_byte(F_WRLCK, byte);
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    return errno == EACCES ? -EAGAIN : -errno;
}

void lock_release(int fd, int64_t byte) {
    struct flock lock = one_byte(F_UNLCK, byte);
    fcntl(fd, F_OFD_SETLK, &lock);
}

bool lock_is_held(int fd, int64_t byte) {
    /* Asking for a read lock meets write locks only. */
    struct flock lock = one_byte(F_RDLCK, byte);
    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}
