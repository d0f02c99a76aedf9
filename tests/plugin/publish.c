/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What shmringsink publishes where it lies, what it copies, and that nobody changes it afterwards
 * (I4). */
#include "writing.h"

static GstHarness *h;
static struct shmring_reader *reader;
static GstBufferPool *pool;

static void setup(void) {
    h = harness_for("shmringsink", ring, "");
    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    pool = active_pool(h, GRAY);
}

static void teardown(void) {
    gst_buffer_pool_set_active(pool, FALSE);
    gst_object_unref(pool);
    shmring_reader_free(reader);
    gst_harness_teardown(h);
}

static GstBuffer *painted(guint8 seed) {
    GstBuffer *buffer = acquire(pool);

    paint(buffer, seed);
    return buffer;
}

static void expect_counts(guint64 in_place, guint64 copied) {
    assert_equals_uint64(count_of(h->element, "in-place"), in_place);
    assert_equals_uint64(count_of(h->element, "copied"), copied);
}

static void expect_content(struct shmring_frame *frame, guint8 seed) {
    for (gsize i = 0; i < 32; i++)
        assert_equals_int(((const guint8 *)frame->data)[i], picture_byte(i, seed));
}

static void expect_frame(guint8 seed) {
    struct shmring_frame *frame = take_frame(reader);

    expect_content(frame, seed);
    shmring_frame_release(frame);
}

GST_START_TEST(test_kept_buffer) {
    GstBuffer *buffer = painted(1), *mine = gst_buffer_ref(buffer);
    struct shmring_frame *frame;
    GstMapInfo map;

    gst_harness_push(h, buffer);
    expect_counts(1, 0);
    frame = take_frame(reader);
    fail_unless(gst_buffer_is_writable(mine));
    /* writing goes to a copy of the memory */
    fail_unless(gst_buffer_map(mine, &map, GST_MAP_WRITE));
    map.data[0] = 99;
    gst_buffer_unmap(mine, &map);
    expect_content(frame, 1);
    shmring_frame_release(frame);
    gst_buffer_unref(mine);
}
GST_END_TEST;

/* Also when the buffer that had the memory let go of it, and when it moved to another one. */
GST_START_TEST(test_kept_memory) {
    GstBuffer *buffer = painted(2);
    GstMemory *mine = gst_buffer_get_memory(buffer, 0);
    GstMapInfo map;

    gst_harness_push(h, buffer);
    expect_counts(1, 0);
    fail_if(gst_memory_map(mine, &map, GST_MAP_WRITE));
    fail_if(gst_memory_map(mine, &map, GST_MAP_READWRITE));
    fail_unless(gst_memory_map(mine, &map, GST_MAP_READ));
    gst_memory_unmap(mine, &map);
    buffer = gst_buffer_new();
    gst_buffer_append_memory(buffer, mine);
    fail_if(gst_memory_map(mine, &map, GST_MAP_WRITE));
    gst_buffer_unref(buffer);
    expect_frame(2);
}
GST_END_TEST;

/* As libav has its frames: mapped for writing for as long as it refers to them. */
GST_START_TEST(test_mapped) {
    GstBuffer *buffer = painted(3);
    GstMemory *mine = gst_buffer_get_memory(buffer, 0);
    struct shmring_frame *frame;
    GstMapInfo map;

    fail_unless(gst_memory_map(mine, &map, GST_MAP_READWRITE));
    gst_harness_push(h, buffer);
    expect_counts(0, 1);
    frame = take_frame(reader);
    map.data[0] = 99;
    expect_content(frame, 3);
    shmring_frame_release(frame);
    gst_memory_unmap(mine, &map);
    gst_memory_unref(mine);
}
GST_END_TEST;

