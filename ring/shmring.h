/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libshmring: video frames from one process to others, through a ring in POSIX shared memory.
 *
 * One writer publishes frames into a named ring; readers attach to the name and take them in place.
 *
 *   A writer's life:                            A reader's life:
 *
 *   shmring_writer_open("cam0")                 shmring_reader_new("cam0")
 *   for every frame:                            for every frame:
 *     shmring_writer_loan()    may wait           shmring_reader_take()   waits for ring and frame
 *     ... fill slot.data ...                      ... read frame->data ...
 *     shmring_writer_publish() never waits        shmring_frame_release() cannot fail
 *     shmring_slot_return()                     shmring_reader_free()
 *   shmring_writer_end()       end of stream
 *   shmring_writer_close()
 *
 * Who must disturb nobody uses shmring_observer_*: it copies the newest frame out.
 *
 * A reader's states. take() goes through them by itself; only an end is left by hand:
 *
 *              take(): the ring is there
 *    ┌────────┐ ───────────────────────► ┌──────────┐   the stream is over    ┌───────────────────┐
 *    │ absent │                          │ attached │ ──────────────────────► │ ended/closed/lost │
 *    └────────┘ ◄─────────────────────── └──────────┘                         └───────────────────┘
 *         ▲              leave()                                                        │
 *         └───────────────────────────── resume(), attach() ────────────────────────────┘
 *
 * Words:
 *   slot      memory for one frame. The writer loans one, fills it and publishes it.
 *   lease     how many frames a reader may hold in place at once. Leases are the only holds without
 *             a time limit, so all of them together leave the writer the slots it needs. Beyond its
 *             lease a reader gets copies of its own, as many as max_copy_bytes allow.
 *   lossless  (mode all) a reader that the writer waits for, at most for its patience.
 *
 * Conventions, for every function here:
 *   - It returns an enum shmring_result (0 and up: conditions to expect) or a negative errno. With
 *     a negative errno, SHMRING_LOST, and where said, the struct shmring_error (NULL is allowed)
 *     holds a sentence for people: what happened, to which ring, what to do.
 *   - Times are nanoseconds. A timeout of SHMRING_FOREVER waits for ever, 0 does not wait. What can
 *     wait says so; all other functions return at once.
 *   - The library never prints, never exits, and survives any bytes it finds in shared memory.
 *   - Handles may be used from several threads; freeing one while another thread is inside a call
 *     on it is an error, as with every handle. A handle inherited through fork() answers -ECHILD in
 *     the child; closing or freeing it there is allowed and touches nothing shared. A thread inside
 *     a call must not be cancelled (pthread_cancel): ..._interrupt() ends its wait. A signal
 *     handler must not leave a call by longjmp(), nor call fork(), which takes the library's lock.
 *   - A struct that begins with struct_size is filled in by its ..._INIT before it is passed; so a
 *     program that was built with an older, smaller one goes on working. What is reserved in it is
 *     0: a later release may have a field there.
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

#define SHMRING_VERSION_MAJOR 0
#define SHMRING_VERSION_MINOR 1
#define SHMRING_VERSION_PATCH 0
/* Comparable: 0.1.0 is 0x000100. */
#define SHMRING_VERSION                                                                            \
    (SHMRING_VERSION_MAJOR << 16 | SHMRING_VERSION_MINOR << 8 | SHMRING_VERSION_PATCH)

/* SHMRING_VERSION of the library that runs. */
SHMRING_API uint32_t shmring_version(void);

/*
 * A ring's file that somebody shortens (`> /dev/shm/cam0`) ends whoever has it mapped with SIGBUS.
 * This puts a handler for SIGBUS before the program's own, once, for all rings of the process: what
 * was mapped reads as zeros then, and the next call says -EPROTO. What is not a ring's is passed on
 * to the handler that was there. The plugin and the Python package do it; a program in C decides.
 */
SHMRING_API void shmring_guard(void);

#define SHMRING_FOREVER ((int64_t)-1)
/* "No such time", for the times of a frame. */
#define SHMRING_TIME_NONE ((int64_t)-1)
/* "No such number", for a frame's numbers in its source. */
#define SHMRING_NUMBER_NONE UINT64_MAX

