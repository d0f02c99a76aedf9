/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layout.h"

#include "support.h"

/* ---- The golden file: the layout as every other language reads it ---- */

static char *golden;
static size_t golden_size;

#define SIZEOF(type) fprintf(out, "sizeof %s %zu\n", #type, sizeof(struct type))
#define FIELD(type, field)                                                                         \
    fprintf(out, "%s.%s %zu %zu\n", #type, #field, offsetof(struct type, field),                   \
            sizeof(((struct type *)0)->field))
/* A field that runs to the end of its region has no size. */
#define OPEN_FIELD(type, field)                                                                    \
    fprintf(out, "%s.%s %zu 0\n", #type, #field, offsetof(struct type, field))
#define TEXT_CONSTANT(name) fprintf(out, "constant %s %s\n", #name, name)
#define CONSTANT(name) fprintf(out, "constant %s %llu\n", #name, (unsigned long long)(name))

static void describe_constants(FILE *out) {
    TEXT_CONSTANT(LAYOUT_MAGIC);
    TEXT_CONSTANT(LAYOUT_CTL_MAGIC);
    CONSTANT(LAYOUT_VERSION);
    CONSTANT(LAYOUT_PAGE);
    CONSTANT(SHMRING_MAX_HEADER_SIZE);
    CONSTANT(SHMRING_PROCESS_NAME);
    CONSTANT(SHMRING_MIN_SLOTS);
    CONSTANT(SHMRING_MAX_SLOTS);
    CONSTANT(SHMRING_MAX_READERS);
    CONSTANT(SHMRING_MAX_PLANES);
    CONSTANT(STATE_ACTIVE);
    CONSTANT(STATE_ENDED);
    CONSTANT(STATE_CLOSED);
    CONSTANT(STATE_SUPERSEDED);
    CONSTANT(STATE_MOVING);
    CONSTANT(LAYOUT_NO_END);
    CONSTANT(PORT_FREE);
    CONSTANT(PORT_ATTACHED);
    CONSTANT(PORT_LEAVING);
    CONSTANT(SHMRING_MODE_ALL);
    CONSTANT(SHMRING_MODE_LATEST);
    CONSTANT(CLAIM_OFFERED);
    CONSTANT(CLAIM_TAKEN);
    CONSTANT(CLAIM_COPYING);
    CONSTANT(LOCK_WRITER);
    CONSTANT(LOCK_PORT);
    CONSTANT(SHMRING_FRAME_DISCONT);
    CONSTANT(SHMRING_FRAME_CORRUPTED);
    CONSTANT(SHMRING_FRAME_GAP);
    CONSTANT(SHMRING_FRAME_DELTA);
    CONSTANT(SHMRING_FRAME_HEADER);
    CONSTANT(SHMRING_FRAME_RESYNC);
    CONSTANT(SHMRING_FRAME_MARKER);
    CONSTANT(SHMRING_FRAME_DROPPABLE);
    CONSTANT(SHMRING_FRAME_NON_DROPPABLE);
    CONSTANT(SHMRING_FRAME_DECODE_ONLY);
    CONSTANT(SHMRING_FRAME_SYNC_AFTER);
    CONSTANT(SHMRING_FRAME_INTERLACED);
    CONSTANT(SHMRING_FRAME_TFF);
    CONSTANT(SHMRING_FRAME_RFF);
    CONSTANT(SHMRING_FRAME_ONEFIELD);
}

static void describe_header(FILE *out) {
    SIZEOF(layout_header);
    FIELD(layout_header, magic);
    FIELD(layout_header, version);
    FIELD(layout_header, header_bytes);
    FIELD(layout_header, total_size);
    FIELD(layout_header, ring_offset);
    FIELD(layout_header, frames_offset);
    FIELD(layout_header, slots_offset);
    FIELD(layout_header, slot_size);
    FIELD(layout_header, slot_stride);
    FIELD(layout_header, frame_stride);
    FIELD(layout_header, slots);
    FIELD(layout_header, capacity);
    FIELD(layout_header, max_readers);
    FIELD(layout_header, lend_limit);
    FIELD(layout_header, reserved);
    FIELD(layout_header, instance);
    FIELD(layout_header, created_ns);
    FIELD(layout_header, base);
    FIELD(layout_header, state);
    FIELD(layout_header, waiting);
    FIELD(layout_header, watching);
    FIELD(layout_header, stretch);
    FIELD(layout_header, stream);
    FIELD(layout_header, latency_ns);
    FIELD(layout_header, writer_pid);
    FIELD(layout_header, waited_port);
    FIELD(layout_header, writer_process);
    FIELD(layout_header, waited_since_ns);
    FIELD(layout_header, head);
    FIELD(layout_header, key_seq);
    FIELD(layout_header, event);
    FIELD(layout_header, published);
    FIELD(layout_header, bytes);
    FIELD(layout_header, dropped);
    FIELD(layout_header, revoked);
    FIELD(layout_header, withdrawn);
    FIELD(layout_header, flushed);
    FIELD(layout_header, waits);
    FIELD(layout_header, wait_ns);
    FIELD(layout_header, answer);
    SIZEOF(layout_answer);
    FIELD(layout_answer, epoch);
    FIELD(layout_answer, first);
    FIELD(layout_answer, end);
    FIELD(layout_answer, stream);
    FIELD(layout_answer, flushed);
    FIELD(layout_answer, withdrawn);
    FIELD(layout_answer, banned);
    FIELD(layout_answer, stuck);
}

static void describe_frame(FILE *out) {
    SIZEOF(layout_frame);
    FIELD(layout_frame, seq);
    FIELD(layout_frame, width);
    FIELD(layout_frame, height);
    FIELD(layout_frame, channels);
    FIELD(layout_frame, flags);
    FIELD(layout_frame, timestamp_ns);
    FIELD(layout_frame, format);
    FIELD(layout_frame, planes);
    FIELD(layout_frame, stretch);
    FIELD(layout_frame, stride);
    FIELD(layout_frame, offset);
    FIELD(layout_frame, size);
    FIELD(layout_frame, pts_ns);
    FIELD(layout_frame, dts_ns);
    FIELD(layout_frame, duration_ns);
    FIELD(layout_frame, clock_ns);
    FIELD(layout_frame, publish_ns);
    FIELD(layout_frame, frame_number);
    FIELD(layout_frame, frame_number_end);
    FIELD(layout_frame, fps_num);
    FIELD(layout_frame, fps_den);
    FIELD(layout_frame, caps_size);
    FIELD(layout_frame, metas_size);
    OPEN_FIELD(layout_frame, data);
}

static void describe_ctl(FILE *out) {
    SIZEOF(layout_port);
    FIELD(layout_port, attach);
    FIELD(layout_port, lease);
    FIELD(layout_port, pid);
    FIELD(layout_port, process);
    FIELD(layout_port, cursor);
    FIELD(layout_port, received);
    FIELD(layout_port, key_at_ns);
    FIELD(layout_port, key_count);
    FIELD(layout_port, dropped);
    FIELD(layout_port, claim);
    SIZEOF(layout_ctl);
    FIELD(layout_ctl, magic);
    FIELD(layout_ctl, version);
    FIELD(layout_ctl, max_readers);
    FIELD(layout_ctl, instance);
    FIELD(layout_ctl, doorbell);
    FIELD(layout_ctl, notice);
    OPEN_FIELD(layout_ctl, port);
}

static void describe_layout(void) {
    FILE *out = open_memstream(&golden, &golden_size);
    ck_assert_ptr_nonnull(out);
    describe_constants(out);
    describe_header(out);
    describe_frame(out);
    describe_ctl(out);
    fclose(out);
}

START_TEST(the_golden_file_says_the_same) {
    char *said_line = NULL, *rest = NULL;
    size_t room = 0;
    int differences = 0;
    ck_assert_msg(getenv("LAYOUT_GOLDEN") != NULL, "LAYOUT_GOLDEN names no file");
    describe_layout();
    FILE *said = fopen(getenv("LAYOUT_GOLDEN"), "re");
    ck_assert_msg(said != NULL, "LAYOUT_GOLDEN: %s", strerror(errno));
    for (char *is = strtok_r(golden, "\n", &rest); is; is = strtok_r(NULL, "\n", &rest)) {
        ssize_t length = getline(&said_line, &room, said);
        if (length > 0 && said_line[length - 1] == '\n')
            said_line[length - 1] = 0;
        if (length > 0 && strcmp(is, said_line) == 0)
            continue;
        fprintf(stderr, "-%s\n+%s\n", length > 0 ? said_line : "(end of file)", is);
        differences++;
    }
    for (; getline(&said_line, &room, said) > 0; differences++)
        fprintf(stderr, "-%s", said_line);
    ck_assert_msg(
        differences == 0,
        "%d lines of layout.golden (-) differ from layout.h (+): after a release, a change of "
        "layout needs a new LAYOUT_VERSION",
        differences);
    fclose(said);
    free(said_line);
    free(golden);
}
END_TEST

/* ---- Words ---- */

START_TEST(attach_words) {
    uint64_t word = attach_word(0xfffffffe, 0xabcd, SHMRING_MODE_LATEST, PORT_LEAVING);
    ck_assert_uint_eq(word, UINT64_C(0xfffffffeabcd0102));
    ck_assert_uint_eq(attach_epoch(word), 0xfffffffe);
    ck_assert_uint_eq(attach_depth(word), 0xabcd);
    ck_assert_uint_eq(attach_mode(word), SHMRING_MODE_LATEST);
    ck_assert_uint_eq(attach_state(word), PORT_LEAVING);
    ck_assert_uint_eq(attach_word(0, 0, 0, PORT_FREE), 0);
}
END_TEST

START_TEST(claims) {
    ck_assert_uint_eq(claim_word(1, CLAIM_OFFERED), 0x10001);
    ck_assert_uint_eq(claim_word(1, CLAIM_TAKEN), 0x10002);
    ck_assert_uint_eq(claim_word(1, CLAIM_COPYING), 0x10003);
    ck_assert_uint_eq(claim_word(UINT64_C(1) << 47, CLAIM_TAKEN), UINT64_C(0x8000000000000002));
    ck_assert_uint_eq(claim_seq(UINT64_C(0x8000000000000002)), UINT64_C(1) << 47);
    ck_assert_uint_eq(claim_kind(UINT64_C(0x8000000000000002)), CLAIM_TAKEN);
    ck_assert_uint_eq(claim_kind(0x1ffff), 0xffff);
    ck_assert_uint_ne(claim_word(UINT64_C(0x100000001), CLAIM_OFFERED),
                      claim_word(1, CLAIM_OFFERED));
}
END_TEST

START_TEST(lock_bytes_are_apart) {
    ck_assert_int_eq(lock_port(0), 1);
    ck_assert_int_eq(lock_port(7), 8);
    ck_assert_int_eq(lock_attach(8), 9);
}
END_TEST

/* ---- Planning a segment ---- */

static bool plan(struct geometry *g, const struct shmring_writer_options *options) {
    const char *problem;
    bool planned = geometry_plan(g, options, &problem);
    ck_assert(planned == !problem);
    return planned;
}

/* 5000 bytes a slot take two pages; eight slots take a ring of 16. */
START_TEST(a_plan_by_hand) {
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    struct geometry g;
    options.slot_size = 5000;
    ck_assert(plan(&g, &options));
    ck_assert_uint_eq(g.capacity, 16);
    ck_assert_uint_eq(g.slot_stride, 8192);
    ck_assert_uint_eq(g.frame_stride, 16384);
    ck_assert_uint_eq(g.ring_offset, 4096);
    ck_assert_uint_eq(g.frames_offset, 8192);
    ck_assert_uint_eq(g.slots_offset, 8192 + 8 * 16384);
    ck_assert_uint_eq(g.total_size, 8192 + 8 * 16384 + 8 * 8192);
    ck_assert_uint_eq(g.ctl_size, 4096 + 8 * 4096);
    ck_assert_uint_eq(g.base, 1);
}
END_TEST

START_TEST(the_largest_and_the_smallest) {
    struct shmring_writer_options options = {.slot_size = UINT64_C(1) << 38,
                                             .slots = 256,
                                             .max_readers = 32,
                                             .lend_limit = 254,
                                             .header_size = 65536,
                                             .first_seq = UINT64_C(1) << 47};
    struct geometry g;
    ck_assert(plan(&g, &options) == (sizeof(size_t) > 4)); /* on 32 bits nobody could map it */
    ck_assert_uint_eq(g.capacity, 512);
    ck_assert_uint_eq(g.slots_offset, 4096 + 4096 + 256 * 65536);
    ck_assert_uint_eq(g.total_size, g.slots_offset + (UINT64_C(1) << 46));
    options = (struct shmring_writer_options){
        .slot_size = 1, .slots = 4, .max_readers = 1, .header_size = 4096, .first_seq = 1};
    ck_assert(plan(&g, &options));
    ck_assert_uint_eq(g.capacity, 8);
    ck_assert_uint_eq(g.total_size, 8192 + 4 * 4096 + 4 * 4096);
}
END_TEST

/* Each is one change to options that can be, and the word that names it. */
static const struct {
    size_t at, size;
    uint64_t value;
    const char *reason;
} impossible[] = {
#define OPTION(field, value, reason)                                                               \
    {                                                                                              \
        offsetof(struct shmring_writer_options, field),                                            \
            sizeof(((struct shmring_writer_options *)0)->field), value, reason                     \
    }
    OPTION(slots, 0, "slots"),
    OPTION(slots, 3, "slots"),
    OPTION(slots, 257, "slots"),
    OPTION(slots, UINT32_MAX, "slots"),
    OPTION(slots, 4, "lend limit"),
    OPTION(slot_size, 0, "slot-size"),
    OPTION(slot_size, (UINT64_C(1) << 38) + 1, "slot-size"),
    OPTION(slot_size, UINT64_MAX, "slot-size"),
    OPTION(max_readers, 0, "max-readers"),
    OPTION(max_readers, 33, "max-readers"),
    OPTION(lend_limit, 7, "lend limit"),
    OPTION(lend_limit, UINT32_MAX, "lend limit"),
    OPTION(header_size, 0, "frame header"),
    OPTION(header_size, 4095, "frame header"),
    OPTION(header_size, 65537, "frame header"),
    OPTION(first_seq, 0, "first frame number"),
    OPTION(first_seq, (UINT64_C(1) << 47) + 1, "first frame number"),
    OPTION(first_seq, UINT64_MAX, "first frame number"),
};

START_TEST(plans_that_cannot_be) {
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    const char *problem = NULL;
    struct geometry g;
    options.slot_size = 5000;
    memcpy((char *)&options + impossible[_i].at, &impossible[_i].value, impossible[_i].size);
    ck_assert(!geometry_plan(&g, &options, &problem));
    ck_assert_msg(strstr(problem, impossible[_i].reason) != NULL, "%s", problem);
}
END_TEST

/* ---- Checking a segment that somebody else made ---- */

struct found {
    struct layout_header header;
    _Alignas(struct layout_ctl) unsigned char ctl_bytes[sizeof(struct layout_ctl)];
    uint64_t size, ctl_size;
};

/* That of a_plan_by_hand. */
static struct found sound(void) {
    struct found f = {
        .header = {.magic = LAYOUT_MAGIC,
                   .version = 1,
                   .header_bytes = 2432,
                   .total_size = 204800,
                   .ring_offset = 4096,
                   .frames_offset = 8192,
                   .slots_offset = 139264,
                   .slot_size = 5000,
                   .slot_stride = 8192,
                   .frame_stride = 16384,
                   .slots = 8,
                   .capacity = 16,
                   .max_readers = 8,
                   .lend_limit = 3,
                   .instance = {1, 2, 3},
                   .base = 1},
        .size = 204800,
        .ctl_size = 36864,
    };
    struct layout_ctl *ctl = (void *)f.ctl_bytes;
    memcpy(ctl->magic, LAYOUT_CTL_MAGIC, sizeof ctl->magic);
    ctl->version = 1;
    ctl->max_readers = 8;
    memcpy(ctl->instance, f.header.instance, sizeof ctl->instance);
    return f;
}

static bool check_found(const struct found *f, struct geometry *g, const char **problem) {
    return geometry_check(g, &f->header, f->size, (const void *)f->ctl_bytes, f->ctl_size, problem);
}

START_TEST(a_sound_header_passes) {
    struct found f = sound();
    struct geometry g;
    const char *problem;
    ck_assert_msg(check_found(&f, &g, &problem), "%s", problem);
    ck_assert_uint_eq(g.slots_offset, 139264);
    ck_assert_uint_eq(g.ctl_size, 36864);
    ck_assert_mem_eq(g.instance, f.header.instance, 16);
    ck_assert(geometry_check(&g, &f.header, f.size, NULL, 0, &problem)); /* observers */
    f.size += 4096;                                                      /* more is no harm */
    ck_assert(check_found(&f, &g, &problem));
}
END_TEST

/* Every constant of the header that anything is computed from, each with values it cannot have. */
static const struct {
    const char *field;
    size_t at, size;
    uint64_t values[8];
} damages[] = {
#define DAMAGE(field, ...)                                                                         \
    {                                                                                              \
#field, offsetof(struct found, field), sizeof(((struct found *)0)->field), {               \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
    DAMAGE(header.magic, 0, 0x474e49524d4853 + 1, UINT64_MAX),
    DAMAGE(header.version, 0, 2, UINT32_MAX),
    DAMAGE(header.header_bytes, 0, 2431, 2433, UINT32_MAX),
    DAMAGE(header.total_size, 0, 204799, 204801, 204800 + 4096, UINT64_MAX),
    DAMAGE(header.ring_offset, 0, 4095, 8192, UINT64_MAX),
    DAMAGE(header.frames_offset, 0, 4096, 8193, UINT64_MAX),
    DAMAGE(header.slots_offset, 0, 8192, 139263, UINT64_MAX - 4095),
    DAMAGE(header.slot_size, 0, 4096, 8193, UINT64_C(1) << 38, UINT64_MAX),
    DAMAGE(header.slot_stride, 0, 4096, 8191, 16384, UINT64_MAX),
    DAMAGE(header.frame_stride, 0, 4095, 16383, 16385, 8192, UINT32_MAX),
    DAMAGE(header.slots, 0, 3, 7, 9, 257, 0x10000008, UINT32_MAX),
    DAMAGE(header.capacity, 0, 8, 15, 17, 32, UINT32_MAX),
    DAMAGE(header.max_readers, 0, 7, 9, 33, UINT32_MAX),
    DAMAGE(header.lend_limit, 7, 8, UINT32_MAX),
    DAMAGE(header.base, 0, (UINT64_C(1) << 47) + 1, UINT64_MAX),
    DAMAGE(size, 0, 2432, 204799),
    DAMAGE(ctl_size, 0, 128, 36863),
};

START_TEST(damage_is_refused) {
    /* A 0 behind the first value ends the list. */
    for (size_t i = 0; i < COUNT(damages[_i].values); i++) {
        uint64_t value = damages[_i].values[i];
        struct found f = sound();
        struct geometry g;
        const char *problem = NULL;
        if (i > 0 && value == 0)
            break;
        memcpy((char *)&f + damages[_i].at, &value, damages[_i].size);
        ck_assert_msg(!check_found(&f, &g, &problem), "%s = %llu", damages[_i].field,
                      (unsigned long long)value);
        ck_assert_ptr_nonnull(problem);
    }
}
END_TEST

START_TEST(a_foreign_ctl_is_refused) {
    static const size_t fields[] = {offsetof(struct layout_ctl, magic),
                                    offsetof(struct layout_ctl, version),
                                    offsetof(struct layout_ctl, max_readers)};
    for (size_t i = 0; i < COUNT(fields); i++) {
        struct found f = sound();
        struct geometry g;
        const char *problem;
        f.ctl_bytes[fields[i]] ^= 1;
        ck_assert(!check_found(&f, &g, &problem));
        ck_assert_ptr_nonnull(strstr(problem, ".ctl"));
    }
}
END_TEST

START_TEST(refusals_say_what_does_not_fit) {
    struct found f = sound();
    struct geometry g;
    const char *problem;
    f.header.version = 2;
    check_found(&f, &g, &problem);
    ck_assert_ptr_nonnull(strstr(problem, "another layout version"));
    f = sound();
    f.header.magic[0] = 's';
    check_found(&f, &g, &problem);
    ck_assert_ptr_nonnull(strstr(problem, "not a ring"));
    f = sound();
    f.size = 204799;
    check_found(&f, &g, &problem);
    ck_assert_ptr_nonnull(strstr(problem, "smaller than its header says"));
}
END_TEST

static bool lies_within(const struct geometry *g, uint64_t size, uint64_t ctl_size) {
    return g->ring_offset >= sizeof(struct layout_header) &&
           (g->capacity & (g->capacity - 1)) == 0 && g->capacity >= 2 * g->slots &&
           g->ring_offset + g->capacity * 8 <= g->frames_offset &&
           g->frames_offset + (uint64_t)g->slots * g->frame_stride <= g->slots_offset &&
           g->slot_size <= g->slot_stride && g->slots_offset + g->slots * g->slot_stride <= size &&
           4096 + g->max_readers * 4096 <= ctl_size;
}

/* Any two words of the constants replaced by anything: refused, or within the two files. */
START_TEST(whatever_passes_lies_within_the_files) {
    static const uint32_t odd[] = {0,     1,     2,      4,      7,          8,
                                   16384, 65536, 139264, 204800, 0x80000000, UINT32_MAX};
    const size_t words = offsetof(struct layout_header, state) / 4;
    const struct found clean = sound();
    struct found f = clean;
    for (size_t n = 0; n < words * words * COUNT(odd) * COUNT(odd); n++) {
        struct geometry g;
        const char *problem;
        size_t pick = n / words / words;
        f.header = clean.header;
        memcpy((char *)&f.header + n % words * 4, &odd[pick % COUNT(odd)], 4);
        memcpy((char *)&f.header + n / words % words * 4, &odd[pick / COUNT(odd)], 4);
        /* Asserted only when it fails: each assertion is a write to a pipe. */
        if (check_found(&f, &g, &problem) && !lies_within(&g, f.size, f.ctl_size))
            ck_abort_msg("words %zu and %zu", n % words, n / words % words);
    }
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("layout");
    tcase_add_test(tests, the_golden_file_says_the_same);
    tcase_add_test(tests, attach_words);
    tcase_add_test(tests, claims);
    tcase_add_test(tests, lock_bytes_are_apart);
    tcase_add_test(tests, a_plan_by_hand);
    tcase_add_test(tests, the_largest_and_the_smallest);
    tcase_add_loop_test(tests, plans_that_cannot_be, 0, COUNT(impossible));
    tcase_add_test(tests, a_sound_header_passes);
    tcase_add_loop_test(tests, damage_is_refused, 0, COUNT(damages));
    tcase_add_test(tests, a_foreign_ctl_is_refused);
    tcase_add_test(tests, refusals_say_what_does_not_fit);
    tcase_add_test(tests, whatever_passes_lies_within_the_files);
    return run_tests(tests);
}
