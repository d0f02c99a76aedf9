/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Live rings as devices: listed, watched, and opened. Other rings of this machine are not ours to
 * expect or to forbid. */
#include "reading.h"

#include <unistd.h>

static GstDeviceMonitor *monitor_new(void) {
    GstDeviceMonitor *monitor = gst_device_monitor_new();

    fail_unless(gst_device_monitor_add_filter(monitor, "Video/Source", NULL) != 0);
    return monitor;
}

static gboolean is_ours(GstDevice *device) {
    gchar *name = gst_device_get_display_name(device);
    gboolean ours = g_str_equal(name, ring);

    g_free(name);
    return ours;
}

static GstDevice *find(GstDeviceMonitor *monitor) {
    GList *devices = gst_device_monitor_get_devices(monitor);
    GstDevice *found = NULL;

    for (GList *at = devices; at != NULL; at = at->next) {
        if (is_ours(at->data))
            found = gst_object_ref(at->data);
    }
    g_list_free_full(devices, gst_object_unref);
    return found;
}

static void assert_device_caps(GstDevice *device, const gchar *text) {
    GstCaps *caps = gst_device_get_caps(device), *expected = gst_caps_from_string(text);

    fail_unless(gst_caps_is_equal(caps, expected) ||
                    (!gst_caps_is_any(expected) && gst_caps_is_fixed(caps) &&
                     gst_caps_can_intersect(caps, expected)),
                "%" GST_PTR_FORMAT, caps);
    gst_caps_unref(caps);
    gst_caps_unref(expected);
}

static struct shmring_writer *writer_with_a_frame(void) {
    struct shmring_writer *writer = open_writer(ring, 32);
    struct shmring_frame_info info = gray_info();

    publish(writer, &info, 0);
    return writer;
}

GST_START_TEST(test_listed) {
    struct shmring_writer *writer = writer_with_a_frame();
    GstDeviceMonitor *monitor = monitor_new();
    GstDevice *device = find(monitor);
    GstStructure *properties;
    guint pid;

    fail_unless(device != NULL);
    fail_unless(gst_device_has_classes(device, "Video/Source"));
    assert_device_caps(device, GRAY);
    properties = gst_device_get_properties(device);
    assert_equals_string(gst_structure_get_string(properties, "shmring.name"), ring);
    fail_unless(gst_structure_get_uint(properties, "shmring.writer.pid", &pid));
    assert_equals_int(pid, getpid());
    gst_structure_free(properties);
    gst_object_unref(device);
    shmring_writer_close(writer);
    fail_unless(find(monitor) == NULL);
    gst_object_unref(monitor);
}
GST_END_TEST;

GST_START_TEST(test_element) {
    struct shmring_writer *writer = writer_with_a_frame();
    GstDeviceMonitor *monitor = monitor_new();
    GstDevice *device = find(monitor);
    GstElement *element = gst_device_create_element(device, "mine");
    gchar *name;

    fail_unless(g_str_equal(G_OBJECT_TYPE_NAME(element), "GstShmRingSrc"));
    gst_object_ref_sink(element);
    g_object_get(element, "ring-name", &name, NULL);
    assert_equals_string(name, ring);
    g_object_set(element, "ring-name", "other", NULL);
    fail_unless(gst_device_reconfigure_element(device, element));
    g_free(name);
    g_object_get(element, "ring-name", &name, NULL);
    assert_equals_string(name, ring);
    g_free(name);
    gst_object_unref(element);
    gst_object_unref(device);
    gst_object_unref(monitor);
    shmring_writer_close(writer);
}
GST_END_TEST;

/* The device of our ring in MESSAGE, or NULL. */
static GstDevice *device_in(GstMessage *message) {
    GstDevice *device = NULL;

    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_DEVICE_ADDED)
        gst_message_parse_device_added(message, &device);
    else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_DEVICE_REMOVED)
        gst_message_parse_device_removed(message, &device);
    else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_DEVICE_CHANGED)
        gst_message_parse_device_changed(message, &device, NULL);
    else
        return NULL; /* newer GStreamer says more on this bus */
    if (!is_ours(device))
        gst_clear_object(&device);
    return device;
}

