/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writer: arrays into a ring. Its arguments, texts and formats are shmring.writer's. */
#include "writer.h"

#include <errno.h>
#include <string.h>

#include "pixels.h"
#include "waiting.h"

/* ---- A slot ---- */

struct borrow {
    struct writer_object *writer;
    struct shmring_slot *slot;
    struct shmring_error error;
};

/* With every slot in the hands of other threads' write(), or of nobody who can be waited for, one
 * may be free in a moment. */
static int borrow_step(void *arg, int64_t slice_ns) {
    struct borrow *borrow = arg;
    struct writer_object *writer = borrow->writer;
    int result = shmring_writer_loan(writer->handle.ring, SHMRING_LOAN_FILL, slice_ns, borrow->slot,
                                     &borrow->error);
    if (result != SHMRING_FULL && (result != SHMRING_LIMIT || writer->busy < 2))
        return result;
    if (slice_ns > 0)
        wait_nap();
    return slice_ns > 0 ? SHMRING_INTERRUPTED : SHMRING_TIMEOUT;
}

static int borrow_stop(void *arg) {
    return ((struct borrow *)arg)->writer->handle.closed;
}

/* Raises what RESULT means, in the words of shmring.writer. */
static PyObject *fail(struct writer_object *self, int result, const struct shmring_error *error) {
    if (result == SHMRING_INTERRUPTED)
        return handle_raise_closed(&self->handle);
    if (result == WAIT_RAISED)
        return NULL;
    return PyObject_CallMethod((PyObject *)self, "_fail", "is", result, error->message);
}

bool writer_borrow(struct writer_object *self, struct shmring_slot *slot) {
    struct borrow borrow = {.writer = self, .slot = slot};
    self->busy++;
    int result = wait_in_slices(borrow_step, borrow_stop, &borrow, self->handle.timeout_ns);
    self->busy--;
    if (result == SHMRING_TIMEOUT) {
        shmring_writer_drop(self->handle.ring);
        self->frames++;
    }
    if (result != SHMRING_OK)
        fail(self, result, &borrow.error);
    return result == SHMRING_OK;
}

/* ---- A frame ---- */

#define NS_PER_SECOND UINT64_C(1000000000)
/* The library looks as often. */
#define LOOK_NS INT64_C(500000000)

/* Of frame number NUMBER. The rate's numbers have 31 bits, so no step overflows 64. */
static int64_t pts_from_rate(uint64_t number, uint64_t fps_num, uint64_t fps_den) {
    uint64_t rest = number % fps_num * fps_den;
    uint64_t seconds = number / fps_num * fps_den + rest / fps_num;
    return (int64_t)(seconds * NS_PER_SECOND + rest % fps_num * NS_PER_SECOND / fps_num);
}

/* From (pts_ns, timestamp_ns, duration_ns, flags, metas[, number, its end]) or None: what -1 is
 * there, or None, is left out. False with an exception. */
static bool outgoing_init(struct outgoing *frame, struct writer_object *writer, PyObject *said) {
    long long pts_ns, timestamp_ns, duration_ns;
    unsigned long long number = SHMRING_NUMBER_NONE, end = SHMRING_NUMBER_NONE;
    unsigned flags;
    PyObject *metas;
    Py_ssize_t metas_size = 0;
    char *block = NULL;
    *frame = (struct outgoing){.info = writer->info, .caps = Py_XNewRef(writer->caps)};
    if (said == Py_None)
        return true;
    if (!PyArg_ParseTuple(said, "LLLIO|KK", &pts_ns, &timestamp_ns, &duration_ns, &flags, &metas,
                          &number, &end) ||
        (metas != Py_None && PyBytes_AsStringAndSize(metas, &block, &metas_size) < 0))
        return false;
    frame->info.pts_ns = pts_ns;
    frame->info.timestamp_ns = timestamp_ns == SHMRING_TIME_NONE ? 0 : timestamp_ns;
    if (duration_ns != SHMRING_TIME_NONE)
        frame->info.duration_ns = duration_ns;
    frame->info.frame_number = number;
    frame->info.frame_number_end = end;
    frame->info.flags = flags;
    frame->info.metas = block;
    frame->info.metas_size = (size_t)metas_size;
    frame->metas = Py_NewRef(metas);
    return true;
}

void outgoing_clear(struct outgoing *frame) {
    Py_CLEAR(frame->metas);
    Py_CLEAR(frame->caps);
}

