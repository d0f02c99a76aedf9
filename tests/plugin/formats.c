/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every format that shmringsink takes, in place and copied, as a reader in plain C has it; and caps
 * that change on the way. */
#include "writing.h"

#include <string.h>

static GstHarness *h;
static struct shmring_reader *reader;

static void start(const gchar *properties) {
    h = harness_for("shmringsink", ring, properties);
    reader = NULL;
}

static void stop(void) {
    shmring_reader_free(reader);
    gst_harness_teardown(h);
    fail_if(ring_exists(ring));
}

/* In a thread: when the ring moved, the writer waits until its reader has followed. */
static struct shmring_frame *carry(GstBuffer *buffer) {
    GThread *thread = push_in_thread(h, buffer);
    struct shmring_frame *frame = take_frame(reader);

    assert_equals_int(FLOW_OF(thread), GST_FLOW_OK);
    return frame;
}

static void set_caps(const gchar *caps) {
    gst_harness_set_src_caps_str(h, caps);
    if (reader == NULL)
        reader = attach_reader(ring);
}

/* ---- Raw video ---------------------------------------------------------------------------- */

/* The frame as a buffer, as its header says it lies. */
static GstBuffer *to_buffer(const struct shmring_frame *frame, const GstVideoInfo *info) {
    GstBuffer *buffer = gst_buffer_new_memdup(frame->data, frame->info.size);
    gsize offset[GST_VIDEO_MAX_PLANES];
    gint stride[GST_VIDEO_MAX_PLANES];

    if (frame->info.planes == 0)
        return buffer;
    for (guint i = 0; i < frame->info.planes; i++) {
        offset[i] = frame->info.offset[i];
        stride[i] = frame->info.stride[i];
    }
    gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT(info),
                                   frame->info.width, frame->info.height, frame->info.planes,
                                   offset, stride);
    return buffer;
}

/* Tiles are no rows of pixels: byte for byte. */
static void expect_tiles(struct shmring_frame *frame, const gchar *caps, guint8 seed) {
    GstBuffer *buffer = make_picture(caps, seed);

    fail_unless(gst_buffer_memcmp(buffer, 0, frame->data, gst_buffer_get_size(buffer)) == 0);
    gst_buffer_unref(buffer);
}

/* Nor is a palette. */
static void expect_palette(struct shmring_frame *frame, guint8 seed) {
    const guint8 *data = frame->data;

    for (guint row = 0; row < frame->info.height; row++)
        for (guint x = 0; x < frame->info.width; x++) {
            gsize place = (gsize)frame->info.stride[0] * row + x;

            fail_unless(data[frame->info.offset[0] + place] == picture_byte(place, seed));
        }
    for (gsize i = frame->info.offset[1]; i < frame->info.offset[1] + 1024; i++)
        fail_unless(data[i] == picture_byte(i, seed));
}

static void expect_content(struct shmring_frame *frame, const GstVideoInfo *info, const gchar *caps,
                           guint8 seed) {
    GstBuffer *buffer;

    if (GST_VIDEO_FORMAT_INFO_IS_TILED(info->finfo)) {
        expect_tiles(frame, caps, seed);
    } else if (GST_VIDEO_FORMAT_INFO_HAS_PALETTE(info->finfo)) {
        expect_palette(frame, seed);
    } else {
        buffer = to_buffer(frame, info);
        assert_picture(buffer, caps, seed);
        gst_buffer_unref(buffer);
    }
}

static void expect_picture(struct shmring_frame *frame, const gchar *text, guint8 seed) {
    GstCaps *caps = gst_caps_from_string(text), *told = gst_caps_from_string(frame->info.caps);
    GstVideoInfo info;

    fail_unless(gst_video_info_from_caps(&info, caps));
    fail_unless(gst_caps_is_subset(told, caps));
    assert_equals_string(frame->info.format, GST_VIDEO_INFO_NAME(&info));
    assert_equals_int(frame->info.width, GST_VIDEO_INFO_WIDTH(&info));
    assert_equals_int(frame->info.channels, GST_VIDEO_INFO_N_COMPONENTS(&info));
    expect_content(frame, &info, text, seed);
    gst_caps_unref(told);
    gst_caps_unref(caps);
    shmring_frame_release(frame);
}

