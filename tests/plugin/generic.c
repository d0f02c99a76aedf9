/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What GStreamer asks of every element: states in any order, properties over their whole range,
 * queries and events at any time, a description, and an end with the last reference. */
#include "support.h"

#include <string.h>

static const gchar *const factories[] = {"shmringsink", "shmringsrc"};

static GRand *dice;

static void setup(void) {
    dice = g_rand_new_with_seed(1);
}

static void teardown(void) {
    g_rand_free(dice);
}

static GstElement *make(gint which) {
    GstElement *element = gst_element_factory_make(factories[which], ring);

    fail_unless(element != NULL);
    return element;
}

/* ---- States ------------------------------------------------------------------------------- */

static const GstState up_and_down[] = {GST_STATE_READY,  GST_STATE_PAUSED, GST_STATE_PLAYING,
                                       GST_STATE_PAUSED, GST_STATE_READY,  GST_STATE_NULL};
static const GstState zigzag[] = {GST_STATE_PLAYING, GST_STATE_NULL,    GST_STATE_PAUSED,
                                  GST_STATE_PLAYING, GST_STATE_READY,   GST_STATE_PLAYING,
                                  GST_STATE_PAUSED,  GST_STATE_PLAYING, GST_STATE_NULL};

static void walk(GstElement *element, const GstState *states, gsize count) {
    for (gint round = 0; round < 2; round++) {
        for (gsize i = 0; i < count; i++)
            set_state(element, states[i]);
    }
}

static void walk_at_random(GstElement *element, gint steps) {
    for (gint i = 0; i < steps; i++)
        set_state(element, g_rand_int_range(dice, GST_STATE_NULL, GST_STATE_PLAYING + 1));
    set_state(element, GST_STATE_NULL);
}

GST_START_TEST(test_states) {
    GstElement *element = make(__i__);

    walk(element, up_and_down, G_N_ELEMENTS(up_and_down));
    walk(element, zigzag, G_N_ELEMENTS(zigzag));
    walk_at_random(element, 200);
    gst_check_object_destroyed_on_unref(element);
}
GST_END_TEST;

/* Each waits for the other at times, and neither may keep the other from changing. */
GST_START_TEST(test_states_of_a_pair) {
    GstElement *writer = pipeline_of("videotestsrc ! video/x-raw,format=GRAY8,width=8,height=8 ! "
                                     "shmringsink name=%s wait-for-connection=true");
    GstElement *reader = pipeline_of("shmringsrc ring-name=%s on-disconnect=wait ! fakesink");

    for (gint i = 0; i < 200; i++) {
        GstState state = g_rand_int_range(dice, GST_STATE_NULL, GST_STATE_PLAYING + 1);

        set_state(g_rand_boolean(dice) ? writer : reader, state);
    }
    set_state(writer, GST_STATE_NULL);
    set_state(reader, GST_STATE_NULL);
    gst_object_unref(writer);
    gst_object_unref(reader);
}
GST_END_TEST;

/* ---- Properties --------------------------------------------------------------------------- */

static gboolean is_ours(GParamSpec *pspec, GstElement *element) {
    return pspec->owner_type == G_OBJECT_TYPE(element);
}

static void assert_value(GstElement *element, GParamSpec *pspec, const GValue *expected) {
    GValue value = G_VALUE_INIT;

    g_value_init(&value, pspec->value_type);
    g_object_get_property(G_OBJECT(element), pspec->name, &value);
    fail_unless(g_param_values_cmp(pspec, &value, expected) == 0 ||
                    gst_value_compare(&value, expected) == GST_VALUE_EQUAL,
                "%s.%s", GST_OBJECT_NAME(element), pspec->name);
    g_value_unset(&value);
}

static void set_and_get(GstElement *element, GParamSpec *pspec, const GValue *value) {
    g_object_set_property(G_OBJECT(element), pspec->name, value);
    assert_value(element, pspec, value);
}

#define CASE(TYPE, type, Spec)                                                                     \
    case G_TYPE_##TYPE:                                                                            \
        g_value_set_##type(least, ((Spec *)pspec)->minimum);                                       \
        g_value_set_##type(most, ((Spec *)pspec)->maximum);                                        \
        return TRUE

