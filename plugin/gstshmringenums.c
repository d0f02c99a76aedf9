/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringenums.h"

#include "gstshmringsettings.h"

GType
gst_shm_ring_leaky_type_get_type (void)
{
  static const GEnumValue values[] = {
    { SHMRING_MODE_ALL, "Every frame: the writer waits for this reader",
        "none" },
    { SHMRING_MODE_LATEST, "The newest max-buffers frames, older are dropped",
        "downstream" },
    { 0, NULL, NULL },
  };
  static GType type;

  if (g_once_init_enter (&type)) {
    GType made = g_enum_register_static ("GstShmRingLeakyType", values);
    g_once_init_leave (&type, made);
  }
  return type;
}

GType
gst_shm_ring_on_disconnect_get_type (void)
{
  static const GEnumValue values[] = {
    { GST_SHM_RING_ON_DISCONNECT_AUTO,
        "EOS when the writer stops, an error when it was killed", "auto" },
    { GST_SHM_RING_ON_DISCONNECT_EOS, "EOS, however the writer went", "eos" },
    { GST_SHM_RING_ON_DISCONNECT_ERROR,
        "An error unless the writer ended its stream", "error" },
    { GST_SHM_RING_ON_DISCONNECT_WAIT,
        "Wait for the next writer, also after the end of a stream", "wait" },
    { 0, NULL, NULL },
  };
  static GType type;

  if (g_once_init_enter (&type)) {
    GType made = g_enum_register_static ("GstShmRingOnDisconnect", values);
    g_once_init_leave (&type, made);
  }
  return type;
}
