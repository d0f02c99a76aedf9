/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader-arguments.h"

#include "arguments.h"

static int choice(const char *what, const char *value, const char *const *choices,
                  const char *allowed) {
    for (int i = 0; choices[i]; i++)
        if (strcmp(value, choices[i]) == 0)
            return i;
    PyErr_Format(PyExc_ValueError, "%s must be %s, not '%s'", what, allowed, value);
    return -1;
}

bool reader_arguments_parse(PyObject *args, PyObject *kwargs, struct reader_arguments *a) {
    static char *names[] = {"name",       "mode",    "depth",         "lease",
                            "views_only", "timeout", "on_disconnect", NULL};
    static const char *const modes[] = {"all", "latest", NULL};
    static const char *const disconnects[] = {"auto", "end", "error", "wait", NULL};
    const char *mode = "all", *on_disconnect = "auto";
    int views_only = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "U|sO&O&pO&s:Reader", names, &a->name, &mode,
                                     count_from_int, &a->options.depth, count_from_int,
                                     &a->options.lease, &views_only, timeout_from_seconds,
                                     &a->timeout_ns, &on_disconnect))
        return false;
    int m = choice("mode", mode, modes, "'all' or 'latest'");
    if (m < 0)
        return false;
    a->options.mode = m == 1 ? SHMRING_MODE_LATEST : SHMRING_MODE_ALL;
    a->options.views_only = views_only;
    a->on_disconnect =
        choice("on_disconnect", on_disconnect, disconnects, "'auto', 'end', 'error' or 'wait'");
    return a->on_disconnect >= 0;
}