#define SHMRING_MAX_NAME 200
#define SHMRING_MAX_PLANES 4
#define SHMRING_MIN_SLOTS 4
#define SHMRING_MAX_SLOTS 256
#define SHMRING_MAX_READERS 32
#define SHMRING_MAX_HEADER_SIZE 65536
/* Of a process's name, its NUL included (TASK_COMM_LEN). */
#define SHMRING_PROCESS_NAME 16

enum shmring_result {
    SHMRING_OK = 0,
    SHMRING_TIMEOUT = 1,     /* nothing came within the timeout */
    SHMRING_INTERRUPTED = 2, /* by ..._interrupt(), _leave() or a signal handler: look why */
    SHMRING_ENDED = 3,       /* every frame was read and the writer ended its stream */
    SHMRING_CLOSED = 4,      /* every frame was read and the writer stopped without ending it */
    SHMRING_LOST = 5,        /* the writer died */
    SHMRING_FULL = 6,        /* loan: no slot is free, and nobody there to wait for */
    SHMRING_LEASE = 7,       /* a views_only reader already holds all its lease allows */
    SHMRING_LIMIT = 8,       /* loan: as many slots as may be out at once are out */
};

struct shmring_error {
    int code; /* the negative errno that was returned, or that fits best */
    char message[512];
};

/* NULL when NAME can name a ring: 1-200 of A-Z a-z 0-9 . _ -, not starting with '.', not ending in
 * ".ctl" or ".new". Otherwise the reason, a static text. */
SHMRING_API const char *shmring_name_problem(const char *name);

/* ---- Frames ------------------------------------------------------------------------------- */

enum shmring_frame_flags {
    SHMRING_FRAME_DISCONT = 1 << 0,   /* frames are missing before this one, or were taken
                                         from this reader: see missed */
    SHMRING_FRAME_CORRUPTED = 1 << 1, /* the source says its content is damaged */
    SHMRING_FRAME_GAP = 1 << 2,       /* no content: the stream is silent here */
    SHMRING_FRAME_DELTA = 1 << 3,     /* not a key frame (encoded streams) */
    SHMRING_FRAME_HEADER = 1 << 4,    /* stream headers (encoded streams) */
    SHMRING_FRAME_RESYNC = 1 << 5,
    SHMRING_FRAME_MARKER = 1 << 6, /* ends a unit: a picture's last packet, first after silence */
    SHMRING_FRAME_DROPPABLE = 1 << 7,
    SHMRING_FRAME_NON_DROPPABLE = 1 << 8,
    SHMRING_FRAME_DECODE_ONLY = 1 << 9, /* decode, do not show */
    SHMRING_FRAME_SYNC_AFTER = 1 << 10,
    /* Bits 20-31 belong to the kind of media, as GStreamer gives them out. Of raw video: */
    SHMRING_FRAME_INTERLACED = 1 << 20,
    SHMRING_FRAME_TFF = 1 << 21,      /* top field first */
    SHMRING_FRAME_RFF = 1 << 22,      /* repeat first field */
    SHMRING_FRAME_ONEFIELD = 1 << 23, /* one field only */
};

/*
 * What a frame says of itself. Opaque data (H.264, JPEG, audio) has width, height, channels and
 * planes 0, an empty format, and its size in bytes.
 */
struct shmring_frame_info {
    size_t struct_size;
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
    int64_t clock_ns;          /* CLOCK_MONOTONIC time of the pts; SHMRING_TIME_NONE in publish: by
                                  the writer's timeline */
    int64_t publish_ns;        /* CLOCK_MONOTONIC time of publishing; set by publish */
    uint64_t frame_number;     /* the source's own count, or SHMRING_NUMBER_NONE */
    uint64_t frame_number_end; /* where it ends (audio: samples), or SHMRING_NUMBER_NONE */
    uint32_t fps_num, fps_den; /* 0/1: not known or variable */
    uint32_t stretch;          /* counts the times that pts_ns began anew; set by publish. The same
                                  number: pts_ns of two frames may be compared */
    const char *caps;          /* GStreamer caps text, or NULL */
    const void *metas;         /* block of metas as docs/layout.md describes it, or NULL */
    size_t metas_size;         /* bytes */
};

/* A frame without any time. */
#define SHMRING_FRAME_INFO_INIT                                                                    \
    {                                                                                              \
        .struct_size = sizeof(struct shmring_frame_info), .pts_ns = SHMRING_TIME_NONE,             \
        .dts_ns = SHMRING_TIME_NONE, .duration_ns = SHMRING_TIME_NONE,                             \
        .clock_ns = SHMRING_TIME_NONE, .frame_number = SHMRING_NUMBER_NONE,                        \
        .frame_number_end = SHMRING_NUMBER_NONE, .fps_den = 1,                                     \
    }

