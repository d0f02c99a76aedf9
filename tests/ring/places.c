/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hand_store.h"

/* ---- Looking ---- */

START_TEST(a_new_epoch_is_answered_once) {
    struct store *store = new_store(4, 1);
    struct layout_answer *answer = &store->seg->header->answer[2];
    *claim_of(store, 2, 3) = 77; /* a predecessor's, or nonsense */
    answer->flushed = 5;
    set_attach(store, 2, 1, SHMRING_MODE_ALL, 1, PLACE_ATTACHED);
    places_look(store, 10);
    ck_assert_uint_eq(answer->epoch, 1);
    ck_assert_uint_eq(answer->first, 10);
    ck_assert_uint_eq(answer->flushed, 0);
    ck_assert_uint_eq(*claim_of(store, 2, 3), 0);
    *claim_of(store, 2, 3) = 77;
    places_look(store, 11);
    ck_assert_uint_eq(answer->first, 10);
    ck_assert_uint_eq(*claim_of(store, 2, 3), 77);
    set_attach(store, 2, 2, SHMRING_MODE_ALL, 1, PLACE_ATTACHED);
    places_look(store, 12);
    ck_assert_uint_eq(answer->epoch, 2);
    ck_assert_uint_eq(answer->first, 12);
    free_store(store);
}
END_TEST

START_TEST(who_leaves_is_not_answered) {
    struct store *store = new_store(4, 1);
    set_attach(store, 0, 1, SHMRING_MODE_ALL, 1, PLACE_LEAVING);
    places_look(store, 10);
    ck_assert_uint_eq(store->seg->header->answer[0].epoch, 0);
    ck_assert_uint_eq(places_attached(store), 0);
    free_store(store);
}
END_TEST

START_TEST(readers_are_counted_by_mode) {
    struct store *store = new_store(4, 1);
    ck_assert(!places_lossless_reader(store));
    sit(store, 0, SHMRING_MODE_LATEST, 1);
    ck_assert_uint_eq(places_attached(store), 1);
    ck_assert(!places_lossless_reader(store));
    sit(store, 3, SHMRING_MODE_ALL, 1);
    ck_assert_uint_eq(places_attached(store), 2);
    ck_assert(places_lossless_reader(store));
    ck_assert(!places_lossless_claim(store));
    publish_next(store);
    ck_assert(places_lossless_claim(store));
    *claim_of(store, 3, 0) = 0;
    ck_assert(!places_lossless_claim(store));
    free_store(store);
}
END_TEST

/* ---- Claims ---- */

START_TEST(claims_that_can_be) {
    struct store *store = new_store(4, 1);
    sit(store, 1, SHMRING_MODE_ALL, 1);
    publish_next(store);
    ck_assert_uint_eq(places_claim(store, 1, 0), CLAIM_OFFERED);
    *claim_of(store, 1, 0) = claim_taken(1);
    ck_assert_uint_eq(places_claim(store, 1, 0), CLAIM_TAKEN);
    *claim_of(store, 1, 0) = 0;
    ck_assert_uint_eq(places_claim(store, 1, 0), 0);
    ck_assert_uint_eq(store->bad_claims, 0);
    free_store(store);
}
END_TEST

/* Against slot 0, which carries frame 2^32 + 1. */
static const uint64_t nonsense[] = {
    1,                            /* an offer of frame 0 */
    0x20001,                      /* of another frame */
    0x10001,                      /* of the frame 2^32 before */
    UINT64_C(0x1000000010000),    /* of no kind */
    UINT64_C(0x1000000010003),    /* of a kind that is none */
    UINT64_C(0x1000000020002),    /* the next frame, taken */
    UINT64_C(0x8001000000010001), /* a bit too many */
    UINT64_MAX,
};

START_TEST(nonsense_costs_the_place) {
    struct store *store = new_store(4, (UINT64_C(1) << 32) + 1);
    sit(store, 1, SHMRING_MODE_ALL, 1);
    sit(store, 2, SHMRING_MODE_ALL, 1);
    ck_assert_uint_eq(publish_next(store), 0);
    *claim_of(store, 1, 0) = nonsense[_i];
    ck_assert_uint_eq(places_claim(store, 1, 0), 0);
    ck_assert_uint_eq(places_claim(store, 1, 0), 0);
    ck_assert_uint_eq(store->bad_claims, 1);
    ck_assert_uint_eq(places_attached(store), 1);
    ck_assert_uint_eq(places_claim(store, 2, 0), CLAIM_OFFERED); /* the neighbour */
    *claim_of(store, 2, 0) = 0;
    ck_assert(!places_lossless_claim(store));
    publish_next(store);
    ck_assert_uint_eq(*claim_of(store, 1, 1), 0); /* it is offered nothing more */
    ck_assert_uint_eq(*claim_of(store, 2, 1), claim_offered((UINT64_C(1) << 32) + 2));
    free_store(store);
}
END_TEST

