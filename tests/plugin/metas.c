/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The block of metas in a frame's header, written and read, and read from any bytes. */
#include "writing.h"

#include <gst/video/gstvideoaffinetransformationmeta.h>
#include <stdlib.h>
#include <string.h>

#include "gstshmringmeta.h"

#define PICTURE "video/x-raw,format=GRAY8,width=80,height=40,framerate=25/1"

static GstVideoInfo video;
static GstAudioInfo audio;
static const GstShmRingMetaStream stream = {.video = &video, .audio = &audio};
static GByteArray *block;

static void setup(void) {
    block = g_byte_array_new();
    gst_video_info_set_format(&video, GST_VIDEO_FORMAT_GRAY8, 80, 40);
    gst_audio_info_set_format(&audio, GST_AUDIO_FORMAT_S16LE, 48000, 2, NULL);
    audio.layout = GST_AUDIO_LAYOUT_NON_INTERLEAVED;
}

static void teardown(void) {
    g_byte_array_unref(block);
}

static GstBuffer *read_back(void) {
    GstBuffer *buffer = gst_buffer_new();

    gst_shm_ring_meta_read(buffer, block->data, block->len, &stream);
    return buffer;
}

GST_START_TEST(test_crop) {
    const guint32 bytes[] = {1, 16, 3, 4, 50, 30};
    GstBuffer *buffer = gst_buffer_new();
    GstVideoCropMeta *meta = gst_buffer_add_video_crop_meta(buffer);

    meta->x = 3;
    meta->y = 4;
    meta->width = 50;
    meta->height = 30;
    assert_equals_int(gst_shm_ring_meta_write(block, buffer, NULL), 0);
    gst_buffer_unref(buffer);
    assert_equals_int(block->len, sizeof bytes);
    fail_unless(memcmp(block->data, bytes, sizeof bytes) == 0);
    buffer = read_back();
    meta = gst_buffer_get_video_crop_meta(buffer);
    fail_unless(meta->x == 3 && meta->y == 4 && meta->width == 50 && meta->height == 30);
    gst_buffer_unref(buffer);
}
GST_END_TEST;

GST_START_TEST(test_crop_beyond_picture) {
    const guint32 lies[][6] = {{1, 16, 31, 0, 50, 40},
                               {1, 16, 0, 1, 80, 40},
                               {1, 16, 80, 0, 0xffffffff, 40},
                               {1, 15, 0, 0, 8, 8}};

    for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
        GstBuffer *buffer;

        g_byte_array_set_size(block, 0);
        g_byte_array_append(block, (const guint8 *)lies[i], sizeof lies[i]);
        buffer = read_back();
        fail_unless(gst_buffer_get_video_crop_meta(buffer) == NULL);
        gst_buffer_unref(buffer);
    }
}
GST_END_TEST;

GST_START_TEST(test_transformation) {
    GstBuffer *buffer = gst_buffer_new();
    GstVideoAffineTransformationMeta *meta =
        gst_buffer_add_video_affine_transformation_meta(buffer);

    for (gint i = 0; i < 16; i++)
        meta->matrix[i] = (gfloat)i / 4;
    assert_equals_int(gst_shm_ring_meta_write(block, buffer, NULL), 0);
    gst_buffer_unref(buffer);
    buffer = read_back();
    meta = gst_buffer_get_video_affine_transformation_meta(buffer);
    for (gint i = 0; i < 16; i++)
        fail_unless(meta->matrix[i] == (gfloat)i / 4);
    gst_buffer_unref(buffer);
}
GST_END_TEST;

static void add_region(GstBuffer *buffer, const gchar *type, gint id, gdouble confidence) {
    GstVideoRegionOfInterestMeta *meta =
        gst_buffer_add_video_region_of_interest_meta(buffer, type, 1, 2, 3, 4);

    meta->id = id;
    meta->parent_id = id - 1;
    gst_video_region_of_interest_meta_add_param(
        meta, gst_structure_new("detection", "confidence", G_TYPE_DOUBLE, confidence, "label",
                                G_TYPE_STRING, "a, \"quoted\"; label", NULL));
}

