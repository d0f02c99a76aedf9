/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running times of one pipeline as times of CLOCK_MONOTONIC, which every
 * process shares. */
#ifndef GST_SHM_RING_CLOCK_H
#define GST_SHM_RING_CLOCK_H

#include <gst/gst.h>
#include <time.h>

#include "shmring.h"

G_BEGIN_DECLS

/* CLOCK_MONOTONIC, now. */
static inline gint64
gst_shm_ring_clock_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return GST_TIMESPEC_TO_TIME (now);
}

/* The time of CLOCK_MONOTONIC at which ELEMENT's running time is 0. False: it
 * has no clock, so its times have no place in the world. */
gboolean gst_shm_ring_clock_origin (GstElement *element, gint64 *origin);

G_END_DECLS

#endif
