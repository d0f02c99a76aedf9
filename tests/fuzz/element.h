/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the targets that are elements share: the plugin is part of the program. */
#ifndef ELEMENT_H
#define ELEMENT_H

#include <gst/gst.h>
#include <signal.h>

#include "input.h"

GST_PLUGIN_STATIC_DECLARE(shmring);

/* What GLib and GStreamer keep to the end is no leak; valgrind finds those of the plugin. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_leaks=0";
}

/* libFuzzer keeps the input of an abort, and knows no trap. */
static inline void abort_at(int signal) {
    abort();
}

/* What GStreamer finds wrong with a call of ours ends the program. */
static inline GstElement *element_new(void) {
    static gboolean is_registered;
    if (!is_registered) {
        gst_init(NULL, NULL);
        g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
        signal(SIGTRAP, abort_at);
        GST_PLUGIN_STATIC_REGISTER(shmring);
        is_registered = TRUE;
    }
    GstElement *source = gst_element_factory_make("shmringsrc", NULL);
    REQUIRE(source);
    return gst_object_ref_sink(source);
}

#endif
