/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whoever hears something of an element may stop the pipeline at once, from where it is heard. */
#include "writing.h"

static GstElement *pipeline, *element;
static GAsyncQueue *heard;
static gint stopped;

static void setup(void) {
    heard = g_async_queue_new();
    stopped = 0;
}

static void teardown(void) {
    g_async_queue_unref(heard);
}

/* The first that hears it stops. */
static void stop(void) {
    if (g_atomic_int_compare_and_exchange(&stopped, 0, 1)) {
        gst_element_set_state(pipeline, GST_STATE_NULL);
        g_async_queue_push(heard, ring);
    }
}

static GstBusSyncReply stop_at(GstBus *bus, GstMessage *message, gpointer types) {
    if ((GST_MESSAGE_TYPE(message) & GPOINTER_TO_INT(types)) != 0)
        stop();
    gst_message_unref(message);
    return GST_BUS_DROP;
}

static void stop_at_signal(GstElement *from, guint64 id, guint pid, const gchar *name,
                           gpointer data) {
    stop();
}

static void stop_at_notify(GstElement *from, GParamSpec *pspec, gpointer data) {
    stop();
}

static gint64 offset;

/* Plays TEXT, in which there is an element named RING. Stops at a message of TYPES. Takes TEXT. */
static void play_text(gchar *text, GstMessageType types) {
    GstBus *bus;

    pipeline = gst_parse_launch(text, NULL);
    element = gst_bin_get_by_name(GST_BIN(pipeline), ring);
    bus = gst_element_get_bus(pipeline);
    gst_bus_set_sync_handler(bus, stop_at, GINT_TO_POINTER(types), NULL);
    if (offset != 0) {
        GstPad *pad = gst_element_get_static_pad(element, "sink");

        gst_pad_set_offset(pad, offset);
        gst_object_unref(pad);
    }
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    gst_object_unref(bus);
    g_free(text);
}

static void play_until(const gchar *source, const gchar *properties, GstMessageType types) {
    play_text(g_strdup_printf("%s ! shmringsink name=%s %s", source, ring, properties), types);
}

static gboolean has_thread(const gchar *named) {
    GDir *dir = g_dir_open("/proc/self/task", 0, NULL);
    gboolean found = FALSE;
    const gchar *id;

    while ((id = g_dir_read_name(dir)) != NULL) {
        gchar *path = g_strdup_printf("/proc/self/task/%s/comm", id), *name = NULL;

        g_file_get_contents(path, &name, NULL, NULL);
        found = found || (name != NULL && g_str_has_prefix(name, named));
        g_free(name);
        g_free(path);
    }
    g_dir_close(dir);
    return found;
}

/* Would wait for ever if the handler does. The thread in which it was keeps the sink to its end. */
static void assert_stopped(void) {
    g_async_queue_pop(heard);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(element);
    gst_object_unref(pipeline);
    while (has_thread("shmring-watch"))
        g_thread_yield();
}

#define SOURCE "videotestsrc is-live=true ! " GRAY

GST_START_TEST(test_name_removed) {
    play_until(SOURCE, "", GST_MESSAGE_WARNING);
    shmring_reader_free(attach_reader(ring));
    remove_name("");
    remove_name(".ctl");
    assert_stopped();
}
GST_END_TEST;

/* Said of a frame while it is published. */
GST_START_TEST(test_times_of_another_clock) {
    offset = 172800 * (gint64)GST_SECOND;
    play_until(SOURCE, "", GST_MESSAGE_WARNING);
    offset = 0;
    assert_stopped();
}
GST_END_TEST;

