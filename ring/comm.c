/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "comm.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

void comm_read(char comm[COMM_SIZE]) {
    memset(comm, 0, COMM_SIZE);
    prctl(PR_GET_NAME, comm);
    FILE *file = fopen("/proc/self/comm", "re"); /* of the process; prctl knows the thread's */
    if (!file)
        return;
    if (fgets(comm, COMM_SIZE, file))
        comm[strcspn(comm, "\n")] = 0;
    fclose(file);
}

void comm_text(char text[COMM_SIZE + 1], const char comm[COMM_SIZE]) {
    memcpy(text, comm, COMM_SIZE);
    text[COMM_SIZE] = 0;
    for (char *c = text; *c; c++)
        *c = isprint((unsigned char)*c) ? *c : '?';
}
