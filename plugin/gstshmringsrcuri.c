/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringsrc.h"

#define PROTOCOL "shmring"

#if !GST_CHECK_VERSION(1, 20, 0)
#  define gst_value_deserialize_with_pspec(value, text, pspec)                 \
    gst_value_deserialize (value, text)
#endif

/* For the ring and its first frame: some players wait for one for ever. */
#define FIRST_TIMEOUT (10 * GST_SECOND)

/* ---- Properties ---------------------------------------------------------- */

/* What a URI may say: settings of this class, and not the name, which is the
 * URI's host. */
static gboolean
gst_shm_ring_src_uri_is_setting (GstElement *element, const GParamSpec *pspec)
{
  return pspec->owner_type == G_OBJECT_TYPE (element)
      && (pspec->flags & G_PARAM_WRITABLE) != 0
      && !g_str_equal (pspec->name, "ring-name");
}

static GParamSpec *
gst_shm_ring_src_uri_find (
    GstElement *element, const gchar *key, GError **error)
{
  GParamSpec *pspec =
      g_object_class_find_property (G_OBJECT_GET_CLASS (element), key);

  if (pspec != NULL && gst_shm_ring_src_uri_is_setting (element, pspec))
    return pspec;
  g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_REFERENCE,
      "\"%s\" is no setting of shmringsrc. gst-inspect-1.0 shmringsrc lists "
      "those there are.",
      key);
  return NULL;
}

/* A number out of its range does not become another one. */
static gboolean
gst_shm_ring_src_uri_parse (
    GValue *value, GParamSpec *pspec, const gchar *text, GError **error)
{
  if (text != NULL && gst_value_deserialize_with_pspec (value, text, pspec)
      && !g_param_value_validate (pspec, value))
    return TRUE;
  g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_REFERENCE,
      "\"%s\" is no value of %s. gst-inspect-1.0 shmringsrc lists those there "
      "are.",
      text != NULL ? text : "", pspec->name);
  return FALSE;
}

/* Sets KEY=TEXT, or only looks whether it could. */
static gboolean
gst_shm_ring_src_uri_set (GstElement *element, const gchar *key,
    const gchar *text, gboolean check_only, GError **error)
{
  GParamSpec *pspec = gst_shm_ring_src_uri_find (element, key, error);
  GValue value = G_VALUE_INIT;
  gboolean ok;

  if (pspec == NULL)
    return FALSE;
  g_value_init (&value, pspec->value_type);
  ok = gst_shm_ring_src_uri_parse (&value, pspec, text, error);
  if (ok && !check_only)
    g_object_set_property (G_OBJECT (element), pspec->name, &value);
  g_value_unset (&value);
  return ok;
}

static gboolean
gst_shm_ring_src_uri_set_all (
    GstElement *element, GHashTable *query, gboolean check_only, GError **error)
{
  GHashTableIter iter;
  gpointer key, text;

  g_hash_table_iter_init (&iter, query);
  while (g_hash_table_iter_next (&iter, &key, &text)) {
    if (!gst_shm_ring_src_uri_set (element, key, text, check_only, error))
      return FALSE;
  }
  return TRUE;
}

/* ---- From a URI ---------------------------------------------------------- */

/* A ring has a name and settings, nothing else that a URI may have. */
static gboolean
gst_shm_ring_src_uri_has_more (const GstUri *uri)
{
  gchar *path = gst_uri_get_path (uri);
  gboolean has_path = path != NULL;

  g_free (path);
  return has_path || gst_uri_get_port (uri) != GST_URI_NO_PORT
      || gst_uri_get_userinfo (uri) != NULL
      || gst_uri_get_fragment (uri) != NULL;
}

static gboolean
gst_shm_ring_src_uri_check (
    const GstUri *uri, const gchar *text, GError **error)
{
  const gchar *ring = uri != NULL ? gst_uri_get_host (uri) : NULL;
  const gchar *problem = shmring_name_problem (ring != NULL ? ring : "");

  if (uri == NULL || gst_shm_ring_src_uri_has_more (uri)) {
    g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
        "\"%s\" is not of the form " PROTOCOL "://RING?PROPERTY=VALUE&...",
        text);
    return FALSE;
  }
  if (problem != NULL) {
    g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
        "\"%s\" in \"%s\" cannot name a ring: %s.", ring != NULL ? ring : "",
        text, problem);
    return FALSE;
  }
  return TRUE;
}

