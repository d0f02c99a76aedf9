/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#include "segment.h"

/* Two a segment. Memory that no segment needed is never touched. */
#define GUARDS 4096

/* Read by a signal handler: there is no lock that it could take. */
static struct {
    _Atomic uintptr_t begin; /* 0: of no mapping; last to be stored, first to be cleared */
    _Atomic size_t size;     /* 0: free */
    _Atomic int protection;
    _Atomic bool was_cut;
} guards[GUARDS];

int guard_add(void *begin, size_t size, int protection) {
    for (int i = 0; i < GUARDS; i++) {
        size_t free_size = 0;
        if (!atomic_compare_exchange_strong_explicit(&guards[i].size, &free_size, size,
                                                     memory_order_relaxed, memory_order_relaxed))
            continue;
        atomic_store_explicit(&guards[i].protection, protection, memory_order_relaxed);
        atomic_store_explicit(&guards[i].was_cut, false, memory_order_relaxed);
        /* Release: whose address it is sees the rest. */
        atomic_store_explicit(&guards[i].begin, (uintptr_t)begin, memory_order_release);
        return i;
    }
    return GUARD_NONE;
}

void guard_remove(int guard) {
    if (guard == GUARD_NONE)
        return;
    atomic_store_explicit(&guards[guard].begin, 0, memory_order_relaxed);
    /* Release: who gets it next finds it without an address. */
    atomic_store_explicit(&guards[guard].size, 0, memory_order_release);
}

bool guard_was_cut(int guard) {
    return guard != GUARD_NONE &&
           atomic_load_explicit(&guards[guard].was_cut, memory_order_relaxed);
}

static int find(uintptr_t address) {
    for (int i = 0; i < GUARDS; i++) {
        uintptr_t begin = atomic_load_explicit(&guards[i].begin, memory_order_acquire);
        size_t size = atomic_load_explicit(&guards[i].size, memory_order_relaxed);
        if (begin && address >= begin && address - begin < size)
            return i;
    }
    return GUARD_NONE;
}

/* All of it: half a ring is none. */
static bool replace(int guard) {
    uintptr_t begin = atomic_load_explicit(&guards[guard].begin, memory_order_relaxed);
    size_t size = atomic_load_explicit(&guards[guard].size, memory_order_relaxed);
    int protection = atomic_load_explicit(&guards[guard].protection, memory_order_relaxed);
    atomic_store_explicit(&guards[guard].was_cut, true, memory_order_relaxed);
    return mmap((void *)begin, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
           MAP_FAILED;
}

/* ---- The handler ---- */

static struct sigaction before;

/* Back in the program, it happens once more, or the signal waits: then it dies as ever. */
static void die_of(int signal) {
    struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigaction(signal, &by_default, NULL);
    raise(signal);
}

static void pass_on(int signal, siginfo_t *info, void *context) {
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(signal, info, context);
    else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN)
        die_of(signal);
    else
        before.sa_handler(signal);
}

static void on_bus_error(int signal, siginfo_t *info, void *context) {
    int error = errno;
    int guard = info->si_code == BUS_ADRERR ? find((uintptr_t)info->si_addr) : GUARD_NONE;
    if (guard == GUARD_NONE || !replace(guard))
        pass_on(signal, info, context);
    errno = error;
}

static void install(void) {
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, NULL, &before);
    sigaction(SIGBUS, &action, NULL);
}

void shmring_guard(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
}