START_TEST(the_next_reader_of_a_banned_place_is_welcome) {
    struct store *store = new_store(4, 1);
    sit(store, 0, SHMRING_MODE_ALL, 1);
    publish_next(store);
    *claim_of(store, 0, 0) = UINT64_MAX;
    places_claim(store, 0, 0);
    ck_assert_uint_eq(places_attached(store), 0);
    sit(store, 0, SHMRING_MODE_ALL, 1);
    ck_assert_uint_eq(places_attached(store), 1);
    ck_assert_uint_eq(*claim_of(store, 0, 0), 0);
    publish_next(store);
    ck_assert_uint_eq(places_claim(store, 0, 1), CLAIM_OFFERED);
    free_store(store);
}
END_TEST

/* A mode that is none would be neither waited for nor revoked: its offers would never end. */
START_TEST(a_mode_that_is_none_costs_the_place) {
    struct store *store = new_store(4, 1);
    sit(store, 0, 2, 1);
    ck_assert_uint_eq(places_attached(store), 0);
    ck_assert_uint_eq(store->bad_claims, 1);
    places_look(store, 1);
    ck_assert_uint_eq(store->bad_claims, 1);
    publish_next(store);
    ck_assert_uint_eq(*claim_of(store, 0, 0), 0);
    sit(store, 1, SHMRING_MODE_ALL, 1); /* or that turns into none later */
    set_attach(store, 1, 1, 0xff, 1, PLACE_ATTACHED);
    places_look(store, 2);
    ck_assert_uint_eq(places_attached(store), 0);
    ck_assert_uint_eq(store->bad_claims, 2);
    free_store(store);
}
END_TEST

/* An offer that was on its way when the reader left. */
START_TEST(an_offer_to_who_left_is_withdrawn) {
    struct store *store = new_store(4, 1);
    sit(store, 0, SHMRING_MODE_ALL, 1);
    publish_next(store);
    publish_next(store);
    *claim_of(store, 0, 1) = claim_taken(2);
    set_attach(store, 0, 1, SHMRING_MODE_ALL, 1, PLACE_LEAVING);
    places_look(store, 3);
    ck_assert_uint_eq(places_claim(store, 0, 0), 0);
    ck_assert_uint_eq(*claim_of(store, 0, 0), 0);
    ck_assert_uint_eq(places_claim(store, 0, 1), CLAIM_TAKEN); /* still held */
    free_store(store);
}
END_TEST

START_TEST(only_offers_are_revoked) {
    struct store *store = new_store(4, 1);
    sit(store, 0, SHMRING_MODE_LATEST, 9);
    publish_next(store);
    publish_next(store);
    *claim_of(store, 0, 1) = claim_taken(2);
    ck_assert(places_revoke(store, 0, 0));
    ck_assert(!places_revoke(store, 0, 0));
    ck_assert(!places_revoke(store, 0, 1));
    ck_assert_uint_eq(*claim_of(store, 0, 1), claim_taken(2));
    free_store(store);
}
END_TEST

/* ---- Probing ---- */

START_TEST(the_dead_are_found_by_their_locks) {
    struct store *store = new_store(4, 1);
    int alive = lock_seat(store, 0), dead = lock_seat(store, 1);
    sit(store, 0, SHMRING_MODE_ALL, 1);
    sit(store, 1, SHMRING_MODE_ALL, 1);
    publish_next(store);
    *claim_of(store, 1, 0) = claim_taken(1);
    ck_assert(!places_probe(store));
    close(dead);
    ck_assert(places_probe(store));
    ck_assert_uint_eq(store->dead_readers, 1);
    ck_assert_uint_eq(places_attached(store), 1);
    ck_assert_uint_eq(*claim_of(store, 1, 0), 0);
    ck_assert_uint_eq(*claim_of(store, 0, 0), claim_offered(1));
    ck_assert_uint_eq(store->seg->ctl->place[1].attach, attach_word(1, 0, 0, PLACE_FREE));
    ck_assert(!places_probe(store));
    close(lock_seat(store, 1)); /* the probe does not keep it */
    close(alive);
    free_store(store);
}
END_TEST

