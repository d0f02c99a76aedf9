/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "campaign.h"

#include <gst/video/video.h>
#include <string.h>

#define RATE ",framerate=(fraction)500/1"
#define RAW "video/x-raw,format=(string)%s,width=(int)%d,height=(int)%d" RATE
#define OPAQUE "image/jpeg" RATE
#define MAX_OPAQUE 300000
#define MIN_OPAQUE 16

/* The largest grows this many times in a campaign: each time the ring moves to larger slots. */
#define STEPS 64

static const struct {
    const gchar *format; /* NULL: opaque, of any size */
    gint width, height;
    gint growth; /* rows a step */
} kinds[] = {
    {"GRAY8", 64, 48, 0},       {"BGR", 64, 48, 0},         {"BGR", 320, 64, 8},
    {"I420", 320, 240, 0},      {"NV12", 352, 288, 0},      {"GRAY16_LE", 128, 96, 0},
    {"BGRx", 16, 16, 0},        {"UYVY", 176, 144, 0},      {NULL, 0, 0, 0},
    {"I420_10LE", 160, 120, 0}, {"NV12_64Z32", 128, 64, 0},
};

/* splitmix64 */
guint64 campaign_random(const struct campaign *campaign, guint64 what) {
    guint64 x = campaign->seed + (what + 1) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static guint kind_of(const struct campaign *campaign, guint64 number) {
    return campaign_random(campaign, number / FRAMES_OF_RUN) % G_N_ELEMENTS(kinds);
}

GstCaps *campaign_caps(const struct campaign *campaign, guint64 number) {
    guint64 run = number / FRAMES_OF_RUN * FRAMES_OF_RUN;
    gint step = run * STEPS / MAX(campaign->frames, 1);
    guint kind = kind_of(campaign, number);
    GstCaps *caps;
    gchar *text;

    if (kinds[kind].format == NULL)
        return gst_caps_from_string(OPAQUE);
    text = g_strdup_printf(RAW, kinds[kind].format, kinds[kind].width,
                           kinds[kind].height + step * kinds[kind].growth);
    caps = gst_caps_from_string(text);
    g_free(text);
    return caps;
}

gsize campaign_size(const struct campaign *campaign, guint64 number) {
    GstCaps *caps;
    GstVideoInfo info;

    if (kinds[kind_of(campaign, number)].format == NULL)
        return MIN_OPAQUE + campaign_random(campaign, ~number) % MAX_OPAQUE;
    caps = campaign_caps(campaign, number);
    CHECK(gst_video_info_from_caps(&info, caps), "no such video");
    gst_caps_unref(caps);
    return GST_VIDEO_INFO_SIZE(&info);
}

/* 251 is a prime: what is off by any usual number of bytes shows. */
#define PERIOD 251

static const guint8 *pattern(guint64 number, gsize size) {
    static guint8 *table;
    static gsize table_size;

    if (g_once_init_enter(&table_size)) {
        gsize most = 4 * 1024 * 1024;

        table = g_malloc(most);
        for (gsize i = 0; i < most; i++)
            table[i] = i % PERIOD;
        g_once_init_leave(&table_size, most);
    }
    CHECK(size + PERIOD <= table_size, "a frame of %" G_GSIZE_FORMAT " bytes", size);
    return table + number % PERIOD;
}

void campaign_fill(GstBuffer *buffer, guint64 number) {
    GstMapInfo map;

    CHECK(gst_buffer_map(buffer, &map, GST_MAP_WRITE), "a buffer that cannot be written");
    memcpy(map.data, pattern(number, map.size), map.size);
    memcpy(map.data, &number, sizeof(number));
    gst_buffer_unmap(buffer, &map);
    GST_BUFFER_OFFSET(buffer) = number;
    GST_BUFFER_PTS(buffer) = number * 2 * GST_MSECOND;
}

void campaign_check_content(const struct campaign *campaign, GstBuffer *buffer) {
    guint64 number = GST_BUFFER_OFFSET(buffer);
    gsize head = sizeof(number);
    GstMapInfo map;

    CHECK(gst_buffer_map(buffer, &map, GST_MAP_READ), "a buffer that cannot be read");
    CHECK(map.size == campaign_size(campaign, number),
          "frame %" G_GUINT64_FORMAT " has %" G_GSIZE_FORMAT " bytes", number, map.size);
    CHECK(memcmp(map.data, &number, head) == 0,
          "frame %" G_GUINT64_FORMAT " has another one's content", number);
    CHECK(memcmp(map.data + head, pattern(number, map.size) + head, map.size - head) == 0,
          "frame %" G_GUINT64_FORMAT " is damaged", number);
    gst_buffer_unmap(buffer, &map);
}
