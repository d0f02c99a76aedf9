/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What SECURITY.md says of other users, shown: who may what by perms, and what who may attach can
 * still do. Only root can be somebody else; for others the test is skipped. */
#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "lock.h"
#include "support.h"

/* In place of libc's: to find a name the system may run anything, a program too. Under the lock
 * that keeps a fork() out this would wait for ever. */
int getpwuid_r(uid_t uid, struct passwd *entry, char *text, size_t size, struct passwd **found) {
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
    *found = NULL;
    return 0;
}

#define SKIPPED 77 /* as Meson has it */
#define OWNER 61001
#define MEMBER 61002
#define STRANGER 61003
#define GROUP 61009

static uint32_t perms;
static mode_t mask;
static int64_t patience_ns;

static void become(uid_t uid) {
    gid_t group = uid == STRANGER ? STRANGER : GROUP;
    CHILD_ASSERT(setgroups(0, NULL) == 0 && setgid(group) == 0 && setuid(uid) == 0);
}

/* ---- The owner's writer, in a child: publishes when told to ---- */

static int write_as_owner(struct child *test, const char *name) {
    struct shmring_writer_options options = writer_options(6);
    struct shmring_writer *writer = NULL;
    become(OWNER);
    umask(mask);
    options.perms = perms;
    options.max_readers = 2;
    options.patience_ns = patience_ns;
    shmring_guard();
    CHILD_ASSERT(shmring_writer_open(name, &options, &writer, NULL) == 0);
    CHILD_ASSERT(child_say(test, 'O'));
    uint64_t number = 0;
    for (char word; (word = child_hear(test)) != 0;) {
        int result = try_put(writer, ++number, LONG);
        CHILD_ASSERT(result == 0 || (result == -EPROTO && word == 'C')); /* cut off */
        CHILD_ASSERT(child_say(test, word));
    }
    shmring_writer_close(writer);
    return 0;
}

static struct child start_owner(const char *name, uint32_t with_perms, mode_t with_mask) {
    perms = with_perms;
    mask = with_mask;
    struct child owner = start_child(write_as_owner, name);
    ck_assert_int_eq(child_hear(&owner), 'O');
    tell(&owner, 'P');
    return owner;
}

/* ---- Who may what ---- */

static bool can_observe(const char *name) {
    struct shmring_observer *observer = NULL;
    struct shmring_frame *frame = NULL;
    struct shmring_error error = {0};
    int result = shmring_observer_open(name, &observer, &error);
    if (result == 0)
        CHILD_ASSERT(shmring_observer_latest(observer, 0, 0, &frame, NULL) == SHMRING_OK &&
                     is_filled(frame->data, frame->info.frame_number));
    else
        CHILD_ASSERT(result == -EACCES && strstr(error.message, "r may observe"));
    shmring_frame_release(frame);
    shmring_observer_close(observer);
    return result == 0;
}

static struct shmring_reader_options options_for_any_owner(void) {
    struct shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    options.any_owner = true;
    return options;
}

static bool can_attach(const char *name) {
    struct shmring_reader_options options = options_for_any_owner();
    struct shmring_reader *reader = NULL;
    struct shmring_error error = {0};
    CHILD_ASSERT(shmring_reader_new(name, &options, &reader, NULL) == 0);
    int result = shmring_reader_attach(reader, 0, &error);
    CHILD_ASSERT(result == 0 || (result == -EACCES && strstr(error.message, "no permission")));
    shmring_reader_free(reader);
    return result == 0;
}

static bool can_write(const char *path) {
    int fd = open(path, O_RDWR);
    close(fd);
    return fd >= 0;
}

static uid_t asker;

/* What ASKER may, as the bits of rights that perms have. */
static int ask_as_asker(struct child *test, const char *name) {
    become(asker);
    CHILD_ASSERT(can_write(path_of(name, "")) == (asker == OWNER));
    int rights = 4 * can_observe(name) + 2 * can_attach(name);
    CHILD_ASSERT(can_write(path_of(name, ".ctl")) == !!(rights & 2));
    return rights;
}

static int rights_of(uid_t uid, const char *name) {
    asker = uid;
    struct child child = start_child(ask_as_asker, name);
    return end_child(&child);
}

