/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "segment.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "support.h"

static int open_error(const char *name, enum segment_use use, struct shmring_error *error) {
    struct segment *seg = NULL;
    struct layout_header header;
    *error = (struct shmring_error){0};
    int result = segment_look(name, use, &seg, &header, error);
    ck_assert_ptr_null(seg);
    return result;
}

static struct segment *open_segment(const char *name, enum segment_use use) {
    struct segment *seg = NULL;
    struct layout_header header;
    struct shmring_error error = {0};
    int result = segment_look(name, use, &seg, &header, &error);
    ck_assert_msg(result == 0, "%d %s", result, error.message);
    return seg;
}

/* ---- What opens ---- */

START_TEST(both_uses_open_a_ring) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct segment *attached = open_segment(name, SEGMENT_ATTACH);
    struct segment *observed = open_segment(name, SEGMENT_OBSERVE);
    ck_assert_int_ge(attached->ctl_fd, 0);
    ck_assert_int_eq(observed->ctl_fd, -1);
    ck_assert_uint_eq(attached->g.slots, 4);
    ck_assert_uint_eq(observed->g.slots, 4);
    ck_assert_uint_eq(attached->inode, writer_segment(writer)->inode);
    ck_assert_uint_eq(attached->ctl_inode, writer_segment(writer)->ctl_inode);
    ck_assert_uint_eq(observed->owner, geteuid());
    ck_assert_uint_eq(observed->mode, 0600);
    segment_unref(attached);
    segment_unref(observed);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_look_maps_nothing) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct segment *seg = open_segment(name, SEGMENT_ATTACH);
    struct layout_header header;
    ck_assert_ptr_null(seg->header);
    ck_assert_ptr_null(seg->ctl);
    put(writer, 1);
    ck_assert_int_eq(segment_read_header(seg, &header), 0);
    ck_assert_uint_eq(header.head, 2); /* as it is now */
    segment_unref(seg);
    shmring_writer_close(writer);
}
END_TEST

/* The kernel itself refuses to make it writable: the file was opened read-only. */
START_TEST(frames_are_mapped_read_only) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct segment *seg = open_segment(name, SEGMENT_ATTACH);
    ck_assert_int_eq(segment_map(seg, false), 0);
    ck_assert_int_eq(mprotect(seg->header, LAYOUT_PAGE, PROT_READ | PROT_WRITE), -1);
    ck_assert_int_eq(errno, EACCES);
    segment_unref(seg);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(descriptors_do_not_cross_exec) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct segment *seg = open_segment(name, SEGMENT_ATTACH);
    const int fds[] = {seg->frames_fd, seg->ctl_fd, writer_segment(writer)->frames_fd,
                       writer_segment(writer)->ctl_fd};
    for (size_t i = 0; i < COUNT(fds); i++)
        ck_assert_int_eq(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
    segment_unref(seg);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(standard_streams_are_left_alone) {
    const char *name = new_name();
    int was[3], is_used[3];
    for (int fd = 0; fd < 3; fd++) {
        was[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        close(fd);
    }
    struct shmring_writer *writer = new_writer(name, 4);
    struct segment *attached = open_segment(name, SEGMENT_ATTACH);
    for (int fd = 0; fd < 3; fd++) {
        is_used[fd] = fcntl(fd, F_GETFD) >= 0;
        dup2(was[fd], fd);
        close(was[fd]);
    }
    ck_assert_int_eq(is_used[0] | is_used[1] | is_used[2], 0);
    segment_unref(attached);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_shared_mapping_has_the_same_addresses) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct segment *seg = open_segment(name, SEGMENT_ATTACH), *over = writer_segment(writer);
    segment_borrow_map(seg, over);
    ck_assert_ptr_eq(seg->header, over->header);
    ck_assert_ptr_eq(seg->ctl, over->ctl);
    segment_unref(seg);
    put(writer, 1); /* still mapped */
    shmring_writer_close(writer);
}
END_TEST

START_TEST(opening_and_closing_leaves_no_descriptor) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_error error;
    int before = dup(0);
    close(before);
    for (int i = 0; i < 200; i++) {
        segment_unref(open_segment(name, SEGMENT_ATTACH));
        ck_assert_int_eq(open_error("test-no-such-ring", SEGMENT_ATTACH, &error), -ENOENT);
    }
    int after = dup(0);
    close(after);
    ck_assert_int_eq(before, after);
    shmring_writer_close(writer);
}
END_TEST

