/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmring.h"

#include <errno.h>
#include <string.h>

/* ---- Names --------------------------------------------------------------- */

/* The name GStreamer gives to an element that was not named: its factory's and
 * a count. */
static gboolean
gst_shm_ring_element_is_automatic_name (GstElement *element, const gchar *name)
{
  const gchar *factory = GST_OBJECT_NAME (gst_element_get_factory (element));
  const gchar *count = name + strlen (factory);

  return g_str_has_prefix (name, factory) && *count != '\0'
      && strspn (count, "0123456789") == strlen (count);
}

static gboolean
gst_shm_ring_element_check_name (
    GstElement *element, const gchar *name, gboolean is_own)
{
  const gchar *problem = shmring_name_problem (name);

  if (is_own && gst_shm_ring_element_is_automatic_name (element, name)) {
    GST_ELEMENT_ERROR (element, RESOURCE, SETTINGS,
        ("The ring has no name: \"%s\" is an automatic one, which nobody can "
         "rely on. Name the element (name=cam0) or set ring-name=cam0.",
            name),
        (NULL));
    return FALSE;
  }
  if (problem != NULL) {
    GST_ELEMENT_ERROR (element, RESOURCE, SETTINGS,
        ("\"%s\" cannot name a ring: %s. Set ring-name to another name.", name,
            problem),
        (NULL));
    return FALSE;
  }
  return TRUE;
}

gchar *
gst_shm_ring_element_resolve_name (GstElement *element, gchar *name)
{
  gboolean is_own = name == NULL;

  if (is_own)
    name = gst_element_get_name (element);
  if (!gst_shm_ring_element_check_name (element, name, is_own))
    g_clear_pointer (&name, g_free);
  return name;
}

/* ---- Errors -------------------------------------------------------------- */

GstResourceError
gst_shm_ring_element_resource_error (int code)
{
  switch (code) {
    case -EINVAL:
      return GST_RESOURCE_ERROR_SETTINGS;
    case -EBUSY:
    case -EUSERS:
    case -EEXIST:
      return GST_RESOURCE_ERROR_BUSY;
    case -ENOSPC:
    case -ENOMEM:
      return GST_RESOURCE_ERROR_NO_SPACE_LEFT;
    case -EACCES:
    case -EPERM:
      return GST_RESOURCE_ERROR_NOT_AUTHORIZED;
    case -ENOENT:
      return GST_RESOURCE_ERROR_NOT_FOUND;
    case -EPROTO:
      return GST_RESOURCE_ERROR_OPEN_READ;
    default:
      return GST_RESOURCE_ERROR_FAILED;
  }
}

void
gst_shm_ring_element_post_errno (
    GstElement *element, int code, const gchar *message)
{
  gst_element_message_full (element, GST_MESSAGE_ERROR, GST_RESOURCE_ERROR,
      gst_shm_ring_element_resource_error (code), g_strdup (message),
      g_strdup (g_strerror (-code)), __FILE__, G_STRFUNC, __LINE__);
}

/* ---- Properties ---------------------------------------------------------- */

/* A number's lowest bytes are its first. */
G_STATIC_ASSERT (G_BYTE_ORDER == G_LITTLE_ENDIAN);

void
gst_shm_ring_element_set_field (
    GstElement *element, const GstShmRingField *field, const GValue *value)
{
  gpointer at = G_STRUCT_MEMBER_P (element, field->offset);
  GValue number = G_VALUE_INIT;
  gint64 bits;

  g_value_init (&number, G_TYPE_INT64);
  GST_OBJECT_LOCK (element);
  if (G_VALUE_HOLDS_STRING (value)) {
    g_free (*(gchar **) at);
    *(gchar **) at = g_value_dup_string (value);
  } else {
    g_value_transform (value, &number);
    bits = g_value_get_int64 (&number);
    memcpy (at, &bits, field->size);
  }
  GST_OBJECT_UNLOCK (element);
}

void
gst_shm_ring_element_get_field (
    GstElement *element, const GstShmRingField *field, GValue *value)
{
  gconstpointer at = G_STRUCT_MEMBER_P (element, field->offset);
  GValue number = G_VALUE_INIT;
  gint64 bits = 0;

  g_value_init (&number, G_TYPE_INT64);
  GST_OBJECT_LOCK (element);
  if (G_VALUE_HOLDS_STRING (value)) {
    g_value_set_string (value, *(gchar *const *) at);
  } else {
    memcpy (&bits, at, field->size);
    g_value_set_int64 (&number, bits);
    g_value_transform (&number, value);
  }
  GST_OBJECT_UNLOCK (element);
}

/* ---- The plugin ---------------------------------------------------------- */

static gboolean
plugin_init (GstPlugin *plugin)
{
  return gst_element_register (plugin, "shmringsink", GST_RANK_NONE,
             gst_shm_ring_sink_get_type ())
      && gst_element_register (
          plugin, "shmringsrc", GST_RANK_NONE, gst_shm_ring_src_get_type ())
      && gst_device_provider_register (plugin, "shmringdeviceprovider",
          GST_RANK_MARGINAL, gst_shm_ring_device_provider_get_type ());
}

#define PACKAGE "shmring"
GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, shmring,
    "Video frames to other processes through a ring in shared memory",
    plugin_init, PACKAGE_VERSION, "LGPL", PACKAGE, "Unknown package origin")
