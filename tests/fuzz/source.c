/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a frame says of itself, its caps and its metas of any bytes, through shmringsrc, to who
 * reads its buffers as their caps and metas say. After each comes a frame that tells no lie. */
#include <gst/audio/audio.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <unistd.h>

#include "element.h"
#include "shmring.h"

#define SLOT_SIZE 4096
#define HONEST UINT64_C(0x686f6e6573740000)

static struct {
    struct shmring_writer *writer;
    GstHarness *harness;
    uint64_t honest;
} ring;

/* ---- Who reads ---- */

static void look_at_bytes(GstBuffer *buffer) {
    GstMapInfo map;
    REQUIRE(gst_buffer_map(buffer, &map, GST_MAP_READ));
    touch(map.data, map.size);
    gst_buffer_unmap(buffer, &map);
}

static void look_at_component(const GstVideoFrame *frame, guint component) {
    const guint8 *row = GST_VIDEO_FRAME_COMP_DATA(frame, component);
    gint height = GST_VIDEO_FRAME_COMP_HEIGHT(frame, component);
    gsize width = (gsize)GST_VIDEO_FRAME_COMP_WIDTH(frame, component);
    gsize last = (width - 1) * (gsize)GST_VIDEO_FRAME_COMP_PSTRIDE(frame, component) + 1;
    for (gint i = 0; i < height; i++)
        touch(row + (gssize)i * GST_VIDEO_FRAME_COMP_STRIDE(frame, component), last);
}

static void look_at_picture(GstBuffer *buffer, GstCaps *caps) {
    GstVideoInfo info;
    GstVideoFrame frame;
    if (!gst_video_info_from_caps(&info, caps) || !GST_VIDEO_INFO_N_COMPONENTS(&info))
        return;
    REQUIRE(gst_video_frame_map(&frame, &info, buffer, GST_MAP_READ));
    for (guint i = 0; i < GST_VIDEO_FRAME_N_COMPONENTS(&frame); i++)
        look_at_component(&frame, i);
    gst_video_frame_unmap(&frame);
}

static void look_at_sound(GstBuffer *buffer, GstCaps *caps) {
    GstAudioInfo info;
    GstAudioBuffer sound;
    if (!gst_buffer_get_audio_meta(buffer) || !gst_audio_info_from_caps(&info, caps))
        return;
    REQUIRE(gst_audio_buffer_map(&sound, &info, buffer, GST_MAP_READ));
    for (gint i = 0; i < GST_AUDIO_BUFFER_N_PLANES(&sound); i++)
        touch(GST_AUDIO_BUFFER_PLANE_DATA(&sound, i), GST_AUDIO_BUFFER_PLANE_SIZE(&sound));
    gst_audio_buffer_unmap(&sound);
}

static void look_at_region(GstVideoRegionOfInterestMeta *meta) {
    for (GList *at = meta->params; at; at = at->next)
        g_free(gst_structure_to_string(at->data));
}

static gboolean look_at_meta(GstBuffer *buffer, GstMeta **meta, gpointer unused) {
    GType api = (*meta)->info->api;
    if (api == GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)
        look_at_region((GstVideoRegionOfInterestMeta *)*meta);
    else if (api == GST_VIDEO_CAPTION_META_API_TYPE)
        touch(((GstVideoCaptionMeta *)*meta)->data, ((GstVideoCaptionMeta *)*meta)->size);
    else if (api == GST_REFERENCE_TIMESTAMP_META_API_TYPE)
        g_free(gst_caps_to_string(((GstReferenceTimestampMeta *)*meta)->reference));
    return TRUE;
}

/* Of the streaming thread: the caps are those of this buffer. */
static GstPadProbeReturn look_at(GstPad *pad, GstPadProbeInfo *probe, gpointer unused) {
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(probe);
    GstCaps *caps = gst_pad_get_current_caps(pad);
    REQUIRE(caps && gst_caps_is_fixed(caps));
    look_at_bytes(buffer);
    look_at_picture(buffer, caps);
    look_at_sound(buffer, caps);
    gst_buffer_foreach_meta(buffer, look_at_meta, NULL);
    gst_caps_unref(caps);
    return GST_PAD_PROBE_OK;
}

