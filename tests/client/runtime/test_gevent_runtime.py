"""Behaviour that only greenlets can show. ``test_runtime`` tests the promises of both runtimes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import gevent
import pytest
from gevent.socket import wait_read

from chat.client.runtime.gevent_runtime import GEVENT, SLICE, GeventRuntime
from chat.client.runtime.runtime import Stream
from chat.net.address import Address


@pytest.fixture
def line() -> Iterator[tuple[Stream, socket.socket]]:
    """A stream and the plain socket at its far end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = GEVENT.connect(Address("127.0.0.1", listener.getsockname()[1]), 5)
        far, _ = listener.accept()
    with far, closing(stream):
        yield stream, far


def test_only_the_greenlet_that_reads_waits(line: tuple[Stream, socket.socket]) -> None:
    stream, far = line
    buffer = bytearray(10)
    reader = gevent.spawn(stream.recv_into, memoryview(buffer))
    gevent.idle()
    assert not reader.ready()
    far.sendall(b"here")
    assert reader.get(timeout=30) == 4


def test_a_limit_for_sending_leaves_the_reader_alone(line: tuple[Stream, socket.socket]) -> None:
    stream, far = line
    reader = gevent.spawn(stream.recv_into, memoryview(bytearray(10)))
    gevent.idle()

    def send_until_nothing_is_taken() -> None:
        while True:
            stream.send(memoryview(bytes(1 << 20)), 0.01)

    with pytest.raises(TimeoutError):
        send_until_nothing_is_taken()
    far.sendall(b"!")
    assert reader.get(timeout=30) == 1


def test_shutting_wakes_a_reader_with_the_end_not_with_an_error(
    line: tuple[Stream, socket.socket],
) -> None:
    stream, _ = line
    reader = gevent.spawn(stream.recv_into, memoryview(bytearray(10)))
    gevent.idle()
    stream.shut()
    assert reader.get(timeout=30) == 0


def test_a_lock_that_one_greenlet_holds_stops_only_who_wants_it() -> None:
    lock = GEVENT.lock()
    lock.acquire()
    order: list[str] = []

    def want() -> None:
        with lock:
            order.append("second")

    task = gevent.spawn(want)
    gevent.idle()
    order.append("first")
    lock.release()
    task.get(timeout=30)
    assert order == ["first", "second"]


def test_what_is_offloaded_lets_greenlets_run_meanwhile() -> None:
    release = threading.Event()
    task = gevent.spawn(GEVENT.offload, release.wait, 5)
    gevent.spawn(release.set)
    assert task.get(timeout=30) is True


def test_a_key_waits_for_two_slices_of_a_flood_at_most() -> None:
    """A message takes a tenth of a slice, by a clock that moves with the work."""
    messages = 0
    runtime = GeventRuntime(lambda: messages * SLICE / 10)
    keyboard, user = socket.socketpair()

    def read_a_flood() -> None:
        nonlocal messages
        while True:
            messages += 1
            runtime.pause()

    flood = gevent.spawn(read_a_flood)
    with keyboard, user:
        for key in b"keys":
            before = messages
            user.send(bytes([key]))
            wait_read(keyboard.fileno())
            assert keyboard.recv(1) == bytes([key])
            assert messages - before <= 2 * 10
        assert messages
        flood.kill()


def test_a_reader_works_for_a_whole_slice_before_it_looks_up() -> None:
    now = 0.0
    runtime = GeventRuntime(lambda: now)
    others = gevent.spawn(lambda: None)
    runtime.pause()
    assert not others.ready()
    now = SLICE
    runtime.pause()
    assert others.ready()
