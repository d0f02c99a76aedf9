/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "distributor.h"

#include "hand_distributor.h"

/* Nobody is faster here. */
static uint32_t reclaim(struct distributor *d) {
    bool lost_race = false;
    uint32_t slot = distributor_reclaim(d, &lost_race);
    ck_assert(!lost_race);
    return slot;
}

#define BEYOND_32_BITS ((UINT64_C(1) << 32) - 2)

/* The newest memory but the two newest frames, which observers are reading: three slots go round,
 * and the fourth is never touched. */
START_TEST(slots_are_reused_while_they_are_warm) {
    struct distributor *d = new_distributor(4, 1);
    for (uint32_t n = 0; n < 10; n++)
        ck_assert_uint_eq(publish_next(d), n % 3);
    free_distributor(d);
}
END_TEST

/* In this order: warm, never used, saved (the older first), lent by a dead writer. */
START_TEST(the_order_of_choice) {
    struct distributor *d = new_distributor(6, 11);
    static const uint64_t seqs[6] = {10, 0, 7, 9, 8, 6};
    static const uint32_t order[6] = {4, 2, 1, 3, 0, 5};
    for (uint32_t slot = 0; slot < 6; slot++)
        d->slot[slot].seq = seqs[slot];
    d->slot[5].was_lent = true;
    for (int i = 0; i < 6; i++) {
        uint32_t slot = distributor_find_free(d);
        ck_assert_uint_eq(slot, order[i]);
        d->slot[slot].loan = LOAN_OUT;
    }
    ck_assert_uint_eq(distributor_find_free(d), NO_SLOT);
    free_distributor(d);
}
END_TEST

START_TEST(lent_and_claimed_slots_are_passed_over) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_ALL, 1);
    for (uint32_t n = 0; n < 4; n++)
        publish_next(d);
    ck_assert_uint_eq(distributor_find_free(d), NO_SLOT);
    *claim_of(d, 0, 2) = 0; /* given back out of order */
    ck_assert_uint_eq(distributor_find_free(d), 2);
    d->slot[2].loan = LOAN_OUT;
    ck_assert_uint_eq(distributor_find_free(d), NO_SLOT);
    d->slot[2].loan = LOAN_PUBLISHED;
    ck_assert_uint_eq(distributor_find_free(d), NO_SLOT);
    *claim_of(d, 0, 0) = claim_taken(1);
    *claim_of(d, 0, 3) = 0;
    ck_assert_uint_eq(distributor_find_free(d), 3);
    free_distributor(d);
}
END_TEST

/* From 2^32 - 2 on: the words that sleepers watch wrap, the numbers do not. */
START_TEST(publishing_past_32_bits) {
    struct distributor *d = new_distributor(4, BEYOND_32_BITS);
    struct layout_header *header = d->seg->header;
    join(d, 0, SHMRING_MODE_ALL, 1);
    ck_assert_uint_eq(header->answer[0].first, 0xfffffffe);
    ck_assert_uint_eq(header->event, 0xfffffffe);
    ck_assert_uint_eq(d->seg->ctl->doorbell, 0xfffffffe);
    for (uint64_t seq = BEYOND_32_BITS; seq < BEYOND_32_BITS + 4; seq++) {
        uint32_t slot = publish_next(d);
        ck_assert_uint_eq(*claim_of(d, 0, slot), seq << 16 | 1);
        ck_assert_uint_eq(*segment_descriptor(d->seg, seq), seq << 16 | slot);
        ck_assert_uint_eq(header->head, seq + 1);
        ck_assert_uint_eq(header->event, (uint32_t)(seq + 1));
    }
    ck_assert_uint_eq(header->head, UINT64_C(0x100000002));
    ck_assert_uint_eq(header->event, 2);
    free_distributor(d);
}
END_TEST

START_TEST(only_the_attached_are_offered) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 1, SHMRING_MODE_ALL, 1);
    join(d, 2, SHMRING_MODE_ALL, 1);
    set_attach(d, 2, 1, SHMRING_MODE_ALL, 1, PORT_LEAVING);
    set_attach(d, 3, 1, SHMRING_MODE_ALL, 1, PORT_ATTACHED); /* publish sees it itself */
    publish_next(d);
    ck_assert_uint_eq(*claim_of(d, 0, 0), 0);
    ck_assert_uint_eq(*claim_of(d, 1, 0), claim_offered(1));
    ck_assert_uint_eq(*claim_of(d, 2, 0), 0);
    ck_assert_uint_eq(*claim_of(d, 3, 0), claim_offered(1));
    ck_assert_uint_eq(d->seg->header->answer[3].first, 1);
    free_distributor(d);
}
END_TEST