/* ---- What does not ---- */

START_TEST(no_ring) {
    struct shmring_error error;
    ck_assert_int_eq(open_error(new_name(), SEGMENT_ATTACH, &error), -ENOENT);
    ck_assert_int_eq(open_error(new_name(), SEGMENT_OBSERVE, &error), -ENOENT);
}
END_TEST

START_TEST(a_ring_in_between) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_error error;
    writer_segment(writer)->ctl->instance[3] ^= 1;
    ck_assert_int_eq(open_error(name, SEGMENT_ATTACH, &error), -EAGAIN);
    segment_unref(open_segment(name, SEGMENT_OBSERVE));
    ck_assert_int_eq(unlink(path_of(name, ".ctl")), 0);
    ck_assert_int_eq(open_error(name, SEGMENT_ATTACH, &error), -EAGAIN);
    shmring_writer_close(writer);
}
END_TEST

static int write_text(const char *path) {
    FILE *file = fopen(path, "we");
    return file && fputs("a text of somebody", file) >= 0 && fclose(file) == 0 ? 0 : -1;
}

static int make_empty(const char *path) {
    return close(open(path, O_CREAT | O_WRONLY, 0600));
}

static int make_zeros(const char *path) {
    return make_empty(path) < 0 ? -1 : truncate(path, 1 << 20);
}

static int make_directory(const char *path) {
    return mkdir(path, 0700);
}

static int make_fifo(const char *path) {
    return mkfifo(path, 0600);
}

static int (*const strangers[])(const char *path) = {write_text, make_empty, make_zeros,
                                                     make_directory, make_fifo};

START_TEST(what_is_not_a_ring) {
    const char *name = new_name();
    struct shmring_error error;
    ck_assert_int_eq(strangers[_i](path_of(name, "")), 0);
    ck_assert_int_eq(open_error(name, SEGMENT_OBSERVE, &error), -EPROTO);
    ck_assert_int_eq(open_error(name, SEGMENT_ATTACH, &error),
                     -EPROTO); /* and no .ctl is awaited */
    ck_assert_int_eq(error.code, -EPROTO);
    assert_says(&error, name);
    assert_says(&error, "not a r"); /* ring, or regular file */
    ck_assert_int_eq(remove(path_of(name, "")), 0);
}
END_TEST

START_TEST(a_link_is_not_followed) {
    const char *name = new_name(), *other = new_name();
    struct shmring_writer *writer = new_writer(other, 4);
    struct shmring_error error;
    ck_assert_int_eq(symlink(path_of(other, ""), path_of(name, "")), 0);
    ck_assert_int_eq(open_error(name, SEGMENT_OBSERVE, &error), -EPROTO);
    assert_says(&error, "it is not a ring");
    unlink(path_of(name, ""));
    shmring_writer_close(writer);
}
END_TEST

START_TEST(another_version) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_error error;
    writer_segment(writer)->header->version = 2;
    ck_assert_int_eq(open_error(name, SEGMENT_ATTACH, &error), -EPROTO);
    assert_says(&error, name);
    assert_says(&error, "another layout version");
    shmring_writer_close(writer);
}
END_TEST

START_TEST(a_file_shorter_than_it_says) {
    static const char *const suffixes[] = {"", ".ctl"};
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        const char *name = new_name();
        struct shmring_writer *writer = new_writer(name, 4);
        struct shmring_error error;
        /* The pages in use stay: the writer must survive its own test. */
        ck_assert_int_eq(truncate(path_of(name, suffixes[i]), LAYOUT_PAGE), 0);
        ck_assert_int_eq(open_error(name, SEGMENT_ATTACH, &error), -EPROTO);
        assert_says(&error, "smaller than its header says");
        shmring_writer_close(writer);
    }
}
END_TEST

