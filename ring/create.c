/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "create.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "comm.h"
#include "error.h"
#include "futex.h"
#include "lock.h"

#define ATTEMPTS 50
#define ATTEMPT_PAUSE_US 1000

/* ---- The objects, under their temporary names ---- */

static int no_space(const struct segment *seg, struct shmring_error *error) {
    struct statvfs shm = {0};
    statvfs(SHM_DIR, &shm);
    uint64_t need = seg->g.total_size + seg->g.ctl_size;
    uint64_t used = (shm.f_blocks - shm.f_bavail) * shm.f_frsize;
    return error_set(error, -ENOSPC,
                     SHM_DIR " has %.1f MB free, ring '%s' needs %.1f MB: fewer or smaller slots, "
                             "or more shared memory (docker run --shm-size=%lluM)",
                     (double)shm.f_bavail * (double)shm.f_frsize / 1e6, seg->name,
                     (double)need / 1e6, (unsigned long long)((used + need) >> 20) + 1);
}

static int allocate(int fd, uint64_t size) {
    int result;
    /* Interrupted, it undoes its work: a process with a fast timer would never get there. */
    int attempts = ATTEMPTS;
    do
        result = posix_fallocate(fd, 0, (off_t)size);
    while (result == EINTR && --attempts);
    return -result;
}

static int make_object(int *fd, const char *path, uint64_t size) {
    int result = segment_open_file(fd, path, O_RDWR | O_CREAT | O_EXCL);
    if (result < 0)
        return result;
    /* Whatever the umask: it is opened by its path once more. */
    return fchmod(*fd, 0600) < 0 ? -errno : allocate(*fd, size);
}

/*
 * A mapping keeps its open file, and so that file's locks, alive: the one on NAME would outlive us
 * in a child of fork(), which keeps its view of the frames. Here the descriptor moves to an open
 * file that nothing maps. (.ctl needs none of this: children do not get its mapping.)
 */
static int part_from_mapping(int fd, const char *path) {
    segment_hold_forks();
    int other = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    int result = other < 0 || dup3(other, fd, O_CLOEXEC) < 0 ? -errno : 0;
    if (other >= 0)
        close(other);
    segment_release_forks();
    return result == -ENOENT ? -ESTALE : result;
}

/* NAME: without write permission for others. NAME.ctl: rw for each class that has w. */
static mode_t frames_mode(uint32_t perms) {
    return perms & 0644;
}

static mode_t ctl_mode(uint32_t perms) {
    return (perms & 0222) | (perms & 0222) << 1;
}

/* The umask has no say. */
static int set_modes(const struct segment *seg, uint32_t perms) {
    if (fchmod(seg->ctl_fd, ctl_mode(perms)) < 0 || fchmod(seg->frames_fd, frames_mode(perms)) < 0)
        return -errno;
    return 0;
}

static int make_objects(struct segment *seg, const struct ring_paths *paths, uint32_t perms,
                        struct shmring_error *error) {
    int result = make_object(&seg->ctl_fd, paths->ctl, seg->g.ctl_size);
    if (result == 0)
        result = make_object(&seg->frames_fd, paths->frames, seg->g.total_size);
    if (result == 0)
        result = segment_map(seg, true);
    if (result == 0)
        result = part_from_mapping(seg->frames_fd, paths->frames);
    if (result == 0)
        result = set_modes(seg, perms);
    if (result == -ENOSPC)
        return no_space(seg, error);
    if (result < 0)
        return error_set(error, result, "cannot make ring '%s' in " SHM_DIR ": %s", seg->name,
                         strerror(-result));
    struct stat status;
    fstat(seg->frames_fd, &status);
    seg->device = status.st_dev;
    seg->inode = status.st_ino;
    fstat(seg->ctl_fd, &status);
    seg->ctl_inode = status.st_ino;
    return 0;
}

