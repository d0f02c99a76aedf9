/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frame.h"

#include <inttypes.h>

#include "support.h"

static struct shmring_writer *writer;
static struct segment *seg;
static unsigned given_back;

static void open_ring(void) {
    writer = new_writer(new_name(), 4);
    seg = writer_segment(writer);
    given_back = 0;
}

static void close_ring(void) {
    shmring_writer_close(writer);
}

static void give_back(void *holder, uint32_t slot) {
    ck_assert_ptr_eq(holder, &given_back);
    ck_assert_uint_eq(slot, 2);
    given_back++;
}

static const char metas[5] = "meta";

/* Every field another value. */
static struct shmring_frame_info full_info(void) {
    return (struct shmring_frame_info){
        .struct_size = sizeof(struct shmring_frame_info),
        .seq = UINT64_C(0x100000007),
        .width = 5,
        .height = 4,
        .channels = 3,
        .flags = SHMRING_FRAME_DISCONT | SHMRING_FRAME_ONEFIELD,
        .timestamp_ns = INT64_C(1700000000123456789),
        .format = "NV12",
        .planes = 2,
        .stride = {6, 7, -3, INT32_MIN},
        .offset = {1, 25, 16, UINT64_MAX},
        .size = FRAME_SIZE,
        .pts_ns = 1,
        .dts_ns = -2,
        .duration_ns = 33333333,
        .clock_ns = INT64_MAX,
        .publish_ns = 12345,
        .frame_number = 7,
        .frame_number_end = 9,
        .stretch = 6,
        .fps_num = 30000,
        .fps_den = 1001,
        .caps = "video/x-raw",
        .metas = metas,
        .metas_size = sizeof metas,
    };
}

/* As text: the struct has padding. */
static const char *text_of(const struct shmring_frame_info *i) {
    static char texts[2][1000];
    static unsigned count;
    char *text = texts[++count % 2];
    snprintf(text, sizeof texts[0],
             "%" PRIu64 " %u %u %u %x %" PRId64 " %s %u %d %d %d %d %" PRIu64 " %" PRIu64
             " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64
             " %" PRId64 " %" PRIu64 " %" PRIu64 " %u %u %u",
             i->seq, i->width, i->height, i->channels, i->flags, i->timestamp_ns, i->format,
             i->planes, i->stride[0], i->stride[1], i->stride[2], i->stride[3], i->offset[0],
             i->offset[1], i->offset[2], i->offset[3], i->size, i->pts_ns, i->dts_ns,
             i->duration_ns, i->clock_ns, i->publish_ns, i->frame_number, i->frame_number_end,
             i->fps_num, i->fps_den, i->stretch);
    return text;
}

static void assert_same_info(const struct shmring_frame_info *is,
                             const struct shmring_frame_info *was) {
    ck_assert_str_eq(text_of(is), text_of(was));
    ck_assert_str_eq(is->caps, was->caps);
    ck_assert_uint_eq(is->metas_size, was->metas_size);
    ck_assert_mem_eq(is->metas, was->metas, was->metas_size);
    ck_assert_uint_eq((uintptr_t)is->metas % 8, 0);
}

static struct shmring_frame *view_slot_2(uint64_t seq) {
    struct shmring_frame *frame = NULL;
    ck_assert_int_eq(frame_view(seg, 2, seq, give_back, &given_back, &frame, NULL), 0);
    return frame;
}

START_TEST(what_is_written_is_read) {
    struct shmring_frame_info info = full_info();
    frame_write_header(seg, 2, &info);
    ck_assert_uint_eq(segment_frame(seg, 2)->seq, info.seq);
    struct shmring_frame *frame = view_slot_2(info.seq);
    assert_same_info(&frame->info, &info);
    ck_assert_ptr_eq(frame->data, segment_slot(seg, 2));
    ck_assert(!frame->is_copy);
    ck_assert_uint_eq(given_back, 0);
    shmring_frame_release(frame);
    ck_assert_uint_eq(given_back, 1);
}
END_TEST

/* Out of a slot that is claimed, and out of one that is not. */
static int (*const copies[])(const struct segment *, uint32_t, uint64_t, struct shmring_frame **,
                             struct shmring_error *) = {frame_copy, frame_observe};

