/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The block of metas in a frame's header, written and read, and read from any bytes. */
#include "writing.h"

#include <gst/video/gstvideoaffinetransformationmeta.h>
#include <string.h>

#include "gstshmringmeta.h"

#define GRAY "video/x-raw,format=GRAY8,width=80,height=40,framerate=25/1"

static GstVideoInfo video;
static GByteArray *block;

static void setup(void) {
    block = g_byte_array_new();
    gst_video_info_set_format(&video, GST_VIDEO_FORMAT_GRAY8, 80, 40);
}

static void teardown(void) {
    g_byte_array_unref(block);
}

static GstBuffer *read_back(void) {
    GstBuffer *buffer = gst_buffer_new();

    gst_shm_ring_meta_read(buffer, block->data, block->len, &video);
    return buffer;
}

GST_START_TEST(test_crop) {
    const guint32 bytes[] = {1, 16, 3, 4, 50, 30};
    GstBuffer *buffer = gst_buffer_new();
    GstVideoCropMeta *meta = gst_buffer_add_video_crop_meta(buffer);

    meta->x = 3;
    meta->y = 4;
    meta->width = 50;
    meta->height = 30;
    assert_equals_int(gst_shm_ring_meta_write(block, buffer), 0);
    gst_buffer_unref(buffer);
    assert_equals_int(block->len, sizeof bytes);
    fail_unless(memcmp(block->data, bytes, sizeof bytes) == 0);
    buffer = read_back();
    meta = gst_buffer_get_video_crop_meta(buffer);
    fail_unless(meta->x == 3 && meta->y == 4 && meta->width == 50 && meta->height == 30);
    gst_buffer_unref(buffer);
}
GST_END_TEST;

GST_START_TEST(test_crop_beyond_picture) {
    const guint32 lies[][6] = {{1, 16, 31, 0, 50, 40},
                               {1, 16, 0, 1, 80, 40},
                               {1, 16, 80, 0, 0xffffffff, 40},
                               {1, 15, 0, 0, 8, 8}};

    for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
        GstBuffer *buffer;

        g_byte_array_set_size(block, 0);
        g_byte_array_append(block, (const guint8 *)lies[i], sizeof lies[i]);
        buffer = read_back();
        fail_unless(gst_buffer_get_video_crop_meta(buffer) == NULL);
        gst_buffer_unref(buffer);
    }
}
GST_END_TEST;

GST_START_TEST(test_transformation) {
    GstBuffer *buffer = gst_buffer_new();
    GstVideoAffineTransformationMeta *meta =
        gst_buffer_add_video_affine_transformation_meta(buffer);

    for (gint i = 0; i < 16; i++)
        meta->matrix[i] = (gfloat)i / 4;
    assert_equals_int(gst_shm_ring_meta_write(block, buffer), 0);
    gst_buffer_unref(buffer);
    buffer = read_back();
    meta = gst_buffer_get_video_affine_transformation_meta(buffer);
    for (gint i = 0; i < 16; i++)
        fail_unless(meta->matrix[i] == (gfloat)i / 4);
    gst_buffer_unref(buffer);
}
GST_END_TEST;

static void add_region(GstBuffer *buffer, const gchar *type, gint id, gdouble confidence) {
    GstVideoRegionOfInterestMeta *meta =
        gst_buffer_add_video_region_of_interest_meta(buffer, type, 1, 2, 3, 4);

    meta->id = id;
    meta->parent_id = id - 1;
    gst_video_region_of_interest_meta_add_param(
        meta, gst_structure_new("detection", "confidence", G_TYPE_DOUBLE, confidence, "label",
                                G_TYPE_STRING, "a, \"quoted\"; label", NULL));
}

static void expect_region(GstBuffer *buffer, const gchar *type, gint id, gdouble confidence) {
    GstVideoRegionOfInterestMeta *meta =
        gst_buffer_get_video_region_of_interest_meta_id(buffer, id);
    GstStructure *param;
    gdouble got;

    fail_unless(meta != NULL);
    assert_equals_string(g_quark_to_string(meta->roi_type), type);
    assert_equals_int(meta->parent_id, id - 1);
    fail_unless(meta->x == 1 && meta->y == 2 && meta->w == 3 && meta->h == 4);
    param = gst_video_region_of_interest_meta_get_param(meta, "detection");
    fail_unless(gst_structure_get_double(param, "confidence", &got) && got == confidence);
    assert_equals_string(gst_structure_get_string(param, "label"), "a, \"quoted\"; label");
}

GST_START_TEST(test_regions) {
    GstBuffer *buffer = gst_buffer_new();

    add_region(buffer, "face", 5, 0.5);
    add_region(buffer, "hand", 6, 0.25);
    assert_equals_int(gst_shm_ring_meta_write(block, buffer), 0);
    gst_buffer_unref(buffer);
    buffer = read_back();
    expect_region(buffer, "face", 5, 0.5);
    expect_region(buffer, "hand", 6, 0.25);
    gst_buffer_unref(buffer);
}
GST_END_TEST;

GST_START_TEST(test_tags) {
    GstTagList *tags =
        gst_tag_list_new_from_string("taglist, image-orientation=rotate-180, title=(string)a");
    gchar *orientation;

    fail_unless(gst_shm_ring_meta_read_tags(NULL, 0) == NULL);
    gst_shm_ring_meta_write_tags(block, tags);
    gst_tag_list_unref(tags);
    tags = gst_shm_ring_meta_read_tags(block->data, block->len);
    assert_equals_int(gst_tag_list_n_tags(tags), 1);
    fail_unless(gst_tag_list_get_string(tags, GST_TAG_IMAGE_ORIENTATION, &orientation));
    assert_equals_string(orientation, "rotate-180");
    g_free(orientation);
    gst_tag_list_unref(tags);
}
GST_END_TEST;

