/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sweep.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "futex.h"
#include "layout.h"
#include "lock.h"
#include "name.h"
#include "segment.h"

#define NAMED 3
/* Longer than readers take to follow to a new segment. */
#define YOUNG_NS INT64_C(10000000000)

static bool for_each_file(bool (*visit)(const char *entry, void *data), void *data) {
    DIR *directory = opendir(SHM_DIR);
    bool any = false;
    if (!directory)
        return false;
    for (struct dirent *entry; (entry = readdir(directory));)
        any = visit(entry->d_name, data) || any;
    closedir(directory);
    return any;
}

/* ---- Temporary files ---- */

/* Its maker died after it got its name, which may be in use by now. */
static bool is_in_place(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && status.st_nlink > 1;
}

/* Locked by who makes it, from before anybody but this user could open it. */
static bool remove_leftover(const char *entry, void *name) {
    char path[sizeof SHM_DIR + NAME_MAX + 1];
    bool removed = false;
    int fd = -1;
    if (!name_is_leftover(name, entry))
        return false;
    snprintf(path, sizeof path, SHM_DIR "/%s", entry);
    segment_hold_forks();
    fd = segment_open_held(path);
    if (fd >= 0 && (is_in_place(fd) || lock_try(fd, LOCK_WRITER) == 0))
        removed = unlink(path) == 0;
    if (fd >= 0)
        close(fd);
    segment_release_forks();
    return removed;
}

bool sweep_leftovers(const char *name) {
    return for_each_file(remove_leftover, (void *)name);
}

/* ---- Dead rings ---- */

static bool is_read(const struct segment *seg) {
    for (uint32_t port = 0; port < seg->g.max_readers; port++) {
        if (lock_is_held(seg->ctl_fd, lock_port(port)))
            return true;
    }
    return false;
}

/* It took the place of another segment, and readers may still be there. */
static bool is_awaited(const struct layout_header *header) {
    int64_t age = realtime_ns() - header->created_ns;
    return header->base > 1 && age >= 0 && age < YOUNG_NS;
}

static int refuse(const struct segment *seg, const struct layout_header *header,
                  struct shmring_error *error) {
    char text[64];
    if (segment_has_writer(seg)) {
        segment_writer_text(header, text, sizeof text);
        return error_set(error, -EBUSY,
                         "ring '%s' is in use by %s: when that writer stops, it goes", seg->name,
                         text);
    }
    if (seg->owner != geteuid())
        return error_set(error, -EPERM, "ring '%s' belongs to user %s, who may remove it",
                         seg->name, segment_user_text(seg->owner, text));
    if (is_read(seg))
        return error_set(error, -EBUSY,
                         "ring '%s' has no writer any more, but readers that may wait for the next "
                         "one: stop them first",
                         seg->name);
    if (is_awaited(header))
        return error_set(error, -EAGAIN,
                         "ring '%s' took another one's place a moment ago, and readers may follow: "
                         "try again in 10 s",
                         seg->name);
    return 0;
}

static int remove_names(const char *name, const struct ring_paths *paths,
                        struct shmring_error *error) {
    const char *kept = paths->frames;
    if (unlink(paths->frames) == 0)
        kept = unlink(paths->ctl) == 0 ? NULL : paths->ctl;
    int result = kept ? -errno : 0;
    return kept ? error_set(error, result,
                            "cannot remove %s of ring '%s': %s; undo what keeps it (a mount of "
                            "that file, a /dev/shm that is read-only), and try again",
                            kept, name, strerror(-result))
                : 0;
}

/* With its lock in our hands: nobody adopts it meanwhile. */
static int remove_locked(struct segment *seg, const struct layout_header *header,
                         struct shmring_error *error) {
    struct ring_paths paths;
    name_paths(&paths, seg->name);
    if (lock_try(seg->ctl_fd, LOCK_WRITER) < 0)
        return error_set(error, -EBUSY, "ring '%s' is just being taken over", seg->name);
    int result = is_read(seg) ? refuse(seg, header, error) : 0;
    if (result < 0)
        return result;
    if (!segment_has_names(seg))
        return error_set(error, -EAGAIN, "ring '%s' is just being moved: ask again", seg->name);
    return remove_names(seg->name, &paths, error);
}

