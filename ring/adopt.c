/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A dead writer's ring goes on in the same memory, for its readers too. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocate.h"
#include "create.h"
#include "error.h"
#include "lock.h"
#include "name.h"
#include "sweep.h"

static bool is_ours(const struct segment *seg) {
    struct stat frames, ctl;
    return fstat(seg->frames_fd, &frames) == 0 && fstat(seg->ctl_fd, &ctl) == 0 &&
           S_ISREG(frames.st_mode) && S_ISREG(ctl.st_mode) && frames.st_uid == geteuid() &&
           ctl.st_uid == geteuid();
}

static bool open_ours(struct segment *seg, const struct ring_paths *paths) {
    return segment_open_file(&seg->frames_fd, paths->frames, O_RDWR) == 0 &&
           segment_open_file(&seg->ctl_fd, paths->ctl, O_RDWR) == 0 && is_ours(seg);
}

static bool same_sizes(const struct geometry *a, const struct geometry *b) {
    return a->total_size == b->total_size && a->slot_size == b->slot_size && a->slots == b->slots &&
           a->frame_stride == b->frame_stride && a->max_readers == b->max_readers &&
           a->lend_limit == b->lend_limit;
}

static bool can_go_on(const struct segment *seg, const struct layout_header *header) {
    uint32_t state = atomic_load_explicit(&header->state, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&header->head, memory_order_relaxed);
    return (state == STATE_ACTIVE || state == STATE_ENDED || state == STATE_MOVING) &&
           head >= seg->g.base && head < LAYOUT_MAX_SEQ;
}

/* Byte 0 of .ctl is ours, and both names still lead here: nobody else changes it now. */
static bool fits(struct segment *seg, const struct geometry *wanted) {
    struct segment *looked = NULL;
    struct layout_header header;
    bool good = false;
    segment_remember_files(seg);
    if (segment_look(seg->name, SEGMENT_ADOPT, &looked, &header, NULL) == 0) {
        good = looked->inode == seg->inode && looked->ctl_inode == seg->ctl_inode &&
               same_sizes(&looked->g, wanted) && can_go_on(looked, &header);
        seg->g = looked->g;
        segment_unref(looked);
    }
    return good;
}

/* A writer that died in a move gave memory back, and what it made of it may lie there. */
static int take(struct segment *seg, const struct ring_paths *paths, uint32_t perms) {
    sweep_leftovers(seg->name);
    int result = segment_part_from_mapping(seg, paths->frames);
    /* For observers to ask; nothing else depends on it. */
    if (result == 0)
        result = lock_try(seg->frames_fd, LOCK_WRITER);
    if (result == 0)
        result = allocate_range(seg->frames_fd, 0, seg->g.total_size);
    if (result == 0)
        result = segment_map(seg, true);
    if (result == 0)
        result = segment_set_modes(seg, perms);
    if (result == 0) {
        segment_sign(seg);
        segment_mark_written(seg);
    }
    return result;
}

int segment_adopt(const char *name, const struct shmring_writer_options *options,
                  struct segment **adopted, struct shmring_error *error) {
    struct geometry wanted;
    struct ring_paths paths;
    const char *problem;
    struct segment *seg = segment_new(name);
    int result = -ENOENT;
    if (!seg)
        return error_set(error, -ENOMEM, "no memory for ring '%s'", name);
    name_paths(&paths, name);
    if (geometry_plan(&wanted, options, &problem) && segment_perms_are_good(options->perms) &&
        open_ours(seg, &paths) && lock_try(seg->ctl_fd, LOCK_WRITER) == 0 &&
        segment_modes_are_within(seg, options->perms) && fits(seg, &wanted))
        result = take(seg, &paths, options->perms);
    if (result < 0) {
        segment_unref(seg);
        return -ENOENT;
    }
    *adopted = seg;
    return 0;
}
