/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reader at one segment: from its port's lock byte to its last frame. */
#ifndef ATTACHMENT_H
#define ATTACHMENT_H

#include "copies.h"
#include "segment.h"

struct attachment {
    _Atomic uint32_t refs; /* the reader's, and one a frame held in place */
    _Atomic uint32_t held; /* frames held in place */
    struct segment *seg;
    struct shmring_reader_options options;
    struct copies *copies;
    uint32_t port, epoch;
    uint32_t lease; /* as granted */
    bool answered;  /* the writer said where our stream begins */
    uint64_t stream;
    uint64_t cursor;
    uint64_t received, copied, early, skipped;
    uint64_t flushed, withdrawn, dropped; /* published for us, gone before we took it, and why */

    bool tried_newest; /* mode latest begins with the frame that is there */
    uint64_t newest;   /* it; offers up to it are given back unread. 0: none */

    bool wants_key;          /* leaves out frames until one that stands alone */
    int64_t wants_key_since; /* CLOCK_MONOTONIC */
    uint64_t seen;           /* the frame before the next one, if none is missing */
    bool lost;               /* some were, since the last one that stood alone */
};

/* What the attachment before this one of the same reader had got to, and what they share. */
struct attachment_start {
    struct copies *copies;
    uint64_t expected; /* after a supersede: the next frame; those that are gone count as missed */
    uint64_t newest;   /* after a leave: the newest frame it had; 0: none of this ring */
    bool wants_key;
};

static inline struct layout_port *attachment_port(const struct attachment *at) {
    return &at->seg->ctl->port[at->port];
}

static inline struct layout_answer *attachment_answer(const struct attachment *at) {
    return &at->seg->header->answer[at->port];
}

/* Beside enum shmring_result: nothing now, more may come; a frame, but no room for a copy of it. */
enum { TAKE_NOTHING = 100, TAKE_NO_ROOM };

/*
 * Takes a port at SEG (and its reference, also when it fails), which is mapped. -EAGAIN: it ended
 * or was superseded meanwhile, or somebody else is attaching; open the name again; -EUSERS: all
 * ports are taken.
 */
int attachment_join(struct segment *seg, const struct shmring_reader_options *options,
                    const struct attachment_start *start, struct attachment **joined,
                    struct shmring_error *error);

/* A frame's reference, when it comes back. */
void attachment_unref(struct attachment *at);

/* Leaves. The port is free, and the memory unmapped, when the last frame comes back. */
void attachment_leave(struct attachment *at);

/* The next frame (take.c): SHMRING_OK, TAKE_NOTHING, TAKE_NO_ROOM, SHMRING_LEASE, -ENOMEM or
 * -EPROTO. */
int attachment_take(struct attachment *at, struct shmring_frame **frame,
                    struct shmring_error *error);

/* The stream that we attached to is over, and all of it was read. */
bool attachment_is_over(struct attachment *at);
/* The writer shut us out. */
bool attachment_is_banned(const struct attachment *at);
/* The word that says that we are there is as we wrote it, which nobody else may. */
bool attachment_has_port(const struct attachment *at);

/* Whether the next frame can be decoded after those before it, or is to be left out. (keyframe.c)
 */
bool attachment_can_decode(struct attachment *at, const struct shmring_frame_info *info);
void attachment_request_key(struct attachment *at, int64_t at_ns);

/* Adds its counts. */
void attachment_count(const struct attachment *at, struct shmring_reader_stats *stats);

#endif
