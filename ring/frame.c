/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frame.h"
#include "format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "error.h"

#define COPY_ALIGNMENT 64
#define HUGE_PAGE ((size_t)2 << 20)

#if defined(__SANITIZE_THREAD__)
/* A copy races by design (see copy_claimed). */
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
/* The fence below is not modelled by it; what it orders is checked by content. */
#if __GNUC__ > 10
#pragma GCC diagnostic ignored "-Wtsan"
#endif
#else
#define AnnotateIgnoreReadsBegin(file, line) ((void)0)
#define AnnotateIgnoreReadsEnd(file, line) ((void)0)
#endif

struct frame {
    struct shmring_frame public;
    uint32_t generation; /* fork_generation() when it was made */
    uint32_t slot;
    frame_give_back *give_back; /* NULL: a copy */
    void *holder;
    void *memory;            /* of a copy */
    struct copies *copies;   /* that it counts among, or NULL */
    uint64_t bytes;          /* of memory that it takes */
    _Alignas(8) char text[]; /* caps, then metas at the next multiple of 8 */
};

/* What a header in the ring and a frame's info both say, from one to the other. */
#define COPY_FIELDS(to, from)                                                                      \
    do {                                                                                           \
        (to)->width = (from)->width;                                                               \
        (to)->height = (from)->height;                                                             \
        (to)->channels = (from)->channels;                                                         \
        (to)->flags = (from)->flags;                                                               \
        (to)->timestamp_ns = (from)->timestamp_ns;                                                 \
        (to)->planes = (from)->planes;                                                             \
        (to)->size = (from)->size;                                                                 \
        (to)->pts_ns = (from)->pts_ns;                                                             \
        (to)->dts_ns = (from)->dts_ns;                                                             \
        (to)->duration_ns = (from)->duration_ns;                                                   \
        (to)->clock_ns = (from)->clock_ns;                                                         \
        (to)->publish_ns = (from)->publish_ns;                                                     \
        (to)->frame_number = (from)->frame_number;                                                 \
        (to)->frame_number_end = (from)->frame_number_end;                                         \
        (to)->stretch = (from)->stretch;                                                           \
        (to)->fps_num = (from)->fps_num;                                                           \
        (to)->fps_den = (from)->fps_den;                                                           \
        memcpy((to)->format, (from)->format, sizeof(to)->format);                                  \
        memcpy((to)->stride, (from)->stride, sizeof(to)->stride);                                  \
        memcpy((to)->offset, (from)->offset, sizeof(to)->offset);                                  \
    } while (0)

static uint64_t metas_start(uint64_t caps_size) {
    return (caps_size + 7) & ~UINT64_C(7);
}

bool frame_needs_others(const struct shmring_frame_info *info) {
    static const char image[] = "image/";
    if (!(info->flags & SHMRING_FRAME_DELTA))
        return false;
    return !info->caps || strncmp(info->caps, image, sizeof image - 1) != 0;
}

/* ---- Writer's side ---- */

void frame_fence_before_write(void) {
    /* Release: orders the store of 0 before every later store of pixels. A release *store* would
     * order only what came before it: an observer could see new pixels under the old seq. */
    atomic_thread_fence(memory_order_release);
}

static uint64_t caps_bytes(const struct shmring_frame_info *info) {
    return info->caps ? strlen(info->caps) + 1 : 0;
}

bool frame_header_fits(const struct segment *seg, const struct shmring_frame_info *info) {
    uint64_t room = segment_frame_room(seg), caps = metas_start(caps_bytes(info));
    return caps <= room && info->metas_size <= room - caps;
}

void frame_write_header(struct segment *seg, uint32_t slot, const struct shmring_frame_info *info) {
    struct layout_frame *frame = segment_frame(seg, slot);
    COPY_FIELDS(frame, info);
    frame->caps_size = (uint32_t)caps_bytes(info);
    frame->metas_size = info->metas ? (uint32_t)info->metas_size : 0;
    if (frame->caps_size)
        memcpy(frame->data, info->caps, frame->caps_size);
    if (frame->metas_size)
        memcpy(frame->data + metas_start(frame->caps_size), info->metas, frame->metas_size);
    /* Release: an observer that sees this seq sees the frame complete. */
    atomic_store_explicit(&frame->seq, info->seq, memory_order_release);
}

