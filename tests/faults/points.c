/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "points.h"

#include <string.h>

#undef pthread_mutex_lock
#undef pthread_mutex_unlock

void __sanitizer_cov_trace_pc(void);

static struct {
    uint64_t at, count;
    void (*hit)(void);
    bool armed, between_forks, holds_forks;
} chosen;

void fault_choose(uint64_t at, void (*hit)(void), bool between_forks) {
    chosen.at = at;
    chosen.count = 0;
    chosen.hit = hit;
    chosen.between_forks = between_forks;
}

void fault_arm(bool armed) {
    chosen.armed = armed;
}

uint64_t fault_count(void) {
    return chosen.count;
}

void fault_point(void) {
    if (!chosen.armed || ++chosen.count < chosen.at || !chosen.hit ||
        (chosen.between_forks && chosen.holds_forks))
        return;
    void (*hit)(void) = chosen.hit;
    chosen.hit = NULL;
    hit();
}

/* What the ring's handler of fork() takes. */
static bool holds_off_forks(const char *name) {
    return strcmp(name, "&registry_mutex") == 0;
}

int fault_lock(pthread_mutex_t *mutex, const char *name) {
    chosen.holds_forks = chosen.holds_forks || holds_off_forks(name);
    return pthread_mutex_lock(mutex);
}

int fault_unlock(pthread_mutex_t *mutex, const char *name) {
    int result = pthread_mutex_unlock(mutex);
    chosen.holds_forks = chosen.holds_forks && !holds_off_forks(name);
    return result;
}

void __sanitizer_cov_trace_pc(void) {
    fault_point();
}
