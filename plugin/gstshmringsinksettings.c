/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringsinksettings.h"

void
gst_shm_ring_sink_settings_init (GstShmRingSinkSettings *self)
{
  const struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;

  self->options = options;
  self->timeout = GST_CLOCK_TIME_NONE;
}

void
gst_shm_ring_sink_settings_clear (GstShmRingSinkSettings *self)
{
  g_clear_pointer (&self->ring_name, g_free);
}

gboolean
gst_shm_ring_sink_settings_set (
    GstShmRingSinkSettings *self, guint id, const GValue *value)
{
  switch (id) {
    case GST_SHM_RING_SINK_SETTING_RING_NAME:
      g_free (self->ring_name);
      self->ring_name = g_value_dup_string (value);
      return TRUE;
    case GST_SHM_RING_SINK_SETTING_SLOTS:
      self->options.slots = g_value_get_uint (value);
      return TRUE;
    case GST_SHM_RING_SINK_SETTING_SLOT_SIZE:
      self->options.slot_size = g_value_get_uint64 (value);
      return TRUE;
    case GST_SHM_RING_SINK_SETTING_MAX_READERS:
      self->options.max_readers = g_value_get_uint (value);
      return TRUE;
    case GST_SHM_RING_SINK_SETTING_PERMS:
      self->options.perms = g_value_get_uint (value);
      return TRUE;
    case GST_SHM_RING_SINK_SETTING_WAIT_FOR_CONNECTION:
      self->wait_for_connection = g_value_get_boolean (value);
      return TRUE;
    case GST_SHM_RING_SINK_SETTING_TIMEOUT:
      self->timeout = g_value_get_uint64 (value);
      return TRUE;
    default:
      return FALSE;
  }
}

gboolean
gst_shm_ring_sink_settings_get (
    const GstShmRingSinkSettings *self, guint id, GValue *value)
{
  switch (id) {
    case GST_SHM_RING_SINK_SETTING_RING_NAME:
      g_value_set_string (value, self->ring_name);
      return TRUE;
    case GST_SHM_RING_SINK_SETTING_SLOTS:
      g_value_set_uint (value, self->options.slots);
      return TRUE;
    case GST_SHM_RING_SINK_SETTING_SLOT_SIZE:
      g_value_set_uint64 (value, self->options.slot_size);
      return TRUE;
    case GST_SHM_RING_SINK_SETTING_MAX_READERS:
      g_value_set_uint (value, self->options.max_readers);
      return TRUE;
    case GST_SHM_RING_SINK_SETTING_PERMS:
      g_value_set_uint (value, self->options.perms);
      return TRUE;
    case GST_SHM_RING_SINK_SETTING_WAIT_FOR_CONNECTION:
      g_value_set_boolean (value, self->wait_for_connection);
      return TRUE;
    case GST_SHM_RING_SINK_SETTING_TIMEOUT:
      g_value_set_uint64 (value, self->timeout);
      return TRUE;
    default:
      return FALSE;
  }
}

void
gst_shm_ring_sink_settings_install (GObjectClass *klass)
{
  const struct shmring_writer_options defaults = SHMRING_WRITER_OPTIONS_INIT;
  const GParamFlags flags =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  g_object_class_install_property (klass, GST_SHM_RING_SINK_SETTING_RING_NAME,
      g_param_spec_string ("ring-name", "Ring name",
          "Name of the ring (NULL: the element's name)", NULL, flags));
  g_object_class_install_property (klass, GST_SHM_RING_SINK_SETTING_SLOTS,
      g_param_spec_uint ("slots", "Slots", "Frames the ring holds",
          SHMRING_MIN_SLOTS, SHMRING_MAX_SLOTS, defaults.slots, flags));
  g_object_class_install_property (klass, GST_SHM_RING_SINK_SETTING_SLOT_SIZE,
      g_param_spec_uint64 ("slot-size", "Slot size",
          "Bytes a frame may need; grows when one needs more (0: the raw "
          "frame's size, 1 MiB for other data)",
          0, G_MAXINT64, 0, flags));
  g_object_class_install_property (klass, GST_SHM_RING_SINK_SETTING_MAX_READERS,
      g_param_spec_uint ("max-readers", "Max readers",
          "Readers that may be attached at once", 1, SHMRING_MAX_READERS,
          defaults.max_readers, flags));
  g_object_class_install_property (klass, GST_SHM_RING_SINK_SETTING_PERMS,
      g_param_spec_uint ("perms", "Permissions",
          "Permissions of the ring like a file's, whatever the umask: r may "
          "observe, w may attach (0600 is 384)",
          0, 0777, defaults.perms, flags));
  g_object_class_install_property (klass,
      GST_SHM_RING_SINK_SETTING_WAIT_FOR_CONNECTION,
      g_param_spec_boolean ("wait-for-connection", "Wait for a connection",
          "Hold the first frame until a reader is attached", FALSE, flags));
  g_object_class_install_property (klass, GST_SHM_RING_SINK_SETTING_TIMEOUT,
      g_param_spec_uint64 ("timeout", "Timeout",
          "Longest wait in nanoseconds for a reader that wants every frame, "
          "before a frame is dropped (-1: for ever)",
          0, G_MAXUINT64, GST_CLOCK_TIME_NONE, flags));
}
