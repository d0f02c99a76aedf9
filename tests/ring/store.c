/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store.h"

#include "hand_store.h"

#define BEYOND_32_BITS ((UINT64_C(1) << 32) - 2)

START_TEST(slots_are_reused_least_recent_first) {
    struct store *store = new_store(4, 1);
    for (uint32_t n = 0; n < 10; n++)
        ck_assert_uint_eq(publish_next(store), n % 4);
    free_store(store);
}
END_TEST

START_TEST(lent_and_claimed_slots_are_passed_over) {
    struct store *store = new_store(4, 1);
    sit(store, 0, SHMRING_MODE_ALL, 1);
    for (uint32_t n = 0; n < 4; n++)
        publish_next(store);
    ck_assert_uint_eq(store_find_free(store), NO_SLOT);
    *claim_of(store, 0, 2) = 0; /* given back out of order */
    ck_assert_uint_eq(store_find_free(store), 2);
    store->slot[2].loan = LOAN_OUT;
    ck_assert_uint_eq(store_find_free(store), NO_SLOT);
    store->slot[2].loan = LOAN_PUBLISHED;
    ck_assert_uint_eq(store_find_free(store), NO_SLOT);
    *claim_of(store, 0, 0) = claim_taken(1);
    *claim_of(store, 0, 3) = 0;
    ck_assert_uint_eq(store_find_free(store), 3);
    free_store(store);
}
END_TEST

/* From 2^32 - 2 on: the words that sleepers watch wrap, the numbers do not. */
START_TEST(publishing_past_32_bits) {
    struct store *store = new_store(4, BEYOND_32_BITS);
    struct layout_header *header = store->seg->header;
    sit(store, 0, SHMRING_MODE_ALL, 1);
    ck_assert_uint_eq(header->answer[0].first, 0xfffffffe);
    ck_assert_uint_eq(header->event, 0xfffffffe);
    ck_assert_uint_eq(store->seg->ctl->doorbell, 0xfffffffe);
    for (uint64_t seq = BEYOND_32_BITS; seq < BEYOND_32_BITS + 4; seq++) {
        uint32_t slot = publish_next(store);
        ck_assert_uint_eq(*claim_of(store, 0, slot), seq << 16 | 1);
        ck_assert_uint_eq(*segment_descriptor(store->seg, seq), seq << 16 | slot);
        ck_assert_uint_eq(header->head, seq + 1);
        ck_assert_uint_eq(header->event, (uint32_t)(seq + 1));
    }
    ck_assert_uint_eq(header->head, UINT64_C(0x100000002));
    ck_assert_uint_eq(header->event, 2);
    free_store(store);
}
END_TEST

START_TEST(only_the_attached_are_offered) {
    struct store *store = new_store(4, 1);
    sit(store, 1, SHMRING_MODE_ALL, 1);
    sit(store, 2, SHMRING_MODE_ALL, 1);
    set_attach(store, 2, 1, SHMRING_MODE_ALL, 1, PLACE_LEAVING);
    set_attach(store, 3, 1, SHMRING_MODE_ALL, 1, PLACE_ATTACHED); /* publish sees it itself */
    publish_next(store);
    ck_assert_uint_eq(*claim_of(store, 0, 0), 0);
    ck_assert_uint_eq(*claim_of(store, 1, 0), claim_offered(1));
    ck_assert_uint_eq(*claim_of(store, 2, 0), 0);
    ck_assert_uint_eq(*claim_of(store, 3, 0), claim_offered(1));
    ck_assert_uint_eq(store->seg->header->answer[3].first, 1);
    free_store(store);
}
END_TEST

START_TEST(latest_readers_are_trimmed_to_their_depth) {
    struct store *store = new_store(8, 1);
    sit(store, 0, SHMRING_MODE_LATEST, 2);
    sit(store, 1, SHMRING_MODE_ALL, 1);
    for (int n = 0; n < 5; n++)
        publish_next(store);
    for (uint32_t slot = 0; slot < 5; slot++) {
        ck_assert_uint_eq(*claim_of(store, 0, slot), slot < 3 ? 0 : claim_offered(slot + 1));
        ck_assert_uint_eq(*claim_of(store, 1, slot), claim_offered(slot + 1));
    }
    ck_assert_uint_eq(store->revoked, 3);
    free_store(store);
}
END_TEST

/* Frames it holds are not counted against the depth. */
START_TEST(taken_frames_are_not_trimmed) {
    struct store *store = new_store(8, 1);
    sit(store, 0, SHMRING_MODE_LATEST, 1);
    publish_next(store);
    *claim_of(store, 0, 0) = claim_taken(1);
    publish_next(store);
    ck_assert_uint_eq(store->revoked, 0);
    publish_next(store);
    ck_assert_uint_eq(*claim_of(store, 0, 0), claim_taken(1));
    ck_assert_uint_eq(*claim_of(store, 0, 1), 0);
    ck_assert_uint_eq(*claim_of(store, 0, 2), claim_offered(3));
    ck_assert_uint_eq(store->revoked, 1);
    free_store(store);
}
END_TEST

