"""Every byte is counted, and a server that stops or hangs up is noticed."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from benchmarks.load import Crowd, Entrance, Login, Sender
from benchmarks.plan import BenchmarkError
from benchmarks.sizes import Sizes
from tests.server.fakes import wait_until


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    with closing(Crowd()) as crowd:
        yield crowd


@pytest.fixture
def pair(crowd: Crowd) -> Iterator[tuple[socket.socket, socket.socket]]:
    """One of the crowd, and the server's end of it."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    crowd.add(ours)
    with theirs:
        yield ours, theirs


def test_counts_without_reading(crowd: Crowd, listener: socket.socket) -> None:
    ours = socket.create_connection(listener.getsockname())
    theirs, _ = listener.accept()
    crowd.add(ours)
    with theirs:
        theirs.sendall(b"x" * 100_000)
        crowd.turn_until(lambda: crowd.received[ours.fileno()] == 100_000, "all came")


def test_when_it_arrived_counts_and_not_when_it_is_read(
    crowd: Crowd, listener: socket.socket
) -> None:
    ours = socket.create_connection(listener.getsockname())
    theirs, _ = listener.accept()
    crowd.add(ours)
    crowd.time_arrivals(ours.fileno())
    sent: list[float] = []
    waits: list[float] = []

    def is_stamped_before_it_is_read() -> bool:
        sent.append(time.time() - 5)
        theirs.sendall(b"12345678")
        select.select([ours], [], [])
        was_there = time.time()
        crowd.take_times(Sizes(8), sent, waits)
        return 5 <= waits[-1] <= was_there - sent[-1]

    with theirs:
        # The kernel begins to stamp a moment after it has been asked to.
        wait_until(is_stamped_before_it_is_read)
        assert len(waits) == len(sent)
        crowd.only_count(ours.fileno())
        theirs.sendall(b"12345678")
        total = 8 * (len(sent) + 1)
        crowd.turn_until(lambda: crowd.received[ours.fileno()] == total, "the other came")


def test_one_who_is_forgotten_is_closed(crowd: Crowd, pair: tuple) -> None:
    ours, theirs = pair

    crowd.forget(ours)

    assert theirs.recv(1) == b""
    crowd.settle()


def test_notices_that_the_server_hung_up(crowd: Crowd, pair: tuple) -> None:
    _, theirs = pair
    theirs.close()

    with pytest.raises(BenchmarkError, match="closed a connection"):
        crowd.turn_until(lambda: False, "the end")


def test_no_more_than_the_window_is_under_way(crowd: Crowd, pair: tuple) -> None:
    ours, theirs = pair
    sender = Sender(crowd, ours, b"hi%", window=4)
    sender.confirm_by(ours, b"%")

    sender.start()
    assert theirs.recv(100) == b"hi%" * 4

    theirs.sendall(b"%% and more")
    crowd.turn_until(lambda: sender.confirmed == 2, "two came back")
    assert theirs.recv(100) == b"hi%" * 2


def test_one_who_is_to_send_a_few_sends_no_more(crowd: Crowd, pair: tuple) -> None:
    ours, theirs = pair
    sender = Sender(crowd, ours, b"hi", window=4)

    sender.start(1)
    sender.confirm(1)

    assert theirs.recv(100) == b"hi"
    assert sender.sent == 1


def test_a_login_is_over_when_its_answer_has_come(crowd: Crowd, listener: socket.socket) -> None:
    entrance = Entrance(crowd, listener.getsockname(), at_a_time=2)
    peers: list[socket.socket] = []

    def logins() -> Iterator[Login]:
        yield Login(b"one", b"OK")
        peers.append(listener.accept()[0])
        assert peers[0].recv(10) == b"one"
        peers[0].sendall(b"welcome O")
        peers[0].sendall(b"K and news")

    (sock,) = entrance.let_in(logins())

    assert crowd.received[sock.fileno()] >= len(b"welcome OK")
    assert len(entrance.waits) == 1
    peers[0].close()
