/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <unistd.h>

#include "error.h"
#include "frame.h"
#include "futex.h"
#include "writer.h"

/* How long a reader that died while the writer waits for it goes unnoticed. */
#define PROBE_NS INT64_C(100000000)

/* ---- Who is waited for ---- */

/* Of a superseded segment whoever did not leave it, of the present one who has a frame to take. */
static bool is_waited_for(struct shmring_writer *w, const struct distributor *d, uint32_t port) {
    return d == w->distributor ? port_is_waited_for(d, port) : port_reads(d, port);
}

static bool is_anybody_waited_for(struct shmring_writer *w, const struct distributor *d) {
    for (uint32_t port = 0; port < d->seg->g.max_readers; port++) {
        if (is_waited_for(w, d, port))
            return true;
    }
    return false;
}

/* The clock of each that is waited for runs while the writer sleeps, and goes on after a loan that
 * found no slot: who only asks, and never sleeps, waits too. */
static void run_clocks(struct shmring_writer *w, struct distributor *d, bool go_on) {
    int64_t now = monotonic_ns();
    for (uint32_t port = 0; port < d->seg->g.max_readers; port++) {
        struct port *p = &d->port[port];
        bool counts = is_waited_for(w, d, port);
        if (p->clock_at)
            p->waited_ns += now - p->clock_at;
        if (!counts)
            port_reset_clock(d, port);
        p->clock_at = counts && go_on ? now : 0;
    }
    d->clocks_run = go_on;
}

/* After a look: who made no progress for so long is not waited for until it does. */
static void end_patience(struct shmring_writer *w, struct distributor *d) {
    int64_t patience = w->options.patience_ns;
    if (d->clocks_run)
        run_clocks(w, d, true);
    for (uint32_t port = 0; port < d->seg->g.max_readers && patience >= 0; port++) {
        if (d->port[port].waited_ns >= patience && is_waited_for(w, d, port))
            port_set_stuck(d, port, true);
    }
}

static uint32_t longest_waited_for(struct shmring_writer *w, const struct distributor *d) {
    uint32_t longest = NO_SLOT;
    for (uint32_t port = 0; port < d->seg->g.max_readers; port++) {
        if (is_waited_for(w, d, port) &&
            (longest == NO_SLOT || d->port[port].waited_ns > d->port[longest].waited_ns))
            longest = port;
    }
    return longest;
}

static void say_waiting(struct segment *seg, uint32_t who, int64_t since_ns) {
    atomic_store_explicit(&seg->header->waited_since_ns, since_ns, memory_order_relaxed);
    atomic_store_explicit(&seg->header->waited_port, who, memory_order_relaxed);
}

/* For readers and tools, which ask why no frame comes. */
static void show_waiting(struct shmring_writer *w, struct distributor *d, int64_t now) {
    uint32_t port = longest_waited_for(w, d);
    if (port == NO_SLOT)
        return;
    say_waiting(d->seg, port + 1, now - d->port[port].waited_ns);
    if (d != w->distributor) /* who reads here has not the predecessor's ports */
        say_waiting(w->distributor->seg, LAYOUT_WAITED_BEFORE, now - d->port[port].waited_ns);
}

static int64_t until_patience_ends(struct shmring_writer *w, const struct distributor *d) {
    int64_t patience = w->options.patience_ns, least = PROBE_NS;
    for (uint32_t port = 0; port < d->seg->g.max_readers && patience >= 0; port++) {
        int64_t left = patience - d->port[port].waited_ns;
        if (is_waited_for(w, d, port) && left < least)
            least = left > 0 ? left : 1;
    }
    return least;
}

static int sleep_for_readers(struct shmring_writer *w, struct distributor *d, uint32_t bell,
                             int64_t deadline) {
    run_clocks(w, d, true);
    int64_t slice = deadline_left(deadline, until_patience_ends(w, d));
    show_waiting(w, d, monotonic_ns());
    d->refs++;
    int result = writer_sleep(w, d, bell, slice);
    run_clocks(w, d, result == SHMRING_TIMEOUT || w->sleepers > 0);
    atomic_store_explicit(&d->seg->header->waited_port, 0, memory_order_relaxed);
    atomic_store_explicit(&w->distributor->seg->header->waited_port, 0, memory_order_relaxed);
    distributor_unref(d);
    return result;
}

