/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A ring's two shared memory objects, open or mapped in this process; counted references. */
#ifndef SEGMENT_H
#define SEGMENT_H

#include <pthread.h>
#include <sys/types.h>

#include "layout.h"
#include "name.h"

struct segment {
    _Atomic uint32_t refs;
    struct geometry g;
    struct layout_header *header; /* a reader's: mapped read-only; not mapped: NULL */
    struct layout_ctl *ctl;
    int frames_fd, ctl_fd; /* -1 once closed */
    int map_fd;            /* NAME once more, until it is mapped: see segment_part_from_mapping */
    dev_t device;          /* of NAME */
    ino_t inode, ctl_inode;
    uid_t owner;
    uint32_t mode;                   /* permission bits of NAME */
    uint64_t mapped;                 /* bytes of NAME that are mapped */
    _Atomic bool written;            /* its writer is in this process */
    int frames_guard, ctl_guard;     /* of the mappings */
    struct segment *borrowed;        /* whose mappings these are, when not our own */
    uint32_t generation;             /* fork_generation() when it was made */
    struct segment *next, *previous; /* every segment of the process, for fork() */
    char name[SHMRING_MAX_NAME + 1];
};

/* Counts the fork()s between this process and its first ancestor that used a ring. */
uint32_t fork_generation(void);
/* -ECHILD: a handle of the parent's, a KIND ("writer") of ring NAME, was used in a child. */
int fork_refuse(const char *kind, const char *name, struct shmring_error *error);

/* Locks a handle that was made at GENERATION, for a call on it. False in a child of fork(): another
 * thread of the parent may have had the mutex, and nothing of the ring is the child's. */
static inline bool fork_lock(pthread_mutex_t *mutex, uint32_t generation) {
    if (generation != fork_generation())
        return false;
    pthread_mutex_lock(mutex);
    return true;
}

/* True in a child of fork(): nothing of the segment is ours. */
static inline bool segment_is_inherited(const struct segment *seg) {
    return seg->generation != fork_generation();
}

static inline _Atomic uint64_t *segment_descriptor(const struct segment *seg, uint64_t seq) {
    layout_descriptor *ring = (void *)((char *)seg->header + seg->g.ring_offset);
    return &ring[seq & (seg->g.capacity - 1)];
}
/* The slot of a descriptor that is of frame SEQ; false: it is another's. */
static inline bool segment_slot_of(const struct segment *seg, uint64_t descriptor, uint64_t seq,
                                   uint32_t *slot) {
    *slot = descriptor & 0xffff;
    return descriptor >> 16 == seq && *slot < seg->g.slots;
}
/* Where they lie in the file, too. */
static inline uint64_t segment_frame_offset(const struct segment *seg, uint32_t slot) {
    return seg->g.frames_offset + slot * (uint64_t)seg->g.frame_stride;
}
static inline uint64_t segment_slot_offset(const struct segment *seg, uint32_t slot) {
    return seg->g.slots_offset + slot * seg->g.slot_stride;
}
static inline struct layout_frame *segment_frame(const struct segment *seg, uint32_t slot) {
    return (void *)((char *)seg->header + segment_frame_offset(seg, slot));
}
static inline void *segment_slot(const struct segment *seg, uint32_t slot) {
    return (char *)seg->header + segment_slot_offset(seg, slot);
}
/* Room for caps and metas behind a frame's header. */
static inline uint32_t segment_frame_room(const struct segment *seg) {
    return seg->g.frame_stride - (uint32_t)sizeof(struct layout_frame);
}

/* A blank segment of one reference, known to fork(). NULL: no memory. */
struct segment *segment_new(const char *name);
struct segment *segment_ref(struct segment *seg);
/* The last one unmaps and closes, and so lets go of every lock. */
void segment_unref(struct segment *seg);

/* This process writes it: byte 0 of its files is ours. */
void segment_mark_written(struct segment *seg);
/* True when one that this process writes, of the ring of that name, has that file. */
bool segment_is_written_here(const char *name, ino_t file);

