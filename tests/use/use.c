/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The smallest program that needs the header and the library, and says whether they are one. */
#include <shmring.h>
#include <stdio.h>

int main(void) {
    struct shmring_info info = SHMRING_INFO_INIT;
    struct shmring_error error = {0};
    int result = shmring_query("nobody-has-this-name", &info, &error);
    printf("%#x: %s\n", (unsigned)shmring_version(), error.message);
    return result < 0 && shmring_version() == SHMRING_VERSION ? 0 : 1;
}