/* ---- A free slot ---- */

static bool is_still_read(struct shmring_writer *w, struct distributor *d) {
    ports_look(d);
    end_patience(w, d);
    if (!is_anybody_waited_for(w, d))
        return false;
    ports_probe(d);
    return is_anybody_waited_for(w, d);
}

/* The oldest predecessor that a lossless reader still reads, with its bell, or NULL. */
static struct distributor *find_undrained(struct shmring_writer *w, uint32_t *bell) {
    writer_drop_deserted(w);
    for (struct distributor *d = w->predecessors; d; d = d->next) {
        *bell = writer_read_bell(d);
        if (is_still_read(w, d))
            return d;
    }
    return NULL;
}

static uint32_t reclaim(struct shmring_writer *w, bool *lost_race) {
    uint32_t slot = distributor_reclaim(w->distributor, lost_race);
    writer_show_counters(w);
    return slot;
}

/*
 * One look: a slot, or on whom to wait (NULL: on nobody) and from which bell on. Whether somebody
 * is waited for is asked before the slots are looked at: a reader that gives back the last one
 * while we look must not pass for one that had nothing.
 */
static uint32_t look_for_slot(struct shmring_writer *w, struct distributor **wait_for,
                              uint32_t *bell) {
    struct distributor *d = w->distributor;
    uint32_t slot = NO_SLOT;
    bool waited_for = false, again = true;
    *wait_for = find_undrained(w, bell);
    for (uint32_t tries = 0; !*wait_for && slot == NO_SLOT && again && tries < d->seg->g.slots;
         tries++) {
        again = false;
        *bell = writer_read_bell(d);
        ports_look(d);
        end_patience(w, d);
        waited_for = is_anybody_waited_for(w, d);
        slot = distributor_find_free(d);
        if (slot == NO_SLOT)
            slot = reclaim(w, &again);
        again = again || (slot == NO_SLOT && ports_probe(d));
    }
    if (slot == NO_SLOT && !*wait_for && (again || waited_for || is_anybody_waited_for(w, d)))
        *wait_for = d;
    return slot;
}

static int wait_for_slot(struct shmring_writer *w, int64_t timeout_ns, uint32_t *slot) {
    int64_t deadline = deadline_after(timeout_ns), started = 0;
    int result = SHMRING_OK;
    while (result == SHMRING_OK) {
        struct distributor *wait_for;
        uint32_t bell = 0;
        if (started) /* readers cannot follow to a name that somebody removed */
            writer_keep_house(w, monotonic_ns());
        if (writer_is_interrupted(w))
            result = SHMRING_INTERRUPTED;
        else if ((*slot = look_for_slot(w, &wait_for, &bell)) != NO_SLOT)
            break;
        else if (!wait_for)
            result = SHMRING_FULL;
        else {
            started = started ? started : monotonic_ns();
            result = sleep_for_readers(w, wait_for, bell, deadline);
        }
    }
    if (result == SHMRING_OK && w->distributor->clocks_run && w->sleepers == 0)
        run_clocks(w, w->distributor, false);
    if (started) {
        w->stats.waits++;
        w->stats.wait_ns += monotonic_ns() - started;
        writer_show_counters(w);
    }
    return result;
}

int writer_wait_drained(struct shmring_writer *w, int64_t deadline) {
    struct distributor *d = w->distributor;
    int result = SHMRING_OK;
    while (result == SHMRING_OK) {
        uint32_t bell = writer_read_bell(d);
        if (writer_is_interrupted(w))
            return SHMRING_INTERRUPTED;
        if (!is_still_read(w, d))
            return SHMRING_OK;
        result = sleep_for_readers(w, d, bell, deadline);
    }
    return result;
}

/* ---- Why there is none ---- */

int writer_explain_wait(struct shmring_writer *w, int code, struct shmring_error *error) {
    bool follows = w->predecessors && !w->moving;
    struct distributor *d = follows ? w->predecessors : w->distributor;
    uint32_t port = longest_waited_for(w, d);
    struct shmring_reader_info reader;
    if (port == NO_SLOT)
        return error_set(error, code, "ring '%s' had no free slot in time", w->name);
    ports_describe(d, port, &reader);
    return error_set(
        error, code,
        "ring '%s' %s: it waits for its reader %s (pid %u%s), which has "
        "taken no frame for %.1f s, has %u to take and holds %u; stop that reader, let "
        "it read in mode latest, or give the writer patience",
        w->name,
        w->moving ? "has no room to move"
        : follows ? "has moved to slots of another size"
                  : "has no free slot",
        reader.process, reader.pid,
        reader.pid == (uint32_t)getpid() ? ", this process: another thread must read" : "",
        (double)reader.waited_ns / 1e9, reader.offered, reader.held);
}