START_TEST(who_died_leaving_is_found_too) {
    struct store *store = new_store(4, 1);
    sit(store, 0, SHMRING_MODE_LATEST, 1);
    publish_next(store);
    *claim_of(store, 0, 0) = claim_taken(1);
    set_attach(store, 0, 1, SHMRING_MODE_LATEST, 1, PLACE_LEAVING);
    places_look(store, 2);
    ck_assert(places_probe(store));
    ck_assert_uint_eq(*claim_of(store, 0, 0), 0);
    free_store(store);
}
END_TEST

START_TEST(who_left_in_order_is_not_dead) {
    struct store *store = new_store(4, 1);
    sit(store, 0, SHMRING_MODE_ALL, 1);
    set_attach(store, 0, 1, SHMRING_MODE_ALL, 1, PLACE_FREE);
    ck_assert(!places_probe(store)); /* also where the writer did not look yet */
    places_look(store, 1);
    ck_assert(!places_probe(store));
    ck_assert_uint_eq(store->dead_readers, 0);
    free_store(store);
}
END_TEST

/* Nobody sits there, and nobody has the byte: nothing may keep the slots from the writer. */
START_TEST(a_claim_left_at_a_free_place_is_cleared) {
    struct store *store = new_store(4, 1);
    publish_next(store);
    *claim_of(store, 3, 0) = claim_taken(1);
    places_look(store, 2);
    ck_assert_uint_eq(places_claim(store, 3, 0), CLAIM_TAKEN);
    ck_assert(places_probe(store));
    ck_assert_uint_eq(*claim_of(store, 3, 0), 0);
    ck_assert_uint_eq(store->dead_readers, 0);
    free_store(store);
}
END_TEST

/* ---- Describing ---- */

START_TEST(what_the_writer_knows_of_a_reader) {
    struct store *store = new_store(4, 1);
    struct layout_place *place = &store->seg->ctl->place[2];
    struct shmring_reader_info info;
    sit(store, 2, SHMRING_MODE_LATEST, 3);
    for (int i = 0; i < 3; i++)
        publish_next(store);
    *claim_of(store, 2, 0) = claim_taken(1);
    place->cursor = 2;
    place->lease = 5;
    place->pid = 812;
    memset(place->comm, 'x', sizeof place->comm);
    places_describe(store, 2, &info);
    ck_assert_uint_eq(info.id, (UINT64_C(2) << 32) + 1);
    ck_assert_int_eq(info.mode, SHMRING_MODE_LATEST);
    ck_assert_uint_eq(info.depth, 3);
    ck_assert_uint_eq(info.lease, 5);
    ck_assert_uint_eq(info.offered, 2);
    ck_assert_uint_eq(info.held, 1);
    ck_assert_uint_eq(info.lag, 2);
    ck_assert_uint_eq(info.pid, 812);
    ck_assert_str_eq(info.comm, "xxxxxxxxxxxxxxx");
    place->cursor = UINT64_MAX;
    places_describe(store, 2, &info);
    ck_assert_uint_eq(info.lag, 0);
    free_store(store);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("places");
    tcase_add_test(tests, a_new_epoch_is_answered_once);
    tcase_add_test(tests, who_leaves_is_not_answered);
    tcase_add_test(tests, readers_are_counted_by_mode);
    tcase_add_test(tests, claims_that_can_be);
    tcase_add_loop_test(tests, nonsense_costs_the_place, 0, COUNT(nonsense));
    tcase_add_test(tests, the_next_reader_of_a_banned_place_is_welcome);
    tcase_add_test(tests, a_mode_that_is_none_costs_the_place);
    tcase_add_test(tests, an_offer_to_who_left_is_withdrawn);
    tcase_add_test(tests, only_offers_are_revoked);
    tcase_add_test(tests, the_dead_are_found_by_their_locks);
    tcase_add_test(tests, who_died_leaving_is_found_too);
    tcase_add_test(tests, who_left_in_order_is_not_dead);
    tcase_add_test(tests, a_claim_left_at_a_free_place_is_cleared);
    tcase_add_test(tests, what_the_writer_knows_of_a_reader);
    return run_tests(tests);
}