static mode_t mode_of(const char *path) {
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    return status.st_mode & 07777;
}

START_TEST(perms_are_like_a_files_whatever_the_umask) {
    static const uint32_t all[] = {0600, 0640, 0660, 0644, 0664, 0666};
    static const mode_t masks[] = {0, 022, 077, 0777};
    for (size_t i = 0; i < COUNT(all) * COUNT(masks); i++) {
        const char *name = new_name();
        uint32_t p = all[i / COUNT(masks)];
        struct child owner = start_owner(name, p, masks[i % COUNT(masks)]);
        ck_assert_uint_eq(mode_of(path_of(name, "")), p & 0644);
        ck_assert_uint_eq(mode_of(path_of(name, ".ctl")), (p & 0222) | (p & 0222) << 1);
        ck_assert_int_eq(rights_of(OWNER, name), 6);
        ck_assert_int_eq(rights_of(MEMBER, name), (int)(p >> 3 & 7));
        ck_assert_int_eq(rights_of(STRANGER, name), (int)(p & 7));
        ck_assert_int_eq(end_child(&owner), 0);
    }
}
END_TEST

static int attach_as_this_user(const char *name) {
    struct shmring_reader *reader = NULL;
    struct shmring_error error = {0};
    CHILD_ASSERT(shmring_reader_new(name, NULL, &reader, NULL) == 0);
    int result = shmring_reader_attach(reader, 0, &error);
    CHILD_ASSERT(result == 0 || strstr(error.message, "uid 61001"));
    shmring_reader_free(reader);
    return -result;
}

static int attach_as_stranger(struct child *test, const char *name) {
    become(STRANGER);
    return attach_as_this_user(name);
}

START_TEST(rings_of_others_are_read_by_who_says_so) {
    const char *name = new_name();
    struct child owner = start_owner(name, 0666, 0);
    struct child stranger = start_child(attach_as_stranger, name);
    ck_assert_int_eq(end_child(&stranger), EACCES);
    ck_assert_int_eq(end_child(&owner), 0);
    struct shmring_writer_options options = writer_options(6);
    options.perms = 0666;
    struct shmring_writer *roots = open_writer(name = new_name(), &options);
    stranger = start_child(attach_as_stranger, name);
    ck_assert_int_eq(end_child(&stranger), 0);
    shmring_writer_close(roots);
}
END_TEST

static int attach_in_a_namespace(struct child *test, const char *name) {
    if (unshare(CLONE_NEWUSER) < 0)
        return SKIPPED; /* as in most containers */
    return attach_as_this_user(name);
}

START_TEST(all_users_are_one_where_none_is_mapped) {
    const char *name = new_name();
    struct child owner = start_owner(name, 0666, 0);
    struct child nobody = start_child(attach_in_a_namespace, name);
    int status = end_child(&nobody);
    ck_assert(status == 0 || status == SKIPPED);
    ck_assert_int_eq(end_child(&owner), 0);
}
END_TEST

/* Opened while it might, and never closed. */
static int keep_open_as_stranger(struct child *test, const char *name) {
    uint64_t before = 0, now = 0;
    off_t head = offsetof(struct layout_header, head);
    become(STRANGER);
    int fd = open(path_of(name, ""), O_RDONLY);
    CHILD_ASSERT(pread(fd, &before, sizeof before, head) == sizeof before && before > 0);
    CHILD_ASSERT(child_say(test, 'L'));
    CHILD_ASSERT(child_hear(test) == 'L' && child_say(test, 'L'));
    CHILD_ASSERT(pread(fd, &now, sizeof now, head) == sizeof now);
    return now != before;
}

/* The next writer's perms are its own: it goes on in files that others had open only if they may.
 */
START_TEST(narrower_perms_shut_out_whoever_is_there) {
    static const uint32_t before[] = {0666, 0666, 0664, 0644, 0666},
                          after[] = {0600, 0660, 0644, 0666, 0666};
    const char *name = new_name();
    struct child owner = start_owner(name, before[_i], 0);
    struct child stranger = start_child(keep_open_as_stranger, name);
    ck_assert_int_eq(child_hear(&stranger), 'L');
    kill_child(&owner);
    owner = start_owner(name, after[_i], 0);
    ck_assert_uint_eq(mode_of(path_of(name, "")), after[_i] & 0644);
    tell(&stranger, 'L');
    ck_assert_int_eq(end_child(&stranger), (before[_i] & ~after[_i]) == 0);
    ck_assert_int_eq(end_child(&owner), 0);
}
END_TEST

