/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From an empty slot to a published frame: what write() and a loan have in common. */
#include "writer-object.h"

#include <errno.h>

#include "waiting.h"

/* How far a stream may be ahead of its readers' clock before it counts as another stream. */
#define AHEAD_NS INT64_C(10000000000)

/* ---- A slot ---- */

struct borrow {
    struct handle *handle;
    struct shmring_slot *slot;
};

static int borrow_step(void *arg, int64_t slice_ns) {
    struct borrow *borrow = arg;
    int64_t start = monotonic_now();
    int result =
        shmring_writer_loan(borrow->handle->ring, SHMRING_LOAN_FILL, slice_ns, borrow->slot);
    if (result != SHMRING_FULL)
        return result;
    /* A reader beyond its lease holds a slot while it copies: nobody to wait for. */
    if (monotonic_now() - start < slice_ns)
        wait_nap();
    return SHMRING_TIMEOUT;
}

static bool is_closed(void *arg) {
    return ((struct borrow *)arg)->handle->closed;
}

/* Threads that wait in write() are busy without a loan yet: then this counts too few. */
static bool check_loans(struct writer_object *self) {
    struct shmring_writer_stats stats;
    shmring_writer_get_stats(self->handle.ring, &stats);
    int kept = (int)stats.loans - (int)self->busy;
    if (kept < MAX_LOANS)
        return true;
    PyErr_Format(state_of(self)->errors[ERROR_LEASE],
                 "%d loans of ring '%U' are still in use, their arrays counted: let go of one",
                 kept, self->handle.name);
    return false;
}

/* Who holds it up is for people: the reader with the most frames. */
static PyObject *describe_slowest(struct writer_object *self) {
    struct shmring_reader_info readers[SHMRING_MAX_READERS], *slowest = NULL;
    uint32_t count = shmring_writer_get_readers(self->handle.ring, readers, SHMRING_MAX_READERS);
    for (uint32_t i = 0; i < count && i < SHMRING_MAX_READERS; i++)
        if (readers[i].mode == SHMRING_MODE_ALL &&
            (!slowest || readers[i].offered + readers[i].held > slowest->offered + slowest->held))
            slowest = &readers[i];
    if (!slowest)
        return PyUnicode_FromString("its readers hold every slot");
    return PyUnicode_FromFormat("its reader %s (pid %u) holds %u frames and has not taken %u",
                                slowest->comm, slowest->pid, slowest->held, slowest->offered);
}

static void raise_full(struct writer_object *self) {
    PyObject *who = describe_slowest(self);
    PyObject *seconds = who ? PyFloat_FromDouble((double)self->timeout_ns / 1e9) : NULL;
    if (seconds)
        PyErr_Format(state_of(self)->errors[ERROR_TIMEOUT],
                     "ring '%U' had no free slot within %R s and the frame was dropped: %U; let it "
                     "read faster or in mode 'latest'",
                     self->handle.name, seconds, who);
    Py_XDECREF(seconds);
    Py_XDECREF(who);
}

static void raise_no_slot(struct writer_object *self, int result) {
    if (result == SHMRING_INTERRUPTED)
        handle_raise_closed(&self->handle);
    else if (result == SHMRING_TIMEOUT) {
        shmring_writer_drop(self->handle.ring);
        self->frames++;
        raise_full(self);
    } else if (result == -ECHILD)
        handle_raise_forked(state_of(self), &self->handle);
    else if (result != WAIT_RAISED)
        raise_result(state_of(self), result, &(struct shmring_error){0});
}

bool writer_borrow(struct writer_object *self, struct shmring_slot *slot) {
    struct borrow borrow = {.handle = &self->handle, .slot = slot};
    if (!check_loans(self))
        return false;
    self->busy++;
    int result = wait_in_slices(borrow_step, is_closed, &borrow, self->timeout_ns);
    self->busy--;
    if (result == SHMRING_OK)
        return true;
    raise_no_slot(self, result);
    return false;
}

/* ---- A frame ---- */

static int64_t next_pts(const struct writer_object *self, int64_t now) {
    const struct shmring_frame_info *info = &self->picture.info;
    if (!info->fps_num)
        return now - self->opened_ns;
    return (int64_t)((unsigned __int128)self->frames * info->fps_den * 1000000000 / info->fps_num);
}

/*
 * Readers with a clock show a frame when its pts is due, so the distance from pts to clock stays as
 * it is: unless the frame would already be late, or its pts jumped.
 */
static int64_t clock_of(struct writer_object *self, int64_t pts, int64_t now) {
    int64_t clock;
    if (__builtin_add_overflow(self->origin_ns, pts, &clock) || clock < now ||
        clock > now + AHEAD_NS) {
        self->origin_ns = now - pts;
        return now;
    }
    return clock;
}

static void set_times(struct writer_object *self, const struct frame_times *times,
                      struct shmring_frame_info *info) {
    int64_t now = monotonic_now();
    bool given = times->pts_ns != SHMRING_TIME_NONE;
    info->pts_ns = given ? times->pts_ns : next_pts(self, now);
    info->clock_ns = clock_of(self, info->pts_ns, now);
    info->timestamp_ns = times->timestamp_ns == SHMRING_TIME_NONE ? 0 : times->timestamp_ns;
    info->frame_number = self->frames;
}

/* Under the GIL, which it never waits with, so that times and numbers are in order. */
uint64_t writer_publish(struct writer_object *self, struct shmring_slot *slot,
                        const struct frame_times *times) {
    struct shmring_frame_info info = self->picture.info;
    struct shmring_error error = {0};
    uint64_t seq = 0;
    info.caps = self->picture.caps;
    set_times(self, times, &info);
    int result = shmring_writer_publish(self->handle.ring, slot, &info, &seq, &error);
    shmring_slot_return(slot);
    self->frames += result == 0;
    if (result == -ECHILD)
        handle_raise_forked(state_of(self), &self->handle);
    else if (result < 0)
        raise_result(state_of(self), result, &error);
    return result < 0 ? 0 : seq;
}
