/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/gst.h>

#include "gstshmringdevice.h"
#include "gstshmringsink.h"
#include "gstshmringsrc.h"

static gboolean
plugin_init (GstPlugin *plugin)
{
  return GST_ELEMENT_REGISTER (shmringsink, plugin)
      && GST_ELEMENT_REGISTER (shmringsrc, plugin)
      && GST_DEVICE_PROVIDER_REGISTER (shmringdeviceprovider, plugin);
}

#define PACKAGE "shmring"
GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, shmring,
    "Video frames to other processes through a ring in shared memory",
    plugin_init, PACKAGE_VERSION, "LGPL", PACKAGE, "Unknown package origin")
