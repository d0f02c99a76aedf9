/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hand_distributor.h"

/* ---- Looking ---- */

START_TEST(a_new_epoch_is_answered_once) {
    struct distributor *d = new_distributor(4, 10);
    struct layout_answer *answer = &d->seg->header->answer[2];
    *claim_of(d, 2, 3) = 77; /* a predecessor's, or nonsense */
    answer->flushed = answer->withdrawn = answer->banned = 5;
    set_attach(d, 2, 1, SHMRING_MODE_ALL, 1, PORT_ATTACHED);
    ports_look(d);
    ck_assert_uint_eq(answer->epoch, 1);
    ck_assert_uint_eq(answer->first, 10);
    ck_assert_uint_eq(answer->end, LAYOUT_NO_END);
    ck_assert_uint_eq(answer->stream, 1);
    ck_assert_uint_eq(answer->flushed | answer->withdrawn | answer->banned, 0);
    ck_assert_uint_eq(*claim_of(d, 2, 3), 0);
    *claim_of(d, 2, 3) = 77;
    d->seg->header->head = 11;
    ports_look(d);
    ck_assert_uint_eq(answer->first, 10);
    ck_assert_uint_eq(*claim_of(d, 2, 3), 77);
    set_attach(d, 2, 2, SHMRING_MODE_ALL, 1, PORT_ATTACHED);
    d->seg->header->head = 12;
    ports_look(d);
    ck_assert_uint_eq(answer->epoch, 2);
    ck_assert_uint_eq(answer->first, 12);
    free_distributor(d);
}
END_TEST

START_TEST(who_leaves_is_not_answered) {
    struct distributor *d = new_distributor(4, 1);
    set_attach(d, 0, 1, SHMRING_MODE_ALL, 1, PORT_LEAVING);
    ports_look(d);
    ck_assert_uint_eq(d->seg->header->answer[0].epoch, 0);
    ck_assert_uint_eq(ports_attached(d), 0);
    free_distributor(d);
}
END_TEST

/* Only a lossless one with a frame that it did not take. */
START_TEST(who_is_waited_for) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_LATEST, 1);
    join(d, 3, SHMRING_MODE_ALL, 1);
    ck_assert_uint_eq(ports_attached(d), 2);
    ck_assert(!port_reads(d, 0) && port_reads(d, 3) && !port_reads(d, 1));
    ck_assert(!port_is_waited_for(d, 3));
    publish_next(d);
    ck_assert(!port_is_waited_for(d, 0) && port_is_waited_for(d, 3));
    *claim_of(d, 3, 0) = claim_copying(1); /* it could be taken back */
    ports_look(d);
    ck_assert(port_is_waited_for(d, 3));
    *claim_of(d, 3, 0) = 0;
    publish_next(d);
    *claim_of(d, 3, 1) = claim_taken(2); /* its lease */
    ports_look(d);
    ck_assert(!port_is_waited_for(d, 3));
    free_distributor(d);
}
END_TEST

/* Each look at a claim that went on is progress, and no step back is. */
START_TEST(progress_is_what_claims_say) {
    struct distributor *d = new_distributor(4, 1);
    struct port *p = &d->port[0];
    join(d, 0, SHMRING_MODE_ALL, 1);
    publish_next(d);
    p->waited_ns = 7;
    p->stuck = true;
    ports_look(d);
    ck_assert(p->stuck && p->waited_ns == 7);
    *claim_of(d, 0, 0) = claim_taken(1);
    ports_look(d);
    ck_assert(!p->stuck && p->waited_ns == 0);
    p->stuck = true;
    *claim_of(d, 0, 0) = 0;
    ports_look(d);
    ck_assert(!p->stuck);
    free_distributor(d);
}
END_TEST

/* ---- Claims ---- */

START_TEST(claims_that_can_be) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 1, SHMRING_MODE_ALL, 1);
    publish_next(d);
    ck_assert_uint_eq(port_claim(d, 1, 0), CLAIM_OFFERED);
    *claim_of(d, 1, 0) = claim_taken(1);
    ck_assert_uint_eq(port_claim(d, 1, 0), CLAIM_TAKEN);
    *claim_of(d, 1, 0) = 0;
    ck_assert_uint_eq(port_claim(d, 1, 0), 0);
    publish_next(d);
    *claim_of(d, 1, 1) = claim_copying(2);
    ck_assert_uint_eq(port_claim(d, 1, 1), CLAIM_COPYING);
    *claim_of(d, 1, 1) = 0;
    ck_assert_uint_eq(port_claim(d, 1, 1), 0);
    publish_next(d);
    *claim_of(d, 1, 2) = 0; /* refused, or taken and back between two looks */
    ck_assert_uint_eq(port_claim(d, 1, 2), 0);
    ck_assert_uint_eq(d->bad_claims, 0);
    free_distributor(d);
}
END_TEST

