/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "error.h"

void process_name(char name[SHMRING_PROCESS_NAME]) {
    memset(name, 0, SHMRING_PROCESS_NAME);
    prctl(PR_GET_NAME, name);
    FILE *file = fopen("/proc/self/comm", "re"); /* of the process; prctl knows the thread's */
    if (!file)
        return;
    if (fgets(name, SHMRING_PROCESS_NAME, file))
        name[strcspn(name, "\n")] = 0;
    fclose(file);
}

void process_text(char text[SHMRING_PROCESS_NAME], const void *name) {
    memcpy(text, name, SHMRING_PROCESS_NAME - 1);
    text[SHMRING_PROCESS_NAME - 1] = 0;
    error_make_printable(text);
    if (!*text)
        text[0] = '?';
}
