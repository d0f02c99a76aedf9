/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* names.pml: NAME and NAME.ctl, and the lock byte 0 of both files. Writers create, take over, adopt,
 * supersede themselves and close; each may be killed at any step, so that half a pair of names is
 * left. A segment is a pair of files; each name leads to a file of one segment.
 *
 *   I1  who serves has both names, its files' locks, and a segment that is not marked  (served)
 *   -   a name is taken from nobody who lives                                  (put_ctl, put_frames)
 *   -   when all are gone but one, that one gets the name                      (refuse)
 *
 * One rule less: NO_SECOND_LOOK UNLOCK_FIRST UNLINK_LATE ADOPT_ANY ADOPT_HALF */
#ifndef STARTS /* how often each of the two writers starts */
#define STARTS 2
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#define SEGMENTS 8
byte frames_name, ctl_name; /* 0: there is none */
byte frames_lock[SEGMENTS], ctl_lock[SEGMENTS]; /* holder + 1 */
bool superseded[SEGMENTS], closed[SEGMENTS];
/* For the proof alone. */
byte next_segment = 1, deaths = DEATHS;
bool dying[2], running[2];

#define lives(lock) (lock != 0 && lock != w + 1)
#define served (frames_name == mine && ctl_name == mine && !superseded[mine] && !closed[mine] && ctl_lock[mine] == w + 1 && frames_lock[mine] == w + 1)

inline create(it) { d_step { it = next_segment; next_segment++; frames_lock[it] = w + 1; ctl_lock[it] = w + 1 } }
inline put_ctl(it) { atomic { assert(ctl_name == 0 || !lives(ctl_lock[ctl_name])); ctl_name = it } }
inline put_frames(it) { atomic { assert(frames_name == 0 || !lives(frames_lock[frames_name])); frames_name = it } }
/* We have the name .ctl. Who has NAME may be a living writer whose .ctl is gone: never here. */
inline replace_frames() {
    if
    :: atomic { frames_name == 0 -> frames_name = mine } /* link() */
    :: atomic { else -> there = frames_name };
        put_frames(mine);
        superseded[there] = true;
        there = 0
    fi
}
inline take_over() {
    there = ctl_name;
    if
    :: there == 0 -> goto again
    :: else
    fi;
    if
    :: atomic { ctl_lock[there] == 0 -> ctl_lock[there] = w + 1 }
    :: atomic { else -> assert(running[1 - w]) }; there = 0; goto refused /* in use */
    fi;
    old = there;
    there = 0;
#ifndef NO_SECOND_LOOK
    if
    :: ctl_name == old
    :: else -> ctl_lock[old] = 0; old = 0; goto again
    fi;
#endif
#ifdef UNLOCK_FIRST
    ctl_lock[old] = 0;
#endif
    put_ctl(mine);
    replace_frames();
#ifndef UNLOCK_FIRST
    ctl_lock[old] = 0;
#endif
    old = 0
}
/* Opens both, locks .ctl, then looks at both names again. */
inline adopt() {
    old = frames_name;
    there = ctl_name;
    if
    :: old != 0 && there != 0 ->
        if
        :: atomic { ctl_lock[there] == 0 -> ctl_lock[there] = w + 1 };
            if
#if defined(ADOPT_ANY)
            :: frames_name == old && ctl_name == there && old == there ->
#elif defined(ADOPT_HALF)
            :: frames_name == old && ctl_name == there && !superseded[old] && !closed[old] ->
#elif defined(NO_SECOND_LOOK)
            :: old == there && !superseded[old] && !closed[old] ->
#else
            :: frames_name == old && ctl_name == there && old == there && !superseded[old] && !closed[old] ->
#endif
                mine = there; frames_lock[mine] = w + 1
            :: else -> ctl_lock[there] = 0
            fi
        :: atomic { else -> skip }
        fi
    :: else
    fi;
    old = 0; there = 0
}
/* Its own names: nobody else may take them. A killed one leaves .ctl new and NAME old. */
inline supersede() {
    create(next);
    put_ctl(next);
    put_frames(next);
    superseded[mine] = true;
    d_step { old = mine; mine = next; next = 0 };
    assert(served);
    ctl_lock[old] = 0;
    frames_lock[old] = 0;
    old = 0
}
inline close() {
    closed[mine] = true;
#ifdef UNLINK_LATE
    ctl_lock[mine] = 0;
    frames_lock[mine] = 0;
#endif
    if :: atomic { frames_name == mine -> frames_name = 0 } :: else fi;
#ifdef UNLINK_LATE
    atomic { assert(ctl_name == mine || ctl_name == 0); ctl_name = 0 }
#else
    if :: atomic { ctl_name == mine -> ctl_name = 0 } :: else fi;
    ctl_lock[mine] = 0;
    frames_lock[mine] = 0
#endif
}
proctype Writer(byte w) {
    byte mine, next, old, there, starts;
    do
    :: starts < STARTS && next_segment < SEGMENTS - 2 ->
        starts++;
        {
            running[w] = true;
            adopt();
            if :: mine != 0 -> goto serve :: else fi;
            create(mine);
again:
            if
            :: atomic { ctl_name == 0 -> ctl_name = mine }; replace_frames() /* link() */
            :: atomic { else -> skip }; take_over()
            fi;
serve:
            assert(served);
            if
            :: next_segment < SEGMENTS - 1 -> supersede()
            :: skip
            fi;
            assert(served);
            close();
            goto out;
refused:
            ctl_lock[mine] = 0;
            frames_lock[mine] = 0;
out:
            mine = 0;
            running[w] = false
        } unless { dying[w] -> d_step { dying[w] = false; mine = 0; old = 0; next = 0; there = 0; running[w] = false } }
    :: break
    od
}
inline kill(it) {
    deaths--;
    dying[it] = true;
    for (k : 0 .. SEGMENTS - 1) {
        if :: ctl_lock[k] == it + 1 -> ctl_lock[k] = 0 :: else fi;
        if :: frames_lock[k] == it + 1 -> frames_lock[k] = 0 :: else fi
    }
    k = 0
}
active proctype Killer() {
    byte k;
    do
    :: atomic { deaths > 0 && running[0] && !dying[0] -> kill(0) }
    :: atomic { deaths > 0 && running[1] && !dying[1] -> kill(1) }
    :: break
    od
}
init { atomic { run Writer(0); run Writer(1) } }