/*
 * NULL when a frame of INFO can be what it says: each plane's rows lie within info->size, the
 * sizes are those of its format, where that is a raw one of GStreamer's whose samples are whole
 * bytes or one of video/x-bayer, and caps and format are text. Otherwise the reason, a static text.
 * publish refuses such a frame, take answers -EPROTO for one.
 */
SHMRING_API const char *shmring_frame_problem(const struct shmring_frame_info *info);

/* A frame that was taken. All of it is read-only, and unchanged until released. The library makes
 * it, so a minor version may add fields at the end of info, the last of it: info.struct_size tells
 * how large that is. The rest changes only with the soversion. */
struct shmring_frame {
    const void *data; /* info.size bytes */
    uint64_t missed;  /* frames published for this reader between the one before and this one */
    bool is_copy;     /* owned memory: the reader already held its lease */
    bool is_first;    /* the first one since the reader attached */
    struct shmring_frame_info info;
};

/* Gives the frame back. From any thread, in any order, also after its reader is freed; cannot fail.
 * NULL is allowed. In a child of fork() it frees the child's memory only. */
SHMRING_API void shmring_frame_release(struct shmring_frame *frame);

enum shmring_mode {
    SHMRING_MODE_ALL,    /* lossless: every frame, in order; the writer waits for this reader */
    SHMRING_MODE_LATEST, /* the newest `depth` frames; the writer never waits */
};

/* ---- Timeline ----------------------------------------------------------------------------- */

/*
 * Decides when frames are due: clock_ns = origin + pts + shift. Writers whose streams belong
 * together (picture and sound) share one, so that they stay in step whatever moves the shift.
 */
struct shmring_timeline;

/* NULL: no memory. */
SHMRING_API struct shmring_timeline *shmring_timeline_new(void);
SHMRING_API struct shmring_timeline *shmring_timeline_ref(struct shmring_timeline *timeline);
/* NULL is allowed. */
SHMRING_API void shmring_timeline_unref(struct shmring_timeline *timeline);

struct shmring_timing {
    size_t struct_size;
    int64_t origin_ns;   /* CLOCK_MONOTONIC time of pts 0 */
    int64_t latency_ns;  /* agreed on in the pipeline: a paced frame may be as late as that */
    bool paced;          /* frames come when they are due: a late one is late. Else a late frame
                            moves the timeline, and an early one too, unless a lossless reader of
                            one of the timeline's rings sets the pace */
    uint8_t reserved[7]; /* 0 */
};

#define SHMRING_TIMING_INIT                                                                        \
    { .struct_size = sizeof(struct shmring_timing), }

/*
 * The clock_ns of a frame with PTS_NS that is ready at NOW_NS. PTS_NS of SHMRING_TIME_NONE: now.
 * JUMPED (NULL is allowed) gets true when the pts cannot be of this clock (paced, and more than
 * 10 s + latency behind or 1 s + latency ahead): the timeline was moved so that the frame is due
 * now; mark it DISCONT and begin a new stretch.
 */
SHMRING_API int64_t shmring_timeline_stamp(struct shmring_timeline *timeline,
                                           const struct shmring_timing *timing, int64_t pts_ns,
                                           int64_t now_ns, bool *jumped);

/* What has been added so far, in nanoseconds. */
SHMRING_API int64_t shmring_timeline_get_shift(struct shmring_timeline *timeline);
/* Everything from now on is due NS later: for time that a paced writer waited for a reader. */
SHMRING_API void shmring_timeline_add(struct shmring_timeline *timeline, int64_t ns);
/* Running time begins anew (a flushing seek): the shift is 0 again. */
SHMRING_API void shmring_timeline_reset(struct shmring_timeline *timeline);

/* ---- Writer ------------------------------------------------------------------------------- */

struct shmring_writer;

