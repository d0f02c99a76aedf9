/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libshmring: video frames from one process to others, through a ring in POSIX shared memory.
 *
 * One writer publishes frames into a named ring; readers attach to the name and take them in place.
 * A writer's life:                            A reader's life:
 *
 *   shmring_writer_open("cam0")                 shmring_reader_new("cam0")
 *   for every frame:                            shmring_reader_attach()      waits for the ring
 *     shmring_writer_loan()    may wait         for every frame:
 *     ... fill slot.data ...                      shmring_reader_take()      waits for a frame
 *     shmring_writer_publish() never waits        ... read frame->data ...
 *     shmring_slot_return()                       shmring_frame_release()    cannot fail
 *   shmring_writer_end()       end of stream    shmring_reader_free()
 *   shmring_writer_close()
 *
 * A third party that must disturb nobody uses shmring_observer_*: it copies the newest frame out.
 *
 * Conventions, for every function here:
 *   - It returns an enum shmring_result (0 and up: conditions to expect) or a negative errno. With
 * a negative errno the struct shmring_error, where there is one (NULL is allowed), holds a sentence
 *     for people: what happened, to which ring, what to do.
 *   - Times are nanoseconds. A timeout of SHMRING_FOREVER waits for ever, 0 does not wait.
 *   - The library never prints, never exits, and survives any bytes it finds in shared memory.
 *   - Handles may be used from several threads; freeing one while another thread is inside a call
 *     on it is an error, as with every handle. A handle inherited through fork() answers -ECHILD in
 *     the child; closing or freeing it there is allowed and touches nothing shared.
 */
#ifndef SHMRING_H
#define SHMRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SHMRING_API __attribute__((visibility("default")))

#define SHMRING_FOREVER ((int64_t)-1)
/* "No such time", for the times of a frame. */
#define SHMRING_TIME_NONE ((int64_t)-1)

#define SHMRING_MAX_NAME 200
#define SHMRING_MAX_PLANES 4
#define SHMRING_MIN_SLOTS 4
#define SHMRING_MAX_SLOTS 256
#define SHMRING_MAX_READERS 32

enum shmring_result {
    SHMRING_OK = 0,
    SHMRING_TIMEOUT = 1,     /* nothing came within the timeout */
    SHMRING_INTERRUPTED = 2, /* by ..._interrupt() or by a signal handler: look why, call again */
    SHMRING_ENDED = 3,       /* every frame was read and the writer ended its stream */
    SHMRING_CLOSED = 4,      /* every frame was read and the writer stopped without ending it */
    SHMRING_LOST = 5,        /* the writer died */
    SHMRING_FULL = 6,  /* no free slot: drop the frame, or copy it (see shmring_writer_loan) */
    SHMRING_LEASE = 7, /* a views-only reader already holds all its lease allows */
};

struct shmring_error {
    int code; /* the negative errno that was returned */
    char message[512];
};

/* NULL when NAME can name a ring: 1-200 of A-Z a-z 0-9 . _ -, not starting with '.', not ending in
 * ".ctl". Otherwise the reason, a static text. */
SHMRING_API const char *shmring_name_problem(const char *name);

/* ---- Frames ------------------------------------------------------------------------------- */

enum shmring_frame_flags {
    SHMRING_FRAME_DISCONT = 1 << 0,   /* frames are missing before this one */
    SHMRING_FRAME_CORRUPTED = 1 << 1, /* the source says its content is damaged */
    SHMRING_FRAME_GAP = 1 << 2,       /* no content: the stream is silent here */
    SHMRING_FRAME_DELTA = 1 << 3,     /* not a key frame (encoded streams) */
    SHMRING_FRAME_HEADER = 1 << 4,    /* stream headers (encoded streams) */
    SHMRING_FRAME_INTERLACED = 1 << 5,
    SHMRING_FRAME_TFF = 1 << 6,      /* top field first */
    SHMRING_FRAME_RFF = 1 << 7,      /* repeat first field */
    SHMRING_FRAME_ONEFIELD = 1 << 8, /* one field only */
};

/*
 * What a frame says of itself. Opaque data (H.264, JPEG, audio) has width, height, channels and
 * planes 0, an empty format, and its size in bytes.
 */
