/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "formats.h"

/* One plane: elements a sample, and its subsampling as shifts of width and height. */
struct plane {
    uint8_t items, xshift, yshift;
};

struct layout {
    unsigned planes;
    struct plane plane[SHMRING_MAX_PLANES];
};

static const struct layout packed1 = {1, {{1, 0, 0}}};
static const struct layout packed2 = {1, {{2, 0, 0}}};
static const struct layout packed3 = {1, {{3, 0, 0}}};
static const struct layout packed4 = {1, {{4, 0, 0}}};
static const struct layout planar3 = {3, {{1, 0, 0}, {1, 0, 0}, {1, 0, 0}}};
static const struct layout planar4 = {4, {{1, 0, 0}, {1, 0, 0}, {1, 0, 0}, {1, 0, 0}}};
static const struct layout planar410 = {3, {{1, 0, 0}, {1, 2, 2}, {1, 2, 2}}};
static const struct layout planar411 = {3, {{1, 0, 0}, {1, 2, 0}, {1, 2, 0}}};
static const struct layout planar420 = {3, {{1, 0, 0}, {1, 1, 1}, {1, 1, 1}}};
static const struct layout planar422 = {3, {{1, 0, 0}, {1, 1, 0}, {1, 1, 0}}};
static const struct layout planar420a = {4, {{1, 0, 0}, {1, 1, 1}, {1, 1, 1}, {1, 0, 0}}};
static const struct layout planar422a = {4, {{1, 0, 0}, {1, 1, 0}, {1, 1, 0}, {1, 0, 0}}};
static const struct layout semi420 = {2, {{1, 0, 0}, {2, 1, 1}}};
static const struct layout semi422 = {2, {{1, 0, 0}, {2, 1, 0}}};
static const struct layout semi444 = {2, {{1, 0, 0}, {2, 0, 0}}};
static const struct layout semi420a = {3, {{1, 0, 0}, {2, 1, 1}, {1, 0, 0}}};

/* Every raw format of GStreamer whose samples are whole bytes, its planes in their order. Samples
 * of 10 to 16 bits are 16-bit elements; a pixel packed into 32 bits is one 32-bit element. */
