/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format.h"

#include <string.h>

#include "versioned.h"

static const struct format_layout packed1 = {1, {{1, 0, 0}}};
static const struct format_layout packed2 = {1, {{2, 0, 0}}};
static const struct format_layout packed3 = {1, {{3, 0, 0}}};
static const struct format_layout packed4 = {1, {{4, 0, 0}}};
static const struct format_layout planar3 = {3, {{1, 0, 0}, {1, 0, 0}, {1, 0, 0}}};
static const struct format_layout planar4 = {4, {{1, 0, 0}, {1, 0, 0}, {1, 0, 0}, {1, 0, 0}}};
static const struct format_layout planar410 = {3, {{1, 0, 0}, {1, 2, 2}, {1, 2, 2}}};
static const struct format_layout planar411 = {3, {{1, 0, 0}, {1, 2, 0}, {1, 2, 0}}};
static const struct format_layout planar420 = {3, {{1, 0, 0}, {1, 1, 1}, {1, 1, 1}}};
static const struct format_layout planar422 = {3, {{1, 0, 0}, {1, 1, 0}, {1, 1, 0}}};
static const struct format_layout planar420a = {4, {{1, 0, 0}, {1, 1, 1}, {1, 1, 1}, {1, 0, 0}}};
static const struct format_layout planar422a = {4, {{1, 0, 0}, {1, 1, 0}, {1, 1, 0}, {1, 0, 0}}};
static const struct format_layout semi420 = {2, {{1, 0, 0}, {2, 1, 1}}};
static const struct format_layout semi422 = {2, {{1, 0, 0}, {2, 1, 0}}};
static const struct format_layout semi444 = {2, {{1, 0, 0}, {2, 0, 0}}};
static const struct format_layout semi420a = {3, {{1, 0, 0}, {2, 1, 1}, {1, 0, 0}}};

/* 10 to 16 bits in 16, of either byte order. */
#define BOTH(name, channels, layout)                                                               \
    {name "LE", 2, false, channels, layout}, {                                                     \
        name "BE", 2, true, channels, layout                                                       \
    }

/* 8 bits, and 10 to 16 of them in 16. */
#define BAYER(name)                                                                                \
    {name, 1, false, 1, &packed1}, {name "10le", 2, false, 1, &packed1},                           \
        {name "10be", 2, true, 1, &packed1}, {name "12le", 2, false, 1, &packed1},                 \
        {name "12be", 2, true, 1, &packed1}, {name "14le", 2, false, 1, &packed1},                 \
        {name "14be", 2, true, 1, &packed1}, {name "16le", 2, false, 1, &packed1}, {               \
        name "16be", 2, true, 1, &packed1                                                          \
    }

/* Every raw format of GStreamer whose samples are whole bytes, its planes in their order, and those
 * of video/x-bayer. Samples of 10 to 16 bits are 16-bit elements; a pixel packed into 32 bits is
 * one 32-bit element. */
static const struct format formats[] = {
    {"BGR", 1, false, 3, &packed3},
    {"GRAY8", 1, false, 1, &packed1},
    {"RGB", 1, false, 3, &packed3},
    {"NV12", 1, false, 3, &semi420},
    {"I420", 1, false, 3, &planar420},
    {"YUY2", 1, false, 3, &packed2},
    {"UYVY", 1, false, 3, &packed2},
    {"BGRx", 1, false, 3, &packed4},
    {"BGRA", 1, false, 4, &packed4},
    {"RGBx", 1, false, 3, &packed4},
    {"RGBA", 1, false, 4, &packed4},
    {"xRGB", 1, false, 3, &packed4},
    {"ARGB", 1, false, 4, &packed4},
    {"xBGR", 1, false, 3, &packed4},
    {"ABGR", 1, false, 4, &packed4},
    {"AYUV", 1, false, 4, &packed4},
    {"VUYA", 1, false, 4, &packed4},
    {"v308", 1, false, 3, &packed3},
    {"IYU2", 1, false, 3, &packed3},
    {"YVYU", 1, false, 3, &packed2},
    {"VYUY", 1, false, 3, &packed2},
    {"RGB16", 1, false, 3, &packed2},
    {"BGR16", 1, false, 3, &packed2},
    {"RGB15", 1, false, 3, &packed2},
    {"BGR15", 1, false, 3, &packed2},
    BOTH("GRAY16_", 1, &packed1),
    {"v216", 2, false, 3, &packed2},
    {"Y210", 2, false, 3, &packed2},
    BOTH("Y212_", 3, &packed2),
    BOTH("Y412_", 4, &packed4),
    {"ARGB64", 2, false, 4, &packed4},
    {"AYUV64", 2, false, 4, &packed4},
    BOTH("ARGB64_", 4, &packed4),
    BOTH("RGBA64_", 4, &packed4),
    BOTH("BGRA64_", 4, &packed4),
    BOTH("ABGR64_", 4, &packed4),
    {"Y410", 4, false, 4, &packed1},
    {"BGR10A2_LE", 4, false, 4, &packed1},
    {"RGB10A2_LE", 4, false, 4, &packed1},
    {"r210", 4, true, 3, &packed1},
    {"YV12", 1, false, 3, &planar420},
    {"Y41B", 1, false, 3, &planar411},
    {"Y42B", 1, false, 3, &planar422},
    {"YUV9", 1, false, 3, &planar410},
    {"YVU9", 1, false, 3, &planar410},
    {"A420", 1, false, 4, &planar420a},
    {"Y444", 1, false, 3, &planar3},
    {"GBR", 1, false, 3, &planar3},
    {"RGBP", 1, false, 3, &planar3},
    {"BGRP", 1, false, 3, &planar3},
    {"GBRA", 1, false, 4, &planar4},
    {"NV21", 1, false, 3, &semi420},
    {"NV16", 1, false, 3, &semi422},
    {"NV61", 1, false, 3, &semi422},
    {"NV24", 1, false, 3, &semi444},
    {"AV12", 1, false, 4, &semi420a},
    BOTH("P010_10", 3, &semi420),
    BOTH("P012_", 3, &semi420),
    BOTH("P016_", 3, &semi420),
    BOTH("I420_10", 3, &planar420),
    BOTH("I420_12", 3, &planar420),
    BOTH("I422_10", 3, &planar422),
    BOTH("I422_12", 3, &planar422),
    BOTH("Y444_10", 3, &planar3),
    BOTH("Y444_12", 3, &planar3),
    BOTH("Y444_16", 3, &planar3),
    BOTH("GBR_10", 3, &planar3),
    BOTH("GBR_12", 3, &planar3),
    BOTH("GBRA_10", 4, &planar4),
    BOTH("GBRA_12", 4, &planar4),
    BOTH("A420_10", 4, &planar420a),
    BOTH("A422_10", 4, &planar422a),
    BOTH("A444_10", 4, &planar4),
    BAYER("bggr"),
    BAYER("gbrg"),
    BAYER("grbg"),
    BAYER("rggb"),
};

