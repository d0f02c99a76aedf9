/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What shmringsink tells of its ring and its readers. */
#include "writing.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "layout.h"

static GstHarness *h;

static void setup(void) {
    h = harness_for("shmringsink", ring, "slots=4 timeout=0");
}

static void teardown(void) {
    gst_harness_teardown(h);
}

static guint num_readers(void) {
    guint readers;

    g_object_get(h->element, "num-readers", &readers, NULL);
    return readers;
}

GST_START_TEST(test_before_ring) {
    GstElement *sink = gst_element_factory_make("shmringsink", NULL);
    GstStructure *stats;

    g_object_get(sink, "ring-stats", &stats, NULL);
    fail_unless(stats == NULL);
    gst_object_unref(sink);
    assert_equals_int(num_readers(), 0);
}
GST_END_TEST;

/* Four frames fit, the fifth takes the reader's oldest; it takes one of them and keeps it. */
GST_START_TEST(test_counts) {
    struct shmring_reader *reader;
    struct shmring_frame *frame;

    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    for (guint8 i = 0; i < 5; i++)
        gst_harness_push(h, make_picture(GRAY, i));
    frame = take_frame(reader);
    assert_equals_uint64(count_of(h->element, "published"), 5);
    assert_equals_uint64(count_of(h->element, "copied"), 5);
    assert_equals_uint64(count_of(h->element, "in-place"), 0);
    assert_equals_uint64(count_of(h->element, "dropped"), 0);
    assert_equals_uint64(count_of(h->element, "withdrawn"), 1);
    assert_equals_uint64(count_of(h->element, "bytes"), 5 * 32);
    assert_equals_uint64(count_of(h->element, "slot-size"), 32);
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(FALSE));
    assert_equals_uint64(count_of(h->element, "flushed"), 3);
    shmring_frame_release(frame);
    shmring_reader_free(reader);
}
GST_END_TEST;

