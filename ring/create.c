/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "create.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "allocate.h"
#include "error.h"
#include "futex.h"
#include "lock.h"
#include "process.h"
#include "sweep.h"

#define ATTEMPTS 50

/* ---- The objects, under their temporary names ---- */

static int no_space(const struct segment *seg, struct shmring_error *error) {
    struct statvfs shm = {0};
    char largest[300];
    statvfs(SHM_DIR, &shm);
    uint64_t need = seg->g.total_size + seg->g.ctl_size;
    uint64_t used = (shm.f_blocks - shm.f_bavail) * shm.f_frsize;
    sweep_describe(largest, sizeof largest);
    if (shm.f_files && !shm.f_ffree)
        return error_set(error, -ENOSPC,
                         SHM_DIR " has no inode left for ring '%s': remove files there that nobody "
                                 "needs",
                         seg->name);
    return error_set(error, -ENOSPC,
                     SHM_DIR " has %.1f MB free, ring '%s' needs %.1f MB: fewer or smaller slots, "
                             "or more shared memory (docker run --shm-size=%lluM)%s%s",
                     (double)shm.f_bavail * (double)shm.f_frsize / 1e6, seg->name,
                     (double)need / 1e6, (unsigned long long)((used + need) >> 20) + 1,
                     largest[0] ? ". Left there: " : "", largest);
}

/* For its maker alone, whatever the umask. Where somebody has the name, another number makes
 * another one. */
static int make_file(int *fd, const char *path) {
    int result = segment_open_file(fd, path, O_RDWR | O_CREAT | O_EXCL);
    if (result == -EEXIST)
        return -ESTALE;
    if (result == 0 && fchmod(*fd, 0600) < 0)
        result = -errno;
    return result;
}

/* Locked first, or a sweeper would take it for a dead writer's while its memory is had. */
static int fill_file(int fd, uint64_t size) {
    if (lock_try(fd, LOCK_WRITER) < 0)
        return -ESTALE; /* a sweeper looks at it, and removes it */
    return allocate_has_room(fd, size) ? allocate_range(fd, 0, size) : -ENOSPC;
}

int segment_part_from_mapping(struct segment *seg, const char *path) {
    struct stat was = {0}, is = {0};
    segment_hold_forks();
    int other = segment_open_held(path);
    int result = other < 0 || fstat(other, &is) < 0 || fstat(seg->frames_fd, &was) < 0 ? -errno : 0;
    if (result == 0 && (is.st_ino != was.st_ino || is.st_dev != was.st_dev))
        result = -ENOENT;
    if (result == 0) {
        seg->map_fd = seg->frames_fd;
        seg->frames_fd = other;
    } else if (other >= 0) {
        close(other);
    }
    segment_release_forks();
    return result == -ENOENT ? -ESTALE : result;
}

bool segment_perms_are_good(uint32_t perms) {
    return (perms & ~0066u) == 0600;
}

/* NAME: without write permission for others. NAME.ctl: rw for each class that has w. */
static mode_t frames_mode(uint32_t perms) {
    return perms & 0644;
}

static mode_t ctl_mode(uint32_t perms) {
    return (perms & 0222) | (perms & 0222) << 1;
}

int segment_set_modes(const struct segment *seg, uint32_t perms) {
    if (fchmod(seg->ctl_fd, ctl_mode(perms)) < 0 || fchmod(seg->frames_fd, frames_mode(perms)) < 0)
        return -errno;
    return 0;
}

static bool is_within(int fd, mode_t mode) {
    struct stat status;
    return fstat(fd, &status) == 0 && (status.st_mode & 0777 & ~mode) == 0;
}

bool segment_modes_are_within(const struct segment *seg, uint32_t perms) {
    return is_within(seg->ctl_fd, ctl_mode(perms)) && is_within(seg->frames_fd, frames_mode(perms));
}

void segment_remember_files(struct segment *seg) {
    struct stat status = {0};
    fstat(seg->frames_fd, &status);
    seg->device = status.st_dev;
    seg->inode = status.st_ino;
    seg->owner = status.st_uid;
    fstat(seg->ctl_fd, &status);
    seg->ctl_inode = status.st_ino;
}