/* Against slot 0, which carries frame 2^32 + 1. */
static const uint64_t nonsense[] = {
    1,                            /* an offer of frame 0 */
    0x20001,                      /* of another frame */
    0x10001,                      /* of the frame 2^32 before */
    UINT64_C(0x1000000010000),    /* of no kind */
    UINT64_C(0x1000000010004),    /* of a kind that is none */
    UINT64_C(0x1000000020002),    /* the next frame, taken */
    UINT64_C(0x8001000000010001), /* a bit too many */
    UINT64_MAX,
};

START_TEST(nonsense_costs_the_port) {
    struct distributor *d = new_distributor(4, (UINT64_C(1) << 32) + 1);
    join(d, 1, SHMRING_MODE_ALL, 1);
    join(d, 2, SHMRING_MODE_ALL, 1);
    ck_assert_uint_eq(publish_next(d), 0);
    *claim_of(d, 1, 0) = nonsense[_i];
    ck_assert_uint_eq(port_claim(d, 1, 0), 0);
    ck_assert_uint_eq(port_claim(d, 1, 0), 0);
    ck_assert_uint_eq(d->bad_claims, 1);
    ck_assert_uint_eq(d->seg->header->answer[1].banned, 1); /* it hears of it */
    ck_assert_uint_eq(d->seg->header->answer[2].banned, 0);
    ck_assert_uint_eq(ports_attached(d), 1);
    ck_assert_uint_eq(port_claim(d, 2, 0), CLAIM_OFFERED); /* the neighbour */
    *claim_of(d, 2, 0) = 0;
    ck_assert_uint_eq(port_claim(d, 2, 0), 0);
    ck_assert(!port_is_waited_for(d, 1));
    publish_next(d);
    ck_assert_uint_eq(*claim_of(d, 1, 1), 0); /* it is offered nothing more */
    ck_assert_uint_eq(*claim_of(d, 2, 1), claim_offered((UINT64_C(1) << 32) + 2));
    free_distributor(d);
}
END_TEST

START_TEST(the_next_reader_of_a_banned_port_is_welcome) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_ALL, 1);
    publish_next(d);
    *claim_of(d, 0, 0) = UINT64_MAX;
    port_claim(d, 0, 0);
    ck_assert_uint_eq(ports_attached(d), 0);
    join(d, 0, SHMRING_MODE_ALL, 1);
    ck_assert_uint_eq(ports_attached(d), 1);
    ck_assert_uint_eq(*claim_of(d, 0, 0), 0);
    publish_next(d);
    ck_assert_uint_eq(port_claim(d, 0, 1), CLAIM_OFFERED);
    free_distributor(d);
}
END_TEST

/* Between TAKEN and COPYING there is no way, and none back. */
START_TEST(claims_only_go_on) {
    static const enum layout_claim was[] = {CLAIM_TAKEN, CLAIM_COPYING, CLAIM_TAKEN, CLAIM_COPYING};
    static const enum layout_claim is[] = {CLAIM_OFFERED, CLAIM_OFFERED, CLAIM_COPYING,
                                           CLAIM_TAKEN};
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_ALL, 1);
    publish_next(d);
    *claim_of(d, 0, 0) = claim_word(1, was[_i]);
    ck_assert_uint_eq(port_claim(d, 0, 0), was[_i]);
    ck_assert_uint_eq(d->bad_claims, 0);
    *claim_of(d, 0, 0) = claim_word(1, is[_i]);
    ck_assert_uint_eq(port_claim(d, 0, 0), 0);
    ck_assert_uint_eq(d->bad_claims, 1);
    free_distributor(d);
}
END_TEST

/* Nor may a claim come back that was given up. */
START_TEST(what_was_given_back_cannot_be_claimed_again) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_ALL, 1);
    publish_next(d);
    *claim_of(d, 0, 0) = 0;
    ck_assert_uint_eq(port_claim(d, 0, 0), 0);
    *claim_of(d, 0, 0) = claim_taken(1);
    ck_assert_uint_eq(port_claim(d, 0, 0), 0); /* counts for nothing */
    ck_assert_uint_ne(distributor_find_free(d), NO_SLOT);
    free_distributor(d);
}
END_TEST

/* Two identical looks: one may count a frame that was given back meanwhile. */
START_TEST(more_than_the_lease_costs_the_port) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_ALL, 1); /* a lease of 1 */
    publish_next(d);
    publish_next(d);
    *claim_of(d, 0, 0) = claim_taken(1);
    *claim_of(d, 0, 1) = claim_taken(2);
    ports_look(d);
    ck_assert_uint_eq(d->bad_claims, 0);
    *claim_of(d, 0, 0) = 0;
    ports_look(d);
    ports_look(d);
    ck_assert_uint_eq(d->bad_claims, 0);
    publish_next(d);
    *claim_of(d, 0, 2) = claim_taken(3);
    ports_look(d);
    ports_look(d);
    ck_assert_uint_eq(d->bad_claims, 1);
    ck_assert_uint_eq(ports_attached(d), 0);
    free_distributor(d);
}
END_TEST