struct shmring_frame_info {
    uint64_t seq;              /* counts the ring's frames, from 1; set by publish */
    uint32_t width, height;    /* pixels */
    uint32_t channels;         /* components a pixel: BGR 3, GRAY8 1, NV12 3 */
    uint32_t flags;            /* enum shmring_frame_flags */
    int64_t timestamp_ns;      /* capture, CLOCK_REALTIME; 0 in publish: the time of publishing */
    char format[16];           /* GStreamer's name ("BGR", "NV12"), NUL-terminated */
    uint32_t planes;           /* 0-4 */
    int32_t stride[4];         /* bytes from row to row, per plane */
    uint64_t offset[4];        /* of each plane, from the frame's first byte */
    uint64_t size;             /* bytes used */
    int64_t pts_ns, dts_ns;    /* the writing pipeline's running time, or SHMRING_TIME_NONE */
    int64_t duration_ns;       /* or SHMRING_TIME_NONE */
    int64_t clock_ns;          /* CLOCK_MONOTONIC time of the pts, or SHMRING_TIME_NONE */
    int64_t publish_ns;        /* CLOCK_MONOTONIC time of publishing; set by publish */
    uint64_t frame_number;     /* the source's own count */
    uint32_t fps_num, fps_den; /* 0/1: not known or variable */
    const char *caps;          /* GStreamer caps text, or NULL */
    const void *metas;         /* block of metas as docs/layout.md describes it, or NULL */
    size_t metas_size;         /* bytes */
};

/* A frame without any time. */
#define SHMRING_FRAME_INFO_INIT                                                                    \
    {                                                                                              \
        .pts_ns = SHMRING_TIME_NONE, .dts_ns = SHMRING_TIME_NONE,                                  \
        .duration_ns = SHMRING_TIME_NONE, .clock_ns = SHMRING_TIME_NONE, .fps_den = 1,             \
    }

/* A frame that was taken. All of it is read-only, and unchanged until released. */
struct shmring_frame {
    struct shmring_frame_info info;
    const void *data; /* info.size bytes */
    bool is_copy;     /* owned memory: the reader already held its lease */
};

/* Gives the frame back. From any thread, in any order, also after its reader is freed; cannot fail.
 * NULL is allowed. In a child of fork() it frees the child's memory only. */
SHMRING_API void shmring_frame_release(struct shmring_frame *frame);

enum shmring_mode {
    SHMRING_MODE_ALL,    /* every frame, in order; the writer waits for this reader */
    SHMRING_MODE_LATEST, /* the newest `depth` frames; the writer never waits */
};

/* ---- Writer ------------------------------------------------------------------------------- */

struct shmring_writer;

struct shmring_writer_options {
    uint64_t slot_size;   /* bytes a frame may need; no default */
    uint32_t slots;       /* 4-256 */
    uint32_t max_readers; /* 1-32 */
    uint32_t lend_limit;  /* loans that may be out at once, beside one; at most slots - 2 */
    uint32_t header_size; /* bytes for a frame's header, caps and metas: 4096-65536 */
    uint32_t perms;       /* like a file's: r may observe, w may attach, its owner always may;
                             exact whatever the umask */
    uint64_t first_seq; /* the number of the first frame (also the wake-up words' start); from 1 */
};

#define SHMRING_WRITER_OPTIONS_INIT                                                                \
    {                                                                                              \
        .slots = 8, .max_readers = 8, .lend_limit = 3, .header_size = 4096, .perms = 0600,         \
        .first_seq = 1,                                                                            \
    }

/* A slot on loan: SIZE bytes at DATA, writable until published, readable until returned. */
struct shmring_slot {
    void *data;
    uint64_t size;
    void *store;    /* private */
    uint32_t index; /* private */
};

/*
 * Makes the ring and puts its name in place. Whatever a dead writer left under the name is taken
 * over; its readers follow. Errors:
 *   -EINVAL  a name or option that cannot be; the message says which
 *   -EBUSY   a live writer has the name; the message says who
 *   -ENOSPC  /dev/shm cannot hold it; the message says how much there is
 *   -EEXIST  something under the name is not a ring;  -EACCES/-EPERM  it is another user's
 */
SHMRING_API int shmring_writer_open(const char *name, const struct shmring_writer_options *options,
                                    struct shmring_writer **writer, struct shmring_error *error);

/* Stops: readers drain what they were offered, then see SHMRING_ENDED if shmring_writer_end() was
 * called, else SHMRING_CLOSED. Removes the name. NULL is allowed. Slots still on loan stay valid
 * and must still be returned. */
SHMRING_API void shmring_writer_close(struct shmring_writer *writer);

enum shmring_loan {
    /* To fill and publish soon. At most lend_limit + 1 loans are out at once. */
    SHMRING_LOAN_FILL,
    /* To hand to somebody who may keep it. Refused (SHMRING_FULL) at lend_limit, so that one slot
     * is always left to copy a frame into. */
    SHMRING_LOAN_LEND,
};

/*
 * Borrows a slot to fill: a free one at once, else one after a reader in mode `all` gave one back,
 * within TIMEOUT. SHMRING_FULL: the timeout passed, the loans are at their limit, or nobody who may
 * be waited for holds a slot; the caller drops the frame and counts it (shmring_writer_drop).
 * SHMRING_INTERRUPTED, or -ECHILD. After shmring_writer_end() the ring is begun anew.
 */
