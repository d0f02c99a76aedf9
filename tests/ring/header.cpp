/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The header in a C++ program: its structs begin as those of a C program. */
extern "C" { /* as many programs say themselves */
#include "shmring.h"

extern const struct shmring_frame_info info_in_c;
extern const struct shmring_writer_options writer_in_c;
extern const struct shmring_reader_options reader_in_c;
}

#include <stdio.h>

#define SAME(in, field)                                                                            \
    do {                                                                                           \
        if (in.field != in##_in_c.field) {                                                         \
            fprintf(stderr, #in "." #field " differs\n");                                          \
            result = 1;                                                                            \
        }                                                                                          \
    } while (0)

int main() {
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    struct shmring_writer_options writer = SHMRING_WRITER_OPTIONS_INIT;
    struct shmring_reader_options reader = SHMRING_READER_OPTIONS_INIT;
    struct shmring_timing timing = SHMRING_TIMING_INIT;
    struct shmring_writer_stats writer_stats = SHMRING_WRITER_STATS_INIT;
    struct shmring_reader_stats reader_stats = SHMRING_READER_STATS_INIT;
    struct shmring_info ring = SHMRING_INFO_INIT;
    int result = timing.struct_size != sizeof timing ||
                 writer_stats.struct_size != sizeof writer_stats ||
                 reader_stats.struct_size != sizeof reader_stats || ring.struct_size != sizeof ring;
    SAME(info, struct_size);
    SAME(info, pts_ns);
    SAME(info, dts_ns);
    SAME(info, duration_ns);
    SAME(info, clock_ns);
    SAME(info, frame_number);
    SAME(info, frame_number_end);
    SAME(info, fps_den);
    SAME(writer, struct_size);
    SAME(writer, slots);
    SAME(writer, max_readers);
    SAME(writer, lend_limit);
    SAME(writer, header_size);
    SAME(writer, perms);
    SAME(writer, first_seq);
    SAME(writer, patience_ns);
    SAME(reader, struct_size);
    SAME(reader, mode);
    SAME(reader, depth);
    SAME(reader, lease);
    SAME(reader, wait_for_keyframe);
    SAME(reader, max_copy_bytes);
    return result;
}
