/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of both elements need: names, frames, far ends in plain C, errors. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include "shmring.h"

/* What GStreamer has had since 1.20, and GLib since 2.68, for Debian 11. */
#if !GST_CHECK_VERSION(1, 20, 0)
void gst_harness_set_live(GstHarness *h, gboolean is_live);
#define gst_buffer_new_memdup(data, size) gst_buffer_new_wrapped(g_memdup2(data, size), size)
#endif
#if !GLIB_CHECK_VERSION(2, 68, 0)
#define g_memdup2(data, size) g_memdup(data, (guint)(size))
#endif

/* A user that is not root. */
#define NOBODY 65534

/* The name of a test's ring, which no other test, and no other run of this one, uses. */
extern gchar *ring;

/* A suite with one TCASE: each of its tests has a RING, and leaves nothing of that. */
Suite *ring_suite(const gchar *name, TCase **tcase);

/* Whether /dev/shm has anything of NAME. */
gboolean ring_exists(const gchar *name);

/* Removes RING's name, or with SUFFIX .ctl its other one. */
void remove_name(const gchar *suffix);

/* A test with dice takes FEW; CONTRIBUTING.md has the command for more. */
gint rounds(gint few);

#define GRAY "video/x-raw,format=GRAY8,width=8,height=4,framerate=25/1"

/* A harness around "ELEMENT ring-name=RING PROPERTIES" that keeps the element's messages, until it
 * goes to NULL. */
GstHarness *harness_for(const gchar *element, const gchar *ring, const gchar *properties);

/* The pipeline that FORMAT describes, with RING for its %s. */
GstElement *pipeline_of(const gchar *format);

/* Waits for the end of the pipeline's stream; an error fails. */
void wait_for_end(GstElement *pipeline);

/* Sets STATE, which must not fail. */
void set_state(GstElement *element, GstState state);

/* The element's first error is DOMAIN/CODE, and its text has PART in it. */
void assert_error(GstElement *element, GQuark domain, gint code, const gchar *part);

/* The next message of TYPE on the element's bus; fails if there is none. */
GstMessage *take_message(GstElement *element, GstMessageType type);

/* Pushes where waiting does not hurt the test; g_thread_join() gives the GstFlowReturn. */
GThread *push_in_thread(GstHarness *harness, GstBuffer *buffer);
#define FLOW_OF(thread) GPOINTER_TO_INT(g_thread_join(thread))

/* A buffer of CAPS whose every byte depends on its place and on SEED. */
GstBuffer *make_picture(const gchar *caps, guint8 seed);
guint8 picture_byte(gsize place, guint8 seed);

/* Every pixel of BUFFER equals that of make_picture(CAPS, SEED). */
void assert_picture(GstBuffer *buffer, const gchar *caps, guint8 seed);

/* A reader, attached; a writer; and a frame of the reader's, of which there must be one. */
struct shmring_reader *attach_reader(const gchar *ring);
struct shmring_writer *open_writer(const gchar *ring, guint64 slot_size);
struct shmring_frame *take_frame(struct shmring_reader *reader);

/* Not where AddressSanitizer needs some of its own, nor where all tests share one process, as in
 * valgrind. */
#ifdef __SANITIZE_ADDRESS__
#define CAN_LIMIT_MEMORY FALSE
#else
#define CAN_LIMIT_MEMORY (g_getenv("CK_FORK") == NULL)
#endif

/* From now on this process gets no more than MORE bytes beyond what it has, until MORE is 0. */
void limit_memory(gsize more);

/* Publishes SIZE bytes of picture_byte(, SEED) as INFO says. */
void publish(struct shmring_writer *writer, const struct shmring_frame_info *info, guint8 seed);

/* GRAY8 of 8x4, pts 0, without caps text. */
struct shmring_frame_info gray_info(void);

#endif
