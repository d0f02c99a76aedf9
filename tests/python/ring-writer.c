/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes a ring as the lines on its standard input say, one answer a line, so that a test needs
 * neither GStreamer nor sleeps:
 *
 *   ring-writer NAME SIZE KEY=VALUE...     answers "ready", or "error TEXT" and exits
 *   publish COUNT [TIMEOUT_NS]             "published SEQ" of the last one, "full" if a loan failed
 *   flush | end                            "done"
 *   wait-reader                            "done" once a reader is attached
 *   readers                                "readers COUNT", as attached now
 *   resize SIZE                            "done", or "error TEXT"
 *   (end of input)                         closes the ring
 *
 * Byte I of frame SEQ is (31 * SEQ + I) & 255; its times count from the frame's number.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shmring.h"

#define RAMP 65536
#define FRAME_NS 40000000 /* 25 frames/s */

static uint8_t ramp[256 + RAMP];

struct program {
    struct shmring_writer *writer;
    struct shmring_writer_options options;
    struct shmring_frame_info info;
    uint64_t next; /* number of the next frame */
    char caps[256];
    uint8_t metas[1024];
};

static void answer(const char *what, uint64_t number) {
    printf("%s %" PRIu64 "\n", what, number);
    fflush(stdout);
}

static void answer_text(const char *what, const char *text) {
    printf("%s %s\n", what, text);
    fflush(stdout);
}

static void set_list(const char *value, int64_t *list) {
    char *end;
    for (int i = 0; i < SHMRING_MAX_PLANES; i++, value = end + 1) {
        list[i] = strtoll(value, &end, 0);
        if (*end != ',')
            return;
    }
}

static void set_strides(struct shmring_frame_info *info, const char *value) {
    int64_t list[SHMRING_MAX_PLANES] = {0};
    set_list(value, list);
    for (int i = 0; i < SHMRING_MAX_PLANES; i++)
        info->stride[i] = (int32_t)list[i];
}

static void set_offsets(struct shmring_frame_info *info, const char *value) {
    int64_t list[SHMRING_MAX_PLANES] = {0};
    set_list(value, list);
    for (int i = 0; i < SHMRING_MAX_PLANES; i++)
        info->offset[i] = (uint64_t)list[i];
}

