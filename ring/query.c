/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What rings there are, and what they say of themselves, without mapping them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "error.h"
#include "segment.h"
#include "versioned.h"

uint32_t shmring_version(void) {
    return SHMRING_VERSION;
}

static int describe(const char *name, struct shmring_info *info, struct shmring_error *error) {
    struct segment *seg = NULL;
    struct layout_header header;
    int result = segment_look(name, SEGMENT_OBSERVE, &seg, &header, error);
    if (result < 0)
        return result;
    segment_describe(seg, &header, info);
    segment_unref(seg);
    return 0;
}

int shmring_query(const char *name, struct shmring_info *told, struct shmring_error *error) {
    struct shmring_info info;
    int result = name_check(name, error);
    if (result == 0)
        result = describe(name, &info, error);
    if (result == 0)
        versioned_write(told, &info, sizeof info);
    else if (result == -ENOENT)
        error_set(error, -ENOENT, "there is no ring '%s'", name);
    else if (result == -EAGAIN)
        error_set(error, -EAGAIN, "ring '%s' is just being made or moved: ask again", name);
    return result;
}

/* ---- Its readers ---- */

static int open_ctl(struct segment *seg, struct shmring_error *error) {
    struct ring_paths paths;
    name_paths(&paths, seg->name);
    int result = segment_open_file(&seg->ctl_fd, paths.ctl, O_RDONLY);
    return result < 0 ? error_set(error, result,
                                  "who reads ring '%s' is told by %s, which cannot be opened",
                                  seg->name, paths.ctl)
                      : 0;
}

static bool read_port(const struct segment *seg, uint32_t port, struct layout_port *copy) {
    off_t at = (off_t)(sizeof(struct layout_ctl) + port * sizeof *copy);
    return pread(seg->ctl_fd, copy, sizeof *copy, at) == sizeof *copy &&
           attach_state(atomic_load_explicit(&copy->attach, memory_order_relaxed)) == PORT_ATTACHED;
}

static int visit_ports(const struct segment *seg, const struct layout_header *header,
                       void (*visit)(const struct shmring_reader_info *, void *), void *data) {
    struct layout_port *copy = aligned_alloc(_Alignof(struct layout_port), sizeof *copy);
    uint64_t head = atomic_load_explicit(&header->head, memory_order_relaxed);
    uint32_t waited = atomic_load_explicit(&header->waited_port, memory_order_relaxed);
    int found = 0;
    for (uint32_t port = 0; copy && port < seg->g.max_readers; port++) {
        struct shmring_reader_info info;
        if (!read_port(seg, port, copy))
            continue;
        segment_describe_port(copy, seg->g.slots, head, &info);
        info.port = port;
        info.is_waited_for = waited == port + 1;
        visit(&info, data);
        found++;
    }
    free(copy);
    return copy ? found : -ENOMEM;
}

int shmring_query_readers(const char *name,
                          void (*visit)(const struct shmring_reader_info *reader, void *data),
                          void *data, struct shmring_error *error) {
    struct segment *seg = NULL;
    struct layout_header header;
    int result = name_check(name, error);
    if (result == 0)
        result = segment_look(name, SEGMENT_OBSERVE, &seg, &header, error);
    if (result < 0)
        return result == -ENOENT ? error_set(error, -ENOENT, "there is no ring '%s'", name)
                                 : result;
    result = open_ctl(seg, error);
    if (result == 0)
        result = visit_ports(seg, &header, visit, data);
    segment_unref(seg);
    return result;
}

/* ---- Every ring ---- */

/* False: the visitor has seen enough. */
static bool visit_entry(const char *name, bool (*visit)(const struct shmring_info *, void *),
                        void *data) {
    struct shmring_info info;
    if (shmring_name_problem(name) || describe(name, &info, NULL) < 0)
        return true;
    return info.state != SHMRING_STATE_LIVE || visit(&info, data);
}

int shmring_list(bool (*visit)(const struct shmring_info *info, void *data), void *data) {
    DIR *directory = opendir(SHM_DIR);
    if (!directory)
        return -errno;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (!visit_entry(entry->d_name, visit, data))
            break;
    }
    closedir(directory);
    return 0;
}