/* A mode that is none would be neither waited for nor revoked: its offers would never end. */
START_TEST(a_mode_that_is_none_costs_the_port) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, 2, 1);
    ck_assert_uint_eq(ports_attached(d), 0);
    ck_assert_uint_eq(d->bad_claims, 1);
    ports_look(d);
    ck_assert_uint_eq(d->bad_claims, 1);
    publish_next(d);
    ck_assert_uint_eq(*claim_of(d, 0, 0), 0);
    join(d, 1, SHMRING_MODE_ALL, 1); /* or that turns into none later */
    set_attach(d, 1, 1, 0xff, 1, PORT_ATTACHED);
    ports_look(d);
    ck_assert_uint_eq(ports_attached(d), 0);
    ck_assert_uint_eq(d->bad_claims, 2);
    free_distributor(d);
}
END_TEST

/* An offer that was on its way when the reader left. */
START_TEST(an_offer_to_who_left_is_withdrawn) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_ALL, 1);
    publish_next(d);
    publish_next(d);
    *claim_of(d, 0, 1) = claim_taken(2);
    set_attach(d, 0, 1, SHMRING_MODE_ALL, 1, PORT_LEAVING);
    ports_look(d);
    ck_assert_uint_eq(port_claim(d, 0, 0), 0);
    ck_assert_uint_eq(*claim_of(d, 0, 0), 0);
    ck_assert_uint_eq(port_claim(d, 0, 1), CLAIM_TAKEN); /* still held */
    free_distributor(d);
}
END_TEST

START_TEST(offers_and_copies_are_revoked) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_LATEST, 9);
    for (int i = 0; i < 3; i++)
        publish_next(d);
    *claim_of(d, 0, 1) = claim_taken(2); /* faster than the writer */
    *claim_of(d, 0, 2) = claim_copying(3);
    ports_look(d);
    publish_next(d);
    ck_assert(port_revoke(d, 0, 0));
    ck_assert_uint_eq(*claim_of(d, 0, 0), 0);
    ck_assert(port_revoke(d, 0, 2));
    ck_assert_uint_eq(*claim_of(d, 0, 2), 0);
    *claim_of(d, 0, 3) = claim_copying(4); /* faster */
    ck_assert(!port_revoke(d, 0, 3));
    ck_assert_uint_eq(*claim_of(d, 0, 3), claim_copying(4));
    ck_assert(port_revoke(d, 0, 3)); /* now it is known */
    ck_assert_uint_eq(d->bad_claims, 0);
    free_distributor(d);
}
END_TEST

/* ---- Probing ---- */

START_TEST(the_dead_are_found_by_their_locks) {
    struct distributor *d = new_distributor(4, 1);
    int alive = lock_alive(d, 0), dead = lock_alive(d, 1);
    join(d, 0, SHMRING_MODE_ALL, 1);
    join(d, 1, SHMRING_MODE_ALL, 1);
    publish_next(d);
    *claim_of(d, 1, 0) = claim_taken(1);
    ck_assert(!ports_probe(d));
    close(dead);
    ck_assert(ports_probe(d));
    ck_assert_uint_eq(d->dead_readers, 1);
    ck_assert_uint_eq(ports_attached(d), 1);
    ck_assert_uint_eq(*claim_of(d, 1, 0), 0);
    ck_assert_uint_eq(*claim_of(d, 0, 0), claim_offered(1));
    ck_assert_uint_eq(d->seg->ctl->port[1].attach, attach_word(1, 0, 0, PORT_FREE));
    ck_assert(!ports_probe(d));
    close(lock_alive(d, 1)); /* the probe does not keep it */
    close(alive);
    free_distributor(d);
}
END_TEST

START_TEST(who_died_leaving_is_found_too) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_LATEST, 1);
    publish_next(d);
    *claim_of(d, 0, 0) = claim_taken(1);
    set_attach(d, 0, 1, SHMRING_MODE_LATEST, 1, PORT_LEAVING);
    ports_look(d);
    ck_assert(ports_probe(d));
    ck_assert_uint_eq(*claim_of(d, 0, 0), 0);
    free_distributor(d);
}
END_TEST

START_TEST(who_left_in_order_is_not_dead) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_ALL, 1);
    set_attach(d, 0, 1, SHMRING_MODE_ALL, 1, PORT_FREE);
    ck_assert(!ports_probe(d)); /* also where the writer did not look yet */
    ports_look(d);
    ck_assert(!ports_probe(d));
    ck_assert_uint_eq(d->dead_readers, 0);
    free_distributor(d);
}
END_TEST