/* The kernel says EAGAIN then, which to a reader is a ring that is not there yet. */
static int attach_with_all_locked(struct child *test, const char *name) {
    struct rlimit least = {65536, 65536};
    struct shmring_reader_options options = options_for_any_owner();
    struct shmring_reader *reader = NULL;
    struct shmring_error error = {0};
    become(STRANGER);
    CHILD_ASSERT(shmring_reader_new(name, &options, &reader, NULL) == 0);
    CHILD_ASSERT(setrlimit(RLIMIT_MEMLOCK, &least) == 0 && mlockall(MCL_FUTURE) == 0);
    int result = shmring_reader_attach(reader, 0, &error);
    CHILD_ASSERT(strstr(error.message, "cannot map ring"));
    shmring_reader_free(reader);
    return -result;
}

START_TEST(memory_that_may_not_be_locked_is_an_error) {
    const char *name = new_name();
    struct child owner = start_owner(name, 0666, 0);
    struct child stranger = start_child(attach_with_all_locked, name);
    ck_assert_int_eq(end_child(&stranger), ENOMEM);
    ck_assert_int_eq(end_child(&owner), 0);
}
END_TEST

/* ---- Who may only observe harms nobody ---- */

static int lock_as_stranger(struct child *test, const char *name) {
    become(STRANGER);
    int fd = open(path_of(name, ""), O_RDONLY);
    struct flock all = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    CHILD_ASSERT(fd >= 0 && lock_try(fd, LOCK_WRITER) < 0 && fcntl(fd, F_OFD_SETLK, &all) == 0);
    CHILD_ASSERT(open(path_of(name, ".ctl"), O_RDONLY) < 0);
    CHILD_ASSERT(truncate(path_of(name, ""), 0) < 0 && unlink(path_of(name, "")) < 0);
    CHILD_ASSERT(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    CHILD_ASSERT(child_say(test, 'L'));
    child_hear(test);
    return 0;
}

/* Its read locks do not keep the dead looking alive, nor the next writer from their place. */
START_TEST(observers_locks_hinder_nobody) {
    const char *name = new_name();
    struct shmring_info info = SHMRING_INFO_INIT;
    struct child owner = start_owner(name, 0644, 0);
    kill_child(&owner);
    ck_assert_uint_eq(mode_of(path_of(name, "")), 0644);
    ck_assert_uint_eq(mode_of(path_of(name, ".ctl")), 0600);
    struct child stranger = start_child(lock_as_stranger, name);
    ck_assert_int_eq(child_hear(&stranger), 'L');
    ck_assert_int_eq(shmring_query(name, &info, NULL), 0);
    ck_assert_int_eq(info.state, SHMRING_STATE_DEAD);
    owner = start_owner(name, 0644, 0);
    ck_assert_int_eq(rights_of(STRANGER, name), 4);
    ck_assert_int_eq(rights_of(OWNER, name), 6);
    ck_assert_int_eq(end_child(&owner), 0);
    ck_assert_int_eq(end_child(&stranger), 0);
}
END_TEST

static int move_a_sleeper(struct child *test, const char *name) {
    static uint32_t elsewhere;
    become(STRANGER);
    int fd = open(path_of(name, ""), O_RDONLY);
    struct layout_header *header = mmap(NULL, LAYOUT_PAGE, PROT_READ, MAP_SHARED, fd, 0);
    CHILD_ASSERT(header != MAP_FAILED);
    while (syscall(SYS_futex, &header->event, FUTEX_REQUEUE, 0, 1L, &elsewhere, 0) == 0)
        sched_yield(); /* until one sleeps */
    CHILD_ASSERT(child_say(test, 'M'));
    child_hear(test);
    return 0;
}

static void *take_the_second(void *reader) {
    shmring_frame_release(take(reader, 2));
    return NULL;
}

/* It then wakes by its own look only. */
START_TEST(observers_can_delay_sleepers) {
    const char *name = new_name();
    struct child owner = start_owner(name, 0644, 0);
    struct child stranger = start_child(move_a_sleeper, name);
    struct shmring_reader_options options = options_for_any_owner();
    struct shmring_reader *reader = open_reader(name, &options);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, take_the_second, reader), 0);
    ck_assert_int_eq(child_hear(&stranger), 'M');
    tell(&owner, 'P');
    pthread_join(thread, NULL);
    shmring_reader_free(reader);
    ck_assert_int_eq(end_child(&stranger), 0);
    ck_assert_int_eq(end_child(&owner), 0);
}
END_TEST

