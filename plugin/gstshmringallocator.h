/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lends the slots of one ring to upstream as GstMemory, and owns the ring's
 * writer: a pool and its memory outlive the sink, so the writer's end is here.
 *
 * Functions may be called from any thread.
 */
#ifndef GST_SHM_RING_ALLOCATOR_H
#define GST_SHM_RING_ALLOCATOR_H

#include <gst/gst.h>

#include "shmring.h"

G_BEGIN_DECLS

#define GST_TYPE_SHM_RING_ALLOCATOR (gst_shm_ring_allocator_get_type ())
G_DECLARE_FINAL_TYPE (GstShmRingAllocator, gst_shm_ring_allocator, GST,
    SHM_RING_ALLOCATOR, GstAllocator)

/* Has no ring yet: lends nothing. OPTIONS: slot_size and header_size are the
 * least the ring will have. */
GstShmRingAllocator *gst_shm_ring_allocator_new (
    const struct shmring_writer_options *options);

/* ---- The ring: for the sink's streaming thread --------------------------- */

/* Makes the ring NAME. As shmring_writer_open. */
int gst_shm_ring_allocator_open (
    GstShmRingAllocator *self, const gchar *name, struct shmring_error *error);

/* The ring's writer, or NULL. Valid until close, which the same owner calls. */
struct shmring_writer *gst_shm_ring_allocator_writer (
    GstShmRingAllocator *self);

/* Makes slots and headers at least so large. 0: they are, or will be when the
 * ring is opened; else as shmring_writer_resize. */
int gst_shm_ring_allocator_grow (GstShmRingAllocator *self, guint64 slot_size,
    guint header_size, struct shmring_error *error);
guint64 gst_shm_ring_allocator_slot_size (GstShmRingAllocator *self);
guint gst_shm_ring_allocator_header_size (GstShmRingAllocator *self);

void gst_shm_ring_allocator_set_latency (
    GstShmRingAllocator *self, GstClockTime latency);

/* Nothing is lent while the stream is ended: a loan would begin the ring anew.
 */
void gst_shm_ring_allocator_set_ended (
    GstShmRingAllocator *self, gboolean ended);

/* Ends the waits of those who borrow, and closes the ring. Slots that are out
 * stay valid. */
void gst_shm_ring_allocator_close (GstShmRingAllocator *self);

/* ---- Slots: for upstream's threads --------------------------------------- */

/* Memory of SIZE bytes over a slot, or NULL: upstream has as many as it may
 * have, or readers kept every other slot for TIMEOUT, or the ring ends or is
 * interrupted. */
GstMemory *gst_shm_ring_allocator_lend (GstShmRingAllocator *self, gsize size,
    const GstAllocationParams *params, GstClockTime timeout);

/* Ends the waits under way. */
void gst_shm_ring_allocator_interrupt (GstShmRingAllocator *self);

guint64 gst_shm_ring_allocator_lent (GstShmRingAllocator *self);

/* The ring's writer, for a call from a thread that does not own it, or NULL. It
 * stays open until given back. */
struct shmring_writer *gst_shm_ring_allocator_borrow_writer (
    GstShmRingAllocator *self);
void gst_shm_ring_allocator_return_writer (GstShmRingAllocator *self);

/* ---- A slot on its way back ---------------------------------------------- */

/* The slot under BUFFER when that is all it has and the slot is this ring's;
 * *OFFSET: where in the slot it begins. NULL: it must be copied. */
struct shmring_slot *gst_shm_ring_allocator_slot_of (
    GstShmRingAllocator *self, GstBuffer *buffer, gsize *offset);

/* Nobody can map BUFFER's memory for writing from now on. False: somebody has
 * it mapped so. */
gboolean gst_shm_ring_allocator_seal (GstBuffer *buffer);

G_END_DECLS

#endif
