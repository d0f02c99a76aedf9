/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a fuzz target once for each file of the folders that are named: the corpus as a test. */
#include <dirent.h>
#include <limits.h>

#include "input.h"

static void replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    REQUIRE(file);
    static uint8_t bytes[1 << 20];
    size_t size = fread(bytes, 1, sizeof bytes, file);
    REQUIRE(!ferror(file));
    fclose(file);
    uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees its end */
    REQUIRE(exact);
    memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static unsigned replay_folder(const char *folder) {
    unsigned count = 0;
    DIR *directory = opendir(folder);
    REQUIRE(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.')
            continue;
        replay_file(path);
        count++;
    }
    closedir(directory);
    return count;
}

int main(int argc, char **argv) {
    unsigned count = 0;
    for (int i = 1; i < argc; i++)
        count += replay_folder(argv[i]);
    printf("%u inputs\n", count);
    return count == 0; /* no corpus is no test */
}