struct shmring_writer_options {
    size_t struct_size;
    struct shmring_timeline *timeline; /* NULL: one of its own. The writer takes a reference */
    uint64_t slot_size;                /* bytes a frame may need; no default */
    uint32_t slots;                    /* 4-256 */
    uint32_t max_readers;              /* 1-32 */
    uint32_t lend_limit;  /* loans that may be out at once, beside one; at most slots - 2 */
    uint32_t header_size; /* bytes for a frame's header, caps and metas: 4096-65536 */
    uint32_t perms;       /* like a file's: r may observe, w may attach, its owner always may;
                             exact whatever the umask */
    uint64_t first_seq;   /* the number of the first frame, from 1; a dead ring's goes on */
    int64_t patience_ns;  /* how long a lossless reader that takes nothing is waited for. Then its
                             oldest frames are taken from it (and from nobody else), until it takes
                             one again */
};

#define SHMRING_WRITER_OPTIONS_INIT                                                                \
    {                                                                                              \
        .struct_size = sizeof(struct shmring_writer_options), .slots = 8, .max_readers = 8,        \
        .lend_limit = 3, .header_size = 16384, .perms = 0600, .first_seq = 1,                      \
        .patience_ns = SHMRING_FOREVER,                                                            \
    }

/* A slot on loan: SIZE bytes at DATA, writable until published, readable until returned. The
 * program makes it, and it does not say its size: all of it changes only with the soversion. */
struct shmring_slot {
    void *data;
    uint64_t size;
    void *segment;  /* private */
    uint32_t index; /* private */
};

/*
 * Makes the ring and puts its name in place. A dead writer's ring of that name goes on: the same
 * memory where the sizes are the same, else its readers follow to the new one; where there is no
 * room for both, this waits for them, at most two seconds. Errors:
 *   -EINVAL  a name or option that cannot be; the message says which
 *   -EBUSY   a live writer has the name; the message says who
 *   -ENOSPC  /dev/shm cannot hold it; the message says how much there is, and what fills it
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
    /* To hand to somebody who may keep it. At most lend_limit are out at once, so that one slot is
     * always left to copy a frame into. */
    SHMRING_LOAN_LEND,
};

/*
 * Borrows a slot to fill: a free one at once, else one after a lossless reader gave one back; waits
 * for that, at most TIMEOUT. Without one, the caller drops the frame and counts it
 * (shmring_writer_drop); ERROR then says why, and who is waited for:
 *   SHMRING_TIMEOUT      a lossless reader did not read on within TIMEOUT
 *   SHMRING_LIMIT        too many loans are out
 *   SHMRING_FULL         nobody who may be waited for holds a slot
 *   SHMRING_INTERRUPTED
 *   -ECHILD, or what shmring_writer_resize returns
 * After shmring_writer_end() the next stream begins.
 */
SHMRING_API int shmring_writer_loan(struct shmring_writer *writer, enum shmring_loan kind,
                                    int64_t timeout_ns, struct shmring_slot *slot,
                                    struct shmring_error *error);

/*
 * Publishes the slot's first info->size bytes to every attached reader. At most once a loan; from
 * then on the memory must not be written. Never waits. INFO's seq, publish_ns and stretch are
 * ignored. SEQ (NULL is allowed) gets the frame's number. Errors:
 *   -ESTALE    the slot is from before a resize or an end: loan again and copy
 *   -EMSGSIZE  caps and metas exceed header_size: resize, loan again and copy
 *   -EINVAL    info that cannot be true (shmring_frame_problem)
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

/* Counts a frame the caller dropped for want of a slot; the next one is marked DISCONT. */
SHMRING_API void shmring_writer_drop(struct shmring_writer *writer);

/*
 * Moves the ring to a new segment with other sizes, under the same name. Readers follow when they
 * have read the old one; the next loan waits for the lossless ones. Loans that are out become
 * stale. Where /dev/shm has no room for both, readers read the old one to its end first, which this
 * waits for, at most for the patience. Errors as in shmring_writer_open.
 */
SHMRING_API int shmring_writer_resize(struct shmring_writer *writer, uint32_t slots,
                                      uint64_t slot_size, uint32_t header_size,
                                      struct shmring_error *error);

/* Takes back every frame that no reader took yet (a seek): none older than this is seen again. Of a
 * stream that has ended, nothing: readers read it to its end. The next frame is marked DISCONT. */
SHMRING_API void shmring_writer_flush(struct shmring_writer *writer);

/* The next frame's pts_ns begins anew: it counts a stretch more. */
SHMRING_API void shmring_writer_begin_stretch(struct shmring_writer *writer);

