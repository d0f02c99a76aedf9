/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* moving.pml: a segment gives its memory up before the next one is made, where there is no room for
 * both. FRAMES are published, one a slot; the writer marks the segment MOVING, waits until readers
 * have read it, with patience, and gives back the memory of every slot that nobody has. The next
 * segment needs NEED of them. If it cannot be made the writer withdraws what stuck readers did not
 * read, and tries again; if nothing helps it takes the memory back, and publishes one frame more.
 * Readers take, copy, release, stop for ever, die. The writer dies at any step of it; the next one
 * goes on in what it left, moves again or publishes, and may die at any step of that. What happens in
 * the next segment: handover.pml.
 *
 *   I4  frames held and copies that were kept are whole, an observer's too  (release, keep_copy, Observer)
 *   I5  a lossless reader misses only what was withdrawn; taken + missed is what was published
 *                                                                           (miss, Reader's end)
 *   -   only a stuck reader loses offers                                    (withdraw)
 *   -   the move fails only for frames that are held, by who is alive       (fail)
 *   -   nothing is published into memory that was given back                (publish_one_more)
 *   -   the next writer goes on, and has the memory for it                   (go_on, restore)
 *
 * One rule less: PUNCH_CLAIMED PUNCH_FIRST NO_CAS BY_STORE REVOKE_ONCE
 * NO_WITHDRAW STUCK_ONLY NO_PROBE NO_RESTORE REFUSE_MOVING ADOPT_HOLES SWEEP_LATE ACTIVE_FIRST */
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef NEED
#define NEED SLOTS
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef WRITER_DEATHS
#define WRITER_DEATHS 0
#endif
#ifndef MODE_0
#define MODE_0 LOSSLESS
#endif
#ifndef MODE_1
#define MODE_1 LOSSLESS
#endif
#ifndef LEASE_0
#define LEASE_0 0
#endif
#ifndef LEASE_1
#define LEASE_1 1
#endif
#ifndef PORTS
#define PORTS 2
#endif
#define FRAMES SLOTS
#include "words.pml"
#define MODE(port) ((port) == 0 -> MODE_0 : MODE_1)
#define LEASE(port) ((port) == 0 -> LEASE_0 : LEASE_1)

#define ACTIVE 0
#define MOVING 1
#define SUPERSEDED 2

/* Shared memory. */
byte state, head = FRAMES, slot_of[FRAMES + 1], claim[PORTS * SLOTS], header[SLOTS], pixels[SLOTS];
bool ended;
/* The kernel's. */
byte lock[PORTS] = BY_READER, unnamed /* memory of the next segment, before it has the name */;
bool punched[SLOTS], named;
/* The writer's own. */
byte record[PORTS * SLOTS];
bool stuck[PORTS];
/* For the proof alone. */
bool writer_dying, going_on, dying[PORTS], halted[PORTS], was_dead[PORTS], withdrawn[PORTS * (FRAMES + 1)];
byte holds[PORTS * SLOTS], writer, deaths = DEATHS, writer_deaths = WRITER_DEATHS;

#define RECORD(port, slot) record[(port) * SLOTS + (slot)]
#define HOLDS(port, slot) holds[(port) * SLOTS + (slot)]
#define holds_at(port, slot) (HOLDS(port, slot) != 0)
#define known_untaken(port, slot) is_untaken(RECORD(port, slot))
#define is_changed(port, slot) (CLAIM(port, slot) != RECORD(port, slot))
#define is_waited_for(port) (MODE(port) == LOSSLESS && !stuck[port] && ANY_SLOT(known_untaken, port))
#if PORTS == 1
#define is_anybody_waited_for is_waited_for(0)
#define anything_new ANY_SLOT(is_changed, 0)
#define is_dead_waited_for (lock[0] == UNLOCKED)
#else
#define is_anybody_waited_for (is_waited_for(0) || is_waited_for(1))
#define anything_new (ANY_SLOT(is_changed, 0) || ANY_SLOT(is_changed, 1))
#define is_dead_waited_for (lock[0] == UNLOCKED || lock[1] == UNLOCKED)
#endif

/* Each claim is loaded once; a later one is progress. */
inline load(port, slot) {
    atomic {
        if
        :: is_changed(port, slot) -> stuck[port] = false; RECORD(port, slot) = CLAIM(port, slot)
        :: else
        fi
    }
}
inline look() {
    for (p : 0 .. PORTS - 1) {
        for (k : 0 .. SLOTS - 1) { load(p, k) }
        k = 0
    }
    p = 0
}
inline probe() {
    for (p : 0 .. PORTS - 1) {
        if
        :: atomic { lock[p] == UNLOCKED -> for (k : 0 .. SLOTS - 1) { CLAIM(p, k) = 0; RECORD(p, k) = 0 } k = 0; stuck[p] = false }
        :: atomic { else -> skip }
        fi
    }
    p = 0
}
/* CAS from what was known. */
inline take_back(port, slot, by_patience) {
    atomic {
        if
#ifdef BY_STORE
        :: true ->
#else
        :: !is_changed(port, slot) ->
#endif
            if :: by_patience -> withdrawn[(port) * (FRAMES + 1) + number_of(RECORD(port, slot))] = true :: else fi;
            CLAIM(port, slot) = 0; RECORD(port, slot) = 0; won = true
        :: else -> stuck[port] = false; RECORD(port, slot) = CLAIM(port, slot); won = false
        fi
    }
}
/* Patience may end whenever the writer sleeps for a reader; it looks once more then. */
inline wait_drained() {
    do
    :: look();
        if
        :: !is_anybody_waited_for -> break
        :: else ->
            probe();
            if
            :: !is_anybody_waited_for -> break
            :: anything_new
            :: is_dead_waited_for
            :: is_waited_for(0) -> look(); if :: is_waited_for(0) -> stuck[0] = true :: else fi
#if PORTS == 2
            :: is_waited_for(1) -> look(); if :: is_waited_for(1) -> stuck[1] = true :: else fi
#endif
            fi
        fi
    od
}
inline revoke_latest() {
    for (p : 0 .. PORTS - 1) {
        for (k : 0 .. SLOTS - 1) {
            load(p, k);
            if :: MODE(p) == LATEST && is_untaken(RECORD(p, k)) -> take_back(p, k, false) :: else fi;
#ifndef REVOKE_ONCE
            if :: MODE(p) == LATEST && is_untaken(RECORD(p, k)) -> take_back(p, k, false) :: else fi /* it just began to copy */
#endif
        }
        k = 0
    }
    p = 0; won = false
}
inline punch() {
#ifdef PUNCH_FIRST
    atomic { punched[slot] = true; pixels[slot] = NONE };
    header[slot] = NONE
#else
    header[slot] = NONE;
    atomic { punched[slot] = true; pixels[slot] = NONE }
#endif
}
inline free_memory() {
    for (slot : 0 .. SLOTS - 1) {
        is_claimed = false;
        for (p : 0 .. PORTS - 1) {
            load(p, slot);
            if :: RECORD(p, slot) != 0 -> is_claimed = true :: else fi
        }
        p = 0;
        if
#ifdef PUNCH_CLAIMED
        :: true -> punch()
#else
        :: !is_claimed -> punch()
        :: else
#endif
        fi
    }
    slot = 0; is_claimed = false
}
/* All that stuck readers did not take, oldest first: slots carry frames in their order. One that
 * woke up meanwhile is to be waited for. */
inline withdraw_stuck() {
    found = false;
    for (p : 0 .. PORTS - 1) {
        if
#ifdef STUCK_ONLY
        :: stuck[p] && ANY_SLOT(known_untaken, p) ->
#else
        :: MODE(p) == LOSSLESS && ANY_SLOT(known_untaken, p) ->
#endif
            found = true;
            won = stuck[p];
            for (k : 0 .. SLOTS - 1) {
                if :: won && is_untaken(RECORD(p, k)) -> assert(stuck[p]); take_back(p, k, true) :: else fi
            }
            k = 0
        :: else
        fi
    }
    p = 0; won = false
}
inline count_punched() {
    d_step {
        room = 0;
        for (k : 0 .. SLOTS - 1) { room = room + punched[k] }
        k = 0
    }
}
/* What was given back is all there is; a segment without a name has some of it. */
inline restore() {
    for (slot : 0 .. SLOTS - 1) {
        count_punched();
        d_step { assert(!punched[slot] || room > unnamed); punched[slot] = false; room = 0 }
    }
    slot = 0
}
/* Whether it was dead before this writer last asked. */
inline note_dead() {
    d_step { for (p : 0 .. PORTS - 1) { was_dead[p] = (lock[p] == UNLOCKED) } p = 0 }
}
inline fail() {
    atomic {
        for (p : 0 .. PORTS - 1) {
            assert(!ANY_SLOT(known_untaken, p));
            assert(!was_dead[p] || !ANY_SLOT(claimed, p))
        }
        p = 0
    };
#ifndef NO_RESTORE
    restore();
#endif
    state = ACTIVE
}
#define is_free(slot) unclaimed(slot)
inline publish_one_more() {
    if
    :: atomic { is_free(0) -> slot = 0 }
    :: atomic { is_free(1) -> slot = 1 }
    :: atomic { !ANY_FREE -> goto out }
    fi;
    header[slot] = NONE;
    atomic { assert(!punched[slot]); pixels[slot] = FRAMES };
    header[slot] = FRAMES;
    for (p : 0 .. PORTS - 1) { atomic { if :: lock[p] == BY_READER -> CLAIM(p, slot) = OFFERED(FRAMES) :: else fi } }
    p = 0;
    slot_of[FRAMES] = slot;
    head++;
    slot = 0
}
#define is_hole(port, slot) punched[slot]
#ifdef REFUSE_MOVING
#define can_go_on (state == ACTIVE && !ANY_SLOT(is_hole, 0))
#else
#define can_go_on (state == MOVING || (state == ACTIVE && !ANY_SLOT(is_hole, 0)))
#endif
/* Another writer. Each step may be done again by the next one. */
inline go_on() {
    if
    :: named -> goto moved
    :: else
    fi;
    if
    :: can_go_on
    :: else -> unnamed = 0; count_punched(); assert(room == SLOTS); goto moved /* one of its own */
    fi;
#ifdef ACTIVE_FIRST
    state = ACTIVE;
#endif
#ifndef SWEEP_LATE
    unnamed = 0;
#endif
#ifndef ADOPT_HOLES
    restore();
#endif
#ifdef SWEEP_LATE
    unnamed = 0;
#endif
    for (p : 0 .. PORTS - 1) {
        for (k : 0 .. SLOTS - 1) { RECORD(p, k) = CLAIM(p, k) }
        k = 0
    }
    p = 0;
    state = ACTIVE;
    going_on = false;
    if
    :: state = MOVING
    :: publish_one_more(); goto out
    fi
}
active proctype Writer() {
    byte slot, k, p, room;
    bool is_claimed, found, won;
    atomic {
        for (k : 0 .. SLOTS - 1) {
            slot_of[k] = k; header[k] = k; pixels[k] = k;
            for (p : 0 .. PORTS - 1) { CLAIM(p, k) = OFFERED(k); RECORD(p, k) = OFFERED(k) }
            p = 0
        }
        k = 0;
        RUN_READERS;
        state = MOVING
    };
start:
    {
        if :: writer > 0 -> go_on() :: else fi;
again:
        wait_drained();
        revoke_latest();
        note_dead();
#ifndef NO_PROBE
        probe();
#endif
        free_memory();
        count_punched();
        if
        :: room >= NEED -> room = 0; unnamed = NEED; goto made
        :: else
        fi;
        room = 0;
#ifndef NO_WITHDRAW
        withdraw_stuck();
        if
        :: found -> found = false; goto again
        :: else
        fi;
#endif
        fail();
        publish_one_more();
out:
        ended = true;
        goto end;
made:
        atomic { named = true; unnamed = 0 };
moved:
        state = SUPERSEDED;
end:
        skip
    } unless {
        writer_dying ->
            atomic {
                writer_dying = false; going_on = true; writer++; slot = 0; room = 0; is_claimed = false; found = false; won = false;
                for (p : 0 .. PORTS - 1) { stuck[p] = false; for (k : 0 .. SLOTS - 1) { RECORD(p, k) = 0 } }
                p = 0; k = 0
            };
            goto start
    }
}

inline miss() {
    atomic {
        assert(MODE(r) != LOSSLESS || withdrawn[r * (FRAMES + 1) + cursor]);
        missed++; cursor++
    }
}
inline release(at) {
    d_step { assert(pixels[at] == HOLDS(r, at) - 1); HOLDS(r, at) = 0 };
    CLAIM(r, at) = 0
}
inline keep_copy() {
    assert(first_half == cursor && second_half == cursor);
    taken++; cursor++
}
#define HOLDING(port) ANY_SLOT(holds_at, port)
inline take() {
    at = slot_of[cursor];
    if
    :: LEASE(r) > 0 && !HOLDING(r) ->
        if
        :: atomic { CLAIM(r, at) == OFFERED(cursor) ->
            CLAIM(r, at) = TAKEN(cursor); HOLDS(r, at) = cursor + 1;
            first_half = pixels[at]; second_half = pixels[at];
            keep_copy() }
        :: atomic { else -> miss() }
        fi
    :: LEASE(r) == 0 || HOLDING(r) ->
        if
        :: atomic { CLAIM(r, at) == OFFERED(cursor) -> CLAIM(r, at) = COPYING(cursor) };
            first_half = pixels[at];
            second_half = pixels[at];
#ifdef NO_CAS
            atomic { CLAIM(r, at) = 0; keep_copy() }
#else
            if
            :: atomic { CLAIM(r, at) == COPYING(cursor) -> CLAIM(r, at) = 0; keep_copy() }
            :: atomic { else -> miss() } /* taken back: the copy may be of a hole */
            fi
#endif
        :: atomic { else -> miss() }
        fi
    fi;
    at = 0; first_half = 0; second_half = 0
}
proctype Reader(byte r) {
    byte cursor, at, first_half, second_half, taken, missed, k;
    {
        do
        :: cursor < head -> take()
        :: HOLDS(r, 0) -> release(0)
        :: HOLDS(r, 1) -> release(1)
#if SLOTS == 3
        :: HOLDS(r, 2) -> release(2)
#endif
        :: !HOLDING(r) && (state == SUPERSEDED || ended) -> if :: cursor < head :: else -> break fi
#ifdef HALTS
        :: atomic { r == 0 -> halted[0] = true }; goto out
#endif
        od;
        assert(taken + missed == head)
    } unless { dying[r] };
out:
    skip
}
#ifdef OBSERVED
active proctype Observer() {
    byte at, was, first_half, second_half;
    do
    :: ended || state == SUPERSEDED -> break
    :: at < SLOTS - 1 -> at++
    :: header[at] != NONE ->
        was = header[at];
        first_half = pixels[at];
        second_half = pixels[at];
        atomic { if :: header[at] == was && was != NONE -> assert(first_half == was && second_half == was) :: else fi };
        was = 0; first_half = 0; second_half = 0
    od
}
#endif
#if DEATHS > 0 || WRITER_DEATHS > 0
active proctype Killer() {
    byte k;
    do
    :: atomic {
        deaths > 0 && state == MOVING && !halted[0] ->
            deaths--; dying[0] = true; lock[0] = UNLOCKED;
            for (k : 0 .. SLOTS - 1) { HOLDS(0, k) = 0 }
            k = 0 }
    :: atomic { writer_deaths > 0 && !writer_dying && (state == MOVING || going_on) -> writer_deaths--; writer_dying = true }
    :: break
    od
}
#endif