/* What the first reader of RING may write. */
static struct layout_port *map_port(void) {
    gchar *path = g_strdup_printf("/dev/shm/%s.ctl", ring);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct layout_ctl *ctl = mmap(NULL, LAYOUT_PAGE + sizeof(struct layout_port),
                                  PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    fail_unless(ctl != MAP_FAILED);
    close(fd);
    g_free(path);
    return ctl->port;
}

static void unmap_port(struct layout_port *port) {
    munmap((guint8 *)port - LAYOUT_PAGE, LAYOUT_PAGE + sizeof *port);
}

/* No slot becomes free that could be waited for: a reader says that it took more than its lease.
 * The watch thread may look first, and shut it out before: then none is dropped. */
static gboolean drops_for_a_liar(void) {
    struct shmring_reader *liar = attach_reader(ring);
    struct layout_port *port = map_port();
    guint64 published;

    for (guint8 i = 0; i < 4; i++)
        gst_harness_push(h, make_picture(GRAY, i));
    published = count_of(h->element, "published");
    for (guint i = 0; i < 4; i++)
        port->claim[i] = claim_word(claim_seq(port->claim[i]), CLAIM_TAKEN);
    assert_equals_int(gst_harness_push(h, make_picture(GRAY, 4)), GST_FLOW_OK);
    unmap_port(port);
    shmring_reader_free(liar);
    return count_of(h->element, "published") == published;
}

GST_START_TEST(test_dropped) {
    guint64 published, dropped;
    GstMessage *message;

    gst_harness_set_src_caps_str(h, GRAY);
    while (!drops_for_a_liar())
        continue;
    message = take_message(h->element, GST_MESSAGE_QOS);
    gst_message_parse_qos_stats(message, NULL, &published, &dropped);
    assert_equals_uint64(published, count_of(h->element, "published"));
    assert_equals_uint64(dropped, 1);
    assert_equals_int(gst_harness_push(h, make_picture(GRAY, 5)), GST_FLOW_OK);
    assert_equals_uint64(count_of(h->element, "published"), published + 1);
    assert_equals_uint64(count_of(h->element, "dropped"), 1);
    gst_message_unref(message);
}
GST_END_TEST;

GST_START_TEST(test_reader) {
    struct shmring_reader *reader;
    const GstStructure *one;
    const GValue *readers;
    GstStructure *stats;
    guint pid, offered;
    guint64 lag;

    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    gst_harness_push(h, make_picture(GRAY, 0));
    gst_harness_push(h, make_picture(GRAY, 1));
    assert_equals_int(num_readers(), 1);
    g_object_get(h->element, "ring-stats", &stats, NULL);
    readers = gst_structure_get_value(stats, "readers");
    assert_equals_int(gst_value_array_get_size(readers), 1);
    one = gst_value_get_structure(gst_value_array_get_value(readers, 0));
    fail_unless(gst_structure_get(one, "pid", G_TYPE_UINT, &pid, "offered", G_TYPE_UINT, &offered,
                                  "lag", G_TYPE_UINT64, &lag, NULL));
    assert_equals_int(pid, getpid());
    assert_equals_int(offered, 2);
    fail_unless(lag <= 2);
    gst_structure_free(stats);
    shmring_reader_free(reader);
    assert_equals_int(num_readers(), 0);
}
GST_END_TEST;

GST_START_TEST(test_after_stop) {
    gst_harness_set_src_caps_str(h, GRAY);
    gst_harness_push(h, make_picture(GRAY, 0));
    gst_element_set_state(h->element, GST_STATE_NULL);
    assert_equals_uint64(count_of(h->element, "published"), 1);
    assert_equals_int(num_readers(), 0);
    gst_element_set_state(h->element, GST_STATE_PAUSED);
    gst_element_set_state(h->element, GST_STATE_NULL);
    assert_equals_uint64(count_of(h->element, "published"), 1);
}
GST_END_TEST;

/* ---- Signals ------------------------------------------------------------------------------ */

static void on_attached(GstElement *sink, guint64 id, guint pid, const gchar *name,
                        gpointer queue) {
    assert_equals_int(pid, getpid());
    g_async_queue_push(queue, g_strdup_printf("+%" G_GUINT64_FORMAT, id));
}

static void on_detached(GstElement *sink, guint64 id, guint pid, const gchar *name,
                        gpointer queue) {
    g_async_queue_push(queue, g_strdup_printf("-%" G_GUINT64_FORMAT, id));
}

static void on_notify(GstElement *sink, GParamSpec *pspec, gpointer queue) {
    g_async_queue_push(queue, g_strdup("notify"));
}

static GAsyncQueue *listen_to(GstElement *sink) {
    GAsyncQueue *queue = g_async_queue_new_full(g_free);

    g_signal_connect(sink, "reader-attached", G_CALLBACK(on_attached), queue);
    g_signal_connect(sink, "reader-detached", G_CALLBACK(on_detached), queue);
    g_signal_connect(sink, "notify::num-readers", G_CALLBACK(on_notify), queue);
    return queue;
}

/* The next one begins with SIGN; returns what follows it. */
static gchar *expect(GAsyncQueue *queue, gchar sign) {
    gchar *event = g_async_queue_pop(queue), *rest = g_strdup(event + 1);

    fail_unless(event[0] == sign, "%s, not %c", event, sign);
    g_free(event);
    return rest;
}

/* No frame flows. */
GST_START_TEST(test_signals) {
    GAsyncQueue *queue = listen_to(h->element);
    struct shmring_reader *reader;
    gchar *came, *went;

    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    came = expect(queue, '+');
    g_free(expect(queue, 'n'));
    shmring_reader_free(reader);
    went = expect(queue, '-');
    g_free(expect(queue, 'n'));
    assert_equals_string(came, went);
    g_free(came);
    g_free(went);
    gst_element_set_state(h->element, GST_STATE_NULL);
    g_async_queue_unref(queue);
}
GST_END_TEST;

GST_START_TEST(test_signals_at_stop) {
    GAsyncQueue *queue = listen_to(h->element);
    struct shmring_reader *reader;

    gst_harness_set_src_caps_str(h, GRAY);
    reader = attach_reader(ring);
    g_free(expect(queue, '+'));
    gst_element_set_state(h->element, GST_STATE_NULL);
    g_free(expect(queue, 'n'));
    g_free(expect(queue, '-'));
    shmring_reader_free(reader);
    g_async_queue_unref(queue);
}
GST_END_TEST;

static void stop_sink(GstElement *sink, guint64 id, guint pid, const gchar *name, gpointer queue) {
    gst_element_set_state(sink, GST_STATE_NULL);
    g_async_queue_push(queue, g_strdup("stopped"));
}

static void stop_too(GstElement *sink, guint64 id, guint pid, const gchar *name,
                     gpointer pipeline) {
    gst_element_set_state(pipeline, GST_STATE_NULL);
    g_async_queue_push(g_object_get_data(G_OBJECT(sink), "queue"), g_strdup("-"));
}

/* The handler wants the lock that its own end is awaited under. */
GST_START_TEST(test_both_stop) {
    GAsyncQueue *queue = g_async_queue_new_full(g_free);
    gchar *text = g_strdup_printf("videotestsrc ! videoconvert ! shmringsink name=%s", ring);
    GstElement *pipeline = gst_parse_launch(text, NULL);
    GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), ring);
    struct shmring_reader *reader;

    g_object_set_data(G_OBJECT(sink), "queue", queue);
    g_signal_connect(sink, "reader-attached", G_CALLBACK(on_attached), queue);
    g_signal_connect(sink, "reader-detached", G_CALLBACK(stop_too), pipeline);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    reader = attach_reader(ring);
    g_free(expect(queue, '+'));
    gst_element_set_state(pipeline, GST_STATE_NULL);
    g_free(expect(queue, '-'));
    shmring_reader_free(reader);
    gst_object_unref(sink);
    gst_object_unref(pipeline);
    g_free(text);
    g_async_queue_unref(queue);
}
GST_END_TEST;