/* False: the type has no least and no most value. */
static gboolean get_range(GParamSpec *pspec, GValue *least, GValue *most) {
    GEnumClass *klass;

    g_value_init(least, pspec->value_type);
    g_value_init(most, pspec->value_type);
    if (G_IS_PARAM_SPEC_ENUM(pspec)) {
        klass = G_PARAM_SPEC_ENUM(pspec)->enum_class;
        g_value_set_enum(least, klass->minimum);
        g_value_set_enum(most, klass->maximum);
        return TRUE;
    }
    switch (pspec->value_type) {
        CASE(INT, int, GParamSpecInt);
        CASE(UINT, uint, GParamSpecUInt);
        CASE(INT64, int64, GParamSpecInt64);
        CASE(UINT64, uint64, GParamSpecUInt64);
    case G_TYPE_BOOLEAN:
        g_value_set_boolean(most, TRUE);
        return TRUE;
    default:
        return FALSE;
    }
}

static void check_property(GstElement *element, GParamSpec *pspec) {
    GValue least = G_VALUE_INIT, most = G_VALUE_INIT;
    const GValue *defaults = g_param_spec_get_default_value(pspec);

    fail_unless(strlen(g_param_spec_get_nick(pspec)) > 0, "%s has no nick", pspec->name);
    fail_unless(strlen(g_param_spec_get_blurb(pspec)) > 0, "%s has no blurb", pspec->name);
    if (get_range(pspec, &least, &most) && (pspec->flags & G_PARAM_WRITABLE)) {
        assert_value(element, pspec, defaults);
        set_and_get(element, pspec, &least);
        set_and_get(element, pspec, &most);
        set_and_get(element, pspec, defaults);
    }
    g_value_unset(&least);
    g_value_unset(&most);
}

GST_START_TEST(test_properties) {
    GstElement *element = make(__i__);
    guint count, ours = 0;
    GParamSpec **pspecs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count);

    for (guint i = 0; i < count; i++) {
        if (!is_ours(pspecs[i], element))
            continue;
        check_property(element, pspecs[i]);
        ours++;
    }
    fail_unless(ours >= 5);
    g_free(pspecs);
    gst_object_unref(element);
}
GST_END_TEST;

/* What can be read can be read in every state, without a ring and with one. */
GST_START_TEST(test_properties_in_every_state) {
    GstElement *element = make(__i__);
    guint count;
    GParamSpec **pspecs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count);

    for (gsize s = 0; s < G_N_ELEMENTS(up_and_down); s++) {
        set_state(element, up_and_down[s]);
        for (guint i = 0; i < count; i++) {
            GValue value = G_VALUE_INIT;

            if (!(pspecs[i]->flags & G_PARAM_READABLE))
                continue;
            g_value_init(&value, pspecs[i]->value_type);
            g_object_get_property(G_OBJECT(element), pspecs[i]->name, &value);
            g_value_unset(&value);
        }
    }
    g_free(pspecs);
    gst_object_unref(element);
}
GST_END_TEST;

/* Strings and caps come back as they were set, and NULL is taken. */
GST_START_TEST(test_objects_as_properties) {
    GstElement *sink = make(0);
    GstCaps *caps = gst_caps_from_string("video/x-raw,format=I420"), *got;
    gchar *name;

    g_object_set(sink, "caps", caps, "ring-name", "a", NULL);
    g_object_get(sink, "caps", &got, "ring-name", &name, NULL);
    fail_unless(gst_caps_is_equal(caps, got));
    assert_equals_string(name, "a");
    gst_caps_unref(got);
    g_free(name);
    g_object_set(sink, "caps", NULL, "ring-name", NULL, NULL);
    g_object_get(sink, "ring-name", &name, NULL);
    fail_unless(name == NULL);
    gst_caps_unref(caps);
    gst_object_unref(sink);
}
GST_END_TEST;

/* ---- Queries and events ------------------------------------------------------------------- */

static GstQuery *make_query(guint i) {
    switch (i) {
    case 0:
        return gst_query_new_position(GST_FORMAT_TIME);
    case 1:
        return gst_query_new_duration(GST_FORMAT_BYTES);
    case 2:
        return gst_query_new_latency();
    case 3:
        return gst_query_new_seeking(GST_FORMAT_TIME);
    case 4:
        return gst_query_new_segment(GST_FORMAT_TIME);
    case 5:
        return gst_query_new_formats();
    case 6:
        return gst_query_new_convert(GST_FORMAT_TIME, 1, GST_FORMAT_BYTES);
    case 7:
        return gst_query_new_scheduling();
    case 8:
        return gst_query_new_uri();
    case 9:
        return gst_query_new_caps(NULL);
    case 10:
        return gst_query_new_context("none");
    case 11:
        return gst_query_new_drain();
    case 12:
        return gst_query_new_allocation(NULL, TRUE);
    default:
        return NULL;
    }
}

