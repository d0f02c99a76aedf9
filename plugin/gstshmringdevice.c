/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:provider-shmringdeviceprovider
 * @title: shmringdeviceprovider
 * @see_also: shmringsrc
 *
 * Lists the rings that have a writer now and that this user may look at.
 *
 * ## Example launch line
 * |[
 * gst-device-monitor-1.0 -f Video/Source
 * ]|
 */
#include "gstshmring.h"

#include <string.h>

#include "gstshmringframe.h"

/* ---- A device: a live ring ------------------------------------------------
 */

#define GST_TYPE_SHM_RING_DEVICE (gst_shm_ring_device_get_type ())
G_DECLARE_FINAL_TYPE (
    GstShmRingDevice, gst_shm_ring_device, GST, SHM_RING_DEVICE, GstDevice)

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
      "shmring.writer.process", G_TYPE_STRING, info->writer_process,
      "shmring.slots", G_TYPE_UINT, info->slots, "shmring.slot-size",
      G_TYPE_UINT64, info->slot_size, "shmring.max-readers", G_TYPE_UINT,
      info->max_readers, NULL);
}

/* The ring that INFO tells of, with the caps of its newest frame (ANY while it
 * has none). */
static GstDevice *
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

/* Whether the device still tells the truth: INFO is of the same writer's same
 * segment, and has no frames if there were none. */
static gboolean
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

/* ---- The provider -----------------------------------------------------------
 */

/* A writer's death changes no file: looking is the only way to know. */
#define LOOK_EVERY (G_USEC_PER_SEC / 2)

G_DECLARE_FINAL_TYPE (GstShmRingDeviceProvider, gst_shm_ring_device_provider,
    GST, SHM_RING_DEVICE_PROVIDER, GstDeviceProvider)

struct _GstShmRingDeviceProvider {
  GstDeviceProvider parent;

  GThread *thread;
  GMutex mutex;
  GCond stopping;
  gboolean is_stopping; /* under the mutex */
};

G_DEFINE_TYPE (GstShmRingDeviceProvider, gst_shm_ring_device_provider,
    GST_TYPE_DEVICE_PROVIDER);

/* ---- Looking ------------------------------------------------------------- */

static bool
gst_shm_ring_device_provider_collect (
    const struct shmring_info *info, void *data)
{
  struct shmring_info *copy = g_new (struct shmring_info, 1);

  *copy = *info;
  g_hash_table_insert (data, copy->name, copy);
  return true;
}

/* The live rings' struct shmring_info, by their names. */
static GHashTable *
gst_shm_ring_device_provider_list (void)
{
  GHashTable *rings =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);

  shmring_list (gst_shm_ring_device_provider_collect, rings);
  return rings;
}

static GList *
gst_shm_ring_device_provider_probe (GstDeviceProvider *provider)
{
  GHashTable *rings = gst_shm_ring_device_provider_list ();
  GList *devices = NULL;
  GHashTableIter iter;
  gpointer info;

  g_hash_table_iter_init (&iter, rings);
  while (g_hash_table_iter_next (&iter, NULL, &info))
    devices = g_list_prepend (
        devices, gst_object_ref_sink (gst_shm_ring_device_new (info)));
  g_hash_table_unref (rings);
  return devices;
}

/* ---- Watching ------------------------------------------------------------ */

/* DEVICE is in the list: INFO (NULL: nothing) is what there is of its name now.
 */
static void
gst_shm_ring_device_provider_check (GstDeviceProvider *provider,
    GstDevice *device, const struct shmring_info *info)
{
  if (info == NULL)
    gst_device_provider_device_remove (provider, device);
  else if (!gst_shm_ring_device_is_current (GST_SHM_RING_DEVICE (device), info))
    gst_device_provider_device_changed (
        provider, gst_shm_ring_device_new (info), device);
}

static gpointer
gst_shm_ring_device_provider_ref (gconstpointer device, gpointer data)
{
  return gst_object_ref ((gpointer) device);
}

