/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Layout version 1 of the two shared memory objects of a ring, little-endian.
 *
 *   /dev/shm/NAME        written by the writer only          /dev/shm/NAME.ctl   by readers too
 *   +--------------------------+ 0                           +--------------------------+ 0
 *   | struct layout_header     |                             | struct layout_ctl        |
 *   +--------------------------+ ring_offset                 +--------------------------+ 4096
 *   | descriptor[capacity]     |                             | struct layout_port   [0] |
 *   +--------------------------+ frames_offset               +--------------------------+ 8192
 *   | struct layout_frame  [0] | every frame_stride          | struct layout_port   [1] |
 *   |   caps text, metas       |                             |   ...                    |
 *   +--------------------------+ slots_offset                +--------------------------+
 *   | slot [0]                 | every slot_stride
 *   +--------------------------+ total_size
 *
 * Everything up to `state` in the header is constant once the name exists, also when another writer
 * adopts the ring. Offsets are pinned by static asserts in layout.c and by
 * tests/ring/layout.golden.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shmring.h"

#define LAYOUT_MAGIC "SHMRING"
#define LAYOUT_CTL_MAGIC "SHMRCTL"
#define LAYOUT_VERSION 1
#define LAYOUT_PAGE 4096u

enum layout_state {
    STATE_ACTIVE = 1,
    STATE_ENDED,      /* the stream is over, another may follow */
    STATE_CLOSED,     /* the writer stopped */
    STATE_SUPERSEDED, /* another segment has the name */
    STATE_MOVING,     /* another one will have it, once this one's memory is free */
};

#define LAYOUT_NO_END UINT64_MAX
/* Frame numbers stay below: claims and descriptors carry 48 bits of them. */
#define LAYOUT_MAX_SEQ (UINT64_C(1) << 47)

/* The writer's word to a port: the attachment it answers, and where that reader's stream begins
 * and ends. */
struct layout_answer {
    _Alignas(64) _Atomic uint64_t epoch; /* stored last */
    _Atomic uint64_t first;              /* seq of the first frame offered */
    _Atomic uint64_t end;                /* seq after the last one; LAYOUT_NO_END: not yet known */
    _Atomic uint64_t stream;             /* which of the ring's streams it is */
    _Atomic uint64_t flushed;            /* offers of this epoch taken back by flushes */
    _Atomic uint64_t withdrawn;          /* and because patience ended */
    _Atomic uint64_t banned;             /* the epoch that was shut out; 0: none */
    _Atomic uint64_t stuck;              /* patience for it ended, and it has not moved since */
};

/* In waited_port: a reader that is still at a segment before this one. */
#define LAYOUT_WAITED_BEFORE UINT32_MAX

struct layout_header {
    char magic[8];
    uint32_t version;
    uint32_t header_bytes; /* of this struct */
    uint64_t total_size;
    uint64_t ring_offset;
    uint64_t frames_offset;
    uint64_t slots_offset;
    uint64_t slot_size; /* bytes a frame may use */
    uint64_t slot_stride;
    uint32_t frame_stride;
    uint32_t slots;
    uint32_t capacity; /* of the ring: a power of two >= 2 x slots */
    uint32_t max_readers;
    uint32_t lend_limit;
    uint32_t reserved;
    uint8_t instance[16]; /* random; NAME.ctl bears the same */
    int64_t created_ns;   /* CLOCK_REALTIME */
    uint64_t base;        /* seq of the first frame this segment can carry */

    _Alignas(64) _Atomic uint32_t state; /* enum layout_state */
    _Atomic uint32_t waiting;            /* the writer sleeps on the doorbell */
    _Atomic uint32_t watching;           /* a thread of its process sleeps on the notice */
    _Atomic uint32_t stretch;            /* of the next frame */
    _Atomic uint64_t stream;             /* counts the ring's streams, from 1 */
    _Atomic int64_t latency_ns;
    _Atomic uint32_t writer_pid;        /* for people */
    _Atomic uint32_t waited_port;       /* whom the writer waits for now: port + 1, or 0 */
    _Atomic uint64_t writer_process[2]; /* for people: its name, 16 bytes */
    _Atomic int64_t waited_since_ns;    /* CLOCK_MONOTONIC */

    _Alignas(64) _Atomic uint64_t head; /* seq of the next frame: base + frames published here */
    _Atomic uint64_t key_seq;           /* of the newest frame without DELTA; 0: none yet */

    _Alignas(64) _Atomic uint32_t event; /* futex: changes with head and with state */

    _Alignas(64) _Atomic uint64_t published; /* counters over all segments, for tools */
    _Atomic uint64_t bytes;
    _Atomic uint64_t dropped;
    _Atomic uint64_t revoked;
    _Atomic uint64_t withdrawn;
    _Atomic uint64_t flushed;
    _Atomic uint64_t waits;
    _Atomic uint64_t wait_ns;

    struct layout_answer answer[SHMRING_MAX_READERS];
};

