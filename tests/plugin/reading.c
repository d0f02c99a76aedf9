/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reading.h"

#include <gst/base/gstbasesrc.h>
#include <string.h>

struct shmring_writer *writer_for(GstHarness *h, const gchar *name, guint64 slot_size) {
    struct shmring_writer *writer = open_writer(name, slot_size);

    gst_harness_play(h);
    assert_equals_int(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_OK);
    return writer;
}

void stop_reading(GstHarness *h, struct shmring_writer *writer) {
    gst_harness_teardown(h);
    shmring_writer_close(writer);
}

GstHarness *with_base_time(const gchar *properties) {
    GstHarness *h = harness_for("shmringsrc", ring, properties);

    gst_harness_use_systemclock(h);
    gst_element_set_base_time(h->element, 900 * GST_SECOND);
    return h;
}

static GstPadProbeReturn hold(GstPad *pad, GstPadProbeInfo *info, gpointer gate) {
    g_mutex_lock(gate);
    g_mutex_unlock(gate);
    return GST_PAD_PROBE_OK;
}

void hold_buffers(GstHarness *h, GMutex *gate) {
    gst_pad_add_probe(GST_BASE_SRC_PAD(h->element), GST_PAD_PROBE_TYPE_BUFFER, hold, gate, NULL);
}

guint64 pull_number(GstHarness *h) {
    GstBuffer *buffer = gst_harness_pull(h);
    guint64 number = GST_BUFFER_OFFSET(buffer);

    gst_buffer_unref(buffer);
    return number;
}

void assert_caps(GstHarness *h, const gchar *text) {
    GstCaps *expected = gst_caps_from_string(text), *caps = gst_pad_get_current_caps(h->sinkpad);

    fail_unless(caps != NULL && gst_caps_is_equal(caps, expected), "%" GST_PTR_FORMAT " is not %s",
                caps, text);
    gst_caps_unref(caps);
    gst_caps_unref(expected);
}

static guint64 number_in(const GstStructure *stats, const gchar *name) {
    guint64 number;
    guint small;

    if (gst_structure_get_uint64(stats, name, &number))
        return number;
    fail_unless(gst_structure_get_uint(stats, name, &small), "no %s", name);
    return small;
}

guint64 stat_of(GstElement *src, const gchar *name) {
    GstStructure *stats;
    guint64 number;

    g_object_get(src, "ring-stats", &stats, NULL);
    number = number_in(stats, name);
    gst_structure_free(stats);
    return number;
}

static gboolean holds(const gchar *line, guint64 address) {
    guint64 begin = g_ascii_strtoull(line, NULL, 16);
    const gchar *end = strchr(line, '-');

    return end != NULL && address >= begin && address < g_ascii_strtoull(end + 1, NULL, 16);
}

gboolean is_in_place(GstBuffer *buffer) {
    gboolean found = FALSE;
    GstMapInfo map;
    gchar *maps;

    fail_unless(gst_buffer_map(buffer, &map, GST_MAP_READ));
    fail_unless(g_file_get_contents("/proc/self/maps", &maps, NULL, NULL));
    for (gchar *line = maps, *end; !found && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        found = holds(line, (guintptr)map.data) && strstr(line, "/dev/shm/") != NULL;
    }
    g_free(maps);
    gst_buffer_unmap(buffer, &map);
    return found;
}

GstEvent *pull_event(GstHarness *h, GstEventType type) {
    GstEvent *event;

    while (GST_EVENT_TYPE(event = gst_harness_pull_event(h)) != type)
        gst_event_unref(event);
    return event;
}
