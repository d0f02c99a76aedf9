/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every kind of caps comes out of a source as it went into the ring, and every change of them
 * before the frame that it is for. */
#include "reading.h"

#include <string.h>

static void publish_caps(struct shmring_writer *writer, const gchar *caps, gsize size) {
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;

    info.caps = caps;
    info.size = size;
    publish(writer, &info, 1);
}

static void assert_bytes(GstBuffer *buffer, gsize size) {
    gsize same = 0;
    GstMapInfo map;

    fail_unless(gst_buffer_map(buffer, &map, GST_MAP_READ));
    assert_equals_int(map.size, size);
    while (same < size && map.data[same] == picture_byte(same, 1))
        same++;
    assert_equals_int(same, size);
    gst_buffer_unmap(buffer, &map);
    gst_buffer_unref(buffer);
}

static void carry(GstHarness *h, struct shmring_writer *writer, const gchar *caps, gsize size) {
    publish_caps(writer, caps, size);
    assert_bytes(gst_harness_pull(h), size);
    assert_caps(h, caps);
}

/* ---- Raw video ---------------------------------------------------------------------------------
 */

static void carry_format(GstHarness *h, struct shmring_writer *writer, GstVideoFormat format,
                         guint width) {
    GstVideoInfo video;
    GstCaps *caps;
    gchar *text;

    fail_unless(gst_video_info_set_format(&video, format, width, 6));
    caps = gst_video_info_to_caps(&video);
    text = gst_caps_to_string(caps);
    carry(h, writer, text, GST_VIDEO_INFO_SIZE(&video));
    g_free(text);
    gst_caps_unref(caps);
}

static void carry_formats(gboolean takes_meta) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer;
    guint count;
    const GstVideoFormat *formats = gst_video_formats_raw(&count);

    if (takes_meta)
        gst_harness_add_propose_allocation_meta(h, GST_VIDEO_META_API_TYPE, NULL);
    writer = writer_for(h, ring, 1 << 20);
    fail_unless(count > 80);
    for (guint i = 0; i < count; i++) {
        for (guint width = 641; width <= 643; width++)
            carry_format(h, writer, formats[i], width);
    }
    stop_reading(h, writer);
}

GST_START_TEST(test_every_format) {
    carry_formats(FALSE);
}
GST_END_TEST;

GST_START_TEST(test_every_format_with_meta) {
    carry_formats(TRUE);
}
GST_END_TEST;

/* ---- Other caps --------------------------------------------------------------------------------
 */

GST_START_TEST(test_opaque) {
    static const gchar *caps[] = {
        "video/x-bayer, format=(string)bggr, width=(int)641, height=(int)4, "
        "framerate=(fraction)30/1",
        "video/x-h264, stream-format=(string)avc, alignment=(string)au, codec_data=(buffer)0142",
        "image/jpeg, width=(int)640, height=(int)480",
        "audio/x-raw, format=(string)S16LE, layout=(string)interleaved, rate=(int)48000, "
        "channels=(int)2",
        "video/x-raw, format=(string)ENCODED",
        "application/x-of-nobody",
    };
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 4000);

    for (gsize i = 0; i < G_N_ELEMENTS(caps); i++)
        carry(h, writer, caps[i], 3000 + i);
    stop_reading(h, writer);
}
GST_END_TEST;

/* Buffers of no bytes at all are not gaps. */
GST_START_TEST(test_empty) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 32);

    carry(h, writer, "application/x-of-nobody", 0);
    stop_reading(h, writer);
}
GST_END_TEST;

/* ---- Changes -----------------------------------------------------------------------------------
 */

/* What passes, in its order: "c" for caps, "b" for a buffer. */
static GstPadProbeReturn note(GstPad *pad, GstPadProbeInfo *info, gpointer order) {
    if (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER)
        g_string_append_c(order, 'b');
    else if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_CAPS)
        g_string_append_c(order, 'c');
    return GST_PAD_PROBE_OK;
}

GST_START_TEST(test_changes_in_order) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    GstPad *pad = gst_element_get_static_pad(h->element, "src");
    GString *order = g_string_new(NULL);
    struct shmring_writer *writer;

    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, note,
                      order, NULL);
    writer = writer_for(h, ring, 32);
    publish_caps(writer, "a/x", 32);
    publish_caps(writer, "a/x", 32);
    publish_caps(writer, "b/x", 32);
    /* the same, written differently */
    publish_caps(writer, "b/x;", 32);
    publish_caps(writer, "a/x", 32);
    shmring_writer_end(writer);
    gst_event_unref(pull_event(h, GST_EVENT_EOS));
    assert_equals_string(order->str, "cbbcbbcb");
    g_string_free(order, TRUE);
    gst_object_unref(pad);
    stop_reading(h, writer);
}
GST_END_TEST;

/* Larger frames move the ring to another segment. */
GST_START_TEST(test_change_to_larger) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 32);

    carry(h, writer, "a/x", 32);
    assert_equals_int(shmring_writer_resize(writer, 8, 100000, 4096, NULL), SHMRING_OK);
    carry(h, writer, "b/x", 100000);
    carry(h, writer, "a/x", 5);
    assert_equals_uint64(stat_of(h->element, "dropped"), 0);
    stop_reading(h, writer);
}
GST_END_TEST;

static Suite *caps_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("caps", &tcase);

    tcase_add_test(tcase, test_every_format);
    tcase_add_test(tcase, test_every_format_with_meta);
    tcase_add_test(tcase, test_opaque);
    tcase_add_test(tcase, test_empty);
    tcase_add_test(tcase, test_changes_in_order);
    tcase_add_test(tcase, test_change_to_larger);
    return suite;
}

GST_CHECK_MAIN(caps);
