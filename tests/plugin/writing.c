/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "writing.h"

#include <string.h>

GstBufferPool *propose_pool(GstHarness *h, const gchar *text, guint *max) {
    GstCaps *caps = gst_caps_from_string(text);
    GstQuery *query = gst_query_new_allocation(caps, TRUE);
    GstPad *pad = gst_element_get_static_pad(h->element, "sink");
    GstBufferPool *pool = NULL;

    fail_unless(gst_pad_query(pad, query));
    if (gst_query_get_n_allocation_pools(query) > 0)
        gst_query_parse_nth_allocation_pool(query, 0, &pool, NULL, NULL, max);
    gst_object_unref(pad);
    gst_query_unref(query);
    gst_caps_unref(caps);
    return pool;
}

GstBufferPool *active_pool(GstHarness *h, const gchar *text) {
    GstBufferPool *pool = propose_pool(h, text, NULL);
    GstStructure *config = gst_buffer_pool_get_config(pool);
    GstCaps *caps = gst_caps_from_string(text);
    GstVideoInfo info;

    fail_unless(gst_video_info_from_caps(&info, caps));
    gst_buffer_pool_config_set_params(config, caps, GST_VIDEO_INFO_SIZE(&info), 0, 0);
    gst_buffer_pool_config_add_option(config, GST_BUFFER_POOL_OPTION_VIDEO_META);
    fail_unless(gst_buffer_pool_set_config(pool, config));
    fail_unless(gst_buffer_pool_set_active(pool, TRUE));
    gst_caps_unref(caps);
    return pool;
}

GstBuffer *acquire(GstBufferPool *pool) {
    GstBuffer *buffer;

    assert_equals_int(gst_buffer_pool_acquire_buffer(pool, &buffer, NULL), GST_FLOW_OK);
    return buffer;
}

gboolean is_slot(GstBuffer *buffer) {
    return gst_memory_is_type(gst_buffer_peek_memory(buffer, 0), "ShmRingMemory");
}

void paint(GstBuffer *buffer, guint8 seed) {
    GstMapInfo map;

    fail_unless(gst_buffer_map(buffer, &map, GST_MAP_WRITE));
    for (gsize i = 0; i < map.size; i++)
        map.data[i] = picture_byte(i, seed);
    gst_buffer_unmap(buffer, &map);
}

guint64 count_of(GstElement *sink, const gchar *field) {
    GstStructure *stats;
    guint64 count = 0;

    g_object_get(sink, "ring-stats", &stats, NULL);
    if (stats != NULL)
        fail_unless(gst_structure_get_uint64(stats, field, &count), "no %s", field);
    gst_clear_structure(&stats);
    return count;
}

gint64 latency_in_ring(void) {
    struct shmring_info info = SHMRING_INFO_INIT;

    assert_equals_int(shmring_query(ring, &info, NULL), SHMRING_OK);
    return info.latency_ns;
}

void flush_sink(GstHarness *h) {
    GstSegment segment;

    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
}

static gpointer read_all(gpointer data) {
    struct shmring_reader *reader = data;
    struct shmring_frame *frame;
    guint frames = 0;

    while (shmring_reader_attach(reader, SHMRING_FOREVER, NULL) == SHMRING_OK &&
           shmring_reader_take(reader, SHMRING_FOREVER, &frame, NULL) == SHMRING_OK) {
        frames++;
        shmring_frame_release(frame);
    }
    return GUINT_TO_POINTER(frames);
}

GstElement *play(const gchar *name, const gchar *elements, guint *frames) {
    gchar *sink = g_strdup_printf("shmringsink name=%s wait-for-connection=true", name);
    gchar *text = g_strdup_printf("%s ! %s", elements, sink);
    GstElement *pipeline = gst_parse_launch(text, NULL);
    struct shmring_reader *reader;
    GThread *thread;

    fail_unless(pipeline != NULL, "%s", text);
    fail_unless(shmring_reader_new(name, NULL, &reader, NULL) == SHMRING_OK);
    thread = g_thread_new("reader", read_all, reader);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    wait_for_end(pipeline);
    *frames = GPOINTER_TO_UINT(g_thread_join(thread));
    shmring_reader_free(reader);
    g_free(text);
    g_free(sink);
    return pipeline;
}

void stop_pipeline(GstElement *pipeline) {
    assert_equals_int(gst_element_set_state(pipeline, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
    gst_object_unref(pipeline);
}