static const struct format {
    char name[16];
    const char *code; /* of an element, as in Python's struct module */
    unsigned channels;
    const struct layout *layout;
} formats[] = {
    {"BGR", "B", 3, &packed3},           {"GRAY8", "B", 1, &packed1},
    {"RGB", "B", 3, &packed3},           {"NV12", "B", 3, &semi420},
    {"I420", "B", 3, &planar420},        {"YUY2", "B", 3, &packed2},
    {"UYVY", "B", 3, &packed2},          {"BGRx", "B", 3, &packed4},
    {"BGRA", "B", 4, &packed4},          {"RGBx", "B", 3, &packed4},
    {"RGBA", "B", 4, &packed4},          {"xRGB", "B", 3, &packed4},
    {"ARGB", "B", 4, &packed4},          {"xBGR", "B", 3, &packed4},
    {"ABGR", "B", 4, &packed4},          {"AYUV", "B", 4, &packed4},
    {"VUYA", "B", 4, &packed4},          {"v308", "B", 3, &packed3},
    {"IYU2", "B", 3, &packed3},          {"YVYU", "B", 3, &packed2},
    {"VYUY", "B", 3, &packed2},          {"RGB16", "B", 3, &packed2},
    {"BGR16", "B", 3, &packed2},         {"RGB15", "B", 3, &packed2},
    {"BGR15", "B", 3, &packed2},         {"GRAY16_LE", "H", 1, &packed1},
    {"GRAY16_BE", ">H", 1, &packed1},    {"v216", "H", 3, &packed2},
    {"Y210", "H", 3, &packed2},          {"Y212_LE", "H", 3, &packed2},
    {"Y212_BE", ">H", 3, &packed2},      {"Y412_LE", "H", 4, &packed4},
    {"Y412_BE", ">H", 4, &packed4},      {"ARGB64", "H", 4, &packed4},
    {"AYUV64", "H", 4, &packed4},        {"ARGB64_LE", "H", 4, &packed4},
    {"ARGB64_BE", ">H", 4, &packed4},    {"RGBA64_LE", "H", 4, &packed4},
    {"RGBA64_BE", ">H", 4, &packed4},    {"BGRA64_LE", "H", 4, &packed4},
    {"BGRA64_BE", ">H", 4, &packed4},    {"ABGR64_LE", "H", 4, &packed4},
    {"ABGR64_BE", ">H", 4, &packed4},    {"Y410", "I", 4, &packed1},
    {"BGR10A2_LE", "I", 4, &packed1},    {"RGB10A2_LE", "I", 4, &packed1},
    {"r210", ">I", 3, &packed1},         {"YV12", "B", 3, &planar420},
    {"Y41B", "B", 3, &planar411},        {"Y42B", "B", 3, &planar422},
    {"YUV9", "B", 3, &planar410},        {"YVU9", "B", 3, &planar410},
    {"A420", "B", 4, &planar420a},       {"Y444", "B", 3, &planar3},
    {"GBR", "B", 3, &planar3},           {"RGBP", "B", 3, &planar3},
    {"BGRP", "B", 3, &planar3},          {"GBRA", "B", 4, &planar4},
    {"NV21", "B", 3, &semi420},          {"NV16", "B", 3, &semi422},
    {"NV61", "B", 3, &semi422},          {"NV24", "B", 3, &semi444},
    {"AV12", "B", 4, &semi420a},         {"P010_10LE", "H", 3, &semi420},
    {"P010_10BE", ">H", 3, &semi420},    {"P012_LE", "H", 3, &semi420},
    {"P012_BE", ">H", 3, &semi420},      {"P016_LE", "H", 3, &semi420},
    {"P016_BE", ">H", 3, &semi420},      {"I420_10LE", "H", 3, &planar420},
    {"I420_10BE", ">H", 3, &planar420},  {"I420_12LE", "H", 3, &planar420},
    {"I420_12BE", ">H", 3, &planar420},  {"I422_10LE", "H", 3, &planar422},
    {"I422_10BE", ">H", 3, &planar422},  {"I422_12LE", "H", 3, &planar422},
    {"I422_12BE", ">H", 3, &planar422},  {"Y444_10LE", "H", 3, &planar3},
    {"Y444_10BE", ">H", 3, &planar3},    {"Y444_12LE", "H", 3, &planar3},
    {"Y444_12BE", ">H", 3, &planar3},    {"Y444_16LE", "H", 3, &planar3},
    {"Y444_16BE", ">H", 3, &planar3},    {"GBR_10LE", "H", 3, &planar3},
    {"GBR_10BE", ">H", 3, &planar3},     {"GBR_12LE", "H", 3, &planar3},
    {"GBR_12BE", ">H", 3, &planar3},     {"GBRA_10LE", "H", 4, &planar4},
    {"GBRA_10BE", ">H", 4, &planar4},    {"GBRA_12LE", "H", 4, &planar4},
    {"GBRA_12BE", ">H", 4, &planar4},    {"A420_10LE", "H", 4, &planar420a},
    {"A420_10BE", ">H", 4, &planar420a}, {"A422_10LE", "H", 4, &planar422a},
    {"A422_10BE", ">H", 4, &planar422a}, {"A444_10LE", "H", 4, &planar4},
    {"A444_10BE", ">H", 4, &planar4},    {"bggr", "B", 1, &packed1},
    {"gbrg", "B", 1, &packed1},          {"grbg", "B", 1, &packed1},
    {"rggb", "B", 1, &packed1},
};

/* Of width and height, so that a row's bytes fit in its stride. */
#define PICTURE_MAX (1 << 24)

static const char outside[] = "its size, stride and bytes do not fit together";
static const char apart[] = "its planes do not form one array: use frame.planes";

static const struct format *format_named(const char *name) {
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
        if (strncmp(formats[i].name, name, sizeof(formats[i].name)) == 0)
            return &formats[i];
    return NULL;
}

static const struct format *find_format(const struct shmring_frame_info *info) {
    const struct format *format = format_named(info->format);
    return format && format->layout->planes == info->planes ? format : NULL;
}

unsigned view_planes(const struct shmring_frame_info *info) {
    const struct format *format = find_format(info);
    return format && info->width && info->height ? format->layout->planes : 0;
}

static void view_of_bytes(struct view *view, const struct shmring_frame_info *info) {
    *view = (struct view){.itemsize = 1, .code = "B", .ndim = 1};
    view->shape[0] = (Py_ssize_t)info->size;
    view->strides[0] = 1;
}

static uint64_t subsampled(uint32_t length, unsigned shift) {
    return ((uint64_t)length + (1u << shift) - 1) >> shift;
}

/* Width, height and stride are 32 bits each, so nothing here overflows 64. */
static bool inside(const struct view *view, uint64_t size) {
    uint64_t row = (uint64_t)view->shape[1] * (uint64_t)view->strides[1];
    uint64_t stride = (uint64_t)view->strides[0];
    uint64_t used = (uint64_t)(view->shape[0] - 1) * stride + row;
    return row <= stride && used <= size && (uint64_t)view->offset <= size - used;
}

static unsigned element_size(const char *code) {
    switch (code[strlen(code) - 1]) {
    case 'I':
        return 4;
    case 'H':
        return 2;
    default:
        return 1;
    }
}