static void expect_region(GstBuffer *buffer, const gchar *type, gint id, gdouble confidence) {
    GstVideoRegionOfInterestMeta *meta =
        gst_buffer_get_video_region_of_interest_meta_id(buffer, id);
    GstStructure *param;
    gdouble got;

    fail_unless(meta != NULL);
    assert_equals_string(g_quark_to_string(meta->roi_type), type);
    assert_equals_int(meta->parent_id, id - 1);
    fail_unless(meta->x == 1 && meta->y == 2 && meta->w == 3 && meta->h == 4);
    param = gst_video_region_of_interest_meta_get_param(meta, "detection");
    fail_unless(gst_structure_get_double(param, "confidence", &got) && got == confidence);
    assert_equals_string(gst_structure_get_string(param, "label"), "a, \"quoted\"; label");
}

GST_START_TEST(test_regions) {
    GstBuffer *buffer = gst_buffer_new();

    add_region(buffer, "face", 5, 0.5);
    add_region(buffer, "hand", 6, 0.25);
    assert_equals_int(gst_shm_ring_meta_write(block, buffer, NULL), 0);
    gst_buffer_unref(buffer);
    buffer = read_back();
    expect_region(buffer, "face", 5, 0.5);
    expect_region(buffer, "hand", 6, 0.25);
    gst_buffer_unref(buffer);
}
GST_END_TEST;

GST_START_TEST(test_tags) {
    GstTagList *tags =
        gst_tag_list_new_from_string("taglist, image-orientation=rotate-180, title=(string)a");
    gchar *orientation;

    fail_unless(gst_shm_ring_meta_find_tags(NULL, 0) == NULL);
    gst_shm_ring_meta_write_tags(block, tags);
    gst_tag_list_unref(tags);
    tags = gst_shm_ring_meta_parse_tags(gst_shm_ring_meta_find_tags(block->data, block->len));
    assert_equals_int(gst_tag_list_n_tags(tags), 1);
    fail_unless(gst_tag_list_get_string(tags, GST_TAG_IMAGE_ORIENTATION, &orientation));
    assert_equals_string(orientation, "rotate-180");
    g_free(orientation);
    gst_tag_list_unref(tags);
}
GST_END_TEST;

static gboolean init_unknown(GstMeta *meta, gpointer params, GstBuffer *buffer) {
    return TRUE;
}

/* Of a type that nobody but this test knows. */
static void add_unknown(GstBuffer *buffer) {
    static const gchar *tags[] = {NULL};
    static const GstMetaInfo *info;

    if (info == NULL)
        info = gst_meta_register(gst_meta_api_type_register("TestUnknownMetaAPI", tags),
                                 "TestUnknownMeta", sizeof(GstMeta), init_unknown, NULL, NULL);
    gst_buffer_add_meta(buffer, info, NULL);
}

/* The header's own are not counted as left out, unknown ones are, with their names. */
GST_START_TEST(test_unknown) {
    GstBuffer *buffer = gst_buffer_new(), *other = gst_buffer_new();
    GstCaps *capture = gst_caps_new_empty_simple("timestamp/x-unix");
    GPtrArray *left_out = g_ptr_array_new();

    gst_buffer_add_parent_buffer_meta(buffer, other);
    gst_buffer_add_video_meta(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, 80, 40);
    gst_buffer_add_reference_timestamp_meta(buffer, capture, 5, GST_CLOCK_TIME_NONE);
    assert_equals_int(gst_shm_ring_meta_write(block, buffer, left_out), 0);
    add_unknown(buffer);
    assert_equals_int(gst_shm_ring_meta_write(block, buffer, left_out), 1);
    assert_equals_int(block->len, 0);
    assert_equals_int(left_out->len, 1);
    assert_equals_string(g_ptr_array_index(left_out, 0), "TestUnknownMeta");
    g_ptr_array_unref(left_out);
    gst_caps_unref(capture);
    gst_buffer_unref(other);
    gst_buffer_unref(buffer);
}
GST_END_TEST;

/* ---- One of each kind --------------------------------------------------------------------- */

/* What WRITE adds to a buffer of SIZE bytes crosses; CHECK sees it on the other side. */
static void crosses(gsize size, void (*write)(GstBuffer *), void (*check)(GstBuffer *)) {
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, size, NULL);

    write(buffer);
    assert_equals_int(gst_shm_ring_meta_write(block, buffer, NULL), 0);
    gst_buffer_unref(buffer);
    buffer = gst_buffer_new_allocate(NULL, size, NULL);
    gst_shm_ring_meta_read(buffer, block->data, block->len, &stream);
    check(buffer);
    gst_buffer_unref(buffer);
    g_byte_array_set_size(block, 0);
}

