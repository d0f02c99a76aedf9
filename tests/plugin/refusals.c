/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What shmringsink cannot do, it says: which ring, why, what to do. */
#include "writing.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void refuses(const gchar *properties, gint code, const gchar *part) {
    GstHarness *h = harness_for("shmringsink", ring, properties);

    gst_harness_set_src_caps_str(h, GRAY);
    fail_if(gst_harness_push(h, make_picture(GRAY, 0)) == GST_FLOW_OK);
    assert_error(h->element, GST_RESOURCE_ERROR, code, part);
    gst_harness_teardown(h);
}

/* 32 bits have less room for addresses than there is memory. */
#define TOO_LARGE                                                                                  \
    (sizeof(gsize) > 4 ? GST_RESOURCE_ERROR_NO_SPACE_LEFT : GST_RESOURCE_ERROR_SETTINGS)
#define TOO_LARGE_TEXT (sizeof(gsize) > 4 ? "/dev/shm" : "address space")

/* More than any machine's memory, less than an address space. */
GST_START_TEST(test_no_space) {
    refuses("slots=256 slot-size=100000000000", TOO_LARGE, TOO_LARGE_TEXT);
}
GST_END_TEST;

GST_START_TEST(test_impossible_size) {
    refuses("slots=256 slot-size=9000000000000000000", GST_RESOURCE_ERROR_SETTINGS, ring);
}
GST_END_TEST;

GST_START_TEST(test_in_use) {
    struct shmring_writer *holder = open_writer(ring, 100);
    gchar *who = g_strdup_printf("%d", getpid());

    refuses("", GST_RESOURCE_ERROR_BUSY, who);
    shmring_writer_close(holder);
    g_free(who);
}
GST_END_TEST;

GST_START_TEST(test_not_a_ring) {
    gchar *path = g_strdup_printf("/dev/shm/%s", ring);

    fail_unless(g_file_set_contents(path, "mine", 4, NULL));
    refuses("", GST_RESOURCE_ERROR_BUSY, ring);
    g_unlink(path);
    g_free(path);
}
GST_END_TEST;

/* The ring of somebody else who died: nobody but he or root can take it over. */
static gboolean is_refused_to_nobody(void) {
    GstMessage *message;
    GstHarness *h;
    GError *error;
    gboolean refused;

    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        return FALSE;
    h = harness_for("shmringsink", ring, "");
    gst_harness_set_src_caps_str(h, GRAY);
    message = take_message(h->element, GST_MESSAGE_ERROR);
    gst_message_parse_error(message, &error, NULL);
    refused = g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED) &&
              strstr(error->message, ring) != NULL;
    if (!refused)
        g_printerr("%s\n", error->message);
    return refused;
}