/* ---- Names that somebody else has ---- */

static const char *squatted;
static bool by_link;

static int squat(const char *name, struct child *test) {
    const char *path = path_of(name, squatted);
    if (by_link)
        CHILD_ASSERT(symlink("/etc/passwd", path) == 0);
    else
        CHILD_ASSERT(close(open(path, O_RDWR | O_CREAT | O_EXCL, 0666)) == 0);
    CHILD_ASSERT(child_say(test, 'S'));
    child_hear(test);
    return unlink(path);
}

static int squat_as_stranger(struct child *test, const char *name) {
    become(STRANGER);
    return squat(name, test);
}

static int squat_as_owner(struct child *test, const char *name) {
    become(OWNER);
    squat(name, test); /* it may be gone: nobody locks it */
    return 0;
}

static int open_as_owner(struct child *test, const char *name) {
    struct shmring_writer_options options = writer_options(6);
    struct shmring_writer *writer = NULL;
    struct shmring_error error = {0};
    become(OWNER);
    int result = shmring_writer_open(name, &options, &writer, &error);
    CHILD_ASSERT(result == -EPERM && strstr(error.message, "uid 61003"));
    return 0;
}

START_TEST(squatted_names_are_refused_by_whose_they_are) {
    static const char *const suffixes[] = {"", ".ctl"};
    for (size_t i = 0; i < 4; i++) {
        const char *name = new_name();
        squatted = suffixes[i / 2];
        by_link = i % 2;
        struct child stranger = start_child(squat_as_stranger, name);
        ck_assert_int_eq(child_hear(&stranger), 'S');
        struct child owner = start_child(open_as_owner, name);
        ck_assert_int_eq(end_child(&owner), 0);
        ck_assert_int_eq(end_child(&stranger), 0);
        ck_assert_int_eq(shm_entries(name, false), 0);
    }
}
END_TEST

/* In each process the first random number is one that can be guessed. */
ssize_t getrandom(void *buffer, size_t size, unsigned flags) {
    static bool was_guessed;
    if (was_guessed)
        return syscall(SYS_getrandom, buffer, size, flags);
    was_guessed = true;
    memset(buffer, 0, size);
    return (ssize_t)size;
}

static int make_as_owner(struct child *test, const char *name) {
    become(OWNER);
    shmring_writer_close(new_writer(name, 6));
    return 0;
}

START_TEST(squatted_temporary_names_are_passed_over) {
    static const char *const suffixes[] = {".00000000000000000000000000000000.new",
                                           ".00000000000000000000000000000000.ctl.new"};
    for (size_t i = 0; i < 8; i++) {
        const char *name = new_name();
        squatted = suffixes[i / 4];
        by_link = i % 2;
        struct child squatter = start_child(i / 2 % 2 ? squat_as_owner : squat_as_stranger, name);
        ck_assert_int_eq(child_hear(&squatter), 'S');
        struct child owner = start_child(make_as_owner, name);
        ck_assert_int_eq(end_child(&owner), 0);
        ck_assert_int_eq(end_child(&squatter), 0);
        ck_assert_int_eq(shm_entries(name, false), 0);
    }
}
END_TEST

/* ---- What who may attach can still do ---- */

static int run_to_end(int (*run)(struct child *, const char *), const char *name) {
    struct child child = start_child(run, name);
    return end_child(&child);
}

