/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* handover.pml: supersede. The writer moves to a new segment, again and again; readers drain the old
 * one, attach to the new one, then leave the old. A reader comes late, dies; a writer dies at any
 * step, of a supersede too, and the next one makes a segment of its own or (ADOPTS) goes on in the
 * one that has the name. What happens to slots is not modelled (claims.pml): an offer is a bit for a
 * port and a frame.
 *
 *   I5  a lossless reader gets every frame of a writer from its attach on, in order, across
 *       segments, and in one segment those of all its writers; with patience, what it does not get
 *       is counted                                                           (take, follow, over)
 *   I6  mode latest: taken + missed is what was published                     (take, over)
 *   -   numbers go on                                                        (take)
 *
 * One rule less: NO_WAIT NEXT_ONLY DRAIN_WRONG LEAVE_FIRST NO_RECHECK RECHECK_EARLY ADOPT_NO_WAIT
 * MARK_ONLY */
#ifndef FRAMES
#define FRAMES 3
#endif
#ifndef SEGMENTS
#define SEGMENTS 3
#endif
#ifndef READERS
#define READERS 2
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif
#define LOSSLESS 1
#define LATEST 2
#ifndef MODE
#define MODE LOSSLESS
#endif
#define AT(segment, port) ((segment) * READERS + (port))
#define OFFER(segment, port, number) offer[AT(segment, port) * FRAMES + (number)]

/* Shared memory; the name shows one segment. */
byte name, head[SEGMENTS], frame[SEGMENTS * FRAMES] /* + 1 */, base[SEGMENTS] /* frames before */;
bool superseded[SEGMENTS], ended[SEGMENTS], attached[SEGMENTS * READERS], offer[SEGMENTS * READERS * FRAMES];
/* The kernel's. */
bool locked[SEGMENTS * READERS], writer_lock[SEGMENTS];
/* For the proof alone. */
bool dying[READERS], writer_dying, in[READERS], due[READERS * FRAMES], offered_once[SEGMENTS * READERS], waited_enough[READERS];
byte deaths = DEATHS, restarts = RESTARTS, writer, writer_of[FRAMES], segment_of[FRAMES], last_writer[SEGMENTS];
byte readers_writer[READERS], readers_segment[READERS], dues[READERS], published;

/* Marked, or its writer's byte is free and the name shows another one. */
#ifdef MARK_ONLY
#define is_superseded(segment) superseded[segment]
#else
#define is_superseded(segment) (superseded[segment] || (!writer_lock[segment] && !ended[segment] && name != segment))
#endif

/* Every living lossless reader has left SEGMENT: one load a step. */
inline wait_until_left(segment) {
    i = 0;
    do
    :: i < READERS ->
        if
        :: !attached[AT(segment, i)] -> i++
        :: atomic { attached[AT(segment, i)] && !locked[AT(segment, i)] -> attached[AT(segment, i)] = false } /* dead */
#ifdef PATIENCE
        :: atomic { attached[AT(segment, i)] -> waited_enough[i] = true; i++ }
#endif
        fi
    :: else -> break
    od;
    i = 0
}
inline wait_for_followers() {
#if defined(NEXT_ONLY)
    wait_until_left(segment - 1);
#else
    old = first;
    do
    :: old < segment -> wait_until_left(old); old++
    :: else -> break
    od;
#endif
    old = 0
}
inline publish() {
    atomic {
        for (i : 0 .. READERS - 1) {
            due[i * FRAMES + published] = in[i] && readers_writer[i] == writer;
            dues[i] = dues[i] + due[i * FRAMES + published]
        }
        i = 0;
        number = head[segment];
        frame[segment * FRAMES + number] = published + 1;
        writer_of[published] = writer;
        segment_of[published] = segment
    };
    for (i : 0 .. READERS - 1) {
        if :: attached[AT(segment, i)] -> atomic { OFFER(segment, i, number) = true; offered_once[AT(segment, i)] = true } :: else fi
    }
    i = 0;
    atomic { head[segment] = number + 1; published++ }
}
/* The segment that has the name goes on, with its readers; those of its predecessors are forgotten.
 * A frame that was not published rolls back. */
inline adopt() {
    segment = name;
    writer_lock[segment] = true;
    for (i : 0 .. READERS - 1) { OFFER(segment, i, head[segment]) = false }
    atomic {
        last_writer[segment] = writer;
        for (i : 0 .. READERS - 1) { if :: in[i] && readers_segment[i] == segment -> readers_writer[i] = writer :: else fi }
        i = 0;
#ifdef ADOPT_NO_WAIT
        first = segment + 1
#else
        first = segment
#endif
    }
}
inline replace() {
    segment = name;
    writer_lock[segment] = true;
    writer_lock[segment + 1] = true;
    last_writer[segment + 1] = writer;
    base[segment + 1] = published;
    name = segment + 1;
    superseded[segment] = true;
    writer_lock[segment] = false;
    segment++;
    first = segment
}
inline restart() {
    if
#ifdef ADOPTS
    :: !superseded[name] && !ended[name] -> adopt()
#endif
    :: name + 1 < SEGMENTS && !ended[name] -> replace()
    :: else -> goto out
    fi
}
active proctype Writer() {
    byte segment, number, i, first, old;
    bool moved;
start:
    {
        if :: writer > 0 -> restart() :: else fi;
        writer_lock[segment] = true;
        do
        :: published < FRAMES ->
            if
            :: moved ->
#ifndef NO_WAIT
#if MODE == LOSSLESS
                wait_for_followers();
#endif
#endif
                moved = false;
                first = segment
            :: else
            fi;
            publish()
        :: segment + 1 < SEGMENTS ->
            writer_lock[segment + 1] = true;
            last_writer[segment + 1] = writer;
            base[segment + 1] = published;
            name = segment + 1;
            superseded[segment] = true;
            segment++;
            moved = true
        :: published == FRAMES -> break
        od;
        ended[segment] = true
    } unless {
        writer_dying ->
            atomic {
                writer_dying = false; writer++; moved = false;
                for (i : 0 .. SEGMENTS - 1) { writer_lock[i] = false }
                i = 0
            };
            goto start
    };
out:
    skip
}
active proctype Killer() {
    do
    :: atomic {
        deaths > 0 && !dying[0] && (locked[AT(0, 0)] || locked[AT(1, 0)] || locked[AT(SEGMENTS - 1, 0)]) ->
            deaths--; dying[0] = true; in[0] = false;
            locked[AT(0, 0)] = false; locked[AT(1, 0)] = false; locked[AT(SEGMENTS - 1, 0)] = false }
#if RESTARTS > 0
    :: atomic { restarts > 0 && !writer_dying && published < FRAMES -> restarts--; writer_dying = true }
#endif
    :: break
    od
}