SHMRING_API int shmring_writer_loan(struct shmring_writer *writer, enum shmring_loan kind,
                                    int64_t timeout_ns, struct shmring_slot *slot);

/*
 * Publishes the slot's first info->size bytes to every attached reader. At most once a loan; from
 * then on the memory must not be written. Never waits. INFO's seq and publish_ns are ignored. SEQ
 * (NULL is allowed) gets the frame's number. Errors:
 *   -ESTALE    the slot is from before a resize: loan again and copy
 *   -EMSGSIZE  caps and metas exceed header_size: resize, loan again and copy
 *   -EINVAL    info that cannot be true (planes outside the slot, a size larger than it, ...)
 *   -EALREADY  published before
 */
SHMRING_API int shmring_writer_publish(struct shmring_writer *writer, struct shmring_slot *slot,
                                       const struct shmring_frame_info *info, uint64_t *seq,
                                       struct shmring_error *error);

/* Ends the loan, published or not. From any thread, also after the writer is closed; cannot fail.
 * SLOT is zeroed; a zeroed SLOT is allowed. */
SHMRING_API void shmring_slot_return(struct shmring_slot *slot);

/* True while the slot belongs to the writer's present segment and was not published: it may be
 * filled and published. */
SHMRING_API bool shmring_writer_can_publish(struct shmring_writer *writer,
                                            const struct shmring_slot *slot);

/* Counts a frame the caller dropped after SHMRING_FULL; the next one is marked DISCONT. */
SHMRING_API void shmring_writer_drop(struct shmring_writer *writer);

/*
 * Moves the ring to a new segment with other sizes, under the same name. Readers follow when they
 * have read the old one; the next loan waits for those in mode `all`. Loans that are out become
 * stale. Errors as in shmring_writer_open.
 */
SHMRING_API int shmring_writer_resize(struct shmring_writer *writer, uint32_t slots,
                                      uint64_t slot_size, uint32_t header_size,
                                      struct shmring_error *error);

/* Takes back every frame that no reader took yet (a seek): none older than this is seen again. The
 * next frame is marked DISCONT. */
SHMRING_API void shmring_writer_flush(struct shmring_writer *writer);

/* The end of the stream: readers drain, then see SHMRING_ENDED. */
SHMRING_API void shmring_writer_end(struct shmring_writer *writer);

/* Waits until a reader is attached: SHMRING_OK, SHMRING_TIMEOUT, SHMRING_INTERRUPTED. */
SHMRING_API int shmring_writer_wait_reader(struct shmring_writer *writer, int64_t timeout_ns);

/* While INTERRUPTED is true, waits of this handle return SHMRING_INTERRUPTED at once, those
 * under way too. */
SHMRING_API void shmring_writer_interrupt(struct shmring_writer *writer, bool interrupted);

/* The writing pipeline's latency, for readers that have a clock. */
SHMRING_API void shmring_writer_set_latency(struct shmring_writer *writer, int64_t latency_ns);

struct shmring_writer_stats {
    uint32_t slots, max_readers, header_size;
    uint64_t slot_size;    /* bytes */
    uint32_t readers;      /* attached now */
    uint32_t loans;        /* out now */
    uint64_t published;    /* frames, over all segments */
    uint64_t bytes;        /* published */
    uint64_t dropped;      /* shmring_writer_drop() */
    uint64_t revoked;      /* offers taken back from `latest` readers, to keep them to their depth
                              or to free a slot */
    uint64_t flushed;      /* offers taken back by shmring_writer_flush() */
    uint64_t waits;        /* loans that had to wait */
    int64_t wait_ns;       /* time they waited */
    uint64_t dead_readers; /* readers that died attached */
    uint64_t bad_claims;   /* readers that lost their place for writing nonsense */
    bool name_lost;        /* somebody removed the name: no new reader can find the ring */
};

SHMRING_API void shmring_writer_get_stats(struct shmring_writer *writer,
                                          struct shmring_writer_stats *stats);

/* One attached reader, as the writer sees it. What it says of itself is for people. */
struct shmring_reader_info {
    uint64_t id; /* of this attachment, within the present segment */
    enum shmring_mode mode;
    uint32_t depth, lease;
    uint32_t offered; /* frames it did not take yet */
    uint32_t held;    /* frames it has taken and not released */
    uint64_t lag;     /* frames published that it did not get to yet, as it says */
    uint32_t pid;
    char comm[16];
};

/* Fills in up to MAX attached readers; returns how many there are. */
SHMRING_API uint32_t shmring_writer_get_readers(struct shmring_writer *writer,
                                                struct shmring_reader_info *readers, uint32_t max);

/* ---- Reader ------------------------------------------------------------------------------- */

struct shmring_reader;

struct shmring_reader_options {
    enum shmring_mode mode;
    uint32_t depth;  /* mode latest: 1-65535 frames */
    uint32_t lease;  /* frames to hold in place at once; the grant may be less */
    bool views_only; /* beyond the lease: SHMRING_LEASE instead of an owned copy */
};

