"""The bounds of what waits for the engine, and the end of the log."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.runs import Run
from chat.server.cluster.log_entry import ORIGIN, EntryId
from chat.server.log.log import Change, LogClock, LogClosed, LogFull, Record
from chat.server.log.operations import Operations
from chat.server.replication.shared_log import SharedLog
from tests.server.fakes import FakeMember, run_ready_greenlets


class SilentEngine:
    """An engine that is away: records wait."""

    incarnation = "this run"

    def __init__(self) -> None:
        self.records: list[bytes] = []

    @property
    def applied(self) -> EntryId:
        return ORIGIN

    @property
    def waiting(self) -> tuple[int, int]:
        return len(self.records), sum(map(len, self.records))

    def append(self, record: bytes) -> None:
        if len(self.records) >= Bounds.max_waiting_records:
            raise LogFull("full")
        self.records.append(record)

    def close(self, timeout: float) -> bool:
        return False


class Bounds:
    max_waiting = 1 << 20
    max_waiting_records = 100


class World:
    def __init__(self) -> None:
        self.engine = SilentEngine()
        self.log = SharedLog(LogClock(), lambda home, number: None, Bounds())
        self.log.follow(lambda entry: None)
        self.log.use(self.engine)
        self.operations = Operations(self.log)
        self.member: Any = FakeMember("alice")
        self.member.home, self.member.number = "this run", 1

    def say(self) -> Record:
        run = Run(MessageType.UTF8, (b"text",), (None,), 4)
        record = Record(self.member, run)
        self.log.append(record)
        return record

    def say_all_that_is_taken(self) -> None:
        while True:
            self.say()


@pytest.fixture
def world() -> World:
    return World()


def test_senders_are_read_no_further_long_before_they_are_refused(world: World) -> None:
    for _ in range(39):
        world.say()
    assert world.log.wait_for_room(0)
    world.say()
    assert not world.log.wait_for_room(0.01)
    for _ in range(40):
        world.say()
    with pytest.raises(LogFull):
        world.say()


def test_logins_and_leaves_have_a_part_of_the_room(world: World) -> None:
    with pytest.raises(LogFull):
        world.say_all_that_is_taken()
    for _ in range(20):
        world.log.append(Change("leave", {"reason": "quit"}, world.member))
    with pytest.raises(LogFull):
        world.log.append(Change("leave", {"reason": "quit"}, world.member))


def test_nobody_waits_for_a_log_that_the_server_has_left(world: World) -> None:
    record = world.say()
    asking = gevent.spawn(world.operations.perform, "anything", {})
    with pytest.raises(LogFull):
        world.say_all_that_is_taken()
    waiting = gevent.spawn(world.log.wait_for_room, 60)
    run_ready_greenlets()
    assert not asking.ready()

    world.log.give_up()

    with pytest.raises(LogFull, match="has left"):
        asking.get(timeout=1)
    assert waiting.get(timeout=1)
    # Nobody knows whether it was said.
    assert not record.is_settled
    with pytest.raises(LogClosed):
        world.say()
    with pytest.raises(LogFull, match="shutting down"):
        world.operations.perform("anything", {})
