/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "writer-arguments.h"

#include <inttypes.h>

#include "arguments.h"

/* In GStreamer's order of preference: its padded rows, unless only rows without padding make one
 * array (I420 of a width that 8 does not divide). */
static const char *choose_rows(struct picture_format *picture) {
    const char *problem = layout_rows(&picture->info, true);
    if (problem)
        return problem;
    picture->problem = view_of_frame(&picture->view, &picture->info);
    if (!picture->problem)
        return NULL;
    struct shmring_frame_info tight = picture->info;
    layout_rows(&tight, false);
    const char *apart = view_of_frame(&picture->view, &tight);
    if (!apart) {
        picture->info = tight;
        picture->problem = NULL;
    }
    return NULL;
}

/* Colours are left out: GStreamer then takes what is usual for format and size. */
static void write_caps(struct picture_format *picture) {
    const struct shmring_frame_info *info = &picture->info;
    const char *media = strchr("bgr", info->format[0]) && info->channels == 1 ? "bayer" : "raw";
    PyOS_snprintf(picture->caps, sizeof(picture->caps),
                  "video/x-%s, format=(string)%s, width=(int)%" PRIu32 ", height=(int)%" PRIu32
                  ", interlace-mode=(string)progressive, pixel-aspect-ratio=(fraction)1/1, "
                  "framerate=(fraction)%" PRIu32 "/%" PRIu32,
                  media, info->format, info->width, info->height, info->fps_num, info->fps_den);
}

static bool set_format(struct picture_format *picture, const char *format) {
    struct shmring_frame_info *info = &picture->info;
    const char *problem = "this format is not one of GStreamer's";
    if (strlen(format) < sizeof(info->format)) {
        memcpy(info->format, format, strlen(format) + 1);
        problem = choose_rows(picture);
    }
    if (problem) {
        PyErr_Format(PyExc_ValueError, "frames of %ux%u '%s' cannot be written: %s", info->width,
                     info->height, format, problem);
        return false;
    }
    info->dts_ns = info->duration_ns = SHMRING_TIME_NONE;
    if (info->fps_num)
        info->duration_ns = (int64_t)UINT64_C(1000000000) * info->fps_den / info->fps_num;
    write_caps(picture);
    return true;
}

bool writer_arguments_parse(PyObject *args, PyObject *kwargs, struct writer_arguments *a) {
    static char *names[] = {"name",      "width", "height",  "format", "slots",
                            "framerate", "perms", "timeout", NULL};
    struct shmring_frame_info *info = &a->picture.info;
    const char *format = "BGR";
    info->fps_den = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "UO&O&|sO&O&O&O&:Writer", names, &a->name,
                                     count_from_int, &info->width, count_from_int, &info->height,
                                     &format, count_from_int, &a->options.slots,
                                     framerate_from_object, info, count_from_int, &a->options.perms,
                                     timeout_from_seconds, &a->timeout_ns) ||
        !set_format(&a->picture, format))
        return false;
    a->options.slot_size = info->size;
    return true;
}
