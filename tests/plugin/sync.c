/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sound and picture of one process stay together in another. A flash and a beep that are made at
 * one moment, in two pipelines that began at different ones, come out of their rings in a third,
 * and there have the same running time within a frame: that of the moment itself. */
#include "reading.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRAME (40 * GST_MSECOND)
#define SOUND "audio/x-raw,format=U8,layout=interleaved,rate=8000,channels=1"
#define FLASH_AT 5
#define FRAMES 10

static gchar *picture_ring, *sound_ring;

static void setup(void) {
    picture_ring = g_strdup_printf("%s-picture", ring);
    sound_ring = g_strdup_printf("%s-sound", ring);
}

static void teardown(void) {
    g_free(picture_ring);
    g_free(sound_ring);
}

/* ---- The process with the camera and the microphone --------------------------------------------
 */

/* A sink whose pipeline began BEFORE ago, fed by hand. */
static GstHarness *device(const gchar *of, const gchar *caps, GstClockTime before) {
    GstHarness *h = harness_for("shmringsink", of, "caps=ANY wait-for-connection=true");
    GstClock *clock;

    gst_harness_use_systemclock(h);
    clock = gst_element_get_clock(h->element);
    gst_element_set_base_time(h->element, gst_clock_get_time(clock) - before);
    gst_harness_set_src_caps_str(h, caps);
    gst_object_unref(clock);
    return h;
}

/* All bytes are VALUE; made at MOMENT. */
static void make(GstHarness *h, GstClockTime moment, gsize size, guint8 value) {
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, size, NULL);

    gst_buffer_memset(buffer, 0, value, size);
    GST_BUFFER_PTS(buffer) = moment - gst_element_get_base_time(h->element);
    GST_BUFFER_DURATION(buffer) = FRAME;
    assert_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
}

/* Tells through OUT when the flash was. */
static void film(int out) {
    GstHarness *picture = device(picture_ring, GRAY, 7 * GST_SECOND);
    GstHarness *sound = device(sound_ring, SOUND, 90 * GST_SECOND);
    GstClock *clock = gst_element_get_clock(picture->element);
    GstClockTime start = gst_clock_get_time(clock) + GST_SECOND / 2,
                 flash = start + FLASH_AT * FRAME;

    fail_unless(write(out, &flash, sizeof flash) == sizeof flash);
    for (guint i = 0; i < FRAMES; i++) {
        make(picture, start + i * FRAME, 32, i == FLASH_AT ? 255 : 0);
        make(sound, start + i * FRAME, 320, i == FLASH_AT ? 255 : 128);
    }
    gst_harness_push_event(picture, gst_event_new_eos());
    gst_harness_push_event(sound, gst_event_new_eos());
    gst_object_unref(clock);
    gst_harness_teardown(picture);
    gst_harness_teardown(sound);
}

static pid_t film_in_process(int *in) {
    int ends[2];
    pid_t pid;

    fail_unless(pipe(ends) == 0);
    pid = fork();
    fail_unless(pid >= 0);
    if (pid == 0) {
        film(ends[1]);
        _exit(0);
    }
    close(ends[1]);
    *in = ends[0];
    return pid;
}

/* ---- The process that watches ------------------------------------------------------------------
 */

static GstClockTime running_time(GstPad *pad, GstBuffer *buffer) {
    GstEvent *event = gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0);
    const GstSegment *segment;
    GstClockTime time;

    gst_event_parse_segment(event, &segment);
    time = gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
    gst_event_unref(event);
    return time;
}

/* Notes when the bytes are 255. */
static GstPadProbeReturn watch(GstPad *pad, GstPadProbeInfo *info, gpointer moment) {
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    guint8 first;

    gst_buffer_extract(buffer, 0, &first, 1);
    if (first == 255)
        *(GstClockTime *)moment = running_time(pad, buffer);
    return GST_PAD_PROBE_OK;
}

static void watch_sink(GstElement *pipeline, const gchar *name, GstClockTime *moment) {
    GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), name);
    GstPad *pad = gst_element_get_static_pad(sink, "sink");

    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, watch, moment, NULL);
    gst_object_unref(pad);
    gst_object_unref(sink);
}

GST_START_TEST(test_flash_and_beep) {
    GstClockTime flash = GST_CLOCK_TIME_NONE, beep = GST_CLOCK_TIME_NONE, moment;
    gchar *text = g_strdup_printf("shmringsrc ring-name=%s ! fakesink name=picture sync=true "
                                  "shmringsrc ring-name=%s ! fakesink name=sound sync=true",
                                  picture_ring, sound_ring);
    GstElement *pipeline;
    int in, status;
    pid_t pid = film_in_process(&in);

    pipeline = gst_parse_launch(text, NULL);
    watch_sink(pipeline, "picture", &flash);
    watch_sink(pipeline, "sound", &beep);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    wait_for_end(pipeline);
    fail_unless(read(in, &moment, sizeof moment) == sizeof moment);
    moment -= gst_element_get_base_time(pipeline);
    fail_unless(ABS(GST_CLOCK_DIFF(flash, beep)) < (GstClockTimeDiff)FRAME);
    fail_unless(ABS(GST_CLOCK_DIFF(moment, flash)) < (GstClockTimeDiff)FRAME,
                "%" GST_TIME_FORMAT " is not %" GST_TIME_FORMAT, GST_TIME_ARGS(flash),
                GST_TIME_ARGS(moment));
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    fail_unless(waitpid(pid, &status, 0) == pid);
    fail_unless(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(in);
    g_free(text);
}
GST_END_TEST;

static Suite *sync_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("sync", &tcase);

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_flash_and_beep);
    return suite;
}

GST_CHECK_MAIN(sync);
