"""A broadcast that asks before it sends: it may have been paused, and must not go on with what was pending."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.frames import Frame
from chat.protocol.notices import LeaveReason
from chat.server.delivery import leased_broadcast
from chat.server.delivery.broadcast import do_nothing
from chat.server.delivery.leased_broadcast import LeasedBroadcast
from tests.server.fakes import FakeMember, run_ready_greenlets


class World:
    """Users of a server whose lease lasts for so many looks."""

    def __init__(self, users: int = 3) -> None:
        self.looks = 1000
        self.broadcast = LeasedBroadcast(do_nothing, self.check)
        self.broadcast.start()
        self.users = [FakeMember(f"user{number}") for number in range(users)]
        for user in self.users:
            self.broadcast.add(user.send_queue)

    def check(self) -> None:
        self.looks -= 1
        if self.looks < 0:
            for user in self.users:
                user.send_queue.end_with(b"", LeaveReason.SERVER_STOPPING)

    def heard(self) -> list[int]:
        run_ready_greenlets()
        return [len(user.frames) for user in self.users]


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.broadcast.stop()


def text(content: str = "text") -> Frame:
    return Frame(MessageType.UTF8, b"", content.encode())


def test_what_was_pending_when_the_lease_ran_out_reaches_nobody(world: World) -> None:
    world.broadcast.post(text())
    world.looks = 0
    assert world.heard() == [0, 0, 0]
    assert [user.transport.sends for user in world.users] == [[0], [0], [0]]


def test_nor_does_a_frame_for_one_user(world: World) -> None:
    world.looks = 0
    world.broadcast.put(world.users[0].send_queue, text())
    world.broadcast.answer(
        world.users[1].send_queue, text().encode(world.users[1].send_queue.order)
    )
    world.broadcast.remind(world.users[2].send_queue, b"x" * 16)
    assert world.heard() == [0, 0, 0]


def test_a_server_that_was_stopped_in_a_batch_does_not_finish_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leased_broadcast, "_AT_ONCE", 4)
    world = World(10)
    world.broadcast.post(text())
    world.looks = 2
    assert world.heard() == [1] * 8 + [0] * 2
    world.broadcast.stop()


def test_a_large_audience_gets_each_batch_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leased_broadcast, "_AT_ONCE", 40)
    world = World(100)
    content = os.urandom(10_000).hex()
    for _ in range(3):
        world.broadcast.post(text(content))
    assert world.heard() == [3] * 100
    assert all(frame.content == content.encode() for user in world.users for frame in user.frames)
    assert world.broadcast.given == 100 * 3 * (16 + len(content))
    world.broadcast.stop()
