/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What rings there are, and what they say of themselves, without mapping them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "futex.h"
#include "process.h"
#include "segment.h"
#include "versioned.h"

uint32_t shmring_version(void) {
    return SHMRING_VERSION;
}

/* ---- What it says of itself ---- */

static uint64_t word(const _Atomic uint64_t *value) {
    return atomic_load_explicit(value, memory_order_relaxed);
}

static enum shmring_state state_of(const struct segment *seg, const struct layout_header *header) {
    uint32_t state = atomic_load_explicit(&header->state, memory_order_relaxed);
    if (state == STATE_CLOSED)
        return SHMRING_STATE_CLOSED;
    if (!segment_has_writer(seg))
        return SHMRING_STATE_DEAD;
    return state == STATE_ENDED ? SHMRING_STATE_ENDED : SHMRING_STATE_LIVE;
}

void segment_describe(const struct segment *seg, const struct layout_header *header,
                      struct shmring_info *info) {
    uint64_t head = word(&header->head);
    *info = (struct shmring_info){
        .struct_size = sizeof *info,
        .state = state_of(seg, header),
        .slots = seg->g.slots,
        .max_readers = seg->g.max_readers,
        .lend_limit = seg->g.lend_limit,
        .header_size = seg->g.frame_stride,
        .slot_size = seg->g.slot_size,
        .total_size = seg->g.total_size + seg->g.ctl_size,
        .owner = seg->owner,
        .mode = seg->mode,
        .created_ns = header->created_ns,
        .latency_ns = atomic_load_explicit(&header->latency_ns, memory_order_relaxed),
        .published = word(&header->published),
        .bytes = word(&header->bytes),
        .dropped = word(&header->dropped),
        .revoked = word(&header->revoked),
        .withdrawn = word(&header->withdrawn),
        .flushed = word(&header->flushed),
        .waits = word(&header->waits),
        .wait_ns = (int64_t)word(&header->wait_ns),
        .free_slots = -1,
        .waits_for = -1,
        .newest = head > seg->g.base ? head - 1 : 0,
        .key = word(&header->key_seq),
    };
    memcpy(info->name, seg->name, sizeof info->name);
    memcpy(info->instance, seg->g.instance, sizeof info->instance);
    info->writer_pid = segment_writer(header, info->writer_process);
    uint32_t waited = atomic_load_explicit(&header->waited_port, memory_order_relaxed);
    if (waited > 0 && waited <= seg->g.max_readers) {
        info->waits_for = (int32_t)waited - 1;
        info->waited_ns =
            elapsed_ns(atomic_load_explicit(&header->waited_since_ns, memory_order_relaxed));
    }
}

void segment_describe_port(const struct layout_port *port, uint64_t attach, uint32_t slots,
                           uint64_t head, struct shmring_reader_info *info) {
    uint64_t cursor = word(&port->cursor);
    *info = (struct shmring_reader_info){
        .struct_size = sizeof *info,
        .mode = attach_mode(attach),
        .depth = attach_depth(attach),
        .lease = atomic_load_explicit(&port->lease, memory_order_relaxed),
        .lag = cursor && cursor < head ? head - cursor : 0,
        .received = word(&port->received),
        .dropped = word(&port->dropped),
        .pid = port->pid,
    };
    process_text(info->process, port->process);
    for (uint32_t slot = 0; slot < slots; slot++) {
        uint32_t kind = claim_kind(word(&port->claim[slot]));
        info->held += kind == CLAIM_TAKEN;
        info->offered += kind == CLAIM_OFFERED || kind == CLAIM_COPYING;
    }
}

/* ---- A ring's readers ---- */

static int open_ctl(struct segment *seg, struct shmring_error *error) {
    struct ring_paths paths;
    name_paths(&paths, seg->name);
    int result = segment_open_file(&seg->ctl_fd, paths.ctl, O_RDONLY);
    return result < 0 ? error_set(error, result,
                                  "who reads ring '%s' is told by %s, which cannot be opened: %s",
                                  seg->name, paths.ctl, strerror(-result))
                      : 0;
}