const struct format *format_find(const char *name) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strncmp(formats[i].name, name, sizeof formats[i].name) == 0)
            return &formats[i];
    }
    return NULL;
}

static uint64_t subsampled(uint32_t length, unsigned shift) {
    return ((uint64_t)length + (1u << shift) - 1) >> shift;
}

uint64_t format_rows(const struct format *format, unsigned plane, uint32_t height) {
    return subsampled(height, format->layout->plane[plane].yshift);
}

uint64_t format_samples(const struct format *format, unsigned plane, uint32_t width) {
    return subsampled(width, format->layout->plane[plane].xshift);
}

uint64_t format_row_bytes(const struct format *format, unsigned plane, uint32_t width) {
    return format_samples(format, plane, width) * format->layout->plane[plane].items *
           format->element;
}

/* ---- Can a frame be what it says? ---- */

/* Width, height and stride are 32 bits each, so nothing here overflows 64. */
static const char *plane_problem(const struct shmring_frame_info *info, const struct format *format,
                                 unsigned plane) {
    uint64_t rows = format_rows(format, plane, info->height);
    uint64_t row = format_row_bytes(format, plane, info->width);
    if (row > (uint64_t)info->stride[plane])
        return "a row is longer than its stride";
    uint64_t used = (rows - 1) * (uint64_t)info->stride[plane] + row;
    if (used > info->size || info->offset[plane] > info->size - used)
        return "a plane reaches beyond the frame's bytes";
    return NULL;
}

static const char *planes_problem(const struct shmring_frame_info *info) {
    const struct format *format = format_find(info->format);
    const char *problem = NULL;
    if (format && info->planes != format->layout->planes)
        return "its format has another number of planes";
    if (format && (info->width == 0 || info->height == 0))
        return "it has a format, and no width or height";
    for (unsigned plane = 0; !problem && plane < info->planes; plane++) {
        if (info->offset[plane] >= info->size)
            problem = "a plane starts beyond the frame's bytes";
        else if (info->stride[plane] <= 0)
            problem = "a stride is not positive";
        else if (format)
            problem = plane_problem(info, format, plane);
    }
    return problem;
}

/* Of a character of more than one byte; 0: none begins so. */
static size_t length_of(unsigned char first) {
    return first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
}

/* Such a character: no overlong form, no surrogate, nothing beyond U+10FFFF. */
static bool is_character(const unsigned char *text, size_t length) {
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return false;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return false;
    }
    return true;
}

/* Eight bytes at once, as nearly all of it is ASCII: every frame's caps pass here twice. */
static size_t ascii_bytes(const unsigned char *text, size_t size) {
    size_t at = 0;
    for (uint64_t word; size - at >= sizeof word; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    while (at < size && text[at] < 0x80)
        at++;
    return at;
}

/* The NUL at the end is no part of a character, so none reaches beyond it. */
static bool is_utf8(const char *text) {
    const unsigned char *at = (const void *)text, *end = at + strlen(text);
    while ((at += ascii_bytes(at, (size_t)(end - at))) < end) {
        size_t length = length_of(*at);
        if (length == 0 || !is_character(at, length))
            return false;
        at += length;
    }
    return true;
}

static bool is_name(const char *name, size_t size) {
    for (size_t i = 0; i < size && (name[i] == 0 || (name[i] > ' ' && name[i] <= '~')); i++) {
        if (name[i] == 0)
            return true;
    }
    return false;
}

const char *format_problem(const struct shmring_frame_info *info) {
    if (!is_name(info->format, sizeof info->format))
        return "its format is no name";
    if (info->planes > SHMRING_MAX_PLANES)
        return "it has more than 4 planes";
    if (info->width > INT32_MAX || info->height > INT32_MAX || info->channels > 4)
        return "its width, height or channels cannot be";
    if (info->caps && !is_utf8(info->caps))
        return "its caps are not UTF-8 text";
    /* Silence has no pixels. */
    if ((info->flags & SHMRING_FRAME_GAP) && info->size == 0)
        return NULL;
    return planes_problem(info);
}

static const struct shmring_frame_info no_info = SHMRING_FRAME_INFO_INIT;

const char *shmring_frame_problem(const struct shmring_frame_info *told) {
    struct shmring_frame_info info = no_info;
    if (!versioned_is_set(told))
        return "it has no struct_size (SHMRING_FRAME_INFO_INIT)";
    versioned_read(&info, sizeof info, told);
    return format_problem(&info);
}
