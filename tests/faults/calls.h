/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Included before each source of the ring when it is built for the test of failing calls: each call
 * of libc or the kernel that can fail asks first whether it fails this time, and what the ring gets
 * of memory and streams is counted. What a program lets go of is gone even if the call says no.
 */
#ifndef CALLS_H
#define CALLS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The call AT, counted from here and over all armed times, fails with the error WHICH of those it
 * can have. */
void call_choose(unsigned at, unsigned which);
void call_arm(bool armed);
/* What failed, as "open: EMFILE", or NULL: no call was AT, or it has no error WHICH. */
const char *call_failed(void);
/* Of the call that was AT, or 0: there was none. */
unsigned call_errors(void);
int call_error(void);
/* Memory and streams that the ring has now. */
int call_balance(void);

/* Asked by the calls below. True: it fails, and errno says how. */
bool call_fails(const char *name);
void *call_keep(void *got);
void *call_drop(void *had);

#define FAILS(name, result, real) (call_fails(name) ? (result) : (real))
#define DONE(name, real)                                                                           \
    ({                                                                                             \
        int done_ = (real);                                                                        \
        call_fails(name) ? -1 : done_;                                                             \
    })

#define open(...) FAILS("open", -1, open(__VA_ARGS__))
#define close(fd) DONE("close", close(fd))
#define fstat(fd, status) FAILS("fstat", -1, fstat(fd, status))
#define stat(path, status) FAILS("stat", -1, stat(path, status))
#define lstat(path, status) FAILS("stat", -1, lstat(path, status))
#define statvfs(path, status) FAILS("statvfs", -1, statvfs(path, status))
#define fstatvfs(fd, status) FAILS("statvfs", -1, fstatvfs(fd, status))
#define fchmod(fd, mode) FAILS("fchmod", -1, fchmod(fd, mode))
#define fcntl(...) FAILS("fcntl", -1, fcntl(__VA_ARGS__))
#define mmap(...) FAILS("mmap", MAP_FAILED, mmap(__VA_ARGS__))
#define munmap(at, size) DONE("munmap", munmap(at, size))
#define madvise(...) FAILS("madvise", -1, madvise(__VA_ARGS__))
#define pread(...) FAILS("pread", errno ? -1 : 0, pread(__VA_ARGS__))
#define posix_fallocate(...) FAILS("posix_fallocate", errno, posix_fallocate(__VA_ARGS__))
#define fallocate(...) FAILS("fallocate", -1, fallocate(__VA_ARGS__))
#define link(from, to) FAILS("link", -1, link(from, to))
#define unlink(path) FAILS("unlink", -1, unlink(path))
#define rename(from, to) FAILS("rename", -1, rename(from, to))
#define renameat2(...) FAILS("renameat2", -1, renameat2(__VA_ARGS__))
#define getrandom(...) FAILS("getrandom", -1, getrandom(__VA_ARGS__))
#define getpwuid_r(...) FAILS("getpwuid_r", errno, getpwuid_r(__VA_ARGS__))
#define pthread_atfork(...) FAILS("pthread_atfork", errno, pthread_atfork(__VA_ARGS__))
#define syscall(...) FAILS("futex", -1, syscall(__VA_ARGS__))
#define readdir(directory) FAILS("readdir", NULL, readdir(directory))
#define opendir(path) call_keep(FAILS("opendir", NULL, opendir(path)))
#define closedir(directory) closedir(call_drop(directory))
#define fopen(...) call_keep(FAILS("fopen", NULL, fopen(__VA_ARGS__)))
#define fgets(...) FAILS("fgets", NULL, fgets(__VA_ARGS__))
#define fclose(file) fclose(call_drop(file))
#define malloc(size) call_keep(FAILS("malloc", NULL, malloc(size)))
#define calloc(...) call_keep(FAILS("malloc", NULL, calloc(__VA_ARGS__)))
#define aligned_alloc(...) call_keep(FAILS("malloc", NULL, aligned_alloc(__VA_ARGS__)))
#define free(memory) free(call_drop(memory))

#endif