static int publish(struct writer_object *self, struct shmring_slot *slot,
                   const struct outgoing *frame, uint64_t *seq, struct shmring_error *error) {
    struct shmring_frame_info info = frame->info;
    bool is_told = frame->is_as_it_was;
    if (!is_told && info.pts_ns == SHMRING_TIME_NONE && info.fps_num)
        info.pts_ns = pts_from_rate(self->frames, info.fps_num, info.fps_den);
    if (!is_told && info.frame_number == SHMRING_NUMBER_NONE)
        info.frame_number = self->frames;
    int result = shmring_writer_publish(self->handle.ring, slot, &info, seq, error);
    shmring_slot_return(slot);
    self->frames += result == 0;
    return result;
}

/* What cleans up in /dev/shm will do so again. False when the warning is an exception. */
static bool warn_of_names(struct writer_object *self) {
    struct shmring_writer_stats stats = SHMRING_WRITER_STATS_INIT;
    int64_t now = monotonic_now();
    if (now < self->next_look)
        return true;
    self->next_look = now + LOOK_NS;
    shmring_writer_get_stats(self->handle.ring, &stats);
    if (stats.names_lost == self->names_lost)
        return true;
    self->names_lost = stats.names_lost;
    return handle_was_warned(PyObject_CallMethod((PyObject *)self, "_warn_of_names", NULL));
}

/* Under the GIL, which it never waits with, so that times and numbers are in order. */
uint64_t writer_publish(struct writer_object *self, struct shmring_slot *slot,
                        const struct outgoing *frame) {
    struct shmring_error error = {0};
    uint64_t seq = 0;
    int result = publish(self, slot, frame, &seq, &error);
    if (result < 0)
        fail(self, result, &error);
    return result < 0 || !warn_of_names(self) ? 0 : seq;
}

/* ---- Copying a frame in ---- */

/* What write() was given: one array, or one a plane. */
struct source {
    unsigned count;
    struct view view[SHMRING_MAX_PLANES];
    Py_buffer buffer[SHMRING_MAX_PLANES];
};

static void source_release(struct source *source) {
    while (source->count > 0)
        PyBuffer_Release(&source->buffer[--source->count]);
}

static bool source_add(struct source *source, PyObject *array, const struct view *view,
                       const struct shmring_frame_info *info) {
    unsigned i = source->count;
    source->view[i] = *view;
    if (!pixels_get(&source->buffer[i], array, view, false, info))
        return false;
    source->count++;
    return true;
}

static bool source_get_planes(struct source *source, const struct layout *layout,
                              PyObject *planes) {
    const struct shmring_frame_info *info = &layout->info;
    if (PyTuple_Size(planes) != (Py_ssize_t)layout->planes) {
        PyErr_Format(PyExc_ValueError, "a frame in %s has %u planes, not %zd", info->format,
                     layout->planes, PyTuple_Size(planes));
        return false;
    }
    bool ok = true;
    for (unsigned i = 0; ok && i < layout->planes; i++)
        ok = source_add(source, PyTuple_GetItem(planes, i), &layout->plane[i], info);
    return ok;
}

static bool source_get(struct source *source, const struct layout *layout, PyObject *array) {
    const struct shmring_frame_info *info = &layout->info;
    if (PyTuple_Check(array))
        return source_get_planes(source, layout, array);
    if (!layout->problem)
        return source_add(source, array, &layout->whole, info);
    PyErr_Format(PyExc_TypeError,
                 "a %ux%u %s frame has no one array: write a tuple of its %u planes", info->width,
                 info->height, info->format, layout->planes);
    return false;
}

static void source_copy(const struct source *source, void *data) {
    for (unsigned i = 0; i < source->count; i++) {
        const struct view *view = &source->view[i];
        const Py_buffer *buffer = &source->buffer[i];
        pixels_copy((char *)data + view->offset, view->strides, buffer->buf, buffer->strides, view);
    }
}

/* Copies and publishes; a slot of a segment that another thread's resize left is a new try. */
static uint64_t write_source(struct writer_object *self, const struct source *source,
                             const struct outgoing *frame) {
    struct shmring_error error = {0};
    struct shmring_slot slot;
    uint64_t seq = 0;
    int result = -ESTALE;
    while (result == -ESTALE && writer_borrow(self, &slot)) {
        bool fits = slot.size >= frame->info.size;
        self->busy++;
        Py_BEGIN_ALLOW_THREADS
        if (fits)
            source_copy(source, slot.data);
        Py_END_ALLOW_THREADS
        self->busy--;
        result = publish(self, &slot, frame, &seq, &error);
    }
    if (result < 0 && !PyErr_Occurred())
        fail(self, result, &error);
    return result < 0 || !warn_of_names(self) ? 0 : seq;
}