static void write_video(GstBuffer *buffer) {
    GDateTime *jam = g_date_time_new_utc(2024, 2, 3, 4, 5, 6);

    gst_buffer_add_video_time_code_meta_full(buffer, 30000, 1001, jam,
                                             GST_VIDEO_TIME_CODE_FLAGS_DROP_FRAME, 1, 2, 3, 4, 0);
    gst_buffer_add_video_caption_meta(buffer, GST_VIDEO_CAPTION_TYPE_CEA708_RAW,
                                      (const guint8 *)"abc", 3);
    gst_buffer_add_video_bar_meta(buffer, 1, TRUE, 7, 8);
    gst_buffer_add_video_afd_meta(buffer, 0, GST_VIDEO_AFD_SPEC_ATSC_A53, 9);
    g_date_time_unref(jam);
}

static void check_video(GstBuffer *buffer) {
    GstVideoTimeCodeMeta *code = gst_buffer_get_video_time_code_meta(buffer);
    GstVideoCaptionMeta *caption = gst_buffer_get_video_caption_meta(buffer);
    GstVideoBarMeta *bar = gst_buffer_get_video_bar_meta(buffer);
    GstVideoAFDMeta *afd = gst_buffer_get_video_afd_meta(buffer);

    fail_unless(code != NULL && code->tc.hours == 1 && code->tc.frames == 4 &&
                code->tc.config.fps_d == 1001 && code->tc.config.flags == 1 &&
                g_date_time_get_second(code->tc.config.latest_daily_jam) == 6);
    fail_unless(caption != NULL && caption->caption_type == GST_VIDEO_CAPTION_TYPE_CEA708_RAW &&
                caption->size == 3 && memcmp(caption->data, "abc", 3) == 0);
    fail_unless(bar != NULL && bar->field == 1 && bar->is_letterbox && bar->bar_data2 == 8);
    fail_unless(afd != NULL && afd->spec == GST_VIDEO_AFD_SPEC_ATSC_A53 && afd->afd == 9);
}

static void write_audio(GstBuffer *buffer) {
    gsize offsets[] = {40, 0};

    gst_buffer_add_audio_meta(buffer, &audio, 10, offsets);
    gst_buffer_add_audio_clipping_meta(buffer, GST_FORMAT_TIME, 5, 6);
}

static void check_audio(GstBuffer *buffer) {
    GstAudioMeta *meta = gst_buffer_get_audio_meta(buffer);
    GstAudioClippingMeta *clipping = gst_buffer_get_audio_clipping_meta(buffer);

    fail_unless(meta != NULL && meta->samples == 10 && meta->offsets[0] == 40 &&
                meta->offsets[1] == 0);
    fail_unless(clipping != NULL && clipping->format == GST_FORMAT_TIME && clipping->start == 5 &&
                clipping->end == 6);
}

static void write_any(GstBuffer *buffer) {
    GstCaps *ntp = gst_caps_new_empty_simple("timestamp/x-ntp");

    gst_buffer_add_reference_timestamp_meta(buffer, ntp, 5, 7);
    gst_caps_unref(ntp);
}

static void check_any(GstBuffer *buffer) {
    GstCaps *ntp = gst_caps_new_empty_simple("timestamp/x-ntp");
    GstReferenceTimestampMeta *time = gst_buffer_get_reference_timestamp_meta(buffer, ntp);

    fail_unless(time != NULL && time->timestamp == 5 && time->duration == 7);
    gst_caps_unref(ntp);
}

#if GST_CHECK_VERSION(1, 20, 0)
static void write_newer(GstBuffer *buffer) {
    GstCustomMeta *custom;

    gst_buffer_add_audio_level_meta(buffer, 33, TRUE);
    if (gst_meta_get_info("TestCustomMeta") == NULL)
        gst_meta_register_custom("TestCustomMeta", (const gchar *[]){NULL}, NULL, NULL, NULL);
    custom = gst_buffer_add_custom_meta(buffer, "TestCustomMeta");
    gst_structure_set(gst_custom_meta_get_structure(custom), "score", G_TYPE_DOUBLE, 0.5, "label",
                      G_TYPE_STRING, "a; \"b\"", NULL);
}

