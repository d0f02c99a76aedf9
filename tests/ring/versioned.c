/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Structs of programs that were built with another release's header. */
#include "versioned.h"

#include <assert.h>

#include "support.h"

/* As a first release may have had them, with the fields that it had. */
struct old_writer_options {
    size_t struct_size;
    struct shmring_timeline *timeline;
    uint64_t slot_size;
    uint32_t slots, max_readers;
};
struct old_reader_options {
    size_t struct_size;
    enum shmring_mode mode;
    uint32_t depth;
};
struct old_writer_stats {
    size_t struct_size;
    uint32_t slots, max_readers;
};
struct old_info {
    size_t struct_size;
    char name[SHMRING_MAX_NAME + 1];
};

/* What lies behind an old struct is somebody else's. */
#define GUARD UINT64_C(0x5aa55aa5c33cc33c)

START_TEST(an_older_program) {
    const char *name = new_name();
    struct old_writer_options options = {sizeof options, NULL, FRAME_SIZE, 5, 2};
    struct old_reader_options reading = {sizeof reading, SHMRING_MODE_ALL, 1};
    struct {
        struct old_writer_stats old;
        uint64_t guard;
    } stats = {{sizeof stats.old, 0, 0}, GUARD};
    struct {
        struct old_info old;
        uint64_t guard;
    } info = {{.struct_size = sizeof info.old}, GUARD};
    struct shmring_writer *writer = open_writer(name, (const void *)&options);
    struct shmring_reader *reader = open_reader(name, (const void *)&reading);
    ck_assert_uint_eq(stats_of(writer).slots, 5);
    ck_assert_uint_eq(stats_of(writer).max_readers, 2);
    ck_assert_uint_eq(stats_of(writer).header_size, 16384); /* what it does not know */
    ck_assert_uint_eq(reader_stats(reader).lease, 1); /* of 2: 5 slots, of which 3 may be lent */
    put(writer, 1);
    read_many(reader, 1, 1);
    shmring_writer_get_stats(writer, (void *)&stats);
    ck_assert_uint_eq(stats.old.slots, 5);
    ck_assert(stats.guard == GUARD && stats.old.struct_size == sizeof stats.old);
    ck_assert_int_eq(shmring_query(name, (void *)&info, NULL), SHMRING_OK);
    ck_assert_str_eq(info.old.name, name);
    ck_assert(info.guard == GUARD);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

/* It gets zeros where this library knows nothing to tell, and its own wishes are not read. */
START_TEST(a_newer_program) {
    const char *name = new_name();
    struct {
        struct shmring_writer_options known;
        uint64_t wish;
    } options = {writer_options(4), GUARD};
    struct {
        struct shmring_writer_stats known;
        uint64_t told;
    } stats = {.told = GUARD};
    options.known.struct_size = sizeof options;
    stats.known.struct_size = sizeof stats;
    struct shmring_writer *writer = open_writer(name, &options.known);
    shmring_writer_get_stats(writer, &stats.known);
    ck_assert_uint_eq(stats.known.slots, 4);
    ck_assert_uint_eq(stats.told, 0);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(no_size_at_all) {
    const char *name = new_name();
    struct shmring_writer_options options = {.slot_size = 64, .slots = 4};
    struct shmring_frame_info info = {.size = 1};
    struct shmring_writer *writer = NULL;
    struct shmring_error error = {0};
    ck_assert_int_eq(shmring_writer_open(name, &options, &writer, &error), -EINVAL);
    assert_says(&error, "struct_size");
    writer = new_writer(name, 4);
    struct shmring_slot slot = loan(writer, SHMRING_LOAN_FILL);
    ck_assert_int_eq(shmring_writer_publish(writer, &slot, &info, NULL, &error), -EINVAL);
    assert_says(&error, "struct_size");
    shmring_slot_return(&slot);
    shmring_writer_close(writer);
}
END_TEST

/* Bytes behind the last field would be counted in struct_size, unset, and be the next release's
 * first new field: a struct that ends with some names them. */
#define ENDS_WITH(type, last)                                                                      \
    static_assert(offsetof(struct type, last) + sizeof(((struct type *)0)->last) ==                \
                      sizeof(struct type),                                                         \
                  #type " ends with bytes that have no name")
ENDS_WITH(shmring_frame_info, metas_size);
ENDS_WITH(shmring_timing, reserved);
ENDS_WITH(shmring_writer_options, patience_ns);
ENDS_WITH(shmring_writer_stats, adopted);
ENDS_WITH(shmring_reader_info, process);
ENDS_WITH(shmring_reader_options, max_copy_bytes);
ENDS_WITH(shmring_reader_stats, reserved);
ENDS_WITH(shmring_info, instance);
#define VERSIONED_STRUCTS 8

START_TEST(every_versioned_struct_is_looked_at) {
    FILE *header = fopen(getenv("SHMRING_HEADER"), "r");
    char line[200];
    int count = 0;
    ck_assert_ptr_nonnull(header);
    while (fgets(line, sizeof line, header))
        count += strcmp(line, "    size_t struct_size;\n") == 0;
    fclose(header);
    ck_assert_int_eq(count, VERSIONED_STRUCTS);
}
END_TEST

START_TEST(what_is_reserved_is_zero) {
    struct shmring_reader_stats stats;
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    memset(&stats, 0xff, sizeof stats);
    stats.struct_size = sizeof stats;
    shmring_reader_get_stats(reader, &stats);
    for (size_t i = 0; i < sizeof stats.reserved; i++)
        ck_assert_uint_eq(stats.reserved[i], 0);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(the_version_that_runs) {
    ck_assert_uint_eq(shmring_version(), SHMRING_VERSION);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("versioned");
    tcase_add_test(tests, an_older_program);
    tcase_add_test(tests, a_newer_program);
    tcase_add_test(tests, no_size_at_all);
    tcase_add_test(tests, every_versioned_struct_is_looked_at);
    tcase_add_test(tests, what_is_reserved_is_zero);
    tcase_add_test(tests, the_version_that_runs);
    return run_tests(tests);
}