/* ---- The ring ---- */

static void end(void) {
    gst_harness_teardown(ring.harness);
    shmring_writer_close(ring.writer);
}

static void open_ring(const char *name) {
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    options.slot_size = SLOT_SIZE;
    REQUIRE(shmring_writer_open(name, &options, &ring.writer, NULL) == 0);
}

static void open_source(const char *name) {
    GstElement *source = element_new();
    g_object_set(source, "ring-name", name, NULL);
    ring.harness = gst_harness_new_with_element(source, NULL, "src");
    gst_harness_use_systemclock(ring.harness);
    gst_pad_add_probe(ring.harness->sinkpad, GST_PAD_PROBE_TYPE_BUFFER, look_at, NULL, NULL);
    gst_object_unref(source);
    gst_harness_play(ring.harness);
}

static void begin(void) {
    char name[64];
    if (ring.writer)
        return;
    snprintf(name, sizeof name, "fuzz-source-%d", (int)getpid());
    open_ring(name);
    open_source(name);
    REQUIRE(shmring_writer_wait_reader(ring.writer, SHMRING_FOREVER) == SHMRING_OK);
    atexit(end);
}

static void publish(const struct shmring_frame_info *info) {
    struct shmring_slot slot;
    REQUIRE(shmring_writer_loan(ring.writer, SHMRING_LOAN_FILL, SHMRING_FOREVER, &slot, NULL) ==
            SHMRING_OK);
    shmring_writer_publish(ring.writer, &slot, info, NULL, NULL);
    shmring_slot_return(&slot);
}

/* ---- The lie ---- */

static struct shmring_frame_info numbers_of(struct input *in) {
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    input_bytes(in, info.format, sizeof info.format - 1);
    info.width = (uint32_t)input_near(in, 8);
    info.height = (uint32_t)input_near(in, 8);
    info.channels = input_byte(in) % 6;
    info.flags = (uint32_t)input_number(in, 4);
    info.planes = input_byte(in) % 6;
    info.size = input_near(in, 64);
    for (unsigned plane = 0; plane < SHMRING_MAX_PLANES; plane++) {
        info.stride[plane] = (int32_t)input_near(in, 8);
        info.offset[plane] = input_near(in, 0);
    }
    info.pts_ns = (int64_t)input_near(in, 0);
    info.dts_ns = (int64_t)input_near(in, 0);
    info.duration_ns = (int64_t)input_near(in, 40000000);
    info.clock_ns = (int64_t)input_near(in, (uint64_t)SHMRING_TIME_NONE);
    info.timestamp_ns = (int64_t)input_near(in, 0);
    info.frame_number = input_near(in, 0);
    info.frame_number_end = input_near(in, 0);
    info.fps_num = (uint32_t)input_near(in, 25);
    info.fps_den = (uint32_t)input_near(in, 1);
    return info;
}

/* Text up to a 0, then metas. */
static void publish_lie(struct input *in) {
    struct shmring_frame_info info = numbers_of(in);
    size_t length = in->left ? strnlen((const char *)in->at, in->left) : 0;
    char *caps = g_strndup((const char *)in->at, length);
    in->at += length < in->left ? length + 1 : length;
    in->left -= length < in->left ? length + 1 : length;
    info.caps = length ? caps : NULL;
    info.metas = in->left ? in->at : NULL;
    info.metas_size = in->left;
    publish(&info);
    g_free(caps);
}

static void publish_truth(void) {
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.size = 64;
    info.caps = "application/x-honest";
    info.frame_number = HONEST + ++ring.honest;
    publish(&info);
}

static void pull_to_truth(void) {
    GstBuffer *buffer;
    GstEvent *event;
    gboolean found = FALSE;
    while (!found) {
        buffer = gst_harness_pull(ring.harness);
        REQUIRE(buffer);
        found = GST_BUFFER_OFFSET(buffer) == HONEST + ring.honest;
        gst_buffer_unref(buffer);
    }
    while ((event = gst_harness_try_pull_event(ring.harness)))
        gst_event_unref(event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, size};
    begin();
    publish_lie(&in);
    publish_truth();
    pull_to_truth();
    return 0;
}