static void check_newer(GstBuffer *buffer) {
    GstAudioLevelMeta *level = gst_buffer_get_audio_level_meta(buffer);
    GstCustomMeta *custom = gst_buffer_get_custom_meta(buffer, "TestCustomMeta");
    gdouble score;

    fail_unless(level != NULL && level->level == 33 && level->voice_activity);
    fail_unless(custom != NULL);
    fail_unless(gst_structure_get_double(gst_custom_meta_get_structure(custom), "score", &score) &&
                score == 0.5);
    assert_equals_string(gst_structure_get_string(gst_custom_meta_get_structure(custom), "label"),
                         "a; \"b\"");
}
#else
static void write_newer(GstBuffer *buffer) {
}

static void check_newer(GstBuffer *buffer) {
}
#endif

#if GST_CHECK_VERSION(1, 22, 0)
static void write_user_data(GstBuffer *buffer) {
    gst_buffer_add_video_sei_user_data_unregistered_meta(buffer, (guint8 *)"0123456789abcdef",
                                                         (guint8 *)"hello", 5);
}

static void check_user_data(GstBuffer *buffer) {
    GstVideoSEIUserDataUnregisteredMeta *user =
        gst_buffer_get_video_sei_user_data_unregistered_meta(buffer);

    fail_unless(user != NULL && user->size == 5 && memcmp(user->data, "hello", 5) == 0 &&
                memcmp(user->uuid, "0123456789abcdef", 16) == 0);
}
#else
static void write_user_data(GstBuffer *buffer) {
}

static void check_user_data(GstBuffer *buffer) {
}
#endif

#if GST_CHECK_VERSION(1, 24, 0)
typedef struct {
    GstMeta meta;
    guint32 number;
} SerialMeta;

static gboolean serialize(const GstMeta *meta, GstByteArrayInterface *data, guint8 *version) {
    *version = 1;
    return gst_byte_array_interface_append_data(
        data, (const guint8 *)&((const SerialMeta *)meta)->number, sizeof(guint32));
}

static GstMeta *deserialize(const GstMetaInfo *info, GstBuffer *buffer, const guint8 *data,
                            gsize size, guint8 version) {
    GstMeta *meta;

    if (version != 1 || size != sizeof(guint32))
        return NULL;
    meta = gst_buffer_add_meta(buffer, info, NULL);
    ((SerialMeta *)meta)->number = GST_READ_UINT32_LE(data);
    return meta;
}

static const GstMetaInfo *serial_info(void) {
    static const gchar *tags[] = {NULL};
    static const GstMetaInfo *registered;
    GstMetaInfo *info;

    if (registered == NULL) {
        info = gst_meta_info_new(gst_meta_api_type_register("TestSerialMetaAPI", tags),
                                 "TestSerialMeta", sizeof(SerialMeta));
        info->init_func = init_unknown;
        info->serialize_func = serialize;
        info->deserialize_func = deserialize;
        registered = gst_meta_info_register(info);
    }
    return registered;
}

static void write_serial(GstBuffer *buffer) {
    ((SerialMeta *)gst_buffer_add_meta(buffer, serial_info(), NULL))->number = 77;
}

static void check_serial(GstBuffer *buffer) {
    SerialMeta *meta = (SerialMeta *)gst_buffer_get_meta(buffer, serial_info()->api);

    fail_unless(meta != NULL && meta->number == 77);
}
#else
static void write_serial(GstBuffer *buffer) {
}

static void check_serial(GstBuffer *buffer) {
}
#endif

GST_START_TEST(test_kinds) {
    crosses(80, write_video, check_video);
    crosses(80, write_audio, check_audio);
    crosses(80, write_any, check_any);
    crosses(80, write_newer, check_newer);
    crosses(80, write_user_data, check_user_data);
    crosses(80, write_serial, check_serial);
}
GST_END_TEST;

