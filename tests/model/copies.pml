/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* copies.pml: what is copied out of a slot, against the choice of the slot (warm: the newest
 * published first, the SAVED newest frames last). A reader in mode latest without a lease copies
 * under COPYING; an observer looks, copies and looks again. The writer trims, flushes, and may have
 * several slots on loan.
 *
 *   I4  a copy that is kept is whole                                       (Copier, Observer)
 *   I6  each frame is taken or missed, and missed only if it was taken back (Copier)
 *   -   a copy fails only if no other slot was free, or by a flush: nobody starves (Copier, pick)
 *   -   an observer's slot is used again only after OBSERVED_MIN publishes, while another slot
 *       outside the saved is free                                          (pick)
 *
 * One rule less: CONSUME_FIRST UNDER_OFFER SAVED=1 KEEP_ANYWAY */
#ifndef SLOTS
#define SLOTS 4
#endif
#ifndef FRAMES
#define FRAMES 6
#endif
#ifndef DEPTH
#define DEPTH 2
#endif
#ifndef FLUSHES
#define FLUSHES 0
#endif
#ifndef LOANS
#define LOANS 1
#endif
#ifndef SAVED
#define SAVED 2
#endif
#ifndef OBSERVED_MIN
#define OBSERVED_MIN 3
#endif
#define PORTS 1
#define RING 8
#include "words.pml"

/* Shared memory. */
byte head, ring_slot[RING], claim[SLOTS], header[SLOTS] = NONE, pixels[SLOTS] = NONE;
bool ended;
/* The writer's own. */
byte carried[SLOTS] = NONE; /* number last published in the slot */
bool on_loan[SLOTS];
/* For the proof alone. */
bool flushed[FRAMES], trimmed[FRAMES], copied_from[SLOTS], needed[SLOTS], observed[SLOTS];
byte published_at[SLOTS];

#define is_free(slot) (!on_loan[slot] && claim[slot] == 0)
#define is_saved(slot) (carried[slot] != NONE && carried[slot] + SAVED >= head)