/* A descriptor says which slot carries frame seq: seq:48 . slot:16. */
typedef _Atomic uint64_t layout_descriptor;

struct layout_frame {
    _Atomic uint64_t seq; /* 0 while the slot is being written */
    uint32_t width, height, channels;
    uint32_t flags;       /* enum shmring_frame_flags */
    int64_t timestamp_ns; /* capture, CLOCK_REALTIME */
    char format[16];
    uint32_t planes;
    uint32_t stretch;
    int32_t stride[SHMRING_MAX_PLANES];
    uint64_t offset[SHMRING_MAX_PLANES];
    uint64_t size; /* bytes used */
    int64_t pts_ns, dts_ns, duration_ns;
    int64_t clock_ns;   /* CLOCK_MONOTONIC of the pts */
    int64_t publish_ns; /* CLOCK_MONOTONIC */
    uint64_t frame_number, frame_number_end;
    uint32_t fps_num, fps_den;
    uint32_t caps_size;  /* bytes of caps text that follow, its NUL counted; 0: none */
    uint32_t metas_size; /* bytes of metas that follow the caps, at the next multiple of 8 */
    char data[];
};

enum layout_attach_state { PORT_FREE = 0, PORT_ATTACHED = 1, PORT_LEAVING = 2 };

/* The attach word: epoch:32 . depth:16 . mode:8 . state:8. */
static inline uint64_t attach_word(uint32_t epoch, uint16_t depth, uint8_t mode, uint8_t state) {
    return (uint64_t)epoch << 32 | (uint64_t)depth << 16 | (uint64_t)mode << 8 | state;
}
static inline uint32_t attach_epoch(uint64_t word) {
    return (uint32_t)(word >> 32);
}
static inline uint16_t attach_depth(uint64_t word) {
    return (uint16_t)(word >> 16);
}
static inline uint8_t attach_mode(uint64_t word) {
    return (uint8_t)(word >> 8);
}
static inline uint8_t attach_state(uint64_t word) {
    return (uint8_t)word;
}
static inline bool attach_has_mode(uint64_t word) {
    return attach_mode(word) == SHMRING_MODE_ALL || attach_mode(word) == SHMRING_MODE_LATEST;
}

/* A claim: 0, or seq:48 . kind:16. */
enum layout_claim { CLAIM_OFFERED = 1, CLAIM_TAKEN = 2, CLAIM_COPYING = 3 };

static inline uint64_t claim_word(uint64_t seq, enum layout_claim kind) {
    return seq << 16 | kind;
}
static inline uint64_t claim_seq(uint64_t claim) {
    return claim >> 16;
}
static inline uint32_t claim_kind(uint64_t claim) {
    return claim & 0xffff;
}

/* What one reader writes. */
struct layout_port {
    _Atomic uint64_t attach;
    _Atomic uint32_t lease; /* as granted */
    uint32_t pid;           /* for people */
    char process[SHMRING_PROCESS_NAME];
    _Atomic uint64_t cursor;    /* seq this reader looks for next; for tools */
    _Atomic uint64_t received;  /* frames taken; for tools */
    _Atomic int64_t key_at_ns;  /* the frame that should be a key frame is due then; -1: the next */
    _Atomic uint32_t key_count; /* counts such requests */
    _Atomic uint64_t dropped;   /* frames that it lost by itself; for tools */
    _Alignas(2048) _Atomic uint64_t claim[SHMRING_MAX_SLOTS];
};

struct layout_ctl {
    char magic[8];
    uint32_t version;
    uint32_t max_readers;
    uint8_t instance[16];
    _Alignas(64) _Atomic uint32_t doorbell; /* futex: rings when a slot may have become free */
    _Alignas(64) _Atomic uint32_t notice;   /* futex: a reader came, left or asks for something */
    _Alignas(LAYOUT_PAGE) struct layout_port port[];
};

/* Lock bytes of NAME.ctl. */
enum { LOCK_WRITER = 0, LOCK_PORT = 1 /* + port */ };
static inline int64_t lock_port(uint32_t port) {
    return LOCK_PORT + (int64_t)port;
}
static inline int64_t lock_attach(uint32_t max_readers) {
    return LOCK_PORT + (int64_t)max_readers;
}

/* What a segment's constants say, in private memory: checked once, never read from shared memory
 * again. */
struct geometry {
    uint64_t total_size, ring_offset, frames_offset, slots_offset, slot_size, slot_stride, ctl_size;
    uint32_t frame_stride, slots, capacity, max_readers, lend_limit;
    uint64_t base;
    uint8_t instance[16];
};

/* Fills in offsets and strides from the wanted sizes. False: an option out of range or a segment
 * that no address space holds; *PROBLEM says which (a static text). */
bool geometry_plan(struct geometry *g, const struct shmring_writer_options *options,
                   const char **problem);

/* Reads and checks a header against the sizes of its two files. As geometry_plan. */
bool geometry_check(struct geometry *g, const struct layout_header *header, uint64_t size,
                    const struct layout_ctl *ctl, uint64_t ctl_size, const char **problem);

#endif
