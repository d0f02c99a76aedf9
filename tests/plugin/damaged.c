/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames that cannot be what they say: they are left out, and neither this process nor a camera
 * dies of one. */
#include "reading.h"

#include <string.h>

#define LIES_IN_A_ROW 5

/* After the lie comes a frame that is none, and then nothing but lies. */
static void refuses(struct shmring_frame_info lie, const gchar *part) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 4096);
    struct shmring_frame_info good = gray_info();
    GstBuffer *buffer;

    publish(writer, &lie, 0);
    publish(writer, &good, 5);
    buffer = gst_harness_pull(h);
    fail_unless(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT));
    assert_picture(buffer, GRAY, 5);
    gst_buffer_unref(buffer);
    assert_equals_uint64(stat_of(h->element, "damaged"), 1);
    gst_message_unref(take_message(h->element, GST_MESSAGE_WARNING));
    for (gint i = 0; i < LIES_IN_A_ROW; i++)
        publish(writer, &lie, 0);
    assert_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, part);
    assert_equals_uint64(stat_of(h->element, "damaged"), 1 + LIES_IN_A_ROW);
    assert_equals_uint64(stat_of(h->element, "dropped"), 1 + LIES_IN_A_ROW);
    stop_reading(h, writer);
}

static void refuses_caps(const gchar *caps, const gchar *part) {
    struct shmring_frame_info info = gray_info();

    info.caps = caps;
    refuses(info, part);
}

#define RAW(format, width, height)                                                                 \
    "video/x-raw, format=" format ", width=" width ", height=" height ", framerate=0/1"

GST_START_TEST(test_caps) {
    refuses_caps("video/x-raw, width=(int", "damaged");
    refuses_caps("0video/x-raw", "damaged");
    refuses_caps("video\\x-raw", "damaged");
    refuses_caps("", "damaged");
    refuses_caps("video/x-raw, width=(int)[1, 2]", "not fixed");
    refuses_caps("ANY", "not fixed");
    refuses_caps("EMPTY", "not fixed");
    refuses_caps("video/x-raw", "cannot be");
    refuses_caps(RAW("GRAY9", "8", "4"), "cannot be");
    refuses_caps(RAW("GRAY8", "-8", "4"), "cannot be");
    refuses_caps(RAW("GRAY8", "8", "-4"), "cannot be");
    refuses_caps(RAW("GRAY8", "0", "4"), "cannot be");
    refuses_caps(RAW("GRAY8", "8", "0"), "cannot be");
    refuses_caps(RAW("GRAY8", "2147483647", "1"), "cannot be");
    refuses_caps(RAW("BGRA", "1", "2147483647"), "cannot be");
    refuses_caps(RAW("GRAY8", "(string)8", "4"), "cannot be");
    refuses_caps("audio/x-raw, format=S16LE, layout=interleaved, rate=8000, channels=0, "
                 "channel-mask=(bitmask)3",
                 "cannot be");
}
GST_END_TEST;

#define SOUND(channels, rate)                                                                      \
    "audio/x-raw, format=S32LE, layout=interleaved, channels=" channels ", rate=" rate             \
    ", channel-mask=(bitmask)0x3"

GST_START_TEST(test_sound) {
    refuses_caps(SOUND("-1", "8000"), "cannot be");
    refuses_caps(SOUND("0", "8000"), "cannot be");
    refuses_caps(SOUND("1073741824", "8000"), "cannot be");
    refuses_caps(SOUND("2", "0"), "cannot be");
}
GST_END_TEST;

/* The caps say more than the frame has. */
GST_START_TEST(test_caps_say_more) {
    refuses_caps(RAW("GRAY8", "8", "5"), "do not fit");
    refuses_caps(RAW("GRAY8", "9", "4"), "do not fit");
    refuses_caps(RAW("NV12", "8", "4"), "do not fit");
    refuses_caps(RAW("v210", "8", "4"), "do not fit");
    refuses_caps("video/x-bayer, format=bggr, width=8, height=5", "fewer bytes");
    refuses_caps("video/x-bayer, format=rggb10le, width=8, height=4", "fewer bytes");
    refuses_caps("video/x-bayer, format=bggr, width=-8, height=4", "cannot be");
}
GST_END_TEST;

GST_START_TEST(test_no_caps) {
    struct shmring_frame_info info = gray_info();

    strcpy(info.format, "NONSENSE");
    refuses(info, "format");
    strcpy(info.format, "ENCODED");
    refuses(info, "format");
}
GST_END_TEST;

/* Caps text that was hit somewhere: whatever GStreamer makes of it, no warning is logged, and a
 * good frame after it comes. */
GST_START_TEST(test_any_caps) {
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 4096);
    struct shmring_frame_info lie = gray_info(), good = gray_info();
    GRand *rand = g_rand_new_with_seed(1);
    gchar text[] = "video/x-raw, format=(string)GRAY8, width=(int)8, height=(int)4, "
                   "interlace-mode=(string)progressive, pixel-aspect-ratio=(fraction)1/1, "
                   "colorimetry=(string)2:4:7:1, chroma-site=(string)mpeg2, views=(int)1, "
                   "framerate=(fraction)25/1";

    good.frame_number = 7;
    lie.caps = text;
    for (gint i = 0; i < 2000; i++) {
        gsize place = g_rand_int_range(rand, 0, sizeof text - 1);
        gchar was = text[place];
        GstBuffer *buffer;

        text[place] = g_rand_int_range(rand, 1, 128);
        publish(writer, &lie, 0);
        publish(writer, &good, 0);
        while (GST_BUFFER_OFFSET(buffer = gst_harness_pull(h)) != 7)
            gst_buffer_unref(buffer);
        gst_buffer_unref(buffer);
        text[place] = was;
    }
    g_rand_free(rand);
    stop_reading(h, writer);
}
GST_END_TEST;

/* What is no list of tags is none. */
GST_START_TEST(test_tags) {
    static const gchar *const texts[] = {"",
                                         "nonsense",
                                         "taglist, image-orientation=(int)5",
                                         "taglist, image-orientation=(string){ a, b }",
                                         "taglist, image-orientation=(string)\"\"",
                                         "taglist, image-orientation=\xff\xfe"};
    GstHarness *h = harness_for("shmringsrc", ring, "");
    struct shmring_writer *writer = writer_for(h, ring, 4096);
    struct shmring_frame_info info = gray_info();
    GstEvent *event;

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        guint32 entry[64] = {4, strlen(texts[i]) + 1};

        strcpy((gchar *)(entry + 2), texts[i]);
        info.metas = entry;
        info.metas_size = 8 + GST_ROUND_UP_8(entry[1]);
        publish(writer, &info, 0);
        gst_buffer_unref(gst_harness_pull(h));
    }
    while ((event = gst_harness_try_pull_event(h)) != NULL) {
        fail_if(GST_EVENT_TYPE(event) == GST_EVENT_TAG);
        gst_event_unref(event);
    }
    stop_reading(h, writer);
}
GST_END_TEST;

static Suite *damaged_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("damaged", &tcase);

    tcase_add_test(tcase, test_caps);
    tcase_add_test(tcase, test_sound);
    tcase_add_test(tcase, test_caps_say_more);
    tcase_add_test(tcase, test_no_caps);
    tcase_add_test(tcase, test_any_caps);
    tcase_add_test(tcase, test_tags);
    return suite;
}

GST_CHECK_MAIN(damaged);