/* The header's own are not counted as left out, unknown ones are. */
GST_START_TEST(test_unknown) {
    GstBuffer *buffer = gst_buffer_new(), *other = gst_buffer_new();
    GstCaps *capture = gst_caps_new_empty_simple("timestamp/x-unix");
    GstCaps *ntp = gst_caps_new_empty_simple("timestamp/x-ntp");

    gst_buffer_add_parent_buffer_meta(buffer, other);
    gst_buffer_add_video_meta(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, 80, 40);
    gst_buffer_add_reference_timestamp_meta(buffer, capture, 5, GST_CLOCK_TIME_NONE);
    assert_equals_int(gst_shm_ring_meta_write(block, buffer), 0);
    gst_buffer_add_reference_timestamp_meta(buffer, ntp, 5, GST_CLOCK_TIME_NONE);
    assert_equals_int(gst_shm_ring_meta_write(block, buffer), 1);
    assert_equals_int(block->len, 0);
    gst_caps_unref(capture);
    gst_caps_unref(ntp);
    gst_buffer_unref(other);
    gst_buffer_unref(buffer);
}
GST_END_TEST;

GST_START_TEST(test_limit) {
    GstBuffer *buffer = gst_buffer_new();
    guint left_out;

    for (gint i = 0; i < 500; i++)
        add_region(buffer, "face", i, 1);
    left_out = gst_shm_ring_meta_write(block, buffer);
    gst_buffer_unref(buffer);
    fail_unless(left_out > 0 && left_out < 500);
    fail_unless(block->len <= 16384);
    buffer = read_back();
    assert_equals_int(gst_buffer_get_n_meta(buffer, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE),
                      500 - left_out);
    gst_buffer_unref(buffer);
}
GST_END_TEST;

/* Whatever the bytes, in memory that ends where they end. */
static void read_bytes(const guint8 *bytes, gsize size) {
    GstBuffer *buffer = gst_buffer_new();
    guint8 *exact = g_memdup2(bytes, size);
    GstTagList *tags;

    gst_shm_ring_meta_read(buffer, exact, size, &video);
    tags = gst_shm_ring_meta_read_tags(exact, size);
    if (tags != NULL)
        gst_tag_list_unref(tags);
    gst_buffer_unref(buffer);
    g_free(exact);
}

GST_START_TEST(test_any_bytes) {
    GRand *rand = g_rand_new_with_seed(1);
    GstBuffer *buffer = gst_buffer_new();

    gst_buffer_add_video_crop_meta(buffer);
    add_region(buffer, "face", 1, 0.5);
    gst_buffer_add_video_affine_transformation_meta(buffer);
    gst_shm_ring_meta_write(block, buffer);
    gst_buffer_unref(buffer);
    for (gsize size = 0; size <= block->len; size++)
        read_bytes(block->data, size);
    for (gint i = 0; i < 20000; i++) {
        gsize place = g_rand_int_range(rand, 0, block->len);
        guint8 was = block->data[place];

        block->data[place] = g_rand_int_range(rand, 0, 256);
        read_bytes(block->data, block->len);
        if (i % 3 != 0)
            block->data[place] = was;
    }
    g_rand_free(rand);
}
GST_END_TEST;

/* ---- Through the sink --------------------------------------------------------------------- */

GST_START_TEST(test_in_header) {
    gchar *ring = unique_ring("metas");
    GstHarness *h = harness_for("shmringsink", ring, "");
    GstBuffer *buffer = make_picture(GRAY, 0);
    GstCaps *ntp = gst_caps_new_empty_simple("timestamp/x-ntp");
    struct shmring_reader *reader;
    struct shmring_frame *frame;
    GThread *thread;

    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    gst_buffer_add_reference_timestamp_meta(buffer, ntp, 5, GST_CLOCK_TIME_NONE);
    for (gint i = 0; i < 100; i++)
        add_region(buffer, "face", i, 0.5);
    /* more than a header of one page holds: the ring moves, the frame is not lost */
    thread = push_in_thread(h, buffer);
    frame = take_frame(reader);
    assert_equals_int(FLOW_OF(thread), GST_FLOW_OK);
    buffer = gst_buffer_new();
    gst_shm_ring_meta_read(buffer, frame->info.metas, frame->info.metas_size, &video);
    expect_region(buffer, "face", 99, 0.5);
    assert_equals_uint64(count_of(h->element, "dropped-metas"), 1);
    gst_buffer_unref(buffer);
    shmring_frame_release(frame);
    gst_caps_unref(ntp);
    shmring_reader_free(reader);
    gst_harness_teardown(h);
    fail_if(ring_exists(ring));
    g_free(ring);
}
GST_END_TEST;

static Suite *metas_suite(void) {
    Suite *suite = suite_create("metas");
    TCase *tcase = tcase_create("block");

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_crop);
    tcase_add_test(tcase, test_crop_beyond_picture);
    tcase_add_test(tcase, test_transformation);
    tcase_add_test(tcase, test_regions);
    tcase_add_test(tcase, test_tags);
    tcase_add_test(tcase, test_unknown);
    tcase_add_test(tcase, test_limit);
    tcase_add_test(tcase, test_any_bytes);
    tcase_add_test(tcase, test_in_header);
    return suite;
}

GST_CHECK_MAIN(metas);