static struct shmring_reader *attach_as_member(const char *name, uint32_t lease) {
    struct shmring_reader_options options = options_for_any_owner();
    struct shmring_reader *reader = NULL;
    options.lease = lease;
    CHILD_ASSERT(shmring_reader_new(name, &options, &reader, NULL) == 0);
    CHILD_ASSERT(shmring_reader_attach(reader, LONG, NULL) == 0);
    return reader;
}

static int stay_attached(struct child *test, const char *name, int readers, uint32_t lease) {
    become(MEMBER);
    for (int i = 0; i < readers; i++)
        attach_as_member(name, lease);
    CHILD_ASSERT(child_say(test, 'A'));
    child_hear(test);
    return 0;
}

static int take_both_ports(struct child *test, const char *name) {
    return stay_attached(test, name, 2, 1);
}

/* Which whoever comes is told. */
START_TEST(they_can_take_up_ports) {
    const char *name = new_name();
    struct child owner = start_owner(name, 0660, 0);
    struct child member = start_child(take_both_ports, name);
    struct shmring_reader_options options = options_for_any_owner();
    struct shmring_error error = {0};
    ck_assert_int_eq(child_hear(&member), 'A');
    struct shmring_reader *reader = unattached_reader(name, &options);
    ck_assert_int_eq(shmring_reader_attach(reader, 0, &error), -EUSERS);
    assert_says(&error, "max-readers");
    for (int i = 0; i < 20; i++)
        tell(&owner, 'P');
    ck_assert_int_eq(end_child(&member), 0);
    ck_assert_int_eq(shmring_reader_attach(reader, LONG, NULL), 0);
    shmring_reader_free(reader);
    ck_assert_int_eq(end_child(&owner), 0);
}
END_TEST

static int take_all_leases(struct child *test, const char *name) {
    return stay_attached(test, name, 1, SHMRING_MAX_SLOTS);
}

/* Who comes then gets copies. */
START_TEST(they_can_take_up_leases) {
    const char *name = new_name();
    struct child owner = start_owner(name, 0660, 0);
    struct child member = start_child(take_all_leases, name);
    struct shmring_reader_options options = options_for_any_owner();
    ck_assert_int_eq(child_hear(&member), 'A');
    struct shmring_reader *reader = open_reader(name, &options);
    tell(&owner, 'P');
    struct shmring_frame *frame = take(reader, 2);
    ck_assert(frame->is_copy);
    ck_assert_uint_eq(reader_stats(reader).lease, 0);
    shmring_frame_release(frame);
    shmring_reader_free(reader);
    ck_assert_int_eq(end_child(&member), 0);
    ck_assert_int_eq(end_child(&owner), 0);
}
END_TEST

/* Of one that takes nothing: not beyond its patience. */
START_TEST(they_can_take_the_writers_time) {
    const char *name = new_name();
    patience_ns = 20000000;
    struct child owner = start_owner(name, 0660, 0);
    struct child member = start_child(take_all_leases, name);
    ck_assert_int_eq(child_hear(&member), 'A');
    for (int i = 0; i < 20; i++)
        tell(&owner, 'P');
    struct shmring_info info = query(name);
    ck_assert_uint_gt(info.waits, 0);
    ck_assert_uint_gt(info.withdrawn, 0);
    ck_assert_uint_eq(info.published, 21);
    ck_assert_int_eq(end_child(&member), 0);
    ck_assert_int_eq(end_child(&owner), 0);
}
END_TEST

static struct layout_ctl *map_ctl(const char *name) {
    int fd = open(path_of(name, ".ctl"), O_RDWR);
    struct stat status;
    CHILD_ASSERT(fd >= 0 && fstat(fd, &status) == 0);
    void *ctl = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHILD_ASSERT(ctl != MAP_FAILED);
    return ctl;
}

static int forge_claims(struct child *test, const char *name) {
    become(MEMBER);
    struct layout_ctl *ctl = map_ctl(name);
    for (uint32_t port = 0; port < 2; port++) {
        for (uint32_t slot = 0; slot < 6; slot++)
            ctl->port[port].claim[slot] = 0;
    }
    return 0;
}

/* What another reader holds is reused: it sees other pixels than it took, and is told nothing.
 * No pixel is theirs to choose, and the writer goes on. */