/* What is no picture has a size of its own in each frame. */
static bool set_size(struct outgoing *frame, PyObject *array) {
    if (frame->info.format[0])
        return true;
    frame->info.size = (uint64_t)PyObject_Size(array);
    return !PyErr_Occurred();
}

/* Of an array, and what its caller said of it or None. */
static PyObject *writer_write(struct writer_object *self, PyObject *const *args, Py_ssize_t count) {
    struct outgoing frame;
    struct source source;
    uint64_t seq = 0;
    if (count != 2) {
        PyErr_Format(PyExc_TypeError, "_write() takes 2 arguments, not %zd", count);
        return NULL;
    }
    if (!handle_enter(&self->handle))
        return NULL;
    struct layout *layout = NULL;
    source.count = 0; /* what is behind it is written before it is read */
    if (outgoing_init(&frame, self, args[1]) && set_size(&frame, args[0]))
        layout = layout_get(self->handle.state, &frame.info, &self->handle.pool->layout);
    if (layout && source_get(&source, layout, args[0]))
        seq = write_source(self, &source, &frame);
    source_release(&source);
    layout_unref(layout);
    outgoing_clear(&frame);
    handle_leave(&self->handle);
    return seq ? PyLong_FromUnsignedLongLong(seq) : NULL;
}

/* ---- A frame of another ring, as it was ---- */

static bool is_size(const struct shmring_frame_info *info, Py_ssize_t size) {
    if (info->size != (uint64_t)size)
        PyErr_Format(PyExc_ValueError, "a frame of %llu bytes, and %zd came",
                     (unsigned long long)info->size, size);
    return info->size == (uint64_t)size;
}

static bool as_it_was(struct shmring_frame_info *info, PyObject *said) {
    PyObject *planes;
    const char *format;
    Py_ssize_t metas_size;
    long long time[5];
    unsigned long long number[2];
    if (!PyArg_ParseTuple(said, "sIIIIO!LLLLLKKIIzz#", &format, &info->width, &info->height,
                          &info->channels, &info->flags, &PyTuple_Type, &planes, &time[0], &time[1],
                          &time[2], &time[3], &time[4], &number[0], &number[1], &info->fps_num,
                          &info->fps_den, &info->caps, &info->metas, &metas_size) ||
        !info_set_planes(info, planes))
        return false;
    PyOS_snprintf(info->format, sizeof(info->format), "%s", format);
    info->timestamp_ns = time[0];
    info->pts_ns = time[1];
    info->dts_ns = time[2];
    info->duration_ns = time[3];
    info->clock_ns = time[4];
    info->frame_number = number[0];
    info->frame_number_end = number[1];
    info->metas_size = (size_t)metas_size;
    return true;
}

/* (data, (format, width, height, channels, flags, planes, timestamp, pts, dts, duration, clock,
 * frame number and its end, framerate's two, caps, metas), whether pts_ns begins anew). The slots
 * are large enough by then: _make_room(). */
static PyObject *writer_write_as_it_is(struct writer_object *self, PyObject *args) {
    struct outgoing frame = {.info = SHMRING_FRAME_INFO_INIT, .is_as_it_was = true};
    struct source source = {.count = 1};
    PyObject *said;
    int begins;
    uint64_t seq = 0;
    if (!PyArg_ParseTuple(args, "y*O!p:_write_as_it_is", &source.buffer[0], &PyTuple_Type, &said,
                          &begins))
        return NULL;
    view_bytes(&source.view[0], source.buffer[0].len);
    source.buffer[0].strides = source.view[0].strides;
    if (as_it_was(&frame.info, said) && is_size(&frame.info, source.buffer[0].len) &&
        handle_enter(&self->handle)) {
        if (begins)
            shmring_writer_begin_stretch(self->handle.ring);
        seq = write_source(self, &source, &frame);
        handle_leave(&self->handle);
    }
    source_release(&source);
    return seq ? PyLong_FromUnsignedLongLong(seq) : NULL;
}

/* ---- Other calls ---- */

static PyObject *writer_loan(struct writer_object *self, PyObject *said) {
    struct outgoing frame;
    struct shmring_slot slot;
    PyObject *loan = NULL;
    if (!handle_enter(&self->handle))
        return NULL;
    if (outgoing_init(&frame, self, said) && writer_borrow(self, &slot))
        loan = loan_object_new(self, &slot, &frame);
    else
        outgoing_clear(&frame);
    handle_leave(&self->handle);
    return loan;
}

