/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringreader.h"

#include <errno.h>
#include <string.h>

#include "gstshmringelement.h"

/* The ring is over, and the settings say to wait for the next writer. */
#define FLOW_AGAIN GST_FLOW_CUSTOM_SUCCESS

/* Frames in a row that cannot be what they say, before that is an error. */
#define MAX_REFUSED 5

gboolean
gst_shm_ring_reader_start (
    GstShmRingReader *self, gchar *ring, const GstShmRingSettings *settings)
{
  struct shmring_error error = { 0 };
  struct shmring_reader *handle;
  int res = shmring_reader_new (ring, &settings->options, &handle, &error);

  if (res < 0) {
    gst_shm_ring_element_post_errno (self->src, res, error.message);
    g_free (ring);
    return FALSE;
  }
  self->attached = FALSE;
  self->had_first = FALSE;
  self->refused = 0;
  GST_OBJECT_LOCK (self->src);
  self->ring = ring;
  self->settings = *settings;
  self->settings.ring_name = NULL; /* it may change from now on */
  memset (&self->stats, 0, sizeof (self->stats));
  self->handle = handle;
  shmring_reader_interrupt (handle, g_atomic_int_get (&self->unlocked));
  GST_OBJECT_UNLOCK (self->src);
  return TRUE;
}

/* ---- Waiting ------------------------------------------------------------- */

/* The earlier of two ends; unsigned, "for ever" is the last of all. */
static gint64
gst_shm_ring_reader_first_of (gint64 a, gint64 b)
{
  return MIN ((guint64) a, (guint64) b);
}

static GstFlowReturn
gst_shm_ring_reader_attach_timeout (
    GstShmRingReader *self, const gchar *found, gint64 begin)
{
  GST_ELEMENT_ERROR (self->src, RESOURCE, NOT_FOUND,
      ("No ring \"%s\" to read within %" GST_TIME_FORMAT
       " (%s). Start its writer (shmringsink name=%s), or set "
       "connection-timeout.",
          self->ring, GST_TIME_ARGS (gst_shm_ring_element_wait_since (begin)),
          found, self->ring),
      (NULL));
  return GST_FLOW_ERROR;
}

static GstFlowReturn
gst_shm_ring_reader_attach (GstShmRingReader *self)
{
  gint64 begin = gst_shm_ring_element_wait_end (0);
  gint64 end = gst_shm_ring_reader_first_of (self->first_end,
      gst_shm_ring_element_wait_end (self->settings.connection_timeout));
  struct shmring_error error = { 0 };
  int res;

  do
    res = shmring_reader_attach (
        self->handle, gst_shm_ring_element_wait_left (end), &error);
  while (res == SHMRING_INTERRUPTED && !g_atomic_int_get (&self->unlocked));
  switch (res) {
    case SHMRING_OK:
      return GST_FLOW_OK;
    case SHMRING_INTERRUPTED:
      return GST_FLOW_FLUSHING;
    case SHMRING_TIMEOUT:
      return gst_shm_ring_reader_attach_timeout (self, error.message, begin);
    default:
      gst_shm_ring_element_post_errno (self->src, res, error.message);
      return GST_FLOW_ERROR;
  }
}

static GstFlowReturn
gst_shm_ring_reader_take_timeout (GstShmRingReader *self, gint64 begin)
{
  GST_ELEMENT_ERROR (self->src, RESOURCE, READ,
      ("No frame came through the ring \"%s\" within %" GST_TIME_FORMAT
       ". Its writer is there but sends nothing: see what it does, or set "
       "timeout.",
          self->ring, GST_TIME_ARGS (gst_shm_ring_element_wait_since (begin))),
      (NULL));
  return GST_FLOW_ERROR;
}

/* ---- Ends ---------------------------------------------------------------- */

static GstFlowReturn
gst_shm_ring_reader_closed (GstShmRingReader *self)
{
  if (self->settings.on_disconnect != GST_SHM_RING_ON_DISCONNECT_ERROR)
    return GST_FLOW_EOS;
  GST_ELEMENT_ERROR (self->src, RESOURCE, READ,
      ("The writer of the ring \"%s\" stopped without ending its stream.",
          self->ring),
      (NULL));
  return GST_FLOW_ERROR;
}

static GstFlowReturn
gst_shm_ring_reader_lost (GstShmRingReader *self, const gchar *message)
{
  if (self->settings.on_disconnect == GST_SHM_RING_ON_DISCONNECT_EOS)
    return GST_FLOW_EOS;
  GST_ELEMENT_ERROR (self->src, RESOURCE, READ, ("%s", message), (NULL));
  return GST_FLOW_ERROR;
}

