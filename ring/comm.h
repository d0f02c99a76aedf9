/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a process is called, for people. */
#ifndef COMM_H
#define COMM_H

#define COMM_SIZE 16

/* This process's; the calling thread's where /proc is not there. */
void comm_read(char comm[COMM_SIZE]);

/* Another's, out of shared memory, fit for a message. */
void comm_text(char text[COMM_SIZE + 1], const char comm[COMM_SIZE]);

#endif
