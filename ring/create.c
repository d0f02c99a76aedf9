/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "create.h"

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

#include "allocate.h"
#include "error.h"
#include "futex.h"
#include "lock.h"
#include "process.h"
#include "sweep.h"

#define ATTEMPTS 50
#define ATTEMPT_PAUSE_US 1000

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
                             "or more shared memory (docker run --shm-size=%lluM). Left there: %s",
                     (double)shm.f_bavail * (double)shm.f_frsize / 1e6, seg->name,
                     (double)need / 1e6, (unsigned long long)((used + need) >> 20) + 1, largest);
}

/* For its maker alone, whatever the umask. */
static int make_file(int *fd, const char *path) {
    int result = segment_open_file(fd, path, O_RDWR | O_CREAT | O_EXCL);
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
    struct stat was, is;
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
int segment_set_modes(const struct segment *seg, uint32_t perms) {
    mode_t frames = perms & 0644, ctl = (perms & 0222) | (perms & 0222) << 1;
    if (fchmod(seg->ctl_fd, ctl) < 0 || fchmod(seg->frames_fd, frames) < 0)
        return -errno;
    return 0;
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

/* Until the names are in place nobody else looks. */
static void begin_at(struct segment *seg, uint64_t base) {
    seg->g.base = seg->header->base = base;
    atomic_init(&seg->header->head, base);
}

/* ---- What has the name now ---- */

struct naming {
    struct segment *seg;
    struct ring_paths made, wanted;
    struct shmring_error *error;
};

static int not_ours(const struct naming *n, const char *path, uid_t owner) {
    char user[64];
    return error_set(n->error, -EPERM,
                     "%s belongs to user %s: take another name, or have it removed (sudo rm %s %s)",
                     path, segment_user_text(owner, user), n->wanted.frames, n->wanted.ctl);
}

static int not_a_ring(const struct naming *n) {
    return error_set(n->error, -EEXIST,
                     "%s or its .ctl exists and is not a ring: take another name, or remove it if "
                     "nobody needs it",
                     n->wanted.frames);
}

static int in_use(const struct naming *n) {
    struct layout_header header = {0};
    struct segment *seg = NULL;
    char writer[64];
    if (segment_look(n->seg->name, SEGMENT_OBSERVE, &seg, &header, NULL) == 0)
        segment_unref(seg);
    segment_writer_text(&header, writer, sizeof writer);
    return error_set(n->error, -EBUSY,
                     "ring '%s' is in use by %s: take another name, or stop that writer",
                     n->seg->name, writer);
}

/* Opens it into FD, one of a segment's: 0, -EAGAIN when it is gone again, or a refusal. */
static int open_present(const struct naming *n, const char *path, int *fd, struct stat *status) {
    int result = segment_open_file(fd, path, O_RDWR);
    if (result == -ENOENT || (*fd < 0 ? lstat(path, status) : fstat(*fd, status)) < 0)
        return -EAGAIN;
    if (status->st_uid != geteuid())
        return not_ours(n, path, status->st_uid);
    if (!S_ISREG(status->st_mode))
        return not_a_ring(n);
    return *fd >= 0 ? 0
                    : error_set(n->error, result, "cannot open %s: %s", path, strerror(-result));
}

static bool still_named(const char *path, const struct stat *was) {
    struct stat now;
    return stat(path, &now) == 0 && now.st_ino == was->st_ino && now.st_dev == was->st_dev;
}

static bool has_magic(int fd, const char *magic) {
    char found[8] = {0};
    return pread(fd, found, sizeof found, 0) == sizeof found && memcmp(found, magic, 8) == 0;
}

/* ---- Putting the names in place ---- */

/* The dead writer's header, mapped; NULL when there is none or it cannot be trusted. */
static struct layout_header *map_old_header(int fd, const struct stat *status) {
    if (status->st_size < (off_t)sizeof(struct layout_header) || !has_magic(fd, LAYOUT_MAGIC))
        return NULL;
    void *mapped = mmap(NULL, LAYOUT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return mapped == MAP_FAILED ? NULL : mapped;
}

static bool is_known(const struct layout_header *old) {
    return old->version == LAYOUT_VERSION && old->header_bytes == sizeof *old;
}

static bool has_finished(const struct layout_header *old) {
    uint32_t state = atomic_load_explicit(&old->state, memory_order_relaxed);
    return state == STATE_ENDED || state == STATE_CLOSED;
}

/* And the stream, if the dead writer did not end it. */
static void continue_numbering(struct segment *seg, const struct layout_header *old) {
    struct layout_header *new = seg->header;
    uint64_t head = atomic_load_explicit(&old->head, memory_order_acquire);
    if (!is_known(old))
        return;
    if (head > seg->g.base && head < UINT64_C(1) << 47)
        begin_at(seg, head);
    atomic_store_explicit(
        &new->stream, atomic_load_explicit(&old->stream, memory_order_relaxed) + has_finished(old),
        memory_order_relaxed);
    atomic_store_explicit(&new->stretch,
                          atomic_load_explicit(&old->stretch, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* Sends the dead writer's readers to the new segment. */
static void supersede_old(struct layout_header *old) {
    if (!is_known(old) || has_finished(old))
        return;
    atomic_store_explicit(&old->state, STATE_SUPERSEDED, memory_order_seq_cst);
    atomic_fetch_add_explicit(&old->event, 1, memory_order_release);
    futex_wake_all(&old->event);
}

static int rename_frames(const struct naming *n, struct layout_header *old) {
    continue_numbering(n->seg, old);
    if (rename(n->made.frames, n->wanted.frames) < 0)
        return errno == ENOENT ? -ESTALE : -errno;
    supersede_old(old);
    return 0;
}

/* NAME exists, and we have NAME.ctl with its lock: nobody else may put one in place now. */
static int replace_frames(const struct naming *n, struct segment *old) {
    struct stat status;
    struct layout_header *header = NULL;
    int result = open_present(n, n->wanted.frames, &old->frames_fd, &status);
    if (result < 0)
        return result;
    if (!(header = map_old_header(old->frames_fd, &status)))
        return not_a_ring(n);
    if (lock_is_held(old->frames_fd, LOCK_WRITER))
        result = in_use(n); /* a live writer whose .ctl somebody removed */
    else
        result = rename_frames(n, header);
    munmap(header, LAYOUT_PAGE);
    return result;
}

static int put_frames_once(const struct naming *n) {
    if (link(n->made.frames, n->wanted.frames) == 0)
        return 0;
    if (errno != EEXIST)
        return errno == ENOENT ? -ESTALE : -errno;
    struct segment *old = segment_new(n->seg->name);
    if (!old)
        return -ENOMEM;
    int result = replace_frames(n, old);
    segment_unref(old);
    return result;
}

/* NAME.ctl is ours already; without NAME it must not stay. */
static int put_frames(const struct naming *n) {
    int result = -EAGAIN;
    for (int attempt = 0; attempt < ATTEMPTS && result == -EAGAIN; attempt++)
        result = put_frames_once(n);
    if (result < 0)
        unlink(n->wanted.ctl);
    return result;
}

/* A name's first creation: link() fails when somebody else was faster. */
static int put_both(const struct naming *n) {
    if (link(n->made.ctl, n->wanted.ctl) == 0)
        return put_frames(n);
    if (errno == EEXIST)
        return -EAGAIN;
    return errno == ENOENT ? -ESTALE : -errno;
}

/* Refuses to replace what no ring made; -EAGAIN: there is no NAME. */
static int check_frames(const struct naming *n, struct segment *old) {
    struct stat status;
    int result = open_present(n, n->wanted.frames, &old->frames_fd, &status);
    if (result == 0 && !has_magic(old->frames_fd, LAYOUT_MAGIC))
        result = not_a_ring(n);
    return result;
}

/* We hold the old .ctl's byte 0 until the new names are in place: only one may take over. */
static int take_over_locked(const struct naming *n, struct segment *old,
                            const struct stat *status) {
    if (!still_named(n->wanted.ctl, status))
        return -EAGAIN;
    if (!has_magic(old->ctl_fd, LAYOUT_CTL_MAGIC))
        return not_a_ring(n);
    int result = check_frames(n, old);
    if (result < 0 && result != -EAGAIN)
        return result;
    if (rename(n->made.ctl, n->wanted.ctl) < 0)
        return errno == ENOENT ? -ESTALE : -errno;
    return put_frames(n);
}

/* Who looks whether a ring is dead has its lock for an instant; a live writer has that of NAME too,
 * or a name is missing. */
static int locked(const struct naming *n) {
    struct layout_header header;
    struct segment *seg = NULL;
    if (segment_look(n->seg->name, SEGMENT_OBSERVE, &seg, &header, NULL) < 0)
        return -EAGAIN;
    bool written = segment_has_writer(seg);
    segment_unref(seg);
    return written ? in_use(n) : -EAGAIN;
}

static int take_over(const struct naming *n) {
    struct stat status;
    struct segment *old = segment_new(n->seg->name);
    if (!old)
        return -ENOMEM;
    int result = open_present(n, n->wanted.ctl, &old->ctl_fd, &status);
    if (result == 0)
        result =
            lock_try(old->ctl_fd, LOCK_WRITER) < 0 ? locked(n) : take_over_locked(n, old, &status);
    segment_unref(old);
    return result;
}

/* The new file gets the name, the old one the temporary one, so that both can go back. -ESTALE:
 * somebody swept the new one, before it was locked. */
static int exchange(const char *made, const char *wanted) {
    if (renameat2(AT_FDCWD, made, AT_FDCWD, wanted, RENAME_EXCHANGE) == 0 ||
        rename(made, wanted) == 0)
        return 0;
    return errno == ENOENT ? -ESTALE : -errno;
}

/* One of the two names of WITH. Free, ours, or left from a dead ring, whose lock keeps everybody
 * else from it then. */
static int hold_name(const struct naming *n, const char *path, const char *magic, ino_t ours,
                     int *fd) {
    struct stat status;
    int result = open_present(n, path, fd, &status);
    if (result < 0)
        return result == -EAGAIN ? 0 : result;
    if (status.st_ino == ours)
        return 0;
    if (!has_magic(*fd, magic))
        return not_a_ring(n);
    if (lock_try(*fd, LOCK_WRITER) < 0)
        return error_set(n->error, -EBUSY,
                         "ring '%s' cannot have its name: %s is of another ring, which is in use",
                         n->seg->name, path);
    return still_named(path, &status) ? 0 : -ESTALE;
}

static int hold_names(const struct naming *n, const struct segment *with, struct segment *held) {
    int result = hold_name(n, n->wanted.ctl, LAYOUT_CTL_MAGIC, with->ctl_inode, &held->ctl_fd);
    if (result == 0)
        result = hold_name(n, n->wanted.frames, LAYOUT_MAGIC, with->inode, &held->frames_fd);
    return result;
}

static int move_both(const struct naming *n) {
    int result = exchange(n->made.ctl, n->wanted.ctl);
    if (result < 0)
        return result;
    result = exchange(n->made.frames, n->wanted.frames);
    if (result < 0 && exchange(n->made.ctl, n->wanted.ctl) < 0)
        unlink(n->wanted.ctl); /* there was none before */
    return result;
}

/* From the segment of ours that has them, where nobody else took them from it. */
static int move_names(const struct naming *n, const struct segment *with, bool only_look) {
    struct segment *held = segment_new(n->seg->name);
    if (!held)
        return -ENOMEM;
    int result = hold_names(n, with, held);
    if (result == 0 && !only_look)
        result = move_both(n);
    segment_unref(held);
    return result;
}

static int take_names(const struct naming *n) {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        int result = put_both(n);
        if (result == -EAGAIN)
            result = take_over(n);
        if (result != -EAGAIN)
            return result;
        usleep(ATTEMPT_PAUSE_US);
    }
    return in_use(n);
}

/* ---- All of it ---- */

static int make(struct naming *n, const struct shmring_writer_options *options) {
    struct segment *seg = n->seg;
    if (getrandom(seg->g.instance, sizeof seg->g.instance, 0) != sizeof seg->g.instance)
        return error_set(n->error, -errno, "no random number for ring '%s'", seg->name);
    name_temporary_paths(&n->made, seg->name, seg->g.instance);
    int result = make_objects(seg, &n->made, options->perms, n->error);
    if (result < 0)
        return result;
    initialise(seg, options->first_seq);
    begin_at(seg, options->first_seq);
    return 0;
}

/* The stream goes on in the new segment, for readers that follow and for those that come. */
static void carry_over(const struct segment *from, struct segment *to) {
    const struct layout_header *old = from->header;
    struct layout_header *new = to->header;
    atomic_store_explicit(&new->latency_ns,
                          atomic_load_explicit(&old->latency_ns, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&new->stretch, atomic_load_explicit(&old->stretch, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&new->stream, atomic_load_explicit(&old->stream, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&new->key_seq, atomic_load_explicit(&old->key_seq, memory_order_relaxed),
                          memory_order_relaxed);
}

static int create_once(struct naming *n, const struct shmring_writer_options *options,
                       const struct segment *with) {
    int result = with ? move_names(n, with, true) : 0; /* or memory is had for nothing */
    if (result == 0)
        result = make(n, options);
    if (result == 0 && with)
        carry_over(with, n->seg);
    if (result == 0)
        result = with ? move_names(n, with, false) : take_names(n);
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