/* The end of the stream: readers drain, then see SHMRING_ENDED. The next loan begins another one,
 * for which readers attach anew. */
SHMRING_API void shmring_writer_end(struct shmring_writer *writer);

/* Waits until a reader is attached: SHMRING_OK, SHMRING_TIMEOUT, SHMRING_INTERRUPTED; -EPROTO when
 * somebody cut the ring's files off (shmring_guard). */
SHMRING_API int shmring_writer_wait_reader(struct shmring_writer *writer, int64_t timeout_ns);

/*
 * Waits for something that a reader wants to be seen: it came, it left, it asks for a key frame, or
 * it is waited for. SHMRING_OK: look (get_stats, each_reader, take_key_request); it may be nothing.
 * SHMRING_TIMEOUT, SHMRING_INTERRUPTED; -EPROTO as above.
 */
SHMRING_API int shmring_writer_watch(struct shmring_writer *writer, int64_t timeout_ns);

/* While INTERRUPTED is true, waits of this handle return SHMRING_INTERRUPTED at once, those
 * under way too. */
SHMRING_API void shmring_writer_interrupt(struct shmring_writer *writer, bool interrupted);

/* The writing pipeline's latency, for readers that have a clock. */
SHMRING_API void shmring_writer_set_latency(struct shmring_writer *writer, int64_t latency_ns);

/* As the option; from the next wait on, also one that is under way. */
SHMRING_API void shmring_writer_set_patience(struct shmring_writer *writer, int64_t patience_ns);

/* Whether a reader asked for a key frame since the last call; AT_NS (NULL is allowed) gets the
 * CLOCK_MONOTONIC time of the frame that should be one, or SHMRING_TIME_NONE: the next. */
SHMRING_API bool shmring_writer_take_key_request(struct shmring_writer *writer, int64_t *at_ns);

struct shmring_writer_stats {
    size_t struct_size;
    uint32_t slots, max_readers, header_size;
    uint64_t slot_size;    /* bytes */
    uint32_t readers;      /* attached now */
    uint32_t loans;        /* out now */
    uint64_t published;    /* frames, over all segments */
    uint64_t bytes;        /* published */
    uint64_t dropped;      /* shmring_writer_drop() */
    uint64_t revoked;      /* offers taken back from `latest` readers, to keep them to their depth
                              or to free a slot */
    uint64_t withdrawn;    /* offers taken back from lossless readers that patience ended for */
    uint64_t flushed;      /* offers taken back by shmring_writer_flush() */
    uint64_t waits;        /* loans that had to wait */
    int64_t wait_ns;       /* time they waited */
    uint64_t dead_readers; /* readers that died attached */
    uint64_t bad_claims;   /* readers that were shut out for writing nonsense */
    uint64_t names_lost;   /* times that somebody removed a name: the ring moved and has it again */
    uint64_t adopted;      /* frames that the dead writer before had published, 0: there was none */
};

#define SHMRING_WRITER_STATS_INIT                                                                  \
    { .struct_size = sizeof(struct shmring_writer_stats), }

SHMRING_API void shmring_writer_get_stats(struct shmring_writer *writer,
                                          struct shmring_writer_stats *stats);

/* One attached reader, as its writer sees it. What it says of itself is for people. */
struct shmring_reader_info {
    size_t struct_size;
    uint64_t id;   /* of this attachment; none comes twice from one writer */
    uint32_t port; /* of the ring, from 0 */
    enum shmring_mode mode;
    uint32_t depth, lease;
    uint32_t offered;   /* frames it did not take yet */
    uint32_t held;      /* frames it has taken and not released */
    uint64_t lag;       /* frames published that it did not get to yet, as it says */
    uint64_t received;  /* frames it took, as it says */
    uint64_t dropped;   /* frames it missed by being slow, as it says */
    uint64_t withdrawn; /* frames taken back from it because patience ended */
    int64_t waited_ns;  /* how long the writer has waited for it since it took one last */
    bool is_waited_for; /* the writer waits for it now */
    bool is_stuck;      /* patience ended: it is not waited for until it takes a frame */
    uint32_t pid;       /* may be of another PID namespace */
    char process[SHMRING_PROCESS_NAME];
};

/* Calls VISIT for each attached reader, without a lock. Returns how many there are. */
SHMRING_API uint32_t shmring_writer_each_reader(
    struct shmring_writer *writer,
    void (*visit)(const struct shmring_reader_info *reader, void *data), void *data);