bool view_of_plane(struct view *view, const struct shmring_frame_info *info, unsigned plane) {
    const struct format *format = find_format(info);
    struct plane p = format->layout->plane[plane];
    unsigned itemsize = element_size(format->code);
    if (info->stride[plane] <= 0 || info->offset[plane] > info->size)
        return false;
    *view = (struct view){
        .offset = (Py_ssize_t)info->offset[plane],
        .itemsize = itemsize,
        .code = format->code,
        .ndim = p.items > 1 ? 3 : 2,
        .shape = {(Py_ssize_t)subsampled(info->height, p.yshift),
                  (Py_ssize_t)subsampled(info->width, p.xshift), p.items},
        .strides = {info->stride[plane], p.items * itemsize, itemsize},
    };
    return inside(view, info->size);
}

static bool same_shape(const struct view *a, const struct view *b) {
    return a->ndim == b->ndim && memcmp(a->shape, b->shape, sizeof(a->shape)) == 0 &&
           memcmp(a->strides, b->strides, sizeof(a->strides)) == 0;
}

/* Planes of one size at even distances (Y444, GBR): (planes, height, width). */
static bool stack(struct view *view, const struct view *planes, unsigned count) {
    Py_ssize_t step = planes[1].offset - planes[0].offset;
    for (unsigned i = 1; i < count; i++)
        if (!same_shape(&planes[i], &planes[0]) || planes[i].offset - planes[i - 1].offset != step)
            return false;
    *view = planes[0];
    view->ndim = 3;
    view->shape[0] = count;
    view->strides[0] = step;
    memcpy(&view->shape[1], planes[0].shape, 2 * sizeof(Py_ssize_t));
    memcpy(&view->strides[1], planes[0].strides, 2 * sizeof(Py_ssize_t));
    return true;
}

static Py_ssize_t row_bytes(const struct view *plane) {
    return plane->shape[1] * plane->strides[1];
}

/* Planes one below the other as rows of the first one's width, as OpenCV has NV12 and I420: rows of
 * one length in one stride, or no padding anywhere. */
static bool join(struct view *view, const struct view *planes, unsigned count) {
    Py_ssize_t row = row_bytes(&planes[0]), stride = planes[0].strides[0], bytes = 0, rows = 0;
    bool even = true, tight = true;
    for (unsigned i = 0; i < count; i++) {
        if (planes[i].offset != planes[0].offset + bytes)
            return false;
        even = even && row_bytes(&planes[i]) == row && planes[i].strides[0] == stride;
        tight = tight && row_bytes(&planes[i]) == planes[i].strides[0];
        bytes += planes[i].shape[0] * planes[i].strides[0];
        rows += planes[i].shape[0];
    }
    if (!even && !(tight && bytes % row == 0))
        return false;
    *view = planes[0];
    view->shape[0] = even ? rows : bytes / row;
    return true;
}

const char *view_of_frame(struct view *view, const struct shmring_frame_info *info) {
    struct view planes[SHMRING_MAX_PLANES];
    unsigned count = view_planes(info);
    view_of_bytes(view, info);
    if (count == 0)
        return NULL;
    for (unsigned i = 0; i < count; i++)
        if (!view_of_plane(&planes[i], info, i))
            return outside;
    *view = planes[0];
    if (count == 1 || stack(view, planes, count) || join(view, planes, count))
        return NULL;
    return apart;
}

/* Width and height are 32 bits each, an element of a plane at most 8 bytes: 64 bits hold it. */
static uint64_t aligned(uint64_t length, unsigned to) {
    return (length + to - 1) / to * to;
}

/* As GStreamer does it: whole groups of pixels, and 4:2:0 whole pairs of rows. A few rare formats
 * have more padding there at odd sizes; a frame says where its planes are, so both are right. */
static unsigned row_alignment(const struct format *format) {
    return format->layout == &packed2 ? 4 * element_size(format->code) : 4;
}

static unsigned rows_together(const struct layout *layout) {
    return layout->planes > 1 && layout->plane[1].yshift == 1 ? 2 : 1;
}

const char *layout_rows(struct shmring_frame_info *info, bool padded) {
    const struct format *format = format_named(info->format);
    if (!format)
        return "this format is not one of GStreamer's, or its samples are no whole bytes";
    if (!info->width || !info->height || info->width > PICTURE_MAX || info->height > PICTURE_MAX)
        return "width and height must be 1 to 16777216";
    unsigned together = padded ? rows_together(format->layout) : 1;
    unsigned align = padded ? row_alignment(format) : 1;
    info->channels = format->channels;
    info->planes = format->layout->planes;
    info->size = 0;
    for (unsigned i = 0; i < info->planes; i++) {
        struct plane p = format->layout->plane[i];
        uint64_t bytes = subsampled(info->width, p.xshift) * p.items * element_size(format->code);
        uint64_t rows = subsampled((uint32_t)aligned(info->height, together), p.yshift);
        info->stride[i] = (int32_t)aligned(bytes, align);
        info->offset[i] = info->size;
        info->size += rows * (uint64_t)info->stride[i];
    }
    return NULL;
}