static void crosses(const gchar *caps) {
    GstBufferPool *pool;
    GstBuffer *buffer;

    start("caps=video/x-raw");
    set_caps(caps);
    expect_picture(carry(make_picture(caps, 1)), caps, 1);
    pool = active_pool(h, caps);
    buffer = acquire(pool);
    fail_unless(is_slot(buffer));
    paint(buffer, 2);
    expect_picture(carry(buffer), caps, 2);
    assert_equals_uint64(count_of(h->element, "in-place"), 1);
    gst_buffer_pool_set_active(pool, FALSE);
    gst_object_unref(pool);
    stop();
}

static void format_crosses(GstVideoFormat format) {
    const GstVideoFormatInfo *info = gst_video_format_get_info(format);

    for (gint width = 641; width <= 643; width++) {
        gchar *caps = g_strdup_printf("video/x-raw,format=%s,width=%d,height=7,framerate=25/1",
                                      GST_VIDEO_FORMAT_INFO_NAME(info), width);

        crosses(caps);
        g_free(caps);
    }
}

/* One test a format. */
GST_START_TEST(test_format) {
    GstVideoFormat format = __i__;

    /* some have no pixels of their own, as DMA_DRM */
    if (GST_VIDEO_FORMAT_INFO_N_PLANES(gst_video_format_get_info(format)) > 0)
        format_crosses(format);
}
GST_END_TEST;

static gint count_formats(void) {
    GEnumClass *formats = g_type_class_ref(GST_TYPE_VIDEO_FORMAT);
    gint count = formats->maximum + 1;

    g_type_class_unref(formats);
    return count;
}

GST_START_TEST(test_fields) {
    const gchar *caps = "video/x-raw(format:Interlaced),format=GRAY8,width=8,height=8,"
                        "interlace-mode=alternate,framerate=25/1";
    struct shmring_frame *frame;

    start("caps=ANY");
    set_caps(caps);
    frame = carry(gst_buffer_new_wrapped(g_malloc0(32), 32));
    /* a buffer has one field of a frame of eight rows */
    assert_equals_int(frame->info.height, 4);
    assert_equals_uint64(frame->info.size, 32);
    shmring_frame_release(frame);
    stop();
}
GST_END_TEST;

/* ---- Bayer -------------------------------------------------------------------------------- */

static void bayer_crosses(const gchar *format, gint width, gsize row, gint stride) {
    gchar *caps =
        g_strdup_printf("video/x-bayer,format=%s,width=%d,height=6,framerate=25/1", format, width);
    struct shmring_frame *frame;
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, row * 6, NULL);

    start("caps=video/x-bayer");
    set_caps(caps);
    paint(buffer, 4);
    frame = carry(buffer);
    assert_equals_int(frame->info.planes, stride != 0);
    assert_equals_int(frame->info.stride[0] * (stride != 0), stride);
    assert_equals_int(frame->info.width, stride != 0 ? width : 0);
    assert_equals_string(frame->info.format, stride != 0 ? format : "");
    assert_equals_uint64(frame->info.size, row * 6);
    assert_equals_int(((const guint8 *)frame->data)[row], picture_byte(row, 4));
    shmring_frame_release(frame);
    stop();
    g_free(caps);
}

GST_START_TEST(test_bayer) {
    bayer_crosses("bggr", 640, 640, 640);
    bayer_crosses("rggb", 641, 644, 644);
    bayer_crosses("grbg10le", 641, 1284, 1284);
    /* tight rows, which the format does not have: bytes without a picture */
    bayer_crosses("gbrg", 641, 641, 0);
}
GST_END_TEST;

/* ---- Opaque data -------------------------------------------------------------------------- */

