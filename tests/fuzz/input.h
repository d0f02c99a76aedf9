/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the fuzz targets share: bytes read off an input as numbers, and the end of the program when
 * something that must hold does not. */
#ifndef INPUT_H
#define INPUT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct input {
    const uint8_t *at;
    size_t left;
};

/* SIZE bytes; what is missing at the end is 0. */
static inline void input_bytes(struct input *in, void *to, size_t size) {
    size_t got = size < in->left ? size : in->left;
    memset(to, 0, size);
    if (got)
        memcpy(to, in->at, got);
    in->at += got;
    in->left -= got;
}

static inline uint8_t input_byte(struct input *in) {
    uint8_t byte;
    input_bytes(in, &byte, sizeof byte);
    return byte;
}

static inline uint64_t input_number(struct input *in, size_t bytes) {
    uint64_t number = 0;
    input_bytes(in, &number, bytes);
    return number;
}

/* Near NEAR, near zero, at an edge, or anything. */
static inline uint64_t input_near(struct input *in, uint64_t near) {
    uint8_t how = input_byte(in);
    if (how < 128)
        return near + (uint64_t)(int64_t)((int8_t)(how << 1) >> 1);
    if (how < 160)
        return how - 128u;
    if (how < 192)
        return (UINT64_C(1) << (how % 16 * 4 + 3)) - (how >> 4 & 1);
    return input_number(in, sizeof(uint64_t));
}

/* Overwrites up to 255 bytes somewhere in AT. */
static inline void input_patch(struct input *in, void *at, size_t size) {
    size_t offset = input_number(in, 2) % size, length = input_byte(in);
    length = length < size - offset ? length : size - offset;
    length = length < in->left ? length : in->left;
    input_bytes(in, (char *)at + offset, length);
}

/* So that a sanitizer or the MMU sees each byte touched. */
static inline void touch(const void *bytes, size_t size) {
    const volatile uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        (void)at[i];
}

#endif
