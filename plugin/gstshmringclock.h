/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running times of one pipeline as times of CLOCK_MONOTONIC, which every
 * process shares. */
#ifndef GST_SHM_RING_CLOCK_H
#define GST_SHM_RING_CLOCK_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* The time of CLOCK_MONOTONIC at which ELEMENT's running time is 0, in *ORIGIN.
 * False: it has no clock, so its times have no place in the world. */
gboolean gst_shm_ring_clock_origin (
    GstElement *element, GstClockTimeDiff *origin);

/* CLOCK_REALTIME minus CLOCK_MONOTONIC, now. */
GstClockTimeDiff gst_shm_ring_clock_wall_offset (void);

G_END_DECLS

#endif