/* Nobody has the port: what stands there keeps no slot from the writer. */
START_TEST(a_claim_left_at_a_free_port_counts_for_nothing) {
    struct distributor *d = new_distributor(4, 1);
    publish_next(d);
    for (uint32_t slot = 0; slot < 4; slot++)
        *claim_of(d, 3, slot) = claim_taken(1);
    ports_look(d);
    ck_assert_uint_eq(port_claim(d, 3, 0), 0);
    ck_assert_uint_ne(distributor_find_free(d), NO_SLOT);
    ck_assert(!ports_probe(d));
    ck_assert_uint_eq(d->dead_readers | d->bad_claims, 0);
    free_distributor(d);
}
END_TEST

/* It says that it left while it holds frames that it never gave back. */
START_TEST(who_frees_its_port_without_its_frames_loses_them) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_ALL, 1);
    publish_next(d);
    *claim_of(d, 0, 0) = claim_taken(1);
    set_attach(d, 0, 1, SHMRING_MODE_ALL, 1, PORT_FREE);
    ports_look(d);
    ck_assert(ports_probe(d));
    ck_assert_uint_eq(*claim_of(d, 0, 0), 0);
    ck_assert_uint_eq(d->dead_readers, 0);
    free_distributor(d);
}
END_TEST

/* ---- Describing ---- */

START_TEST(what_the_writer_knows_of_a_reader) {
    struct distributor *d = new_distributor(4, 1);
    struct layout_port *port = &d->seg->ctl->port[2];
    struct shmring_reader_info info;
    join(d, 2, SHMRING_MODE_LATEST, 3);
    for (int i = 0; i < 3; i++)
        publish_next(d);
    *claim_of(d, 2, 0) = claim_taken(1);
    port->cursor = 2;
    port->received = 1;
    port->lease = 5;
    port->pid = 812;
    memset(port->process, 'x', sizeof port->process);
    d->port[2].withdrawn = 9;
    d->port[2].waited_ns = 11;
    d->port[2].stuck = true;
    ports_describe(d, 2, &info);
    ck_assert_uint_eq(info.id, hand_writer.last_reader_id);
    ck_assert_uint_eq(info.port, 2);
    ck_assert_int_eq(info.mode, SHMRING_MODE_LATEST);
    ck_assert_uint_eq(info.depth, 3);
    ck_assert_uint_eq(info.lease, 5);
    ck_assert_uint_eq(info.offered, 2);
    ck_assert_uint_eq(info.held, 1);
    ck_assert_uint_eq(info.lag, 2);
    ck_assert_uint_eq(info.received, 1);
    ck_assert_uint_eq(info.withdrawn, 9);
    ck_assert_int_eq(info.waited_ns, 11);
    ck_assert(info.is_stuck && !info.is_waited_for);
    ck_assert_uint_eq(info.pid, 812);
    ck_assert_str_eq(info.process, "xxxxxxxxxxxxxxx");
    port->cursor = UINT64_MAX;
    ports_describe(d, 2, &info);
    ck_assert_uint_eq(info.lag, 0);
    free_distributor(d);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("ports");
    tcase_add_test(tests, a_new_epoch_is_answered_once);
    tcase_add_test(tests, who_leaves_is_not_answered);
    tcase_add_test(tests, who_is_waited_for);
    tcase_add_test(tests, progress_is_what_claims_say);
    tcase_add_test(tests, claims_that_can_be);
    tcase_add_loop_test(tests, nonsense_costs_the_port, 0, COUNT(nonsense));
    tcase_add_test(tests, the_next_reader_of_a_banned_port_is_welcome);
    tcase_add_test(tests, a_mode_that_is_none_costs_the_port);
    tcase_add_loop_test(tests, claims_only_go_on, 0, 4);
    tcase_add_test(tests, what_was_given_back_cannot_be_claimed_again);
    tcase_add_test(tests, more_than_the_lease_costs_the_port);
    tcase_add_test(tests, an_offer_to_who_left_is_withdrawn);
    tcase_add_test(tests, offers_and_copies_are_revoked);
    tcase_add_test(tests, the_dead_are_found_by_their_locks);
    tcase_add_test(tests, who_died_leaving_is_found_too);
    tcase_add_test(tests, who_left_in_order_is_not_dead);
    tcase_add_test(tests, a_claim_left_at_a_free_port_counts_for_nothing);
    tcase_add_test(tests, who_frees_its_port_without_its_frames_loses_them);
    tcase_add_test(tests, what_the_writer_knows_of_a_reader);
    return run_tests(tests);
}