GST_START_TEST(test_handler_stops_sink) {
    GAsyncQueue *queue = g_async_queue_new_full(g_free);
    struct shmring_reader *reader;

    gst_harness_set_src_caps_str(h, GRAY);
    g_signal_connect(h->element, "reader-attached", G_CALLBACK(stop_sink), queue);
    reader = attach_reader(ring);
    g_free(expect(queue, 's'));
    fail_if(ring_exists(ring));
    shmring_reader_free(reader);
    g_async_queue_unref(queue);
}
GST_END_TEST;

struct asking {
    GstElement *element;
    gint is_over; /* atomic */
};

static gpointer ask_again_and_again(gpointer data) {
    struct asking *asking = data;
    GstStructure *stats = NULL;

    while (!g_atomic_int_get(&asking->is_over)) {
        g_object_get(asking->element, "ring-stats", &stats, NULL);
        gst_clear_structure(&stats);
    }
    return NULL;
}

/* Who asks needs not know what the element is about to do. */
GST_START_TEST(test_asked_while_it_starts) {
    static const gchar *const elements[] = {"shmringsink", "shmringsrc"};
    struct asking asking = {gst_element_factory_make(elements[__i__], NULL), FALSE};
    GThread *thread;

    g_object_set(asking.element, "ring-name", ring, NULL);
    thread = g_thread_new("ask", ask_again_and_again, &asking);
    for (guint i = 0; i < 200; i++) {
        gst_element_set_state(asking.element, GST_STATE_PAUSED);
        gst_element_set_state(asking.element, GST_STATE_READY);
    }
    g_atomic_int_set(&asking.is_over, TRUE);
    g_thread_join(thread);
    gst_element_set_state(asking.element, GST_STATE_NULL);
    gst_object_unref(asking.element);
}
GST_END_TEST;

static Suite *stats_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("stats", &tcase);

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_before_ring);
    tcase_add_test(tcase, test_counts);
    tcase_add_test(tcase, test_dropped);
    tcase_add_test(tcase, test_reader);
    tcase_add_test(tcase, test_after_stop);
    tcase_add_test(tcase, test_signals);
    tcase_add_test(tcase, test_signals_at_stop);
    tcase_add_test(tcase, test_both_stop);
    tcase_add_test(tcase, test_handler_stops_sink);
    tcase_add_loop_test(tcase, test_asked_while_it_starts, 0, 2);
    return suite;
}

GST_CHECK_MAIN(stats);
