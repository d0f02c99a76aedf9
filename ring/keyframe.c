/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reader of an encoded stream begins, and goes on after a loss, with a frame that stands alone.
 */
#include "attachment.h"
#include "frame.h"
#include "futex.h"

/* A stream that refreshes its pictures bit by bit never has a frame that stands alone. */
#define KEY_WAIT_NS INT64_C(10000000000)

void attachment_request_key(struct attachment *at, int64_t at_ns) {
    struct layout_port *port = attachment_port(at);
    atomic_store_explicit(&port->key_at_ns, at_ns, memory_order_relaxed);
    /* Release: who sees the request sees for when. */
    atomic_fetch_add_explicit(&port->key_count, 1, memory_order_release);
    segment_give_notice(at->seg);
}

/* No key frame will come: none did so far, in a long time. */
static bool is_refreshed_bit_by_bit(const struct attachment *at) {
    return atomic_load_explicit(&at->seg->header->key_seq, memory_order_relaxed) == 0 &&
           monotonic_ns() - at->wants_key_since > KEY_WAIT_NS;
}

static void want_key(struct attachment *at) {
    if (at->wants_key)
        return;
    at->wants_key = true;
    at->wants_key_since = monotonic_ns();
    attachment_request_key(at, SHMRING_TIME_NONE);
}

/* Frames that stand alone, or say nothing, and a loss, change the answer for the next ones. */
bool attachment_can_decode(struct attachment *at, const struct shmring_frame_info *info) {
    bool is_gap = info->flags & SHMRING_FRAME_GAP, is_delta = frame_needs_others(info);
    bool is_next = at->seen == 0 || info->seq == at->seen + 1;
    at->seen = info->seq;
    at->lost = at->lost || !is_next;
    if (!at->options.wait_for_keyframe || is_gap)
        return true;
    if (!is_delta) {
        at->wants_key = at->lost = false;
        return true;
    }
    if (at->lost)
        want_key(at);
    at->lost = false;
    if (at->wants_key && is_refreshed_bit_by_bit(at))
        at->wants_key = false;
    return !at->wants_key;
}