START_TEST(latest_readers_are_trimmed_to_their_depth) {
    struct distributor *d = new_distributor(8, 1);
    join(d, 0, SHMRING_MODE_LATEST, 2);
    join(d, 1, SHMRING_MODE_ALL, 1);
    for (int n = 0; n < 5; n++)
        publish_next(d);
    for (uint32_t slot = 0; slot < 5; slot++) {
        ck_assert_uint_eq(*claim_of(d, 0, slot), slot < 3 ? 0 : claim_offered(slot + 1));
        ck_assert_uint_eq(*claim_of(d, 1, slot), claim_offered(slot + 1));
    }
    ck_assert_uint_eq(d->revoked, 3);
    free_distributor(d);
}
END_TEST

/* Frames it holds are not counted against the depth. */
START_TEST(taken_frames_are_not_trimmed) {
    struct distributor *d = new_distributor(8, 1);
    join(d, 0, SHMRING_MODE_LATEST, 1);
    publish_next(d);
    *claim_of(d, 0, 0) = claim_taken(1);
    publish_next(d);
    ck_assert_uint_eq(d->revoked, 0);
    publish_next(d);
    ck_assert_uint_eq(*claim_of(d, 0, 0), claim_taken(1));
    ck_assert_uint_eq(*claim_of(d, 0, 1), 0);
    ck_assert_uint_eq(*claim_of(d, 0, 2), claim_offered(3));
    ck_assert_uint_eq(d->revoked, 1);
    free_distributor(d);
}
END_TEST

START_TEST(a_full_ring_takes_back_from_the_latest) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_LATEST, 9);
    join(d, 1, SHMRING_MODE_LATEST, 9);
    for (int n = 0; n < 4; n++)
        publish_next(d);
    ck_assert_uint_eq(distributor_find_free(d), NO_SLOT);
    ck_assert_uint_eq(reclaim(d), 0);
    ck_assert_uint_eq(*claim_of(d, 0, 0) | *claim_of(d, 1, 0), 0);
    ck_assert_uint_eq(d->revoked, 2);
    free_distributor(d);
}
END_TEST

/* The oldest that nobody else needs: a `latest` reader never costs an `all` reader a frame. */
START_TEST(what_others_need_is_not_taken_back) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_LATEST, 9);
    join(d, 1, SHMRING_MODE_ALL, 1);
    for (int n = 0; n < 4; n++)
        publish_next(d);
    ck_assert_uint_eq(reclaim(d), NO_SLOT);
    *claim_of(d, 1, 1) = 0;                      /* read */
    *claim_of(d, 1, 2) = *claim_of(d, 1, 3) = 0; /* read */
    *claim_of(d, 0, 1) = claim_taken(2);
    ck_assert_uint_eq(reclaim(d), 2);
    ck_assert_uint_eq(d->revoked, 1);
    ck_assert_uint_eq(*claim_of(d, 0, 0), claim_offered(1));
    ck_assert_uint_eq(*claim_of(d, 1, 0), claim_offered(1));
    free_distributor(d);
}
END_TEST

START_TEST(a_lent_slot_is_not_taken_back) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_LATEST, 9);
    for (int n = 0; n < 4; n++)
        publish_next(d);
    for (uint32_t slot = 0; slot < 4; slot++)
        d->slot[slot].loan = LOAN_PUBLISHED; /* upstream still reads them */
    ck_assert_uint_eq(reclaim(d), NO_SLOT);
    free_distributor(d);
}
END_TEST

START_TEST(a_flush_takes_back_every_offer) {
    struct distributor *d = new_distributor(4, 1);
    struct layout_answer *answer = d->seg->header->answer;
    join(d, 0, SHMRING_MODE_LATEST, 9);
    join(d, 1, SHMRING_MODE_ALL, 1);
    for (int n = 0; n < 3; n++)
        publish_next(d);
    *claim_of(d, 1, 0) = claim_taken(1);
    distributor_flush(d);
    ck_assert_uint_eq(d->flushed, 5);
    ck_assert_uint_eq(d->revoked, 0);
    ck_assert_uint_eq(answer[0].flushed, 3);
    ck_assert_uint_eq(answer[1].flushed, 2);
    ck_assert_uint_eq(*claim_of(d, 1, 0), claim_taken(1));
    ck_assert_uint_eq(*claim_of(d, 1, 1), 0);
    free_distributor(d);
}
END_TEST

