/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringcaps.h"

#include <gst/video/video.h>

/* Fields of alternating lines lie in system memory too; any other feature means
 * other memory, or a meta that would be lost. */
static gboolean
gst_shm_ring_caps_keep_features (
    GstCapsFeatures *features, GstStructure *structure, gpointer user_data)
{
  for (guint i = 0; i < gst_caps_features_get_size (features); i++) {
    const gchar *name = gst_caps_features_get_nth (features, i);

    if (!g_str_equal (name, GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY)
        && !g_str_equal (name, GST_CAPS_FEATURE_FORMAT_INTERLACED))
      return FALSE;
  }
  return TRUE;
}

GstCaps *
gst_shm_ring_caps_system_memory (GstCaps *caps)
{
  caps = gst_caps_make_writable (caps);
  for (guint i = 0; i < gst_caps_get_size (caps); i++) {
    if (gst_caps_features_is_any (gst_caps_get_features (caps, i)))
      gst_caps_set_features (caps, i, NULL);
  }
  if (!gst_caps_is_any (caps))
    gst_caps_filter_and_map_in_place (
        caps, (GstCapsFilterMapFunc) gst_shm_ring_caps_keep_features, NULL);
  return caps;
}
