/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "futex.h"
#include "lock.h"
#include "process.h"

/* ---- Every segment of the process, so that a child of fork() can let go of them. Its copies of
 * the descriptors would keep this process's locks alive after its death. */

static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct segment *registry;
static _Atomic uint32_t generation;

uint32_t fork_generation(void) {
    /* Relaxed: it changes while there is one thread. */
    return atomic_load_explicit(&generation, memory_order_relaxed);
}

int fork_refuse(const char *kind, const char *name, struct shmring_error *error) {
    return error_set(error, -ECHILD,
                     "this %s of ring '%s' belongs to the parent process: open one after fork()",
                     kind, name);
}

static void before_fork(void) {
    pthread_mutex_lock(&registry_mutex);
}

static void after_fork_in_parent(void) {
    pthread_mutex_unlock(&registry_mutex);
}

static void close_fd(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void after_fork_in_child(void) {
    atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
    for (struct segment *seg = registry; seg; seg = seg->next) {
        close_fd(&seg->frames_fd);
        close_fd(&seg->map_fd);
        close_fd(&seg->ctl_fd);
    }
    pthread_mutex_unlock(&registry_mutex);
}

static bool watched;

static void watch_forks(void) {
    watched = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
}

/* False: no memory to watch forks. */
static bool registry_add(struct segment *seg) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&registry_mutex);
    if (!watched)
        watch_forks();
    bool added = watched;
    if (added) {
        seg->next = registry;
        if (registry)
            registry->previous = seg;
        registry = seg;
    }
    pthread_mutex_unlock(&registry_mutex);
    return added;
}

void segment_mark_written(struct segment *seg) {
    /* Release: who sees it sees which files they are. */
    atomic_store_explicit(&seg->written, true, memory_order_release);
}

bool segment_is_written_here(const char *name, ino_t file) {
    bool found = false;
    pthread_mutex_lock(&registry_mutex);
    for (struct segment *seg = registry; seg && !found; seg = seg->next)
        /* Acquire: pairs with segment_mark_written. */
        found = atomic_load_explicit(&seg->written, memory_order_acquire) &&
                !segment_is_inherited(seg) && strcmp(seg->name, name) == 0 &&
                (seg->inode == file || seg->ctl_inode == file);
    pthread_mutex_unlock(&registry_mutex);
    return found;
}

void segment_hold_forks(void) {
    pthread_mutex_lock(&registry_mutex);
}

void segment_release_forks(void) {
    pthread_mutex_unlock(&registry_mutex);
}

#define SAFE_FLAGS (O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)

/* Never as 0, 1 or 2: a program that was started without them would print into the ring. */
static int open_file(const char *path, int flags) {
    int fd = open(path, flags | SAFE_FLAGS, 0600);
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    int higher = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), error = errno;
    close(fd);
    errno = error;
    return higher;
}

int segment_open_held(const char *path) {
    return open_file(path, O_RDWR);
}

int segment_open_file(int *fd, const char *path, int flags) {
    segment_hold_forks();
    *fd = open_file(path, flags);
    int result = *fd < 0 ? -errno : 0;
    segment_release_forks();
    return result;
}

/* The descriptors are closed under the mutex: a fork() between would hand the child a number that
 * is already somebody else's. */
static void registry_remove(struct segment *seg) {
    pthread_mutex_lock(&registry_mutex);
    if (seg->previous)
        seg->previous->next = seg->next;
    else
        registry = seg->next;
    if (seg->next)
        seg->next->previous = seg->previous;
    close_fd(&seg->frames_fd);
    close_fd(&seg->map_fd);
    close_fd(&seg->ctl_fd);
    pthread_mutex_unlock(&registry_mutex);
}

/* ---- Life ---- */

struct segment *segment_new(const char *name) {
    struct segment *seg = calloc(1, sizeof *seg);
    if (!seg)
        return NULL;
    atomic_init(&seg->refs, 1);
    seg->frames_fd = seg->ctl_fd = seg->map_fd = -1;
    seg->frames_guard = seg->ctl_guard = GUARD_NONE;
    snprintf(seg->name, sizeof seg->name, "%s", name);
    if (!registry_add(seg)) {
        free(seg);
        return NULL;
    }
    seg->generation = fork_generation();
    return seg;
}