GST_START_TEST(test_read_mapped) {
    GstBuffer *buffer = painted(3);
    GstMemory *mine = gst_buffer_get_memory(buffer, 0);
    GstMapInfo map;

    fail_unless(gst_memory_map(mine, &map, GST_MAP_READ));
    gst_harness_push(h, buffer);
    expect_counts(1, 0);
    expect_frame(3);
    gst_memory_unmap(mine, &map);
    gst_memory_unref(mine);
}
GST_END_TEST;

/* videorate pushes the buffer that it pushed before. */
GST_START_TEST(test_repeated) {
    GstBuffer *buffer = painted(4);

    for (guint64 i = 0; i < 5; i++) {
        assert_equals_int(gst_harness_push(h, gst_buffer_ref(buffer)), GST_FLOW_OK);
        expect_counts(1, i);
        expect_frame(4);
    }
    gst_buffer_unref(buffer);
}
GST_END_TEST;

/* A slot with two readers upstream, as behind a tee: the other one only reads it. */
GST_START_TEST(test_shared) {
    GstBuffer *buffer = painted(5), *other = gst_buffer_ref(buffer);
    GstBuffer *copy = gst_buffer_copy(buffer);

    gst_harness_push(h, buffer);
    expect_counts(1, 0);
    expect_frame(5);
    assert_picture(other, GRAY, 5);
    assert_picture(copy, GRAY, 5);
    gst_buffer_unref(other);
    gst_buffer_unref(copy);
}
GST_END_TEST;

/* The slot of one ring is foreign to another. */
GST_START_TEST(test_foreign) {
    gchar *other = g_strdup_printf("%s-other", ring);
    GstHarness *there = harness_for("shmringsink", other, "");

    gst_harness_set_src_caps_str(there, GRAY);
    assert_equals_int(gst_harness_push(there, painted(6)), GST_FLOW_OK);
    assert_equals_uint64(count_of(there->element, "copied"), 1);
    gst_harness_teardown(there);
    g_free(other);
    gst_harness_push(h, make_picture(GRAY, 7));
    expect_counts(0, 1);
    expect_frame(7);
}
GST_END_TEST;

/* Two memories are no slot, even if one of them is. */
GST_START_TEST(test_in_parts) {
    GstBuffer *buffer = painted(8);

    buffer = gst_buffer_append(buffer, gst_buffer_new_allocate(NULL, 8, NULL));
    gst_harness_push(h, buffer);
    expect_counts(0, 1);
    expect_frame(8);
}
GST_END_TEST;

static void set_stride(GstBuffer *buffer, gint stride) {
    gst_buffer_get_video_meta(buffer)->stride[0] = stride;
}

/* Rows beyond the slot are refused, not published. */
GST_START_TEST(test_lying_meta) {
    GstBuffer *buffer = painted(9);

    set_stride(buffer, 1 << 20);
    assert_equals_int(gst_harness_push(h, buffer), GST_FLOW_ERROR);
    assert_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, ring);
    expect_counts(0, 0);
}
GST_END_TEST;

/* A reader that keeps every frame it may does not make upstream's slot change. */
GST_START_TEST(test_slot_comes_back_last) {
    GstBuffer *mine = painted(10);

    gst_harness_push(h, gst_buffer_ref(mine));
    expect_frame(10);
    for (guint8 i = 0; i < 50; i++) {
        gst_harness_push(h, painted(100 + i));
        expect_frame(100 + i);
    }
    assert_picture(mine, GRAY, 10);
    gst_buffer_unref(mine);
}
GST_END_TEST;

static Suite *publish_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("publish", &tcase);

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_kept_buffer);
    tcase_add_test(tcase, test_kept_memory);
    tcase_add_test(tcase, test_mapped);
    tcase_add_test(tcase, test_read_mapped);
    tcase_add_test(tcase, test_repeated);
    tcase_add_test(tcase, test_shared);
    tcase_add_test(tcase, test_foreign);
    tcase_add_test(tcase, test_in_parts);
    tcase_add_test(tcase, test_lying_meta);
    tcase_add_test(tcase, test_slot_comes_back_last);
    return suite;
}

GST_CHECK_MAIN(publish);
