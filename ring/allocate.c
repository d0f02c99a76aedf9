/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "allocate.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/statvfs.h>
#include <time.h>

/* Kernels before 6.9 undo a piece at any signal and say EINTR: a piece takes less time than there
 * is between two ticks of a fast timer. */
#define PIECE (UINT64_C(4) << 20)
/* In a row, of one piece. */
#define ATTEMPTS 1000

static int allocate_piece(int fd, uint64_t offset, uint64_t size) {
    int result, attempts = ATTEMPTS;
    do
        result = posix_fallocate(fd, (off_t)offset, (off_t)size);
    while (result == EINTR && --attempts);
    return -result;
}

static int allocate_pieces(int fd, uint64_t offset, uint64_t size) {
    int result = 0;
    for (uint64_t done = 0; done < size && result == 0; done += PIECE)
        result = allocate_piece(fd, offset + done, size - done < PIECE ? size - done : PIECE);
    return result;
}

/* One that came meanwhile. */
static void take_signal(const sigset_t *signals) {
    static const struct timespec now;
    sigtimedwait(signals, NULL, &now);
}

/* Asked at once: piece by piece, what cannot be had would first take all that there is from
 * everybody else. */
bool allocate_has_room(int fd, uint64_t size) {
    struct statvfs shm;
    return fstatvfs(fd, &shm) < 0 || shm.f_blocks == 0 ||
           size / shm.f_frsize <= (uint64_t)shm.f_bavail;
}

/* Beyond RLIMIT_FSIZE the kernel sends SIGXFSZ, which would end the program instead of telling it.
 */
int allocate_range(int fd, uint64_t offset, uint64_t size) {
    sigset_t limit, before, pending;
    sigemptyset(&limit);
    sigaddset(&limit, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &limit, &before);
    int result = allocate_pieces(fd, offset, size);
    bool is_ours = result == -EFBIG && !sigismember(&before, SIGXFSZ);
    if (is_ours && sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ))
        take_signal(&limit);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}