inline pick() {
    d_step {
        slot = NONE;
        for (k : 0 .. SLOTS - 1) { if :: is_free(k) -> choices++; if :: !is_saved(k) -> unsaved++ :: else fi :: else fi }
        for (k : 0 .. SLOTS - 1) { if :: is_free(k) && carried[k] != NONE && !is_saved(k) && (slot == NONE || carried[k] > carried[slot]) -> slot = k :: else fi }
        if
        :: slot == NONE -> for (k : 0 .. SLOTS - 1) { if :: is_free(k) && carried[k] == NONE -> slot = k :: else fi }
        :: else
        fi;
        if
        :: slot == NONE -> for (k : 0 .. SLOTS - 1) { if :: is_free(k) && (slot == NONE || carried[k] < carried[slot]) -> slot = k :: else fi }
        :: else
        fi;
        if
        :: slot != NONE ->
            on_loan[slot] = true;
            loans++;
            if :: choices == 1 -> needed[slot] = true :: else fi;
            assert(!copied_from[slot] || choices == 1);
            assert(!observed[slot] || unsaved == 0 || head >= published_at[slot] + OBSERVED_MIN)
        :: else
        fi;
        k = 0; choices = 0; unsaved = 0
    }
}
inline take_back(at, expected, by_flush) {
    atomic {
        if
        :: claim[at] == expected ->
            claim[at] = 0;
            if :: by_flush -> flushed[number_of(expected)] = true; copied_from[at] = false :: else -> trimmed[number_of(expected)] = true fi
        :: else
        fi
    }
}
/* Full: the oldest slot with an offer; one that is being copied from last. */
inline reclaim() {
    d_step {
        slot = NONE;
        for (k : 0 .. SLOTS - 1) { if :: is_offered(claim[k]) && (slot == NONE || carried[k] < carried[slot]) -> slot = k :: else fi }
        if
        :: slot == NONE -> for (k : 0 .. SLOTS - 1) { if :: claim[k] != 0 -> slot = k :: else fi }
        :: else
        fi;
        k = 0;
        if :: slot != NONE -> c = claim[slot] :: else fi
    }
    if
    :: slot != NONE && c != 0 -> d_step { needed[slot] = true; copied_from[slot] = false }; take_back(slot, c, false)
    :: else
    fi;
    c = 0
}
active proctype Writer() {
    byte slot, k, c, loans, choices, unsaved, flushes = FLUSHES;
    do
    :: loans < LOANS && head + loans < FRAMES ->
again:
        pick();
        if
        :: slot == NONE -> reclaim(); goto again
        :: else -> header[slot] = NONE; pixels[slot] = NONE
        fi;
        slot = 0
    :: loans > 0 ->
        d_step { slot = 0; do :: !on_loan[slot] -> slot++ :: else -> break od }
        pixels[slot] = head;
        d_step { header[slot] = head; carried[slot] = head; published_at[slot] = head };
        claim[slot] = OFFERED(head);
        ring_slot[head % RING] = slot;
        d_step { head++; on_loan[slot] = false; loans-- };
        for (k : 0 .. SLOTS - 1) {
            c = claim[k];
            if :: is_offered(c) && number_of(c) + DEPTH < head -> take_back(k, c, false) :: else fi
        }
        k = 0; c = 0; slot = 0
    :: flushes > 0 && head > 0 ->
        flushes--;
        for (k : 0 .. SLOTS - 1) {
            c = claim[k];
            if
            :: c != 0 ->
                take_back(k, c, true);
                if :: is_offered(c) && claim[k] == COPYING(number_of(c)) -> take_back(k, COPYING(number_of(c)), true) :: else fi /* lost to OFFERED -> COPYING */
            :: else
            fi
        }
        k = 0; c = 0
    :: head == FRAMES -> break
    od;
    ended = true
}
#if defined(CONSUME_FIRST)
#define BEGIN claim[at] = 0
#define STILL (header[at] == cursor)
#elif defined(UNDER_OFFER)
#define BEGIN skip
#define STILL (claim[at] == OFFERED(cursor))
#else
#define BEGIN claim[at] = COPYING(cursor)
#define STILL (claim[at] == COPYING(cursor))
#endif
active proctype Copier() {
    byte cursor, at, first_half, second_half, taken, missed;
    bool whole;
    do
    :: head != cursor ->
        at = ring_slot[cursor % RING];
        if
        :: atomic { claim[at] == OFFERED(cursor) -> copied_from[at] = true; needed[at] = false; BEGIN };
            first_half = pixels[at];
            second_half = pixels[at];
            atomic {
                whole = STILL;
                if :: whole && claim[at] != 0 -> claim[at] = 0 :: else fi;
                copied_from[at] = false;
                if
#ifdef KEEP_ANYWAY
                :: true -> assert(first_half == cursor && second_half == cursor); taken++
#else
                :: whole -> assert(first_half == cursor && second_half == cursor); taken++
#endif
                :: else -> missed++; assert(needed[at] || flushed[cursor])
                fi;
                cursor++
            }
        :: atomic { else -> assert(trimmed[cursor] || flushed[cursor]); missed++; cursor++ }
        fi;
        at = 0; first_half = 0; second_half = 0; whole = false
    :: ended -> if :: head == cursor -> break :: else fi
    od;
    assert(taken + missed == FRAMES);
    assert(!ANY_SLOT(claimed, 0))
}
#ifdef OBSERVED
active proctype Observer() {
    byte newest, at, first_half, second_half;
    do
    :: head > 0 ->
        newest = head;
        atomic { at = ring_slot[(newest - 1) % RING]; if :: header[at] == newest - 1 -> observed[at] = true :: else fi };
        first_half = pixels[at];
        second_half = pixels[at];
        atomic { if :: header[at] == newest - 1 -> assert(first_half == newest - 1 && second_half == newest - 1) :: else fi; observed[at] = false };
        newest = 0; at = 0; first_half = 0; second_half = 0
    :: ended -> break
    od
}
#endif