GST_START_TEST(test_opaque) {
    static const gchar *caps[] = {
        "video/x-h264,stream-format=byte-stream,alignment=au,framerate=30/1", "image/jpeg",
        "audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved"};

    for (gsize i = 0; i < G_N_ELEMENTS(caps); i++) {
        GstBuffer *buffer = gst_buffer_new_allocate(NULL, 5 + i, NULL);
        struct shmring_frame *frame;

        start("caps=ANY");
        set_caps(caps[i]);
        paint(buffer, 9);
        GST_BUFFER_PTS(buffer) = 3 * GST_SECOND;
        GST_BUFFER_DTS(buffer) = 2 * GST_SECOND;
        GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT | GST_BUFFER_FLAG_HEADER);
        frame = carry(buffer);
        assert_equals_int(frame->info.flags,
                          SHMRING_FRAME_DISCONT | SHMRING_FRAME_DELTA | SHMRING_FRAME_HEADER);
        assert_equals_int64(frame->info.pts_ns, 3 * GST_SECOND);
        assert_equals_int64(frame->info.dts_ns, 2 * GST_SECOND);
        assert_equals_uint64(frame->info.size, 5 + i);
        /* demuxers (qtdemux) would take a count for a place in their bytes */
        assert_equals_uint64(frame->info.frame_number, SHMRING_NUMBER_NONE);
        assert_equals_int(frame->info.width + frame->info.planes + frame->info.channels, 0);
        assert_equals_string(frame->info.format, "");
        assert_equals_int(((const guint8 *)frame->data)[4], picture_byte(4, 9));
        assert_equals_int(frame->info.fps_num, i == 0 ? 30 : 0);
        shmring_frame_release(frame);
        stop();
    }
}
GST_END_TEST;

/* ---- Changes ------------------------------------------------------------------------------ */

GST_START_TEST(test_sizes) {
    static const gint widths[] = {64, 8, 640, 640, 12, 1920, 64};

    start("caps=video/x-raw");
    for (guint i = 0; i < 5 * G_N_ELEMENTS(widths); i++) {
        gchar *caps = g_strdup_printf("video/x-raw,format=%s,width=%d,height=16,framerate=25/1",
                                      i % 2 ? "BGR" : "NV12", widths[i % G_N_ELEMENTS(widths)]);
        struct shmring_frame *frame;

        set_caps(caps);
        frame = carry(make_picture(caps, (guint8)i));
        assert_equals_uint64(frame->info.seq, i + 1);
        expect_picture(frame, caps, (guint8)i);
        g_free(caps);
    }
    stop();
}
GST_END_TEST;

/* The property may change while frames flow: upstream is asked to negotiate again. */
GST_START_TEST(test_other_caps) {
    gchar *text = g_strdup_printf("videotestsrc ! videoconvert ! shmringsink name=%s", ring);
    GstElement *pipeline = gst_parse_launch(text, NULL);
    GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), ring);
    GstCaps *caps = gst_caps_from_string("video/x-raw,format=RGBA");
    struct shmring_frame *frame = NULL;

    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    reader = attach_reader(ring);
    frame = take_frame(reader);
    assert_equals_string(frame->info.format, "BGR");
    g_object_set(sink, "caps", caps, NULL);
    while (strcmp(frame->info.format, "RGBA") != 0) {
        shmring_frame_release(frame);
        frame = take_frame(reader);
    }
    assert_equals_uint64(frame->info.size, 4 * 320 * 240);
    shmring_frame_release(frame);
    stop_pipeline(pipeline);
    shmring_reader_free(reader);
    gst_caps_unref(caps);
    gst_object_unref(sink);
    g_free(text);
}
GST_END_TEST;

static Suite *formats_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("formats", &tcase);

    tcase_add_loop_test(tcase, test_format, GST_VIDEO_FORMAT_ENCODED, count_formats());
    tcase_add_test(tcase, test_fields);
    tcase_add_test(tcase, test_bayer);
    tcase_add_test(tcase, test_opaque);
    tcase_add_test(tcase, test_sizes);
    tcase_add_test(tcase, test_other_caps);
    return suite;
}

GST_CHECK_MAIN(formats);
