/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sweep.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
    if (fd >= 0 && lock_try(fd, LOCK_WRITER) == 0)
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

/* With its lock in our hands: nobody adopts it meanwhile. */
static bool remove_dead(struct segment *seg) {
    struct ring_paths paths;
    name_paths(&paths, seg->name);
    if (lock_try(seg->ctl_fd, LOCK_WRITER) < 0)
        return false;
    if (is_read(seg) || !segment_has_name(seg) || !segment_has_ctl_name(seg))
        return false;
    return unlink(paths.frames) == 0 && unlink(paths.ctl) == 0;
}

static bool remove_dead_ring(const char *entry, void *unused) {
    struct segment *seg = NULL;
    struct layout_header header;
    if (shmring_name_problem(entry) || segment_look(entry, SEGMENT_ATTACH, &seg, &header, NULL) < 0)
        return false;
    bool removed = seg->owner == geteuid() && !segment_has_writer(seg) && !is_awaited(&header) &&
                   remove_dead(seg);
    segment_unref(seg);
    return removed;
}

bool sweep_dead_rings(void) {
    return for_each_file(remove_dead_ring, NULL);
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
