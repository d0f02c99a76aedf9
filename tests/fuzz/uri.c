/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any text as a URI: refused with a reason, or taken, and then what shmringsrc makes of it makes
 * the same again. */
#include "element.h"
#include "shmring.h"

/* The same settings; a URI that gives none a second time has them too. */
static void require_same(GstURIHandler *source) {
    GstURIHandler *other = GST_URI_HANDLER(element_new());
    gchar *said = gst_uri_handler_get_uri(source), *again, *name;
    g_object_get(source, "ring-name", &name, NULL);
    REQUIRE(said && name && !shmring_name_problem(name));
    REQUIRE(gst_uri_handler_set_uri(other, said, NULL));
    again = gst_uri_handler_get_uri(other);
    REQUIRE(g_strcmp0(said, again) == 0);
    g_free(again);
    g_free(name);
    g_free(said);
    gst_object_unref(other);
}

static void try_uri(const gchar *text) {
    GstURIHandler *source = GST_URI_HANDLER(element_new());
    GError *error = NULL;
    if (gst_uri_handler_set_uri(source, text, &error))
        require_same(source);
    else
        REQUIRE(error && error->message[0]);
    g_clear_error(&error);
    gst_object_unref(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    gchar *said = g_strndup((const gchar *)data, size);
    gchar *text = g_strconcat("shmring://", said, NULL);
    try_uri(text);
    g_free(text);
    g_free(said);
    return 0;
}