/* ---- Reader's side ---- */

/*
 * How bytes come out of the ring. A claim keeps them still, but for COPYING, which the writer may
 * take back: then they change under the copy, a data race, and the copy is thrown away. Observers
 * have no claim and no mapping: they read by pread(2), and look at the frame's seq before and
 * after.
 */
typedef int read_bytes(const struct segment *seg, void *to, uint64_t offset, size_t size);

static int copy_claimed(const struct segment *seg, void *to, uint64_t offset, size_t size) {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    memcpy(to, (const char *)seg->header + offset, size);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    return 0;
}

/* -EPROTO: the file is shorter. */
static int copy_file(const struct segment *seg, void *to, uint64_t offset, size_t size) {
    size_t done = 0;
    ssize_t got = 1;
    while (done < size && (got > 0 || (got < 0 && errno == EINTR))) {
        got = pread(seg->frames_fd, (char *)to + done, size - done, (off_t)(offset + done));
        done += got > 0 ? (size_t)got : 0;
    }
    return done == size ? 0 : got < 0 ? -errno : -EPROTO;
}

static struct frame *frame_new(const struct layout_frame *header, uint64_t seq) {
    uint64_t metas = metas_start(header->caps_size);
    size_t bytes = sizeof(struct frame) + metas + header->metas_size;
    struct frame *frame = malloc(bytes);
    if (!frame)
        return NULL;
    *frame = (struct frame){.generation = fork_generation(), .bytes = bytes};
    struct shmring_frame_info *info = &frame->public.info;
    info->struct_size = sizeof *info;
    info->seq = seq;
    COPY_FIELDS(info, header);
    info->metas_size = header->metas_size;
    info->metas = header->metas_size ? frame->text + metas : NULL;
    info->caps = header->caps_size ? frame->text : NULL;
    return frame;
}

static bool text_fits(const struct segment *seg, const struct layout_frame *header) {
    return metas_start(header->caps_size) + header->metas_size <= segment_frame_room(seg);
}

static const char *problem_of(const struct segment *seg, const struct frame *frame) {
    if (frame->public.info.size > seg->g.slot_size)
        return "it is larger than its slot";
    return format_problem(&frame->public.info);
}

/* Header, caps and metas, out of shared memory into ours; -EPROTO: they cannot be there. */
static int frame_read(const struct segment *seg, read_bytes *read, uint32_t slot, uint64_t seq,
                      struct frame **made) {
    struct layout_frame header;
    uint64_t at = segment_frame_offset(seg, slot);
    int result = read(seg, &header, at, sizeof header);
    if (result == 0 && !text_fits(seg, &header))
        result = -EPROTO;
    if (result < 0)
        return result;
    struct frame *frame = frame_new(&header, seq);
    if (!frame)
        return -ENOMEM;
    frame->slot = slot;
    *made = frame;
    result = read(seg, frame->text, at + sizeof header,
                  metas_start(header.caps_size) + header.metas_size);
    if (header.caps_size)
        frame->text[header.caps_size - 1] = 0;
    return result;
}

static int refuse(const struct segment *seg, uint64_t seq, const char *problem,
                  struct shmring_error *error) {
    return error_set(error, -EPROTO, "frame %llu of ring '%s' cannot be what it says: %s",
                     (unsigned long long)seq, seg->name, problem);
}

static int check(const struct segment *seg, int result, const struct frame *frame, uint64_t seq,
                 struct shmring_error *error) {
    if (result == -EPROTO)
        return refuse(seg, seq, "its header is damaged", error);
    if (result == -ENOMEM)
        return error_set(error, result, "no memory for a frame of ring '%s'", seg->name);
    if (result < 0)
        return error_set(error, result, "cannot read frame %llu of ring '%s': %s",
                         (unsigned long long)seq, seg->name, strerror(-result));
    const char *problem = problem_of(seg, frame);
    return problem ? refuse(seg, seq, problem, error) : 0;
}

static int hand_out(int result, struct frame *frame, struct shmring_frame **out) {
    if (result == 0)
        *out = &frame->public;
    else if (frame)
        shmring_frame_release(&frame->public);
    return result;
}

