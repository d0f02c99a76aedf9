/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* patience.pml: the writer finds no free slot. Two readers, attached from the start (claims.pml has
 * attaching), each lossless or latest, with a lease of 0 or 1; beyond it they copy under COPYING.
 * They take, copy, release, leave, die, or stop for ever. Time is an expiry that may come whenever
 * the writer sleeps for a reader.
 *
 *   I4  frames held and copies that were kept are whole               (release, keep_copy)
 *   I5  a lossless reader misses only what a flush or the end of patience took back (miss), and the
 *       frame that comes in is never dropped for all                  (wait_for_slot)
 *   I7  no claim is left, but those of a reader that stopped          (the writer's end)
 *   -   taken + missed is what was published while attached; missed is what the writer counted
 *   -   only who made no progress loses offers                        (expire, take_back)
 *   -   a look sees progress if and only if there was some            (load)
 *
 * One rule less: NO_PREFIX ANYBODY NO_LOOK NEVER_UNSTUCK HELD_BLOCKS NO_CAS BLOCKED_LATE */
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef FRAMES
#define FRAMES 3
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef MODE_0
#define MODE_0 LOSSLESS
#endif
#ifndef MODE_1
#define MODE_1 LOSSLESS
#endif
#ifndef LEASE_0 /* LEASE_0 + LEASE_1 < SLOTS: one slot is the writer's */
#define LEASE_0 0
#endif
#ifndef LEASE_1
#define LEASE_1 1
#endif
#ifndef DEPTH
#define DEPTH 1
#endif
#ifndef FLUSHES
#define FLUSHES 0
#endif
#define PORTS 2
#define RING 4
#include "words.pml"
#define MODE(port) ((port) == 0 -> MODE_0 : MODE_1)
#define LEASE(port) ((port) == 0 -> LEASE_0 : LEASE_1)

/* Shared memory. */
byte head, ring_number[RING] = NONE, ring_slot[RING], claim[PORTS * SLOTS], word_state[PORTS] = ATTACHED;
bool ended;
/* The kernel's. */
byte lock[PORTS] = BY_READER;
/* The writer's own: each claim as it last knew it, which frame a slot carries, who is stuck. */
byte record[PORTS * SLOTS], carries[SLOTS];
bool on_loan[SLOTS], stuck[PORTS];
/* For the proof alone: a claim the reader changed since the writer knew it, and so on. */
bool moved[PORTS * SLOTS], progress_seen[PORTS], dying[PORTS], halted[PORTS], flushed[PORTS * FRAMES], withdrawn[PORTS * FRAMES];
byte pixels[SLOTS] = NONE, holds[PORTS * SLOTS], until[PORTS] = NONE /* first frame not offered: it left */, taken_back[PORTS], done, deaths = DEATHS;

#define RECORD(port, slot) record[(port) * SLOTS + (slot)]
#define MOVED(port, slot) moved[(port) * SLOTS + (slot)]
#define HOLDS(port, slot) holds[(port) * SLOTS + (slot)]
#define moved_at(port, slot) MOVED(port, slot)
#define HOLDING(port) ((HOLDS(port, 0) != 0) + (HOLDS(port, 1) != 0) + (SLOTS > 2 && HOLDS(port, SLOTS - 1) != 0))
#define is_free(slot) (!on_loan[slot] && unclaimed(slot))
/* Waited for: attached, lossless, not stuck, with an offer it has not taken. Who only holds its
 * lease is not. */
#ifdef HELD_BLOCKS
#define BLOCKING recorded
#define blocks(port) (word_state[port] == ATTACHED && MODE(port) == LOSSLESS && !stuck[port] && ANY_SLOT(claimed, port))
#else
#define BLOCKING recorded_untaken
#define blocks(port) (word_state[port] == ATTACHED && MODE(port) == LOSSLESS && !stuck[port] && ANY_SLOT(untaken_at, port))
#endif
#ifdef NEVER_UNSTUCK
#define not_stuck(port) skip
#else
#define not_stuck(port) stuck[port] = false
#endif
#ifdef ANYBODY
#define is_stuck(port) (stuck[0] || stuck[1])
#else
#define is_stuck(port) stuck[port]
#endif
#define may_lose(port) (word_state[port] != ATTACHED || MODE(port) == LATEST || is_stuck(port))
#define may_give(port, slot) (CLAIM(port, slot) == 0 || (is_untaken(CLAIM(port, slot)) && may_lose(port)))
#define may_be_freed(slot) (!on_loan[slot] && may_give(0, slot) && may_give(1, slot))
#ifdef NO_PREFIX
#define goes_with(port, slot, newest) (number_of(RECORD(port, slot)) == newest)
#else
#define goes_with(port, slot, newest) (number_of(RECORD(port, slot)) <= newest)
#endif
#define FOR_FLUSH 1
#define FOR_PATIENCE 2
#define FOR_OTHERS 0

/* One claim is loaded; anything later than what was known is progress. */
inline load(port, slot) {
    atomic {
        c = CLAIM(port, slot);
        assert(MOVED(port, slot) == (c != RECORD(port, slot)));
        if
        :: c != RECORD(port, slot) ->
            not_stuck(port);
            progress_seen[port] = true;
            progress = true;
            RECORD(port, slot) = c
        :: else
        fi;
        MOVED(port, slot) = false
    }
}
/* CAS from EXPECTED to 0. */
inline take_back(port, slot, expected, why) {
    atomic {
        if
        :: CLAIM(port, slot) == expected ->
            CLAIM(port, slot) = 0;
            RECORD(port, slot) = 0;
            won = true;
            if
            :: MOVED(port, slot) -> not_stuck(port); progress_seen[port] = true; MOVED(port, slot) = false
            :: else
            fi;
            if
            :: why == FOR_FLUSH -> flushed[(port) * FRAMES + number_of(expected)] = true
            :: why == FOR_PATIENCE -> assert(stuck[port] && !progress_seen[port]); withdrawn[(port) * FRAMES + number_of(expected)] = true
            :: else
            fi;
            if :: until[port] == NONE -> taken_back[port]++ :: else fi
        :: else -> won = false; lost = true
        fi
    }
}
#define recorded(port, slot) (RECORD(port, slot) != 0)
#define recorded_untaken(port, slot) is_untaken(RECORD(port, slot))
/* Whether the writer must wait for it is told from what this very look saw. */
inline look(port) {
    progress = false;
    attached = (word_state[port] == ATTACHED);
    for (k : 0 .. SLOTS - 1) {
        load(port, k);
        if :: !attached && is_offered(c) -> take_back(port, k, c, FOR_OTHERS) :: else fi
    }
#ifndef BLOCKED_LATE
    if
    :: attached && MODE(port) == LOSSLESS && !stuck[port] && ANY_SLOT(BLOCKING, port) -> blocked = true
    :: else
    fi;
#endif
    k = 0; c = 0; won = false; attached = false
}
inline bury(port) {
    if
    :: atomic { lock[port] == UNLOCKED && (ANY_SLOT(claimed, port) || word_state[port] != FREE) -> lock[port] = BY_WRITER };
        for (k : 0 .. SLOTS - 1) { atomic { CLAIM(port, k) = 0; RECORD(port, k) = 0; MOVED(port, k) = false } }
        k = 0;
        word_state[port] = FREE;
        lock[port] = UNLOCKED
    :: atomic { else -> skip }
    fi
}
/* To look for a free slot is a look as well: the claims it finds at 0 are known to be so. */
inline forget(port, slot) {
    if
    :: MOVED(port, slot) -> not_stuck(port); progress_seen[port] = true; MOVED(port, slot) = false; RECORD(port, slot) = 0
    :: else
    fi;
    assert(RECORD(port, slot) == 0)
}
inline pick() {
    atomic {
        slot = NONE;
        if
        CHOOSE_FREE
        :: else
        fi;
        if
        :: slot != NONE ->
            assert(HOLDS(0, slot) == 0 && HOLDS(1, slot) == 0);
            on_loan[slot] = true;
            pixels[slot] = NONE;
            forget(0, slot);
            forget(1, slot)
        :: else
        fi
    }
}
/* From a stuck reader: all its untaken offers up to NEWEST, oldest first, each by CAS from what was
 * known of it. One that fails is progress: the reader is not stuck, and keeps the rest. */
inline withdraw(port, newest) {
    won = true;
    do
    :: won ->
        d_step {
            oldest = NONE;
            c = 0;
            for (k : 0 .. SLOTS - 1) {
                if
                :: is_untaken(RECORD(port, k)) && goes_with(port, k, newest) &&
                   (oldest == NONE || number_of(RECORD(port, k)) < number_of(c)) -> oldest = k; c = RECORD(port, k)
                :: else
                fi
            }
            k = 0
        }
        if
        :: oldest != NONE -> take_back(port, oldest, c, FOR_PATIENCE)
        :: else -> break
        fi
    :: else -> break
    od;
    oldest = 0; c = 0; won = false
}
inline free_at(port, slot) {
    if
    :: MODE(port) == LATEST || word_state[port] != ATTACHED ->
        c = CLAIM(port, slot);
        if :: is_untaken(c) -> take_back(port, slot, c, FOR_OTHERS) :: else fi
    :: else -> if :: is_stuck(port) -> withdraw(port, carries[slot]) :: else fi
    fi;
    c = 0; won = false
}
inline reclaim() {
    d_step {
        slot = NONE;
        for (k : 0 .. SLOTS - 1) {
            if :: may_be_freed(k) && (slot == NONE || carries[k] < carries[slot]) -> slot = k :: else fi
        }
        k = 0
    }
    if
    :: slot != NONE -> lost = true; free_at(0, slot); free_at(1, slot)
    :: else
    fi;
    slot = 0
}
inline expire(port) {
    atomic { moved_before = ANY_SLOT(moved_at, port); idle = !ANY_SLOT(untaken_at, port) };
#ifndef NO_LOOK
    look(port);
#endif
    if
    :: !progress -> atomic { assert(!moved_before && !idle); stuck[port] = true; progress_seen[port] = false }
    :: else
    fi;
    progress = false; moved_before = false; idle = false
}
#define anything_new (ANY_FREE || ANY_SLOT(moved_at, 0) || ANY_SLOT(moved_at, 1) || may_be_freed(0) || may_be_freed(1) || may_be_freed(SLOTS - 1) || \
                      (lock[0] == UNLOCKED && ANY_SLOT(claimed, 0)) || (lock[1] == UNLOCKED && ANY_SLOT(claimed, 1)))