/*
 * A file that somebody cuts off while it is mapped is a SIGBUS for whoever touches it next, and no
 * look beforehand helps. Where the program asked for it (shmring_guard), what is mapped here then
 * becomes private zeros, and is known to have been cut; libwayland-server and PulseAudio do so too.
 * (guard.c)
 */
#define GUARD_NONE (-1) /* of no mapping */
/* A mapping from now on. GUARD_NONE: there are too many; this one is not guarded. */
int guard_add(void *begin, size_t size, int protection);
/* Before it is unmapped. */
void guard_remove(int guard);
bool guard_was_cut(int guard);

/* Between these two calls no fork() of this process happens: for files that are locked or mapped
 * and that no segment closes in the child yet. */
void segment_hold_forks(void);
void segment_release_forks(void);

/* open(2) for reading and writing while forks are held; -1: it cannot be opened. */
int segment_open_held(const char *path);

/* open(2) into a descriptor of a segment, not between two steps of a fork(): the child closes what
 * it finds there. 0 or -errno. */
int segment_open_file(int *fd, const char *path, int flags);

/* Maps both objects from the open files; a writer's is writable. 0 or -errno. */
int segment_map(struct segment *seg, bool writable);
/* Maps the header's page alone, to sleep on its event. Its values are read by segment_read_header:
 * touching a page of a file that was cut off would be a SIGBUS. 0 or -errno. */
int segment_map_event(struct segment *seg);
/* For tests: uses the mappings of another one of the same ring, so that ThreadSanitizer sees both
 * sides touch the same addresses. */
void segment_borrow_map(struct segment *seg, struct segment *from);

/* ADOPT, or remove: also one that lacks memory, since its writer died in a move. */
enum segment_use { SEGMENT_ATTACH, SEGMENT_OBSERVE, SEGMENT_ADOPT };

/*
 * Opens the ring of that name and checks what it says of itself, without mapping any of it.
 * SNAPSHOT gets its header as it is now. -EAGAIN: it is just being replaced, try again; -ENOENT:
 * there is none; else as shmring_reader_take.
 */
int segment_look(const char *name, enum segment_use use, struct segment **opened,
                 struct layout_header *snapshot, struct shmring_error *error);

/* The header as it is now, without mapping it. 0, or -EPROTO when the file was cut off. */
int segment_read_header(const struct segment *seg, struct layout_header *snapshot);

/* True while NAME, NAME.ctl, or both still lead to this segment. */
bool segment_has_name(const struct segment *seg);
bool segment_has_ctl_name(const struct segment *seg);
bool segment_has_names(const struct segment *seg);
/* Somebody shortened a file that is mapped: what is read there is not the ring. */
bool segment_was_cut(const struct segment *seg);
/* Says so. */
int segment_refuse_cut(const struct segment *seg, struct shmring_error *error);
/* True while the segment's writer lives. */
bool segment_has_writer(const struct segment *seg);
/* Of what has the name now: 1, its writer lives; 0, it does not; or as segment_look. */
int segment_ask_writer(const char *name, struct layout_header *snapshot);

/* Readers: a slot may have become free. */
void segment_ring_doorbell(struct segment *seg);
/* Readers: somebody came, left, or asks for something. Rings the doorbell too. */
void segment_give_notice(struct segment *seg);
/* Writer: head or state changed. */
void segment_announce(struct segment *seg);

/* Fills in the name of the writer's process, fit for a message; returns its pid, 0: none yet. */
uint32_t segment_writer(const struct layout_header *header, char process[SHMRING_PROCESS_NAME]);
/* Fills in "NAME (pid N)" of the writer, fit for a message. */
void segment_writer_text(const struct layout_header *header, char *text, size_t size);

/* What a ring says of itself, for people. (query.c) */
void segment_describe(const struct segment *seg, const struct layout_header *header,
                      struct shmring_info *info);

/* What one of its readers' ports says, for people; ATTACH is its word as the caller read it. */
void segment_describe_port(const struct layout_port *port, uint64_t attach, uint32_t slots,
                           uint64_t head, struct shmring_reader_info *info);

/* Fills in and returns the name of a user, fit for a message. */
const char *segment_user_text(uid_t uid, char text[64]);

#endif