/* ---- Copies ---- */

/* A copy that is being made counts toward no depth, and is left alone. */
START_TEST(copies_are_not_trimmed) {
    struct distributor *d = new_distributor(8, 1);
    join(d, 0, SHMRING_MODE_LATEST, 1);
    publish_next(d);
    *claim_of(d, 0, 0) = claim_copying(1);
    publish_next(d);
    publish_next(d);
    ck_assert_uint_eq(*claim_of(d, 0, 0), claim_copying(1));
    ck_assert_uint_eq(*claim_of(d, 0, 1), 0);
    ck_assert_uint_eq(*claim_of(d, 0, 2), claim_offered(3));
    free_distributor(d);
}
END_TEST

/* Slots without one are had first, older or not. */
START_TEST(a_full_ring_spares_copies_while_it_can) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_LATEST, 9);
    for (int n = 0; n < 4; n++)
        publish_next(d);
    for (uint32_t slot = 0; slot < 3; slot++)
        *claim_of(d, 0, slot) = claim_copying(slot + 1);
    ports_look(d);
    ck_assert_uint_eq(reclaim(d), 3);
    d->slot[3].loan = LOAN_OUT;
    ck_assert_uint_eq(reclaim(d), 0);
    ck_assert_uint_eq(*claim_of(d, 0, 0), 0); /* the copy will be thrown away */
    ck_assert_uint_eq(d->bad_claims, 0);
    free_distributor(d);
}
END_TEST

START_TEST(a_copy_that_a_lossless_reader_makes_is_waited_for) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_ALL, 1);
    for (uint32_t n = 0; n < 4; n++) {
        publish_next(d);
        *claim_of(d, 0, n) = claim_copying(n + 1);
    }
    ports_look(d);
    ck_assert_uint_eq(reclaim(d), NO_SLOT);
    ck_assert(port_is_waited_for(d, 0));
    free_distributor(d);
}
END_TEST

START_TEST(a_flush_takes_back_copies_too) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_ALL, 1);
    publish_next(d);
    publish_next(d);
    *claim_of(d, 0, 0) = claim_copying(1); /* seen by nobody yet */
    distributor_flush(d);
    ck_assert_uint_eq(*claim_of(d, 0, 0) | *claim_of(d, 0, 1), 0);
    ck_assert_uint_eq(d->flushed, 2);
    ck_assert_uint_eq(d->seg->header->answer[0].flushed, 2);
    free_distributor(d);
}
END_TEST

/* A reader keeps what it takes before the writer gets there; another slot is found. */
START_TEST(what_is_taken_meanwhile_is_kept) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_LATEST, 9);
    join(d, 1, SHMRING_MODE_LATEST, 9);
    for (int n = 0; n < 4; n++)
        publish_next(d);
    *claim_of(d, 1, 0) = claim_taken(1);
    ck_assert_uint_eq(reclaim(d), 1);
    ck_assert_uint_eq(*claim_of(d, 1, 0), claim_taken(1));
    free_distributor(d);
}
END_TEST

/* A segment gives up its memory: who woke up meanwhile loses nothing, and is to be waited for. */
START_TEST(only_the_stuck_lose_what_they_did_not_take) {
    struct distributor *d = new_distributor(4, 1);
    join(d, 0, SHMRING_MODE_ALL, 1);
    join(d, 1, SHMRING_MODE_LATEST, 1);
    ck_assert(!distributor_withdraw_stuck(d));
    publish_next(d);
    ck_assert(distributor_withdraw_stuck(d));
    ck_assert_uint_eq(*claim_of(d, 0, 0), claim_offered(1));
    port_set_stuck(d, 0, true);
    ck_assert(distributor_withdraw_stuck(d));
    ck_assert_uint_eq(*claim_of(d, 0, 0), 0);
    ck_assert_uint_eq(*claim_of(d, 1, 0), claim_offered(1));
    ck_assert(!distributor_withdraw_stuck(d));
    distributor_revoke_latest(d);
    ck_assert_uint_eq(*claim_of(d, 1, 0), 0);
    ck_assert_uint_eq(d->revoked, 1);
    free_distributor(d);
}
END_TEST