/* ---- Reader ------------------------------------------------------------------------------- */

struct shmring_reader;

struct shmring_reader_options {
    size_t struct_size;
    enum shmring_mode mode;
    uint32_t depth;         /* mode latest: 1-65535 frames */
    uint32_t lease;         /* frames to hold in place at once; the grant may be less */
    bool views_only;        /* beyond the lease: SHMRING_LEASE instead of an owned copy */
    bool wait_for_keyframe; /* encoded streams: after an attach or a loss, leave out frames that
                               need others before them, until one that stands alone; ask the
                               writer for one */
    bool any_owner;         /* also rings of other users than this one and root */
    uint32_t go_on_after;   /* bits 1 << SHMRING_ENDED, _CLOSED, _LOST: such an end is not told, the
                               reader waits for the next stream or writer; a dead writer's ring
                               then goes on for it without a gap */
    uint64_t max_copy_bytes; /* memory for copies that are not released yet. Once so much is held
                                (the last one may go beyond), a take waits until a frame is
                                released; in mode latest older frames are dropped meanwhile.
                                0: no limit */
};

#define SHMRING_READER_OPTIONS_INIT                                                                \
    {                                                                                              \
        .struct_size = sizeof(struct shmring_reader_options), .mode = SHMRING_MODE_ALL,            \
        .depth = 1, .lease = 2, .wait_for_keyframe = true, .max_copy_bytes = UINT64_C(256) << 20,  \
    }

/* Makes a handle; touches no ring yet. OPTIONS may be NULL. -EINVAL: a name or option that cannot
 * be; -ENOMEM. */
SHMRING_API int shmring_reader_new(const char *name, const struct shmring_reader_options *options,
                                   struct shmring_reader **reader, struct shmring_error *error);

/* Leaves the ring. Frames still held stay valid; its port is free when the last is released. NULL
 * is allowed. */
SHMRING_API void shmring_reader_free(struct shmring_reader *reader);

/*
 * Takes the next frame; waits for it, and before that for the ring, at most TIMEOUT. With all but
 * SHMRING_OK, ERROR says what is the matter:
 *   SHMRING_TIMEOUT      no ring (error.code -ENOENT), no frame (-ETIMEDOUT), or no room for a copy
 *                        of it (-ENOBUFS: max_copy_bytes are held); the message says what was
 *                        found, and whom the writer waits for
 *   SHMRING_LEASE        views_only, and the lease is held
 *   SHMRING_INTERRUPTED
 *   SHMRING_ENDED, _CLOSED, _LOST  the stream is over; again at every call, until
 *                        shmring_reader_resume()
 *   -EACCES   no permission (whose ring it is, which bits are missing)
 *   -EUSERS   as many readers as the ring takes are attached (which)
 *   -EPROTO   not a ring, another layout version, or a damaged one; or a frame that cannot be what
 *             it says, which is skipped
 *   -ESTALE   the name does not lead to the ring's new segment (a bind mount of one file)
 *   -ECONNRESET  this reader was shut out for what its part of NAME.ctl held
 *   -ENOMEM   for a copy
 * Frames that end between two takes are told by frame->missed.
 */
SHMRING_API int shmring_reader_take(struct shmring_reader *reader, int64_t timeout_ns,
                                    struct shmring_frame **frame, struct shmring_error *error);

/*
 * Attaches, if it is not, without taking a frame: every frame published after this returned is
 * offered. Goes on after an end, as shmring_reader_resume(). Waits for the ring, at most TIMEOUT.
 * Returns as shmring_reader_take().
 */
SHMRING_API int shmring_reader_attach(struct shmring_reader *reader, int64_t timeout_ns,
                                      struct shmring_error *error);

/* After an end: the next take waits for the next stream, or for the next writer. */
SHMRING_API void shmring_reader_resume(struct shmring_reader *reader);

/* Leaves the ring until the next take, from any thread: nobody waits for this reader meanwhile. A
 * take that waits returns SHMRING_INTERRUPTED. Frames still held stay valid. */
SHMRING_API void shmring_reader_leave(struct shmring_reader *reader);

/* Asks the writer for a frame that stands alone: the next (AT_NS of SHMRING_TIME_NONE) or the one
 * that is due at AT_NS of CLOCK_MONOTONIC. An element or program that can obey does. -ENOTCONN. */