static void describe_writer(struct layout_header *header) {
    comm_read(header->writer_comm);
    header->writer_pid = (uint32_t)getpid();
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
    describe_writer(header);
    atomic_init(&header->state, STATE_ACTIVE);
    atomic_init(&header->event, (uint32_t)wake_word);

    memcpy(seg->ctl->magic, LAYOUT_CTL_MAGIC, sizeof LAYOUT_CTL_MAGIC);
    seg->ctl->version = LAYOUT_VERSION;
    seg->ctl->max_readers = g->max_readers;
    memcpy(seg->ctl->instance, g->instance, sizeof g->instance);
    atomic_init(&seg->ctl->doorbell, (uint32_t)wake_word);
}

/* Until the names are in place nobody else looks. */
static void begin_at(struct segment *seg, uint64_t base) {
    seg->g.base = seg->header->base = base;
    atomic_init(&seg->header->head, base);
}

/* ---- The names ---- */

struct placing {
    struct segment *seg;
    struct ring_paths made, wanted;
    struct shmring_error *error;
};

static int not_ours(const struct placing *p, const char *path, uid_t owner) {
    char user[64];
    return error_set(p->error, -EPERM,
                     "%s belongs to user %s: take another name, or have it removed by that user",
                     path, segment_user_text(owner, user));
}

static int not_a_ring(const struct placing *p) {
    return error_set(p->error, -EEXIST,
                     "%s or its .ctl exists and is not a ring: take another name, or remove it if "
                     "nobody needs it",
                     p->wanted.frames);
}

static int in_use(const struct placing *p) {
    struct layout_header header = {0};
    char writer[64];
    int fd = open(p->wanted.frames, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && pread(fd, &header, sizeof header, 0) < (ssize_t)sizeof header)
        memset(&header, 0, sizeof header);
    if (fd >= 0)
        close(fd);
    segment_writer_text(&header, writer, sizeof writer);
    return error_set(p->error, -EBUSY,
                     "ring '%s' is in use by %s: take another name, or stop that writer",
                     p->seg->name, writer);
}

/* Opens what has a name now: 0 with FD, -EAGAIN when it is gone again, or a refusal. */
static int open_present(const struct placing *p, const char *path, int *fd, struct stat *status) {
    *fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (*fd < 0 && errno == ENOENT)
        return -EAGAIN;
    if ((*fd < 0 ? lstat(path, status) : fstat(*fd, status)) < 0)
        return -EAGAIN;
    if (status->st_uid != geteuid())
        return not_ours(p, path, status->st_uid);
    if (*fd < 0 || !S_ISREG(status->st_mode))
        return not_a_ring(p);
    return 0;
}

static bool still_named(const char *path, const struct stat *was) {
    struct stat now;
    return stat(path, &now) == 0 && now.st_ino == was->st_ino && now.st_dev == was->st_dev;
}

static bool has_magic(int fd, const char *magic) {
    char found[8] = {0};
    return pread(fd, found, sizeof found, 0) == sizeof found && memcmp(found, magic, 8) == 0;
}