/* ---- A dead writer's segment ---- */

/* Two readers, 0 lossless and 1 latest; frames 1 to 3 in slots 0 to 2. */
static struct distributor *new_used_ring(void) {
    struct distributor *d = new_distributor(6, 1);
    join(d, 0, SHMRING_MODE_ALL, 1);
    join(d, 1, SHMRING_MODE_LATEST, 9);
    for (uint64_t seq = 1; seq <= 3; seq++)
        segment_frame(d->seg, publish_next(d))->seq = seq;
    return d;
}

/* The writer of D is dead, and another one takes it as it lies. */
static struct distributor *adopted(struct distributor *d) {
    struct distributor *next = distributor_new(&hand_writer, segment_ref(d->seg));
    distributor_unref(d);
    distributor_adopt(next);
    return next;
}

START_TEST(what_readers_have_stays_theirs) {
    struct distributor *d = new_used_ring();
    *claim_of(d, 0, 0) = claim_taken(1);
    *claim_of(d, 1, 1) = claim_copying(2);
    d = adopted(d);
    for (int i = 0; i < 2; i++) { /* also after the looks that follow */
        ports_look(d);
        ck_assert_uint_eq(*claim_of(d, 0, 0), claim_taken(1));
        ck_assert_uint_eq(*claim_of(d, 0, 1), claim_offered(2));
        ck_assert_uint_eq(*claim_of(d, 1, 1), claim_copying(2));
        ck_assert_uint_eq(*claim_of(d, 1, 2), claim_offered(3));
        ck_assert_uint_eq(d->seg->header->answer[0].first, 1); /* not answered again */
    }
    ck_assert_uint_eq(ports_attached(d), 2);
    ck_assert_uint_eq(publish_next(d), 3);
    ck_assert_uint_eq(*claim_of(d, 0, 3), claim_offered(4));
    ck_assert_uint_eq(d->bad_claims, 0);
    free_distributor(d);
}
END_TEST

/* Offered, and head not yet moved: the frame is rolled back, and its number used again. */
START_TEST(a_frame_that_was_just_being_published_never_was) {
    struct distributor *d = new_used_ring();
    *claim_of(d, 0, 3) = claim_offered(4);
    *claim_of(d, 1, 3) = claim_offered(4);
    segment_frame(d->seg, 3)->seq = 4;
    d = adopted(d);
    ck_assert_uint_eq(*claim_of(d, 0, 3) | *claim_of(d, 1, 3), 0);
    ck_assert_uint_eq(segment_frame(d->seg, 3)->seq, 0);
    ck_assert_uint_eq(d->bad_claims, 0);
    ck_assert_uint_eq(ports_attached(d), 2);
    uint32_t slot = publish_next(d);
    ck_assert_uint_eq(*claim_of(d, 0, slot), claim_offered(4));
    ck_assert_uint_eq(d->seg->header->head, 5);
    free_distributor(d);
}
END_TEST

/* Its reader may never have seen what it claims. */
static const uint64_t lies[] = {
    0x40002,                     /* a frame that is not published yet, taken */
    0x40003,                     /* or copied */
    0x20002,                     /* another slot's */
    0x10000,                     /* of no kind */
    0x10004,                     /* of a kind that is none */
    UINT64_C(0x800000000000002), /* of far away */
    UINT64_MAX,
};

START_TEST(lies_are_not_adopted) {
    struct distributor *d = new_used_ring();
    *claim_of(d, 0, 0) = lies[_i];
    d = adopted(d);
    ck_assert_uint_eq(d->bad_claims, 1);
    ck_assert_uint_eq(ports_attached(d), 1);
    ck_assert_uint_eq(d->seg->header->answer[0].banned, 1);
    ck_assert_uint_eq(*claim_of(d, 1, 0), claim_offered(1)); /* the neighbour's */
    free_distributor(d);
}
END_TEST

/* A device may still write into it for an instant: even what observers are reading is used before.
 */