/* Calls LOOK with a copy of each port that is not free. */
static int each_port(const struct segment *seg,
                     void (*look)(const struct layout_port *, uint32_t port, void *), void *data) {
    struct layout_port *copy = aligned_alloc(_Alignof(struct layout_port), sizeof *copy);
    int result = copy ? 0 : -ENOMEM;
    for (uint32_t port = 0; result == 0 && port < seg->g.max_readers; port++) {
        off_t at = (off_t)(sizeof(struct layout_ctl) + port * sizeof *copy);
        ssize_t got = pread(seg->ctl_fd, copy, sizeof *copy, at);
        if (got != sizeof *copy)
            result = got < 0 ? -errno : -EPROTO;
        else if (attach_state(word(&copy->attach)) != PORT_FREE)
            look(copy, port, data);
    }
    free(copy);
    return result;
}

struct claimed {
    uint32_t slots, count;
    bool slot[SHMRING_MAX_SLOTS];
};

static void note_claims(const struct layout_port *copy, uint32_t port, void *data) {
    struct claimed *claimed = data;
    for (uint32_t slot = 0; slot < claimed->slots; slot++) {
        bool first = word(&copy->claim[slot]) != 0 && !claimed->slot[slot];
        claimed->slot[slot] |= first;
        claimed->count += first;
    }
}

static int32_t count_free(struct segment *seg) {
    struct claimed claimed = {.slots = seg->g.slots};
    if (open_ctl(seg, NULL) < 0 || each_port(seg, note_claims, &claimed) < 0)
        return -1;
    return (int32_t)(claimed.slots - claimed.count);
}

struct visit {
    const struct segment *seg;
    const struct layout_header *header;
    void (*reader)(const struct shmring_reader_info *, void *);
    void *data;
    int found;
};

static void visit_reader(const struct layout_port *copy, uint32_t port, void *data) {
    struct visit *visit = data;
    const struct layout_header *header = visit->header;
    const struct layout_answer *answer = &header->answer[port];
    struct shmring_reader_info info;
    uint64_t attach = word(&copy->attach);
    if (attach_state(attach) != PORT_ATTACHED || !attach_has_mode(attach))
        return;
    segment_describe_port(copy, attach, visit->seg->g.slots, word(&header->head), &info);
    info.port = port;
    if (word(&answer->epoch) == attach_epoch(attach)) {
        info.withdrawn = word(&answer->withdrawn);
        info.is_stuck = word(&answer->stuck) != 0;
    }
    info.is_waited_for =
        atomic_load_explicit(&header->waited_port, memory_order_relaxed) == port + 1;
    if (info.is_waited_for)
        info.waited_ns =
            elapsed_ns(atomic_load_explicit(&header->waited_since_ns, memory_order_relaxed));
    visit->reader(&info, visit->data);
    visit->found++;
}

int shmring_query_readers(const char *name,
                          void (*visit)(const struct shmring_reader_info *reader, void *data),
                          void *data, struct shmring_error *error) {
    struct segment *seg = NULL;
    struct layout_header header;
    int result = name_check(name, error);
    if (result == 0)
        result = segment_look(name, SEGMENT_OBSERVE, &seg, &header, error);
    if (result != 0)
        return result == -ENOENT ? error_set(error, -ENOENT, "there is no ring '%s'", name)
                                 : result;
    struct visit readers = {.seg = seg, .header = &header, .reader = visit, .data = data};
    result = open_ctl(seg, error);
    if (result == 0)
        result = each_port(seg, visit_reader, &readers);
    if (result < 0 && seg->ctl_fd >= 0)
        error_set(error, result, "who reads ring '%s' cannot be read: %s", name,
                  result == -EPROTO ? "its .ctl was cut off" : strerror(-result));
    segment_unref(seg);
    return result < 0 ? result : readers.found;
}

/* ---- One ring ---- */

static int describe(const char *name, struct shmring_info *info, struct shmring_error *error) {
    struct segment *seg = NULL;
    struct layout_header header;
    int result = segment_look(name, SEGMENT_OBSERVE, &seg, &header, error);
    if (result < 0)
        return result;
    segment_describe(seg, &header, info);
    info->free_slots = count_free(seg);
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
