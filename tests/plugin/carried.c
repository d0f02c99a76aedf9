/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a ring carries beside pixels, as it comes out of a source: gaps, tags, metas, flushes. The
 * metas are written here as docs/layout.md says, byte by byte. */
#include "reading.h"

#include <string.h>

#include <gst/base/gstbasesrc.h>

static GstHarness *h;
static struct shmring_writer *writer;

/* Both within a test, since its end waits for every streaming thread. */
static void start(void) {
    h = harness_for("shmringsrc", ring, "");
    writer = writer_for(h, ring, 32);
}

static void stop(void) {
    stop_reading(h, writer);
}

static GstBuffer *carry(struct shmring_frame_info info) {
    publish(writer, &info, 0);
    return gst_harness_pull(h);
}

/* ---- Gaps --------------------------------------------------------------------------------------
 */

static struct shmring_frame_info gap_info(void) {
    struct shmring_frame_info info = gray_info();

    info.planes = 0;
    info.size = 0;
    info.flags = SHMRING_FRAME_GAP;
    info.pts_ns = info.clock_ns = 2 * GST_SECOND;
    info.duration_ns = GST_SECOND;
    return info;
}

GST_START_TEST(test_gap) {
    struct shmring_frame_info gap = gap_info();
    GstClockTime time, duration;
    GstEvent *event;

    start();
    gst_buffer_unref(carry(gray_info()));
    publish(writer, &gap, 0);
    event = pull_event(h, GST_EVENT_GAP);
    gst_event_parse_gap(event, &time, &duration);
    assert_equals_uint64(time, 2 * GST_SECOND);
    assert_equals_uint64(duration, GST_SECOND);
    gst_event_unref(event);
    gst_buffer_unref(carry(gray_info()));
    assert_equals_int(gst_harness_buffers_received(h), 2);
    stop();
}
GST_END_TEST;

/* There is no segment that it could be in. */
GST_START_TEST(test_gap_first) {
    struct shmring_frame_info gap = gap_info();

    start();
    publish(writer, &gap, 0);
    gst_buffer_unref(carry(gray_info()));
    assert_equals_int(gst_harness_buffers_received(h), 1);
    stop();
}
GST_END_TEST;

/* A picture that says of itself that it shows nothing new stays a picture. */
GST_START_TEST(test_picture_with_gap_flag) {
    struct shmring_frame_info info = gray_info();
    GstBuffer *buffer;

    start();
    info.flags = SHMRING_FRAME_GAP;
    buffer = carry(info);
    fail_unless(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP));
    assert_equals_int(gst_buffer_get_size(buffer), 32);
    gst_buffer_unref(buffer);
    stop();
}
GST_END_TEST;

/* ---- Tags --------------------------------------------------------------------------------------
 */

static void put(GByteArray *block, guint32 type, gconstpointer payload, guint32 size) {
    static const guint8 zeros[8];

    g_byte_array_append(block, (const guint8 *)&type, 4);
    g_byte_array_append(block, (const guint8 *)&size, 4);
    g_byte_array_append(block, payload, size);
    g_byte_array_append(block, zeros, -size % 8);
}

static GstBuffer *carry_metas(struct shmring_frame_info info, GByteArray *block) {
    GstBuffer *buffer;

    info.metas = block->data;
    info.metas_size = block->len;
    buffer = carry(info);
    g_byte_array_set_size(block, 0);
    return buffer;
}

static void carry_orientation(const gchar *orientation) {
    gchar *text = g_strdup_printf("taglist, image-orientation=(string)%s;", orientation);
    GByteArray *block = g_byte_array_new();

    put(block, 4, text, (guint32)strlen(text) + 1);
    gst_buffer_unref(carry_metas(gray_info(), block));
    g_byte_array_unref(block);
    g_free(text);
}

static void assert_orientation(const gchar *expected) {
    GstEvent *event = pull_event(h, GST_EVENT_TAG);
    GstTagList *tags;
    gchar *orientation;

    gst_event_parse_tag(event, &tags);
    fail_unless(gst_tag_list_get_string(tags, GST_TAG_IMAGE_ORIENTATION, &orientation));
    assert_equals_string(orientation, expected);
    g_free(orientation);
    gst_event_unref(event);
}

GST_START_TEST(test_tags) {
    start();
    gst_buffer_unref(carry(gray_info()));
    carry_orientation("rotate-90");
    assert_orientation("rotate-90");
    /* once, not with every frame */
    carry_orientation("rotate-90");
    carry_orientation("rotate-180");
    assert_orientation("rotate-180");
    /* who begins anew is told anew */
    set_state(h->element, GST_STATE_READY);
    set_state(h->element, GST_STATE_PLAYING);
    assert_equals_int(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_OK);
    carry_orientation("rotate-180");
    assert_orientation("rotate-180");
    /* the stream has none any more: downstream must not go on turning */
    gst_buffer_unref(carry(gray_info()));
    assert_orientation("rotate-0");
    stop();
}
GST_END_TEST;