/* The header of a ring, and a file of holes behind it: mapping it would cost all of its memory. */
START_TEST(a_ring_of_holes) {
    static const enum segment_use uses[] = {SEGMENT_ATTACH, SEGMENT_OBSERVE};
    const char *name = new_name();
    struct shmring_writer_options options = writer_options(4);
    options.slot_size = 100000;
    struct shmring_writer *writer = open_writer(name, &options);
    struct stat before, after;
    int fd = writer_segment(writer)->frames_fd;
    ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                               (off_t)writer_segment(writer)->g.slots_offset, 4 * 102400),
                     0);
    fstat(fd, &before);
    for (size_t i = 0; i < COUNT(uses); i++) {
        struct shmring_error error;
        ck_assert_int_eq(open_error(name, uses[i], &error), -EPROTO);
        assert_says(&error, name);
        assert_says(&error, "never there");
    }
    fstat(fd, &after);
    ck_assert_int_eq(before.st_blocks, after.st_blocks);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(two_owners) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct shmring_error error;
    ck_assert_int_eq(chown(path_of(name, ".ctl"), 65534, 65534), 0);
    ck_assert_int_eq(open_error(name, SEGMENT_ATTACH, &error), -EACCES);
    assert_says(&error, name);
    assert_says(&error, "two owners");
    shmring_writer_close(writer);
}
END_TEST

/* ---- Permissions, as another user sees them ---- */

static const struct {
    uint32_t perms;
    enum segment_use use;
    const char *refusal; /* words of it; NULL: it opens */
} permissions[] = {
    {0600, SEGMENT_ATTACH, "no permission to see ring"},
    {0600, SEGMENT_OBSERVE, "no permission to see ring"},
    {0644, SEGMENT_ATTACH, "no permission to attach to ring"},
    {0644, SEGMENT_OBSERVE, NULL},
    {0666, SEGMENT_ATTACH, NULL},
    {0666, SEGMENT_OBSERVE, NULL},
};

static void try_as_nobody(const char *name, enum segment_use use, const char *refusal) {
    struct segment *seg = NULL;
    struct shmring_error error = {0};
    CHILD_ASSERT(setresuid(65534, 65534, 65534) == 0);
    struct layout_header header;
    int result = segment_look(name, use, &seg, &header, &error);
    CHILD_ASSERT(open(path_of(name, ""), O_RDWR) < 0 && errno == EACCES);
    CHILD_ASSERT(result == (refusal ? -EACCES : 0));
    if (!refusal)
        return;
    CHILD_ASSERT(strstr(error.message, refusal));
    CHILD_ASSERT(strstr(error.message, name));
    CHILD_ASSERT(strstr(error.message, "user root with mode 06"));
}

static int be_nobody(struct child *test, const char *name) {
    int n = child_hear(test) - '0';
    try_as_nobody(name, permissions[n].use, permissions[n].refusal);
    return 0;
}

START_TEST(permissions_read_like_a_files) {
    const char *name = new_name();
    struct shmring_writer_options options = writer_options(4);
    options.perms = permissions[_i].perms;
    struct shmring_writer *writer = open_writer(name, &options);
    struct child child = start_child(be_nobody, name);
    ck_assert(child_say(&child, (char)('0' + _i)));
    ck_assert_int_eq(end_child(&child), 0);
    shmring_writer_close(writer);
}
END_TEST

/* ---- What it knows of itself ---- */