static GstFlowReturn
gst_shm_ring_reader_end (GstShmRingReader *self, int end, const gchar *message)
{
  self->attached = FALSE;
  if (self->settings.on_disconnect == GST_SHM_RING_ON_DISCONNECT_WAIT)
    return FLOW_AGAIN;
  if (end == SHMRING_CLOSED)
    return gst_shm_ring_reader_closed (self);
  if (end == SHMRING_LOST)
    return gst_shm_ring_reader_lost (self, message);
  return GST_FLOW_EOS;
}

/* ---- Frames -------------------------------------------------------------- */

static void
gst_shm_ring_reader_count_wait (GstShmRingReader *self, gint64 begin)
{
  GST_OBJECT_LOCK (self->src);
  self->stats.waits++;
  self->stats.wait_time += gst_shm_ring_element_wait_since (begin);
  GST_OBJECT_UNLOCK (self->src);
}

/* A frame that is there already is no wait. */
static int
gst_shm_ring_reader_wait_frame (GstShmRingReader *self, gint64 begin,
    struct shmring_frame **frame, struct shmring_error *error)
{
  gint64 end = gst_shm_ring_reader_first_of (
      self->first_end, gst_shm_ring_element_wait_end (self->settings.timeout));
  int res = shmring_reader_take (self->handle, 0, frame, error);

  if (res != SHMRING_TIMEOUT)
    return res;
  do
    res = shmring_reader_take (
        self->handle, gst_shm_ring_element_wait_left (end), frame, error);
  while (res == SHMRING_INTERRUPTED && !g_atomic_int_get (&self->unlocked));
  gst_shm_ring_reader_count_wait (self, begin);
  return res;
}

static guint64
gst_shm_ring_reader_count_damaged (GstShmRingReader *self)
{
  guint64 damaged;

  GST_OBJECT_LOCK (self->src);
  damaged = ++self->stats.damaged;
  GST_OBJECT_UNLOCK (self->src);
  return damaged;
}

/* Of a writer that lies now and then the warnings become rare, the error is for
 * one that does nothing else. */
GstFlowReturn
gst_shm_ring_reader_refuse (GstShmRingReader *self, const gchar *problem)
{
  guint64 damaged = gst_shm_ring_reader_count_damaged (self);

  if (++self->refused >= MAX_REFUSED) {
    GST_ELEMENT_ERROR (self->src, STREAM, FORMAT,
        ("The last %u frames of the ring \"%s\" make no sense: %s. Its writer "
         "has to be repaired.",
            self->refused, self->ring, problem),
        (NULL));
    return GST_FLOW_ERROR;
  }
  if ((damaged & (damaged - 1)) == 0)
    GST_ELEMENT_WARNING (self->src, STREAM, FORMAT,
        ("A frame of the ring \"%s\" makes no sense and is left out: %s. Its "
         "writer has to be repaired.",
            self->ring, problem),
        ("%" G_GUINT64_FORMAT " frames so far", damaged));
  return GST_FLOW_OK;
}

void
gst_shm_ring_reader_accept (GstShmRingReader *self)
{
  self->refused = 0;
}

static GstFlowReturn
gst_shm_ring_reader_take (GstShmRingReader *self, struct shmring_frame **frame)
{
  gint64 begin = gst_shm_ring_element_wait_end (0);
  struct shmring_error error = { 0 };
  int res = gst_shm_ring_reader_wait_frame (self, begin, frame, &error);

  switch (res) {
    case SHMRING_OK:
      return GST_FLOW_OK;
    case SHMRING_INTERRUPTED:
      return g_atomic_int_get (&self->unlocked) ? GST_FLOW_FLUSHING
                                                : FLOW_AGAIN;
    case SHMRING_TIMEOUT:
      return gst_shm_ring_reader_take_timeout (self, begin);
    case SHMRING_ENDED:
    case SHMRING_CLOSED:
    case SHMRING_LOST:
      return gst_shm_ring_reader_end (self, res, error.message);
    case -EPROTO:
      return gst_shm_ring_reader_refuse (self, error.message) == GST_FLOW_OK
          ? FLOW_AGAIN
          : GST_FLOW_ERROR;
    default:
      gst_shm_ring_element_post_errno (self->src, res, error.message);
      return GST_FLOW_ERROR;
  }
}

