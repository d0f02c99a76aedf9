/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reader's place at one segment: from its lock byte to its last frame. */
#ifndef ATTACHMENT_H
#define ATTACHMENT_H

#include "segment.h"

struct attachment {
    _Atomic uint32_t refs; /* the reader's, and one a frame held in place */
    _Atomic uint32_t held; /* frames held in place */
    struct segment *seg;
    struct shmring_reader_options options;
    uint32_t place, epoch;
    uint32_t lease;    /* as granted */
    bool answered;     /* the writer said where our stream begins */
    uint64_t expected; /* where our stream was before a supersede; 0: it begins here */
    uint64_t cursor;
    uint64_t received, copied;
    uint64_t missed; /* published for us, gone before we took it */
};

/* Beside enum shmring_result: nothing now, more may come. */
enum { TAKE_NOTHING = 100 };

/*
 * Takes a place at SEG (and its reference, also when it fails). -EAGAIN: superseded meanwhile, or
 * somebody else is attaching; open the name again; -EUSERS: all places are taken. EXPECTED: the
 * frame the reader looked for next in the segment before; those between it and our first count as
 * missed. 0: there was none.
 */
int attachment_join(struct segment *seg, const struct shmring_reader_options *options,
                    uint64_t expected, struct attachment **joined, struct shmring_error *error);

/* Leaves. The place is free, and the memory unmapped, when the last frame comes back. */
void attachment_leave(struct attachment *at);

/* The next frame: SHMRING_OK, TAKE_NOTHING, SHMRING_LEASE, -ENOMEM or -EPROTO. */
int attachment_take(struct attachment *at, struct shmring_frame **frame);

/* Of what was missed, how much a flush took back. */
uint64_t attachment_flushed(const struct attachment *at);

#endif
