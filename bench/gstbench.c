/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two ends of a pipeline that is measured, as elements: benchsrc numbers its frames, benchstamp
 * those of another source, benchsink looks at the numbers. See measure.h.
 *
 *   gst-launch-1.0 benchsrc fps=60 fill=true ! shmringsink name=x
 *   gst-launch-1.0 videotestsrc ! benchstamp ! shmringsink name=x
 *   gst-launch-1.0 shmringsrc ring-name=x ! benchsink
 */
#include <gst/base/gstbasesink.h>
#include <gst/base/gstbasetransform.h>
#include <gst/base/gstpushsrc.h>
#include <string.h>

#include "measure.h"

/* ---- benchsrc ---- */

#define STAMP_PIXELS (sizeof(struct stamp) / 3)

typedef struct {
    GstPushSrc parent;
    guint fps, encoded_size;
    gboolean fill;
    gdouble seconds;
    gboolean padded; /* pixels of four bytes, which a converter makes three of */
    struct pen pen;
} BenchSrc;
typedef GstPushSrcClass BenchSrcClass;

enum { SRC_0, SRC_FPS, SRC_FILL, SRC_SECONDS, SRC_ENCODED_SIZE };

static GType bench_src_get_type(void);
G_DEFINE_TYPE(BenchSrc, bench_src, GST_TYPE_PUSH_SRC)

static void bench_src_set_property(GObject *object, guint id, const GValue *value,
                                   GParamSpec *spec) {
    BenchSrc *src = (BenchSrc *)object;

    if (id == SRC_FPS) {
        src->fps = g_value_get_uint(value);
        gst_base_src_set_live(GST_BASE_SRC(src), src->fps > 0);
        gst_base_src_set_do_timestamp(GST_BASE_SRC(src), src->fps > 0);
    } else if (id == SRC_FILL)
        src->fill = g_value_get_boolean(value);
    else if (id == SRC_SECONDS)
        src->seconds = g_value_get_double(value);
    else
        src->encoded_size = g_value_get_uint(value);
}

static gboolean bench_src_start(GstBaseSrc *base) {
    BenchSrc *src = (BenchSrc *)base;

    src->pen = (struct pen){
        .fill = src->fill,
        .interval_ns = src->fps ? GST_SECOND / src->fps : 0,
        .run_ns = (int64_t)(src->seconds * GST_SECOND),
    };
    return TRUE;
}

static GstCaps *bench_src_fixate(GstBaseSrc *base, GstCaps *caps) {
    BenchSrc *src = (BenchSrc *)base;

    if (src->encoded_size) {
        gst_caps_unref(caps);
        return gst_caps_from_string("video/x-h264, stream-format=byte-stream, "
                                    "alignment=au, width=1920, height=1080, framerate=30/1");
    }
    caps = gst_caps_make_writable(gst_caps_truncate(caps));
    gst_structure_fixate_field_nearest_int(gst_caps_get_structure(caps, 0), "width", 1920);
    gst_structure_fixate_field_nearest_int(gst_caps_get_structure(caps, 0), "height", 1080);
    gst_structure_fixate_field_nearest_fraction(gst_caps_get_structure(caps, 0), "framerate", 30,
                                                1);
    return GST_BASE_SRC_CLASS(bench_src_parent_class)->fixate(base, caps);
}

static gboolean bench_src_set_caps(GstBaseSrc *base, GstCaps *caps) {
    BenchSrc *src = (BenchSrc *)base;
    GstStructure *structure = gst_caps_get_structure(caps, 0);
    gint width = 0, height = 0;

    gst_structure_get_int(structure, "width", &width);
    gst_structure_get_int(structure, "height", &height);
    src->padded = g_strcmp0(gst_structure_get_string(structure, "format"), "BGRx") == 0;
    src->pen.size =
        src->encoded_size ? src->encoded_size : (guint64)width * height * (src->padded ? 4 : 3);
    gst_base_src_set_blocksize(base, src->pen.size);
    return src->pen.size >= 2 * 4 * STAMP_PIXELS;
}

/* A stamp that is whole again when every fourth byte is left out. */
static void spread_stamp(guint8 *to, const struct stamp *stamp) {
    const guint8 *from = (const guint8 *)stamp;

    for (gsize pixel = 0; pixel < STAMP_PIXELS; pixel++)
        memcpy(to + 4 * pixel, from + 3 * pixel, 3);
}

