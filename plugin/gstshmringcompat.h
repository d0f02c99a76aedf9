/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_SHM_RING_COMPAT_H
#define GST_SHM_RING_COMPAT_H

#include <gst/gst.h>

/* What GStreamer has had since 1.20, for 1.18. */
#if !GST_CHECK_VERSION(1, 20, 0)

#  define GST_ELEMENT_REGISTER_DECLARE(element)                                \
    gboolean gst_element_register_##element (GstPlugin *plugin)
#  define GST_ELEMENT_REGISTER_DEFINE(element, name, rank, type)               \
    gboolean gst_element_register_##element (GstPlugin *plugin)                \
    {                                                                          \
      return gst_element_register (plugin, name, rank, type);                  \
    }                                                                          \
    GST_ELEMENT_REGISTER_DECLARE (element)
#  define GST_ELEMENT_REGISTER(element, plugin)                                \
    gst_element_register_##element (plugin)

#  define GST_DEVICE_PROVIDER_REGISTER_DECLARE(provider)                       \
    gboolean gst_device_provider_register_##provider (GstPlugin *plugin)
#  define GST_DEVICE_PROVIDER_REGISTER_DEFINE(provider, name, rank, type)      \
    gboolean gst_device_provider_register_##provider (GstPlugin *plugin)       \
    {                                                                          \
      return gst_device_provider_register (plugin, name, rank, type);          \
    }                                                                          \
    GST_DEVICE_PROVIDER_REGISTER_DECLARE (provider)
#  define GST_DEVICE_PROVIDER_REGISTER(provider, plugin)                       \
    gst_device_provider_register_##provider (plugin)

#  define gst_value_deserialize_with_pspec(value, text, pspec)                 \
    gst_value_deserialize (value, text)

#endif

#endif
