/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pool over the ring's slots, as an element in front of shmringsink uses it. */
#include "writing.h"

#include <string.h>
#include <unistd.h>

/* A wait of a frame's duration outlasts every test. */
#define SLOW "video/x-raw,format=GRAY8,width=8,height=4,framerate=1/1000"
#define SLOTS 8
#define LEND 3

static GstHarness *h;

static void setup(void) {
    h = harness_for("shmringsink", ring, "");
}

static void teardown(void) {
    if (h != NULL)
        gst_harness_teardown(h);
}

static void release(GstBufferPool *pool) {
    gst_buffer_pool_set_active(pool, FALSE);
    gst_object_unref(pool);
}

/* ---- What is offered ---------------------------------------------------------------------- */

GST_START_TEST(test_offer) {
    GstBufferPool *one, *other;
    guint max = 7;

    gst_harness_set_src_caps_str(h, GRAY);
    one = propose_pool(h, GRAY, &max);
    other = propose_pool(h, GRAY, NULL);
    fail_unless(one != NULL && other != NULL && one != other);
    assert_equals_int(max, 0);
    fail_unless(gst_buffer_pool_has_option(one, GST_BUFFER_POOL_OPTION_VIDEO_META));
    fail_unless(gst_buffer_pool_has_option(one, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT));
    gst_object_unref(one);
    gst_object_unref(other);
}
GST_END_TEST;

GST_START_TEST(test_no_offer_for_opaque) {
    fail_unless(propose_pool(h, "image/jpeg", NULL) == NULL);
    fail_unless(propose_pool(h, "video/x-raw,format=ENCODED,width=8,height=4", NULL) == NULL);
}
GST_END_TEST;

/* ---- Loans -------------------------------------------------------------------------------- */

GST_START_TEST(test_in_place) {
    struct shmring_reader *reader;
    GstBufferPool *pool;

    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    pool = active_pool(h, GRAY);
    for (guint8 i = 0; i < 100; i++) {
        GstBuffer *buffer = acquire(pool);
        struct shmring_frame *frame;

        fail_unless(is_slot(buffer));
        paint(buffer, i);
        assert_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
        frame = take_frame(reader);
        assert_equals_uint64(frame->info.size, 32);
        for (gsize j = 0; j < 32; j++)
            assert_equals_int(((const guint8 *)frame->data)[j], picture_byte(j, i));
        shmring_frame_release(frame);
    }
    assert_equals_uint64(count_of(h->element, "in-place"), 100);
    assert_equals_uint64(count_of(h->element, "lent"), 100);
    assert_equals_uint64(count_of(h->element, "copied"), 0);
    release(pool);
    shmring_reader_free(reader);
}
GST_END_TEST;

/* Never waits for what upstream itself holds, whatever the frame's duration. */
GST_START_TEST(test_lend_limit) {
    GstBuffer *buffer[LEND + 20];
    GstBufferPool *pools[2];

    gst_harness_set_src_caps_str(h, SLOW);
    pools[0] = active_pool(h, SLOW);
    pools[1] = active_pool(h, SLOW);
    for (guint i = 0; i < G_N_ELEMENTS(buffer); i++) {
        buffer[i] = acquire(pools[i % 2]);
        assert_equals_int(is_slot(buffer[i]), i < LEND);
        fail_unless(gst_buffer_get_video_meta(buffer[i]) != NULL);
    }
    for (guint i = 0; i < G_N_ELEMENTS(buffer); i++)
        assert_equals_int(gst_harness_push(h, buffer[i]), GST_FLOW_OK);
    assert_equals_uint64(count_of(h->element, "in-place"), LEND);
    assert_equals_uint64(count_of(h->element, "copied"), 20);
    assert_equals_uint64(count_of(h->element, "waits"), 0);
    release(pools[0]);
    release(pools[1]);
}
GST_END_TEST;

/* Every slot waits for the reader. */
static struct shmring_reader *fill(const gchar *caps) {
    struct shmring_reader *reader;

    gst_harness_set_src_caps_str(h, caps);
    reader = attach_reader(ring);
    for (guint8 i = 0; i < SLOTS; i++)
        assert_equals_int(gst_harness_push(h, make_picture(caps, i)), GST_FLOW_OK);
    return reader;
}