/* Larger slots, when these are too small. */
static PyObject *writer_make_room(struct writer_object *self, PyObject *args) {
    struct shmring_writer_stats stats = SHMRING_WRITER_STATS_INIT;
    struct shmring_error error = {0};
    unsigned long long size;
    int result = -EINTR;
    if (!PyArg_ParseTuple(args, "K:_make_room", &size) || !handle_enter(&self->handle))
        return NULL;
    shmring_writer_get_stats(self->handle.ring, &stats);
    if (size <= stats.slot_size)
        result = 0;
    while (result == -EINTR && !self->handle.closed && PyErr_CheckSignals() == 0) {
        Py_BEGIN_ALLOW_THREADS
        result =
            shmring_writer_resize(self->handle.ring, stats.slots, size, stats.header_size, &error);
        Py_END_ALLOW_THREADS
    }
    handle_leave(&self->handle);
    if (result == 0)
        Py_RETURN_NONE;
    if (PyErr_Occurred())
        return NULL;
    return fail(self, result == -EINTR ? SHMRING_INTERRUPTED : result, &error);
}

static int wait_reader_step(void *self, int64_t slice_ns) {
    return shmring_writer_wait_reader(((struct writer_object *)self)->handle.ring, slice_ns);
}

static int is_closed(void *self) {
    return ((struct writer_object *)self)->handle.closed;
}

/* Whether one came. */
static PyObject *writer_wait_reader(struct writer_object *self, PyObject *args) {
    long long timeout_ns;
    if (!PyArg_ParseTuple(args, "L:_wait_reader", &timeout_ns) || !handle_enter(&self->handle))
        return NULL;
    int result = wait_in_slices(wait_reader_step, is_closed, self, timeout_ns);
    handle_leave(&self->handle);
    if (result == SHMRING_OK || result == SHMRING_TIMEOUT)
        return PyBool_FromLong(result == SHMRING_OK);
    return fail(self, result, &(struct shmring_error){0});
}

static PyObject *writer_readers(struct writer_object *self, PyObject *unused) {
    PyObject *list = PyList_New(0);
    if (!list || !handle_enter(&self->handle)) {
        Py_XDECREF(list);
        return NULL;
    }
    shmring_writer_each_reader(self->handle.ring, append_reader, list);
    handle_leave(&self->handle);
    if (PyErr_Occurred())
        Py_CLEAR(list);
    return list;
}

static PyObject *writer_stats(struct writer_object *self, PyObject *unused) {
    struct shmring_writer_stats s = SHMRING_WRITER_STATS_INIT;
    if (!handle_enter(&self->handle))
        return NULL;
    shmring_writer_get_stats(self->handle.ring, &s);
    handle_leave(&self->handle);
    return Py_BuildValue(
        "IIKKKKKKKLKKKK", s.readers, s.loans, (unsigned long long)s.published,
        (unsigned long long)s.bytes, (unsigned long long)s.dropped, (unsigned long long)s.revoked,
        (unsigned long long)s.withdrawn, (unsigned long long)s.flushed, (unsigned long long)s.waits,
        (long long)s.wait_ns, (unsigned long long)s.dead_readers, (unsigned long long)s.bad_claims,
        (unsigned long long)s.names_lost, (unsigned long long)s.adopted);
}

static PyObject *writer_end(struct writer_object *self, PyObject *unused) {
    if (!handle_enter(&self->handle))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    shmring_writer_end(self->handle.ring);
    Py_END_ALLOW_THREADS
    handle_leave(&self->handle);
    Py_RETURN_NONE;
}

/* What every frame is, from now on. */
static PyObject *writer_set_format(struct writer_object *self, PyObject *args) {
    struct shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    const char *format;
    PyObject *planes, *caps;
    long long duration_ns;
    if (!PyArg_ParseTuple(args, "sIIIO!UIIL:_set_format", &format, &info.width, &info.height,
                          &info.channels, &PyTuple_Type, &planes, &caps, &info.fps_num,
                          &info.fps_den, &duration_ns) ||
        !info_set_planes(&info, planes))
        return NULL;
    info.caps = PyUnicode_AsUTF8AndSize(caps, NULL);
    if (!info.caps)
        return NULL;
    PyOS_snprintf(info.format, sizeof(info.format), "%s", format);
    info.duration_ns = duration_ns;
    Py_XDECREF(self->caps);
    self->caps = Py_NewRef(caps);
    self->info = info;
    Py_RETURN_NONE;
}

