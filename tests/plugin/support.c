/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support.h"

#include <glib/gstdio.h>
#include <malloc.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#if !GST_CHECK_VERSION(1, 20, 0)
static GstPadQueryFunction answer_others;

static gboolean answer_query(GstPad *pad, GstObject *parent, GstQuery *query) {
    gboolean is_live = g_object_get_data(G_OBJECT(pad), "is-live") != NULL;

    if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY)
        return answer_others(pad, parent, query);
    gst_query_set_latency(query, is_live, 0, GST_CLOCK_TIME_NONE);
    return TRUE;
}

void gst_harness_set_live(GstHarness *h, gboolean is_live) {
    if (GST_PAD_QUERYFUNC(h->srcpad) != answer_query)
        answer_others = GST_PAD_QUERYFUNC(h->srcpad);
    g_object_set_data(G_OBJECT(h->srcpad), "is-live", GINT_TO_POINTER(is_live));
    gst_pad_set_query_function(h->srcpad, answer_query);
}
#endif

gchar *ring;
static const gchar *ring_suffix;

static void name_ring(void) {
    static gint count;

    ring = g_strdup_printf("plugin-test-%d-%d-%s", (int)getpid(), count++, ring_suffix);
}

static void forget_ring(void) {
    fail_if(ring_exists(ring), "something of %s is left", ring);
    g_free(ring);
}

Suite *ring_suite(const gchar *name, TCase **tcase) {
    Suite *suite = suite_create(name);

    ring_suffix = name;
    *tcase = tcase_create(name);
    tcase_add_checked_fixture(*tcase, name_ring, forget_ring);
    suite_add_tcase(suite, *tcase);
    return suite;
}

gboolean ring_exists(const gchar *name) {
    GDir *dir = g_dir_open("/dev/shm", 0, NULL);
    gboolean found = FALSE;
    const gchar *file;

    while ((file = g_dir_read_name(dir)) != NULL)
        found = found || strstr(file, name) != NULL;
    g_dir_close(dir);
    return found;
}

void remove_name(const gchar *suffix) {
    gchar *path = g_strdup_printf("/dev/shm/%s%s", ring, suffix);

    fail_unless(g_unlink(path) == 0);
    g_free(path);
}

gint rounds(gint few) {
    const gchar *many = g_getenv("SHMRING_ROUNDS");

    return many != NULL ? atoi(many) : few;
}

GstElement *pipeline_of(const gchar *format) {
    gchar *text = g_strdup_printf(format, ring);
    GstElement *made = gst_parse_launch(text, NULL);

    fail_unless(made != NULL, "%s", text);
    g_free(text);
    return made;
}

void set_state(GstElement *element, GstState state) {
    fail_if(gst_element_set_state(element, state) == GST_STATE_CHANGE_FAILURE, "%s to %s",
            GST_OBJECT_NAME(element), gst_element_state_get_name(state));
}

static void empty_bus(GstBus *bus) {
    gst_bus_set_flushing(bus, TRUE);
    gst_bus_set_flushing(bus, FALSE);
}

/* Messages keep their element alive, and the element its bus with them: in NULL they go, as in a
 * pipeline, and links come and go in any state. */
static GstBusSyncReply keep_message(GstBus *bus, GstMessage *message, gpointer data) {
    GstState state = GST_STATE_VOID_PENDING;

    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_STATE_CHANGED)
        gst_message_parse_state_changed(message, NULL, &state, NULL);
    if (state == GST_STATE_NULL)
        empty_bus(bus);
    else if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_STRUCTURE_CHANGE)
        return GST_BUS_PASS;
    gst_message_unref(message);
    return GST_BUS_DROP;
}

GstHarness *harness_for(const gchar *element, const gchar *name, const gchar *properties) {
    gchar *text = g_strdup_printf("%s ring-name=%s %s", element, name, properties);
    GstElement *made = gst_parse_launch(text, NULL);
    gboolean is_sink = g_str_equal(element, "shmringsink");
    GstBus *bus = gst_bus_new();
    GstHarness *harness;

    fail_unless(made != NULL, "%s", text);
    gst_bus_set_sync_handler(bus, keep_message, NULL, NULL);
    gst_element_set_bus(made, bus);
    harness = gst_harness_new_with_element(made, is_sink ? "sink" : NULL, is_sink ? NULL : "src");
    /* a frame has a time on it, which a test clock that stands still is never at */
    if (!is_sink)
        gst_harness_use_systemclock(harness);
    gst_object_unref(bus);
    gst_object_unref(made);
    g_free(text);
    return harness;
}