/* Planes that lie on one another, or beyond the buffer. */
GST_START_TEST(test_planes_that_cannot_be) {
    const guint64 lies[][2] = {{0, 19}, {0, 61}, {G_MAXUINT64, 0}};

    for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
        const guint64 entry[] = {5 | (guint64)32 << 32, 10, 2, lies[i][0], lies[i][1]};
        GstBuffer *buffer = gst_buffer_new_allocate(NULL, 80, NULL);

        gst_shm_ring_meta_read(buffer, entry, sizeof entry, &stream);
        fail_unless(gst_buffer_get_audio_meta(buffer) == NULL);
        gst_buffer_unref(buffer);
    }
}
GST_END_TEST;

/* An active format that no standard has is none; GStreamer would say so as of a fault of ours. */
GST_START_TEST(test_formats_that_are_none) {
    gint found = 0;

    for (guint32 number = 0; number < 3 * 300; number++) {
        const guint32 entry[] = {10, 12, 0, number % 3, number / 3, 0};
        GstBuffer *buffer = gst_buffer_new();

        gst_shm_ring_meta_read(buffer, entry, sizeof entry, &stream);
        found += gst_buffer_get_video_afd_meta(buffer) != NULL;
        gst_buffer_unref(buffer);
    }
    assert_equals_int(found, 3 * 10 + 1);
}
GST_END_TEST;

/* Texts of buffers that GStreamer itself wrote are read, all others are not: it would use what it
 * had freed, and say so. */
GST_START_TEST(test_texts_of_buffers) {
    static const gchar *const good[] = {
        "a/x, b=(buffer)0102aF;",
        "a/x, b=(buffer)< 0102, 03 >, c=1",
        "a/x, b=(buffer)<(buffer)0102, (buffer)030405>",
        "a/x, b=(GstBuffer)01",
        "a/x, s=(structure)\"a\\,\\ b\\=\\(buffer\\)0102\\;\"",
        "a/x, b=(string)\"0g\"",
    };
    static const gchar *const bad[] = {
        "a/x, b=(buffer)0g",
        "a/x, b=(buffer)< 01, 0g >",
        "a/x, b=(buffer)<<01>, 0g>",
        "a/x, b=( buffer ) zz",
        "a/x, b=(GstBuffer)\"01 g\"",
        "a/x, b=<(buffer)01, (buffer)-1>",
        "a/x, b=(buffer)<01",
        "a/x, s=(structure)\"a\\,\\ b\\=\\(buffer\\)01\\0g\\;\"",
        "a/x, s=(structure)\"a\\,\\ b\\=\\(\\142uffer\\)01\\0g\\;\"",
        "a/x, b=(sample)MDE6",
    };
    GstStructure *read;

    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        read = gst_shm_ring_meta_parse(good[i]);
        fail_unless(read != NULL, "%s", good[i]);
        gst_structure_free(read);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        fail_if(gst_shm_ring_meta_is_structure(bad[i]), "%s", bad[i]);
}
GST_END_TEST;

GST_START_TEST(test_limit) {
    GstBuffer *buffer = gst_buffer_new();
    guint left_out;

    for (gint i = 0; i < 1000; i++)
        add_region(buffer, "face", i, 1);
    left_out = gst_shm_ring_meta_write(block, buffer, NULL);
    gst_buffer_unref(buffer);
    fail_unless(left_out > 0 && left_out < 1000);
    fail_unless(block->len <= 49152);
    buffer = read_back();
    assert_equals_int(gst_buffer_get_n_meta(buffer, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE),
                      1000 - left_out);
    gst_buffer_unref(buffer);
}
GST_END_TEST;

/* Whatever the bytes, in memory that ends where they end. */
static void read_bytes(const guint8 *bytes, gsize size) {
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, 80, NULL);
    guint8 *exact = g_memdup2(bytes, size);
    GstTagList *tags;

    gst_shm_ring_meta_read(buffer, exact, size, &stream);
    tags = gst_shm_ring_meta_parse_tags(gst_shm_ring_meta_find_tags(exact, size));
    if (tags != NULL)
        gst_tag_list_unref(tags);
    gst_buffer_unref(buffer);
    g_free(exact);
}