START_TEST(they_can_forge_what_others_claim) {
    const char *name = new_name();
    struct child owner = start_owner(name, 0660, 0);
    struct shmring_reader_options options = options_for_any_owner();
    struct shmring_reader *reader = open_reader(name, &options);
    tell(&owner, 'P');
    struct shmring_frame *held = take(reader, 2);
    ck_assert_int_eq(run_to_end(forge_claims, name), 0);
    for (int i = 0; i < 20; i++)
        tell(&owner, 'P');
    ck_assert(!is_filled(held->data, 2));
    shmring_frame_release(held);
    shmring_reader_free(reader);
    ck_assert_int_eq(end_child(&owner), 0);
}
END_TEST

static int forge_ports(struct child *test, const char *name) {
    become(MEMBER);
    struct layout_ctl *ctl = map_ctl(name);
    for (uint32_t i = 0; i < 20000; i++) {
        struct layout_port *port = &ctl->port[i % 2];
        port->attach = attach_word(i, (uint16_t)i, i % 3, i % 4);
        port->lease = i;
        port->claim[i % 6] = claim_word(i % 40, i % 4);
        ctl->doorbell++;
        ctl->notice++;
    }
    return 0;
}

START_TEST(forged_ports_stop_nobody) {
    const char *name = new_name();
    struct child owner = start_owner(name, 0660, 0);
    struct child member = start_child(forge_ports, name);
    for (int i = 0; i < 200; i++)
        tell(&owner, 'P');
    ck_assert_int_eq(end_child(&member), 0);
    for (int i = 0; i < 20; i++)
        tell(&owner, 'P');
    ck_assert_int_eq(rights_of(MEMBER, name), 6);
    ck_assert_int_eq(end_child(&owner), 0);
}
END_TEST

static int attach_endlessly(struct child *test, const char *name) {
    become(MEMBER);
    for (int i = 0; i < 2000; i++)
        shmring_reader_free(attach_as_member(name, 1));
    return 0;
}

/* While another one reads what comes. */
START_TEST(endless_attaches_stop_nobody) {
    const char *name = new_name();
    struct child owner = start_owner(name, 0660, 0);
    struct shmring_reader_options options = options_for_any_owner();
    struct shmring_reader *reader = open_reader(name, &options);
    struct child member = start_child(attach_endlessly, name);
    for (uint64_t number = 2; number < 300; number++) {
        tell(&owner, 'P');
        shmring_frame_release(take(reader, number));
    }
    ck_assert_int_eq(end_child(&member), 0);
    shmring_reader_free(reader);
    ck_assert_int_eq(end_child(&owner), 0);
}
END_TEST

/* ---- Locks, which they can take as any reader does ---- */

static int lock_the_rest(struct child *test, const char *name) {
    become(MEMBER);
    int fd = open(path_of(name, ".ctl"), O_RDWR);
    struct flock rest = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_WRITER + 1};
    CHILD_ASSERT(fd >= 0 && lock_try(fd, LOCK_WRITER) < 0);
    CHILD_ASSERT(fcntl(fd, F_OFD_SETLK, &rest) == 0 && child_say(test, 'L'));
    child_hear(test);
    return 0;
}

/* The writer, and who reads already, go on. */
START_TEST(they_can_keep_others_from_attaching) {
    const char *name = new_name();
    struct child owner = start_owner(name, 0660, 0);
    struct child member = start_child(lock_the_rest, name);
    struct shmring_reader_options options = options_for_any_owner();
    struct shmring_error error = {0};
    ck_assert_int_eq(child_hear(&member), 'L');
    struct shmring_reader *reader = unattached_reader(name, &options);
    ck_assert_int_eq(shmring_reader_attach(reader, 0, &error), SHMRING_TIMEOUT);
    assert_says(&error, "lets nobody attach");
    tell(&owner, 'P');
    ck_assert_int_eq(end_child(&member), 0);
    ck_assert_int_eq(shmring_reader_attach(reader, LONG, NULL), 0);
    shmring_reader_free(reader);
    ck_assert_int_eq(end_child(&owner), 0);
}
END_TEST