/* ---- Metas -------------------------------------------------------------------------------------
 */

static GByteArray *crop_and_region(void) {
    const guint32 crop[] = {1, 2, 5, 2};
    const guint32 numbers[] = {7, (guint32)-1, 3, 1, 4, 2};
    GByteArray *block = g_byte_array_new(), *region = g_byte_array_new();

    put(block, 1, crop, sizeof crop);
    g_byte_array_append(region, (const guint8 *)numbers, sizeof numbers);
    g_byte_array_append(region, (const guint8 *)"face", 5);
    put(block, 3, region->data, region->len);
    g_byte_array_unref(region);
    return block;
}

static void assert_crop_and_region(GstBuffer *buffer) {
    GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta(buffer);
    GstVideoRegionOfInterestMeta *region;

    fail_unless(crop != NULL);
    fail_unless(crop->x == 1 && crop->y == 2 && crop->width == 5 && crop->height == 2);
    region = gst_buffer_get_video_region_of_interest_meta_id(buffer, 7);
    fail_unless(region != NULL);
    assert_equals_string(g_quark_to_string(region->roi_type), "face");
    fail_unless(region->x == 3 && region->y == 1 && region->w == 4 && region->h == 2);
}

GST_START_TEST(test_metas) {
    GByteArray *block = crop_and_region();
    GstBuffer *buffer;

    start();
    buffer = carry_metas(gray_info(), block);
    fail_unless(is_in_place(buffer));
    assert_crop_and_region(buffer);
    gst_buffer_unref(buffer);
    g_byte_array_unref(block);
    stop();
}
GST_END_TEST;

/* Rows that downstream cannot take: the copy keeps all but the layout. */
GST_START_TEST(test_metas_of_a_copy) {
    struct shmring_frame_info info = gray_info();
    GByteArray *block = crop_and_region();
    GstBuffer *buffer;

    start();
    info.width = 6;
    info.stride[0] = 6;
    info.size = 24;
    info.frame_number = 42;
    buffer = carry_metas(info, block);
    fail_if(is_in_place(buffer));
    assert_crop_and_region(buffer);
    fail_unless(gst_buffer_get_reference_timestamp_meta(buffer, NULL) != NULL);
    assert_equals_uint64(GST_BUFFER_OFFSET(buffer), 42);
    assert_equals_uint64(stat_of(h->element, "copied"), 1);
    gst_buffer_unref(buffer);
    g_byte_array_unref(block);
    stop();
}
GST_END_TEST;

/* ---- Flushes -----------------------------------------------------------------------------------
 */

/* The first frame goes out, the next four are flushed, then comes frame 100. */
static void publish_and_flush(void) {
    struct shmring_frame_info info = gray_info();

    info.frame_number = 0;
    publish(writer, &info, 0);
    while (stat_of(h->element, "received") < 1)
        g_thread_yield();
    for (info.frame_number = 1; info.frame_number < 5; info.frame_number++)
        publish(writer, &info, 0);
    shmring_writer_flush(writer);
    info.frame_number = 100;
    publish(writer, &info, 0);
}

GST_START_TEST(test_flush) {
    GstBuffer *buffer;
    GMutex gate;

    g_mutex_init(&gate);
    g_mutex_lock(&gate);
    start();
    hold_buffers(h, &gate);
    publish_and_flush();
    g_mutex_unlock(&gate);
    assert_equals_uint64(pull_number(h), 0);
    buffer = gst_harness_pull(h);
    fail_unless(GST_BUFFER_IS_DISCONT(buffer));
    assert_equals_uint64(GST_BUFFER_OFFSET(buffer), 100);
    gst_buffer_unref(buffer);
    assert_equals_uint64(stat_of(h->element, "flushed"), 4);
    assert_equals_uint64(stat_of(h->element, "dropped"), 0);
    stop();
    g_mutex_clear(&gate);
}
GST_END_TEST;

static Suite *carried_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("carried", &tcase);

    tcase_add_test(tcase, test_gap);
    tcase_add_test(tcase, test_gap_first);
    tcase_add_test(tcase, test_picture_with_gap_flag);
    tcase_add_test(tcase, test_tags);
    tcase_add_test(tcase, test_metas);
    tcase_add_test(tcase, test_metas_of_a_copy);
    tcase_add_test(tcase, test_flush);
    return suite;
}

GST_CHECK_MAIN(carried);