#define SHMRING_READER_OPTIONS_INIT                                                                \
    { .mode = SHMRING_MODE_ALL, .depth = 1, .lease = 2, .views_only = false, }

/* Makes a handle; touches no ring yet. OPTIONS may be NULL. -EINVAL: a name or option that cannot
 * be; -ENOMEM. */
SHMRING_API int shmring_reader_new(const char *name, const struct shmring_reader_options *options,
                                   struct shmring_reader **reader, struct shmring_error *error);

/* Leaves the ring. Frames still held stay valid; the place is free when the last is released. NULL
 * is allowed. */
SHMRING_API void shmring_reader_free(struct shmring_reader *reader);

/*
 * Waits for a ring of the name and attaches. Every frame published after this returned is offered.
 * Also the way back after SHMRING_ENDED, _CLOSED or _LOST: attaches to the next writer. Attached
 * already: SHMRING_OK. Else SHMRING_TIMEOUT (ERROR says what was found), SHMRING_INTERRUPTED, or
 *   -EACCES  no permission (whose ring it is, which bits are missing)
 *   -EUSERS  all reader places are taken (by whom)
 *   -EPROTO  not a ring, another layout version, or a damaged one (what does not fit)
 */
SHMRING_API int shmring_reader_attach(struct shmring_reader *reader, int64_t timeout_ns,
                                      struct shmring_error *error);

/*
 * Takes the next frame. SHMRING_OK, SHMRING_TIMEOUT, SHMRING_INTERRUPTED, SHMRING_LEASE, one of the
 * three ends (SHMRING_ENDED, _CLOSED, _LOST: the reader has left the ring), -ENOTCONN (not
 * attached), -ENOMEM (for a copy), -EPROTO (the frame's header is damaged; that frame is skipped),
 * or what shmring_reader_attach returns when the ring was superseded by a new segment. ERROR is
 * filled also for SHMRING_LOST.
 */
SHMRING_API int shmring_reader_take(struct shmring_reader *reader, int64_t timeout_ns,
                                    struct shmring_frame **frame, struct shmring_error *error);

/* As shmring_writer_interrupt. */
SHMRING_API void shmring_reader_interrupt(struct shmring_reader *reader, bool interrupted);

struct shmring_reader_stats {
    uint64_t received; /* frames taken */
    uint64_t copied;   /* of those, as owned copies */
    uint64_t dropped;  /* published while attached, not taken: revoked or overwritten */
    uint64_t flushed;  /* published while attached, taken back by the writer's flush */
    uint64_t lag;      /* frames published that this reader did not get to yet */
    uint32_t held;     /* frames held in place now */
    uint32_t lease;    /* as granted */
};

SHMRING_API void shmring_reader_get_stats(struct shmring_reader *reader,
                                          struct shmring_reader_stats *stats);

struct shmring_info {
    char name[SHMRING_MAX_NAME + 1];
    uint32_t slots, max_readers, lend_limit, header_size;
    uint64_t slot_size;  /* bytes */
    uint32_t writer_pid; /* for people: may be of another PID namespace */
    char writer_comm[16];
    int64_t created_ns; /* CLOCK_REALTIME */
    int64_t latency_ns; /* of the writing pipeline, now */
    uint8_t instance[16];
};

/* The ring the reader is attached to; -ENOTCONN when it is not. */
SHMRING_API int shmring_reader_get_info(struct shmring_reader *reader, struct shmring_info *info);

/* ---- Observer ----------------------------------------------------------------------------- */

struct shmring_observer;

/* Opens the ring read-only. -ENOENT: no such ring; else as shmring_reader_attach. */
SHMRING_API int shmring_observer_open(const char *name, struct shmring_observer **observer,
                                      struct shmring_error *error);
SHMRING_API void shmring_observer_close(struct shmring_observer *observer);

/*
 * Copies the newest frame that is newer than AFTER (0: any) into an owned frame, to be released as
 * any other; never a torn one. SHMRING_OK, SHMRING_TIMEOUT, or, when no newer frame can come,
 * SHMRING_ENDED, _CLOSED, _LOST; follows a superseded ring.
 */
SHMRING_API int shmring_observer_latest(struct shmring_observer *observer, uint64_t after,
                                        int64_t timeout_ns, struct shmring_frame **frame,
                                        struct shmring_error *error);

/* ---- Every ring ---------------------------------------------------------------------------- */

/* Calls VISIT for each live ring that this user may observe, in no order, until it returns false.
 * 0, or -errno when the directory cannot be read. */
SHMRING_API int shmring_list(bool (*visit)(const struct shmring_info *info, void *data),
                             void *data);

#ifdef __cplusplus
}
#endif

#endif
