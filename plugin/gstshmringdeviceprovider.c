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
#include "gstshmringdeviceprovider.h"

#include "gstshmringdevice.h"

/* A writer's death changes no file: looking is the only way to know. */
#define LOOK_EVERY (G_USEC_PER_SEC / 2)

struct _GstShmRingDeviceProvider {
  GstDeviceProvider parent;

  GThread *thread;
  GMutex mutex;
  GCond stopping;
  gboolean is_stopping; /* under the mutex */
};

G_DEFINE_TYPE (GstShmRingDeviceProvider, gst_shm_ring_device_provider,
    GST_TYPE_DEVICE_PROVIDER);
GST_DEVICE_PROVIDER_REGISTER_DEFINE (shmringdeviceprovider,
    "shmringdeviceprovider", GST_RANK_MARGINAL,
    GST_TYPE_SHM_RING_DEVICE_PROVIDER);

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
    const gchar *ring = gst_shm_ring_device_get_ring (at->data);

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

static void
gst_shm_ring_device_provider_stop (GstDeviceProvider *provider)
{
  GstShmRingDeviceProvider *self = GST_SHM_RING_DEVICE_PROVIDER (provider);

  g_mutex_lock (&self->mutex);
  self->is_stopping = TRUE;
  g_cond_signal (&self->stopping);
  g_mutex_unlock (&self->mutex);
  g_clear_pointer (&self->thread, g_thread_join);
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
