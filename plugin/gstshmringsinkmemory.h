/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A sink's slots as GstMemory, lent to upstream through a pool. Pool and memory
 * outlive the sink, so the ring's writer is owned here.
 *
 * Functions may be called from any thread, those that say "the owner" from the
 * thread that opened the ring, or when nothing streams.
 */
#ifndef GST_SHM_RING_SINK_MEMORY_H
#define GST_SHM_RING_SINK_MEMORY_H

#include <gst/gst.h>

#include "shmring.h"

G_BEGIN_DECLS

G_DECLARE_FINAL_TYPE (GstShmRingAllocator, gst_shm_ring_allocator, GST,
    SHM_RING_ALLOCATOR, GstAllocator)

/* Has no ring yet: lends nothing. OPTIONS: slot_size and header_size are the
 * least the ring will have. */
GstShmRingAllocator *gst_shm_ring_allocator_new (
    const struct shmring_writer_options *options);

/* ---- The ring ------------------------------------------------------------ */

/* Makes the ring NAME; its WRITER is the owner's until close. As
 * shmring_writer_open. */
int gst_shm_ring_allocator_open (GstShmRingAllocator *self, const gchar *name,
    gint64 patience, struct shmring_writer **writer,
    struct shmring_error *error);

/* The writer for others than the owner, or NULL. It stays open until given
 * back. Nothing is posted, emitted or logged meanwhile: what hears it may be
 * about to close the ring, and waits for the borrower. */
struct shmring_writer *gst_shm_ring_allocator_borrow_writer (
    GstShmRingAllocator *self);
void gst_shm_ring_allocator_return_writer (GstShmRingAllocator *self);

/* While unlocked, waits of the writer return at once. An interruption stays
 * until resumed, which does nothing while unlocked. */
void gst_shm_ring_allocator_set_unlocked (
    GstShmRingAllocator *self, gboolean unlocked);
void gst_shm_ring_allocator_resume (GstShmRingAllocator *self);

/* The owner: ends the waits of those who borrow, and closes the ring. Slots
 * that are out stay valid. */
void gst_shm_ring_allocator_close (GstShmRingAllocator *self);

/* ---- Slots --------------------------------------------------------------- */

/* Makes slots and headers at least so large. 0: they are, or will be when the
 * ring is opened; else as shmring_writer_resize. */
int gst_shm_ring_allocator_grow (GstShmRingAllocator *self, guint64 slot_size,
    guint header_size, struct shmring_error *error);
guint64 gst_shm_ring_allocator_slot_size (GstShmRingAllocator *self);
guint gst_shm_ring_allocator_header_size (GstShmRingAllocator *self);

/* How many were lent. */
guint64 gst_shm_ring_allocator_lent (GstShmRingAllocator *self);

/* The owner: the slot under BUFFER when that is all it has and the slot is this
 * ring's, not to be written any more; *OFFSET: where in the slot it begins.
 * NULL: it must be copied, also because somebody has it mapped for writing. */
struct shmring_slot *gst_shm_ring_allocator_seal_slot (
    GstShmRingAllocator *self, GstBuffer *buffer, gsize *offset);

/* Buffers for raw video that lie in slots while there are any to lend, in
 * ordinary memory when not. */
GstBufferPool *gst_shm_ring_pool_new (GstShmRingAllocator *slots);

G_END_DECLS

#endif