SHMRING_API int shmring_reader_request_keyframe(struct shmring_reader *reader, int64_t at_ns);

/* As shmring_writer_interrupt. */
SHMRING_API void shmring_reader_interrupt(struct shmring_reader *reader, bool interrupted);

/* Over all attachments: received + dropped + flushed + withdrawn + skipped is what was published
 * while attached. */
struct shmring_reader_stats {
    size_t struct_size;
    uint64_t received;  /* frames taken */
    uint64_t copied;    /* of those, as owned copies */
    uint64_t early;     /* the newest frame at an attach in mode latest: from before the attach,
                           received beside those */
    uint64_t dropped;   /* taken back to keep mode latest to its depth, overwritten, or damaged */
    uint64_t flushed;   /* taken back by the writer's flush */
    uint64_t withdrawn; /* taken back because the writer's patience ended */
    uint64_t skipped;   /* left out by wait_for_keyframe */
    uint64_t lag;       /* frames published that this reader did not get to yet */
    uint32_t held;      /* frames held in place now */
    uint32_t lease;     /* as granted */
    bool attached;
    uint8_t reserved[7]; /* 0 */
};

#define SHMRING_READER_STATS_INIT                                                                  \
    { .struct_size = sizeof(struct shmring_reader_stats), }

SHMRING_API void shmring_reader_get_stats(struct shmring_reader *reader,
                                          struct shmring_reader_stats *stats);

/* ---- Observer ----------------------------------------------------------------------------- */

struct shmring_observer;

/* Opens the ring read-only; maps none of its frames. -ENOENT: no such ring; else as
 * shmring_reader_take. */
SHMRING_API int shmring_observer_open(const char *name, struct shmring_observer **observer,
                                      struct shmring_error *error);
SHMRING_API void shmring_observer_close(struct shmring_observer *observer);

/*
 * Copies the newest frame that is newer than AFTER (0: any) into an owned frame, to be released as
 * any other; never a torn one. Waits for one, at most TIMEOUT. SHMRING_OK, SHMRING_TIMEOUT, or,
 * when no newer frame can come, SHMRING_ENDED, _CLOSED, _LOST; follows a ring that moved.
 */
SHMRING_API int shmring_observer_latest(struct shmring_observer *observer, uint64_t after,
                                        int64_t timeout_ns, struct shmring_frame **frame,
                                        struct shmring_error *error);

/* ---- Every ring ---------------------------------------------------------------------------- */

enum shmring_state {
    SHMRING_STATE_LIVE = 1, /* a writer has it, and its stream goes on */
    SHMRING_STATE_ENDED,    /* a writer has it; its stream is over, another may follow */
    SHMRING_STATE_CLOSED,   /* its writer stopped */
    SHMRING_STATE_DEAD,     /* its writer died */
};

/* What a ring is, read without mapping it. */
struct shmring_info {
    size_t struct_size;
    char name[SHMRING_MAX_NAME + 1];
    enum shmring_state state;
    uint32_t slots, max_readers, lend_limit, header_size;
    uint64_t slot_size;  /* bytes */
    uint64_t total_size; /* bytes of shared memory, both objects */
    uint32_t owner;      /* user id */
    uint32_t mode;       /* permission bits of NAME */
    uint32_t writer_pid; /* for people: may be of another PID namespace */
    char writer_process[SHMRING_PROCESS_NAME];
    int64_t created_ns; /* CLOCK_REALTIME */
    int64_t latency_ns; /* of the writing pipeline, now */
    uint64_t published, bytes, dropped, revoked, withdrawn, flushed; /* as the writer's stats */
    uint64_t newest; /* seq of the newest frame, 0: none yet */
    uint64_t key;    /* seq of the newest frame that stands alone, 0: none yet */
    uint64_t waits;  /* as the writer's stats */
    int64_t wait_ns;
    int32_t waits_for;  /* port of the reader that the writer waits for now (shmring_query_readers),
                           -1: none */
    int32_t free_slots; /* that no reader was offered or holds; -1: not known, as NAME.ctl cannot be
                           read, or was not by shmring_reader_get_info() */
    int64_t waited_ns;  /* for how long */
    uint8_t instance[16];
};

#define SHMRING_INFO_INIT                                                                          \
    { .struct_size = sizeof(struct shmring_info), }

