/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writer's side of one segment: which slot carries what, and who claims it. It lives as long as
 * a slot of it is on loan. Every function here is called with the writer's mutex held.
 *
 * Claims are written by readers, so the writer keeps of each what it knew last. Within an offer a
 * claim goes on from OFFERED to TAKEN or COPYING, and to 0: a look that finds it further is
 * progress of that reader; one that finds anything else shuts the reader out.
 */
#ifndef DISTRIBUTOR_H
#define DISTRIBUTOR_H

#include "segment.h"

struct shmring_writer;

enum loan_state { LOAN_NONE, LOAN_OUT, LOAN_PUBLISHED };

struct slot {
    uint64_t seq; /* the frame it carries; 0: none */
    enum loan_state loan;
    uint32_t claims; /* a bit for each port whose known claim is not 0 */
    bool was_lent;   /* by a writer that died: a device may still write into it for an instant */
};

/* A reader's port. The word is loaded once a publish: a reader that comes or goes meanwhile is the
 * next look's concern. */
struct port {
    uint64_t word;
    uint64_t id;        /* of the attachment */
    uint32_t epoch;     /* answered */
    uint32_t lease;     /* as it was at the answer */
    uint32_t key_count; /* of its requests for a key frame, as last seen */
    bool banned;        /* wrote nonsense in this epoch */
    bool has_end;       /* was told where its stream ends: is offered nothing more */
    bool stuck;         /* patience ended, and it has not moved since */
    int64_t waited_ns;  /* waited for it since its last progress */
    int64_t clock_at;   /* and since then too; 0: its clock stands */
    uint64_t withdrawn;
    uint64_t known[SHMRING_MAX_SLOTS]; /* claims */
};

struct distributor {
    struct shmring_writer *writer;
    struct segment *seg;
    uint32_t refs; /* the writer's, one a loan, and one a sleep */
    uint32_t loans;
    uint64_t revoked, withdrawn, flushed, dead_readers, bad_claims;
    bool clocks_run;    /* the writer waits, or waited for nothing with its last frame */
    bool key_requested; /* by somebody, since it was asked last */
    int64_t key_at_ns;
    struct port port[SHMRING_MAX_READERS];
    struct slot slot[SHMRING_MAX_SLOTS];
    struct distributor *next; /* among predecessors: the next younger */
};

struct distributor *distributor_new(struct shmring_writer *writer, struct segment *seg);
void distributor_unref(struct distributor *d);

static inline uint64_t distributor_head(const struct distributor *d) {
    /* Relaxed: nobody else writes it. */
    return atomic_load_explicit(&d->seg->header->head, memory_order_relaxed);
}

/* ---- Slots (distributor.c) ---- */

#define NO_SLOT UINT32_MAX

/* A slot that nobody has, or NO_SLOT: of those the warmest, but for the two newest frames, which
 * observers are reading. */
uint32_t distributor_find_free(struct distributor *d);
/* As before, after taking back the offers that stand in the way and may be taken back. *LOST_RACE:
 * a reader was faster somewhere. */
uint32_t distributor_reclaim(struct distributor *d, bool *lost_race);
/* Offers a filled slot to every reader; the frame's header is complete. */
void distributor_publish(struct distributor *d, uint32_t slot, uint64_t seq);
/* Takes back every offer. */
void distributor_flush(struct distributor *d);
/* Takes back the offers of those in mode latest and of those who left. */
void distributor_revoke_latest(struct distributor *d);
/* And of those that are stuck. False: no lossless reader had any; one that woke up is to be waited
 * for again. */
bool distributor_withdraw_stuck(struct distributor *d);
/* The stream is over, for readers too; the next one begins. */
void distributor_finish(struct distributor *d);
void distributor_begin_stream(struct distributor *d);
/* A dead writer's segment: goes on from what it left there. */
void distributor_adopt(struct distributor *d);
/* Gives the memory of all slots back that nobody has or may get. Nothing is published here again,
 * unless restore gets it back (0 or -errno). */
void distributor_free_memory(struct distributor *d);
int distributor_restore_memory(struct distributor *d);

/* ---- Readers (ports.c) ---- */

/* Loads each port's word; answers new readers: their stream begins at head. */
void ports_look_at_words(struct distributor *d);
/* And each claim: what readers have done since the last look. */
void ports_look(struct distributor *d);
/* Finds the dead by their locks and frees what they held. True when there was one. */
bool ports_probe(struct distributor *d);
uint32_t ports_attached(const struct distributor *d);
/* Of those the ones whose stream goes on. */
uint32_t ports_reading(const struct distributor *d);
void ports_describe(const struct distributor *d, uint32_t port, struct shmring_reader_info *info);
void ports_adopt(struct distributor *d);

static inline bool port_is_attached(const struct distributor *d, uint32_t port) {
    return attach_state(d->port[port].word) == PORT_ATTACHED && !d->port[port].banned;
}
static inline bool port_is(const struct distributor *d, uint32_t port, enum shmring_mode mode) {
    return port_is_attached(d, port) && attach_mode(d->port[port].word) == mode;
}

/* Lossless, attached, and not given up: of a segment that is superseded it is waited for until it
 * leaves. */
static inline bool port_reads(const struct distributor *d, uint32_t port) {
    return port_is(d, port, SHMRING_MODE_ALL) && !d->port[port].stuck;
}
/* Its time begins anew: it moved, or has nothing to take. */
static inline void port_reset_clock(struct distributor *d, uint32_t port) {
    d->port[port].waited_ns = d->port[port].clock_at = 0;
}

void port_set_stuck(struct distributor *d, uint32_t port, bool stuck);

/* Such a one with an offer that it did not take. Who only holds its lease is waited for never. */
bool port_is_waited_for(const struct distributor *d, uint32_t port);

/* What a port's claim on a slot is worth: 0 or an enum layout_claim. Offers to who is gone are
 * taken back on the way. */
uint32_t port_claim(struct distributor *d, uint32_t port, uint32_t slot);
/* Takes back an offer or a copy; false when the reader was faster. */
bool port_revoke(struct distributor *d, uint32_t port, uint32_t slot);
/* Makes an offer. */
void port_offer(struct distributor *d, uint32_t port, uint32_t slot, uint64_t seq);
/* The oldest offer of those known, none newer than SEQ; NO_SLOT: none. */
uint32_t port_oldest_offer(const struct distributor *d, uint32_t port, uint64_t seq);

#endif
