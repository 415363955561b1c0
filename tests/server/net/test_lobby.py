"""Who makes way when descriptors are short."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterable

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.net.lobby import Lobby, connection_capacity
from chat.server.process.folding import FoldingLog
from tests.server.house import House


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
def lobby() -> Lobby:
    return Lobby(capacity=3, refusals=FoldingLog())


def everyone_leaves(lobby: Lobby, visitors: Iterable[Visitor]) -> None:
    for visitor in visitors:
        lobby.leave(visitor)


def test_within_the_capacity_nobody_makes_way(lobby: Lobby) -> None:
    visitors = [Visitor() for _ in range(3)]
    for visitor in visitors:
        lobby.enter(visitor)

    assert all(visitor.is_open for visitor in visitors)
    assert len(lobby) == 3
    everyone_leaves(lobby, visitors)
    assert len(lobby) == 0


def test_for_each_one_too_many_the_longest_waiting_makes_way(
    lobby: Lobby, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "chat.server")
    visitors = [Gone(), *(Visitor() for _ in range(4))]
    for visitor in visitors:
        lobby.enter(visitor)

    assert [visitor.is_open for visitor in visitors] == [False, False, True, True, True]
    assert caplog.messages == ["refused newcomers: too many at once"]
    everyone_leaves(lobby, visitors)
    assert len(lobby) == 0


def test_who_is_let_in_stays(lobby: Lobby) -> None:
    visitors = [Visitor() for _ in range(5)]
    for visitor in visitors[:3]:
        lobby.enter(visitor)
        lobby.let_in(visitor)
        lobby.let_in(visitor)
    for visitor in visitors[3:]:
        lobby.enter(visitor)

    # Nobody else waits: those who came last are turned away.
    assert [visitor.is_open for visitor in visitors] == [True, True, True, False, False]
    everyone_leaves(lobby, visitors)
    assert len(lobby) == 0


def test_a_place_that_became_free_is_had_without_anyone_making_way(lobby: Lobby) -> None:
    waiting = Visitor()
    lobby.enter(waiting)
    for _ in range(10):
        others = [Visitor(), Visitor()]
        for visitor in others:
            lobby.enter(visitor)
        everyone_leaves(lobby, others)

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


def test_a_newcomer_takes_the_place_of_who_has_waited_longest_and_of_nobody_inside(
    house: House,
) -> None:
    alice = house.join("alice")
    house.parts.lobby.capacity = 4
    idle = [house.connect() for _ in range(3)]
    transfer = house.transfer(alice)
    bob = house.join("bob")

    assert [client.at_end() for client in idle[:2]] == [True, True]
    alice.expect_joined("bob")
    bob.say("hi")
    alice.expect_text("hi", "bob")
    transfer.send(MessageType.FILE, "name", b"content")
    alice.expect(MessageType.FILE, b"content")
    assert idle[2].try_login("carol").type == MessageType.LOGIN
