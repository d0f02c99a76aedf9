/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hours of use in minutes: one writer whose caps change all the time, one reader in mode none that
 * checks every frame, and others that come, stop and are killed, while both sides pause and the
 * writer flushes. Nothing may get lost but what a flush takes back, and nothing may leak. */
#include "campaign.h"

#include <gst/check/gstharness.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shmring.h"

#define SLOTS 8
#define CHILDREN 3
#define MAX_CHILD_FRAMES 600
#ifdef __SANITIZE_ADDRESS__ /* keeps up to 256 MiB of what was freed */
#define MOST_GROWTH_KB (512 * 1024)
#else
#define MOST_GROWTH_KB (16 * 1024)
#endif
#define SPARE_FDS 8

enum flush { NO_FLUSH, FLUSH_ASKED, FLUSH_STARTED };
enum mischief { PAUSE_WRITER, PAUSE_READER, FLUSH, SPAWN, SPAWN_MORE, KILL, MISCHIEFS };

/* One campaign a process. */
static struct campaign campaign = {.seed = 1, .frames = 3000};
static gchar *ring;
static GstHarness *writer;
static GstBufferPool *pool;
static struct reader reader;
static gchar *program;
/* the mischief's */
static GPid children[CHILDREN];
static guint64 done[MISCHIEFS], started, killed;
/* the writing thread's */
static guint64 run = G_MAXUINT64;
static gboolean has_segment;

static GMutex lock;
static GCond changed;
/* under the lock */
static guint64 pushed, arrived; /* frames; the number after the last that came */
static gboolean is_over, is_quiet;
static enum flush flush;
static GArray *flushes; /* the frame being pushed at each */

static void fail_on_error(GstMessage *message) {
    GError *error;

    if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_ERROR)
        return;
    gst_message_parse_error(message, &error, NULL);
    CHECK(FALSE, "%s", error->message);
}

static GstBusSyncReply on_message(GstBus *bus, GstMessage *message, gpointer data) {
    fail_on_error(message);
    gst_message_unref(message);
    return GST_BUS_DROP;
}

static void watch(GstElement *element) {
    GstBus *bus = gst_bus_new();

    gst_bus_set_sync_handler(bus, on_message, NULL, NULL);
    gst_element_set_bus(element, bus);
    gst_object_unref(bus);
}

/* ---- Measuring --------------------------------------------------------------------------------*/

static guint count_fds(void) {
    GDir *dir = g_dir_open("/proc/self/fd", 0, NULL);
    guint fds = 0;

    while (g_dir_read_name(dir) != NULL)
        fds++;
    g_dir_close(dir);
    return fds;
}

/* Without the ring's, which grows as it is told to. */
static guint64 own_memory_kb(void) {
    gchar *text;
    guint64 kb;

    CHECK(g_file_get_contents("/proc/self/status", &text, NULL, NULL), "no /proc/self/status");
    kb = g_ascii_strtoull(strstr(text, "RssAnon:") + strlen("RssAnon:"), NULL, 10);
    g_free(text);
    return kb;
}

/* Of segments that were left behind: each goes with its last frame. */
static guint count_old_mappings(void) {
    gchar *text, **lines;
    guint count = 0;

    CHECK(g_file_get_contents("/proc/self/maps", &text, NULL, NULL), "no /proc/self/maps");
    lines = g_strsplit(text, "\n", -1);
    for (gchar **line = lines; *line != NULL; line++)
        count += strstr(*line, ring) != NULL && g_str_has_suffix(*line, " (deleted)");
    g_strfreev(lines);
    g_free(text);
    return count;
}

static gboolean is_in_shm(const gchar *part) {
    GDir *dir = g_dir_open("/dev/shm", 0, NULL);
    gboolean found = FALSE;
    const gchar *name;

    while ((name = g_dir_read_name(dir)) != NULL)
        found = found || strstr(name, part) != NULL;
    g_dir_close(dir);
    return found;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void end_flush(void) {
    g_mutex_lock(&lock);
    CHECK(flush != NO_FLUSH, "the sink refuses without a flush");
    while (flush != FLUSH_STARTED)
        g_cond_wait(&changed, &lock);
    g_array_append_val(flushes, pushed);
    g_mutex_unlock(&lock);
    CHECK(gst_harness_push_event(writer, gst_event_new_flush_stop(TRUE)), "FLUSH_STOP is refused");
    has_segment = FALSE;
    g_mutex_lock(&lock);
    flush = NO_FLUSH;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&lock);
}

static void drop_pool(void) {
    if (pool != NULL)
        gst_buffer_pool_set_active(pool, FALSE);
    gst_clear_object(&pool);
}

