/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Video files, decoded in one process and read in another, equal the same files decoded into a
 * file: byte for byte, frame by frame. */
#include "support.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES "60"

/* The ball moves: no two frames are alike. No row is padded: what lies there is nobody's. */
#define PICTURES                                                                                   \
    "videotestsrc num-buffers=" FRAMES " pattern=ball ! "                                          \
    "video/x-raw,format=I420,width=320,height=180,framerate=30/1 ! "

static const struct {
    const gchar *encoder;
    const gchar *caps; /* what the ring carries */
} cases[] = {
    {"jpegenc ! avimux", "video/x-raw,format=BGR"},
    {"jpegenc ! avimux", "video/x-raw,format=I420"},
    {"vp8enc deadline=1 ! webmmux", "video/x-raw,format=BGR"},
    {"vp8enc deadline=1 ! webmmux", "video/x-raw,format=I420"},
    {"avenc_mpeg4 ! avimux", "video/x-raw,format=BGR"},
    {"avenc_mpeg4 ! avimux", "video/x-raw,format=NV12"},
#if GST_CHECK_VERSION(1, 20, 0)
    /* Before, no muxer takes it. */
    {"avenc_ffv1 ! matroskamux", "video/x-raw,format=GRAY8"},
#endif
};

static gchar *folder, *video, *direct, *through;

static void setup(void) {
    folder = g_dir_make_tmp("shmring-pictures-XXXXXX", NULL);
    fail_unless(folder != NULL);
    video = g_build_filename(folder, "video", NULL);
    direct = g_build_filename(folder, "direct", NULL);
    through = g_build_filename(folder, "through", NULL);
}

static void remove_file(gchar *path) {
    g_unlink(path);
    g_free(path);
}

static void teardown(void) {
    remove_file(video);
    remove_file(direct);
    remove_file(through);
    assert_equals_int(g_rmdir(folder), 0);
    g_free(folder);
}

G_GNUC_PRINTF(1, 2)
static GSubprocess *launch(const gchar *format, ...) {
    GSubprocess *process;
    gchar *pipeline, *command, **argv;
    va_list args;

    va_start(args, format);
    pipeline = g_strdup_vprintf(format, args);
    va_end(args);
    command = g_strdup_printf("%s -q %s", g_getenv("GST_LAUNCH"), pipeline);
    fail_unless(g_shell_parse_argv(command, NULL, &argv, NULL));
    process = g_subprocess_newv((const gchar *const *)argv, G_SUBPROCESS_FLAGS_NONE, NULL);
    fail_unless(process != NULL, "%s", command);
    g_strfreev(argv);
    g_free(command);
    g_free(pipeline);
    return process;
}

static void finish(GSubprocess *process) {
    fail_unless(g_subprocess_wait_check(process, NULL, NULL));
    g_object_unref(process);
}

/* Of the same length and bytes, and of as many frames as were encoded. */
static void assert_same_files(void) {
    GMappedFile *a = g_mapped_file_new(direct, FALSE, NULL);
    GMappedFile *b = g_mapped_file_new(through, FALSE, NULL);

    fail_unless(a != NULL && b != NULL);
    assert_equals_uint64(g_mapped_file_get_length(a), g_mapped_file_get_length(b));
    fail_unless(g_mapped_file_get_length(a) >= 320 * 180 * (gsize)atoi(FRAMES));
    fail_unless(memcmp(g_mapped_file_get_contents(a), g_mapped_file_get_contents(b),
                       g_mapped_file_get_length(a)) == 0);
    g_mapped_file_unref(a);
    g_mapped_file_unref(b);
}

GST_START_TEST(test_decoded_video) {
    const gchar *caps = cases[__i__].caps;
    GSubprocess *reader;

    finish(launch(PICTURES "%s ! filesink location=%s", cases[__i__].encoder, video));
    finish(launch("filesrc location=%s ! decodebin ! videoconvert ! %s ! filesink location=%s",
                  video, caps, direct));
    reader = launch("shmringsrc ring-name=%s ! filesink location=%s", ring, through);
    finish(launch("filesrc location=%s ! decodebin ! videoconvert ! "
                  "shmringsink name=%s caps=%s wait-for-connection=true",
                  video, ring, caps));
    finish(reader);
    assert_same_files();
}
GST_END_TEST;

static Suite *pictures_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("pictures", &tcase);

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, test_decoded_video, 0, G_N_ELEMENTS(cases));
    return suite;
}

GST_CHECK_MAIN(pictures);