static GstFlowReturn
gst_shm_ring_reader_attach_and_take (
    GstShmRingReader *self, struct shmring_frame **frame)
{
  if (!self->attached) {
    GstFlowReturn flow = gst_shm_ring_reader_attach (self);

    if (flow != GST_FLOW_OK)
      return flow;
    self->attached = TRUE;
    self->is_new = TRUE;
  }
  return gst_shm_ring_reader_take (self, frame);
}

static void
gst_shm_ring_reader_count (
    GstShmRingReader *self, const struct shmring_frame_info *info)
{
  self->is_new = FALSE;
  self->next_seq = info->seq + 1;
  GST_OBJECT_LOCK (self->src);
  self->stats.bytes += info->size;
  GST_OBJECT_UNLOCK (self->src);
}

void
gst_shm_ring_reader_begin (GstShmRingReader *self)
{
  self->first_end = SHMRING_FOREVER;
  if (!self->had_first)
    self->first_end =
        gst_shm_ring_element_wait_end (self->settings.first_timeout);
}

void
gst_shm_ring_reader_had_first (GstShmRingReader *self)
{
  self->had_first = TRUE;
}

GstFlowReturn
gst_shm_ring_reader_next (GstShmRingReader *self, struct shmring_frame **frame,
    gboolean *is_new, gboolean *is_discont)
{
  GstFlowReturn flow;

  do
    flow = gst_shm_ring_reader_attach_and_take (self, frame);
  while (flow == FLOW_AGAIN);
  if (flow != GST_FLOW_OK)
    return flow;
  *is_new = self->is_new;
  *is_discont = self->is_new || (*frame)->info.seq != self->next_seq;
  gst_shm_ring_reader_count (self, &(*frame)->info);
  return GST_FLOW_OK;
}

/* ---- Other threads ------------------------------------------------------- */

static bool
gst_shm_ring_reader_is_it (const struct shmring_info *info, void *data)
{
  struct shmring_info *wanted = data;

  if (!g_str_equal (info->name, wanted->name))
    return true;
  *wanted = *info;
  return false;
}

/* The ring that this reader would attach to now. */
static void
gst_shm_ring_reader_find (const gchar *ring, struct shmring_info *info)
{
  g_strlcpy (info->name, ring, sizeof (info->name));
  shmring_list (gst_shm_ring_reader_is_it, info);
}

void
gst_shm_ring_reader_get_latency (
    GstShmRingReader *self, GstClockTime *latency, guint *lease)
{
  struct shmring_reader_stats stats = { 0 };
  struct shmring_info info = { 0 };
  gchar *ring;
  int res = -ENOTCONN;

  GST_OBJECT_LOCK (self->src);
  if (self->handle != NULL) {
    res = shmring_reader_get_info (self->handle, &info);
    shmring_reader_get_stats (self->handle, &stats);
  }
  ring = g_strdup (self->ring);
  *lease = res == SHMRING_OK ? stats.lease : self->settings.options.lease;
  GST_OBJECT_UNLOCK (self->src);
  if (res < 0 && ring != NULL)
    gst_shm_ring_reader_find (ring, &info);
  g_free (ring);
  *latency = MAX (info.latency_ns, 0);
}

void
gst_shm_ring_reader_get_stats (
    GstShmRingReader *self, GstShmRingReaderStats *stats)
{
  GST_OBJECT_LOCK (self->src);
  if (self->handle != NULL)
    shmring_reader_get_stats (self->handle, &self->stats.ring);
  *stats = self->stats;
  GST_OBJECT_UNLOCK (self->src);
}

void
gst_shm_ring_reader_set_unlocked (GstShmRingReader *self, gboolean unlocked)
{
  GST_OBJECT_LOCK (self->src);
  g_atomic_int_set (&self->unlocked, unlocked);
  if (self->handle != NULL)
    shmring_reader_interrupt (self->handle, unlocked);
  GST_OBJECT_UNLOCK (self->src);
}

void
gst_shm_ring_reader_stop (GstShmRingReader *self)
{
  struct shmring_reader *handle;
  gchar *ring;

  GST_OBJECT_LOCK (self->src);
  handle = g_steal_pointer (&self->handle);
  ring = g_steal_pointer (&self->ring);
  if (handle != NULL)
    shmring_reader_get_stats (handle, &self->stats.ring);
  GST_OBJECT_UNLOCK (self->src);
  shmring_reader_free (handle);
  g_free (ring);
}