/* As an element upstream does, for about every second run; else frames come in memory of its own.
 */
static void propose_pool(GstCaps *caps, guint64 number) {
    GstQuery *query = gst_query_new_allocation(caps, TRUE);
    GstStructure *config;
    guint size;

    drop_pool();
    if (campaign_random(&campaign, number) % 2 && gst_pad_peer_query(writer->srcpad, query) &&
        gst_query_get_n_allocation_pools(query) > 0)
        gst_query_parse_nth_allocation_pool(query, 0, &pool, &size, NULL, NULL);
    gst_query_unref(query);
    if (pool == NULL)
        return;
    config = gst_buffer_pool_get_config(pool);
    gst_buffer_pool_config_set_params(config, caps, size, 0, 0);
    CHECK(gst_buffer_pool_set_config(pool, config), "the pool refuses what the sink proposed");
    CHECK(gst_buffer_pool_set_active(pool, TRUE), "the pool does not start");
}

static gboolean push_caps(guint64 number) {
    GstCaps *caps;
    gboolean ok;

    if (number / FRAMES_OF_RUN == run)
        return TRUE;
    caps = campaign_caps(&campaign, number);
    ok = gst_harness_push_event(writer, gst_event_new_caps(caps));
    if (ok) {
        propose_pool(caps, number);
        run = number / FRAMES_OF_RUN;
    }
    gst_caps_unref(caps);
    return ok;
}

static gboolean push_segment(void) {
    GstSegment segment;

    if (has_segment)
        return TRUE;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    has_segment = gst_harness_push_event(writer, gst_event_new_segment(&segment));
    return has_segment;
}

static GstBuffer *make_frame(guint64 number) {
    GstBuffer *buffer = NULL;

    if (pool == NULL || gst_buffer_pool_acquire_buffer(pool, &buffer, NULL) != GST_FLOW_OK)
        buffer = gst_buffer_new_allocate(NULL, campaign_size(&campaign, number), NULL);
    campaign_fill(buffer, number);
    return buffer;
}

static void push_frame(guint64 number) {
    GstFlowReturn flow = GST_FLOW_FLUSHING;

    while (flow == GST_FLOW_FLUSHING) {
        while (!push_caps(number) || !push_segment())
            end_flush();
        flow = gst_harness_push(writer, make_frame(number));
        if (flow == GST_FLOW_FLUSHING)
            end_flush();
    }
    CHECK(flow == GST_FLOW_OK, "frame %" G_GUINT64_FORMAT ": %s", number, gst_flow_get_name(flow));
    g_mutex_lock(&lock);
    pushed = number + 1;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&lock);
}

/* ---- The reader that misses nothing ---------------------------------------------------------- */

/* A flush takes back what was not taken yet, so the next frame is the one after the flush. */
static gboolean was_flushed(guint64 from, guint64 to) {
    guint64 most = 0, last = 0;

    g_mutex_lock(&lock);
    for (guint i = flushes->len; i > 0 && g_array_index(flushes, guint64, i - 1) > from; i--) {
        guint64 at = g_array_index(flushes, guint64, i - 1);

        most += at <= to ? SLOTS : 0;
        last = MAX(last, at <= to ? at : 0);
    }
    g_mutex_unlock(&lock);
    return last == to && to - from <= most;
}

static void note_arrival(guint64 number) {
    g_mutex_lock(&lock);
    arrived = number + 1;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&lock);
}

/* ---- Mischief -------------------------------------------------------------------------------- */

static void reap(GPid *child, gint options) {
    int status = 0;

    if (*child == 0 || waitpid(*child, &status, options) != *child)
        return;
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
              (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL),
          "a reader process failed (wait status %d)", status);
    *child = 0;
}

static void spawn(GPid *child, guint64 random) {
    gchar *seed = g_strdup_printf("--seed=%" G_GUINT64_FORMAT, campaign.seed);
    gchar *frames = g_strdup_printf("--frames=%" G_GUINT64_FORMAT, campaign.frames);
    gchar *read = g_strdup_printf("--read=%" G_GUINT64_FORMAT, 2 + random % MAX_CHILD_FRAMES);
    gchar *argv[] = {program, seed, frames, read, ring, NULL};
    GError *error = NULL;

    CHECK(g_spawn_async(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, child, &error),
          "%s", error->message);
    started++;
    g_free(read);
    g_free(frames);
    g_free(seed);
}

static void kill_child(GPid *child) {
    if (*child == 0)
        return;
    kill(*child, SIGKILL);
    killed++;
    reap(child, 0);
}

