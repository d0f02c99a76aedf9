/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reader-sleep.pml: a reader sleeps on the event word; the writer publishes, then ends or dies.
 *
 *   I5  the reader has every frame when it sees the end, or that the writer is gone
 *   -   only a writer's death may be noticed by the slice's time-out   (timeout)
 *
 * One rule less: NO_EVENT EVENT_LATE STATE_FIRST HEAD_LAST */
#ifndef FRAMES
#define FRAMES 3
#endif
byte head, event;
bool ended, writer_lock = true, asleep;

active proctype Writer() {
    do
    :: head < FRAMES -> head++; event++; asleep = false
    :: head == FRAMES -> break
#ifdef DIES
    :: goto dies
#endif
    od;
    ended = true;
#ifndef NO_EVENT
    event++;
#endif
    asleep = false;
dies:
    writer_lock = false
}
inline sleep() {
#ifdef EVENT_LATE
    seen = event;
#endif
    atomic { if :: event == seen -> asleep = true :: else fi };
    if
    :: !asleep
    :: timeout -> assert(!ended); asleep = false
    fi
}
/* The look after 100 ms without a frame: the lock first, then the state, then head. */
inline is_writer_there() {
#ifdef STATE_FIRST
    over = ended;
    locked = writer_lock;
#else
    locked = writer_lock;
    over = ended;
#endif
    if
    :: !locked && !over ->
#ifdef DIES
        if :: cursor < head :: else -> assert(cursor == head); break fi
#else
        assert(false) /* a clean end taken for a death */
#endif
    :: else
    fi
}
active proctype Reader() {
    byte cursor, seen;
    bool locked, over;
    do
    :: true ->
        seen = event;
        if
        :: cursor < head -> cursor++
        :: else ->
            if
            :: ended ->
#ifdef HEAD_LAST
                assert(cursor == FRAMES); break
#else
                if :: cursor < head :: else -> assert(cursor == FRAMES); break fi
#endif
            :: else -> if :: sleep() :: is_writer_there() fi
            fi
        fi
    od
}