struct segment *segment_ref(struct segment *seg) {
    atomic_fetch_add_explicit(&seg->refs, 1, memory_order_relaxed);
    return seg;
}

static void unmap(struct segment *seg) {
    guard_remove(seg->frames_guard);
    guard_remove(seg->ctl_guard);
    /* A child has no mapping of .ctl (MADV_DONTFORK): the address may be anybody's by now. */
    if (seg->ctl && !segment_is_inherited(seg))
        munmap(seg->ctl, seg->g.ctl_size);
    if (seg->header)
        munmap(seg->header, seg->mapped);
}

void segment_unref(struct segment *seg) {
    /* Acquire-release: the last one must see everybody's use before it unmaps. */
    if (!seg || atomic_fetch_sub_explicit(&seg->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (!seg->borrowed)
        unmap(seg);
    registry_remove(seg);
    segment_unref(seg->borrowed);
    free(seg);
}

static int map_file(void **address, int fd, uint64_t size, int protection, int flags) {
    void *mapped = mmap(NULL, size, protection, MAP_SHARED | flags, fd, 0);
    if (mapped == MAP_FAILED)
        return -errno;
    *address = mapped;
    return 0;
}

/* A child that had the mapping would have the open file, and so keep its locks alive. */
static int map_ctl(struct segment *seg) {
    void *ctl = NULL;
    segment_hold_forks();
    int result = map_file(&ctl, seg->ctl_fd, seg->g.ctl_size, PROT_READ | PROT_WRITE, MAP_POPULATE);
    if (result == 0 && madvise(ctl, seg->g.ctl_size, MADV_DONTFORK) < 0)
        result = -errno;
    segment_release_forks();
    seg->ctl = ctl;
    if (ctl)
        seg->ctl_guard = guard_add(ctl, seg->g.ctl_size, PROT_READ | PROT_WRITE);
    return result;
}

static void close_map_fd(struct segment *seg) {
    segment_hold_forks();
    close_fd(&seg->map_fd);
    segment_release_forks();
}

int segment_map(struct segment *seg, bool writable) {
    void *header = NULL;
    int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    int fd = seg->map_fd >= 0 ? seg->map_fd : seg->frames_fd;
    /* Writing, the first pass over a fresh mapping would fault once a page; reading, once in 16,
     * and in the slots that are used. */
    int result = map_file(&header, fd, seg->g.total_size, protection, writable ? MAP_POPULATE : 0);
    seg->header = header;
    seg->mapped = seg->g.total_size;
    if (header)
        seg->frames_guard = guard_add(header, seg->mapped, protection);
    close_map_fd(seg);
    return result < 0 || seg->ctl_fd < 0 ? result : map_ctl(seg);
}

int segment_map_event(struct segment *seg) {
    void *header = NULL;
    int result = map_file(&header, seg->frames_fd, LAYOUT_PAGE, PROT_READ, 0);
    seg->header = header;
    seg->mapped = LAYOUT_PAGE;
    return result;
}

/* ---- Opening one that somebody else made ---- */

const char *segment_user_text(uid_t uid, char text[64]) {
    struct passwd entry, *found = NULL;
    char buffer[1024];
    if (getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) == 0 && found)
        snprintf(text, 64, "%s", found->pw_name);
    else
        snprintf(text, 64, "uid %u", (unsigned)uid);
    return text;
}

static int refused(const char *name, const char *path, bool ctl, struct shmring_error *error) {
    struct stat status = {0};
    char user[64];
    if (stat(path, &status) < 0)
        return -EAGAIN;
    return error_set(error, -EACCES,
                     "no permission to %s ring '%s': %s belongs to user %s with mode %04o; the "
                     "writer's perms decide (%s)",
                     ctl ? "attach to" : "see", name, path, segment_user_text(status.st_uid, user),
                     status.st_mode & 07777, ctl ? "w may attach" : "r may observe");
}

/* A link, a socket, a directory: what open() says of it would mislead. */
static bool is_no_file(int result) {
    return result == -ELOOP || result == -ENXIO || result == -EISDIR;
}

static int not_a_ring(const char *name, struct shmring_error *error) {
    return error_set(error, -EPROTO, "'%s' cannot be read as a ring: it is not a ring", name);
}

static int open_object(int *fd, const char *name, const char *path, bool ctl,
                       struct shmring_error *error) {
    int result = segment_open_file(fd, path, ctl ? O_RDWR : O_RDONLY);
    if (result == -ENOENT)
        return ctl ? -EAGAIN : -ENOENT;
    if (result == -EACCES || result == -EPERM)
        return refused(name, path, ctl, error);
    if (is_no_file(result))
        return not_a_ring(name, error);
    if (result < 0)
        error_set(error, result, "cannot open %s of ring '%s': %s", path, name, strerror(-result));
    return result;
}

static int unreadable(const struct segment *seg, int result, struct shmring_error *error) {
    return result == -EPROTO ? not_a_ring(seg->name, error)
                             : error_set(error, result, "cannot read ring '%s': %s", seg->name,
                                         strerror(-result));
}

/* Short files leave zeros behind, which no check below lets pass. */
static int read_start(int fd, void *start, size_t size, struct stat *status) {
    memset(start, 0, size);
    if (fstat(fd, status) < 0)
        return -errno;
    if (!S_ISREG(status->st_mode))
        return -EPROTO;
    return pread(fd, start, size, 0) < 0 ? -errno : 0;
}

/* What is no ring at all will not become one by waiting for its .ctl. */
static int check_kind(struct segment *seg, struct shmring_error *error) {
    struct stat status;
    char magic[sizeof LAYOUT_MAGIC];
    int result = read_start(seg->frames_fd, magic, sizeof magic, &status);
    if (result == 0 && memcmp(magic, LAYOUT_MAGIC, sizeof magic) != 0)
        result = -EPROTO;
    return result < 0 ? unreadable(seg, result, error) : 0;
}

static bool is_going(const struct layout_header *header) {
    uint32_t state = atomic_load_explicit(&header->state, memory_order_relaxed);
    return state == STATE_SUPERSEDED || state == STATE_MOVING;
}

/* A file of holes costs its owner nothing, and would cost whoever maps it all of its memory. */
static bool has_holes(const struct segment *seg, const struct stat *frames) {
    return (uint64_t)frames->st_blocks * 512 < seg->g.total_size;
}

static int check_objects(struct segment *seg, enum segment_use use, struct layout_header *header,
                         struct shmring_error *error) {
    static const char *const damaged = "'%s' cannot be read as a ring: %s";
    _Alignas(struct layout_ctl) unsigned char ctl_start[sizeof(struct layout_ctl)];
    const struct layout_ctl *ctl = seg->ctl_fd >= 0 ? (void *)ctl_start : NULL;
    struct stat frames = {0}, control = {0};
    const char *problem;
    int result = read_start(seg->frames_fd, header, sizeof *header, &frames);
    if (result == 0 && ctl)
        result = read_start(seg->ctl_fd, ctl_start, sizeof ctl_start, &control);
    if (result < 0)
        return unreadable(seg, result, error);
    if (ctl && memcmp(header->instance, ctl->instance, sizeof header->instance) != 0)
        return -EAGAIN;
    if (ctl && frames.st_uid != control.st_uid)
        return error_set(error, -EACCES, "ring '%s' is refused: its two objects have two owners",
                         seg->name);
    if (!geometry_check(&seg->g, header, (uint64_t)frames.st_size, ctl, (uint64_t)control.st_size,
                        &problem))
        return error_set(error, -EPROTO, damaged, seg->name, problem);
    if (has_holes(seg, &frames) && !(use == SEGMENT_ADOPT && is_going(header)))
        return is_going(header) ? -EAGAIN
                                : error_set(error, -EPROTO, damaged, seg->name,
                                            "parts of its memory were never there");
    seg->device = frames.st_dev;
    seg->inode = frames.st_ino;
    seg->ctl_inode = control.st_ino;
    seg->owner = frames.st_uid;
    seg->mode = frames.st_mode & 07777;
    return 0;
}

static int open_both(struct segment *seg, enum segment_use use, struct layout_header *snapshot,
                     struct shmring_error *error) {
    struct ring_paths paths;
    name_paths(&paths, seg->name);
    int result = open_object(&seg->frames_fd, seg->name, paths.frames, false, error);
    if (result == 0)
        result = check_kind(seg, error);
    if (result == 0 && use != SEGMENT_OBSERVE)
        result = open_object(&seg->ctl_fd, seg->name, paths.ctl, true, error);
    if (result == 0)
        result = check_objects(seg, use, snapshot, error);
    return result;
}

int segment_look(const char *name, enum segment_use use, struct segment **opened,
                 struct layout_header *snapshot, struct shmring_error *error) {
    struct segment *seg = segment_new(name);
    if (!seg)
        return error_set(error, -ENOMEM, "no memory to open ring '%s'", name);
    int result = open_both(seg, use, snapshot, error);
    if (result == -EAGAIN)
        error_set(error, result,
                  "ring '%s' is just being made or moved, or has lost one of its two files: ask "
                  "again",
                  name);
    if (result == 0)
        *opened = seg;
    else
        segment_unref(seg);
    return result;
}

int segment_read_header(const struct segment *seg, struct layout_header *snapshot) {
    ssize_t got = pread(seg->frames_fd, snapshot, sizeof *snapshot, 0);
    return got == sizeof *snapshot ? 0 : got < 0 ? -errno : -EPROTO;
}

void segment_borrow_map(struct segment *seg, struct segment *from) {
    seg->borrowed = segment_ref(from);
    seg->header = from->header;
    seg->ctl = from->ctl;
}

/* ---- What it knows of itself ---- */

bool segment_has_name(const struct segment *seg) {
    struct ring_paths paths;
    name_paths(&paths, seg->name);
    return name_leads_to(paths.frames, seg->device, seg->inode);
}

bool segment_has_ctl_name(const struct segment *seg) {
    struct ring_paths paths;
    name_paths(&paths, seg->name);
    return name_leads_to(paths.ctl, seg->device, seg->ctl_inode);
}

bool segment_has_names(const struct segment *seg) {
    return segment_has_name(seg) && segment_has_ctl_name(seg);
}

bool segment_was_cut(const struct segment *seg) {
    return guard_was_cut(seg->frames_guard) || guard_was_cut(seg->ctl_guard);
}

int segment_refuse_cut(const struct segment *seg, struct shmring_error *error) {
    return error_set(
        error, -EPROTO,
        "ring '%s' was cut off: somebody shortened %s/%s or its .ctl; start its writer "
        "again",
        seg->name, SHM_DIR, seg->name);
}

bool segment_has_writer(const struct segment *seg) {
    return lock_is_held(seg->ctl_fd >= 0 ? seg->ctl_fd : seg->frames_fd, LOCK_WRITER);
}

int segment_ask_writer(const char *name, struct layout_header *snapshot) {
    struct segment *seg = NULL;
    int result = segment_look(name, SEGMENT_OBSERVE, &seg, snapshot, NULL);
    if (!seg)
        return result;
    bool lives = segment_has_writer(seg);
    segment_unref(seg);
    return lives;
}

void segment_ring_doorbell(struct segment *seg) {
    /* Sequentially consistent, both: the writer raises `waiting` and then looks at the doorbell,
     * so either it sees this ring or we see that it waits. Weaker, and it sleeps on. */
    atomic_fetch_add_explicit(&seg->ctl->doorbell, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&seg->header->waiting, memory_order_seq_cst))
        futex_wake_all(&seg->ctl->doorbell);
}

void segment_give_notice(struct segment *seg) {
    /* As the doorbell, with `watching`. */
    atomic_fetch_add_explicit(&seg->ctl->notice, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&seg->header->watching, memory_order_seq_cst))
        futex_wake_all(&seg->ctl->notice);
    segment_ring_doorbell(seg);
}

void segment_announce(struct segment *seg) {
    /* Release: who sees the new event sees the head or state that it announces. */
    atomic_fetch_add_explicit(&seg->header->event, 1, memory_order_release);
    futex_wake_all(&seg->header->event);
}

uint32_t segment_writer(const struct layout_header *header, char process[SHMRING_PROCESS_NAME]) {
    uint64_t name[2];
    for (int i = 0; i < 2; i++)
        name[i] = atomic_load_explicit(&header->writer_process[i], memory_order_relaxed);
    process_text(process, name);
    return atomic_load_explicit(&header->writer_pid, memory_order_relaxed);
}

void segment_writer_text(const struct layout_header *header, char *text, size_t size) {
    char process[SHMRING_PROCESS_NAME];
    uint32_t pid = segment_writer(header, process);
    if (pid)
        snprintf(text, size, "%s (pid %u)", process, pid);
    else
        snprintf(text, size, "a writer that is just starting");
}
