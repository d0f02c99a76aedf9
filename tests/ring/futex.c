/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "futex.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "support.h"

static _Atomic uint32_t word, interrupt, asleep;

static void *wait_long(void *result) {
    atomic_store(&asleep, 1);
    *(int *)result = futex_wait(&word, UINT32_MAX, &interrupt, LONG);
    return NULL;
}

/* Starts a thread that waits for WORD to change from its last value before the wrap. */
static pthread_t start_waiting(int *result) {
    pthread_t thread;
    atomic_store(&word, UINT32_MAX);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_long, result), 0);
    while (!atomic_load(&asleep))
        sched_yield();
    return thread;
}

START_TEST(a_changed_word_does_not_wait) {
    atomic_store(&word, 1);
    ck_assert_int_eq(futex_wait(&word, 0, &interrupt, LONG), 0);
}
END_TEST

START_TEST(a_raised_interrupt_does_not_wait) {
    futex_interrupt(&interrupt, 1);
    ck_assert_int_eq(futex_wait(&word, 0, &interrupt, LONG), 0);
}
END_TEST

START_TEST(a_wait_ends_with_its_time) {
    int64_t start = monotonic_ns();
    while (monotonic_ns() - start < 3000000)
        ck_assert_int_eq(futex_wait(&word, 0, &interrupt, 1000000), 0);
}
END_TEST

START_TEST(a_change_wakes_also_at_the_wrap) {
    int result = 1;
    pthread_t thread = start_waiting(&result);
    atomic_fetch_add(&word, 1);
    ck_assert_uint_eq(atomic_load(&word), 0);
    futex_wake_all(&word);
    pthread_join(thread, NULL);
    ck_assert_int_eq(result, 0);
}
END_TEST

START_TEST(an_interrupt_wakes) {
    int result = 1;
    pthread_t thread = start_waiting(&result);
    futex_interrupt(&interrupt, 1);
    pthread_join(thread, NULL);
    ck_assert_int_eq(result, 0);
    ck_assert_uint_eq(atomic_load(&word), UINT32_MAX);
}
END_TEST

START_TEST(a_signal_handler_ends_a_wait) {
    timer_t timer = start_signals();
    ck_assert_int_eq(futex_wait(&word, 0, &interrupt, LONG), -EINTR);
    timer_delete(timer);
}
END_TEST

/* ---- Without futex_waitv(2): an old kernel, or a container's filter ---- */

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449 /* headers before 5.16 */
#endif

static bool forbid_futex_waitv(int error_number) {
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex_waitv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error_number),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = COUNT(rules), .filter = rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void *wake_when_asleep(void *woken) {
    while (!atomic_load(&asleep))
        sched_yield();
    atomic_fetch_add(&word, 1);
    futex_wake_all(&word);
    return woken;
}

static int wait_without_waitv(struct child *test, const char *error_name) {
    pthread_t waker;
    CHILD_ASSERT(forbid_futex_waitv(strcmp(error_name, "EPERM") == 0 ? EPERM : ENOSYS));
    atomic_store(&word, UINT32_MAX);
    CHILD_ASSERT(futex_wait(&word, 0, &interrupt, LONG) == 0); /* changed already */
    CHILD_ASSERT(pthread_create(&waker, NULL, wake_when_asleep, NULL) == 0);
    atomic_store(&asleep, 1);
    while (atomic_load(&word) == UINT32_MAX) /* it may return early: the caller looks again */
        CHILD_ASSERT(futex_wait(&word, UINT32_MAX, &interrupt, LONG) == 0);
    pthread_join(waker, NULL);
    start_signals();
    int result = 0;
    while (result == 0)
        result = futex_wait(&word, 0, &interrupt, LONG);
    return result != -EINTR;
}

static const char *const refusals[] = {"ENOSYS", "EPERM"};

START_TEST(an_old_kernel) {
    struct child child = start_child(wait_without_waitv, refusals[_i]);
    ck_assert_int_eq(end_child(&child), 0);
}
END_TEST

START_TEST(deadlines) {
    ck_assert_int_eq(deadline_after(SHMRING_FOREVER), INT64_MAX);
    ck_assert_int_eq(deadline_after(INT64_MAX), INT64_MAX);
    ck_assert_int_eq(deadline_left(INT64_MAX, 5), 5);
    ck_assert_int_eq(deadline_left(deadline_after(0), 5), 0);
    ck_assert_int_eq(deadline_left(monotonic_ns() - 1, 5), 0);
    ck_assert_int_eq(deadline_left(deadline_after(LONG), 5), 5);
    int64_t left = deadline_left(deadline_after(LONG), 2 * LONG);
    ck_assert(left > 0 && left <= LONG);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("futex");
    tcase_add_test(tests, a_changed_word_does_not_wait);
    tcase_add_test(tests, a_raised_interrupt_does_not_wait);
    tcase_add_test(tests, a_wait_ends_with_its_time);
    tcase_add_test(tests, a_change_wakes_also_at_the_wrap);
    tcase_add_test(tests, an_interrupt_wakes);
    tcase_add_test(tests, a_signal_handler_ends_a_wait);
    tcase_add_loop_test(tests, an_old_kernel, 0, COUNT(refusals));
    tcase_add_test(tests, deadlines);
    return run_tests(tests);
}