static int make_objects(struct segment *seg, const struct ring_paths *paths, uint32_t perms,
                        struct shmring_error *error) {
    int result = make_file(&seg->ctl_fd, paths->ctl);
    if (result == 0)
        result = fill_file(seg->ctl_fd, seg->g.ctl_size);
    if (result == 0)
        result = make_file(&seg->frames_fd, paths->frames);
    if (result == 0)
        result = segment_part_from_mapping(seg, paths->frames);
    if (result == 0)
        result = fill_file(seg->frames_fd, seg->g.total_size);
    if (result == 0)
        result = segment_map(seg, true);
    if (result == 0)
        result = segment_set_modes(seg, perms);
    if (result == -ENOSPC)
        return no_space(seg, error);
    if (result == -EFBIG)
        return error_set(error, result,
                         "ring '%s' needs a file of %llu bytes, more than this process may write "
                         "(ulimit -f)",
                         seg->name, (unsigned long long)seg->g.total_size);
    if (result < 0)
        return error_set(error, result, "cannot make ring '%s' in " SHM_DIR ": %s", seg->name,
                         strerror(-result));
    segment_remember_files(seg);
    segment_mark_written(seg);
    return 0;
}

void segment_sign(struct segment *seg) {
    char process[SHMRING_PROCESS_NAME];
    uint64_t words[2];
    process_name(process);
    memcpy(words, process, sizeof words);
    for (int i = 0; i < 2; i++)
        atomic_store_explicit(&seg->header->writer_process[i], words[i], memory_order_relaxed);
    atomic_store_explicit(&seg->header->writer_pid, (uint32_t)getpid(), memory_order_relaxed);
}

static void initialise(struct segment *seg, uint64_t wake_word) {
    struct layout_header *header = seg->header;
    const struct geometry *g = &seg->g;
    memcpy(header->magic, LAYOUT_MAGIC, sizeof LAYOUT_MAGIC);
    header->version = LAYOUT_VERSION;
    header->header_bytes = sizeof *header;
    header->total_size = g->total_size;
    header->ring_offset = g->ring_offset;
    header->frames_offset = g->frames_offset;
    header->slots_offset = g->slots_offset;
    header->slot_size = g->slot_size;
    header->slot_stride = g->slot_stride;
    header->frame_stride = g->frame_stride;
    header->slots = g->slots;
    header->capacity = g->capacity;
    header->max_readers = g->max_readers;
    header->lend_limit = g->lend_limit;
    memcpy(header->instance, g->instance, sizeof g->instance);
    header->created_ns = realtime_ns();
    segment_sign(seg);
    atomic_init(&header->state, STATE_ACTIVE);
    atomic_init(&header->stream, 1);
    atomic_init(&header->stretch, 1);
    atomic_init(&header->event, (uint32_t)wake_word);

    memcpy(seg->ctl->magic, LAYOUT_CTL_MAGIC, sizeof LAYOUT_CTL_MAGIC);
    seg->ctl->version = LAYOUT_VERSION;
    seg->ctl->max_readers = g->max_readers;
    memcpy(seg->ctl->instance, g->instance, sizeof g->instance);
    atomic_init(&seg->ctl->doorbell, (uint32_t)wake_word);
    atomic_init(&seg->ctl->notice, (uint32_t)wake_word);
}

void segment_begin_at(struct segment *seg, uint64_t base) {
    seg->g.base = seg->header->base = base;
    atomic_init(&seg->header->head, base);
}

/* ---- All of it ---- */

static int make(struct naming *n, const struct shmring_writer_options *options) {
    struct segment *seg = n->seg;
    if (getrandom(seg->g.instance, sizeof seg->g.instance, 0) != sizeof seg->g.instance)
        return error_set(n->error, -errno, "no random number for ring '%s': %s", seg->name,
                         strerror(errno));
    name_temporary_paths(&n->made, seg->name, seg->g.instance);
    int result = make_objects(seg, &n->made, options->perms, n->error);
    if (result < 0)
        return result;
    initialise(seg, options->first_seq);
    segment_begin_at(seg, options->first_seq);
    return 0;
}