bool writer_warn_of_copies(struct writer_object *self) {
    if (self->warned)
        return true;
    self->warned = true;
    return handle_was_warned(PyObject_CallMethod((PyObject *)self, "_warn_of_copies", NULL));
}

static PyObject *writer_repr(struct writer_object *self) {
    const struct shmring_frame_info *info = &self->info;
    return PyUnicode_FromFormat("<shmring.Writer of '%U': %ux%u %s, %s>", self->handle.name,
                                info->width, info->height, info->format,
                                self->handle.closed ? "closed" : "open");
}

/* ---- A writer's life ---- */

static PyObject *writer_close(struct writer_object *self, PyObject *unused) {
    handle_close(&self->handle);
    Py_RETURN_NONE;
}

static void writer_dealloc(struct writer_object *self) {
    Py_CLEAR(self->caps);
    handle_dealloc(&self->handle);
}

static void interrupt_ring(void *ring) {
    shmring_writer_interrupt(ring, true);
}

static void free_ring(void *ring) {
    shmring_writer_close(ring);
}

static bool open_ring(struct writer_object *self, const struct shmring_writer_options *options) {
    const char *name = name_text(self->handle.name);
    struct shmring_writer *ring = NULL;
    struct shmring_error error = {0};
    int result;
    if (!name)
        return false;
    Py_BEGIN_ALLOW_THREADS
    result = shmring_writer_open(name, options, &ring, &error);
    Py_END_ALLOW_THREADS
    self->handle.ring = ring;
    if (result < 0)
        raise_result(self->handle.state, result, &error);
    return result >= 0;
}

/* As shmring.writer checked them. */
static PyObject *writer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    struct shmring_writer_options options = SHMRING_WRITER_OPTIONS_INIT;
    unsigned long long slot_size;
    long long timeout_ns, patience_ns;
    PyObject *name, *timeline;
    if (!PyArg_ParseTuple(args, "UKIILLO:Writer", &name, &slot_size, &options.slots, &options.perms,
                          &timeout_ns, &patience_ns, &timeline))
        return NULL;
    if (timeline != Py_None && !(options.timeline = timeline_get(state_of_type(type), timeline)))
        return NULL;
    options.patience_ns = patience_ns;
    options.slot_size = slot_size;
    options.lend_limit = MAX_LOANS - 1;
    struct writer_object *self =
        handle_new(type, "writer", name, timeout_ns, interrupt_ring, free_ring);
    if (self && !open_ring(self, &options))
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyMemberDef writer_members[] = {
    HANDLE_MEMBERS,
    {"_users", T_UINT, offsetof(struct handle, users), READONLY, NULL},
    {NULL},
};

static PyMethodDef writer_methods[] = {
    {"_write", (PyCFunction)(void *)writer_write, METH_FASTCALL, NULL},
    {"_loan", (PyCFunction)writer_loan, METH_O, NULL},
    {"_write_as_it_is", (PyCFunction)writer_write_as_it_is, METH_VARARGS, NULL},
    {"_make_room", (PyCFunction)writer_make_room, METH_VARARGS, NULL},
    {"_wait_reader", (PyCFunction)writer_wait_reader, METH_VARARGS, NULL},
    {"_stats", (PyCFunction)writer_stats, METH_NOARGS, NULL},
    {"_readers", (PyCFunction)writer_readers, METH_NOARGS, NULL},
    {"_set_format", (PyCFunction)writer_set_format, METH_VARARGS, NULL},
    {"end", (PyCFunction)writer_end, METH_NOARGS,
     "end($self, /)\n--\n\nEnd the stream: readers read what is there, then see its end. A later "
     "write() begins a new one."},
    {"close", (PyCFunction)writer_close, METH_NOARGS,
     "close($self, /)\n--\n\nStop and remove the ring's name; readers keep what they have. A call "
     "that waits in another thread raises ValueError."},
    {"_enter", (PyCFunction)handle_begin, METH_NOARGS, NULL},
    {NULL},
};

static PyType_Slot writer_slots[] = {
    {Py_tp_doc, "What shmring.Writer is made of."},
    {Py_tp_new, writer_new},
    {Py_tp_dealloc, writer_dealloc},
    {Py_tp_repr, writer_repr},
    {Py_tp_members, writer_members},
    {Py_tp_methods, writer_methods},
    {0, NULL},
};

static PyType_Spec writer_spec = {
    .name = "shmring._shmring.Writer",
    .basicsize = sizeof(struct writer_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = writer_slots,
};

int writer_type_init(PyObject *module, struct module_state *state) {
    return add_type(module, &writer_spec, &state->writer_type);
}
