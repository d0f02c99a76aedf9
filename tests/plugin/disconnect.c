/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The three ends of a writer, as every setting of on-disconnect meets them, and the next writer. */
#include "support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum end { ENDED, CLOSED, KILLED };

/* What a killed writer left, the next one takes over and removes. */
static void teardown(void) {
    shmring_writer_close(open_writer(ring, 32));
}

static void write_one(enum end end) {
    struct shmring_writer *writer = open_writer(ring, 32);
    struct shmring_frame_info info = gray_info();

    shmring_writer_wait_reader(writer, SHMRING_FOREVER);
    publish(writer, &info, 0);
    if (end == KILLED)
        raise(SIGKILL);
    if (end == ENDED)
        shmring_writer_end(writer);
    shmring_writer_close(writer);
}

/* Another process, so that it can die. Forked before the harness has threads. */
static pid_t writer_process(enum end end) {
    pid_t pid = fork();

    fail_unless(pid >= 0);
    if (pid == 0) {
        write_one(end);
        _exit(0);
    }
    return pid;
}

static GstHarness *after(enum end end, const gchar *properties) {
    pid_t pid = writer_process(end);
    GstHarness *h = harness_for("shmringsrc", ring, properties);
    int status;

    gst_harness_play(h);
    gst_buffer_unref(gst_harness_pull(h));
    fail_unless(waitpid(pid, &status, 0) == pid);
    assert_equals_int(WIFSIGNALED(status), end == KILLED);
    return h;
}

static void ends_in_eos(enum end end, const gchar *properties) {
    GstHarness *h = after(end, properties);
    GstEvent *event;

    while (GST_EVENT_TYPE(event = gst_harness_pull_event(h)) != GST_EVENT_EOS)
        gst_event_unref(event);
    gst_event_unref(event);
    fail_if(gst_bus_have_pending(GST_ELEMENT_BUS(h->element)) &&
            gst_bus_pop_filtered(GST_ELEMENT_BUS(h->element), GST_MESSAGE_ERROR) != NULL);
    gst_harness_teardown(h);
}

static void ends_in_error(enum end end, const gchar *properties) {
    GstHarness *h = after(end, properties);

    assert_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, ring);
    gst_harness_teardown(h);
}

static void goes_on(enum end end) {
    GstHarness *h = after(end, "on-disconnect=wait");
    struct shmring_writer *next = open_writer(ring, 32);
    struct shmring_frame_info info = gray_info();
    GstBuffer *buffer;

    assert_equals_int(shmring_writer_wait_reader(next, SHMRING_FOREVER), SHMRING_OK);
    publish(next, &info, 9);
    buffer = gst_harness_pull(h);
    assert_picture(buffer, GRAY, 9);
    /* a ring that was taken over from a dead writer goes on, as its new writer says */
    fail_unless(end == KILLED || GST_BUFFER_IS_DISCONT(buffer));
    gst_buffer_unref(buffer);
    gst_harness_teardown(h);
    shmring_writer_close(next);
}

GST_START_TEST(test_auto) {
    ends_in_eos(ENDED, "");
    ends_in_eos(CLOSED, "");
    ends_in_error(KILLED, "");
}
GST_END_TEST;

GST_START_TEST(test_eos) {
    ends_in_eos(ENDED, "on-disconnect=eos");
    ends_in_eos(CLOSED, "on-disconnect=eos");
    ends_in_eos(KILLED, "on-disconnect=eos");
}
GST_END_TEST;

GST_START_TEST(test_error) {
    ends_in_eos(ENDED, "on-disconnect=error");
    ends_in_error(CLOSED, "on-disconnect=error");
    ends_in_error(KILLED, "on-disconnect=error");
}
GST_END_TEST;

GST_START_TEST(test_wait) {
    goes_on(ENDED);
    goes_on(CLOSED);
    goes_on(KILLED);
}
GST_END_TEST;

GST_START_TEST(test_wait_times_out) {
    GstHarness *h = after(CLOSED, "on-disconnect=wait connection-timeout=2000000000");

    assert_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, ring);
    gst_harness_teardown(h);
}
GST_END_TEST;

static Suite *disconnect_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("disconnect", &tcase);

    tcase_add_checked_fixture(tcase, NULL, teardown);
    tcase_add_test(tcase, test_auto);
    tcase_add_test(tcase, test_eos);
    tcase_add_test(tcase, test_error);
    tcase_add_test(tcase, test_wait);
    tcase_add_test(tcase, test_wait_times_out);
    return suite;
}

GST_CHECK_MAIN(disconnect);
