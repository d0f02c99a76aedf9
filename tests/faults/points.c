/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "points.h"

#include <signal.h>
#include <unistd.h>

void __sanitizer_cov_trace_pc(void);

static struct {
    uint64_t at, count;
    int signal;
    bool armed;
} chosen;

void fault_choose(uint64_t at, int signal) {
    chosen.at = at;
    chosen.count = 0;
    chosen.signal = signal;
}

void fault_arm(bool armed) {
    chosen.armed = armed;
}

uint64_t fault_count(void) {
    return chosen.count;
}

void fault_point(void) {
    if (chosen.armed && ++chosen.count == chosen.at)
        kill(getpid(), chosen.signal);
}

void __sanitizer_cov_trace_pc(void) {
    fault_point();
}