/* Dies with its ring open. */
static void leave_dead_ring(void) {
    pid_t pid = fork();

    if (pid == 0) {
        open_writer(ring, 32);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    fail_unless(ring_exists(ring));
}

GST_START_TEST(test_no_permission) {
    int status;
    pid_t pid;

    if (geteuid() != 0)
        return;
    leave_dead_ring();
    /* which the other user may not be able to read */
    gst_object_unref(gst_plugin_load_by_name("shmring"));
    pid = fork();
    fail_unless(pid >= 0);
    if (pid == 0)
        _exit(is_refused_to_nobody() ? 0 : 1);
    fail_unless(waitpid(pid, &status, 0) == pid);
    fail_unless(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    shmring_writer_close(open_writer(ring, 32));
}
GST_END_TEST;

/* A ring that cannot grow says so from render(), and what upstream had is not lost in silence. */
GST_START_TEST(test_cannot_grow) {
    GstHarness *h = harness_for("shmringsink", ring, "caps=application/x-test slots=256");
    static gchar byte[1];
    gsize size = (gsize)1 << (sizeof(gsize) > 4 ? 36 : 30);
    GstBuffer *buffer;

    gst_harness_set_src_caps_str(h, "application/x-test");
    /* only its size counts: no page of it is touched */
    buffer = gst_buffer_new_wrapped_full(GST_MEMORY_FLAG_READONLY, byte, 1, 0, 1, NULL, NULL);
    assert_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
    buffer = gst_buffer_new_wrapped_full(GST_MEMORY_FLAG_READONLY, byte, size, 0, size, NULL, NULL);
    assert_equals_int(gst_harness_push(h, buffer), GST_FLOW_ERROR);
    assert_error(h->element, GST_RESOURCE_ERROR, TOO_LARGE, TOO_LARGE_TEXT);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* ---- Memory that this process cannot have ------------------------------------------------------
 */

#define LARGE "video/x-raw,format=GRAY8,width=1024,height=1024,framerate=25/1"
#define A_FRAME ((gsize)2 << 20) /* and no 8 slots of one */

static void assert_no_memory(GstHarness *h) {
    assert_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
                 "Cannot allocate memory");
}

/* In a run of its own, after one that failed. */
static void assert_goes_on(GstHarness *h) {
    fail_unless(gst_element_set_state(h->element, GST_STATE_READY) == GST_STATE_CHANGE_SUCCESS);
    fail_if(ring_exists(ring));
    gst_harness_play(h);
    gst_harness_set_src_caps_str(h, LARGE);
    assert_equals_int(gst_harness_push(h, make_picture(LARGE, 1)), GST_FLOW_OK);
}

GST_START_TEST(test_no_memory) {
    GstHarness *h = harness_for("shmringsink", ring, "slot-size=1048576");
    GstBuffer *buffer = make_picture(GRAY, 0);

    limit_memory(A_FRAME);
    gst_harness_set_src_caps_str(h, GRAY);
    fail_if(gst_harness_push(h, buffer) == GST_FLOW_OK);
    limit_memory(0);
    assert_no_memory(h);
    assert_goes_on(h);
    gst_harness_teardown(h);
}
GST_END_TEST;

GST_START_TEST(test_no_memory_to_grow) {
    GstHarness *h = harness_for("shmringsink", ring, "");
    GstBuffer *buffer = make_picture(LARGE, 1);

    gst_harness_set_src_caps_str(h, GRAY);
    assert_equals_int(gst_harness_push(h, make_picture(GRAY, 0)), GST_FLOW_OK);
    gst_harness_set_src_caps_str(h, LARGE);
    limit_memory(A_FRAME);
    assert_equals_int(gst_harness_push(h, buffer), GST_FLOW_ERROR);
    limit_memory(0);
    assert_no_memory(h);
    assert_goes_on(h);
    gst_harness_teardown(h);
}
GST_END_TEST;

/* Upstream gets ordinary memory then, and slots as soon as there is some for them. */
GST_START_TEST(test_no_memory_to_lend) {
    GstHarness *h = harness_for("shmringsink", ring, "");
    GstBufferPool *pool;
    GstBuffer *buffer;

    gst_harness_set_src_caps_str(h, GRAY);
    gst_harness_set_src_caps_str(h, LARGE);
    limit_memory(2 * A_FRAME);
    pool = active_pool(h, LARGE);
    buffer = acquire(pool);
    limit_memory(0);
    fail_if(is_slot(buffer));
    assert_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
    buffer = acquire(pool);
    fail_unless(is_slot(buffer));
    assert_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
    gst_buffer_pool_set_active(pool, FALSE);
    gst_object_unref(pool);
    gst_harness_teardown(h);
}
GST_END_TEST;

static Suite *refusals_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("refusals", &tcase);

    tcase_add_test(tcase, test_no_space);
    tcase_add_test(tcase, test_impossible_size);
    tcase_add_test(tcase, test_in_use);
    tcase_add_test(tcase, test_not_a_ring);
    tcase_add_test(tcase, test_no_permission);
    tcase_add_test(tcase, test_cannot_grow);
    if (CAN_LIMIT_MEMORY) {
        tcase_add_test(tcase, test_no_memory);
        tcase_add_test(tcase, test_no_memory_to_grow);
        tcase_add_test(tcase, test_no_memory_to_lend);
    }
    return suite;
}

GST_CHECK_MAIN(refusals);
