/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words that the models share. SLOTS is 2, 3 or 4 and PORTS 1 or 2, as the model sets them.
 * In all models: what stands outside atomic and d_step is one access to memory a step, so that
 * anything of the other processes may come between two of them. spin is sequentially consistent:
 * memory orders are not checked, but argued in docs/model.md. */
#define NONE 255

/* A claim: nothing, or what is done with a frame of which number. */
#define OFFERED(number) (3 * (number) + 3)
#define TAKEN(number) (3 * (number) + 4)
#define COPYING(number) (3 * (number) + 5)
#define is_offered(word) ((word) > 0 && (word) % 3 == 0)
#define is_copying(word) ((word) > 0 && (word) % 3 == 2)
#define is_untaken(word) (is_offered(word) || is_copying(word)) /* the writer may take it back */
#define number_of(word) (((word) - 3) / 3)
#define CLAIM(port, slot) claim[(port) * SLOTS + (slot)]

/* What a port's attach word says. */
#define FREE 0
#define ATTACHED 1
#define LEAVING 2

/* Who holds a port's lock byte. */
#define UNLOCKED 0
#define BY_WRITER 1
#define BY_READER 2

/* How a reader reads. */
#define LOSSLESS 1
#define LATEST 2
#define EITHER 3

#if SLOTS == 2
#define ANY_SLOT(test, port) (test(port, 0) || test(port, 1))
#define ANY_FREE (is_free(0) || is_free(1))
#define CHOOSE_FREE :: is_free(0) -> slot = 0 :: is_free(1) -> slot = 1
#elif SLOTS == 3
#define ANY_SLOT(test, port) (test(port, 0) || test(port, 1) || test(port, 2))
#define ANY_FREE (is_free(0) || is_free(1) || is_free(2))
#define CHOOSE_FREE :: is_free(0) -> slot = 0 :: is_free(1) -> slot = 1 :: is_free(2) -> slot = 2
#else
#define ANY_SLOT(test, port) (test(port, 0) || test(port, 1) || test(port, 2) || test(port, 3))
#define ANY_FREE (is_free(0) || is_free(1) || is_free(2) || is_free(3))
#define CHOOSE_FREE :: is_free(0) -> slot = 0 :: is_free(1) -> slot = 1 :: is_free(2) -> slot = 2 :: is_free(3) -> slot = 3
#endif

#if PORTS == 1
#define ANY_PORT(test) (test(0))
#define RUN_READERS atomic { run Reader(0) }
#else
#define ANY_PORT(test) (test(0) || test(1))
#define RUN_READERS atomic { run Reader(0); run Reader(1) }
#endif

#define claimed(port, slot) (CLAIM(port, slot) != 0)
#define unclaimed_by(port, slot) (CLAIM(port, slot) == 0)
#define offered_at(port, slot) is_offered(CLAIM(port, slot))
#define untaken_at(port, slot) is_untaken(CLAIM(port, slot))
#if PORTS == 1
#define unclaimed(slot) (CLAIM(0, slot) == 0)
#else
#define unclaimed(slot) (CLAIM(0, slot) == 0 && CLAIM(1, slot) == 0)
#endif
