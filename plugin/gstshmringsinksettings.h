/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a sink makes its ring, and the properties that say it. Their numbers are
 * GstShmRingSinkSetting's; the element's own properties come after them.
 */
#ifndef GST_SHM_RING_SINK_SETTINGS_H
#define GST_SHM_RING_SINK_SETTINGS_H

#include <gst/gst.h>

#include "shmring.h"

G_BEGIN_DECLS

typedef struct {
  gchar *ring_name;                      /* NULL: the element's */
  struct shmring_writer_options options; /* slot_size 0: what the caps need */
  gboolean wait_for_connection;
  GstClockTime timeout;
} GstShmRingSinkSettings;

typedef enum {
  GST_SHM_RING_SINK_SETTING_RING_NAME = 1,
  GST_SHM_RING_SINK_SETTING_SLOTS,
  GST_SHM_RING_SINK_SETTING_SLOT_SIZE,
  GST_SHM_RING_SINK_SETTING_MAX_READERS,
  GST_SHM_RING_SINK_SETTING_PERMS,
  GST_SHM_RING_SINK_SETTING_WAIT_FOR_CONNECTION,
  GST_SHM_RING_SINK_SETTING_TIMEOUT,
  GST_SHM_RING_SINK_SETTING_END,
} GstShmRingSinkSetting;

void gst_shm_ring_sink_settings_init (GstShmRingSinkSettings *self);
void gst_shm_ring_sink_settings_clear (GstShmRingSinkSettings *self);

void gst_shm_ring_sink_settings_install (GObjectClass *klass);

/* False: ID is not one of theirs. */
gboolean gst_shm_ring_sink_settings_set (
    GstShmRingSinkSettings *self, guint id, const GValue *value);
gboolean gst_shm_ring_sink_settings_get (
    const GstShmRingSinkSettings *self, guint id, GValue *value);

G_END_DECLS

#endif