GST_START_TEST(test_waits_for_readers) {
    struct shmring_reader *reader = fill(GRAY);
    GstBufferPool *pool = active_pool(h, GRAY);
    GstBuffer *buffer = acquire(pool);

    fail_if(is_slot(buffer));
    assert_equals_uint64(count_of(h->element, "waits"), 1);
    gst_buffer_unref(buffer);
    shmring_frame_release(take_frame(reader));
    buffer = acquire(pool);
    fail_unless(is_slot(buffer));
    gst_buffer_unref(buffer);
    release(pool);
    shmring_reader_free(reader);
}
GST_END_TEST;

GST_START_TEST(test_does_not_wait_if_told_so) {
    struct shmring_reader *reader = fill(SLOW);
    GstBufferPool *pool = active_pool(h, SLOW);
    GstBufferPoolAcquireParams params = {.flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT};
    GstBuffer *buffer;

    assert_equals_int(gst_buffer_pool_acquire_buffer(pool, &buffer, &params), GST_FLOW_OK);
    fail_if(is_slot(buffer));
    gst_buffer_unref(buffer);
    release(pool);
    shmring_reader_free(reader);
}
GST_END_TEST;

/* ---- Waking ------------------------------------------------------------------------------- */

struct acquire {
    GstBufferPool *pool;
    gint tid;
};

static gpointer acquire_thread(gpointer data) {
    struct acquire *acquire = data;
    GstBuffer *buffer = NULL;
    GstFlowReturn flow;

    g_atomic_int_set(&acquire->tid, gettid());
    flow = gst_buffer_pool_acquire_buffer(acquire->pool, &buffer, NULL);
    gst_clear_buffer(&buffer);
    return GINT_TO_POINTER(flow);
}

static gboolean is_asleep(gint tid) {
    gchar *path = g_strdup_printf("/proc/self/task/%d/stat", tid), *text;
    gboolean asleep;

    fail_unless(g_file_get_contents(path, &text, NULL, NULL));
    asleep = strstr(text, ") S ") != NULL;
    g_free(text);
    g_free(path);
    return asleep;
}

/* A thread that waits in an acquire: seen asleep so often in a row that it is no short lock. */
static GThread *acquire_in_thread(struct acquire *acquire, GstBufferPool *pool) {
    GThread *thread;

    *acquire = (struct acquire){.pool = pool};
    thread = g_thread_new("acquire", acquire_thread, acquire);
    while (g_atomic_int_get(&acquire->tid) == 0)
        g_thread_yield();
    for (gint seen = 0; seen < 100; seen = is_asleep(acquire->tid) ? seen + 1 : 0)
        g_thread_yield();
    return thread;
}

GST_START_TEST(test_woken_by_reader) {
    struct shmring_reader *reader = fill(SLOW);
    GstBufferPool *pool = active_pool(h, SLOW);
    struct acquire acquiring;
    GThread *thread = acquire_in_thread(&acquiring, pool);

    shmring_frame_release(take_frame(reader));
    assert_equals_int(FLOW_OF(thread), GST_FLOW_OK);
    release(pool);
    shmring_reader_free(reader);
}
GST_END_TEST;

GST_START_TEST(test_woken_by_flush) {
    struct shmring_reader *reader = fill(SLOW);
    GstBufferPool *pool = active_pool(h, SLOW);

    for (gint i = 0; i < 20; i++) {
        struct acquire acquiring;
        GThread *thread = acquire_in_thread(&acquiring, pool);

        gst_harness_push_event(h, gst_event_new_flush_start());
        g_thread_join(thread);
        gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
        shmring_reader_free(reader);
        reader = fill(SLOW);
    }
    release(pool);
    shmring_reader_free(reader);
}
GST_END_TEST;

GST_START_TEST(test_woken_by_own_flush) {
    struct shmring_reader *reader = fill(SLOW);
    GstBufferPool *pool = active_pool(h, SLOW);
    struct acquire acquiring;
    GThread *thread = acquire_in_thread(&acquiring, pool);

    gst_buffer_pool_set_flushing(pool, TRUE);
    g_thread_join(thread);
    release(pool);
    shmring_reader_free(reader);
}
GST_END_TEST;

GST_START_TEST(test_woken_by_state) {
    struct shmring_reader *reader = fill(SLOW);
    GstBufferPool *pool = active_pool(h, SLOW);
    struct acquire acquiring;
    GThread *thread = acquire_in_thread(&acquiring, pool);

    gst_element_set_state(h->element, GST_STATE_READY);
    assert_equals_int(FLOW_OF(thread), GST_FLOW_OK);
    release(pool);
    shmring_reader_free(reader);
}
GST_END_TEST;