static int lock_as_writer(struct child *test, const char *name) {
    become(MEMBER);
    int fd = open(path_of(name, ".ctl"), O_RDWR);
    CHILD_ASSERT(fd >= 0 && lock_try(fd, LOCK_WRITER) == 0 && child_say(test, 'L'));
    child_hear(test);
    return 0;
}

static int find_in_use(struct child *test, const char *name) {
    struct shmring_writer_options options = writer_options(6);
    struct shmring_writer *writer = NULL;
    become(OWNER);
    CHILD_ASSERT(shmring_writer_open(name, &options, &writer, NULL) == -EBUSY);
    return 0;
}

/* As long as they live. */
START_TEST(they_can_keep_a_dead_writers_name) {
    const char *name = new_name();
    struct child owner = start_owner(name, 0660, 0);
    kill_child(&owner);
    struct child member = start_child(lock_as_writer, name);
    ck_assert_int_eq(child_hear(&member), 'L');
    ck_assert_int_eq(run_to_end(find_in_use, name), 0);
    ck_assert_int_eq(end_child(&member), 0);
    owner = start_owner(name, 0660, 0);
    ck_assert_int_eq(end_child(&owner), 0);
}
END_TEST

static int spoil_ctl(struct child *test, const char *name) {
    become(MEMBER);
    struct layout_ctl *ctl = map_ctl(name);
    memset(ctl->magic, 0, sizeof ctl->magic);
    return 0;
}

static int find_no_ring(struct child *test, const char *name) {
    struct shmring_writer_options options = writer_options(6);
    struct shmring_writer *writer = NULL;
    struct shmring_error error = {0};
    become(OWNER);
    CHILD_ASSERT(shmring_writer_open(name, &options, &writer, &error) == -EEXIST);
    CHILD_ASSERT(strstr(error.message, "remove both files"));
    CHILD_ASSERT(unlink(path_of(name, "")) == 0 && unlink(path_of(name, ".ctl")) == 0);
    return 0;
}

/* Until its owner removes what is there. */
START_TEST(they_can_spoil_a_dead_writers_name) {
    const char *name = new_name();
    struct child owner = start_owner(name, 0660, 0);
    ck_assert_int_eq(run_to_end(spoil_ctl, name), 0);
    kill_child(&owner);
    ck_assert_int_eq(run_to_end(find_no_ring, name), 0);
    owner = start_owner(name, 0660, 0);
    ck_assert_int_eq(end_child(&owner), 0);
}
END_TEST

static const char *other;

static int link_ctl(struct child *test, const char *name) {
    become(MEMBER);
    return link(path_of(name, ".ctl"), path_of(other, ".ctl"));
}

static int remove_link(struct child *test, const char *name) {
    become(OWNER);
    return unlink(path_of(name, ".ctl"));
}

START_TEST(they_can_keep_another_name_in_use) {
    const char *name = new_name();
    other = new_name();
    struct child owner = start_owner(name, 0660, 0);
    ck_assert_int_eq(run_to_end(link_ctl, name), 0);
    ck_assert_int_eq(run_to_end(find_in_use, other), 0);
    ck_assert_int_eq(run_to_end(remove_link, other), 0);
    struct child others = start_owner(other, 0660, 0);
    ck_assert_int_eq(end_child(&others), 0);
    ck_assert_int_eq(end_child(&owner), 0);
}
END_TEST

static int forge_words(struct child *test, const char *name) {
    become(MEMBER);
    struct layout_ctl *ctl = map_ctl(name);
    for (uint32_t slot = 0; slot < 6; slot++)
        ctl->port[0].claim[slot] = ctl->port[1].claim[slot] = claim_word(7777, CLAIM_TAKEN);
    return 0;
}

static int wipe_ports(struct child *test, const char *name) {
    become(MEMBER);
    struct layout_ctl *ctl = map_ctl(name);
    memset((void *)ctl->port, 0, 2 * sizeof *ctl->port);
    return 0;
}

static int (*const forgeries[])(struct child *, const char *) = {forge_words, wipe_ports};

