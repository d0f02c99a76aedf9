/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmringsinkstats.h"

static GstStructure *
gst_shm_ring_sink_stats_of_reader (const struct shmring_reader_info *reader)
{
  GstStructure *stats;
  gchar *valid;

  valid = g_utf8_make_valid (reader->comm, -1);
  stats = gst_structure_new ("reader", "id", G_TYPE_UINT64, reader->id, "pid",
      G_TYPE_UINT, reader->pid, "name", G_TYPE_STRING, valid, "leaky",
      G_TYPE_BOOLEAN, reader->mode == SHMRING_MODE_LATEST, "lease", G_TYPE_UINT,
      reader->lease, "offered", G_TYPE_UINT, reader->offered, "held",
      G_TYPE_UINT, reader->held, "lag", G_TYPE_UINT64, reader->lag, NULL);
  g_free (valid);
  return stats;
}

static void
gst_shm_ring_sink_stats_add_readers (
    GstStructure *stats, struct shmring_writer *writer)
{
  struct shmring_reader_info reader[SHMRING_MAX_READERS];
  guint count =
      shmring_writer_get_readers (writer, reader, SHMRING_MAX_READERS);
  GValue readers = G_VALUE_INIT;

  gst_value_array_init (&readers, SHMRING_MAX_READERS);
  for (guint i = 0; i < MIN (count, SHMRING_MAX_READERS); i++) {
    GValue value = G_VALUE_INIT;

    g_value_init (&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed (&value, gst_shm_ring_sink_stats_of_reader (&reader[i]));
    gst_value_array_append_and_take_value (&readers, &value);
  }
  gst_structure_take_value (stats, "readers", &readers);
}

static GstStructure *
gst_shm_ring_sink_stats_of_ring (struct shmring_writer *writer)
{
  struct shmring_writer_stats ring;
  GstStructure *stats;

  shmring_writer_get_stats (writer, &ring);
  stats = gst_structure_new ("application/x-shmring-sink-stats", "published",
      G_TYPE_UINT64, ring.published, "bytes", G_TYPE_UINT64, ring.bytes,
      "dropped", G_TYPE_UINT64, ring.dropped, "revoked", G_TYPE_UINT64,
      ring.revoked, "flushed", G_TYPE_UINT64, ring.flushed, "waits",
      G_TYPE_UINT64, ring.waits, "wait-time", G_TYPE_UINT64,
      (guint64) ring.wait_ns, "slots", G_TYPE_UINT, ring.slots, "slot-size",
      G_TYPE_UINT64, ring.slot_size, "num-readers", G_TYPE_UINT, ring.readers,
      "dead-readers", G_TYPE_UINT64, ring.dead_readers, "bad-readers",
      G_TYPE_UINT64, ring.bad_claims, "name-lost", G_TYPE_BOOLEAN,
      (gboolean) ring.name_lost, NULL);
  gst_shm_ring_sink_stats_add_readers (stats, writer);
  return stats;
}

static GstStructure *
gst_shm_ring_sink_stats_now (GstShmRingWriter *self, GstShmRingAllocator *slots)
{
  struct shmring_writer *writer = gst_shm_ring_allocator_borrow_writer (slots);
  GstShmRingWriterCounts counts;
  GstStructure *stats;

  if (writer == NULL)
    return NULL;
  GST_OBJECT_LOCK (self->sink);
  counts = self->counts;
  GST_OBJECT_UNLOCK (self->sink);
  stats = gst_shm_ring_sink_stats_of_ring (writer);
  gst_shm_ring_allocator_return_writer (slots);
  gst_structure_set (stats, "in-place", G_TYPE_UINT64, counts.in_place,
      "copied", G_TYPE_UINT64, counts.copied, "lent", G_TYPE_UINT64,
      gst_shm_ring_allocator_lent (slots), "dropped-metas", G_TYPE_UINT64,
      counts.dropped_metas, NULL);
  return stats;
}

GstStructure *
gst_shm_ring_sink_stats_get (GstShmRingWriter *self)
{
  GstShmRingAllocator *slots = gst_shm_ring_writer_ref_slots (self);
  GstStructure *stats = NULL;

  if (slots != NULL) {
    stats = gst_shm_ring_sink_stats_now (self, slots);
    gst_object_unref (slots);
  }
  if (stats != NULL)
    return stats;
  GST_OBJECT_LOCK (self->sink);
  if (self->last_stats != NULL)
    stats = gst_structure_copy (self->last_stats);
  GST_OBJECT_UNLOCK (self->sink);
  return stats;
}

guint
gst_shm_ring_sink_stats_num_readers (GstShmRingWriter *self)
{
  GstShmRingAllocator *slots = gst_shm_ring_writer_ref_slots (self);
  struct shmring_writer *writer;
  guint readers = 0;

  if (slots == NULL)
    return 0;
  writer = gst_shm_ring_allocator_borrow_writer (slots);
  if (writer != NULL) {
    readers = shmring_writer_get_readers (writer, NULL, 0);
    gst_shm_ring_allocator_return_writer (slots);
  }
  gst_object_unref (slots);
  return readers;
}

void
gst_shm_ring_sink_stats_keep (GstShmRingWriter *self)
{
  GstStructure *stats = gst_shm_ring_sink_stats_get (self);

  GST_OBJECT_LOCK (self->sink);
  gst_clear_structure (&self->last_stats);
  self->last_stats = stats;
  GST_OBJECT_UNLOCK (self->sink);
}
