# SPDX-License-Identifier: LGPL-2.1-or-later
"""What else carries frames from one Python program to another, as each is meant to be used. As in
ways.py: a writer has write(pen), a reader is iterated."""

import ctypes
import mmap
import struct
import time
import zlib

import numpy as np

MESSAGES = 8  # that wait, at most: as many as a ring has slots by default
WAIT_S = 60


def open_shared(name):
    """A writer's shared memory, once it is there and as large as it will be."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            with open(f"/dev/shm/{name}", "r+b") as file:
                time.sleep(0.1)
                return memoryview(mmap.mmap(file.fileno(), 0))
        except (FileNotFoundError, ValueError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


class ByteRing:
    """As readers of such rings are: each message is copied out as bytes, in two pieces where it is
    split by the end of the data, and an empty ring is slept on for a millisecond. What kills them,
    an index that is not masked to 32 bits, is mended: more than 4 GiB cross. See predecessors.c."""

    HEAD, TAIL, CAPACITY, DATA = 0, 4, 8, 16
    U32 = struct.Struct("<I")

    def __init__(self, memory):
        self.memory = memory
        self.capacity = self.U32.unpack_from(memory, self.CAPACITY)[0]

    def _raw(self, at, size):
        offset = at & (self.capacity - 1)
        first = min(size, self.capacity - offset)
        piece = bytes(self.memory[self.DATA + offset : self.DATA + offset + first])
        if first == size:
            return piece
        return piece + bytes(self.memory[self.DATA : self.DATA + size - first])

    def try_read(self):
        """A message, or None."""
        tail = self.U32.unpack_from(self.memory, self.TAIL)[0]
        if self.U32.unpack_from(self.memory, self.HEAD)[0] == tail:
            return None
        size = self.U32.unpack(self._raw(tail, 4))[0]
        message = self._raw(tail + 4, size)
        self.U32.pack_into(self.memory, self.TAIL, (tail + 4 + size) & 0xFFFFFFFF)
        return message

    def __iter__(self):
        while True:
            message = self.try_read()
            if message is None:
                time.sleep(0.001)
            else:
                yield np.frombuffer(message, np.uint8)


def read_byte_ring(name, settings):
    return iter(ByteRing(open_shared(name)))


def read_single_frame(name, settings):
    """As readers of such a frame are: looks each millisecond whether the time changed, and copies.
    See predecessors.c."""
    memory, header = open_shared(name), struct.Struct("<iiiqi")
    before = 0
    while True:
        width, height, channels, sent, valid = header.unpack_from(memory)
        if not valid or sent == before:
            time.sleep(0.001)
            continue
        before = sent
        yield np.array(memory[header.size : header.size + width * height * channels])


# ---- iceoryx2 ----

def iceoryx2_service(name, size):
    """(the node, its publish-subscribe service without loss, its event service)"""
    import iceoryx2

    iceoryx2.set_log_level(iceoryx2.LogLevel.Error)
    node = iceoryx2.NodeBuilder.new().create(iceoryx2.ServiceType.Ipc)
    builder = node.service_builder(iceoryx2.ServiceName.new(name))
    frames = (builder.publish_subscribe(iceoryx2.Slice[ctypes.c_uint8]).enable_safe_overflow(False)
              .subscriber_max_buffer_size(MESSAGES).open_or_create())
    service = iceoryx2.ServiceName.new(name + "-event")
    return node, frames, node.service_builder(service).event().open_or_create()


class Iceoryx2Writer:
    def __init__(self, name, pen):
        import iceoryx2

        self.node, self.frames, self.events = iceoryx2_service(name, pen.size)
        self.publisher = (
            self.frames.publisher_builder().initial_max_slice_len(pen.size)
            .backpressure_strategy(iceoryx2.BackpressureStrategy.RetryUntilDelivered).create())
        self.notifier = self.events.notifier_builder().create()
        self.spin = pen.spin

    def write(self, pen):
        sample = self.publisher.loan_slice_uninit(pen.size)
        pen.write(sample.payload().as_memory_view())
        sample.assume_init().send()
        if not self.spin:
            self.notifier.notify()

    def close(self):
        """What has a name in /dev/shm goes with the last reference."""
        self.publisher = self.notifier = self.frames = self.events = self.node = None


def read_iceoryx2(name, settings):
    """Sleeps for the event of each frame; spin: asks for frames all the time."""
    _, frames, events = iceoryx2_service(name, 0)
    subscriber = frames.subscriber_builder().create()
    listener, spin = events.listener_builder().create(), bool(int(settings.get("spin", 0)))
    while True:
        sample = subscriber.receive()
        if sample is not None:
            yield sample.payload().as_memory_view()
            sample.delete()
        elif not spin:
            listener.blocking_wait()


# ---- zenoh ----

def zenoh_session(role, name):
    """Two peers that know each other by a port of their own, and nobody else."""
    import zenoh

    config = zenoh.Config()
    config.insert_json5("listen/endpoints", "[]")
    port = 20000 + zlib.crc32(name.encode()) % 10000
    config.insert_json5(f"{role}/endpoints", f'["tcp/127.0.0.1:{port}"]')
    config.insert_json5("scouting/multicast/enabled", "false")
    config.insert_json5("transport/shared_memory/enabled", "true")
    return zenoh.open(config)


class ZenohWriter:
    def __init__(self, name, pen):
        import zenoh

        self.shm = zenoh.shm
        self.session = zenoh_session("listen", name)
        self.provider = self.shm.ShmProvider.default_backend((MESSAGES + 1) * (pen.size + 4096))
        self.publisher = self.session.declare_publisher(
            "bench", congestion_control=zenoh.CongestionControl.BLOCK,
            reliability=zenoh.Reliability.RELIABLE)
        self.picture = bytearray(pen.size)
        self.policy = self.shm.BlockOn(self.shm.GarbageCollect())

    def write(self, pen):
        """Its memory is filled from bytes: Python gets no view of it."""
        pen.write(memoryview(self.picture))
        memory = self.provider.alloc(pen.size, policy=self.policy)
        memory[0 : pen.size] = self.picture
        self.publisher.put(memory)

    def close(self):
        self.session.close()


def read_zenoh(name, settings):
    import zenoh

    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            session = zenoh_session("connect", name)
            break
        except zenoh.ZError:
            if time.monotonic() > deadline:
                raise
    subscriber = session.declare_subscriber("bench")  # lives as long as it has a name
    for sample in subscriber:
        yield np.frombuffer(sample.payload.to_bytes(), np.uint8)


# ---- eCAL ----

def ecal_initialize(ecal, name):
    """On this machine alone, without loss: the writer waits until the reader has its copy."""
    config = ecal.get_configuration()
    config.registration.local.transport_type = ecal.LocalTransportType.SHM
    config.publisher.layer.shm.acknowledge_timeout_ms = 1000 * WAIT_S
    config.publisher.layer.shm.zero_copy_mode = True
    ecal.initialize(config, name)


class EcalWriter:
    def __init__(self, name, pen):
        import ecal.nanobind_core as ecal

        ecal_initialize(ecal, name)
        self.ecal = ecal
        self.publisher = ecal.Publisher("bench-" + name)
        self.picture = bytearray(pen.size)

    def write(self, pen):
        pen.write(memoryview(self.picture))
        self.publisher.send(bytes(self.picture))

    def close(self):
        self.ecal.finalize()


def read_ecal(name, settings):
    import queue

    import ecal.nanobind_core as ecal

    ecal_initialize(ecal, name + "-reader")
    came, subscriber = queue.Queue(MESSAGES), ecal.Subscriber("bench-" + name)
    subscriber.set_receive_callback(lambda publisher, datatype, data: came.put(data.buffer))
    while True:
        yield np.frombuffer(came.get(), np.uint8)


# ---- ZeroMQ ----

def zmq_socket(kind, name):
    import zmq

    socket = zmq.Context.instance().socket(getattr(zmq, kind))
    socket.setsockopt(zmq.SNDHWM if kind == "PUSH" else zmq.RCVHWM, MESSAGES)
    address = f"ipc:///tmp/{name}.sock"
    if kind == "PUSH":
        socket.bind(address)
    else:
        socket.connect(address)
    return socket


class ZmqWriter:
    def __init__(self, name, pen):
        self.socket = zmq_socket("PUSH", name)
        self.pictures = [np.zeros(pen.size, np.uint8) for _ in range(2 * MESSAGES + 2)]
        self.trackers = [None] * len(self.pictures)

    def write(self, pen):
        """Not copied on this side: a picture is written again when it was sent."""
        which = pen.number % len(self.pictures)
        if self.trackers[which]:
            self.trackers[which].wait()
        pen.write(self.pictures[which])
        self.trackers[which] = self.socket.send(self.pictures[which], copy=False, track=True)

    def close(self):
        self.socket.close(0)


def read_zmq(name, settings):
    socket = zmq_socket("PULL", name)
    while True:
        yield np.frombuffer(socket.recv(copy=False), np.uint8)


WRITERS = {"iceoryx2": Iceoryx2Writer, "zenoh": ZenohWriter, "ecal": EcalWriter, "zmq": ZmqWriter}
READERS = {"predecessor-ring": read_byte_ring, "predecessor-frame": read_single_frame,
           "iceoryx2": read_iceoryx2, "zenoh": read_zenoh, "ecal": read_ecal, "zmq": read_zmq}
