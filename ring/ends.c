/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reader that has nothing to take: whether its stream is over, and what then. */
#include <errno.h>

#include "error.h"
#include "futex.h"
#include "reader.h"

/* A name leads to the new segment at once, or to the old one for ever. */
#define NAME_STAYS_NS INT64_C(2000000000)

static int lost(struct shmring_reader *r, struct shmring_error *error) {
    char writer[64];
    segment_writer_text(r->at->seg->header, writer, sizeof writer);
    error_set(error, -EPIPE, "the writer of ring '%s', %s, died", r->name, writer);
    return SHMRING_LOST;
}

static int name_stays(struct shmring_reader *r, struct shmring_error *error) {
    int64_t now = monotonic_ns();
    r->stays_since = r->stays_since ? r->stays_since : now;
    if (now - r->stays_since < NAME_STAYS_NS)
        return TAKE_NOTHING;
    r->stays_since = 0;
    return error_set(error, -ESTALE,
                     "ring '%s' has moved, and its name still leads to where it was: is a single "
                     "file of /dev/shm mounted into a container? Mount the folder, or share it "
                     "(--ipc)",
                     r->name);
}

/* Its writer lives, or did when it was asked. */
static int superseded(struct shmring_reader *r, bool alive, struct shmring_error *error) {
    int result = reader_follow(r, error);
    if (result == STAYS)
        return alive ? name_stays(r, error) : lost(r, error);
    r->stays_since = 0;
    if (result == FOLLOWED || result == NOT_YET)
        return TAKE_NOTHING;
    if (result != GONE)
        return result;
    /* The successor's end is written to us too, where we were all it had to say it to. */
    if (reader_state(r) == STATE_ENDED)
        return SHMRING_ENDED;
    if (alive)
        return TAKE_NOTHING;
    return reader_is_left_behind(r) ? lost(r, error) : SHMRING_CLOSED;
}

/* The writer's byte is free, and the state says that it goes on. */
static int orphaned(struct shmring_reader *r, struct shmring_error *error) {
    int result = reader_follow(r, error);
    if (result == FOLLOWED || result == NOT_YET)
        return TAKE_NOTHING;
    if (result != STAYS && result != GONE)
        return result;
    /* Another writer may just have taken it over. */
    if (result == STAYS && segment_has_writer(r->at->seg))
        return TAKE_NOTHING;
    return lost(r, error);
}

static int shut_out(struct shmring_reader *r, struct shmring_error *error) {
    reader_detach(r);
    return error_set(
        error, -ECONNRESET,
        "this reader of ring '%s' was shut out: its part of %s.ctl held what no reader "
        "writes. Read on to attach anew",
        r->name, r->name);
}

/*
 * Nothing to take. The writer's lock was asked before the state, the state before the frames, or
 * the last frame and a clean end would be lost.
 */
int reader_at_rest(struct shmring_reader *r, bool alive, struct shmring_frame **frame,
                   struct shmring_error *error) {
    uint32_t state = reader_state(r);
    int result = attachment_take(r->at, frame, error);
    if (result != TAKE_NOTHING)
        return result;
    if (attachment_is_over(r->at))
        return SHMRING_ENDED;
    bool is_out = attachment_is_banned(r->at) || !attachment_has_port(r->at);
    if (is_out && !segment_was_cut(r->at->seg))
        return shut_out(r, error);
    if (state == STATE_CLOSED)
        return SHMRING_CLOSED;
    if (state == STATE_ENDED)
        return alive ? TAKE_NOTHING : SHMRING_ENDED;
    if (state == STATE_SUPERSEDED)
        return superseded(r, alive, error);
    return alive ? TAKE_NOTHING : orphaned(r, error);
}

int reader_conclude(struct shmring_reader *r, int end, struct shmring_error *error) {
    bool goes_on = r->options.go_on_after >> end & 1;
    if (goes_on && end == SHMRING_LOST &&
        (segment_has_name(r->at->seg) || reader_is_left_behind(r))) {
        r->is_lost = true; /* another writer may take the ring over as it lies, with our port */
        return TAKE_NOTHING;
    }
    reader_detach(r);
    if (goes_on)
        return TAKE_NOTHING;
    r->end = end;
    r->end_error = (struct shmring_error){0};
    if (end == SHMRING_LOST)
        r->end_error = *error;
    else
        error_set(&r->end_error, -EPIPE,
                  end == SHMRING_ENDED
                      ? "the stream of ring '%s' has ended"
                      : "the writer of ring '%s' stopped without ending its stream",
                  r->name);
    return end;
}
