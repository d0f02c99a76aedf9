/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringreader.h"

#include <errno.h>

#include "gstshmringelement.h"

/* The ring is over, and the settings say to wait for the next writer. */
#define FLOW_AGAIN GST_FLOW_CUSTOM_SUCCESS

gboolean
gst_shm_ring_reader_start (GstShmRingReader *self, gchar *ring,
    const GstShmRingReaderSettings *settings)
{
  struct shmring_error error = { 0 };
  struct shmring_reader *handle;
  int res = shmring_reader_new (ring, &settings->options, &handle, &error);

  if (res < 0) {
    gst_shm_ring_element_post_errno (self->src, res, error.message);
    g_free (ring);
    return FALSE;
  }
  self->ring = ring;
  self->settings = *settings;
  self->attached = FALSE;
  GST_OBJECT_LOCK (self->src);
  self->handle = handle;
  shmring_reader_interrupt (handle, g_atomic_int_get (&self->unlocked));
  GST_OBJECT_UNLOCK (self->src);
  return TRUE;
}

/* ---- Waiting ------------------------------------------------------------- */

static GstFlowReturn
gst_shm_ring_reader_attach_timeout (GstShmRingReader *self)
{
  GST_ELEMENT_ERROR (self->src, RESOURCE, NOT_FOUND,
      ("No ring \"%s\" appeared within %" GST_TIME_FORMAT
       ". Start its writer (shmringsink name=%s), or set connection-timeout.",
          self->ring, GST_TIME_ARGS (self->settings.connection_timeout),
          self->ring),
      (NULL));
  return GST_FLOW_ERROR;
}

static GstFlowReturn
gst_shm_ring_reader_attach (GstShmRingReader *self)
{
  gint64 end =
      gst_shm_ring_element_wait_end (self->settings.connection_timeout);
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
      return gst_shm_ring_reader_attach_timeout (self);
    default:
      gst_shm_ring_element_post_errno (self->src, res, error.message);
      return GST_FLOW_ERROR;
  }
}

static GstFlowReturn
gst_shm_ring_reader_take_timeout (GstShmRingReader *self)
{
  GST_ELEMENT_ERROR (self->src, RESOURCE, READ,
      ("No frame came through the ring \"%s\" within %" GST_TIME_FORMAT
       ". Its writer is there but sends nothing: see what it does, or set "
       "timeout.",
          self->ring, GST_TIME_ARGS (self->settings.timeout)),
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

static GstFlowReturn
gst_shm_ring_reader_take (GstShmRingReader *self, struct shmring_frame **frame)
{
  gint64 end = gst_shm_ring_element_wait_end (self->settings.timeout);
  struct shmring_error error = { 0 };
  int res;

  do
    res = shmring_reader_take (
        self->handle, gst_shm_ring_element_wait_left (end), frame, &error);
  while (res == SHMRING_INTERRUPTED && !g_atomic_int_get (&self->unlocked));
  switch (res) {
    case SHMRING_OK:
      return GST_FLOW_OK;
    case SHMRING_INTERRUPTED:
      return GST_FLOW_FLUSHING;
    case SHMRING_TIMEOUT:
      return gst_shm_ring_reader_take_timeout (self);
    case SHMRING_ENDED:
    case SHMRING_CLOSED:
    case SHMRING_LOST:
      return gst_shm_ring_reader_end (self, res, error.message);
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
  self->is_new = FALSE;
  self->next_seq = (*frame)->info.seq + 1;
  return GST_FLOW_OK;
}

/* ---- Other threads ------------------------------------------------------- */

gboolean
gst_shm_ring_reader_get_latency (
    GstShmRingReader *self, GstClockTime *latency, guint *lease)
{
  struct shmring_reader_stats stats = { 0 };
  struct shmring_info info = { 0 };
  int res = -ENOTCONN;

  GST_OBJECT_LOCK (self->src);
  if (self->handle != NULL) {
    res = shmring_reader_get_info (self->handle, &info);
    shmring_reader_get_stats (self->handle, &stats);
  }
  GST_OBJECT_UNLOCK (self->src);
  *latency = MAX (info.latency_ns, 0);
  *lease = stats.lease;
  return res == SHMRING_OK;
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

  GST_OBJECT_LOCK (self->src);
  handle = g_steal_pointer (&self->handle);
  GST_OBJECT_UNLOCK (self->src);
  shmring_reader_free (handle);
  g_clear_pointer (&self->ring, g_free);
}