/* In a thread of its own, in which an element may be stopped: the harness's pad has no task. */
GST_START_TEST(test_error) {
    GstHarness *h = harness_for("shmringsink", ring, "");
    GstBus *bus = gst_element_get_bus(h->element);
    GThread *thread;

    gst_harness_set_src_caps_str(h, GRAY);
    pipeline = h->element;
    gst_bus_set_sync_handler(bus, NULL, NULL, NULL);
    gst_bus_set_sync_handler(bus, stop_at, GINT_TO_POINTER(GST_MESSAGE_ERROR), NULL);
    thread = push_in_thread(h, gst_buffer_new_allocate(NULL, 7, NULL));
    g_async_queue_pop(heard);
    fail_if(FLOW_OF(thread) == GST_FLOW_OK);
    gst_bus_set_flushing(bus, TRUE);
    gst_object_unref(bus);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* Caps come with the preroll lock held, as frames do. */
GST_START_TEST(test_error_of_caps) {
    GstHarness *h = harness_for("shmringsink", ring, "caps=ANY");
    GstBus *bus = gst_element_get_bus(h->element);
    GstCaps *caps = gst_caps_from_string("video/x-raw, width=3");

    gst_harness_set_src_caps_str(h, GRAY);
    pipeline = h->element;
    gst_bus_set_sync_handler(bus, NULL, NULL, NULL);
    gst_bus_set_sync_handler(bus, stop_at, GINT_TO_POINTER(GST_MESSAGE_ERROR), NULL);
    gst_pad_push_event(h->srcpad, gst_event_new_caps(caps));
    g_async_queue_pop(heard);
    gst_caps_unref(caps);
    gst_bus_set_flushing(bus, TRUE);
    gst_object_unref(bus);
    gst_harness_teardown(h);
}
GST_END_TEST;

static void stops_at(const gchar *signal, GCallback callback) {
    struct shmring_reader *reader;

    play_until(SOURCE, "", GST_MESSAGE_UNKNOWN);
    g_signal_connect(element, signal, callback, NULL);
    reader = attach_reader(ring);
    assert_stopped();
    shmring_reader_free(reader);
}

GST_START_TEST(test_signals) {
    stops_at("reader-attached", G_CALLBACK(stop_at_signal));
    stopped = 0;
    stops_at("notify::num-readers", G_CALLBACK(stop_at_notify));
}
GST_END_TEST;

/* Stops a source from its own thread, at the first message of TYPES that frames of CAPS lead to.
 * GStreamer warns of that; nothing of ours may. */
static void source_stops_at(const gchar *caps, GstMessageType types) {
    struct shmring_writer *writer = open_writer(ring, 32);
    struct shmring_frame_info info = gray_info();
    GLogLevelFlags fatal = g_log_set_always_fatal(G_LOG_LEVEL_ERROR);
    GstPad *pad;

    info.caps = caps;
    _gst_check_expecting_log = TRUE;
    stopped = 0;
    play_text(
        g_strdup_printf("shmringsrc name=%s is-live=false leaky-type=downstream max-buffers=1 "
                        "! fakesink",
                        ring),
        types);
    fail_unless(shmring_writer_wait_reader(writer, SHMRING_FOREVER) == SHMRING_OK);
    while (!g_atomic_int_get(&stopped))
        publish(writer, &info, 0);
    g_async_queue_pop(heard);
    pad = gst_element_get_static_pad(element, "src");
    GST_PAD_STREAM_LOCK(pad); /* its thread is through */
    GST_PAD_STREAM_UNLOCK(pad);
    fail_if(_gst_check_raised_critical);
    _gst_check_expecting_log = FALSE;
    g_log_set_always_fatal(fatal);
    gst_object_unref(pad);
    gst_object_unref(element);
    stop_pipeline(pipeline);
    shmring_writer_close(writer);
}

GST_START_TEST(test_source) {
    source_stops_at(NULL, GST_MESSAGE_QOS);
    source_stops_at("video/x-raw, format=GRAY8, width=-5, height=4", GST_MESSAGE_WARNING);
}
GST_END_TEST;

static Suite *stopping_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("stopping", &tcase);

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_name_removed);
    tcase_add_test(tcase, test_times_of_another_clock);
    tcase_add_test(tcase, test_error);
    tcase_add_test(tcase, test_error_of_caps);
    tcase_add_test(tcase, test_signals);
    tcase_add_test(tcase, test_source);
    return suite;
}

GST_CHECK_MAIN(stopping);