inline wait_for_slot() {
    skip;
again:
    pick();
    if :: slot != NONE -> goto loaned :: else fi;
    lost = false; blocked = false;
    look(0);
    look(1);
    progress = false;
    pick();
    if :: slot != NONE -> goto loaned :: else fi;
    reclaim();
    pick();
    if :: slot != NONE -> goto loaned :: else fi;
    bury(0);
    bury(1);
    pick();
    if :: slot != NONE -> goto loaned :: else fi;
    if
    :: blocked ->
        if
        :: anything_new
#ifndef FOREVER
        :: blocks(0) -> expire(0)
        :: blocks(1) -> expire(1)
#endif
        fi
    :: else ->
        if
        :: lost /* a race: once more */
        :: else -> assert(false) /* nobody to wait for: the frame is dropped for all */
        fi
    fi;
    goto again;
loaned:
    lost = false; blocked = false
}
inline offer(port) {
    if
    :: offers[port] -> atomic { CLAIM(port, slot) = OFFERED(head); RECORD(port, slot) = OFFERED(head) }
    :: else
    fi
}
inline load_word(port) {
    atomic {
        offers[port] = (word_state[port] == ATTACHED);
        if :: !offers[port] && until[port] == NONE -> until[port] = head :: else fi
    }
}
inline trim(port) {
    if
    :: offers[port] && MODE(port) == LATEST ->
        for (k : 0 .. SLOTS - 1) {
            c = CLAIM(port, k);
            if :: is_offered(c) && number_of(c) + DEPTH < head -> take_back(port, k, c, FOR_OTHERS) :: else fi
        }
        k = 0; c = 0
    :: else
    fi
}
inline flush(port) {
    for (k : 0 .. SLOTS - 1) {
        c = CLAIM(port, k);
        if :: is_untaken(c) -> take_back(port, k, c, FOR_FLUSH) :: else fi
    }
    k = 0; c = 0; won = false; lost = false
}
active proctype Writer() {
    byte slot, k, c, oldest, flushes = FLUSHES;
    bool progress, attached, won, lost, offers[PORTS], blocked, moved_before, idle;
    do
    :: head < FRAMES ->
        wait_for_slot();
progress_published:
        pixels[slot] = head;
        load_word(0);
        load_word(1);
        offer(0);
        offer(1);
        d_step { ring_number[head % RING] = head; ring_slot[head % RING] = slot; carries[slot] = head };
        d_step { head++; on_loan[slot] = false };
        trim(0);
        trim(1);
        slot = 0; won = false; lost = false; offers[0] = false; offers[1] = false
    :: flushes > 0 && head > 0 -> flushes--; flush(0); flush(1)
    :: head == FRAMES -> break
    od;
    atomic { ended = true; if :: until[0] == NONE -> until[0] = FRAMES :: else fi; if :: until[1] == NONE -> until[1] = FRAMES :: else fi };
    done == PORTS;
    look(0);
    look(1);
    bury(0);
    bury(1);
    assert(halted[0] || !ANY_SLOT(claimed, 0));
    assert(halted[1] || !ANY_SLOT(claimed, 1))
}