static int explain(struct shmring_writer *w, int result, struct shmring_error *error) {
    if (result == SHMRING_TIMEOUT)
        writer_explain_wait(w, -EAGAIN, error);
    else if (result == SHMRING_LIMIT)
        error_set(error, -EAGAIN,
                  "ring '%s' has %u slots on loan, the most it lends at once: return some, or make "
                  "it with a larger lend limit",
                  w->name, w->distributor->loans);
    else if (result == SHMRING_FULL)
        error_set(error, -EAGAIN,
                  "every slot of ring '%s' is held by readers that have taken it: make the ring "
                  "with more slots than its %u",
                  w->name, w->options.slots);
    else if (result == SHMRING_INTERRUPTED)
        error_set(error, -EINTR, "the wait for a slot of ring '%s' was interrupted", w->name);
    return result;
}

/* ---- Loan ---- */

static void lend(struct shmring_writer *w, uint32_t index, struct shmring_slot *slot) {
    struct distributor *d = w->distributor;
    d->slot[index].loan = LOAN_OUT;
    d->refs++;
    d->loans++;
    atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
    atomic_store_explicit(&segment_frame(d->seg, index)->seq, 0, memory_order_relaxed);
    frame_fence_before_write();
    *slot = (struct shmring_slot){
        .data = segment_slot(d->seg, index),
        .size = d->seg->g.slot_size,
        .segment = d,
        .index = index,
    };
}

static bool is_at_limit(const struct shmring_writer *w, enum shmring_loan kind) {
    uint32_t limit = w->options.lend_limit + (kind == SHMRING_LOAN_FILL);
    return w->moving || w->distributor->loans >= limit;
}

static int loan_locked(struct shmring_writer *w, enum shmring_loan kind, int64_t timeout_ns,
                       struct shmring_slot *slot, struct shmring_error *error) {
    uint32_t index;
    if (w->broken)
        return error_set(
            error, -ENOSPC,
            "ring '%s' lost its memory while it moved: make room in /dev/shm, and open "
            "it anew",
            w->name);
    if (is_at_limit(w, kind))
        return explain(w, SHMRING_LIMIT, error);
    /* Who lends may still keep what it lent before the end. */
    if (kind == SHMRING_LOAN_FILL) {
        writer_begin_stream(w);
        if (w->names_missing)
            writer_recover_names(w, deadline_after(timeout_ns));
    }
    int result = wait_for_slot(w, timeout_ns, &index);
    if (segment_was_cut(w->distributor->seg))
        return segment_refuse_cut(w->distributor->seg, error);
    if (result == SHMRING_OK && is_at_limit(w, kind)) /* another thread's, while we slept */
        result = SHMRING_LIMIT;
    if (result != SHMRING_OK)
        return explain(w, result, error);
    lend(w, index, slot);
    return SHMRING_OK;
}

int shmring_writer_loan(struct shmring_writer *w, enum shmring_loan kind, int64_t timeout_ns,
                        struct shmring_slot *slot, struct shmring_error *error) {
    *slot = (struct shmring_slot){0};
    if (!writer_lock(w))
        return fork_refuse("writer", w->name, error);
    int result = loan_locked(w, kind, timeout_ns, slot, error);
    pthread_mutex_unlock(&w->mutex);
    return result;
}

void shmring_slot_return(struct shmring_slot *slot) {
    struct distributor *d = slot->segment;
    uint32_t index = slot->index;
    *slot = (struct shmring_slot){0};
    if (!d)
        return;
    struct shmring_writer *w = d->writer;
    if (writer_lock(w)) {
        d->slot[index].loan = LOAN_NONE;
        d->loans--;
        segment_ring_doorbell(d->seg);
        distributor_unref(d);
        pthread_mutex_unlock(&w->mutex);
    }
    writer_unref(w);
}