/* It is told, and comes back. */
START_TEST(they_can_shut_others_out) {
    const char *name = new_name();
    struct child owner = start_owner(name, 0660, 0);
    struct shmring_reader_options options = options_for_any_owner();
    struct shmring_error error = {0};
    struct shmring_frame *frame;
    struct shmring_reader *reader = open_reader(name, &options);
    tell(&owner, 'P');
    shmring_frame_release(take(reader, 2));
    tell(&owner, 'P');
    ck_assert_int_eq(run_to_end(forgeries[_i], name), 0);
    for (int i = 0; i < 8; i++)
        tell(&owner, 'P');
    int result = 0;
    for (int i = 0; i < 20 && result == 0; i++) {
        result = shmring_reader_take(reader, LONG, &frame, &error);
        shmring_frame_release(frame);
    }
    ck_assert_int_eq(result, -ECONNRESET);
    ck_assert_int_eq(shmring_reader_attach(reader, LONG, NULL), 0);
    shmring_reader_free(reader);
    ck_assert_int_eq(end_child(&owner), 0);
}
END_TEST

/* ---- Files that are cut off ---- */

static int cut_ctl_as_member(struct child *test, const char *name) {
    become(MEMBER);
    CHILD_ASSERT(truncate(path_of(name, ""), 0) < 0);
    return truncate(path_of(name, ".ctl"), 0);
}

static int cut_as_owner(struct child *test, const char *name) {
    become(OWNER);
    return truncate(path_of(name, ""), 0);
}

static void cut_off(int (*cut)(struct child *, const char *)) {
    const char *name = new_name();
    struct child owner = start_owner(name, 0660, 0);
    struct shmring_reader_options options = options_for_any_owner();
    struct shmring_error error = {0};
    struct shmring_frame *frame;
    shmring_guard();
    struct shmring_reader *reader = open_reader(name, &options);
    tell(&owner, 'P');
    ck_assert_int_eq(run_to_end(cut, name), 0);
    ck_assert_int_eq(shmring_reader_take(reader, LONG, &frame, &error), -EPROTO);
    assert_says(&error, "was cut off");
    shmring_reader_free(reader);
    tell(&owner, 'C');
    tell(&owner, 'C');
    ck_assert_int_eq(end_child(&owner), 0);
    ck_assert_int_eq(shm_entries(name, false), 0);
}

START_TEST(who_may_attach_can_end_the_ring_but_no_process) {
    cut_off(cut_ctl_as_member);
}
END_TEST

START_TEST(so_can_its_user) {
    cut_off(cut_as_owner);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("users");
    if (geteuid() != 0) {
        printf("only root can be somebody else\n");
        return SKIPPED;
    }
    tcase_add_test(tests, perms_are_like_a_files_whatever_the_umask);
    tcase_add_test(tests, rings_of_others_are_read_by_who_says_so);
    tcase_add_test(tests, all_users_are_one_where_none_is_mapped);
    tcase_add_loop_test(tests, narrower_perms_shut_out_whoever_is_there, 0, 5);
    /* with them mlockall() does nothing */
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
    tcase_add_test(tests, memory_that_may_not_be_locked_is_an_error);
#endif
    tcase_add_test(tests, observers_locks_hinder_nobody);
    tcase_add_test(tests, observers_can_delay_sleepers);
    tcase_add_test(tests, squatted_names_are_refused_by_whose_they_are);
    tcase_add_test(tests, squatted_temporary_names_are_passed_over);
    tcase_add_test(tests, they_can_take_up_ports);
    tcase_add_test(tests, they_can_take_up_leases);
    tcase_add_test(tests, they_can_take_the_writers_time);
    tcase_add_test(tests, they_can_forge_what_others_claim);
    tcase_add_test(tests, they_can_keep_others_from_attaching);
    tcase_add_test(tests, they_can_keep_a_dead_writers_name);
    tcase_add_test(tests, they_can_spoil_a_dead_writers_name);
    tcase_add_test(tests, they_can_keep_another_name_in_use);
    tcase_add_loop_test(tests, they_can_shut_others_out, 0, COUNT(forgeries));
    tcase_add_test(tests, forged_ports_stop_nobody);
    tcase_add_test(tests, endless_attaches_stop_nobody);
    tcase_add_test(tests, who_may_attach_can_end_the_ring_but_no_process);
    tcase_add_test(tests, so_can_its_user);
    return run_tests(tests);
}
