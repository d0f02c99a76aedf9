/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format.h"

#include "support.h"

/* ---- What a frame says of itself ---- */

static struct shmring_frame_info nv12(void) {
    return (struct shmring_frame_info){
        .struct_size = sizeof(struct shmring_frame_info),
        .width = 4,
        .height = 4,
        .channels = 3,
        .format = "NV12",
        .planes = 2,
        .stride = {4, 4},
        .offset = {0, 16},
        .size = 24,
    };
}

START_TEST(frames_that_can_be) {
    struct shmring_frame_info info = nv12(), unknown = nv12();
    struct shmring_frame_info opaque = SHMRING_FRAME_INFO_INIT, empty = opaque, silent = opaque;
    opaque.size = 24;
    opaque.caps = "audio/x-raw";
    silent.flags = SHMRING_FRAME_GAP;
    strcpy(silent.format, "BGR");
    silent.planes = 1;
    strcpy(unknown.format, "NV99");
    unknown.width = 1000; /* nobody knows how its rows lie */
    ck_assert_ptr_null(shmring_frame_problem(&info));
    ck_assert_ptr_null(shmring_frame_problem(&opaque));
    ck_assert_ptr_null(shmring_frame_problem(&empty));
    ck_assert_ptr_null(shmring_frame_problem(&unknown));
    ck_assert_ptr_null(shmring_frame_problem(&silent));
    info.stride[1] = 1 << 20; /* of fewer rows than two it is used once */
    info.height = 2;
    ck_assert_ptr_null(shmring_frame_problem(&info));
    info.caps = "video/x-raw, title=(string)\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8e\xa5\"";
    ck_assert_ptr_null(shmring_frame_problem(&info));
}
END_TEST

/* Each is one change to a frame that can be. */
#define WRONG(field, value)                                                                        \
    {                                                                                              \
#field " = " #value, offsetof(struct shmring_frame_info, field),                           \
            sizeof(((struct shmring_frame_info *)0)->field), value                                 \
    }
static const struct {
    const char *what;
    size_t at, size;
    uint64_t value;
} wrong[] = {
    WRONG(size, 23),
    WRONG(size, 0),
    WRONG(planes, 1),
    WRONG(planes, 3),
    WRONG(planes, 5),
    WRONG(planes, UINT32_MAX),
    WRONG(offset[0], 9),
    WRONG(offset[0], UINT64_MAX),
    WRONG(offset[1], 17),
    WRONG(offset[1], 24),
    WRONG(offset[1], UINT64_MAX - 7),
    WRONG(stride[0], 3),
    WRONG(stride[0], 0),
    WRONG(stride[0], 0x80000000),
    WRONG(stride[1], UINT32_MAX),
    WRONG(stride[1], 5),
    WRONG(stride[1], INT32_MAX),
    WRONG(width, 0),
    WRONG(width, 5),
    WRONG(width, INT32_MAX),
    WRONG(width, UINT32_MAX),
    WRONG(height, 0),
    WRONG(height, 5),
    WRONG(height, INT32_MAX),
    WRONG(height, UINT32_MAX),
    WRONG(channels, 5),
    WRONG(format[0], '\n'),
    WRONG(format[0], 0xff),
};

START_TEST(frames_that_cannot_be) {
    struct shmring_frame_info info = nv12();
    memcpy((char *)&info + wrong[_i].at, &wrong[_i].value, wrong[_i].size);
    ck_assert_msg(shmring_frame_problem(&info) != NULL, "%s", wrong[_i].what);
}
END_TEST

START_TEST(a_format_without_an_end) {
    struct shmring_frame_info info = nv12();
    memset(info.format, 'x', sizeof info.format);
    ck_assert_ptr_nonnull(shmring_frame_problem(&info));
}
END_TEST

/* What a text decoder elsewhere would stumble over. */
static const char *const no_text[] = {
    "\x80",         "a\xff",           "\xc3",     "\xc0\x80",         "\xe0\x80\x80",
    "\xed\xa0\x80", "\xe2\x82",        "\xf5\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80",
    "\xe2\x82x",    "ok \xc3\xa9\xa9",
};

START_TEST(caps_that_are_no_text) {
    struct shmring_frame_info info = nv12();
    info.caps = no_text[_i];
    const char *problem = shmring_frame_problem(&info);
    ck_assert_ptr_nonnull(problem);
    ck_assert_ptr_nonnull(strstr(problem, "UTF-8"));
}
END_TEST

/* By hand, from GStreamer's part-mediatype-video-formats. */
static const struct {
    const char *name;
    unsigned planes, plane;
    uint64_t rows, row_bytes; /* of 5 x 3 */
} planes[] = {
    {"BGR", 1, 0, 3, 15},       {"GRAY8", 1, 0, 3, 5},      {"BGRx", 1, 0, 3, 20},
    {"NV12", 2, 0, 3, 5},       {"NV12", 2, 1, 2, 6},       {"I420", 3, 2, 2, 3},
    {"Y42B", 3, 1, 3, 3},       {"GRAY16_LE", 1, 0, 3, 10}, {"I420_10LE", 3, 1, 2, 6},
    {"P010_10LE", 2, 1, 2, 12},
};

START_TEST(rows_of_planes) {
    const struct format *format = format_find(planes[_i].name);
    ck_assert_msg(format != NULL, "%s", planes[_i].name);
    ck_assert_uint_eq(format->layout->planes, planes[_i].planes);
    ck_assert_uint_eq(format_rows(format, planes[_i].plane, 3), planes[_i].rows);
    ck_assert_uint_eq(format_row_bytes(format, planes[_i].plane, 5), planes[_i].row_bytes);
}
END_TEST

START_TEST(a_format_that_is_none) {
    ck_assert_ptr_null(format_find(""));
    ck_assert_ptr_null(format_find("bgr"));
    ck_assert_ptr_null(format_find("BGRxx"));
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("format");
    tcase_add_test(tests, frames_that_can_be);
    tcase_add_loop_test(tests, frames_that_cannot_be, 0, COUNT(wrong));
    tcase_add_test(tests, a_format_without_an_end);
    tcase_add_loop_test(tests, caps_that_are_no_text, 0, COUNT(no_text));
    tcase_add_loop_test(tests, rows_of_planes, 0, COUNT(planes));
    tcase_add_test(tests, a_format_that_is_none);
    return run_tests(tests);
}
