/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A writer over a NAME.ctl that anybody writes: the input is a list of what others put there, of
 * the locks they hold, and of what the writer calls meanwhile. In the end they are gone, and the
 * writer has its slots again. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "input.h"
#include "lock.h"
#include "testing.h"

#define PORTS 2
#define LENT 2

static struct {
    struct shmring_writer *writer;
    struct shmring_slot loan[LENT + 1];
    int ctl_fd; /* another's, of the present segment */
    struct layout_ctl *ctl;
    size_t ctl_size;
    char name[64];
} ring;

static void let_go(void) {
    if (!ring.ctl)
        return;
    munmap(ring.ctl, ring.ctl_size);
    close(ring.ctl_fd); /* and its locks */
    ring.ctl = NULL;
}

/* The segment that has the name now. */
static void get_hold(void) {
    struct ring_paths paths;
    let_go();
    name_paths(&paths, ring.name);
    ring.ctl_fd = open(paths.ctl, O_RDWR | O_CLOEXEC);
    ring.ctl_size = writer_segment(ring.writer)->g.ctl_size;
    REQUIRE(ring.ctl_fd >= 0);
    ring.ctl = mmap(NULL, ring.ctl_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring.ctl_fd, 0);
    REQUIRE(ring.ctl != MAP_FAILED);
}

static void begin(void) {
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    memset(&ring, 0, sizeof ring);
    snprintf(ring.name, sizeof ring.name, "fuzz-writer-%d", (int)getpid());
    options.slots = 5;
    options.lend_limit = LENT;
    options.max_readers = PORTS;
    options.slot_size = 64;
    options.header_size = LAYOUT_PAGE;
    REQUIRE(shmring_writer_open(ring.name, &options, &ring.writer, NULL) == 0);
    get_hold();
}

static void return_all(void) {
    for (int i = 0; i <= LENT; i++)
        shmring_slot_return(&ring.loan[i]);
}

static void finish(void) {
    return_all();
    shmring_writer_interrupt(ring.writer, false);
    let_go();
    for (int i = 0; i <= LENT; i++)
        REQUIRE(shmring_writer_loan(ring.writer, SHMRING_LOAN_FILL, 0, &ring.loan[i], NULL) ==
                SHMRING_OK);
    return_all();
    shmring_writer_close(ring.writer);
    struct shmring_info info = SHMRING_INFO_INIT;
    REQUIRE(shmring_query(ring.name, &info, NULL) == -ENOENT);
}

/* ---- What others do ---- */

static void set_word(struct input *in) {
    struct layout_port *port = &ring.ctl->port[input_byte(in) % PORTS];
    uint32_t epoch = attach_epoch(port->attach) + input_byte(in) % 3;
    port->lease = input_byte(in) % 4;
    port->attach = attach_word(epoch, input_byte(in), input_byte(in) % 3, input_byte(in) % 4);
}

/* From the claim that is there, as a reader does, or not. */
static void set_claim(struct input *in) {
    struct layout_port *port = &ring.ctl->port[input_byte(in) % PORTS];
    _Atomic uint64_t *claim = &port->claim[input_byte(in) % 8];
    uint8_t how = input_byte(in);
    uint64_t seq = claim_seq(*claim) + (how & 64 ? 1 : 0);
    *claim = how % 4 ? claim_word(seq, how % 4) : how & 128 ? input_number(in, 8) : 0;
}

static void lock_or_unlock(struct input *in) {
    uint8_t which = input_byte(in);
    if (which & 128)
        lock_release(ring.ctl_fd, lock_port(which % PORTS));
    else
        lock_try(ring.ctl_fd, lock_port(which % PORTS));
}

/* ---- What the writer does ---- */

static void loan(struct input *in) {
    uint8_t which = input_byte(in);
    struct shmring_slot *slot = &ring.loan[which % (LENT + 1)];
    struct shmring_error error = {0};
    if (slot->data)
        return;
    int result = shmring_writer_loan(
        ring.writer, which & 128 ? SHMRING_LOAN_LEND : SHMRING_LOAN_FILL, 0, slot, &error);
    REQUIRE(result >= 0 && (result == SHMRING_OK) == (slot->data != NULL));
    if (slot->data)
        memset(slot->data, which, slot->size);
}

static void publish(struct input *in) {
    struct shmring_slot *slot = &ring.loan[input_byte(in) % (LENT + 1)];
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    struct shmring_error error = {0};
    info.size = 8;
    info.flags = input_byte(in);
    if (!slot->data)
        return;
    int result = shmring_writer_publish(ring.writer, slot, &info, NULL, &error);
    REQUIRE(result == 0 || result == -ESTALE || result == -EALREADY);
    if (!(info.flags & 16))
        shmring_slot_return(slot);
}

static void resize(struct input *in) {
    uint32_t slots = 5 + input_byte(in) % 2;
    REQUIRE(shmring_writer_resize(ring.writer, slots, 64, LAYOUT_PAGE, NULL) == 0);
    get_hold();
}

static void visit(const struct shmring_reader_info *reader, void *data) {
    REQUIRE(reader->port < PORTS && memchr(reader->process, 0, sizeof reader->process));
}

static void look(void) {
    struct shmring_writer_stats stats = SHMRING_WRITER_STATS_INIT;
    int64_t at;
    shmring_writer_get_stats(ring.writer, &stats);
    REQUIRE(stats.readers <= PORTS && stats.loans <= LENT + 1);
    shmring_writer_each_reader(ring.writer, visit, NULL);
    shmring_writer_take_key_request(ring.writer, &at);
}

static void wait(struct input *in) {
    int result = input_byte(in) % 2 ? shmring_writer_wait_reader(ring.writer, 0)
                                    : shmring_writer_watch(ring.writer, 0);
    REQUIRE(result == SHMRING_OK || result == SHMRING_TIMEOUT || result == SHMRING_INTERRUPTED);
}

static void step(struct input *in) {
    enum {
        PATCH,
        WORD,
        CLAIM,
        LOCK,
        LOAN,
        PUBLISH,
        RETURN,
        FLUSH,
        END,
        RESIZE,
        LOOK,
        WAIT,
        PATIENCE,
        INTERRUPT,
        COUNT
    };
    switch (input_byte(in) % COUNT) {
    case PATCH:
        input_patch(in, ring.ctl, ring.ctl_size);
        break;
    case WORD:
        set_word(in);
        break;
    case CLAIM:
        set_claim(in);
        break;
    case LOCK:
        lock_or_unlock(in);
        break;
    case LOAN:
        loan(in);
        break;
    case PUBLISH:
        publish(in);
        break;
    case RETURN:
        shmring_slot_return(&ring.loan[input_byte(in) % (LENT + 1)]);
        break;
    case FLUSH:
        shmring_writer_flush(ring.writer);
        break;
    case END:
        shmring_writer_end(ring.writer);
        break;
    case RESIZE:
        resize(in);
        break;
    case LOOK:
        look();
        break;
    case WAIT:
        wait(in);
        break;
    case PATIENCE:
        shmring_writer_set_patience(ring.writer, (int64_t)(input_byte(in) % 3) - 1);
        break;
    default:
        shmring_writer_interrupt(ring.writer, input_byte(in) % 2);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, size};
    begin();
    for (int steps = 0; in.left && steps < 64; steps++)
        step(&in);
    finish();
    return 0;
}