START_TEST(a_full_ring_takes_back_from_the_latest) {
    struct store *store = new_store(4, 1);
    sit(store, 0, SHMRING_MODE_LATEST, 9);
    sit(store, 1, SHMRING_MODE_LATEST, 9);
    for (int n = 0; n < 4; n++)
        publish_next(store);
    ck_assert_uint_eq(store_find_free(store), NO_SLOT);
    ck_assert_uint_eq(store_reclaim(store), 0);
    ck_assert_uint_eq(*claim_of(store, 0, 0) | *claim_of(store, 1, 0), 0);
    ck_assert_uint_eq(store->revoked, 2);
    free_store(store);
}
END_TEST

/* The oldest that nobody else needs: a `latest` reader never costs an `all` reader a frame. */
START_TEST(what_others_need_is_not_taken_back) {
    struct store *store = new_store(4, 1);
    sit(store, 0, SHMRING_MODE_LATEST, 9);
    sit(store, 1, SHMRING_MODE_ALL, 1);
    for (int n = 0; n < 4; n++)
        publish_next(store);
    ck_assert_uint_eq(store_reclaim(store), NO_SLOT);
    *claim_of(store, 1, 1) = 0;                          /* read */
    *claim_of(store, 1, 2) = *claim_of(store, 1, 3) = 0; /* read */
    *claim_of(store, 0, 1) = claim_taken(2);
    ck_assert_uint_eq(store_reclaim(store), 2);
    ck_assert_uint_eq(store->revoked, 1);
    ck_assert_uint_eq(*claim_of(store, 0, 0), claim_offered(1));
    ck_assert_uint_eq(*claim_of(store, 1, 0), claim_offered(1));
    free_store(store);
}
END_TEST

START_TEST(a_lent_slot_is_not_taken_back) {
    struct store *store = new_store(4, 1);
    sit(store, 0, SHMRING_MODE_LATEST, 9);
    for (int n = 0; n < 4; n++)
        publish_next(store);
    for (uint32_t slot = 0; slot < 4; slot++)
        store->slot[slot].loan = LOAN_PUBLISHED; /* upstream still reads them */
    ck_assert_uint_eq(store_reclaim(store), NO_SLOT);
    free_store(store);
}
END_TEST

START_TEST(a_flush_takes_back_every_offer) {
    struct store *store = new_store(4, 1);
    struct layout_answer *answer = store->seg->header->answer;
    sit(store, 0, SHMRING_MODE_LATEST, 9);
    sit(store, 1, SHMRING_MODE_ALL, 1);
    for (int n = 0; n < 3; n++)
        publish_next(store);
    *claim_of(store, 1, 0) = claim_taken(1);
    store_flush(store);
    ck_assert_uint_eq(store->flushed, 5);
    ck_assert_uint_eq(store->revoked, 0);
    ck_assert_uint_eq(answer[0].flushed, 3);
    ck_assert_uint_eq(answer[1].flushed, 2);
    ck_assert_uint_eq(*claim_of(store, 1, 0), claim_taken(1));
    ck_assert_uint_eq(*claim_of(store, 1, 1), 0);
    free_store(store);
}
END_TEST

/* Every slot of the largest ring, every place: each claim lands where it belongs. */
START_TEST(the_largest_ring) {
    struct store *store = new_store(256, 1);
    for (uint32_t place = 0; place < 4; place++)
        sit(store, place, SHMRING_MODE_ALL, 1);
    for (uint32_t n = 0; n < 256; n++)
        publish_next(store);
    ck_assert_uint_eq(store_find_free(store), NO_SLOT);
    for (uint32_t slot = 0; slot < 256; slot++) {
        for (uint32_t place = 0; place < 4; place++)
            ck_assert_uint_eq(*claim_of(store, place, slot), claim_offered(slot + 1));
    }
    free_store(store);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("store");
    tcase_add_test(tests, slots_are_reused_least_recent_first);
    tcase_add_test(tests, lent_and_claimed_slots_are_passed_over);
    tcase_add_test(tests, publishing_past_32_bits);
    tcase_add_test(tests, only_the_attached_are_offered);
    tcase_add_test(tests, latest_readers_are_trimmed_to_their_depth);
    tcase_add_test(tests, taken_frames_are_not_trimmed);
    tcase_add_test(tests, a_full_ring_takes_back_from_the_latest);
    tcase_add_test(tests, what_others_need_is_not_taken_back);
    tcase_add_test(tests, a_lent_slot_is_not_taken_back);
    tcase_add_test(tests, a_flush_takes_back_every_offer);
    tcase_add_test(tests, the_largest_ring);
    return run_tests(tests);
}