static bool set_number(struct program *p, const char *key, uint64_t value) {
    const struct {
        const char *key;
        uint32_t *where;
    } numbers[] = {
        {"width", &p->info.width},
        {"height", &p->info.height},
        {"channels", &p->info.channels},
        {"planes", &p->info.planes},
        {"flags", &p->info.flags},
        {"slots", &p->options.slots},
        {"perms", &p->options.perms},
        {"max-readers", &p->options.max_readers},
        {"lend-limit", &p->options.lend_limit},
        {"header-size", &p->options.header_size},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        if (strcmp(numbers[i].key, key) == 0) {
            *numbers[i].where = (uint32_t)value;
            return true;
        }
    return false;
}

/* Two hexadecimal digits a byte. */
static void set_metas(struct program *p, const char *value) {
    unsigned byte;
    p->info.metas = p->metas;
    p->info.metas_size = 0;
    for (; sscanf(value, "%2x", &byte) == 1 && p->info.metas_size < sizeof(p->metas); value += 2)
        p->metas[p->info.metas_size++] = (uint8_t)byte;
}

static bool set_option(struct program *p, char *option) {
    char *value = strchr(option, '=');
    if (!value)
        return false;
    *value++ = '\0';
    if (strcmp(option, "format") == 0)
        snprintf(p->info.format, sizeof(p->info.format), "%s", value);
    else if (strcmp(option, "caps") == 0)
        snprintf(p->caps, sizeof(p->caps), "%s", value);
    else if (strcmp(option, "stride") == 0)
        set_strides(&p->info, value);
    else if (strcmp(option, "offset") == 0)
        set_offsets(&p->info, value);
    else if (strcmp(option, "metas") == 0)
        set_metas(p, value);
    else
        return set_number(p, option, strtoull(value, NULL, 0));
    return true;
}

static void fill(uint8_t *data, uint64_t size, uint64_t seq) {
    for (uint64_t done = 0; done < size; done += RAMP) {
        uint64_t bytes = size - done < RAMP ? size - done : RAMP;
        memcpy(data + done, ramp + ((31 * seq) & 255), bytes);
    }
}

static bool publish_one(struct program *p, int64_t timeout_ns, struct shmring_error *error) {
    struct shmring_slot slot;
    int result = shmring_writer_loan(p->writer, SHMRING_LOAN_FILL, timeout_ns, &slot, NULL);
    if (result != SHMRING_OK)
        return false;
    struct shmring_frame_info info = p->info;
    info.frame_number = p->next;
    info.pts_ns = (int64_t)(p->next - 1) * FRAME_NS;
    info.timestamp_ns = 1700000000000000000 + info.pts_ns;
    info.caps = p->caps[0] ? p->caps : NULL;
    fill(slot.data, info.size, p->next);
    result = shmring_writer_publish(p->writer, &slot, &info, NULL, error);
    shmring_slot_return(&slot);
    if (result == SHMRING_OK)
        p->next++;
    return result == SHMRING_OK;
}

static void publish(struct program *p, uint64_t count, int64_t timeout_ns) {
    struct shmring_error error = {0};
    bool done = true;
    for (uint64_t i = 0; done && i < count; i++)
        done = publish_one(p, timeout_ns, &error);
    if (error.code)
        answer_text("error", error.message);
    else
        answer(done ? "published" : "full", p->next - 1);
}

static void resize(struct program *p, uint64_t size) {
    struct shmring_error error = {0};
    if (shmring_writer_resize(p->writer, p->options.slots, size, p->options.header_size, &error) <
        0)
        answer_text("error", error.message);
    else
        answer("done", size);
    p->info.size = size;
}

static void answer_readers(struct program *p) {
    struct shmring_writer_stats stats = SHMRING_WRITER_STATS_INIT;
    shmring_writer_get_stats(p->writer, &stats);
    answer("readers", stats.readers);
}

static void run_simple(struct program *p, const char *command) {
    int result = SHMRING_OK;
    if (strcmp(command, "flush") == 0)
        shmring_writer_flush(p->writer);
    else if (strcmp(command, "end") == 0)
        shmring_writer_end(p->writer);
    else if (strcmp(command, "wait-reader") == 0)
        result = shmring_writer_wait_reader(p->writer, SHMRING_FOREVER);
    else
        result = -1;
    answer(result == SHMRING_OK ? "done" : "error", 0);
}

static void run(struct program *p, const char *line) {
    char command[32] = "";
    uint64_t number = 0;
    int64_t timeout_ns = SHMRING_FOREVER;
    sscanf(line, "%31s %" SCNu64 " %" SCNi64, command, &number, &timeout_ns);
    if (strcmp(command, "publish") == 0)
        publish(p, number, timeout_ns);
    else if (strcmp(command, "resize") == 0)
        resize(p, number);
    else if (strcmp(command, "readers") == 0)
        answer_readers(p);
    else
        run_simple(p, command);
}

static bool configure(struct program *p, int argc, char **argv) {
    if (argc < 3)
        return false;
    p->options.slot_size = p->info.size = strtoull(argv[2], NULL, 0);
    for (int i = 3; i < argc; i++)
        if (!set_option(p, argv[i]))
            return false;
    return true;
}

int main(int argc, char **argv) {
    struct program p = {
        .options = SHMRING_WRITER_OPTIONS_INIT,
        .info = {.struct_size = sizeof(struct shmring_frame_info),
                 .frame_number_end = SHMRING_NUMBER_NONE,
                 .dts_ns = SHMRING_TIME_NONE,
                 .duration_ns = FRAME_NS,
                 .clock_ns = SHMRING_TIME_NONE,
                 .fps_num = 25,
                 .fps_den = 1},
        .next = 1,
    };
    struct shmring_error error;
    char line[256];
    for (size_t i = 0; i < sizeof(ramp); i++)
        ramp[i] = (uint8_t)i;
    if (!configure(&p, argc, argv)) {
        answer_text("error", "usage: ring-writer NAME SIZE KEY=VALUE...");
        return 2;
    }
    if (shmring_writer_open(argv[1], &p.options, &p.writer, &error) < 0) {
        answer_text("error", error.message);
        return 1;
    }
    answer("ready", 0);
    while (fgets(line, sizeof(line), stdin))
        run(&p, line);
    shmring_writer_close(p.writer);
    return 0;
}