static void bench_src_write(BenchSrc *src, guint8 *data) {
    struct stamp stamp;

    pen_write(&src->pen, data);
    if (src->padded) {
        memcpy(&stamp, data, sizeof stamp);
        spread_stamp(data, &stamp);
        spread_stamp(data + src->pen.size - 4 * STAMP_PIXELS, &stamp);
    }
}

static GstFlowReturn bench_src_create(GstPushSrc *push, GstBuffer **buffer) {
    BenchSrc *src = (BenchSrc *)push;
    GstFlowReturn flow;
    GstMapInfo map;

    if (!pen_next(&src->pen))
        return GST_FLOW_EOS;
    flow = GST_BASE_SRC_GET_CLASS(push)->alloc(GST_BASE_SRC(push), GST_BUFFER_OFFSET_NONE,
                                               src->pen.size, buffer);
    if (flow != GST_FLOW_OK)
        return flow;
    if (!gst_buffer_map(*buffer, &map, GST_MAP_WRITE))
        return GST_FLOW_ERROR;
    if (!src->fps)
        GST_BUFFER_PTS(*buffer) = src->pen.number * (GST_SECOND / 30);
    bench_src_write(src, map.data);
    gst_buffer_unmap(*buffer, &map);
    return GST_FLOW_OK;
}

static void bench_src_init(BenchSrc *src) {
    src->seconds = 1;
    gst_base_src_set_format(GST_BASE_SRC(src), GST_FORMAT_TIME);
}

static GParamSpec *uint_property(const gchar *name, const gchar *what) {
    return g_param_spec_uint(name, name, what, 0, G_MAXINT, 0,
                             G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS);
}

static GParamSpec *seconds_property(void) {
    return g_param_spec_double("seconds", "seconds", "Measured", 0, G_MAXINT, 1,
                               G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS);
}

static void install_switch(GObjectClass *klass, guint id, const gchar *name, const gchar *what) {
    g_object_class_install_property(
        klass, id,
        g_param_spec_boolean(name, name, what, FALSE, G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS));
}

static void bench_src_class_init(BenchSrcClass *klass) {
    GObjectClass *object = G_OBJECT_CLASS(klass);
    GstBaseSrcClass *base = GST_BASE_SRC_CLASS(klass);

    object->set_property = bench_src_set_property;
    base->start = bench_src_start;
    base->fixate = bench_src_fixate;
    base->set_caps = bench_src_set_caps;
    GST_PUSH_SRC_CLASS(klass)->create = bench_src_create;
    g_object_class_install_property(object, SRC_FPS,
                                    uint_property("fps", "Frames a second; 0: as fast as they go"));
    g_object_class_install_property(
        object, SRC_ENCODED_SIZE,
        uint_property("encoded-size", "Bytes of a frame that is not raw"));
    g_object_class_install_property(object, SRC_SECONDS, seconds_property());
    install_switch(object, SRC_FILL, "fill", "Write every byte");
    gst_element_class_add_pad_template(
        GST_ELEMENT_CLASS(klass),
        gst_pad_template_new(
            "src", GST_PAD_SRC, GST_PAD_ALWAYS,
            gst_caps_from_string("video/x-raw, format={ BGR, BGRx }, "
                                 "width=[1,16384], height=[1,16384], framerate=[0/1,1000/1]; "
                                 "video/x-h264")));
    gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "Numbered frames",
                                          "Source/Video", "Writes frames that benchsink reads",
                                          "shmring");
}

/* ---- benchstamp ---- */

typedef struct {
    GstBaseTransform parent;
    gdouble seconds;
    struct pen pen;
} BenchStamp;
typedef GstBaseTransformClass BenchStampClass;

static GType bench_stamp_get_type(void);
G_DEFINE_TYPE(BenchStamp, bench_stamp, GST_TYPE_BASE_TRANSFORM)

static void bench_stamp_set_property(GObject *object, guint id, const GValue *value,
                                     GParamSpec *spec) {
    ((BenchStamp *)object)->seconds = g_value_get_double(value);
}

static gboolean bench_stamp_start(GstBaseTransform *base) {
    BenchStamp *stamp = (BenchStamp *)base;

    stamp->pen = (struct pen){.run_ns = (int64_t)(stamp->seconds * GST_SECOND)};
    return TRUE;
}

static GstFlowReturn bench_stamp_transform_ip(GstBaseTransform *base, GstBuffer *buffer) {
    BenchStamp *stamp = (BenchStamp *)base;
    GstMapInfo map;

    if (!pen_next(&stamp->pen))
        return GST_FLOW_EOS;
    if (!gst_buffer_map(buffer, &map, GST_MAP_WRITE))
        return GST_FLOW_ERROR;
    stamp->pen.size = map.size;
    pen_write(&stamp->pen, map.data);
    gst_buffer_unmap(buffer, &map);
    return GST_FLOW_OK;
}