#define offers_cursor(port, slot) (CLAIM(port, slot) == OFFERED(cursor))
inline miss() {
    atomic {
        assert(MODE(r) != LOSSLESS || flushed[r * FRAMES + cursor] || withdrawn[r * FRAMES + cursor] || cursor >= until[r]);
        assert(cursor >= until[r] || !ANY_SLOT(offers_cursor, r)); /* an offer that nobody would ever take */
        if :: cursor < until[r] -> missed++ :: else fi;
        cursor++
    }
}
inline release(at) {
    d_step { assert(pixels[at] == HOLDS(r, at) - 1); HOLDS(r, at) = 0 };
    atomic { CLAIM(r, at) = 0; MOVED(r, at) = true }
}
inline keep_copy() {
    assert(first_half == cursor && second_half == cursor);
    assert(cursor < until[r] || word_state[r] != ATTACHED);
    taken++;
    cursor++
}
inline take() {
    d_step { number = ring_number[cursor % RING]; at = ring_slot[cursor % RING] };
    if
    :: number != cursor -> miss() /* overwritten */
    :: number == cursor && HOLDING(r) < LEASE(r) ->
        if
        :: atomic { CLAIM(r, at) == OFFERED(cursor) ->
            CLAIM(r, at) = TAKEN(cursor); MOVED(r, at) = true; HOLDS(r, at) = cursor + 1;
            first_half = pixels[at]; second_half = pixels[at];
            keep_copy() }
        :: else -> miss()
        fi
    :: number == cursor && HOLDING(r) >= LEASE(r) ->
        if
        :: atomic { CLAIM(r, at) == OFFERED(cursor) -> CLAIM(r, at) = COPYING(cursor); MOVED(r, at) = true };
            first_half = pixels[at];
            second_half = pixels[at];
#ifdef NO_CAS
            if
            :: atomic { CLAIM(r, at) == COPYING(cursor) -> CLAIM(r, at) = 0; MOVED(r, at) = true; keep_copy() }
            :: else -> assert(first_half == cursor && second_half == cursor); CLAIM(r, at) = 0; taken++; cursor++
            fi
#else
            if
            :: atomic { CLAIM(r, at) == COPYING(cursor) -> CLAIM(r, at) = 0; MOVED(r, at) = true; keep_copy() }
            :: else -> miss() /* taken back: the copy may be of anything */
            fi
#endif
        :: else -> miss()
        fi
    fi;
    number = 0; at = 0; first_half = 0; second_half = 0
}
proctype Reader(byte r) {
    byte cursor, number, at, first_half, second_half, taken, missed, k;
    {
        do
        :: head != cursor -> take()
        :: HOLDS(r, 0) -> release(0)
        :: HOLDS(r, 1) -> release(1)
#if SLOTS == 3
        :: HOLDS(r, 2) -> release(2)
#endif
        :: HOLDING(r) == 0 && ended && head == cursor -> break
#ifdef LEAVES
        :: goto leave
#endif
#ifdef HALTS
        :: atomic { r == 0 -> halted[0] = true }; goto out /* stops for ever, its byte locked */
#endif
        od;
        assert(taken + missed == until[r] && (MODE(r) == LATEST || missed == taken_back[r]));
leave:
        word_state[r] = LEAVING;
        for (k : 0 .. SLOTS - 1) { atomic { if :: offered_at(r, k) -> CLAIM(r, k) = 0; MOVED(r, k) = true :: else fi } }
        k = 0;
        do
        :: HOLDS(r, 0) -> release(0)
        :: HOLDS(r, 1) -> release(1)
#if SLOTS == 3
        :: HOLDS(r, 2) -> release(2)
#endif
        :: HOLDING(r) == 0 -> break
        od;
        word_state[r] = FREE;
        lock[r] = UNLOCKED
    } unless { dying[r] };
out:
    done++
}
#if DEATHS > 0
inline kill(port) {
    deaths--;
    dying[port] = true;
    lock[port] = UNLOCKED;
    for (k : 0 .. SLOTS - 1) { HOLDS(port, k) = 0 }
    k = 0
}
active proctype Killer() {
    byte k;
    do
    :: atomic { deaths > 0 && lock[0] == BY_READER && !dying[0] && !halted[0] -> kill(0) }
    :: atomic { deaths > 0 && lock[1] == BY_READER && !dying[1] -> kill(1) }
    :: break
    od
}
#endif
init { RUN_READERS }
