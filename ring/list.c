/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>

#include "segment.h"

static bool is_live(const struct segment *seg) {
    return segment_has_writer(seg) &&
           atomic_load_explicit(&seg->header->state, memory_order_acquire) == STATE_ACTIVE;
}

/* False: the visitor has seen enough. */
static bool visit_entry(const char *name, bool (*visit)(const struct shmring_info *, void *),
                        void *data) {
    struct segment *seg = NULL;
    struct shmring_info info;
    bool go_on = true;
    if (shmring_name_problem(name) || segment_open(name, SEGMENT_OBSERVE, NULL, &seg, NULL) < 0)
        return true;
    if (is_live(seg)) {
        segment_describe(seg, &info);
        go_on = visit(&info, data);
    }
    segment_unref(seg);
    return go_on;
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
