/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* "O&" converters of arguments: 1, or 0 with an exception. */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include "binding.h"

/* Seconds, or None for ever, to an int64_t of nanoseconds. */
int timeout_from_seconds(PyObject *seconds, void *timeout_ns);

/* Nanoseconds, or None, to an int64_t: SHMRING_TIME_NONE for None. */
int time_from_int(PyObject *time, void *time_ns);

/* To a uint32_t. */
int count_from_int(PyObject *object, void *count);

/* Frames a second (a number, or a tuple of numerator and denominator), or None, to the fps_num and
 * fps_den of a struct shmring_frame_info. */
int framerate_from_object(PyObject *framerate, void *info);

#endif
