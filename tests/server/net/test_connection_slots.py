"""When descriptors run out, connections without a login make way."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterable

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.net.connection_slots import ConnectionSlots, connection_capacity
from chat.server.process.log_folding import FoldingLog
from tests.server.server_in_test import TestServer


class Visitor:
    """A socket that remembers whether it was shut down."""

    def __init__(self) -> None:
        self.is_open = True

    def shutdown(self, how: int, /) -> None:
        assert how == socket.SHUT_RDWR
        self.is_open = False

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        return b""


class Gone(Visitor):
    def shutdown(self, how: int, /) -> None:
        super().shutdown(how)
        raise OSError("Transport endpoint is not connected")


@pytest.fixture
def connection_slots() -> ConnectionSlots:
    return ConnectionSlots(capacity=3, refusals=FoldingLog())


def everyone_leaves(connection_slots: ConnectionSlots, visitors: Iterable[Visitor]) -> None:
    for visitor in visitors:
        connection_slots.leave(visitor)


def test_within_the_capacity_nobody_makes_way(connection_slots: ConnectionSlots) -> None:
    visitors = [Visitor() for _ in range(3)]
    for visitor in visitors:
        connection_slots.enter(visitor)

    assert all(visitor.is_open for visitor in visitors)
    assert len(connection_slots) == 3
    everyone_leaves(connection_slots, visitors)
    assert len(connection_slots) == 0


def test_for_each_one_too_many_the_longest_waiting_makes_way(
    connection_slots: ConnectionSlots, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "chat.server")
    visitors = [Gone(), *(Visitor() for _ in range(4))]
    for visitor in visitors:
        connection_slots.enter(visitor)

    assert [visitor.is_open for visitor in visitors] == [False, False, True, True, True]
    assert caplog.messages == ["refused new connections: too many at once"]
    everyone_leaves(connection_slots, visitors)
    assert len(connection_slots) == 0


def test_a_user_who_is_let_in_stays(connection_slots: ConnectionSlots) -> None:
    visitors = [Visitor() for _ in range(5)]
    for visitor in visitors[:3]:
        connection_slots.enter(visitor)
        connection_slots.logged_in(visitor)
        connection_slots.logged_in(visitor)
    for visitor in visitors[3:]:
        connection_slots.enter(visitor)

    # Nobody else waits: those who came last are turned away.
    assert [visitor.is_open for visitor in visitors] == [True, True, True, False, False]
    everyone_leaves(connection_slots, visitors)
    assert len(connection_slots) == 0


def test_a_place_that_became_free_is_had_without_anyone_making_way(
    connection_slots: ConnectionSlots,
) -> None:
    waiting = Visitor()
    connection_slots.enter(waiting)
    for _ in range(10):
        others = [Visitor(), Visitor()]
        for visitor in others:
            connection_slots.enter(visitor)
        everyone_leaves(connection_slots, others)

    assert waiting.is_open


@pytest.mark.parametrize(
    ("limit", "capacity"),
    [(1, 1), (1000, 750), (1_048_576, 1_048_576 - 576), (resource.RLIM_INFINITY, (1 << 20) - 576)],
)
def test_a_part_of_the_descriptors_is_kept_for_files(
    monkeypatch: pytest.MonkeyPatch, limit: int, capacity: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limit, limit))

    assert connection_capacity() == capacity


def test_a_newcomer_takes_the_place_of_the_oldest_login_and_of_no_user(
    chat_server: TestServer,
) -> None:
    alice = chat_server.join("alice")
    chat_server.parts.connection_slots.capacity = 4
    idle = [chat_server.connect() for _ in range(3)]
    transfer = chat_server.transfer(alice)
    bob = chat_server.join("bob")

    assert [client.at_end() for client in idle[:2]] == [True, True]
    alice.expect_joined("bob")
    bob.say("hi")
    alice.expect_text("hi", "bob")
    transfer.send(MessageType.FILE, "name", b"content")
    alice.expect(MessageType.FILE, b"content")
    assert idle[2].try_login("carol").type == MessageType.LOGIN