/* The stream goes on in the new segment, for readers that follow and for those that come. */
static void carry_over(const struct layout_header *from, struct layout_header *to) {
    atomic_init(&to->latency_ns, atomic_load_explicit(&from->latency_ns, memory_order_relaxed));
    atomic_init(&to->stretch, atomic_load_explicit(&from->stretch, memory_order_relaxed));
    atomic_init(&to->stream, atomic_load_explicit(&from->stream, memory_order_relaxed));
    atomic_init(&to->key_seq, atomic_load_explicit(&from->key_seq, memory_order_relaxed));
}

static int create_once(struct naming *n, const struct shmring_writer_options *options,
                       const struct segment *with) {
    int result = with ? names_move(n, with, true) : 0; /* or memory is had for nothing */
    if (result == 0)
        result = make(n, options);
    if (result == 0 && with)
        carry_over(with->header, n->seg->header);
    if (result == 0)
        result = with ? names_move(n, with, false) : names_take(n);
    unlink(n->made.ctl);
    unlink(n->made.frames);
    if (result < 0 && n->error && !n->error->code)
        error_set(n->error, result, "cannot put ring '%s' in place: %s", n->seg->name,
                  strerror(-result));
    return result;
}

static int create_planned(const char *name, const struct geometry *g,
                          const struct shmring_writer_options *options, const struct segment *with,
                          struct segment **created, struct shmring_error *error) {
    struct naming n = {.error = error};
    if (error)
        error->code = 0;
    n.seg = segment_new(name);
    if (!n.seg)
        return error_set(error, -ENOMEM, "no memory for ring '%s'", name);
    n.seg->g = *g;
    name_paths(&n.wanted, name);
    int result = create_once(&n, options, with);
    if (result == 0)
        *created = n.seg;
    else
        segment_unref(n.seg);
    return result;
}

/* What is larger than all there is: nothing is swept for it. */
static bool could_fit(const struct geometry *g) {
    struct statvfs shm;
    return statvfs(SHM_DIR, &shm) < 0 || shm.f_blocks == 0 ||
           (g->total_size + g->ctl_size) / shm.f_frsize <= shm.f_blocks;
}

/* Another writer's sweep may catch the objects between their making and their lock; and where there
 * is no room, what the dead left makes some. */
static int create_swept(const char *name, const struct geometry *g,
                        const struct shmring_writer_options *options, const struct segment *with,
                        struct segment **created, struct shmring_error *error) {
    int result = -ESTALE;
    for (int attempt = 0; attempt < ATTEMPTS && result == -ESTALE; attempt++) {
        result = create_planned(name, g, options, with, created, error);
        if (result != -ENOSPC || !could_fit(g))
            continue;
        bool swept = sweep_leftovers(NULL);
        if (sweep_dead_rings() || swept)
            result = -ESTALE;
    }
    return result;
}

int segment_create(const char *name, const struct shmring_writer_options *options,
                   const struct segment *with, struct segment **created,
                   struct shmring_error *error) {
    struct geometry g;
    const char *problem;
    if (!geometry_plan(&g, options, &problem))
        return error_set(error, -EINVAL, "ring '%s' cannot be made: %s", name, problem);
    if (!segment_perms_are_good(options->perms))
        return error_set(error, -EINVAL,
                         "ring '%s' cannot have perms %04o: r and w bits only, both for the owner",
                         name, options->perms);
    int result = create_swept(name, &g, options, with, created, error);
    if (result == 0 && !with)
        sweep_leftovers(name);
    return result;
}

void segment_remove_names(const struct segment *seg) {
    struct ring_paths paths;
    name_paths(&paths, seg->name);
    if (segment_has_name(seg))
        unlink(paths.frames);
    if (segment_has_ctl_name(seg))
        unlink(paths.ctl);
}