static void
gst_shm_ring_device_provider_look (GstDeviceProvider *provider)
{
  GHashTable *rings = gst_shm_ring_device_provider_list ();
  GList *devices;
  GHashTableIter iter;
  gpointer info;

  GST_OBJECT_LOCK (provider);
  devices = g_list_copy_deep (
      provider->devices, gst_shm_ring_device_provider_ref, NULL);
  GST_OBJECT_UNLOCK (provider);
  for (GList *at = devices; at != NULL; at = at->next) {
    const gchar *ring = GST_SHM_RING_DEVICE (at->data)->info.name;

    gst_shm_ring_device_provider_check (
        provider, at->data, g_hash_table_lookup (rings, ring));
    g_hash_table_remove (rings, ring);
  }
  g_hash_table_iter_init (&iter, rings);
  while (g_hash_table_iter_next (&iter, NULL, &info))
    gst_device_provider_device_add (provider, gst_shm_ring_device_new (info));
  g_list_free_full (devices, gst_object_unref);
  g_hash_table_unref (rings);
}

static gpointer
gst_shm_ring_device_provider_watch (gpointer data)
{
  GstShmRingDeviceProvider *self = data;

  g_mutex_lock (&self->mutex);
  while (!self->is_stopping) {
    gint64 next = g_get_monotonic_time () + LOOK_EVERY;

    g_mutex_unlock (&self->mutex);
    gst_shm_ring_device_provider_look (GST_DEVICE_PROVIDER (self));
    g_mutex_lock (&self->mutex);
    while (!self->is_stopping
        && g_cond_wait_until (&self->stopping, &self->mutex, next)) {
    }
  }
  g_mutex_unlock (&self->mutex);
  return NULL;
}

/* What there is when it starts is listed before it returns. */
static gboolean
gst_shm_ring_device_provider_start (GstDeviceProvider *provider)
{
  GstShmRingDeviceProvider *self = GST_SHM_RING_DEVICE_PROVIDER (provider);

  gst_shm_ring_device_provider_look (provider);
  self->is_stopping = FALSE;
  self->thread = g_thread_new (
      "shmring-devices", gst_shm_ring_device_provider_watch, self);
  return TRUE;
}

/* The base class flushed the bus before this. A message that was on its way
 * then came after it, and refers to the provider, which has the bus. */
static void
gst_shm_ring_device_provider_stop (GstDeviceProvider *provider)
{
  GstShmRingDeviceProvider *self = GST_SHM_RING_DEVICE_PROVIDER (provider);
  GstBus *bus = gst_device_provider_get_bus (provider);

  g_mutex_lock (&self->mutex);
  self->is_stopping = TRUE;
  g_cond_signal (&self->stopping);
  g_mutex_unlock (&self->mutex);
  g_clear_pointer (&self->thread, g_thread_join);
  gst_bus_set_flushing (bus, TRUE);
  gst_object_unref (bus);
}

/* ---- The object ---------------------------------------------------------- */

static void
gst_shm_ring_device_provider_finalize (GObject *object)
{
  GstShmRingDeviceProvider *self = GST_SHM_RING_DEVICE_PROVIDER (object);

  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->stopping);
  G_OBJECT_CLASS (gst_shm_ring_device_provider_parent_class)->finalize (object);
}

static void
gst_shm_ring_device_provider_init (GstShmRingDeviceProvider *self)
{
  g_mutex_init (&self->mutex);
  g_cond_init (&self->stopping);
}

static void
gst_shm_ring_device_provider_class_init (GstShmRingDeviceProviderClass *klass)
{
  GstDeviceProviderClass *provider_class = GST_DEVICE_PROVIDER_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = gst_shm_ring_device_provider_finalize;
  provider_class->probe = gst_shm_ring_device_provider_probe;
  provider_class->start = gst_shm_ring_device_provider_start;
  provider_class->stop = gst_shm_ring_device_provider_stop;
  gst_device_provider_class_set_static_metadata (provider_class,
      "Shared memory ring device provider", "Source/Video",
      "Lists the rings in shared memory that have a writer",
      "The shmring developers");
}
