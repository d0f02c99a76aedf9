/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "name.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"

#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
#define CTL_SUFFIX ".ctl"
#define NEW_SUFFIX ".new"
#define INSTANCE_DIGITS 32

static bool ends_with(const char *text, const char *suffix) {
    size_t length = strlen(text), tail = strlen(suffix);
    return length >= tail && strcmp(text + length - tail, suffix) == 0;
}

const char *shmring_name_problem(const char *name) {
    if (!name || !*name)
        return "it is empty";
    if (strnlen(name, SHMRING_MAX_NAME + 1) > SHMRING_MAX_NAME)
        return "it is longer than 200 characters";
    if (name[strspn(name, ALPHABET)])
        return "only A-Z a-z 0-9 . _ - may be in it";
    if (name[0] == '.')
        return "it starts with '.'";
    if (ends_with(name, CTL_SUFFIX))
        return "it ends in '.ctl', which the ring adds itself";
    if (ends_with(name, NEW_SUFFIX))
        return "it ends in '.new', which the ring adds itself";
    return NULL;
}

int name_check(const char *name, struct shmring_error *error) {
    const char *problem = shmring_name_problem(name);
    if (!problem)
        return 0;
    return error_set(error, -EINVAL, "'%.220s' cannot name a ring: %s", name ? name : "", problem);
}

void name_paths(struct ring_paths *paths, const char *name) {
    snprintf(paths->frames, sizeof paths->frames, SHM_DIR "/%.200s", name);
    snprintf(paths->ctl, sizeof paths->ctl, SHM_DIR "/%.200s" CTL_SUFFIX, name);
}

void name_temporary_paths(struct ring_paths *paths, const char *name, const uint8_t instance[16]) {
    char digits[INSTANCE_DIGITS + 1];
    for (int i = 0; i < 16; i++)
        snprintf(digits + 2 * i, 3, "%02x", instance[i]);
    snprintf(paths->frames, sizeof paths->frames, SHM_DIR "/%.200s.%s" NEW_SUFFIX, name, digits);
    snprintf(paths->ctl, sizeof paths->ctl, SHM_DIR "/%.200s.%s" CTL_SUFFIX NEW_SUFFIX, name,
             digits);
}

bool name_leads_to(const char *path, dev_t device, ino_t inode) {
    struct stat status;
    return stat(path, &status) == 0 && status.st_ino == inode && status.st_dev == device;
}

static size_t remove_suffix(const char *text, size_t length, const char *suffix) {
    size_t tail = strlen(suffix);
    bool has = length >= tail && memcmp(text + length - tail, suffix, tail) == 0;
    return has ? length - tail : length;
}

/* NAME "." 32 digits, and before and behind it what a temporary name has; a first version put a dot
 * before it and nothing behind. */
bool name_is_leftover(const char *name, const char *entry) {
    size_t dotted = entry[0] == '.', length = strlen(entry);
    size_t plain = remove_suffix(entry, length, NEW_SUFFIX);
    if (!dotted && plain == length)
        return false;
    plain = remove_suffix(entry, plain, CTL_SUFFIX);
    if (plain < dotted + 1 + 1 + INSTANCE_DIGITS)
        return false;
    const char *digits = entry + plain - INSTANCE_DIGITS;
    size_t named = (size_t)(digits - entry) - dotted - 1;
    return strspn(digits, "0123456789abcdef") >= INSTANCE_DIGITS && digits[-1] == '.' &&
           (!name || (strlen(name) == named && memcmp(entry + dotted, name, named) == 0));
}
