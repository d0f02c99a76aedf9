/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "create.h"
#include "error.h"
#include "futex.h"
#include "lock.h"

#define ATTEMPTS 50
#define ATTEMPT_PAUSE_US 1000

/* ---- What has the name now ---- */

static int not_ours(const struct naming *n, const char *path, uid_t owner) {
    char user[64];
    return error_set(n->error, -EPERM,
                     "%s belongs to user %s: take another name, or have it removed (sudo rm %s %s)",
                     path, segment_user_text(owner, user), n->wanted.frames, n->wanted.ctl);
}

static int not_a_ring(const struct naming *n) {
    return error_set(n->error, -EEXIST,
                     "%s or its .ctl exists and is not a ring: take another name, or remove both "
                     "files if nobody needs them",
                     n->wanted.frames);
}

static int in_use(const struct naming *n) {
    struct layout_header header = {0};
    char writer[64];
    segment_ask_writer(n->seg->name, &header);
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

static int check_magic(const struct naming *n, int fd, const char *magic) {
    char found[8] = {0};
    if (pread(fd, found, sizeof found, 0) < 0)
        return -errno;
    return memcmp(found, magic, sizeof found) == 0 ? 0 : not_a_ring(n);
}

/* ---- Putting the names in place ---- */

/* The dead writer's header. */
static int map_old_header(const struct naming *n, int fd, const struct stat *status,
                          struct layout_header **mapped) {
    int result = check_magic(n, fd, LAYOUT_MAGIC);
    if (result == 0 && status->st_size < (off_t)sizeof(struct layout_header))
        result = not_a_ring(n);
    if (result < 0)
        return result;
    void *header = mmap(NULL, LAYOUT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (header == MAP_FAILED)
        return -errno;
    *mapped = header;
    return 0;
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
    if (head > seg->g.base && head < LAYOUT_MAX_SEQ)
        segment_begin_at(seg, head);
    atomic_init(&new->stream,
                atomic_load_explicit(&old->stream, memory_order_relaxed) + has_finished(old));
    atomic_init(&new->stretch, atomic_load_explicit(&old->stretch, memory_order_relaxed) + 1);
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
    if (result == 0)
        result = map_old_header(n, old->frames_fd, &status, &header);
    if (result < 0)
        return result;
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
    return result == 0 ? check_magic(n, old->frames_fd, LAYOUT_MAGIC) : result;
}

/* We hold the old .ctl's byte 0 until the new names are in place: only one may take over. */
static int take_over_locked(const struct naming *n, struct segment *old,
                            const struct stat *status) {
    if (!name_leads_to(n->wanted.ctl, status->st_dev, status->st_ino))
        return -EAGAIN;
    int result = check_magic(n, old->ctl_fd, LAYOUT_CTL_MAGIC);
    if (result == 0)
        result = check_frames(n, old);
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
    return segment_ask_writer(n->seg->name, &header) > 0 ? in_use(n) : -EAGAIN;
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

/* One of the two names of WITH. Free, ours, also of a segment before it, or left from a dead ring,
 * whose lock keeps everybody else from it then. */
static int hold_name(const struct naming *n, const char *path, const char *magic, ino_t ours,
                     int *fd) {
    struct stat status;
    int result = open_present(n, path, fd, &status);
    if (result < 0)
        return result == -EAGAIN ? 0 : result;
    if (status.st_ino == ours)
        return 0;
    result = check_magic(n, *fd, magic);
    if (result < 0)
        return result;
    if (lock_try(*fd, LOCK_WRITER) < 0 && !segment_is_written_here(n->seg->name, status.st_ino))
        return error_set(n->error, -EBUSY,
                         "ring '%s' cannot have its name: %s is of another ring, which is in use",
                         n->seg->name, path);
    return name_leads_to(path, status.st_dev, status.st_ino) ? 0 : -ESTALE;
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

int names_move(const struct naming *n, const struct segment *with, bool only_look) {
    struct segment *held = segment_new(n->seg->name);
    if (!held)
        return -ENOMEM;
    int result = hold_names(n, with, held);
    if (result == 0 && !only_look)
        result = move_both(n);
    segment_unref(held);
    return result;
}

int names_take(const struct naming *n) {
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
