/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layout.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "layout version 1 is little-endian"
#endif

#define PIN(type, field, at) _Static_assert(offsetof(struct type, field) == at, #type "." #field)
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must be lock-free to be shared");
PIN(layout_header, version, 8);
PIN(layout_header, total_size, 16);
PIN(layout_header, frame_stride, 64);
PIN(layout_header, instance, 88);
PIN(layout_header, base, 112);
PIN(layout_header, state, 128);
PIN(layout_header, stretch, 140);
PIN(layout_header, latency_ns, 152);
PIN(layout_header, writer_process, 168);
PIN(layout_header, waited_since_ns, 184);
PIN(layout_header, head, 192);
PIN(layout_header, event, 256);
PIN(layout_header, published, 320);
PIN(layout_header, answer, 384);
_Static_assert(sizeof(struct layout_answer) == 64, "layout_answer");
_Static_assert(sizeof(struct layout_header) == 2432, "layout_header");
PIN(layout_frame, width, 8);
PIN(layout_frame, timestamp_ns, 24);
PIN(layout_frame, format, 32);
PIN(layout_frame, stride, 56);
PIN(layout_frame, offset, 72);
PIN(layout_frame, size, 104);
PIN(layout_frame, pts_ns, 112);
PIN(layout_frame, publish_ns, 144);
PIN(layout_frame, frame_number_end, 160);
PIN(layout_frame, caps_size, 176);
PIN(layout_frame, data, 184);
PIN(layout_port, lease, 8);
PIN(layout_port, cursor, 32);
PIN(layout_port, key_count, 56);
PIN(layout_port, dropped, 64);
PIN(layout_port, claim, 2048);
_Static_assert(sizeof(struct layout_port) == LAYOUT_PAGE, "layout_port");
PIN(layout_ctl, instance, 16);
PIN(layout_ctl, doorbell, 64);
PIN(layout_ctl, notice, 128);
PIN(layout_ctl, port, LAYOUT_PAGE);

/* 2^46: far below where sums of a few of these could wrap, far above any memory. */
#define MAX_BYTES (UINT64_C(1) << 46)

static uint64_t round_to_page(uint64_t size) {
    return (size + LAYOUT_PAGE - 1) / LAYOUT_PAGE * LAYOUT_PAGE;
}

static bool in_range(uint64_t value, uint64_t low, uint64_t high) {
    return value >= low && value <= high;
}

static const char *sizes_problem(const struct geometry *g) {
    if (!in_range(g->slots, SHMRING_MIN_SLOTS, SHMRING_MAX_SLOTS))
        return "slots must be 4 to 256";
    if (!in_range(g->slot_size, 1, MAX_BYTES / SHMRING_MAX_SLOTS))
        return "slot-size must be at least 1 byte and fit in memory";
    if (!in_range(g->max_readers, 1, SHMRING_MAX_READERS))
        return "max-readers must be 1 to 32";
    if (g->lend_limit > g->slots - 2)
        return "the lend limit must leave two slots";
    if (!in_range(g->frame_stride, LAYOUT_PAGE, SHMRING_MAX_HEADER_SIZE))
        return "the frame header must have 4096 to 65536 bytes";
    if (!in_range(g->base, 1, LAYOUT_MAX_SEQ))
        return "the first frame number must be 1 to 2^47";
    return NULL;
}

static void place_regions(struct geometry *g) {
    g->capacity = 1;
    while (g->capacity < 2 * g->slots)
        g->capacity *= 2;
    g->frame_stride = (uint32_t)round_to_page(g->frame_stride);
    g->slot_stride = round_to_page(g->slot_size);
    g->ring_offset = round_to_page(sizeof(struct layout_header));
    g->frames_offset = g->ring_offset + round_to_page(g->capacity * sizeof(uint64_t));
    g->slots_offset = g->frames_offset + (uint64_t)g->slots * g->frame_stride;
    g->total_size = g->slots_offset + g->slots * g->slot_stride;
    g->ctl_size = LAYOUT_PAGE + (uint64_t)g->max_readers * sizeof(struct layout_port);
}

bool geometry_plan(struct geometry *g, const struct shmring_writer_options *options,
                   const char **problem) {
    *g = (struct geometry){
        .slots = options->slots,
        .slot_size = options->slot_size,
        .max_readers = options->max_readers,
        .lend_limit = options->lend_limit,
        .frame_stride = options->header_size,
        .base = options->first_seq,
    };
    *problem = sizes_problem(g);
    if (*problem)
        return false;
    place_regions(g);
    /* On 32 bits. */
    if (g->total_size > PTRDIFF_MAX)
        *problem = "it is larger than this process's address space";
    return !*problem;
}

static const char *magic_problem(const struct layout_header *header, const struct layout_ctl *ctl) {
    if (memcmp(header->magic, LAYOUT_MAGIC, sizeof LAYOUT_MAGIC) != 0)
        return "it is not a ring";
    if (header->version != LAYOUT_VERSION)
        return "it has another layout version";
    if (ctl && (memcmp(ctl->magic, LAYOUT_CTL_MAGIC, sizeof LAYOUT_CTL_MAGIC) != 0 ||
                ctl->version != LAYOUT_VERSION || ctl->max_readers != header->max_readers))
        return "its .ctl does not belong to it";
    return NULL;
}

/* Version 1 leaves nothing to choose: the sizes determine every offset. */
static bool same_regions(const struct geometry *g, const struct layout_header *header) {
    return header->header_bytes == sizeof *header && header->ring_offset == g->ring_offset &&
           header->frames_offset == g->frames_offset && header->slots_offset == g->slots_offset &&
           header->slot_stride == g->slot_stride && header->frame_stride == g->frame_stride &&
           header->capacity == g->capacity && header->total_size == g->total_size;
}

bool geometry_check(struct geometry *g, const struct layout_header *header, uint64_t size,
                    const struct layout_ctl *ctl, uint64_t ctl_size, const char **problem) {
    const struct shmring_writer_options said = {
        .slots = header->slots,
        .slot_size = header->slot_size,
        .max_readers = header->max_readers,
        .lend_limit = header->lend_limit,
        .header_size = header->frame_stride,
        .first_seq = header->base,
    };
    *problem = magic_problem(header, ctl);
    if (*problem || !geometry_plan(g, &said, problem))
        return false;
    memcpy(g->instance, header->instance, sizeof g->instance);
    if (!same_regions(g, header))
        *problem = "its header contradicts itself";
    else if (size < g->total_size || (ctl && ctl_size < g->ctl_size))
        *problem = "it is smaller than its header says";
    return !*problem;
}