static void bench_stamp_init(BenchStamp *stamp) {
    stamp->seconds = 1;
    /* What the sink offers reaches the source. */
    gst_base_transform_set_passthrough(GST_BASE_TRANSFORM(stamp), TRUE);
}

static void add_template(gpointer klass, const gchar *name, GstPadDirection direction) {
    gst_element_class_add_pad_template(
        GST_ELEMENT_CLASS(klass),
        gst_pad_template_new(name, direction, GST_PAD_ALWAYS, gst_caps_new_any()));
}

static void bench_stamp_class_init(BenchStampClass *klass) {
    GObjectClass *object = G_OBJECT_CLASS(klass);

    object->set_property = bench_stamp_set_property;
    GST_BASE_TRANSFORM_CLASS(klass)->start = bench_stamp_start;
    GST_BASE_TRANSFORM_CLASS(klass)->transform_ip = bench_stamp_transform_ip;
    GST_BASE_TRANSFORM_CLASS(klass)->transform_ip_on_passthrough = TRUE;
    g_object_class_install_property(object, 1, seconds_property());
    add_template(klass, "sink", GST_PAD_SINK);
    add_template(klass, "src", GST_PAD_SRC);
    gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "Numbers frames",
                                          "Filter/Video", "Numbers what another source made",
                                          "shmring");
}

/* ---- benchsink ---- */

typedef struct {
    GstBaseSink parent;
    gboolean all, timed;
    struct eye eye;
} BenchSink;
typedef GstBaseSinkClass BenchSinkClass;

enum { SINK_0, SINK_ALL, SINK_TIMED };

static GType bench_sink_get_type(void);
G_DEFINE_TYPE(BenchSink, bench_sink, GST_TYPE_BASE_SINK)

static void bench_sink_set_property(GObject *object, guint id, const GValue *value,
                                    GParamSpec *spec) {
    BenchSink *sink = (BenchSink *)object;

    if (id == SINK_ALL)
        sink->eye.all = g_value_get_boolean(value);
    else
        sink->eye.timed = g_value_get_boolean(value);
}

static GstFlowReturn bench_sink_render(GstBaseSink *base, GstBuffer *buffer) {
    BenchSink *sink = (BenchSink *)base;
    GstMapInfo map;
    gboolean more;

    if (!gst_buffer_map(buffer, &map, GST_MAP_READ))
        return GST_FLOW_ERROR;
    more = eye_look(&sink->eye, map.data, map.size);
    gst_buffer_unmap(buffer, &map);
    if (more)
        return GST_FLOW_OK;
    wait_for_goodbye();
    /* A queue before us would keep the end of the stream from here. */
    gst_element_post_message(GST_ELEMENT(base), gst_message_new_eos(GST_OBJECT(base)));
    return GST_FLOW_EOS;
}

static void bench_sink_init(BenchSink *sink) {
    gst_base_sink_set_sync(GST_BASE_SINK(sink), FALSE);
    /* It would keep the newest frame from whoever wrote it. */
    gst_base_sink_set_last_sample_enabled(GST_BASE_SINK(sink), FALSE);
}

static void bench_sink_class_init(BenchSinkClass *klass) {
    GObjectClass *object = G_OBJECT_CLASS(klass);

    object->set_property = bench_sink_set_property;
    GST_BASE_SINK_CLASS(klass)->render = bench_sink_render;
    install_switch(object, SINK_ALL, "all", "Read every byte");
    install_switch(object, SINK_TIMED, "timed", "Note how long each frame took");
    add_template(klass, "sink", GST_PAD_SINK);
    gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "Reads numbered frames",
                                          "Sink/Video", "Reads frames of benchsrc", "shmring");
}

static gboolean plugin_init(GstPlugin *plugin) {
    return gst_element_register(plugin, "benchsrc", GST_RANK_NONE, bench_src_get_type()) &&
           gst_element_register(plugin, "benchstamp", GST_RANK_NONE, bench_stamp_get_type()) &&
           gst_element_register(plugin, "benchsink", GST_RANK_NONE, bench_sink_get_type());
}

#define PACKAGE "shmring"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, bench, "Measures pipelines", plugin_init,
                  "1", "LGPL", "shmring", "https://localhost")