inline leave(segment) {
    attached[AT(segment, r)] = false;
    for (k : 0 .. FRAMES - 1) { OFFER(segment, r, k) = false }
    k = 0;
    locked[AT(segment, r)] = false
}
inline attach(segment) {
    locked[AT(segment, r)] = true;
    start = head[segment];
    for (k : 0 .. FRAMES - 1) { OFFER(segment, r, k) = false }
    k = 0;
#ifdef RECHECK_EARLY
    gone = superseded[segment];
#endif
    attached[AT(segment, r)] = true;
#ifndef RECHECK_EARLY
    gone = superseded[segment]
#endif
}
#ifdef NO_RECHECK
#define must_try_again false
#else
#define must_try_again gone
#endif
inline take() {
    if
    :: atomic {
        OFFER(mine, r, cursor) ->
            OFFER(mine, r, cursor) = false;
            f = frame[mine * FRAMES + cursor];
            assert(f > last && f == base[mine] + cursor + 1);
            if :: first == 0 -> first = f :: else fi;
            assert(taken + missed == f - first);
            taken++;
#if MODE == LOSSLESS && !defined(PATIENCE)
            k = last;
            do
            :: k < f - 1 -> assert(!due[r * FRAMES + k] || (writer_of[k] != writer_of[f - 1] && segment_of[k] != mine)); k++
            :: else -> break
            od;
            k = 0;
#endif
            due[r * FRAMES + f - 1] = false;
            last = f }
    :: atomic {
        else ->
            f = frame[mine * FRAMES + cursor];
#if MODE == LOSSLESS && !defined(PATIENCE)
            assert(!due[r * FRAMES + f - 1] || !offered_once[AT(mine, r)]);
#endif
            if :: first != 0 -> missed++ :: else fi }
    fi;
    passed++; cursor++; f = 0
}
inline follow() {
    skip;
again:
    if :: name != mine -> next = name fi; /* SUPERSEDED while the name still shows it: wait */
    attach(next);
    if :: must_try_again -> leave(next); goto again :: else fi;
    leave(mine);
    atomic {
        passed = passed + base[next] + start - (base[mine] + cursor);
        if
        :: first != 0 ->
            assert(MODE != LOSSLESS || RESTARTS > 0 || waited_enough[r] || base[next] + start == base[mine] + cursor);
            missed = missed + base[next] + start - (base[mine] + cursor)
        :: else
        fi;
        mine = next; next = 0; cursor = start; readers_writer[r] = last_writer[mine]; readers_segment[r] = mine
    }
}
#ifdef LEAVE_FIRST
#define LEAVE_OLD attached[AT(mine, r)] = false; locked[AT(mine, r)] = false
#else
#define LEAVE_OLD skip
#endif
proctype Reader(byte r) {
    byte mine, next, cursor, start, k, last, f, taken, missed, passed, first;
    bool gone;
    {
        skip;
open:
        mine = name;
        attach(mine);
        cursor = start;
        if :: must_try_again -> leave(mine); goto open :: else fi;
        atomic { in[r] = true; readers_writer[r] = last_writer[mine]; readers_segment[r] = mine };
        do
        :: cursor < head[mine] -> take()
        :: is_superseded(mine) ->
#ifndef DRAIN_WRONG
            if
            :: cursor < head[mine]
            :: else -> LEAVE_OLD; follow()
            fi
#else
            follow()
#endif
        :: ended[mine] -> if :: cursor < head[mine] :: else -> break fi
        :: !writer_lock[mine] && !superseded[mine] && !ended[mine] && cursor >= head[mine] && restarts == 0 && name == mine -> goto out /* LOST */
        od;
#if MODE == LOSSLESS && !defined(PATIENCE)
        for (k : 0 .. FRAMES - 1) { assert(!due[r * FRAMES + k] || (writer_of[k] != writer && segment_of[k] != mine)) }
        k = 0;
#endif
#if RESTARTS == 0
        assert(passed >= dues[r]);
#endif
        assert(first == 0 || taken + missed == FRAMES + 1 - first);
out:
        atomic { in[r] = false; for (k : 0 .. SEGMENTS - 1) { locked[AT(k, r)] = false } k = 0 }
    } unless { dying[r] }
}
init {
    atomic {
        writer_lock[0] = true;
        run Reader(0);
#if READERS == 2
        run Reader(1)
#endif
    }
}
