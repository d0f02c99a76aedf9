/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "calls.h"

#define MOST_ERRORS 16

/* As their manual pages have them; 0 is a short read. */
static const struct call {
    const char *name;
    int errors[MOST_ERRORS];
    unsigned count;
} calls[] = {
    {"open",
     {EACCES, EEXIST, EINTR, ELOOP, EMFILE, ENFILE, ENOENT, ENOMEM, ENOSPC, EROFS, EISDIR, ENXIO,
      EPERM},
     13},
    {"close", {EINTR, EIO}, 2},
    {"fstat", {EIO, ENOMEM}, 2},
    {"stat", {EACCES, ENOENT, ENOMEM}, 3},
    {"statvfs", {EIO, ENOSYS, EINTR}, 3},
    {"fchmod", {EPERM, EROFS, EIO}, 3},
    {"fcntl", {EAGAIN, EACCES, ENOLCK, EINVAL}, 4},
    {"mmap", {ENOMEM, EACCES, EAGAIN, EPERM, ENODEV}, 5},
    {"munmap", {ENOMEM}, 1},
    {"madvise", {ENOMEM, EINVAL}, 2},
    {"pread", {EIO, EINTR, 0}, 3},
    {"posix_fallocate", {ENOSPC, EINTR, EFBIG, ENODEV, EINVAL}, 5},
    {"fallocate", {EINTR, EOPNOTSUPP, ENOSPC, EPERM}, 4},
    {"link", {EACCES, EEXIST, EMLINK, ENOENT, ENOMEM, ENOSPC, EPERM, EROFS}, 8},
    {"unlink", {EACCES, ENOENT, EPERM, EROFS, EBUSY}, 5},
    {"rename", {EACCES, ENOENT, ENOMEM, ENOSPC, EPERM, EROFS, EISDIR}, 7},
    {"renameat2", {EACCES, ENOENT, ENOMEM, ENOSPC, EPERM, EROFS, EINVAL, ENOSYS}, 8},
    {"getrandom", {EINTR, ENOSYS, EAGAIN}, 3},
    {"getpwuid_r", {EIO, EMFILE, ENOMEM, ERANGE}, 4},
    {"pthread_atfork", {ENOMEM}, 1},
    {"futex", {ENOSYS, EPERM, EINTR, EAGAIN, ETIMEDOUT, ENOMEM}, 6},
    {"readdir", {EBADF, EOVERFLOW}, 2},
    {"opendir", {EACCES, EMFILE, ENFILE, ENOENT, ENOMEM}, 5},
    {"fopen", {EACCES, EMFILE, ENFILE, ENOENT, ENOMEM}, 5},
    {"fgets", {EIO, EINTR, ENOMEM}, 3},
    {"malloc", {ENOMEM}, 1},
};

static struct {
    unsigned at, which, count, errors;
    int error;
    bool armed;
    char text[64];
} chosen;

static _Atomic int balance;

void call_choose(unsigned at, unsigned which) {
    chosen.at = at;
    chosen.which = which;
    chosen.count = chosen.errors = 0;
    chosen.error = 0;
    chosen.armed = false;
    chosen.text[0] = 0;
}

void call_arm(bool armed) {
    chosen.armed = armed;
}

const char *call_failed(void) {
    return chosen.text[0] ? chosen.text : NULL;
}

unsigned call_errors(void) {
    return chosen.errors;
}

int call_error(void) {
    return chosen.error;
}

int call_balance(void) {
    return balance;
}

static const struct call *find(const char *name) {
    const struct call *call = calls;
    while (strcmp(call->name, name) != 0)
        call++;
    return call;
}

bool call_fails(const char *name) {
    if (!chosen.armed || ++chosen.count != chosen.at)
        return false;
    const struct call *call = find(name);
    chosen.errors = call->count;
    if (chosen.which >= call->count)
        return false;
    chosen.error = errno = call->errors[chosen.which];
    snprintf(chosen.text, sizeof chosen.text, "%s: %s", name,
             chosen.error ? strerror(chosen.error) : "short");
    return true;
}

void *call_keep(void *got) {
    balance += got != NULL;
    return got;
}

void *call_drop(void *had) {
    balance -= had != NULL;
    return had;
}
