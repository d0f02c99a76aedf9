/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "name.h"

#include "support.h"

#define DIGITS "0123456789abcdef0123456789abcdef"

static const char *repeat(char c, unsigned count) {
    static char text[SHMRING_MAX_NAME + 100];
    memset(text, c, count);
    text[count] = 0;
    return text;
}

START_TEST(names_that_are_allowed) {
    static const char *const names[] = {
        "a",    "cam0", "A-Z",       "a.b_c-9", "0",   "-",          "_",
        "cam.", "ctl",  "cam.ctl.x", "cam0ctl", "new", "cam0.new.x",
    };
    for (size_t i = 0; i < COUNT(names); i++)
        ck_assert_msg(!shmring_name_problem(names[i]), "'%s'", names[i]);
    ck_assert_ptr_null(shmring_name_problem(repeat('x', 200)));
}
END_TEST

static const struct {
    const char *name, *reason;
} refused[] = {
    {NULL, "empty"},
    {"", "empty"},
    {".", "starts with '.'"},
    {"..", "starts with '.'"},
    {".cam0", "starts with '.'"},
    {".ctl", "starts with '.'"},
    {"cam0.ctl", "ends in '.ctl'"},
    {"a.ctl.ctl", "ends in '.ctl'"},
    {"cam0.new", "ends in '.new'"},
    {"cam0.ctl.new", "ends in '.new'"},
    {"/cam0", "only A-Z"},
    {"a/b", "only A-Z"},
    {"cam 0", "only A-Z"},
    {"cam0\n", "only A-Z"},
    {"cam%s", "only A-Z"},
    {"caf\xc3\xa9", "only A-Z"},
    {"\x80", "only A-Z"},
    {"a:b", "only A-Z"},
    {"a*", "only A-Z"},
};

START_TEST(names_that_are_refused) {
    const char *problem = shmring_name_problem(refused[_i].name);
    ck_assert_ptr_nonnull(problem);
    ck_assert_msg(strstr(problem, refused[_i].reason) != NULL, "%s", problem);
}
END_TEST

START_TEST(long_names_are_refused) {
    ck_assert_ptr_nonnull(strstr(shmring_name_problem(repeat('x', 201)), "longer than 200"));
    ck_assert_ptr_nonnull(strstr(shmring_name_problem(repeat('/', 299)), "longer than 200"));
}
END_TEST

static void assert_refusal(int result, const struct shmring_error *error, const char *name) {
    ck_assert_int_eq(result, -EINVAL);
    ck_assert_int_eq(error->code, -EINVAL);
    ck_assert_ptr_nonnull(strstr(error->message, "cannot name a ring"));
    if (name)
        ck_assert_ptr_nonnull(strstr(error->message, name));
}

/* Whoever is given such a name says so, and makes nothing. */
START_TEST(every_handle_refuses_them) {
    const char *name = refused[_i].name;
    struct shmring_writer_options options = writer_options(4);
    struct shmring_writer *writer = NULL;
    struct shmring_reader *reader = NULL;
    struct shmring_observer *observer = NULL;
    struct shmring_error error = {0};
    assert_refusal(shmring_writer_open(name, &options, &writer, &error), &error, name);
    error.code = 0;
    assert_refusal(shmring_reader_new(name, NULL, &reader, &error), &error, name);
    error.code = 0;
    assert_refusal(shmring_observer_open(name, &observer, &error), &error, name);
    ck_assert(!writer && !reader && !observer);
}
END_TEST

/* Never truncated: the longest name works whole, one more is an error. */
START_TEST(the_longest_name_makes_a_ring) {
    char name[SHMRING_MAX_NAME + 1] = {0};
    int used = snprintf(name, sizeof name, "%s", new_name());
    memset(name + used, 'x', SHMRING_MAX_NAME - (size_t)used);
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_reader *reader = new_reader(name, 1);
    struct shmring_info info = SHMRING_INFO_INIT;
    ck_assert_int_eq(access(path_of(name, ".ctl"), F_OK), 0);
    ck_assert_int_eq(shmring_reader_get_info(reader, &info), 0);
    ck_assert_str_eq(info.name, name);
    shmring_reader_free(reader);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(paths_of_objects) {
    static const uint8_t instance[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                         0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
    struct ring_paths paths;
    name_paths(&paths, "cam0");
    ck_assert_str_eq(paths.frames, "/dev/shm/cam0");
    ck_assert_str_eq(paths.ctl, "/dev/shm/cam0.ctl");
    name_temporary_paths(&paths, "cam0", instance);
    ck_assert_str_eq(paths.frames, "/dev/shm/cam0." DIGITS ".new");
    ck_assert_str_eq(paths.ctl, "/dev/shm/cam0." DIGITS ".ctl.new");
    name_temporary_paths(&paths, repeat('x', 200), instance);
    ck_assert_uint_eq(strlen(paths.ctl), strlen("/dev/shm/") + 200 + 1 + 32 + 8);
    ck_assert_ptr_nonnull(strstr(paths.ctl, "x." DIGITS ".ctl.new"));
}
END_TEST

static const struct {
    const char *entry;
    bool ours;
} entries[] = {
    {"cam0." DIGITS ".new", true},
    {"cam0." DIGITS ".ctl.new", true},
    {".cam0." DIGITS, true}, /* of a first version */
    {".cam0." DIGITS ".ctl", true},
    {"cam0", false},
    {"cam0.ctl", false},
    {"cam0." DIGITS, false},
    {"cam0." DIGITS ".ctl", false},
    {"cam0.new", false},
    {".new", false},
    {"", false},
    {".", false},
    {DIGITS ".new", false},
    {"." DIGITS ".new", false},
    {".cam0", false},
    {".cam0.", false},
    {"cam0.0123.new", false},
    {"cam0." DIGITS "0.new", false},
    {"cam0." DIGITS ".ct.new", false},
    {"cam0." DIGITS ".ctl.ctl.new", false},
    {"cam0." DIGITS ".new.new", false},
    {"cam0.0123456789ABCDEF0123456789abcdef.new", false},
    {"cam01." DIGITS ".new", false},
    {"cam." DIGITS ".new", false},
    {"cam0.x." DIGITS ".new", false},
    {"cam0." DIGITS "." DIGITS ".new", false},
};

START_TEST(leftovers) {
    ck_assert_msg(name_is_leftover("cam0", entries[_i].entry) == entries[_i].ours, "%s",
                  entries[_i].entry);
    if (entries[_i].ours) /* of any ring */
        ck_assert(name_is_leftover(NULL, entries[_i].entry));
}
END_TEST

START_TEST(leftovers_of_any_ring) {
    ck_assert(name_is_leftover(NULL, "x." DIGITS ".new"));
    ck_assert(name_is_leftover(NULL, "a.b." DIGITS ".ctl.new"));
    ck_assert(!name_is_leftover(NULL, "x." DIGITS));
    ck_assert(!name_is_leftover(NULL, "x.new"));
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("name");
    tcase_add_test(tests, names_that_are_allowed);
    tcase_add_loop_test(tests, names_that_are_refused, 0, COUNT(refused));
    tcase_add_test(tests, long_names_are_refused);
    tcase_add_loop_test(tests, every_handle_refuses_them, 0, COUNT(refused));
    tcase_add_test(tests, the_longest_name_makes_a_ring);
    tcase_add_test(tests, paths_of_objects);
    tcase_add_loop_test(tests, leftovers, 0, COUNT(entries));
    tcase_add_test(tests, leftovers_of_any_ring);
    return run_tests(tests);
}