static void pause_element(GstElement *element, guint64 random) {
    CHECK(gst_element_set_state(element, GST_STATE_PAUSED) != GST_STATE_CHANGE_FAILURE, "PAUSED");
    g_usleep(random % 2000); /* long enough, at times, for the ring to be full */
    CHECK(gst_element_set_state(element, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE, "PLAYING");
}

static void set_flush(enum flush value) {
    g_mutex_lock(&lock);
    flush = value;
    g_cond_broadcast(&changed);
    while (value == FLUSH_STARTED && flush == FLUSH_STARTED)
        g_cond_wait(&changed, &lock);
    g_mutex_unlock(&lock);
}

static void do_mischief(enum mischief what, guint64 random) {
    GPid *child = &children[random / MISCHIEFS % CHILDREN];

    done[what]++;
    if (what == PAUSE_WRITER) {
        pause_element(writer->element, random / MISCHIEFS);
    } else if (what == PAUSE_READER) {
        pause_element(reader.pipeline, random / MISCHIEFS);
    } else if (what == FLUSH) {
        set_flush(FLUSH_ASKED);
        gst_harness_push_event(writer, gst_event_new_flush_start());
        set_flush(FLUSH_STARTED);
    } else if (what == KILL) {
        kill_child(child);
    } else if (*child == 0) {
        spawn(child, random / MISCHIEFS);
    }
}

static gboolean wait_for_frame(guint64 number) {
    gboolean goes_on;

    g_mutex_lock(&lock);
    while (pushed < number && !is_over)
        g_cond_wait(&changed, &lock);
    goes_on = !is_over;
    g_mutex_unlock(&lock);
    return goes_on;
}

static gpointer mischief_thread(gpointer data) {
    guint64 count = 0, at = 0, random;

    do {
        random = campaign_random(&campaign, G_MAXUINT32 + count++);
        for (guint i = 0; i < CHILDREN; i++)
            reap(&children[i], WNOHANG);
        do_mischief(random % MISCHIEFS, random);
        at += random / 1000 % 100;
    } while (wait_for_frame(at));
    g_mutex_lock(&lock);
    is_quiet = TRUE;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&lock);
    return NULL;
}

/* A last flush may be under way, which only the writing thread ends. */
static void end_mischief(GThread *thread) {
    g_mutex_lock(&lock);
    is_over = TRUE;
    g_cond_broadcast(&changed);
    while (!is_quiet) {
        if (flush == FLUSH_STARTED) {
            g_mutex_unlock(&lock);
            end_flush();
            g_mutex_lock(&lock);
        } else {
            g_cond_wait(&changed, &lock);
        }
    }
    g_mutex_unlock(&lock);
    g_thread_join(thread);
    for (guint i = 0; i < CHILDREN; i++)
        kill_child(&children[i]);
}

/* ---- What must be true at the end ------------------------------------------------------------ */

/* A frame that no flush takes back: what is missing before it, its arrival shows. */
static void check_frames(void) {
    guint64 received = 0, flushed = 0, dropped = 0;
    GstStructure *stats;

    push_frame(campaign.frames);
    g_mutex_lock(&lock);
    while (arrived < pushed)
        g_cond_wait(&changed, &lock);
    g_mutex_unlock(&lock);
    stats = reader_stats(&reader);
    gst_structure_get(stats, "received", G_TYPE_UINT64, &received, "flushed", G_TYPE_UINT64,
                      &flushed, "dropped", G_TYPE_UINT64, &dropped, NULL);
    gst_structure_free(stats);
    printf("%" G_GUINT64_FORMAT " frames written: %" G_GUINT64_FORMAT
           " received and right, %" G_GUINT64_FORMAT " flushed, %" G_GUINT64_FORMAT " dropped\n",
           pushed, received, flushed, dropped);
    CHECK(dropped == 0 && received == reader.received && received + flushed == pushed,
          "frames are lost: the reader saw %" G_GUINT64_FORMAT, reader.received);
}