int frame_view(struct segment *seg, uint32_t slot, uint64_t seq, frame_give_back *give_back,
               void *holder, struct shmring_frame **view, struct shmring_error *error) {
    struct frame *frame = NULL;
    int result = frame_read(seg, copy_claimed, slot, seq, &frame);
    result = check(seg, result, frame, seq, error);
    if (result == 0) {
        frame->give_back = give_back;
        frame->holder = holder;
        frame->public.data = segment_slot(seg, slot);
    }
    return hand_out(result, frame, view);
}

/* Most of what a large copy costs is a fault for each page of fresh memory. Huge pages, where the
 * system has them, save nearly all of these; and malloc, whose memory it is, gives it out again
 * without any. The last huge page is taken only where the pixels fill most of it. */
static void *copy_memory(struct frame *frame, size_t size) {
    size_t huge = size < HUGE_PAGE ? 0 : (size + HUGE_PAGE / 4) / HUGE_PAGE * HUGE_PAGE;
    size_t takes = huge > size ? huge : size, bytes = takes + (huge ? HUGE_PAGE : 0);
    frame->memory = aligned_alloc(COPY_ALIGNMENT, (bytes / COPY_ALIGNMENT + 1) * COPY_ALIGNMENT);
    if (!frame->memory)
        return NULL;
    frame->bytes += takes;
    if (!huge)
        return frame->memory;
    char *copy = (char *)frame->memory + (HUGE_PAGE - (uintptr_t)frame->memory % HUGE_PAGE);
    madvise(copy, huge, MADV_HUGEPAGE);
    return copy;
}

static int copy_pixels(const struct segment *seg, read_bytes *read, struct frame *frame) {
    uint64_t size = frame->public.info.size;
    void *copy = copy_memory(frame, size);
    if (!copy)
        return -ENOMEM;
    frame->public.data = copy;
    frame->public.is_copy = true;
    return read(seg, copy, segment_slot_offset(seg, frame->slot), size);
}

static int copy_with(const struct segment *seg, read_bytes *read, uint32_t slot, uint64_t seq,
                     struct frame **frame, struct shmring_error *error) {
    int result = frame_read(seg, read, slot, seq, frame);
    result = check(seg, result, *frame, seq, error);
    if (result < 0)
        return result;
    result = copy_pixels(seg, read, *frame);
    return result < 0 ? check(seg, result, *frame, seq, error) : 0;
}

int frame_copy(const struct segment *seg, uint32_t slot, uint64_t seq, struct shmring_frame **copy,
               struct shmring_error *error) {
    struct frame *frame = NULL;
    int result = copy_with(seg, copy_claimed, slot, seq, &frame, error);
    return hand_out(result, frame, copy);
}

static bool still_carries(const struct segment *seg, uint32_t slot, uint64_t seq) {
    uint64_t now = 0;
    /* Acquire: keeps the copy's loads, which the kernel did in our name, before this one. */
    atomic_thread_fence(memory_order_acquire);
    return copy_file(seg, &now, segment_frame_offset(seg, slot), sizeof now) == 0 && now == seq;
}

int frame_observe(const struct segment *seg, uint32_t slot, uint64_t seq,
                  struct shmring_frame **copy, struct shmring_error *error) {
    struct frame *frame = NULL;
    int result = copy_with(seg, copy_file, slot, seq, &frame, error);
    if (result != -ENOMEM && !still_carries(seg, slot, seq))
        result = -EAGAIN;
    return hand_out(result, frame, copy);
}

void frame_count_copy(struct shmring_frame *copy, struct copies *copies) {
    struct frame *frame = (struct frame *)copy;
    frame->copies = copies;
    copies_add(copies, frame->bytes);
}

void shmring_frame_release(struct shmring_frame *released) {
    struct frame *frame = (struct frame *)released;
    if (!frame)
        return;
    if (frame->give_back && frame->generation == fork_generation())
        frame->give_back(frame->holder, frame->slot);
    if (frame->copies)
        copies_take_away(frame->copies, frame->bytes);
    free(frame->memory);
    free(frame);
}
