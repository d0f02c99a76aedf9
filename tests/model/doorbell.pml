/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doorbell.pml: the writer sleeps for one slot that all readers have a claim on. Readers take and
 * release, leave, or die; a loan comes back unpublished; the wait is interrupted.
 *
 *   I8  the wait ends with the claims, at once with an interrupt; a sleep that only the time-out of
 *       its slice can end is allowed only if somebody died              (timeout, deadlock)
 *
 * One rule less: WAITING_AFTER VALUE_LATE NO_RECHECK RING_FIRST FLAG_FIRST
 * LEAVE_SILENT INTERRUPT_SILENT LOAN_SILENT */
#ifndef PORTS
#define PORTS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#define NOTHING 0
#define IS_OFFERED 1
#define IS_TAKEN 2
byte claim[PORTS], bell, deaths = DEATHS, dead;
bool attached[PORTS], locked[PORTS], dying[PORTS], waiting, asleep, on_loan, interrupted, over;

/* One load a step. What a port that left was still offered is taken back. */
inline look() {
    found = true;
    for (r : 0 .. PORTS - 1) {
        if
        :: claim[r] != NOTHING ->
            if :: !attached[r] -> atomic { if :: claim[r] == IS_OFFERED -> claim[r] = NOTHING :: else fi } :: else fi;
            if :: claim[r] != NOTHING -> found = false :: else fi
        :: else
        fi
    }
    r = 0;
    if :: on_loan -> found = false :: else fi
}
inline bury_all() {
    for (r : 0 .. PORTS - 1) { if :: !locked[r] && (attached[r] || claim[r] != NOTHING) -> claim[r] = NOTHING; attached[r] = false :: else fi }
    r = 0
}
/* Add, then load the flag, then wake. */
inline ring() { atomic { bell = (bell + 1) % 64 }; if :: waiting -> asleep = false :: else fi }
active proctype Writer() {
    byte r, value, rounds;
    bool found;
    do
    :: rounds < ROUNDS ->
        rounds++;
        for (r : 0 .. PORTS - 1) { if :: attached[r] -> claim[r] = IS_OFFERED :: else fi }
        r = 0;
#ifdef LENDS
        on_loan = true;
#endif
again:
        look();
        if :: found || interrupted -> goto done :: else fi;
#if defined(WAITING_AFTER)
        value = bell; bury_all(); look();
#elif defined(VALUE_LATE)
        waiting = true; bury_all(); look(); value = bell;
#elif defined(NO_RECHECK)
        waiting = true; value = bell; bury_all(); found = false;
#else
        waiting = true; value = bell; bury_all(); look();
#endif
#ifndef NO_RECHECK
        if :: found || interrupted -> goto done :: else fi;
#endif
        atomic { if :: bell == value -> asleep = true :: else fi };
#ifdef WAITING_AFTER
        waiting = true;
#endif
        if
        :: !asleep
        :: timeout -> assert(dead > 0 && !interrupted); asleep = false
        fi;
        waiting = false;
        goto again;
done:
        waiting = false;
        if :: interrupted -> break :: else fi
    :: else -> break
    od;
    over = true
}
#ifdef HOARDS /* reader 0 never takes: only the interrupt ends the wait */
#define takes (r != 0)
#else
#define takes true
#endif
proctype Reader(byte r) {
    bool leaves;
    if :: leaves = true :: leaves = false fi;
    {
        locked[r] = true;
        claim[r] = NOTHING;
        attached[r] = true;
        do
        :: takes && claim[r] == IS_OFFERED ->
            atomic { if :: claim[r] == IS_OFFERED -> claim[r] = IS_TAKEN :: else fi };
            if
            :: claim[r] == IS_TAKEN ->
#if defined(RING_FIRST)
                atomic { bell = (bell + 1) % 64 }; if :: waiting -> asleep = false :: else fi; claim[r] = NOTHING
#elif defined(FLAG_FIRST)
                if
                :: waiting -> claim[r] = NOTHING; bell = (bell + 1) % 64; asleep = false
                :: else -> claim[r] = NOTHING; bell = (bell + 1) % 64
                fi
#else
                claim[r] = NOTHING; ring()
#endif
            :: else
            fi
        :: leaves && attached[r] && claim[r] != IS_TAKEN ->
            attached[r] = false;
            claim[r] = NOTHING;
            locked[r] = false;
#ifndef LEAVE_SILENT
            ring();
#endif
            break
        :: over -> locked[r] = false; break
        od
    } unless { dying[r] }
}
#if DEATHS > 0
active proctype Killer() {
    do
    :: atomic { deaths > 0 && locked[0] && !dying[0] -> deaths--; dead++; dying[0] = true; locked[0] = false }
#if PORTS == 2
    :: atomic { deaths > 0 && locked[1] && !dying[1] -> deaths--; dead++; dying[1] = true; locked[1] = false }
#endif
    :: break
    od
}
#endif
#ifdef LENDS
active proctype Upstream() {
    do
    :: on_loan ->
        on_loan = false;
#ifndef LOAN_SILENT
        ring()
#endif
    :: over -> break
    od
}
#endif
#ifdef INTERRUPTS
active proctype Interrupter() {
    interrupted = true;
#ifndef INTERRUPT_SILENT
    ring()
#endif
}
#endif
init {
    atomic {
        run Reader(0);
#if PORTS == 2
        run Reader(1)
#endif
    }
}