START_TEST(a_copy_is_owned) {
    struct shmring_frame_info info = full_info();
    struct shmring_frame *frame = NULL;
    fill(segment_slot(seg, 2), 7);
    frame_write_header(seg, 2, &info);
    ck_assert_int_eq(copies[_i](seg, 2, info.seq, &frame, NULL), 0);
    memset(segment_slot(seg, 2), 0, FRAME_SIZE);
    assert_same_info(&frame->info, &info);
    ck_assert(frame->is_copy);
    ck_assert(is_filled(frame->data, 7));
    ck_assert_uint_eq((uintptr_t)frame->data % 64, 0);
    shmring_frame_release(frame);
}
END_TEST

START_TEST(no_caps_and_no_metas) {
    struct shmring_frame_info info = info_of(1);
    info.seq = 1;
    info.metas_size = 9; /* of nothing */
    frame_write_header(seg, 2, &info);
    struct shmring_frame *frame = view_slot_2(1);
    ck_assert_ptr_null(frame->info.caps);
    ck_assert_ptr_null(frame->info.metas);
    ck_assert_uint_eq(frame->info.metas_size, 0);
    shmring_frame_release(frame);
    shmring_frame_release(NULL);
}
END_TEST

/* 4096 bytes less the header's 184. */
START_TEST(caps_and_metas_have_3912_bytes) {
    char text[4096], block[4096] = {0};
    struct shmring_frame_info info = info_of(1);
    memset(text, 'c', sizeof text);
    text[3911] = 0;
    info.caps = text;
    ck_assert(frame_header_fits(seg, &info));
    info.metas = block;
    info.metas_size = 1;
    ck_assert(!frame_header_fits(seg, &info));
    text[3903] = 0; /* 3904 bytes: 8 are left */
    info.metas_size = 8;
    ck_assert(frame_header_fits(seg, &info));
    info.metas_size = 9;
    ck_assert(!frame_header_fits(seg, &info));
    text[3902] = 0; /* 3903, and one of padding */
    info.metas_size = 8;
    ck_assert(frame_header_fits(seg, &info));
    info.metas_size = SIZE_MAX;
    ck_assert(!frame_header_fits(seg, &info));
}
END_TEST

START_TEST(the_fullest_header_crosses) {
    char text[3904], block[] = "12345678";
    struct shmring_frame_info info = full_info();
    memset(text, 'c', sizeof text);
    text[3903] = 0;
    info.caps = text;
    info.metas = block;
    info.metas_size = 8;
    frame_write_header(seg, 2, &info);
    ck_assert_mem_eq((char *)segment_frame(seg, 2) + 4088, block, 8);
    struct shmring_frame *frame = view_slot_2(info.seq);
    assert_same_info(&frame->info, &info);
    shmring_frame_release(frame);
}
END_TEST

/* ---- Damage ---- */

static const struct {
    size_t at, size;
    uint64_t value;
} damages[] = {
#define DAMAGE(field, value)                                                                       \
    { offsetof(struct layout_frame, field), sizeof(((struct layout_frame *)0)->field), value }
    DAMAGE(size, FRAME_SIZE + 1),
    DAMAGE(size, UINT64_MAX),
    DAMAGE(planes, 5),
    DAMAGE(planes, 1),
    DAMAGE(width, UINT32_MAX),
    DAMAGE(width, 0),
    DAMAGE(width, 7),
    DAMAGE(height, UINT32_MAX),
    DAMAGE(height, 0),
    DAMAGE(height, 12),
    DAMAGE(channels, 5),
    DAMAGE(offset, FRAME_SIZE),
    DAMAGE(offset, 42),
    DAMAGE(stride, 4),
    DAMAGE(stride, 0x80000000),
    DAMAGE(caps_size, 3913),
    DAMAGE(caps_size, UINT32_MAX),
    DAMAGE(metas_size, 3897),
    DAMAGE(metas_size, UINT32_MAX),
    DAMAGE(format, UINT64_MAX),
};

START_TEST(a_damaged_header_is_refused) {
    struct shmring_frame_info info = full_info();
    struct shmring_frame *frame = NULL;
    struct shmring_error error = {0};
    size_t size = damages[_i].size < 8 ? damages[_i].size : 8;
    frame_write_header(seg, 2, &info);
    memcpy((char *)segment_frame(seg, 2) + damages[_i].at, &damages[_i].value, size);
    ck_assert_int_eq(frame_view(seg, 2, info.seq, give_back, &given_back, &frame, &error), -EPROTO);
    ck_assert_ptr_nonnull(strstr(error.message, seg->name));
    ck_assert_ptr_nonnull(strstr(error.message, "frame 4294967303"));
    for (size_t i = 0; i < COUNT(copies); i++)
        ck_assert_int_eq(copies[i](seg, 2, info.seq, &frame, NULL), -EPROTO);
    ck_assert_ptr_null(frame);
    ck_assert_uint_eq(given_back, 0);
}
END_TEST

