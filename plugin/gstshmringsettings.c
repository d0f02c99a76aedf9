/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringsettings.h"

#include "gstshmringenums.h"

void
gst_shm_ring_settings_init (GstShmRingSettings *self)
{
  const struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;

  self->options = options;
  self->connection_timeout = GST_CLOCK_TIME_NONE;
  self->timeout = GST_CLOCK_TIME_NONE;
  self->first_timeout = GST_CLOCK_TIME_NONE;
}

void
gst_shm_ring_settings_clear (GstShmRingSettings *self)
{
  g_clear_pointer (&self->ring_name, g_free);
}

gboolean
gst_shm_ring_settings_set (
    GstShmRingSettings *self, guint id, const GValue *value)
{
  switch (id) {
    case GST_SHM_RING_SETTING_RING_NAME:
      g_free (self->ring_name);
      self->ring_name = g_value_dup_string (value);
      return TRUE;
    case GST_SHM_RING_SETTING_LEAKY_TYPE:
      self->options.mode = g_value_get_enum (value);
      return TRUE;
    case GST_SHM_RING_SETTING_MAX_BUFFERS:
      self->options.depth = g_value_get_uint (value);
      return TRUE;
    case GST_SHM_RING_SETTING_LEASE:
      self->options.lease = g_value_get_uint (value);
      return TRUE;
    case GST_SHM_RING_SETTING_CONNECTION_TIMEOUT:
      self->connection_timeout = g_value_get_uint64 (value);
      return TRUE;
    case GST_SHM_RING_SETTING_TIMEOUT:
      self->timeout = g_value_get_uint64 (value);
      return TRUE;
    case GST_SHM_RING_SETTING_ON_DISCONNECT:
      self->on_disconnect = g_value_get_enum (value);
      return TRUE;
    default:
      return FALSE;
  }
}

gboolean
gst_shm_ring_settings_get (
    const GstShmRingSettings *self, guint id, GValue *value)
{
  switch (id) {
    case GST_SHM_RING_SETTING_RING_NAME:
      g_value_set_string (value, self->ring_name);
      return TRUE;
    case GST_SHM_RING_SETTING_LEAKY_TYPE:
      g_value_set_enum (value, self->options.mode);
      return TRUE;
    case GST_SHM_RING_SETTING_MAX_BUFFERS:
      g_value_set_uint (value, self->options.depth);
      return TRUE;
    case GST_SHM_RING_SETTING_LEASE:
      g_value_set_uint (value, self->options.lease);
      return TRUE;
    case GST_SHM_RING_SETTING_CONNECTION_TIMEOUT:
      g_value_set_uint64 (value, self->connection_timeout);
      return TRUE;
    case GST_SHM_RING_SETTING_TIMEOUT:
      g_value_set_uint64 (value, self->timeout);
      return TRUE;
    case GST_SHM_RING_SETTING_ON_DISCONNECT:
      g_value_set_enum (value, self->on_disconnect);
      return TRUE;
    default:
      return FALSE;
  }
}

static void
gst_shm_ring_settings_install_timeouts (
    GObjectClass *klass, const GParamFlags flags)
{
  g_object_class_install_property (klass,
      GST_SHM_RING_SETTING_CONNECTION_TIMEOUT,
      g_param_spec_uint64 ("connection-timeout", "Connection timeout",
          "Longest wait in nanoseconds for the ring (-1: for ever)", 0,
          G_MAXUINT64, GST_CLOCK_TIME_NONE, flags));
  g_object_class_install_property (klass, GST_SHM_RING_SETTING_TIMEOUT,
      g_param_spec_uint64 ("timeout", "Timeout",
          "Longest wait in nanoseconds for a frame of an attached ring (-1: "
          "for ever)",
          0, G_MAXUINT64, GST_CLOCK_TIME_NONE, flags));
  g_object_class_install_property (klass, GST_SHM_RING_SETTING_ON_DISCONNECT,
      g_param_spec_enum ("on-disconnect", "On disconnect",
          "What to do when the writer goes", GST_TYPE_SHM_RING_ON_DISCONNECT,
          GST_SHM_RING_ON_DISCONNECT_AUTO, flags));
}

void
gst_shm_ring_settings_install (GObjectClass *klass)
{
  const struct shmring_reader_options defaults = SHMRING_READER_OPTIONS_INIT;
  const GParamFlags flags =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  g_object_class_install_property (klass, GST_SHM_RING_SETTING_RING_NAME,
      g_param_spec_string ("ring-name", "Ring name",
          "Name of the ring (NULL: the element's name)", NULL, flags));
  g_object_class_install_property (klass, GST_SHM_RING_SETTING_LEAKY_TYPE,
      g_param_spec_enum ("leaky-type", "Leaky type",
          "Which frames may be dropped when this reader is slow",
          GST_TYPE_SHM_RING_LEAKY_TYPE, defaults.mode, flags));
  g_object_class_install_property (klass, GST_SHM_RING_SETTING_MAX_BUFFERS,
      g_param_spec_uint ("max-buffers", "Max buffers",
          "Frames the ring keeps for this reader when it is leaky", 1,
          G_MAXUINT16, defaults.depth, flags));
  g_object_class_install_property (klass, GST_SHM_RING_SETTING_LEASE,
      g_param_spec_uint ("lease", "Lease",
          "Frames to hold in place at once, as far as the ring can spare them; "
          "those beyond are copied",
          0, SHMRING_MAX_SLOTS, defaults.lease, flags));
  gst_shm_ring_settings_install_timeouts (klass, flags);
}
