/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* streams.pml: after ENDED the next stream begins in the same segment. The writer tells each port
 * where its stream ends (answer_end) and offers it nothing more until it attaches anew. The writer
 * may be killed anywhere; the next one adopts. Only the event word wakes a reader. With more FRAMES
 * than the ring has descriptors, next streams go over those of frames that it was offered and has
 * not taken yet.
 *
 *   I5  a reader gets all frames of the stream it attached in, and none of another (take, over)
 *   I7  no claim is left                                                    (the writer's end)
 *   -   nobody misses an end or sleeps for ever                             (deadlock)
 *
 * One rule less: OFFER_ENDED NO_SET ENDS_FIRST NO_REREAD ADOPT_NO_END STATE_ONLY NO_WAKE
 * RING_ONLY */
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef STREAMS
#define STREAMS 2
#endif
#ifndef FRAMES /* in all streams */
#define FRAMES 3
#endif
#ifndef PORTS
#define PORTS 1
#endif
#ifndef ATTACHES
#define ATTACHES 2
#endif
#ifndef WRITER_DEATHS
#define WRITER_DEATHS 0
#endif
#ifndef RING
#define RING 4
#endif
#include "words.pml"
#define ACTIVE 0
#define ENDED 1

/* Shared memory. */
byte head, ring_number[RING] = NONE, ring_slot[RING], state = ACTIVE, stream = 1, event;
byte claim[PORTS * SLOTS], word_state[PORTS], word_epoch[PORTS];
byte answer_epoch[PORTS], answer_first[PORTS], answer_end[PORTS] = NONE, answer_stream[PORTS];
/* The kernel's. */
byte lock[PORTS];
bool writer_lock, asleep[PORTS];
/* The writer's own. */
byte known_epoch[PORTS];
bool on_loan[SLOTS];
/* For the proof alone. */
byte stream_of[FRAMES], ends_at[STREAMS + 2] = NONE, writer, writer_deaths = WRITER_DEATHS, done;
bool writer_dying, over;

#define is_free(slot) (!on_loan[slot] && unclaimed(slot))
#define blocks(port) (word_state[port] == ATTACHED && ANY_SLOT(claimed, port))
#define has_news(port) ((word_state[port] == ATTACHED && word_epoch[port] != known_epoch[port]) || (word_state[port] != ATTACHED && ANY_SLOT(claimed, port)))
#if PORTS == 1
#define wake() event++; asleep[0] = false
#else
#define wake() event++; asleep[0] = false; asleep[1] = false
#endif

/* An answer while ENDED begins and ends at once. */
inline look(port, first) {
    atomic { attached = (word_state[port] == ATTACHED); epoch = word_epoch[port] };
    if
    :: attached && epoch != known_epoch[port] ->
        for (k : 0 .. SLOTS - 1) { CLAIM(port, k) = 0 }
        k = 0;
        answer_first[port] = first;
        answer_end[port] = (state == ENDED -> first : NONE);
        answer_stream[port] = stream;
        answer_epoch[port] = epoch;
        known_epoch[port] = epoch
    :: else
    fi;
    for (k : 0 .. SLOTS - 1) { if :: !attached && CLAIM(port, k) != 0 -> CLAIM(port, k) = 0 :: else fi }
    k = 0; epoch = 0;
#ifndef OFFER_ENDED
    if :: answer_end[port] != NONE -> attached = false :: else fi
#endif
}
inline look_at_all() {
    for (r : 0 .. PORTS - 1) { look(r, head) }
    r = 0; attached = false
}
inline tell_ends() {
#ifdef NO_SET
    skip
#else
    for (r : 0 .. PORTS - 1) { if :: answer_end[r] == NONE -> answer_end[r] = head :: else fi }
    r = 0
#endif
}
/* The state first, then a last look: an attacher either is seen here or sees ENDED when it reads the
 * state again. */
inline finish() {
#ifdef ENDS_FIRST
    ends_at[stream] = head;
    look_at_all();
    tell_ends();
    state = ENDED;
#else
    state = ENDED;
    ends_at[stream] = head;
    look_at_all();
    tell_ends();
#endif
#ifndef NO_WAKE
    wake()
#endif
}
inline adopt() {
    for (r : 0 .. PORTS - 1) { known_epoch[r] = answer_epoch[r] }
    for (r : 0 .. PORTS - 1) {
        for (k : 0 .. SLOTS - 1) { if :: CLAIM(r, k) != 0 && number_of(CLAIM(r, k)) >= head -> CLAIM(r, k) = 0 :: else fi }
        k = 0
    }
    r = 0;
#ifndef ADOPT_NO_END
    if :: state == ENDED -> finish() :: else fi;
#endif
    wake()
}
inline publish() {
    skip;
again:
    look_at_all();
    d_step {
        slot = NONE;
        if
        CHOOSE_FREE
        :: else
        fi;
        if :: slot != NONE -> on_loan[slot] = true :: else fi
    }
    if
    :: slot == NONE -> (ANY_FREE || ANY_PORT(has_news) || !ANY_PORT(blocks)); goto again
    :: else
    fi;
    stream_of[head] = stream;
    for (r : 0 .. PORTS - 1) { look(r, head); offers[r] = attached }
    r = 0; attached = false;
    for (r : 0 .. PORTS - 1) { if :: offers[r] -> CLAIM(r, slot) = OFFERED(head) :: else fi; offers[r] = false }
    r = 0;
    d_step { ring_number[head % RING] = head; ring_slot[head % RING] = slot };
    head++;
    on_loan[slot] = false;
    wake();
    slot = 0
}
active proctype Writer() {
    byte slot, k, epoch, r;
    bool attached, offers[PORTS];
start:
    {
        writer_lock = true;
        if :: writer > 0 -> adopt() :: else fi;
        do
        :: head < FRAMES && state == ACTIVE -> publish()
        :: state == ACTIVE -> finish()
        :: state == ENDED && stream < STREAMS && head < FRAMES -> stream++; state = ACTIVE
        :: state == ENDED -> look_at_all(); break
        od;
        over = true;
        asleep[0] = false;
#if PORTS == 2
        asleep[1] = false;
#endif
        done == PORTS;
        look_at_all();
        assert(unclaimed(0) && unclaimed(1));
        goto out
    } unless {
        writer_dying ->
            atomic {
                writer_dying = false; writer++; slot = 0; epoch = 0; r = 0; attached = false;
                for (k : 0 .. SLOTS - 1) { on_loan[k] = false }
                for (k : 0 .. PORTS - 1) { known_epoch[k] = 0; offers[k] = false }
                k = 0
            };
            goto start
    };
out:
    skip
}

/* Sleeps unless EVENT changed since it was read. */
inline sleep() {
    if
    :: atomic { event == seen -> asleep[r] = true }
    :: event != seen
    fi;
    if :: !asleep[r] fi
}
#define my_stream_is_over (cursor == answer_end[r])
inline find_slot() {
    d_step { number = ring_number[cursor % RING]; at = ring_slot[cursor % RING] };
#ifndef RING_ONLY
    if
    :: number != cursor -> for (k : 0 .. SLOTS - 1) { if :: CLAIM(r, k) == OFFERED(cursor) -> number = cursor; at = k :: else fi } k = 0
    :: else
    fi
#endif
}
inline take() {
    find_slot();
    if
    :: atomic { number == cursor && CLAIM(r, at) == OFFERED(cursor) -> assert(stream_of[cursor] == mine); CLAIM(r, at) = 0; taken++; cursor++ }
    :: atomic { else -> assert(answer_end[r] != NONE && cursor >= answer_end[r]) }
    fi;
    number = 0; at = 0
}
proctype Reader(byte r) {
    byte cursor, number, at, attaches, epoch, taken, seen, k, mine, first;
    do
    :: attaches < ATTACHES && !over ->
        attaches++;
        if
        :: state == ENDED -> (state == ACTIVE || over); if :: over -> break :: else fi /* waits for the next stream, by time */
        :: else
        fi;
        lock[r] = BY_READER;
        atomic { epoch = word_epoch[r] + 1; word_epoch[r] = epoch; word_state[r] = ATTACHED };
#ifndef NO_REREAD
        if :: state == ENDED -> goto leave :: else fi;
#endif
        do
        :: seen = event;
            if
            :: answer_epoch[r] != epoch -> sleep()
            :: else ->
                if :: mine == 0 -> first = answer_first[r]; cursor = first; mine = answer_stream[r] :: else fi;
                if
#ifdef STATE_ONLY
                :: state == ENDED && head == cursor -> assert(taken == ends_at[mine] - first); break
#else
                :: my_stream_is_over -> assert(taken == ends_at[mine] - first); break /* no look at state or head */
#endif
                :: else ->
                    if
                    :: head != cursor -> take()
                    :: head == cursor -> sleep()
                    fi
                fi
            fi
        od;
leave:
        word_state[r] = FREE;
        for (k : 0 .. SLOTS - 1) { CLAIM(r, k) = 0 }
        lock[r] = UNLOCKED;
        cursor = 0; epoch = 0; taken = 0; seen = 0; k = 0; mine = 0; first = 0
    :: break
    od;
    done++
}
#if WRITER_DEATHS > 0
active proctype Killer() {
    do
    :: atomic { writer_deaths > 0 && !writer_dying && writer_lock && !over -> writer_deaths--; writer_dying = true; writer_lock = false }
    :: break
    od
}
#endif
init { RUN_READERS }
