/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What keeps an element from its ring, as the error that it posts. Writers' ends are in
 * disconnect.c, timeouts, caps and damaged frames in src.c. */
#include "reading.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

GST_START_TEST(test_impossible_name) {
    GstHarness *h = harness_for("shmringsrc", "a/b", "");

    fail_unless(gst_element_set_state(h->element, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE);
    assert_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "a/b");
    gst_harness_teardown(h);
}
GST_END_TEST;

GST_START_TEST(test_no_ring) {
    GstHarness *h = harness_for("shmringsrc", ring, "connection-timeout=0");

    gst_harness_play(h);
    assert_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, ring);
    gst_harness_teardown(h);
}
GST_END_TEST;

GST_START_TEST(test_no_ring_but_a_file) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    gchar *path = g_strdup_printf("/dev/shm/%s", ring);
    gchar *ctl = g_strdup_printf("%s.ctl", path);

    fail_unless(g_file_set_contents(path, "of somebody else", -1, NULL));
    fail_unless(g_file_set_contents(ctl, "of somebody else", -1, NULL));
    gst_harness_play(h);
    assert_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ, ring);
    gst_harness_teardown(h);
    assert_equals_int(unlink(path), 0);
    assert_equals_int(unlink(ctl), 0);
    g_free(path);
    g_free(ctl);
}
GST_END_TEST;

GST_START_TEST(test_no_port) {
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer;
    struct shmring_reader *reader;

    options.slot_size = 32;
    options.max_readers = 1;
    assert_equals_int(shmring_writer_open(ring, &options, &writer, NULL), SHMRING_OK);
    reader = attach_reader(ring);
    gst_harness_play(h);
    assert_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY, "max-readers");
    shmring_reader_free(reader);
    stop_reading(h, writer);
}
GST_END_TEST;

static void cut_off(void) {
    gchar *path = g_strdup_printf("/dev/shm/%s", ring);

    assert_equals_int(truncate(path, 0), 0);
    g_free(path);
}

/* `> /dev/shm/cam0`, by the same user. */
GST_START_TEST(test_src_of_what_is_cut_off) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 4096);
    struct shmring_frame_info info = gray_info();
    GstBuffer *held;

    shmring_guard(); /* this program's writer is not the plugin's */
    publish(writer, &info, 1);
    held = gst_harness_pull(h);
    cut_off();
    assert_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ, ring);
    gst_buffer_unref(held);
    stop_reading(h, writer);
}
GST_END_TEST;

GST_START_TEST(test_sink_of_what_is_cut_off) {
    GstHarness *h = harness_for("shmringsink", ring, "");

    gst_harness_set_src_caps_str(h, GRAY);
    fail_unless(gst_harness_push(h, make_picture(GRAY, 1)) == GST_FLOW_OK);
    cut_off();
    fail_unless(gst_harness_push(h, make_picture(GRAY, 2)) == GST_FLOW_ERROR);
    assert_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ, "was cut off");
    gst_harness_teardown(h);
}
GST_END_TEST;

/* Not only when the next frame comes: it may be the first that waits. */
GST_START_TEST(test_sink_that_waits_for_a_reader) {
    GstHarness *h = harness_for("shmringsink", ring, "wait-for-connection=true");

    gst_harness_set_src_caps_str(h, GRAY);
    cut_off();
    fail_unless(gst_harness_push(h, make_picture(GRAY, 1)) == GST_FLOW_ERROR);
    assert_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ,
                 "was cut off while it waited for a reader");
    gst_harness_teardown(h);
}
GST_END_TEST;

/* ---- Memory that this process cannot have ------------------------------------------------------
 */

#define LARGE_SIZE (4 << 20)
#define LESS (1 << 20)

static struct shmring_frame_info large_info(void) {
    struct shmring_frame_info info = gray_info();

    info.width = info.height = 2048;
    info.stride[0] = 2048;
    info.size = LARGE_SIZE;
    return info;
}

static void assert_no_memory(GstHarness *h) {
    assert_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT, ring);
    limit_memory(0);
}