/* GstBaseTransform does not flush its pool. */
GST_START_TEST(test_stops_behind_videoconvert) {
    gchar *text = g_strdup_printf("videotestsrc ! video/x-raw,format=RGB,width=64,height=48,"
                                  "framerate=1/1000 ! videoconvert ! shmringsink name=%s-2",
                                  ring);
    GstElement *pipeline = gst_parse_launch(text, NULL);
    gchar *name = g_strdup_printf("%s-2", ring);
    GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), name);
    struct shmring_reader *reader;

    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    reader = attach_reader(name);
    while (count_of(sink, "published") < SLOTS)
        g_thread_yield();
    gst_object_unref(sink);
    stop_pipeline(pipeline);
    shmring_reader_free(reader);
    g_free(name);
    g_free(text);
}
GST_END_TEST;

/* ---- Layouts ------------------------------------------------------------------------------ */

static void set_padding(GstBufferPool *pool, const gchar *text, const GstVideoAlignment *align) {
    GstStructure *config = gst_buffer_pool_get_config(pool);
    GstAllocationParams params = {.prefix = 100, .padding = 5000};
    GstCaps *caps = gst_caps_from_string(text);

    gst_buffer_pool_config_set_params(config, caps, 8 * 4, 0, 0);
    gst_buffer_pool_config_set_allocator(config, NULL, &params);
    gst_buffer_pool_config_add_option(config, GST_BUFFER_POOL_OPTION_VIDEO_META);
    gst_buffer_pool_config_add_option(config, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT);
    gst_buffer_pool_config_set_video_alignment(config, (GstVideoAlignment *)align);
    fail_unless(gst_buffer_pool_set_config(pool, config));
    fail_unless(gst_buffer_pool_set_active(pool, TRUE));
    gst_caps_unref(caps);
}

static void draw_rows(GstBuffer *buffer, const gchar *text) {
    GstCaps *caps = gst_caps_from_string(text);
    GstVideoFrame frame;
    GstVideoInfo info;

    gst_video_info_from_caps(&info, caps);
    fail_unless(gst_video_frame_map(&frame, &info, buffer, GST_MAP_WRITE));
    for (gint row = 0; row < GST_VIDEO_FRAME_HEIGHT(&frame); row++)
        memset((guint8 *)frame.data[0] + row * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0), row + 1,
               GST_VIDEO_FRAME_WIDTH(&frame));
    gst_video_frame_unmap(&frame);
    gst_caps_unref(caps);
}

GST_START_TEST(test_padding) {
    const GstVideoAlignment align = {.padding_top = 16, .padding_left = 24, .padding_right = 1};
    struct shmring_reader *reader;
    struct shmring_frame *frame;
    GstBufferPool *pool;
    GstBuffer *buffer;

    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    pool = propose_pool(h, GRAY, NULL);
    set_padding(pool, GRAY, &align);
    /* the ring has moved to larger slots: the reader follows */
    assert_equals_int(shmring_reader_take(reader, 0, &frame, NULL), SHMRING_TIMEOUT);
    buffer = acquire(pool);
    fail_unless(is_slot(buffer));
    draw_rows(buffer, GRAY);
    assert_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
    frame = take_frame(reader);
    fail_unless(frame->info.stride[0] >= 33);
    fail_unless(frame->info.offset[0] >= 100 + 16 * 33 + 24);
    for (gint row = 0; row < 4; row++)
        for (gint x = 0; x < 8; x++)
            assert_equals_int(((const guint8 *)frame
                                   ->data)[frame->info.offset[0] + row * frame->info.stride[0] + x],
                              row + 1);
    assert_equals_uint64(count_of(h->element, "copied"), 0);
    shmring_frame_release(frame);
    release(pool);
    shmring_reader_free(reader);
}
GST_END_TEST;

/* A part of a slot is published where it lies. */
GST_START_TEST(test_part_of_slot) {
    struct shmring_reader *reader;
    struct shmring_frame *frame;
    GstBufferPool *pool;
    GstBuffer *buffer, *part;

    gst_harness_set_src_caps_str(h, "video/x-raw,format=GRAY8,width=8,height=2,framerate=25/1");
    reader = attach_reader(ring);
    pool = active_pool(h, GRAY);
    assert_equals_int(shmring_reader_take(reader, 0, &frame, NULL), SHMRING_TIMEOUT);
    buffer = acquire(pool);
    paint(buffer, 3);
    part = gst_buffer_copy_region(buffer, GST_BUFFER_COPY_MEMORY, 8, 16);
    gst_buffer_unref(buffer);
    assert_equals_int(gst_harness_push(h, part), GST_FLOW_OK);
    frame = take_frame(reader);
    assert_equals_uint64(frame->info.offset[0], 8);
    assert_equals_int(((const guint8 *)frame->data)[frame->info.offset[0]], picture_byte(8, 3));
    assert_equals_uint64(count_of(h->element, "in-place"), 1);
    shmring_frame_release(frame);
    release(pool);
    shmring_reader_free(reader);
}
GST_END_TEST;