START_TEST(texts_are_terminated) {
    struct shmring_frame_info info = full_info();
    frame_write_header(seg, 2, &info);
    segment_frame(seg, 2)->data[11] = 'x'; /* the NUL of the caps */
    struct shmring_frame *frame = view_slot_2(info.seq);
    ck_assert_uint_eq(strlen(frame->info.caps), 11);
    shmring_frame_release(frame);
}
END_TEST

/* Texts that another program takes for UTF-8. */
START_TEST(caps_that_are_no_text) {
    struct shmring_frame_info info = full_info();
    struct shmring_frame *frame = NULL;
    frame_write_header(seg, 2, &info);
    segment_frame(seg, 2)->data[5] = (char)0xff;
    ck_assert_int_eq(frame_view(seg, 2, info.seq, give_back, &given_back, &frame, NULL), -EPROTO);
    ck_assert_ptr_null(frame);
}
END_TEST

/* A file that somebody cut off is a short read, and no SIGBUS. */
START_TEST(what_was_cut_off_is_damage_to_an_observer) {
    struct shmring_frame_info info = full_info();
    struct shmring_frame *frame = NULL;
    frame_write_header(seg, 2, &info);
    ck_assert_int_eq(truncate(path_of(seg->name, ""), (off_t)seg->g.slots_offset), 0);
    ck_assert_int_eq(frame_observe(seg, 2, info.seq, &frame, NULL), -EPROTO);
    ck_assert_int_eq(truncate(path_of(seg->name, ""), LAYOUT_PAGE), 0);
    ck_assert_int_eq(frame_observe(seg, 2, info.seq, &frame, NULL), -EAGAIN);
    ck_assert_ptr_null(frame);
}
END_TEST

/* Its pixels may be anything by now: not even damage is reported. */
START_TEST(an_observed_frame_that_was_rewritten_is_none) {
    struct shmring_frame_info info = full_info();
    struct shmring_frame *frame = NULL;
    frame_write_header(seg, 2, &info);
    ck_assert_int_eq(frame_observe(seg, 2, info.seq - 1, &frame, NULL), -EAGAIN);
    segment_frame(seg, 2)->seq = 0; /* being written */
    ck_assert_int_eq(frame_observe(seg, 2, info.seq, &frame, NULL), -EAGAIN);
    segment_frame(seg, 2)->size = UINT64_MAX;
    ck_assert_int_eq(frame_observe(seg, 2, info.seq, &frame, NULL), -EAGAIN);
    ck_assert_ptr_null(frame);
}
END_TEST

START_TEST(a_loan_says_that_the_slot_is_being_written) {
    put_many(writer, 1, 4);
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_FILL);
    ck_assert_uint_eq(slot.index, 1); /* it carried 2; 3 and 4 are saved */
    ck_assert_uint_eq(segment_frame(seg, 1)->seq, 0);
    ck_assert_uint_eq(segment_frame(seg, 2)->seq, 3);
    ck_assert_uint_eq(segment_frame(seg, 0)->seq, 4);
    shmring_slot_return(&slot);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("frame");
    tcase_add_checked_fixture(tests, open_ring, close_ring);
    tcase_add_test(tests, what_is_written_is_read);
    tcase_add_loop_test(tests, a_copy_is_owned, 0, COUNT(copies));
    tcase_add_test(tests, no_caps_and_no_metas);
    tcase_add_test(tests, caps_and_metas_have_3912_bytes);
    tcase_add_test(tests, the_fullest_header_crosses);
    tcase_add_loop_test(tests, a_damaged_header_is_refused, 0, COUNT(damages));
    tcase_add_test(tests, texts_are_terminated);
    tcase_add_test(tests, caps_that_are_no_text);
    tcase_add_test(tests, what_was_cut_off_is_damage_to_an_observer);
    tcase_add_test(tests, an_observed_frame_that_was_rewritten_is_none);
    tcase_add_test(tests, a_loan_says_that_the_slot_is_being_written);
    return run_tests(tests);
}
