/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adoption.pml: the writer dies at any step of loan, fill, publish, answer, flush, burial or of
 * adoption itself; the next one adopts the segment as it lies. Readers go on, attach, leave, die.
 *
 *   I4  frames held, copied or observed are whole                        (take, release, Observer)
 *   I5  a lossless reader misses only what a flush took back             (miss)
 *   I7  no claim is left                                                 (the writer's end)
 *   -   numbers go on: none is published twice                           (publish)
 *   -   taken + missed is what was published while attached, over all writers (the reader's end)
 *   -   the first frame of another writer is marked DISCONT              (take)
 *   -   no claim is of another frame than the one the writer thinks is in the slot (look)
 *
 * One rule less: FORGET_EPOCHS KEEP_OFFERS NO_DISCONT HEAD_FIRST ADOPT_LATE */
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef FRAMES
#define FRAMES 3
#endif
#ifndef PORTS
#define PORTS 1
#endif
#ifndef ATTACHES
#define ATTACHES 2
#endif
#ifndef WRITER_DEATHS
#define WRITER_DEATHS 2
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef FLUSHES
#define FLUSHES 0
#endif
#ifndef LEASE /* 0: copies, under COPYING */
#define LEASE 1
#endif
#define RING 4
#include "words.pml"

/* Shared memory. A header's number + 1; 0: the slot is being written. */
byte head, ring_number[RING] = NONE, ring_slot[RING], header[SLOTS], top[SLOTS] = NONE, bottom[SLOTS] = NONE /* of its pixels */;
byte claim[PORTS * SLOTS], word_state[PORTS], word_epoch[PORTS], answer_epoch[PORTS], answer_first[PORTS];
bool ended, marked[FRAMES];
/* The kernel's. */
byte lock[PORTS];
bool writer_lock;
/* The writer's own: gone with it. */
byte known_epoch[PORTS], carries[SLOTS] = NONE;
bool on_loan[SLOTS], discont;
/* For the proof alone. */
bool writer_dying, dying[PORTS], published[FRAMES], flushed[PORTS * FRAMES], holds[PORTS * SLOTS];
byte writer, written_by[FRAMES], writer_deaths = WRITER_DEATHS, deaths = DEATHS, done;

#define HOLDS(port, slot) holds[(port) * SLOTS + (slot)]
#if PORTS == 1
#define unheld(slot) (!HOLDS(0, slot))
#else
#define unheld(slot) (!HOLDS(0, slot) && !HOLDS(1, slot))
#endif
#define is_free(slot) (!on_loan[slot] && unclaimed(slot))
#define blocks(port) (word_state[port] == ATTACHED && ANY_SLOT(claimed, port))
#define has_news(port) ((lock[port] == UNLOCKED && ANY_SLOT(claimed, port)) || (word_state[port] == ATTACHED && word_epoch[port] != known_epoch[port]))

inline answer(port, first) {
    for (k : 0 .. SLOTS - 1) { CLAIM(port, k) = 0 }
    k = 0;
    answer_first[port] = first;
    answer_epoch[port] = epoch;
    known_epoch[port] = epoch
}
inline look(port, first) {
    atomic { attached = (word_state[port] == ATTACHED); epoch = word_epoch[port] };
    if
    :: attached && epoch != known_epoch[port] -> answer(port, first)
    :: else
    fi;
    for (k : 0 .. SLOTS - 1) {
        d_step {
            c = CLAIM(port, k);
            assert(c == 0 || (carries[k] != NONE && (c == OFFERED(carries[k]) || c == TAKEN(carries[k]) || c == COPYING(carries[k]))))
        }
        if
        :: !attached && is_offered(c) -> atomic { if :: CLAIM(port, k) == c -> CLAIM(port, k) = 0 :: else fi }
        :: else
        fi
    }
    k = 0; c = 0; epoch = 0
}
inline bury(port) {
    if
    :: atomic { lock[port] == UNLOCKED && (word_state[port] != FREE || ANY_SLOT(claimed, port)) -> lock[port] = BY_WRITER };
        for (k : 0 .. SLOTS - 1) { CLAIM(port, k) = 0 }
        k = 0;
        word_state[port] = FREE;
        lock[port] = UNLOCKED
    :: atomic { else -> skip }
    fi
}
/* Each step may be done again by the next writer. */
inline adopt() {
#ifndef FORGET_EPOCHS
    for (r : 0 .. PORTS - 1) { known_epoch[r] = answer_epoch[r] }
    r = 0;
#endif
#ifndef KEEP_OFFERS /* of the frame that was never published: its number is used again */
    for (r : 0 .. PORTS - 1) {
        for (k : 0 .. SLOTS - 1) {
            c = CLAIM(r, k);
            if
            :: c != 0 && number_of(c) >= head -> assert(is_offered(c)); atomic { if :: CLAIM(r, k) == c -> CLAIM(r, k) = 0 :: else fi }
            :: else
            fi
        }
        k = 0
    }
    r = 0;
#endif
    for (k : 0 .. SLOTS - 1) {
        c = header[k];
        if
        :: c == 0 || c > head -> header[k] = 0; carries[k] = NONE
        :: else -> carries[k] = c - 1
        fi;
        on_loan[k] = false
    }
    k = 0; c = 0;
#ifndef NO_DISCONT
    discont = true
#endif
}
inline fill() {
    header[slot] = 0;
    top[slot] = NONE;
    bottom[slot] = NONE;
    if
    :: skip
    :: on_loan[slot] = false; slot = 0; goto again /* upstream gives it back */
    fi;
    top[slot] = head;
    bottom[slot] = head;
    d_step { marked[head] = discont; written_by[head] = writer };
    header[slot] = head + 1;
    carries[slot] = head
}
inline advance() {
    d_step { ring_number[head % RING] = head; ring_slot[head % RING] = slot };
    atomic { assert(!published[head]); published[head] = true; head++ }
}
inline publish() {
    for (r : 0 .. PORTS - 1) { look(r, head); offers[r] = attached }
    r = 0; attached = false;
#ifdef HEAD_FIRST
    advance();
    for (r : 0 .. PORTS - 1) { if :: offers[r] -> CLAIM(r, slot) = OFFERED(head - 1) :: else fi; offers[r] = false }
    r = 0;
#else
    for (r : 0 .. PORTS - 1) { if :: offers[r] -> CLAIM(r, slot) = OFFERED(head) :: else fi; offers[r] = false }
    r = 0;
    advance();
#endif
    d_step { on_loan[slot] = false; discont = false; slot = 0; r = 0 }
}
inline wait_for_slot() {
    for (r : 0 .. PORTS - 1) { look(r, head) }
    r = 0; attached = false;
    d_step {
        slot = NONE;
        if
        CHOOSE_FREE
        :: else
        fi;
        if :: slot != NONE -> assert(unheld(slot)); on_loan[slot] = true :: else fi
    }
    if
    :: slot == NONE ->
        for (r : 0 .. PORTS - 1) { bury(r) }
        r = 0;
        (ANY_FREE || ANY_PORT(has_news) || !ANY_PORT(blocks)); /* woken: doorbell.pml */
        goto again
    :: else
    fi
}
active proctype Writer() {
    byte slot, k, c, epoch, r, flushes = FLUSHES;
    bool attached, offers[PORTS];
start:
    {
        writer_lock = true; /* byte 0, and the names were looked at again: names.pml */
#ifdef ADOPT_LATE
        for (r : 0 .. PORTS - 1) { if :: writer > 0 -> look(r, head) :: else fi }
        r = 0;
#endif
        if :: writer > 0 -> adopt() :: else fi;
        do
        :: head < FRAMES && !ended ->
again:
            wait_for_slot();
            fill();
            publish()
        :: flushes > 0 && head > 0 && !ended ->
            flushes--;
            for (r : 0 .. PORTS - 1) {
                for (k : 0 .. SLOTS - 1) {
                    c = CLAIM(r, k);
                    if
                    :: is_offered(c) -> atomic { if :: CLAIM(r, k) == c -> CLAIM(r, k) = 0; flushed[r * FRAMES + number_of(c)] = true :: else fi }
                    :: else
                    fi
                }
                k = 0
            }
            r = 0; c = 0
        :: head == FRAMES || ended -> break
        od;
        ended = true;
        done == PORTS;
        for (r : 0 .. PORTS - 1) { bury(r); assert(!ANY_SLOT(claimed, r)) }
        goto out
    } unless {
        writer_dying ->
            atomic {
                writer_dying = false; writer++; slot = 0; c = 0; epoch = 0; r = 0; attached = false; discont = false;
                for (k : 0 .. SLOTS - 1) { on_loan[k] = false; carries[k] = NONE }
                for (k : 0 .. PORTS - 1) { known_epoch[k] = 0; offers[k] = false; if :: lock[k] == BY_WRITER -> lock[k] = UNLOCKED :: else fi }
                k = 0
            };
            goto start
    };
out:
    skip
}

inline miss() { atomic { assert(cursor < first || flushed[r * FRAMES + cursor]); missed++; gap = true; cursor++ } }
/* The port is kept while the writer is dead: a later take goes on when another has the ring. */
inline count() {
    assert(top[at] == cursor && bottom[at] == cursor);
    assert(!any || gap || written_by[cursor] == last_writer || marked[cursor]);
    gap = false;
    last_writer = written_by[cursor];
    any = true;
    taken++;
    cursor++
}
inline take() {
    d_step { number = ring_number[cursor % RING]; at = ring_slot[cursor % RING] };
    if
    :: number != cursor -> miss()
    :: number == cursor ->
        if
#if LEASE > 0
        :: atomic { CLAIM(r, at) == OFFERED(cursor) -> CLAIM(r, at) = TAKEN(cursor); HOLDS(r, at) = true; held = at; count() }
#else
        :: atomic { CLAIM(r, at) == OFFERED(cursor) -> CLAIM(r, at) = COPYING(cursor) };
            first_half = top[at];
            second_half = bottom[at];
            atomic { assert(CLAIM(r, at) == COPYING(cursor) && first_half == cursor && second_half == cursor); CLAIM(r, at) = 0; count() }
#endif
        :: atomic { else -> skip }; miss()
        fi
    fi;
    number = 0; at = 0; first_half = 0; second_half = 0
}
inline release() {
    d_step { assert(top[held] == cursor - 1 && bottom[held] == cursor - 1); HOLDS(r, held) = false };
    CLAIM(r, held) = 0;
    held = NONE
}
proctype Reader(byte r) {
    byte cursor, number, at, attaches, epoch, first, first_half, second_half, taken, missed, held = NONE, last_writer, k;
    bool any, gap;
    do
    :: attaches < ATTACHES ->
        attaches++;
        {
            atomic { lock[r] == UNLOCKED -> lock[r] = BY_READER };
            atomic { epoch = word_epoch[r] + 1; word_epoch[r] = epoch; word_state[r] = ATTACHED };
            if
            :: answer_epoch[r] == epoch -> first = answer_first[r]; cursor = first
            :: atomic { ended && answer_epoch[r] != epoch -> goto leave }
            :: !writer_lock -> goto leave /* lost before it was answered */
            fi;
            any = false; gap = false;
            do
            :: head != cursor && held == NONE -> take()
            :: held != NONE -> release()
            :: held == NONE && ended -> if :: head == cursor -> break :: else fi
            :: held == NONE && !writer_lock && head == cursor && !ended -> if :: !writer_lock -> goto leave :: else fi /* LOST */
#ifdef LEAVES
            :: goto leave
#endif
            od;
            assert(taken + missed == FRAMES - first);
leave:
            word_state[r] = LEAVING;
            for (k : 0 .. SLOTS - 1) { atomic { if :: offered_at(r, k) -> CLAIM(r, k) = 0 :: else fi } }
            k = 0;
            if :: held != NONE -> release() :: else fi;
            word_state[r] = FREE;
            lock[r] = UNLOCKED;
            cursor = 0; epoch = 0; first = 0; taken = 0; missed = 0; last_writer = 0; any = false; gap = false
        } unless {
            dying[r] -> d_step {
                dying[r] = false; cursor = 0; number = 0; at = 0; epoch = 0; first = 0; first_half = 0; second_half = 0; taken = 0; missed = 0; held = NONE; last_writer = 0; k = 0; any = false; gap = false }
        }
    :: break
    od;
    done++
}
active proctype Killer() {
    byte k;
    do
    :: atomic { writer_deaths > 0 && !writer_dying && writer_lock && !(ended && done == PORTS) -> writer_deaths--; writer_dying = true; writer_lock = false }
#if DEATHS > 0
    :: atomic {
        deaths > 0 && lock[0] == BY_READER && !dying[0] ->
            deaths--; dying[0] = true; lock[0] = UNLOCKED;
            for (k : 0 .. SLOTS - 1) { HOLDS(0, k) = false }
            k = 0 }
#endif
    :: break
    od
}
#ifdef OBSERVED
active proctype Observer() {
    byte newest, slot, first_half, second_half;
    do
    :: head > 0 ->
        newest = head;
        d_step { slot = ring_slot[(newest - 1) % RING]; first_half = ring_number[(newest - 1) % RING] };
        if
        :: first_half == newest - 1 && header[slot] == newest ->
            first_half = top[slot];
            second_half = bottom[slot];
            if :: atomic { header[slot] == newest -> assert(first_half == newest - 1 && second_half == newest - 1) } :: else fi
        :: else
        fi;
        newest = 0; slot = 0; first_half = 0; second_half = 0
    :: ended -> break
    od
}
#endif
init { RUN_READERS }