/* Waits for the next message of our ring, which must be of TYPE. */
static GstDevice *told(GstDeviceMonitor *monitor, GstMessageType type) {
    GstBus *bus = gst_device_monitor_get_bus(monitor);
    GstDevice *device = NULL;

    while (device == NULL) {
        GstMessage *message = gst_bus_timed_pop_filtered(
            bus, GST_CLOCK_TIME_NONE,
            GST_MESSAGE_DEVICE_ADDED | GST_MESSAGE_DEVICE_REMOVED | GST_MESSAGE_DEVICE_CHANGED);

        device = device_in(message);
        fail_unless(device == NULL || GST_MESSAGE_TYPE(message) == type, "%s",
                    GST_MESSAGE_TYPE_NAME(message));
        gst_message_unref(message);
    }
    gst_object_unref(bus);
    return device;
}

GST_START_TEST(test_watched) {
    GstDeviceMonitor *monitor = monitor_new();
    struct shmring_frame_info info = gray_info();
    struct shmring_writer *writer;
    GstDevice *device;

    fail_unless(gst_device_monitor_start(monitor));
    writer = open_writer(ring, 32);
    device = told(monitor, GST_MESSAGE_DEVICE_ADDED);
    assert_device_caps(device, "ANY");
    gst_object_unref(device);
    /* its first frame says what it carries */
    publish(writer, &info, 0);
    device = told(monitor, GST_MESSAGE_DEVICE_CHANGED);
    assert_device_caps(device, GRAY);
    gst_object_unref(device);
    /* and so does the first of other frames */
    info.caps = "application/x-other";
    publish(writer, &info, 0);
    device = told(monitor, GST_MESSAGE_DEVICE_CHANGED);
    assert_device_caps(device, "application/x-other");
    gst_object_unref(device);
    shmring_writer_close(writer);
    gst_object_unref(told(monitor, GST_MESSAGE_DEVICE_REMOVED));
    gst_device_monitor_stop(monitor);
    gst_object_unref(monitor);
}
GST_END_TEST;

GST_START_TEST(test_there_before_the_start) {
    struct shmring_writer *writer = writer_with_a_frame();
    GstDeviceMonitor *monitor = monitor_new();
    GstDevice *device;

    for (gint i = 0; i < 10; i++) {
        fail_unless(gst_device_monitor_start(monitor));
        device = find(monitor);
        fail_unless(device != NULL);
        gst_object_unref(device);
        gst_device_monitor_stop(monitor);
    }
    gst_object_unref(monitor);
    shmring_writer_close(writer);
}
GST_END_TEST;

static GstBusSyncReply hold_until_flushing(GstBus *bus, GstMessage *message, gpointer queue) {
    g_async_queue_push(queue, message);
    while (!GST_OBJECT_FLAG_IS_SET(bus, GST_BUS_FLUSHING))
        g_thread_yield();
    return GST_BUS_PASS;
}

/* Its message, the provider and the bus would keep each other. */
GST_START_TEST(test_stopped_while_it_tells) {
    GstDeviceProvider *provider = gst_device_provider_factory_get_by_name("shmringdeviceprovider");
    GstBus *bus = gst_device_provider_get_bus(provider);
    GAsyncQueue *queue = g_async_queue_new();
    struct shmring_writer *writer;

    fail_unless(gst_device_provider_start(provider));
    gst_bus_set_sync_handler(bus, hold_until_flushing, queue, NULL);
    writer = open_writer(ring, 32);
    g_async_queue_pop(queue);
    gst_device_provider_stop(provider);
    fail_if(gst_bus_have_pending(bus));
    g_async_queue_unref(queue);
    gst_object_unref(bus);
    gst_object_unref(provider);
    shmring_writer_close(writer);
}
GST_END_TEST;

static Suite *device_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("device", &tcase);

    tcase_add_test(tcase, test_listed);
    tcase_add_test(tcase, test_element);
    tcase_add_test(tcase, test_watched);
    tcase_add_test(tcase, test_there_before_the_start);
    tcase_add_test(tcase, test_stopped_while_it_tells);
    return suite;
}

GST_CHECK_MAIN(device);