/* BLOCK gets one of each kind, and is used with one byte after another changed. */
static void use_mutated(gint rounds, void (*use)(const guint8 *bytes, gsize size)) {
    GRand *rand = g_rand_new_with_seed(1);
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, 80, NULL);

    gst_buffer_add_video_crop_meta(buffer);
    add_region(buffer, "face", 1, 0.5);
    gst_buffer_add_video_affine_transformation_meta(buffer);
    write_video(buffer);
    write_audio(buffer);
    write_any(buffer);
    write_newer(buffer);
    write_user_data(buffer);
    write_serial(buffer);
    gst_shm_ring_meta_write(block, buffer, NULL);
    gst_buffer_unref(buffer);
    for (gsize size = 0; size <= block->len; size++)
        use(block->data, size);
    for (gint i = 0; i < rounds; i++) {
        gsize place = g_rand_int_range(rand, 0, block->len);
        guint8 was = block->data[place];

        block->data[place] = g_rand_int_range(rand, 0, 256);
        use(block->data, block->len);
        if (i % 3 != 0)
            block->data[place] = was;
    }
    g_rand_free(rand);
}

GST_START_TEST(test_any_bytes) {
    use_mutated(rounds(20000), read_bytes);
}
GST_END_TEST;

/* ---- Through the source ------------------------------------------------------------------- */

static GstHarness *source;
static struct shmring_writer *source_writer;

static void carry_bytes(const guint8 *bytes, gsize size) {
    struct shmring_frame_info info = gray_info();

    info.metas = bytes;
    info.metas_size = size;
    publish(source_writer, &info, 0);
    gst_buffer_unref(gst_harness_pull(source));
}

GST_START_TEST(test_any_bytes_through_a_source) {
    source = harness_for("shmringsrc", ring, "");
    source_writer = open_writer(ring, 32);
    gst_harness_play(source);
    assert_equals_int(shmring_writer_wait_reader(source_writer, SHMRING_FOREVER), SHMRING_OK);
    use_mutated(rounds(2000), carry_bytes);
    gst_harness_teardown(source);
    shmring_writer_close(source_writer);
}
GST_END_TEST;

/* ---- Through the sink --------------------------------------------------------------------- */

GST_START_TEST(test_in_header) {
    GstHarness *h = harness_for("shmringsink", ring, "");
    GstBuffer *buffer = make_picture(PICTURE, 0);
    struct shmring_reader *reader;
    struct shmring_frame *frame;
    GThread *thread;

    gst_harness_set_src_caps_str(h, PICTURE);
    reader = attach_reader(ring);
    add_unknown(buffer);
    for (gint i = 0; i < 100; i++)
        add_region(buffer, "face", i, 0.5);
    /* more than a header of one page holds: the ring moves, the frame is not lost */
    thread = push_in_thread(h, buffer);
    frame = take_frame(reader);
    assert_equals_int(FLOW_OF(thread), GST_FLOW_OK);
    buffer = gst_buffer_new();
    gst_shm_ring_meta_read(buffer, frame->info.metas, frame->info.metas_size, &stream);
    expect_region(buffer, "face", 99, 0.5);
    assert_equals_uint64(count_of(h->element, "dropped-metas"), 1);
    gst_buffer_unref(buffer);
    buffer = make_picture(PICTURE, 0);
    add_unknown(buffer);
    assert_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
    assert_equals_uint64(count_of(h->element, "dropped-metas"), 2);
    gst_message_unref(take_message(h->element, GST_MESSAGE_WARNING));
    /* what is on its way comes before that */
    gst_element_set_state(h->element, GST_STATE_READY);
    fail_unless(gst_bus_pop_filtered(GST_ELEMENT_BUS(h->element), GST_MESSAGE_WARNING) == NULL);
    shmring_frame_release(frame);
    shmring_reader_free(reader);
    gst_harness_teardown(h);
}
GST_END_TEST;

static Suite *metas_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("metas", &tcase);

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_crop);
    tcase_add_test(tcase, test_crop_beyond_picture);
    tcase_add_test(tcase, test_transformation);
    tcase_add_test(tcase, test_regions);
    tcase_add_test(tcase, test_tags);
    tcase_add_test(tcase, test_unknown);
    tcase_add_test(tcase, test_kinds);
    tcase_add_test(tcase, test_planes_that_cannot_be);
    tcase_add_test(tcase, test_formats_that_are_none);
    tcase_add_test(tcase, test_texts_of_buffers);
    tcase_add_test(tcase, test_limit);
    tcase_add_test(tcase, test_any_bytes);
    tcase_add_test(tcase, test_any_bytes_through_a_source);
    tcase_add_test(tcase, test_in_header);
    return suite;
}

GST_CHECK_MAIN(metas);