/* The ring that the reader is attached to; -ENOTCONN when it is not. */
SHMRING_API int shmring_reader_get_info(struct shmring_reader *reader, struct shmring_info *info);

/* The writing pipeline's latency as its writer tells it now, at no cost; SHMRING_TIME_NONE while
 * not attached. */
SHMRING_API int64_t shmring_reader_get_latency(struct shmring_reader *reader);

/* Tells what has the name, live or not. -ENOENT, -EACCES, -EPROTO as shmring_reader_take. */
SHMRING_API int shmring_query(const char *name, struct shmring_info *info,
                              struct shmring_error *error);

/* Calls VISIT for each reader of the ring. Needs permission to read NAME.ctl. Returns how many
 * there are, or as shmring_query. id is 0, and waited_ns but for whom the writer waits for now. */
SHMRING_API int shmring_query_readers(const char *name,
                                      void (*visit)(const struct shmring_reader_info *reader,
                                                    void *data),
                                      void *data, struct shmring_error *error);

/* Calls VISIT for each ring in state LIVE that this user may observe, in no order, until it returns
 * false. 0, or -errno when the directory cannot be read. */
SHMRING_API int shmring_list(bool (*visit)(const struct shmring_info *info, void *data),
                             void *data);

/*
 * Removes what is left of the ring: writers that die leave it, for the next one. 0: it is gone, or,
 * with ONLY_LOOK, could be. -ENOENT: nothing is left. Else it stays, and ERROR says why: -EBUSY its
 * writer lives or it has readers; -EPERM/-EACCES it is another user's; -EAGAIN it is just being
 * made, moved or followed to; -EPROTO no ring has the name.
 */
SHMRING_API int shmring_remove(const char *name, bool only_look, struct shmring_error *error);

#ifdef __cplusplus
} /* extern "C" */

/* C++ before 20 has no designated initializers. */
extern "C++" template <typename T> inline T shmring_init() {
    T init = {};
    init.struct_size = sizeof(T);
    return init;
}

static inline struct shmring_frame_info shmring_frame_info_init(void) {
    struct shmring_frame_info init = shmring_init<struct shmring_frame_info>();
    init.pts_ns = SHMRING_TIME_NONE;
    init.dts_ns = SHMRING_TIME_NONE;
    init.duration_ns = SHMRING_TIME_NONE;
    init.clock_ns = SHMRING_TIME_NONE;
    init.frame_number = SHMRING_NUMBER_NONE;
    init.frame_number_end = SHMRING_NUMBER_NONE;
    init.fps_den = 1;
    return init;
}
#undef SHMRING_FRAME_INFO_INIT
#define SHMRING_FRAME_INFO_INIT shmring_frame_info_init()

#undef SHMRING_TIMING_INIT
#define SHMRING_TIMING_INIT shmring_init<struct shmring_timing>()

static inline struct shmring_writer_options shmring_writer_options_init(void) {
    struct shmring_writer_options init = shmring_init<struct shmring_writer_options>();
    init.slots = 8;
    init.max_readers = 8;
    init.lend_limit = 3;
    init.header_size = 16384;
    init.perms = 0600;
    init.first_seq = 1;
    init.patience_ns = SHMRING_FOREVER;
    return init;
}
#undef SHMRING_WRITER_OPTIONS_INIT
#define SHMRING_WRITER_OPTIONS_INIT shmring_writer_options_init()

#undef SHMRING_WRITER_STATS_INIT
#define SHMRING_WRITER_STATS_INIT shmring_init<struct shmring_writer_stats>()

static inline struct shmring_reader_options shmring_reader_options_init(void) {
    struct shmring_reader_options init = shmring_init<struct shmring_reader_options>();
    init.mode = SHMRING_MODE_ALL;
    init.depth = 1;
    init.lease = 2;
    init.wait_for_keyframe = true;
    init.max_copy_bytes = UINT64_C(256) << 20;
    return init;
}
#undef SHMRING_READER_OPTIONS_INIT
#define SHMRING_READER_OPTIONS_INIT shmring_reader_options_init()

#undef SHMRING_READER_STATS_INIT
#define SHMRING_READER_STATS_INIT shmring_init<struct shmring_reader_stats>()

#undef SHMRING_INFO_INIT
#define SHMRING_INFO_INIT shmring_init<struct shmring_info>()
#endif

#endif
