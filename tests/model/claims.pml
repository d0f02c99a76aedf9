/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* claims.pml: one segment. The writer loans, publishes, takes back, buries, flushes and ends;
 * readers in either mode attach, take, release, leave, die at any step and attach anew.
 *
 *   I4  a frame that is held has the pixels it was published with      (release, pick)
 *   I5  a lossless reader misses nothing but what a flush took back    (miss), and the writer drops
 *       no frame for all as long as readers keep to their leases       (wait_for_slot)
 *   I6  mode latest: no frame older than the newest minus DEPTH (take); taken + missed is what was
 *       published while attached, missed is what the writer took back  (the reader's end)
 *   -   nobody takes the port of a reader that lives                  (the reader's leave)
 *   I7  when all have left or died, no claim is left                   (the writer's end)
 *
 * One rule less: HEAD_FIRST UNLOCK_FIRST RELEASE_FIRST END_FIRST UNLOCK_HOLDING LEFT_KEEPS_OFFERS
 * ATTACHED_ONLY JUMP_TO_HEAD TAKE_BY_STORE TAKE_BACK_BY_STORE NO_CLEAR ANSWER_LAST BLOCKED_LATE
 * WORD_IN_PARTS */
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef PORTS
#define PORTS 1
#endif
#ifndef FRAMES
#define FRAMES 4
#endif
#ifndef ATTACHES /* how often a port is taken */
#define ATTACHES 2
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef LEASE /* all leases together leave the writer its LOANS */
#define LEASE 1
#endif
#ifndef LOANS
#define LOANS 1
#endif
#ifndef DEPTH
#define DEPTH 1
#endif
#ifndef MODE
#define MODE EITHER
#endif
#ifndef FLUSHES
#define FLUSHES 0
#endif
#define RING 4
#include "words.pml"

/* Shared memory. */
byte head, ring_number[RING] = NONE, ring_slot[RING], claim[PORTS * SLOTS];
byte word_state[PORTS], word_epoch[PORTS], word_mode[PORTS]; /* one word: read and written whole */
byte answer_epoch[PORTS], answer_first[PORTS];
bool ended;
/* The kernel's. */
byte lock[PORTS];
/* The writer's own. */
byte known_epoch[PORTS], known_mode[PORTS];
bool on_loan[SLOTS];
/* For the proof alone. */
byte pixels[SLOTS] = NONE, holds[PORTS * SLOTS] /* number + 1 */, taken_back[PORTS], done;
byte deaths = DEATHS;
bool dying[PORTS], flushed[PORTS * FRAMES];

#define HOLDS(port, slot) holds[(port) * SLOTS + (slot)]
#define held_at(port, slot) (HOLDS(port, slot) != 0)
#if PORTS == 1
#define unheld(slot) (HOLDS(0, slot) == 0)
#else
#define unheld(slot) (HOLDS(0, slot) == 0 && HOLDS(1, slot) == 0)
#endif
#define is_free(slot) (!on_loan[slot] && unclaimed(slot))
#define is_lossless(port) (word_state[port] == ATTACHED && word_mode[port] == LOSSLESS)
#define blocks(port) (is_lossless(port) && ANY_SLOT(claimed, port))
#ifdef ATTACHED_ONLY
#define to_bury(port) (lock[port] == UNLOCKED && word_state[port] == ATTACHED)
#else
#define to_bury(port) (lock[port] == UNLOCKED && (ANY_SLOT(claimed, port) || word_state[port] != FREE))
#endif
#define has_news(port) \
    (to_bury(port) || (word_state[port] == ATTACHED && word_epoch[port] != known_epoch[port]) || \
     (ANY_SLOT(offered_at, port) && !is_lossless(port)))

/* CAS from EXPECTED to 0. */
inline take_back(port, at, expected, by_flush) {
    atomic {
        if
#ifdef TAKE_BACK_BY_STORE
        :: true ->
#else
        :: CLAIM(port, at) == expected ->
#endif
            CLAIM(port, at) = 0;
            taken_back[port]++;
            if
            :: by_flush -> flushed[(port) * FRAMES + number_of(expected)] = true
            :: else
            fi
        :: else -> lost = true
        fi
    }
}
inline take_back_all(port, by_flush) {
    for (k : 0 .. SLOTS - 1) {
        c = CLAIM(port, k);
        if
        :: is_offered(c) -> take_back(port, k, c, by_flush)
        :: else
        fi
    }
    k = 0; c = 0
}
/* The attach word is loaded once; a new epoch is answered before anything is offered. */
inline look(port, first) {
#ifdef WORD_IN_PARTS
    attached = (word_state[port] == ATTACHED);
    epoch = word_epoch[port];
    mode = word_mode[port];
#else
    atomic { attached = (word_state[port] == ATTACHED); epoch = word_epoch[port]; mode = word_mode[port] };
#endif
    if
    :: attached && epoch != known_epoch[port] ->
#ifdef ANSWER_LAST
        answer_epoch[port] = epoch;
#endif
#ifndef NO_CLEAR
        for (k : 0 .. SLOTS - 1) { CLAIM(port, k) = 0 }
        k = 0;
#endif
        answer_first[port] = first;
        d_step { answer_epoch[port] = epoch; known_epoch[port] = epoch; known_mode[port] = mode; taken_back[port] = 0 }
    :: else
    fi;
#ifndef BLOCKED_LATE
    if
    :: attached && mode == LOSSLESS && ANY_SLOT(claimed, port) -> blocked = true
    :: else
    fi;
#endif
    epoch = 0; mode = 0;
#ifndef LEFT_KEEPS_OFFERS
    if
    :: !attached -> take_back_all(port, false)
    :: else
    fi
#endif
}
/* Who gets a port's lock byte knows that it is dead or gone. */
inline bury(port) {
    if
    :: atomic { to_bury(port) -> lock[port] = BY_WRITER }
#ifdef UNLOCK_FIRST
        lock[port] = UNLOCKED;
#endif
        for (k : 0 .. SLOTS - 1) { CLAIM(port, k) = 0 }
        k = 0;
        word_state[port] = FREE;
#ifndef UNLOCK_FIRST
        lock[port] = UNLOCKED
#endif
    :: atomic { else -> skip }
    fi
}
inline pick() {
    atomic {
        slot = NONE;
        if
        CHOOSE_FREE
        :: else
        fi;
        if
        :: slot != NONE -> assert(unheld(slot)); on_loan[slot] = true; loans++; pixels[slot] = NONE
        :: else
        fi
    }
}
/* Whether anybody blocks is told by the look before the last one at the slots: who gives back the
 * last one in between, or goes, did block. */
inline wait_for_slot() {
    pick();
    if :: slot != NONE -> goto loaned :: else fi;
    for (r : 0 .. PORTS - 1) { look(r, head) }
    r = 0; attached = false; lost = false
    pick();
    if :: slot != NONE -> goto loaned :: else fi;
    for (r : 0 .. PORTS - 1) {
        if
#ifdef LEFT_KEEPS_OFFERS
        :: word_state[r] == ATTACHED && known_mode[r] == LATEST -> take_back_all(r, false)
#else
        :: word_state[r] != ATTACHED || known_mode[r] == LATEST -> take_back_all(r, false)
#endif
        :: else
        fi
    }
    r = 0;
    pick();
    if :: slot != NONE -> goto loaned :: else fi;
    for (r : 0 .. PORTS - 1) { bury(r) }
    r = 0;
    pick();
    if :: slot != NONE -> goto loaned :: else fi;
    if
    :: blocked -> (ANY_FREE || ANY_PORT(has_news) || !ANY_PORT(blocks)) /* woken: doorbell.pml */
    :: else -> if
        :: lost /* a race: once more */
        :: else -> assert(false) /* nobody to wait for: the frame is dropped for all */
        fi
    fi;
loaned: skip;
    d_step { slot = 0; blocked = false; lost = false }
}
inline publish() {
    atomic {
        if :: on_loan[0] -> slot = 0 :: on_loan[1] -> slot = 1
#if SLOTS == 3
        :: on_loan[2] -> slot = 2
#endif
        fi;
        pixels[slot] = head
    }
    for (r : 0 .. PORTS - 1) { look(r, head); offers[r] = attached }
    r = 0; attached = false; blocked = false
#ifdef HEAD_FIRST
    d_step { ring_number[head % RING] = head; ring_slot[head % RING] = slot };
    head++;
    for (r : 0 .. PORTS - 1) { if :: offers[r] -> CLAIM(r, slot) = OFFERED(head - 1) :: else fi }
    r = 0;
#else
    for (r : 0 .. PORTS - 1) { if :: offers[r] -> CLAIM(r, slot) = OFFERED(head) :: else fi }
    r = 0;
    d_step { ring_number[head % RING] = head; ring_slot[head % RING] = slot };
    head++;
#endif
    d_step { on_loan[slot] = false; loans--; slot = 0; lost = false };
    for (r : 0 .. PORTS - 1) {
        if
        :: offers[r] && known_mode[r] == LATEST && head > DEPTH ->
            for (k : 0 .. SLOTS - 1) {
                c = CLAIM(r, k);
                if
                :: is_offered(c) && number_of(c) < head - DEPTH -> take_back(r, k, c, false)
                :: else
                fi
            }
            k = 0; c = 0
        :: else
        fi;
        offers[r] = false
    }
    r = 0; lost = false
}
active proctype Writer() {
    byte slot, r, k, c, epoch, mode, loans, flushes = FLUSHES;
    bool attached, offers[PORTS], blocked, lost;
    do
    :: loans < LOANS && head + loans < FRAMES -> wait_for_slot()
    :: loans > 0 -> publish()
    :: flushes > 0 && head > 0 ->
        flushes--;
        for (r : 0 .. PORTS - 1) { look(r, head); if :: attached -> take_back_all(r, true) :: else fi }
        r = 0; attached = false; lost = false
    :: head == FRAMES -> break
    od;
    ended = true;
    done == PORTS;
    for (r : 0 .. PORTS - 1) { look(r, head); bury(r); assert(!ANY_SLOT(claimed, r)) }
}

inline miss() {
    assert(mode != LOSSLESS || flushed[r * FRAMES + cursor]);
    missed++
}
inline release(at) {
#ifdef RELEASE_FIRST
    CLAIM(r, at) = 0;
    d_step { assert(pixels[at] == HOLDS(r, at) - 1); HOLDS(r, at) = 0; holding-- }
#else
    d_step { assert(pixels[at] == HOLDS(r, at) - 1); HOLDS(r, at) = 0; holding-- }; /* the last read */
    CLAIM(r, at) = 0
#endif
}
inline take() {
    d_step { number = ring_number[cursor % RING]; at = ring_slot[cursor % RING] };
    if
    :: number != cursor -> /* overwritten */
#ifdef JUMP_TO_HEAD
        atomic { missed = missed + head - cursor; cursor = head }
#else
        atomic { miss(); cursor++ }
#endif
    :: else ->
        atomic {
            if
#ifdef TAKE_BY_STORE
            :: is_offered(seen) ->
#else
            :: CLAIM(r, at) == OFFERED(cursor) ->
#endif
                CLAIM(r, at) = TAKEN(cursor);
                HOLDS(r, at) = cursor + 1;
                holding++;
                taken++;
                assert(pixels[at] == cursor);
                assert(mode != LATEST || head - 1 - cursor <= DEPTH)
            :: else -> miss()
            fi;
            cursor++
        }
    fi;
    d_step { number = 0; at = 0; seen = 0 }
}
proctype Reader(byte r) {
    byte cursor, number, at, k, attaches, mode, epoch, holding, taken, missed, seen;
    do
    :: attaches < ATTACHES ->
        attaches++;
        {
            atomic {
                lock[r] == UNLOCKED -> lock[r] = BY_READER;
#if MODE == EITHER
                if :: mode = LOSSLESS :: mode = LATEST fi
#else
                mode = MODE
#endif
            };
#ifdef WORD_IN_PARTS
            word_state[r] = ATTACHED;
            d_step { epoch = word_epoch[r] + 1; word_epoch[r] = epoch };
            word_mode[r] = mode;
#else
            atomic { epoch = word_epoch[r] + 1; word_epoch[r] = epoch; word_mode[r] = mode; word_state[r] = ATTACHED };
#endif
            if
            :: answer_epoch[r] == epoch -> cursor = answer_first[r]
            :: goto leave /* nothing came before it went, or the stream is over */
            fi;
            do
            :: holding < LEASE && head != cursor ->
#ifdef TAKE_BY_STORE
                seen = CLAIM(r, ring_slot[cursor % RING]);
#endif
                take()
            :: HOLDS(r, 0) -> release(0)
            :: HOLDS(r, 1) -> release(1)
#if SLOTS == 3
            :: HOLDS(r, 2) -> release(2)
#endif
#ifdef END_FIRST
            :: holding == 0 && head == cursor -> if :: ended -> break :: else fi
#else
            :: holding == 0 && ended -> if :: head == cursor -> break :: else fi
#endif
            :: goto leave
            od;
            assert(head == cursor && !ANY_SLOT(offered_at, r));
            assert(taken + missed == FRAMES - answer_first[r] && missed == taken_back[r]);
leave:
            atomic { assert(word_state[r] == ATTACHED && lock[r] == BY_READER); word_state[r] = LEAVING };
            for (k : 0 .. SLOTS - 1) { atomic { if :: offered_at(r, k) -> CLAIM(r, k) = 0 :: else fi } }
            k = 0;
#ifdef UNLOCK_HOLDING
            word_state[r] = FREE;
            lock[r] = UNLOCKED;
#endif
            do
            :: HOLDS(r, 0) -> release(0)
            :: HOLDS(r, 1) -> release(1)
#if SLOTS == 3
            :: HOLDS(r, 2) -> release(2)
#endif
            :: holding == 0 -> break
            od;
#ifndef UNLOCK_HOLDING
            word_state[r] = FREE;
            lock[r] = UNLOCKED;
#endif
            cursor = 0; mode = 0; epoch = 0; taken = 0; missed = 0
        } unless { dying[r] -> d_step { dying[r] = false; cursor = 0; number = 0; at = 0; k = 0; mode = 0; epoch = 0; holding = 0; taken = 0; missed = 0; seen = 0 } }
    :: break
    od;
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
    :: atomic { deaths > 0 && lock[0] == BY_READER && !dying[0] -> kill(0) }
#if PORTS == 2
    :: atomic { deaths > 0 && lock[1] == BY_READER && !dying[1] -> kill(1) }
#endif
    :: break
    od
}
#endif
init { RUN_READERS }