static void assert_next_is(GstHarness *h, struct shmring_writer *writer, guint8 seed) {
    struct shmring_frame_info info = large_info();
    GstBuffer *buffer;

    gst_element_set_state(h->element, GST_STATE_READY);
    gst_harness_play(h);
    assert_equals_int(shmring_writer_wait_reader(writer, SHMRING_FOREVER), SHMRING_OK);
    publish(writer, &info, seed);
    buffer = gst_harness_pull(h);
    assert_equals_int(gst_buffer_get_size(buffer), LARGE_SIZE);
    gst_buffer_unref(buffer);
}

GST_START_TEST(test_no_memory_for_the_ring) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, LARGE_SIZE);

    shmring_writer_close(writer);
    gst_element_set_state(h->element, GST_STATE_READY);
    writer = open_writer(ring, LARGE_SIZE);
    limit_memory(4 * LARGE_SIZE);
    gst_harness_play(h);
    assert_no_memory(h);
    assert_next_is(h, writer, 1);
    stop_reading(h, writer);
}
GST_END_TEST;

GST_START_TEST(test_no_memory_for_a_copy) {
    GstHarness *h;
    struct shmring_writer *writer;
    struct shmring_frame_info info = large_info();

    limit_memory(0); /* before the source's thread is there */
    h = harness_for("shmringsrc", ring, "lease=0");
    writer = writer_for(h, ring, LARGE_SIZE);
    limit_memory(LESS);
    publish(writer, &info, 0);
    assert_no_memory(h);
    for (guint8 i = 1; i < 20; i++)
        assert_next_is(h, writer, i);
    stop_reading(h, writer);
}
GST_END_TEST;

/* ---- Permissions -------------------------------------------------------------------------------
 */

static gboolean is_refused(GstElement *src) {
    GstMessage *message = take_message(src, GST_MESSAGE_ERROR);
    gboolean refused;
    GError *error;

    gst_message_parse_error(message, &error, NULL);
    refused = g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED) &&
              strstr(error->message, ring) != NULL;
    if (!refused)
        g_printerr("%s\n", error->message);
    g_error_free(error);
    gst_message_unref(message);
    return refused;
}

/* In a process of its own, which cannot become root again. */
static gboolean is_refused_to_nobody(void) {
    GstHarness *h;
    gboolean refused;

    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        return FALSE;
    h = harness_for("shmringsrc", ring, "");
    gst_harness_play(h);
    refused = is_refused(h->element);
    gst_harness_teardown(h);
    return refused;
}

/* Only root can be somebody else. */
GST_START_TEST(test_no_permission) {
    struct shmring_writer *writer;
    int status;
    pid_t pid;

    if (geteuid() != 0)
        return;
    writer = open_writer(ring, 32);
    /* which the other user may not be able to read */
    gst_object_unref(gst_plugin_load_by_name("shmring"));
    pid = fork();
    fail_unless(pid >= 0);
    /* killed, so that nothing that the parent left in its memory is done or looked at in it */
    if (pid == 0) {
        if (is_refused_to_nobody())
            raise(SIGKILL);
        _exit(1);
    }
    fail_unless(waitpid(pid, &status, 0) == pid);
    fail_unless(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    shmring_writer_close(writer);
}
GST_END_TEST;

static Suite *errors_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("errors", &tcase);

    /* first: it forks, and where tests share a process the others leave threads to GStreamer */
    tcase_add_test(tcase, test_no_permission);
    tcase_add_test(tcase, test_impossible_name);
    tcase_add_test(tcase, test_no_ring);
    tcase_add_test(tcase, test_no_ring_but_a_file);
    tcase_add_test(tcase, test_no_port);
    tcase_add_test(tcase, test_src_of_what_is_cut_off);
    tcase_add_test(tcase, test_sink_of_what_is_cut_off);
    tcase_add_test(tcase, test_sink_that_waits_for_a_reader);
    if (CAN_LIMIT_MEMORY) {
        tcase_add_test(tcase, test_no_memory_for_the_ring);
        tcase_add_test(tcase, test_no_memory_for_a_copy);
    }
    return suite;
}

GST_CHECK_MAIN(errors);
