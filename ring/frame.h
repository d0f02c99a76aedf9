/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A frame's header in shared memory, and the frame as its reader has it. */
#ifndef FRAME_H
#define FRAME_H

#include "copies.h"
#include "segment.h"

/* Whether it is marked as a delta and can be one: what makes images one by one, or takes them out
 * of a multipart stream, marks each of them (pngenc, multipartdemux). */
bool frame_needs_others(const struct shmring_frame_info *info);

/* ---- Writer's side ---- */

/* Between "this slot is being written" (its seq 0) and the first byte of the new frame. */
void frame_fence_before_write(void);

/* True when caps and metas fit behind the header. */
bool frame_header_fits(const struct segment *seg, const struct shmring_frame_info *info);
void frame_write_header(struct segment *seg, uint32_t slot, const struct shmring_frame_info *info);

/* ---- Reader's side ---- */

typedef void frame_give_back(void *holder, uint32_t slot);

/*
 * The frame in a slot that this reader has TAKEN, in place; GIVE_BACK is called at its release. 0,
 * -ENOMEM, or -EPROTO when it cannot be what it says (then nothing is called).
 */
int frame_view(struct segment *seg, uint32_t slot, uint64_t seq, frame_give_back *give_back,
               void *holder, struct shmring_frame **frame, struct shmring_error *error);

/* An owned copy of the frame in a slot that this reader is COPYING. Only good if the claim is still
 * there afterwards. As frame_view. */
int frame_copy(const struct segment *seg, uint32_t slot, uint64_t seq, struct shmring_frame **frame,
               struct shmring_error *error);

/* A copy counts among COPIES until it is released. */
void frame_count_copy(struct shmring_frame *copy, struct copies *copies);

/* An owned copy of frame SEQ out of a slot that nobody claims, without mapping it. -EAGAIN: the
 * writer was faster; never a mixture. Else as frame_view. */
int frame_observe(const struct segment *seg, uint32_t slot, uint64_t seq,
                  struct shmring_frame **frame, struct shmring_error *error);

#endif