START_TEST(what_was_lent_is_used_last) {
    static const uint64_t seqs[4] = {0, 8, 9, 7}; /* of slot 0 nobody knows */
    static const uint32_t order[4] = {3, 1, 2, 0};
    struct distributor *d = new_distributor(4, 10);
    for (uint32_t slot = 0; slot < 4; slot++)
        segment_frame(d->seg, slot)->seq = seqs[slot];
    d = adopted(d);
    for (int i = 0; i < 4; i++) {
        uint32_t slot = distributor_find_free(d);
        ck_assert_uint_eq(slot, order[i]);
        d->slot[slot].loan = LOAN_OUT;
    }
    free_distributor(d);
}
END_TEST

START_TEST(an_end_is_finished_by_the_next_writer) {
    struct distributor *d = new_used_ring();
    d->seg->header->state = STATE_ENDED; /* and then it died */
    d = adopted(d);
    for (uint32_t port = 0; port < 2; port++)
        ck_assert_uint_eq(d->seg->header->answer[port].end, 4);
    distributor_begin_stream(d);
    ck_assert_uint_eq(d->seg->header->stream, 2);
    uint32_t slot = publish_next(d);
    ck_assert_uint_eq(*claim_of(d, 0, slot) | *claim_of(d, 1, slot), 0); /* not theirs */
    free_distributor(d);
}
END_TEST

/* Each step may be cut by another death. */
START_TEST(adopted_again_and_again) {
    struct distributor *d = new_used_ring();
    *claim_of(d, 0, 0) = claim_taken(1);
    *claim_of(d, 0, 3) = claim_offered(4);
    for (int i = 0; i < 5; i++)
        d = adopted(d);
    ck_assert_uint_eq(*claim_of(d, 0, 0), claim_taken(1));
    ck_assert_uint_eq(*claim_of(d, 0, 3), 0);
    ck_assert_uint_eq(d->bad_claims, 0);
    publish_next(d);
    ck_assert_uint_eq(d->seg->header->head, 5);
    free_distributor(d);
}
END_TEST

/* Every slot of the largest ring, every port: each claim lands where it belongs. */
START_TEST(the_largest_ring) {
    struct distributor *d = new_distributor(256, 1);
    for (uint32_t port = 0; port < 4; port++)
        join(d, port, SHMRING_MODE_ALL, 1);
    for (uint32_t n = 0; n < 256; n++)
        publish_next(d);
    ck_assert_uint_eq(distributor_find_free(d), NO_SLOT);
    for (uint32_t slot = 0; slot < 256; slot++) {
        for (uint32_t port = 0; port < 4; port++)
            ck_assert_uint_eq(*claim_of(d, port, slot), claim_offered(slot + 1));
    }
    free_distributor(d);
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("distributor");
    tcase_add_test(tests, slots_are_reused_while_they_are_warm);
    tcase_add_test(tests, the_order_of_choice);
    tcase_add_test(tests, lent_and_claimed_slots_are_passed_over);
    tcase_add_test(tests, publishing_past_32_bits);
    tcase_add_test(tests, only_the_attached_are_offered);
    tcase_add_test(tests, latest_readers_are_trimmed_to_their_depth);
    tcase_add_test(tests, taken_frames_are_not_trimmed);
    tcase_add_test(tests, a_full_ring_takes_back_from_the_latest);
    tcase_add_test(tests, what_others_need_is_not_taken_back);
    tcase_add_test(tests, a_lent_slot_is_not_taken_back);
    tcase_add_test(tests, a_flush_takes_back_every_offer);
    tcase_add_test(tests, copies_are_not_trimmed);
    tcase_add_test(tests, a_full_ring_spares_copies_while_it_can);
    tcase_add_test(tests, a_copy_that_a_lossless_reader_makes_is_waited_for);
    tcase_add_test(tests, a_flush_takes_back_copies_too);
    tcase_add_test(tests, what_is_taken_meanwhile_is_kept);
    tcase_add_test(tests, only_the_stuck_lose_what_they_did_not_take);
    tcase_add_test(tests, what_readers_have_stays_theirs);
    tcase_add_test(tests, a_frame_that_was_just_being_published_never_was);
    tcase_add_loop_test(tests, lies_are_not_adopted, 0, COUNT(lies));
    tcase_add_test(tests, what_was_lent_is_used_last);
    tcase_add_test(tests, an_end_is_finished_by_the_next_writer);
    tcase_add_test(tests, adopted_again_and_again);
    tcase_add_test(tests, the_largest_ring);
    return run_tests(tests);
}
