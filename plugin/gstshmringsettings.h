/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a source reads its ring, and the properties that say it. Their numbers
 * are GstShmRingSetting's; the element's own properties come after them.
 */
#ifndef GST_SHM_RING_SETTINGS_H
#define GST_SHM_RING_SETTINGS_H

#include <gst/gst.h>

#include "shmring.h"

G_BEGIN_DECLS

typedef enum {
  GST_SHM_RING_ON_DISCONNECT_AUTO,
  GST_SHM_RING_ON_DISCONNECT_EOS,
  GST_SHM_RING_ON_DISCONNECT_ERROR,
  GST_SHM_RING_ON_DISCONNECT_WAIT,
} GstShmRingOnDisconnect;

typedef struct {
  gchar *ring_name; /* NULL: the element's */
  struct shmring_reader_options options;
  GstClockTime connection_timeout;
  GstClockTime timeout;
  GstClockTime first_timeout; /* for the ring and the first frame together */
  GstShmRingOnDisconnect on_disconnect;
} GstShmRingSettings;

typedef enum {
  GST_SHM_RING_SETTING_RING_NAME = 1,
  GST_SHM_RING_SETTING_LEAKY_TYPE,
  GST_SHM_RING_SETTING_MAX_BUFFERS,
  GST_SHM_RING_SETTING_LEASE,
  GST_SHM_RING_SETTING_CONNECTION_TIMEOUT,
  GST_SHM_RING_SETTING_TIMEOUT,
  GST_SHM_RING_SETTING_ON_DISCONNECT,
  GST_SHM_RING_SETTING_END,
} GstShmRingSetting;

void gst_shm_ring_settings_install (GObjectClass *klass);
void gst_shm_ring_settings_init (GstShmRingSettings *self);
void gst_shm_ring_settings_clear (GstShmRingSettings *self);

/* False: no setting of that number. */
gboolean gst_shm_ring_settings_set (
    GstShmRingSettings *self, guint id, const GValue *value);
gboolean gst_shm_ring_settings_get (
    const GstShmRingSettings *self, guint id, GValue *value);

G_END_DECLS

#endif