static int remove_dead(const char *name, bool only_look, struct shmring_error *error) {
    struct segment *seg = NULL;
    struct layout_header header;
    int result = segment_look(name, SEGMENT_ADOPT, &seg, &header, error);
    if (result < 0)
        return result;
    result = refuse(seg, &header, error);
    if (result == 0 && !only_look)
        result = remove_locked(seg, &header, error);
    segment_unref(seg);
    return result;
}

static bool remove_dead_ring(const char *entry, void *unused) {
    return !shmring_name_problem(entry) && remove_dead(entry, false, NULL) == 0;
}

bool sweep_dead_rings(void) {
    return for_each_file(remove_dead_ring, NULL);
}

/* ---- One name ---- */

/* Only a ring whose removal ended half way has no NAME; one that is being made has its lock. */
static bool is_lonely(int fd, const struct ring_paths *paths) {
    char magic[sizeof LAYOUT_CTL_MAGIC] = {0};
    struct stat held, frames;
    return pread(fd, magic, sizeof magic, 0) == sizeof magic &&
           memcmp(magic, LAYOUT_CTL_MAGIC, sizeof magic) == 0 && lock_try(fd, LOCK_WRITER) == 0 &&
           fstat(fd, &held) == 0 && name_leads_to(paths->ctl, held.st_dev, held.st_ino) &&
           lstat(paths->frames, &frames) < 0 && errno == ENOENT;
}

static bool remove_lonely_ctl(const char *name, bool only_look) {
    struct ring_paths paths;
    name_paths(&paths, name);
    segment_hold_forks();
    int fd = segment_open_held(paths.ctl);
    bool removed = fd >= 0 && is_lonely(fd, &paths) && (only_look || unlink(paths.ctl) == 0);
    if (fd >= 0)
        close(fd);
    segment_release_forks();
    return removed;
}

static int look_and_remove(const char *name, bool only_look, struct shmring_error *error) {
    struct shmring_error why = {0};
    int result = remove_dead(name, only_look, &why);
    if (result < 0 && result != -ENOENT)
        return error_set(error, result, "%s", why.message);
    return result;
}

int shmring_remove(const char *name, bool only_look, struct shmring_error *error) {
    int result = name_check(name, error);
    if (result == 0)
        result = look_and_remove(name, only_look, error);
    if (result < 0 && result != -ENOENT)
        return result;
    bool swept = !only_look && sweep_leftovers(name);
    swept = remove_lonely_ctl(name, only_look) || swept;
    return result == 0 || swept ? 0 : error_set(error, -ENOENT, "there is no ring '%s'", name);
}

/* ---- What is left ---- */

struct largest {
    struct {
        char name[64];
        uint64_t bytes;
    } file[NAMED];
};

static bool note_size(const char *entry, void *data) {
    struct largest *largest = data;
    char path[sizeof SHM_DIR + NAME_MAX + 1];
    struct stat status;
    int at = 0;
    snprintf(path, sizeof path, SHM_DIR "/%s", entry);
    if (lstat(path, &status) < 0 || !S_ISREG(status.st_mode) || name_is_leftover(NULL, entry))
        return false; /* what is just being made is nobody's to remove */
    uint64_t bytes = (uint64_t)status.st_blocks * 512;
    while (at < NAMED && largest->file[at].bytes >= bytes)
        at++;
    if (at == NAMED)
        return false;
    memmove(&largest->file[at + 1], &largest->file[at],
            (size_t)(NAMED - 1 - at) * sizeof largest->file[0]);
    snprintf(largest->file[at].name, sizeof largest->file[at].name, "%.60s", entry);
    error_make_printable(largest->file[at].name);
    largest->file[at].bytes = bytes;
    return true;
}

void sweep_describe(char *text, size_t size) {
    struct largest largest = {0};
    size_t used = 0;
    text[0] = 0;
    for_each_file(note_size, &largest);
    for (int i = 0; i < NAMED && largest.file[i].bytes && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s (%.1f MB)", i ? ", " : "",
                                 largest.file[i].name, (double)largest.file[i].bytes / 1e6);
}
