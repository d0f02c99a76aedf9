/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* newest.pml: mode latest. The first frame is a copy of the newest published one, made as an
 * observer does, also before the writer answered; then the offers follow. The writer answers at any
 * of its looks, publishes and trims to DEPTH.
 *
 *   I4  the copy is whole                                            (Reader)
 *   I6  frames only get newer, none comes twice; taken + missed is what was published since the
 *       answer, and the copy counts there only if it is of those      (Reader)
 *
 * One rule less: NO_SKIP NO_SECOND_LOOK */
#ifndef SLOTS
#define SLOTS 3
#endif
#ifndef FRAMES
#define FRAMES 4
#endif
#ifndef DEPTH
#define DEPTH 2
#endif
#define PORTS 1
#define RING 8
#include "words.pml"

/* Shared memory. */
byte head, ring_slot[RING], claim[SLOTS], header[SLOTS] = NONE, pixels[SLOTS] = NONE, answer_first = NONE;
bool attached, ended;
/* The writer's own. */
byte carried[SLOTS] = NONE;
bool answered;
/* For the proof alone. */
bool taken_away[FRAMES];

inline look(first) { if :: attached && !answered -> answer_first = first; answered = true :: else fi }
inline take_back(at, expected) {
    atomic {
        if
        :: expected != 0 && claim[at] == expected -> claim[at] = 0; taken_away[number_of(expected)] = true
        :: else
        fi
    }
}
active proctype Writer() {
    byte slot, k, c;
    do
    :: head < FRAMES ->
        d_step { slot = 0; do :: slot < SLOTS && claim[slot] != 0 -> slot++ :: else -> break od }
        if
        :: slot == SLOTS ->
            d_step {
                slot = 0;
                for (k : 0 .. SLOTS - 1) { if :: carried[k] < carried[slot] -> slot = k :: else fi }
                k = 0; c = claim[slot]
            }
            take_back(slot, c)
        :: else
        fi;
        if
        :: claim[slot] != 0
        :: else ->
            header[slot] = NONE;
            pixels[slot] = NONE;
            pixels[slot] = head;
            header[slot] = head;
            look(head);
            if :: answered -> claim[slot] = OFFERED(head) :: else fi;
            carried[slot] = head;
            ring_slot[head % RING] = slot;
            head++;
            for (k : 0 .. SLOTS - 1) {
                c = claim[k];
                if :: c != 0 && number_of(c) + DEPTH < head -> take_back(k, c) :: else fi
            }
            k = 0
        fi;
        slot = 0; c = 0
    :: head < FRAMES -> look(head)
    :: head == FRAMES -> look(head); break
    od;
    ended = true
}
active proctype Reader() {
    byte newest, at, cursor, copy, last = NONE, taken, missed, early;
    bool any;
    attached = true;
    newest = head;
    if
    :: newest > 0 ->
        at = ring_slot[(newest - 1) % RING];
        copy = pixels[at];
        if
#ifdef NO_SECOND_LOOK
        :: true -> assert(copy == newest - 1); last = newest - 1; any = true
#else
        :: header[at] == newest - 1 -> assert(copy == newest - 1); last = newest - 1; any = true
        :: else /* overtaken: the offers are newer */
#endif
        fi
    :: else
    fi;
    (answer_first != NONE || ended);
    if :: answer_first == NONE -> goto out :: else fi;
    cursor = answer_first;
    if :: any -> if :: last >= answer_first -> taken++ :: else -> early++ fi :: else fi;
    do
    :: cursor != head ->
        at = ring_slot[cursor % RING];
        atomic {
            if
            :: claim[at] == OFFERED(cursor) ->
                claim[at] = 0;
#ifdef NO_SKIP
                assert(!any || cursor > last);
                last = cursor; any = true; taken++
#else
                if
                :: any && cursor <= last -> if :: cursor != last -> missed++ :: else fi /* given back unread */
                :: else -> last = cursor; any = true; taken++
                fi
#endif
            :: else ->
                assert(taken_away[cursor]);
                if :: any && cursor == last && early == 0 :: else -> missed++ fi
            fi;
            cursor++
        }
    :: ended -> if :: cursor == head -> break :: else fi
    od;
    assert(taken + missed == FRAMES - answer_first);
out:
    skip
}