/* Nothing is set when URI is wrong. */
static gboolean
gst_shm_ring_src_uri_apply (GstElement *element, GstUri *uri, GError **error)
{
  GHashTable *query = gst_uri_get_query_table (uri);
  gboolean has_timeout = FALSE;
  gboolean ok = TRUE;

  if (query != NULL) {
    has_timeout = g_hash_table_contains (query, "connection-timeout");
    ok = gst_shm_ring_src_uri_set_all (element, query, TRUE, error)
        && gst_shm_ring_src_uri_set_all (element, query, FALSE, error);
    g_hash_table_unref (query);
  }
  if (!ok)
    return FALSE;
  g_object_set (element, "ring-name", gst_uri_get_host (uri), NULL);
  gst_shm_ring_src_set_first_timeout (GST_SHM_RING_SRC (element),
      has_timeout ? GST_CLOCK_TIME_NONE : FIRST_TIMEOUT);
  return TRUE;
}

/* GStreamer crashes on a query in which a % is followed by no two digits. */
static GstUri *
gst_shm_ring_src_uri_from_text (const gchar *text)
{
  gchar *plain = g_uri_unescape_string (text, NULL);
  GstUri *uri = plain != NULL ? gst_uri_from_string (text) : NULL;

  g_free (plain);
  return uri;
}

static gboolean
gst_shm_ring_src_uri_set_uri (
    GstURIHandler *handler, const gchar *text, GError **error)
{
  GstElement *element = GST_ELEMENT (handler);
  GstUri *uri;
  gboolean ok;

  if (GST_STATE (element) > GST_STATE_READY) {
    g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE,
        "%s reads a ring already: stop it before it gets another URI.",
        GST_OBJECT_NAME (element));
    return FALSE;
  }
  uri = gst_shm_ring_src_uri_from_text (text);
  ok = gst_shm_ring_src_uri_check (uri, text, error)
      && gst_shm_ring_src_uri_apply (element, uri, error);
  g_clear_pointer (&uri, gst_uri_unref);
  return ok;
}

/* ---- To a URI ------------------------------------------------------------ */

static void
gst_shm_ring_src_uri_add (GstUri *uri, GstElement *element, GParamSpec *pspec)
{
  GValue value = G_VALUE_INIT;
  gchar *text;

  g_value_init (&value, pspec->value_type);
  g_object_get_property (G_OBJECT (element), pspec->name, &value);
  if (!g_param_value_defaults (pspec, &value)) {
    text = gst_value_serialize (&value);
    gst_uri_set_query_value (uri, pspec->name, text);
    g_free (text);
  }
  g_value_unset (&value);
}

static void
gst_shm_ring_src_uri_add_all (GstUri *uri, GstElement *element)
{
  guint count;
  GParamSpec **pspecs =
      g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &count);

  for (guint i = 0; i < count; i++) {
    if (gst_shm_ring_src_uri_is_setting (element, pspecs[i]))
      gst_shm_ring_src_uri_add (uri, element, pspecs[i]);
  }
  g_free (pspecs);
}

static gchar *
gst_shm_ring_src_uri_get_uri (GstURIHandler *handler)
{
  GstElement *element = GST_ELEMENT (handler);
  GstUri *uri;
  gchar *ring, *text;

  g_object_get (element, "ring-name", &ring, NULL);
  if (ring == NULL)
    return NULL;
  uri = gst_uri_new (PROTOCOL, NULL, ring, GST_URI_NO_PORT, NULL, NULL, NULL);
  gst_shm_ring_src_uri_add_all (uri, element);
  text = gst_uri_to_string (uri);
  gst_uri_unref (uri);
  g_free (ring);
  return text;
}

/* ---- The interface ------------------------------------------------------- */

static GstURIType
gst_shm_ring_src_uri_get_uri_type (GType type)
{
  return GST_URI_SRC;
}

static const gchar *const *
gst_shm_ring_src_uri_get_protocols (GType type)
{
  static const gchar *const protocols[] = { PROTOCOL, NULL };

  return protocols;
}

void
gst_shm_ring_src_init_uri_handler (gpointer iface, gpointer data)
{
  GstURIHandlerInterface *handler = iface;

  handler->get_type = gst_shm_ring_src_uri_get_uri_type;
  handler->get_protocols = gst_shm_ring_src_uri_get_protocols;
  handler->get_uri = gst_shm_ring_src_uri_get_uri;
  handler->set_uri = gst_shm_ring_src_uri_set_uri;
}