/* The dead writer's header, mapped; NULL when there is none or it cannot be trusted. */
static struct layout_header *map_old_header(int fd, const struct stat *status) {
    if (status->st_size < (off_t)sizeof(struct layout_header) || !has_magic(fd, LAYOUT_MAGIC))
        return NULL;
    void *mapped = mmap(NULL, LAYOUT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        return NULL;
    return mapped;
}

static void continue_numbering(struct segment *seg, const struct layout_header *old) {
    uint64_t head = atomic_load_explicit(&old->head, memory_order_acquire);
    if (old->version == LAYOUT_VERSION && head > seg->g.base && head < UINT64_C(1) << 47)
        begin_at(seg, head);
}

/* Sends the dead writer's readers to the new segment. */
static void supersede_old(struct layout_header *old) {
    if (old->version != LAYOUT_VERSION)
        return;
    uint32_t active = STATE_ACTIVE;
    atomic_compare_exchange_strong(&old->state, &active, STATE_SUPERSEDED);
    atomic_fetch_add_explicit(&old->event, 1, memory_order_release);
    futex_wake_all(&old->event);
}

static int rename_frames(const struct placing *p, struct layout_header *old) {
    if (old)
        continue_numbering(p->seg, old);
    if (rename(p->made.frames, p->wanted.frames) < 0)
        return errno == ENOENT ? -ESTALE : -errno;
    if (old)
        supersede_old(old);
    return 0;
}

/* NAME exists, and we have NAME.ctl with its lock: nobody else may put one in place now. */
static int replace_frames(const struct placing *p) {
    struct stat status;
    struct layout_header *old = NULL;
    int fd = -1;
    int result = open_present(p, p->wanted.frames, &fd, &status);
    if (result == 0 && !(old = map_old_header(fd, &status)))
        result = not_a_ring(p);
    else if (result == 0 && lock_is_held(fd, LOCK_WRITER))
        result = in_use(p); /* a live writer whose .ctl somebody removed */
    else if (result == 0)
        result = rename_frames(p, old);
    if (old)
        munmap(old, LAYOUT_PAGE);
    if (fd >= 0)
        close(fd);
    return result;
}

static int put_frames(const struct placing *p) {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (link(p->made.frames, p->wanted.frames) == 0)
            return 0;
        if (errno != EEXIST)
            return errno == ENOENT ? -ESTALE : -errno;
        int result = replace_frames(p);
        if (result != -EAGAIN)
            return result;
    }
    return -EAGAIN;
}

/* NAME.ctl is ours already; without NAME it must not stay. */
static int put_frames_or_leave(const struct placing *p) {
    int result = put_frames(p);
    if (result < 0)
        unlink(p->wanted.ctl);
    return result;
}

/* A name's first creation: link() fails when somebody else was faster. */
static int put_both(const struct placing *p) {
    if (link(p->made.ctl, p->wanted.ctl) == 0)
        return put_frames_or_leave(p);
    if (errno == EEXIST)
        return -EAGAIN;
    return errno == ENOENT ? -ESTALE : -errno;
}

/* Refuses to replace what no ring made; -EAGAIN: there is no NAME. */
static int check_frames(const struct placing *p) {
    struct stat status;
    int fd = -1;
    int result = open_present(p, p->wanted.frames, &fd, &status);
    if (result == 0 && !has_magic(fd, LAYOUT_MAGIC))
        result = not_a_ring(p);
    if (fd >= 0)
        close(fd);
    return result;
}

/* We hold the old .ctl's byte 0 until the new names are in place: only one may take over. */
static int take_over_locked(const struct placing *p, int fd, const struct stat *status) {
    if (!still_named(p->wanted.ctl, status))
        return -EAGAIN;
    if (!has_magic(fd, LAYOUT_CTL_MAGIC))
        return not_a_ring(p);
    int result = check_frames(p);
    if (result < 0 && result != -EAGAIN)
        return result;
    if (rename(p->made.ctl, p->wanted.ctl) < 0)
        return errno == ENOENT ? -ESTALE : -errno;
    return put_frames_or_leave(p);
}

static int take_over(const struct placing *p) {
    struct stat status;
    int fd = -1;
    segment_hold_forks();
    int result = open_present(p, p->wanted.ctl, &fd, &status);
    if (result == 0)
        result = lock_try(fd, LOCK_WRITER) < 0 ? in_use(p) : take_over_locked(p, fd, &status);
    if (fd >= 0)
        close(fd);
    segment_release_forks();
    return result;
}

static bool is_free_or(const char *path, ino_t inode) {
    struct stat now;
    return stat(path, &now) < 0 || now.st_ino == inode;
}

/* The names, where nobody removed them, are those of a segment of ours, whose locks keep everybody
 * else from them. */
static int move_names(const struct placing *p, const struct segment *with) {
    if (!is_free_or(p->wanted.ctl, with->ctl_inode) || !is_free_or(p->wanted.frames, with->inode))
        return in_use(p);
    if (rename(p->made.ctl, p->wanted.ctl) < 0 || rename(p->made.frames, p->wanted.frames) < 0)
        return -errno;
    return 0;
}