GstMessage *take_message(GstElement *element, GstMessageType type) {
    GstBus *bus = gst_element_get_bus(element);
    GstMessage *message = gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, type);

    gst_object_unref(bus);
    fail_unless(message != NULL);
    return message;
}

void wait_for_end(GstElement *pipeline) {
    GstMessage *message = take_message(pipeline, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

    fail_unless(GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS, "%" GST_PTR_FORMAT, message);
    gst_message_unref(message);
}

void assert_error(GstElement *element, GQuark domain, gint code, const gchar *part) {
    GstMessage *message = take_message(element, GST_MESSAGE_ERROR);
    GError *error;

    gst_message_parse_error(message, &error, NULL);
    fail_unless(error->domain == domain && error->code == code, "%s %d: %s",
                g_quark_to_string(error->domain), error->code, error->message);
    fail_unless(strstr(error->message, part) != NULL, "\"%s\" has no \"%s\"", error->message, part);
    g_error_free(error);
    gst_message_unref(message);
}

struct push {
    GstHarness *harness;
    GstBuffer *buffer;
};

static gpointer push_thread(gpointer data) {
    struct push *push = data;
    GstFlowReturn flow = gst_harness_push(push->harness, push->buffer);

    g_free(push);
    return GINT_TO_POINTER(flow);
}

GThread *push_in_thread(GstHarness *harness, GstBuffer *buffer) {
    struct push *push = g_new(struct push, 1);

    push->harness = harness;
    push->buffer = buffer;
    return g_thread_new("push", push_thread, push);
}

/* 251 is a prime: a row or a plane that is off by any usual number of bytes shows. */
guint8 picture_byte(gsize place, guint8 seed) {
    return (guint8)((place + seed) % 251);
}

static void video_info(GstVideoInfo *info, const gchar *text) {
    GstCaps *caps = gst_caps_from_string(text);

    fail_unless(caps != NULL && gst_video_info_from_caps(info, caps), "%s", text);
    gst_caps_unref(caps);
}

GstBuffer *make_picture(const gchar *caps, guint8 seed) {
    GstVideoInfo info;
    GstBuffer *buffer;
    GstMapInfo map;

    video_info(&info, caps);
    buffer = gst_buffer_new_allocate(NULL, GST_VIDEO_INFO_SIZE(&info), NULL);
    fail_unless(gst_buffer_map(buffer, &map, GST_MAP_WRITE));
    for (gsize i = 0; i < map.size; i++)
        map.data[i] = picture_byte(i, seed);
    gst_buffer_unmap(buffer, &map);
    return buffer;
}

/* The bytes of a row: of an odd width's last chroma too (YUY2), and of pixels packed in groups
 * (v210) all. */
static gsize row_size(const GstVideoFrame *frame, guint plane) {
    gsize size = 0;

    for (guint i = 0; i < GST_VIDEO_FRAME_N_COMPONENTS(frame); i++) {
        gsize pixel = (gsize)GST_VIDEO_FRAME_COMP_PSTRIDE(frame, i);

        if ((guint)GST_VIDEO_FRAME_COMP_PLANE(frame, i) == plane)
            size = MAX(size, (gsize)GST_VIDEO_FRAME_COMP_WIDTH(frame, i) * pixel);
    }
    return size != 0 ? size : (gsize)GST_VIDEO_FRAME_PLANE_STRIDE(frame, plane);
}

static void assert_plane(const GstVideoFrame *a, const GstVideoFrame *b, guint plane) {
    gint comps[GST_VIDEO_MAX_COMPONENTS];
    gsize size = row_size(a, plane);

    gst_video_format_info_component(a->info.finfo, plane, comps);
    for (gint row = 0; row < GST_VIDEO_FRAME_COMP_HEIGHT(a, comps[0]); row++) {
        const guint8 *in_a = GST_VIDEO_FRAME_PLANE_DATA(a, plane);
        const guint8 *in_b = GST_VIDEO_FRAME_PLANE_DATA(b, plane);

        in_a += row * GST_VIDEO_FRAME_PLANE_STRIDE(a, plane);
        in_b += row * GST_VIDEO_FRAME_PLANE_STRIDE(b, plane);
        fail_unless(memcmp(in_a, in_b, size) == 0, "row %d of plane %u differs", row, plane);
    }
}

void assert_picture(GstBuffer *buffer, const gchar *caps, guint8 seed) {
    GstBuffer *expected = make_picture(caps, seed);
    GstVideoFrame here, there;
    GstVideoInfo info;

    video_info(&info, caps);
    fail_unless(gst_video_frame_map(&here, &info, expected, GST_MAP_READ));
    fail_unless(gst_video_frame_map(&there, &info, buffer, GST_MAP_READ));
    for (guint plane = 0; plane < GST_VIDEO_INFO_N_PLANES(&info); plane++)
        assert_plane(&here, &there, plane);
    gst_video_frame_unmap(&there);
    gst_video_frame_unmap(&here);
    gst_buffer_unref(expected);
}

struct shmring_reader *attach_reader(const gchar *name) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    struct shmring_reader *reader;
    struct shmring_error error = {0};

    options.wait_for_keyframe = false;
    fail_unless(shmring_reader_new(name, &options, &reader, &error) == SHMRING_OK, "%s",
                error.message);
    fail_unless(shmring_reader_attach(reader, SHMRING_FOREVER, &error) == SHMRING_OK, "%s",
                error.message);
    return reader;
}

