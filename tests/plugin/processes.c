/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writer and reader as gst-launch-1.0 processes: what crosses, and how they stop. */
#include "support.h"

#include <gio/gio.h>
#include <signal.h>
#include <string.h>

/* A gst-launch-1.0 of FORMAT with the ring's name in it, begun to play: its signal handlers are in
 * place then. */
struct launch {
    GSubprocess *process;
    GDataInputStream *output;
};

/* Reads on to the line with PART in it. */
static void read_to(struct launch *l, const gchar *part) {
    gboolean found = FALSE;

    while (!found) {
        gchar *line = g_data_input_stream_read_line(l->output, NULL, NULL, NULL);

        fail_unless(line != NULL, "no \"%s\" came", part);
        found = strstr(line, part) != NULL;
        g_free(line);
    }
}

static struct launch launch(const gchar *format) {
    gchar *pipeline = g_strdup_printf(format, ring);
    gchar *command = g_strdup_printf("%s %s", g_getenv("GST_LAUNCH"), pipeline);
    struct launch l;
    gchar **argv;

    fail_unless(g_shell_parse_argv(command, NULL, &argv, NULL));
    l.process =
        g_subprocess_newv((const gchar *const *)argv,
                          G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE, NULL);
    fail_unless(l.process != NULL, "%s", command);
    l.output = g_data_input_stream_new(g_subprocess_get_stdout_pipe(l.process));
    read_to(&l, "PLAYING");
    g_strfreev(argv);
    g_free(command);
    g_free(pipeline);
    return l;
}

static void expect_exit(struct launch *l, gboolean success) {
    fail_unless(g_subprocess_wait(l->process, NULL, NULL));
    fail_unless(g_subprocess_get_if_exited(l->process));
    assert_equals_int(g_subprocess_get_exit_status(l->process) == 0, success);
    g_object_unref(l->output);
    g_object_unref(l->process);
}

/* How many lines of the rest of its output have PART in them, once it exited as expected. */
static guint finish(struct launch *l, gboolean success, const gchar *part) {
    guint found = 0;
    gchar *line;

    while ((line = g_data_input_stream_read_line(l->output, NULL, NULL, NULL)) != NULL) {
        found += strstr(line, part) != NULL;
        g_free(line);
    }
    expect_exit(l, success);
    return found;
}

static void kill_hard(struct launch *l) {
    g_subprocess_force_exit(l->process);
    g_subprocess_wait(l->process, NULL, NULL);
    g_object_unref(l->output);
    g_object_unref(l->process);
}

#define READER "-v shmringsrc ring-name=%s ! fakesink silent=false"
#define LIVE_WRITER "videotestsrc is-live=true ! videoconvert ! shmringsink name=%s"
#define WRITER_OF_300                                                                              \
    "videotestsrc num-buffers=300 ! videoconvert ! shmringsink name=%s wait-for-connection=true"

/* Each frame is one of these lines of the fake sink. */
#define FRAME "last-message = chain"

GST_START_TEST(test_every_frame) {
    struct launch writer = launch(WRITER_OF_300), reader = launch(READER);

    finish(&writer, TRUE, "");
    assert_equals_int(finish(&reader, TRUE, FRAME), 300);
}
GST_END_TEST;

GST_START_TEST(test_reader_first) {
    struct launch reader = launch(READER), writer = launch(WRITER_OF_300);

    finish(&writer, TRUE, "");
    assert_equals_int(finish(&reader, TRUE, FRAME), 300);
}
GST_END_TEST;

GST_START_TEST(test_two_writers_in_turn) {
    for (gint i = 0; i < 2; i++) {
        struct launch writer = launch(WRITER_OF_300), reader = launch(READER);

        finish(&writer, TRUE, "");
        assert_equals_int(finish(&reader, TRUE, FRAME), 300);
    }
}
GST_END_TEST;

/* The ring works: a frame comes through it. */
static void expect_frame(void) {
    struct shmring_reader *reader = attach_reader(ring);

    shmring_frame_release(take_frame(reader));
    shmring_reader_free(reader);
}

GST_START_TEST(test_interrupted_writer) {
    struct launch writer = launch(LIVE_WRITER), reader = launch(READER);

    read_to(&reader, FRAME);
    g_subprocess_send_signal(writer.process, SIGINT);
    finish(&writer, TRUE, "");
    fail_unless(finish(&reader, TRUE, "EOS") > 0);
}
GST_END_TEST;

GST_START_TEST(test_killed_writer) {
    struct launch writer = launch(LIVE_WRITER), reader = launch(READER);

    read_to(&reader, FRAME);
    kill_hard(&writer);
    fail_unless(finish(&reader, FALSE, ring) > 0);
    /* the next writer takes over what is left */
    writer = launch(LIVE_WRITER);
    expect_frame();
    g_subprocess_send_signal(writer.process, SIGINT);
    finish(&writer, TRUE, "");
}
GST_END_TEST;

/* A dead reader's frames do not stop the writer. */
GST_START_TEST(test_killed_reader) {
    struct launch writer = launch(LIVE_WRITER), reader = launch(READER);
    struct shmring_reader *other;

    read_to(&reader, FRAME);
    kill_hard(&reader);
    other = attach_reader(ring);
    for (gint i = 0; i < 20; i++)
        shmring_frame_release(take_frame(other));
    shmring_reader_free(other);
    g_subprocess_send_signal(writer.process, SIGINT);
    finish(&writer, TRUE, "");
}
GST_END_TEST;

GST_START_TEST(test_interrupted_waits) {
    struct launch reader = launch("shmringsrc ring-name=%s ! fakesink");
    struct launch writer;

    g_subprocess_send_signal(reader.process, SIGINT);
    finish(&reader, TRUE, "");
    writer = launch("videotestsrc ! videoconvert ! shmringsink name=%s wait-for-connection=true");
    g_subprocess_send_signal(writer.process, SIGINT);
    finish(&writer, TRUE, "");
}
GST_END_TEST;

GST_START_TEST(test_interrupted_reader) {
    struct launch writer = launch(LIVE_WRITER), reader = launch(READER);

    read_to(&reader, FRAME);
    g_subprocess_send_signal(reader.process, SIGINT);
    finish(&reader, TRUE, "");
    expect_frame();
    g_subprocess_send_signal(writer.process, SIGINT);
    finish(&writer, TRUE, "");
}
GST_END_TEST;

static Suite *processes_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("processes", &tcase);

    tcase_add_test(tcase, test_every_frame);
    tcase_add_test(tcase, test_reader_first);
    tcase_add_test(tcase, test_two_writers_in_turn);
    tcase_add_test(tcase, test_interrupted_writer);
    tcase_add_test(tcase, test_killed_writer);
    tcase_add_test(tcase, test_killed_reader);
    tcase_add_test(tcase, test_interrupted_waits);
    tcase_add_test(tcase, test_interrupted_reader);
    return suite;
}

GST_CHECK_MAIN(processes);