START_TEST(it_knows_whether_the_name_is_its_own) {
    const char *name = new_name();
    struct shmring_writer *writer = new_writer(name, 4);
    struct segment *seg = open_segment(name, SEGMENT_OBSERVE);
    ck_assert(segment_has_name(seg));
    ck_assert(segment_has_name(writer_segment(writer)));
    ck_assert_int_eq(shmring_writer_resize(writer, 6, FRAME_SIZE, 4096, NULL), 0);
    ck_assert(!segment_has_name(seg)); /* another inode */
    ck_assert(segment_has_name(writer_segment(writer)));
    ck_assert_int_eq(unlink(path_of(name, "")), 0);
    ck_assert(!segment_has_name(writer_segment(writer)));
    ck_assert(segment_has_ctl_name(writer_segment(writer)));
    ck_assert_int_eq(unlink(path_of(name, ".ctl")), 0);
    ck_assert(!segment_has_ctl_name(writer_segment(writer)));
    segment_unref(seg);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(it_knows_whether_its_writer_lives) {
    static const enum segment_use uses[] = {SEGMENT_ATTACH, SEGMENT_OBSERVE};
    for (size_t i = 0; i < COUNT(uses); i++) {
        const char *name = new_name();
        struct shmring_writer *writer = new_writer(name, 4);
        struct segment *seg = open_segment(name, uses[i]);
        ck_assert(segment_has_writer(seg));
        shmring_writer_close(writer);
        ck_assert(!segment_has_writer(seg));
        segment_unref(seg);
    }
}
END_TEST

START_TEST(bells_wrap) {
    struct shmring_writer *writer = new_writer(new_name(), 4);
    struct segment *seg = writer_segment(writer);
    seg->ctl->doorbell = seg->ctl->notice = seg->header->event = UINT32_MAX;
    segment_ring_doorbell(seg);
    segment_announce(seg);
    ck_assert_uint_eq(seg->ctl->doorbell, 0);
    ck_assert_uint_eq(seg->ctl->notice, UINT32_MAX);
    segment_give_notice(seg); /* rings too */
    ck_assert_uint_eq(seg->ctl->doorbell, 1);
    ck_assert_uint_eq(seg->ctl->notice, 0);
    ck_assert_uint_eq(seg->header->event, 0);
    shmring_writer_close(writer);
}
END_TEST

START_TEST(texts_about_people) {
    struct layout_header header = {.writer_pid = 812};
    char text[64];
    memcpy(header.writer_process, "gst-launch-1.0", 15);
    segment_writer_text(&header, text, sizeof text);
    ck_assert_str_eq(text, "gst-launch-1.0 (pid 812)");
    memcpy(header.writer_process, "0123456789abcd\n\033", 16); /* unprintable, unterminated */
    segment_writer_text(&header, text, sizeof text);
    ck_assert_str_eq(text, "0123456789abcd? (pid 812)");
    header.writer_pid = 0;
    segment_writer_text(&header, text, sizeof text);
    ck_assert_str_eq(text, "a writer that is just starting");
    ck_assert_str_eq(segment_user_text(0, text), "root");
    ck_assert_str_eq(segment_user_text(4000000000u, text), "uid 4000000000");
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("segment");
    tcase_add_test(tests, both_uses_open_a_ring);
    tcase_add_test(tests, a_look_maps_nothing);
    tcase_add_test(tests, frames_are_mapped_read_only);
    tcase_add_test(tests, descriptors_do_not_cross_exec);
    tcase_add_test(tests, standard_streams_are_left_alone);
    tcase_add_test(tests, a_shared_mapping_has_the_same_addresses);
    tcase_add_test(tests, opening_and_closing_leaves_no_descriptor);
    tcase_add_test(tests, no_ring);
    tcase_add_test(tests, a_ring_in_between);
    tcase_add_loop_test(tests, what_is_not_a_ring, 0, COUNT(strangers));
    tcase_add_test(tests, a_link_is_not_followed);
    tcase_add_test(tests, another_version);
    tcase_add_test(tests, a_file_shorter_than_it_says);
    tcase_add_test(tests, a_ring_of_holes);
    if (geteuid() == 0) {
        tcase_add_test(tests, two_owners);
        tcase_add_loop_test(tests, permissions_read_like_a_files, 0, COUNT(permissions));
    } else {
        fprintf(stderr, "skipped: two_owners, only root can be another user\n");
        fprintf(stderr, "skipped: permissions_read_like_a_files, only root can be another user\n");
    }
    tcase_add_test(tests, it_knows_whether_the_name_is_its_own);
    tcase_add_test(tests, it_knows_whether_its_writer_lives);
    tcase_add_test(tests, bells_wrap);
    tcase_add_test(tests, texts_about_people);
    return run_tests(tests);
}