/* A reader that takes nothing: the writer gets through only if no slot is held by the dead. */
static void check_slots(void) {
    struct shmring_reader *last;
    struct shmring_frame *frame;

    CHECK(shmring_reader_new(ring, NULL, &last, NULL) == SHMRING_OK &&
              shmring_reader_attach(last, SHMRING_FOREVER, NULL) == SHMRING_OK,
          "no last reader");
    for (guint64 i = 1; i <= SLOTS; i++)
        push_frame(campaign.frames + i);
    for (guint64 i = 1; i <= SLOTS; i++) {
        CHECK(shmring_reader_take(last, SHMRING_FOREVER, &frame, NULL) == SHMRING_OK &&
                  frame->info.frame_number == campaign.frames + i,
              "the last reader misses a frame");
        shmring_frame_release(frame);
    }
    shmring_reader_free(last);
    /* whoever sleeps on one looks up within a second */
    for (guint i = 0; i < 500 && count_old_mappings() > 0; i++)
        g_usleep(10 * G_TIME_SPAN_MILLISECOND);
    CHECK(count_old_mappings() == 0, "%u mappings of old segments are left", count_old_mappings());
    printf("%d of %d slots are free, no segment is left behind\n", SLOTS, SLOTS);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void begin(void) {
    gchar *text;
    GstElement *sink;

    flushes = g_array_new(FALSE, FALSE, sizeof(guint64));
    ring = g_strdup_printf("campaign-%d", (int)getpid());
    text = g_strdup_printf("shmringsink ring-name=%s caps=ANY slots=%d wait-for-connection=true",
                           ring, SLOTS);
    sink = gst_parse_launch(text, NULL);
    CHECK(sink != NULL, "no element \"%s\": run it with ./dev shell", text);
    watch(sink);
    writer = gst_harness_new_with_element(sink, "sink", NULL);
    gst_harness_play(writer);
    gst_object_unref(sink);
    reader.campaign = campaign;
    reader.may_miss = was_flushed;
    reader.on_frame = note_arrival;
    reader_init(&reader, ring, "is-live=false on-disconnect=error");
    watch(reader.pipeline);
    reader_set_state(&reader, GST_STATE_PLAYING);
    push_frame(0);
    g_free(text);
}

static void end(void) {
    drop_pool();
    gst_harness_teardown(writer);
    CHECK(!is_in_shm(ring), "/dev/shm still has %s", ring);
    g_array_unref(flushes);
    g_free(ring);
}

static void run_campaign(void) {
    guint64 settled_kb = 0;
    GThread *thread;

    begin();
    thread = g_thread_new("mischief", mischief_thread, NULL);
    for (guint64 number = 1; number < campaign.frames; number++) {
        push_frame(number);
        if (number == campaign.frames / 5)
            settled_kb = own_memory_kb();
        if (number % 10000 == 0)
            printf("%" G_GUINT64_FORMAT " frames, %" G_GUINT64_FORMAT " kB, %u fds\n", number,
                   own_memory_kb(), count_fds());
    }
    end_mischief(thread);
    printf("memory: %" G_GUINT64_FORMAT " kB after a fifth, %" G_GUINT64_FORMAT " kB at the end\n",
           settled_kb, own_memory_kb());
    CHECK(own_memory_kb() < settled_kb + MOST_GROWTH_KB, "memory grows");
    check_frames();
    reader_free(&reader);
    drop_pool();
    check_slots();
    end();
    printf("pauses: %" G_GUINT64_FORMAT " of the writer, %" G_GUINT64_FORMAT " of the reader; "
           "%" G_GUINT64_FORMAT " flushes; readers: %" G_GUINT64_FORMAT
           " started, %" G_GUINT64_FORMAT " killed\n",
           done[PAUSE_WRITER], done[PAUSE_READER], done[FLUSH], started, killed);
}

int main(int argc, char **argv) {
    gint64 seed = campaign.seed, frames = campaign.frames, budget = 0;
    GOptionEntry entries[] = {
        {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "Which campaign (1)", "N"},
        {"frames", 0, 0, G_OPTION_ARG_INT64, &frames, "How long (3000)", "N"},
        {"read", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_INT64, &budget, NULL, NULL},
        {NULL},
    };
    GOptionContext *context = g_option_context_new(NULL);
    guint fds;

    /* what still lives in gst_deinit() is a warning */
    g_setenv("GST_TRACERS", "leaks", FALSE);
    g_setenv("GST_DEBUG", "GST_TRACER:7", FALSE);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING);
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_add_group(context, gst_init_get_option_group());
    CHECK(g_option_context_parse(context, &argc, &argv, NULL), "see --help");
    g_option_context_free(context);
    setvbuf(stdout, NULL, _IOLBF, 0);
    campaign = (struct campaign){.seed = seed, .frames = MAX(frames, 100)};
    program = argv[0];
    fds = count_fds();
    if (budget != 0)
        reader_main(&campaign, argv[1], budget);
    else
        run_campaign();
    gst_deinit();
    CHECK(count_fds() <= fds + SPARE_FDS, "%u descriptors were open, now %u", fds, count_fds());
    return 0;
}