static int place_names(const struct placing *p) {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        int result = put_both(p);
        if (result == -EAGAIN)
            result = take_over(p);
        if (result != -EAGAIN)
            return result;
        usleep(ATTEMPT_PAUSE_US);
    }
    return in_use(p);
}

/* ---- What crashed writers left under temporary names ---- */

static void sweep_entry(const char *entry) {
    char path[sizeof SHM_DIR + NAME_MAX + 1];
    snprintf(path, sizeof path, SHM_DIR "/%s", entry);
    segment_hold_forks();
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && lock_try(fd, LOCK_WRITER) == 0)
        unlink(path);
    if (fd >= 0)
        close(fd);
    segment_release_forks();
}

static void sweep(const char *name) {
    DIR *directory = opendir(SHM_DIR);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (name_is_leftover(name, entry->d_name))
            sweep_entry(entry->d_name);
    }
    closedir(directory);
}

/* ---- All of it ---- */

static int make(struct placing *p, const struct shmring_writer_options *options) {
    struct segment *seg = p->seg;
    if (getrandom(seg->g.instance, sizeof seg->g.instance, 0) != sizeof seg->g.instance)
        return error_set(p->error, -errno, "no random number for ring '%s'", seg->name);
    name_temporary_paths(&p->made, seg->name, seg->g.instance);
    int result = make_objects(seg, &p->made, options->perms, p->error);
    if (result < 0)
        return result;
    initialise(seg, options->first_seq);
    begin_at(seg, options->first_seq);
    /* The one on NAME is for observers to ask; nothing else depends on it. */
    result = lock_try(seg->frames_fd, LOCK_WRITER);
    if (result == 0)
        result = lock_try(seg->ctl_fd, LOCK_WRITER);
    return result == -EAGAIN ? -ESTALE : result; /* a sweeper looks at it, and removes it */
}

static int create_once(struct placing *p, const struct shmring_writer_options *options,
                       const struct segment *with) {
    int result = make(p, options);
    if (result == 0)
        result = with ? move_names(p, with) : place_names(p);
    unlink(p->made.ctl);
    unlink(p->made.frames);
    if (result < 0 && p->error && !p->error->code)
        error_set(p->error, result, "cannot put ring '%s' in place: %s", p->seg->name,
                  strerror(-result));
    return result;
}

static int create_planned(const char *name, const struct geometry *g,
                          const struct shmring_writer_options *options, const struct segment *with,
                          struct segment **created, struct shmring_error *error) {
    struct placing p = {.error = error};
    if (error)
        error->code = 0;
    p.seg = segment_new(name);
    if (!p.seg)
        return error_set(error, -ENOMEM, "no memory for ring '%s'", name);
    p.seg->g = *g;
    name_paths(&p.wanted, name);
    int result = create_once(&p, options, with);
    if (result == 0)
        *created = p.seg;
    else
        segment_unref(p.seg);
    return result;
}

int segment_create(const char *name, const struct shmring_writer_options *options,
                   const struct segment *with, struct segment **created,
                   struct shmring_error *error) {
    struct geometry g;
    const char *problem;
    if (!geometry_plan(&g, options, &problem))
        return error_set(error, -EINVAL, "ring '%s' cannot be made: %s", name, problem);
    if ((options->perms & ~0066u) != 0600)
        return error_set(error, -EINVAL,
                         "ring '%s' cannot have perms %04o: r and w bits only, both for the owner",
                         name, options->perms);
    int result = -ESTALE;
    /* Another writer's sweep may catch the objects between their making and their lock. */
    for (int attempt = 0; attempt < ATTEMPTS && result == -ESTALE; attempt++)
        result = create_planned(name, &g, options, with, created, error);
    if (result == 0 && !with)
        sweep(name);
    return result;
}

void segment_remove_names(const struct segment *seg) {
    struct ring_paths paths;
    struct stat status;
    name_paths(&paths, seg->name);
    if (stat(paths.frames, &status) == 0 && status.st_ino == seg->inode)
        unlink(paths.frames);
    if (stat(paths.ctl, &status) == 0 && status.st_ino == seg->ctl_inode)
        unlink(paths.ctl);
}
