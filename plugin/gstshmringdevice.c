/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringdevice.h"

#include <string.h>

#include "gstshmringframe.h"

struct _GstShmRingDevice {
  GstDevice parent;

  struct shmring_info info;
};

G_DEFINE_TYPE (GstShmRingDevice, gst_shm_ring_device, GST_TYPE_DEVICE);

/* An observer disturbs nobody. NULL: no frame yet, or no sense in it. */
static GstCaps *
gst_shm_ring_device_observe_caps (const gchar *ring)
{
  struct shmring_observer *observer;
  struct shmring_frame *frame;
  const gchar *problem;
  GstCaps *caps = NULL;

  if (shmring_observer_open (ring, &observer, NULL) < 0)
    return NULL;
  if (shmring_observer_latest (observer, 0, 0, &frame, NULL) == SHMRING_OK) {
    caps = gst_shm_ring_frame_get_caps (&frame->info, &problem);
    shmring_frame_release (frame);
  }
  shmring_observer_close (observer);
  return caps;
}

static GstStructure *
gst_shm_ring_device_describe (const struct shmring_info *info)
{
  return gst_structure_new ("shmring-proplist", "device.api", G_TYPE_STRING,
      "shmring", "shmring.name", G_TYPE_STRING, info->name,
      "shmring.writer.pid", G_TYPE_UINT, info->writer_pid,
      "shmring.writer.comm", G_TYPE_STRING, info->writer_comm, "shmring.slots",
      G_TYPE_UINT, info->slots, "shmring.slot-size", G_TYPE_UINT64,
      info->slot_size, "shmring.max-readers", G_TYPE_UINT, info->max_readers,
      NULL);
}

GstDevice *
gst_shm_ring_device_new (const struct shmring_info *info)
{
  GstCaps *caps = gst_shm_ring_device_observe_caps (info->name);
  GstStructure *properties = gst_shm_ring_device_describe (info);
  GstShmRingDevice *self;

  if (caps == NULL)
    caps = gst_caps_new_any ();
  self = g_object_new (GST_TYPE_SHM_RING_DEVICE, "display-name", info->name,
      "device-class", "Video/Source", "caps", caps, "properties", properties,
      NULL);
  self->info = *info;
  gst_caps_unref (caps);
  gst_structure_free (properties);
  return GST_DEVICE (self);
}

const gchar *
gst_shm_ring_device_get_ring (GstShmRingDevice *self)
{
  return self->info.name;
}

gboolean
gst_shm_ring_device_is_current (
    GstShmRingDevice *self, const struct shmring_info *info)
{
  GstCaps *caps, *known;
  gboolean is_same;

  if (memcmp (self->info.instance, info->instance, sizeof (info->instance))
      != 0)
    return FALSE;
  caps = gst_shm_ring_device_observe_caps (info->name);
  if (caps == NULL)
    return TRUE;
  known = gst_device_get_caps (GST_DEVICE (self));
  is_same = gst_caps_is_equal (caps, known);
  gst_caps_unref (known);
  gst_caps_unref (caps);
  return is_same;
}

static GstElement *
gst_shm_ring_device_create_element (GstDevice *device, const gchar *name)
{
  GstElement *element = gst_element_factory_make ("shmringsrc", name);

  if (element != NULL)
    g_object_set (
        element, "ring-name", GST_SHM_RING_DEVICE (device)->info.name, NULL);
  return element;
}

static gboolean
gst_shm_ring_device_reconfigure_element (GstDevice *device, GstElement *element)
{
  if (GST_STATE (element) > GST_STATE_READY)
    return FALSE;
  g_object_set (
      element, "ring-name", GST_SHM_RING_DEVICE (device)->info.name, NULL);
  return TRUE;
}

static void
gst_shm_ring_device_init (GstShmRingDevice *self)
{
}

static void
gst_shm_ring_device_class_init (GstShmRingDeviceClass *klass)
{
  GstDeviceClass *device_class = GST_DEVICE_CLASS (klass);

  device_class->create_element = gst_shm_ring_device_create_element;
  device_class->reconfigure_element = gst_shm_ring_device_reconfigure_element;
}