/* ---- Lives -------------------------------------------------------------------------------- */

GST_START_TEST(test_outlives_sink) {
    GstBufferPool *pool;
    GstBuffer *buffer;

    gst_harness_set_src_caps_str(h, GRAY);
    pool = active_pool(h, GRAY);
    buffer = acquire(pool);
    fail_unless(is_slot(buffer));
    gst_harness_teardown(h);
    h = NULL;
    paint(buffer, 1);
    assert_picture(buffer, GRAY, 1);
    gst_buffer_unref(buffer);
    buffer = acquire(pool);
    fail_if(is_slot(buffer));
    gst_buffer_unref(buffer);
    release(pool);
}
GST_END_TEST;

/* A buffer that upstream had before the ring moved is copied into the new one. */
GST_START_TEST(test_outlives_slots) {
    struct shmring_reader *reader;
    struct shmring_frame *frame;
    GstBufferPool *pool;
    GstBuffer *buffer;
    GThread *thread;

    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    pool = active_pool(h, GRAY);
    buffer = acquire(pool);
    paint(buffer, 9);
    release(active_pool(h, "video/x-raw,format=GRAY8,width=800,height=4,framerate=25/1"));
    thread = push_in_thread(h, buffer);
    frame = take_frame(reader);
    assert_equals_int(FLOW_OF(thread), GST_FLOW_OK);
    assert_equals_int(((const guint8 *)frame->data)[5], picture_byte(5, 9));
    assert_equals_uint64(count_of(h->element, "copied"), 1);
    shmring_frame_release(frame);
    release(pool);
    shmring_reader_free(reader);
}
GST_END_TEST;

/* A buffer acquired after the end of the stream does not begin the ring anew. */
GST_START_TEST(test_end) {
    struct shmring_reader *reader;
    struct shmring_frame *frame;
    GstBufferPool *pool;
    GstBuffer *buffer;

    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    pool = active_pool(h, GRAY);
    gst_harness_push(h, acquire(pool));
    gst_harness_push_event(h, gst_event_new_eos());
    buffer = acquire(pool);
    gst_buffer_unref(buffer);
    shmring_frame_release(take_frame(reader));
    assert_equals_int(shmring_reader_take(reader, SHMRING_FOREVER, &frame, NULL), SHMRING_ENDED);
    release(pool);
    shmring_reader_free(reader);
}
GST_END_TEST;

/* Nor does one that was waited for. */
GST_START_TEST(test_end_of_a_wait) {
    struct shmring_reader *reader = fill(SLOW);
    GstBufferPool *pool = active_pool(h, SLOW);
    struct acquire acquiring;
    GThread *thread = acquire_in_thread(&acquiring, pool);
    struct shmring_frame *frame;
    int res;

    gst_harness_push_event(h, gst_event_new_eos());
    while ((res = shmring_reader_take(reader, SHMRING_FOREVER, &frame, NULL)) == SHMRING_OK)
        shmring_frame_release(frame);
    assert_equals_int(res, SHMRING_ENDED);
    assert_equals_int(FLOW_OF(thread), GST_FLOW_OK);
    release(pool);
    shmring_reader_free(reader);
}
GST_END_TEST;

static Suite *pool_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("pool", &tcase);

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_offer);
    tcase_add_test(tcase, test_no_offer_for_opaque);
    tcase_add_test(tcase, test_in_place);
    tcase_add_test(tcase, test_lend_limit);
    tcase_add_test(tcase, test_waits_for_readers);
    tcase_add_test(tcase, test_does_not_wait_if_told_so);
    tcase_add_test(tcase, test_woken_by_reader);
    tcase_add_test(tcase, test_woken_by_flush);
    tcase_add_test(tcase, test_woken_by_own_flush);
    tcase_add_test(tcase, test_woken_by_state);
    tcase_add_test(tcase, test_stops_behind_videoconvert);
    tcase_add_test(tcase, test_padding);
    tcase_add_test(tcase, test_part_of_slot);
    tcase_add_test(tcase, test_outlives_sink);
    tcase_add_test(tcase, test_outlives_slots);
    tcase_add_test(tcase, test_end);
    tcase_add_test(tcase, test_end_of_a_wait);
    return suite;
}

GST_CHECK_MAIN(pool);