struct shmring_writer *open_writer(const gchar *name, guint64 slot_size) {
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    struct shmring_writer *writer;
    struct shmring_error error = {0};

    options.slot_size = slot_size;
    fail_unless(shmring_writer_open(name, &options, &writer, &error) == SHMRING_OK, "%s",
                error.message);
    return writer;
}

struct shmring_frame *take_frame(struct shmring_reader *reader) {
    struct shmring_frame *frame = NULL;
    struct shmring_error error = {0};
    int res = shmring_reader_take(reader, SHMRING_FOREVER, &frame, &error);

    fail_unless(res == SHMRING_OK, "%d %s", res, error.message);
    return frame;
}

void publish(struct shmring_writer *writer, const struct shmring_frame_info *info, guint8 seed) {
    struct shmring_slot slot;
    struct shmring_error error = {0};

    fail_unless(shmring_writer_loan(writer, SHMRING_LOAN_FILL, SHMRING_FOREVER, &slot, &error) ==
                    SHMRING_OK,
                "%s", error.message);
    for (gsize i = 0; i < info->size; i++)
        ((guint8 *)slot.data)[i] = picture_byte(i, seed);
    fail_unless(shmring_writer_publish(writer, &slot, info, NULL, &error) == SHMRING_OK, "%s",
                error.message);
    shmring_slot_return(&slot);
}

static gsize memory_size(void) {
    gchar *text;
    gsize pages;

    fail_unless(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
    pages = (gsize)g_ascii_strtoull(text, NULL, 10);
    g_free(text);
    return pages * (gsize)sysconf(_SC_PAGESIZE);
}

void limit_memory(gsize more) {
    struct rlimit limit;

    /* a thread's own arena has 64 MB of addresses in reserve */
    mallopt(M_ARENA_MAX, 1);
    assert_equals_int(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = more ? memory_size() + more : limit.rlim_max;
    assert_equals_int(setrlimit(RLIMIT_AS, &limit), 0);
}

struct shmring_frame_info gray_info(void) {
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;

    info.width = 8;
    info.height = 4;
    info.channels = 1;
    g_strlcpy(info.format, "GRAY8", sizeof info.format);
    info.planes = 1;
    info.stride[0] = 8;
    info.size = 32;
    info.pts_ns = 0;
    info.fps_num = 25;

    return info;
}
