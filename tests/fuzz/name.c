/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a ring's name, and as what a frame says of itself. */
#include <ctype.h>
#include <errno.h>
#include <unistd.h>

#include "input.h"
#include "name.h"
#include "shmring.h"

static bool is_good(const char *name) {
    size_t length = strlen(name);
    for (const char *at = name; *at; at++) {
        if (!isascii(*at) || (!isalnum(*at) && !strchr("._-", *at)))
            return false;
    }
    return length > 0 && length <= SHMRING_MAX_NAME && name[0] != '.' &&
           !(length >= 4 && strcmp(name + length - 4, ".ctl") == 0) &&
           !(length >= 4 && strcmp(name + length - 4, ".new") == 0);
}

static void try_name(const char *name) {
    struct shmring_error error = {0};
    struct shmring_info info = SHMRING_INFO_INIT;
    struct ring_paths paths;
    REQUIRE(is_good(name) == !shmring_name_problem(name));
    int result = shmring_query(name, &info, &error);
    if (!is_good(name)) {
        REQUIRE(result == -EINVAL && error.code == -EINVAL && error.message[0]);
        return;
    }
    name_paths(&paths, name);
    REQUIRE(strncmp(paths.frames, "/dev/shm/", 9) == 0 && !strchr(paths.frames + 9, '/'));
    REQUIRE(strcmp(paths.frames + 9, name) == 0);
}

/* A frame that passes has each row of each plane within its bytes. */
static void try_frame(struct input *in) {
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    char caps[64];
    input_bytes(in, info.format, sizeof info.format);
    info.width = (uint32_t)input_near(in, 16);
    info.height = (uint32_t)input_near(in, 16);
    info.channels = input_byte(in) % 6;
    info.flags = (uint32_t)input_number(in, 4);
    info.planes = input_byte(in) % 6;
    info.size = input_near(in, 1024);
    for (unsigned plane = 0; plane < SHMRING_MAX_PLANES; plane++) {
        info.stride[plane] = (int32_t)input_near(in, 64);
        info.offset[plane] = input_near(in, 0);
    }
    input_bytes(in, caps, sizeof caps);
    caps[sizeof caps - 1] = 0;
    info.caps = caps;
    if (shmring_frame_problem(&info) || info.size == 0)
        return;
    REQUIRE(info.planes <= SHMRING_MAX_PLANES);
    for (unsigned plane = 0; plane < info.planes; plane++)
        REQUIRE(info.offset[plane] < info.size && info.stride[plane] > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, size};
    char name[300];
    uint8_t length = input_byte(&in);
    input_bytes(&in, name, length);
    name[length] = 0;
    try_name(name);
    try_frame(&in);
    return 0;
}