static GstEvent *make_event(guint i) {
    GstSegment segment;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    switch (i) {
    case 0:
        return gst_event_new_reconfigure();
    case 1:
        return gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5, 1, GST_SECOND);
    case 2:
        return gst_event_new_latency(GST_SECOND);
    case 3:
        return gst_event_new_seek(1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0,
                                  GST_SEEK_TYPE_NONE, 0);
    case 4:
        return gst_event_new_navigation(gst_structure_new_empty("none"));
    case 5:
        return gst_event_new_flush_start();
    case 6:
        return gst_event_new_flush_stop(TRUE);
    case 7:
        return gst_event_new_stream_start("stream");
    case 8:
        return gst_event_new_segment(&segment);
    case 9:
        return gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "title", NULL));
    case 10:
        return gst_event_new_custom(GST_EVENT_CUSTOM_BOTH, gst_structure_new_empty("none"));
    default:
        return NULL;
    }
}

/* Whatever the answers, there are answers. */
static void ask(GstPad *pad) {
    gboolean is_sink = GST_PAD_IS_SINK(pad);
    GstQuery *query;
    GstEvent *event;

    for (guint i = 0; (query = make_query(i)) != NULL; i++) {
        if (is_sink ? GST_QUERY_IS_DOWNSTREAM(query) : GST_QUERY_IS_UPSTREAM(query))
            gst_pad_query(pad, query);
        gst_query_unref(query);
    }
    for (guint i = 0; (event = make_event(i)) != NULL; i++) {
        if (is_sink ? GST_EVENT_IS_DOWNSTREAM(event) : GST_EVENT_IS_UPSTREAM(event))
            gst_pad_send_event(pad, event);
        else
            gst_event_unref(event);
    }
}

GST_START_TEST(test_questions_in_every_state) {
    GstElement *element = make(__i__);
    GstPad *pad = gst_element_get_static_pad(element, __i__ == 0 ? "sink" : "src");

    ask(pad);
    for (gsize i = 0; i < G_N_ELEMENTS(up_and_down); i++) {
        set_state(element, up_and_down[i]);
        ask(pad);
    }
    gst_object_unref(pad);
    gst_object_unref(element);
}
GST_END_TEST;

/* ---- The factory -------------------------------------------------------------------------- */

GST_START_TEST(test_description) {
    static const gchar *const keys[] = {GST_ELEMENT_METADATA_LONGNAME, GST_ELEMENT_METADATA_KLASS,
                                        GST_ELEMENT_METADATA_DESCRIPTION,
                                        GST_ELEMENT_METADATA_AUTHOR};
    GstElementFactory *factory = gst_element_factory_find(factories[__i__]);

    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        const gchar *text = gst_element_factory_get_metadata(factory, keys[i]);

        fail_unless(text != NULL && strlen(text) > 0, "%s has no %s", factories[__i__], keys[i]);
    }
    assert_equals_int(gst_plugin_feature_get_rank(GST_PLUGIN_FEATURE(factory)), GST_RANK_NONE);
    assert_equals_int(gst_element_factory_get_num_pad_templates(factory), 1);
    gst_object_unref(factory);
}
GST_END_TEST;

static Suite *generic_suite(void) {
    TCase *tcase;
    Suite *suite = ring_suite("generic", &tcase);
    gint count = G_N_ELEMENTS(factories);

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, test_states, 0, count);
    tcase_add_test(tcase, test_states_of_a_pair);
    tcase_add_loop_test(tcase, test_properties, 0, count);
    tcase_add_loop_test(tcase, test_properties_in_every_state, 0, count);
    tcase_add_test(tcase, test_objects_as_properties);
    tcase_add_loop_test(tcase, test_questions_in_every_state, 0, count);
    tcase_add_loop_test(tcase, test_description, 0, count);
    return suite;
}

GST_CHECK_MAIN(generic);
