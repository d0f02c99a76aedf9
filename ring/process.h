/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a process is called, for people. */
#ifndef PROCESS_H
#define PROCESS_H

#include "shmring.h"

/* This process's; the calling thread's where /proc is not there. */
void process_name(char name[SHMRING_PROCESS_NAME]);

/* Another's, out of shared memory, as text of ASCII; "?" when it is empty. */
void process_text(char text[SHMRING_PROCESS_NAME], const void *name);

#endif
