"""The server hears every few seconds how far a registered user has read."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest

from chat.client.attention.read_marks import ReadUpTo, UserMarks
from chat.client.connection.events import Text
from chat.client.conversation.ui_events import OtherAccount
from chat.client.errors import ConnectionLost
from chat.client.program import reconnect
from chat.protocol.commands import Command
from tests.client.fake_connection import NINE, FakeConnection, run_until_idle
from tests.client.reconnector_world import World


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect, "_READ_EVERY", 0.001)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.task.kill()


def wait_until_told(connection: FakeConnection, *commands: Command) -> None:
    with gevent.Timeout(30):
        while len(connection.told) < len(commands):
            gevent.sleep(0.001)
    assert connection.told == list(commands)


def test_each_mark_that_moves_is_told_once(world: World) -> None:
    marks = UserMarks()
    world.first.registered = ["bob"]
    world.start(marks=marks)
    marks.note(ReadUpTo(7))
    marks.note(ReadUpTo(3, "carol"))
    room = Command("read", seq=7)
    carol = Command("read", seq=3, private=True, partner="carol")
    wait_until_told(world.first, room, carol)
    marks.note(ReadUpTo(8))
    marks.note(ReadUpTo(2, room="dev"))  # of a room with numbers of its own
    dev = Command("read", seq=2, room="dev")
    wait_until_told(world.first, room, carol, Command("read", seq=8), dev)


def test_the_marks_of_a_guest_are_told_once_they_register(world: World) -> None:
    marks = UserMarks()
    world.start(marks=marks)
    marks.note(ReadUpTo(7))
    gevent.sleep(0.01)
    assert world.first.told == []
    world.first.registered = ["bob"]
    wait_until_told(world.first, Command("read", seq=7))


def test_the_last_marks_are_told_at_the_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect, "_READ_EVERY", 1000)
    marks = UserMarks()
    world.start(marks=marks)
    marks.note(ReadUpTo(7))
    world.reconnector.tell_read()  # a guest
    assert world.first.told == []
    world.first.registered = ["bob"]
    world.reconnector.tell_read()
    world.reconnector.tell_read()
    assert world.first.told == [Command("read", seq=7)]


def test_a_connection_that_is_lost_ends_the_telling(world: World) -> None:
    marks = UserMarks()
    second = FakeConnection()
    world.first.registered = second.registered = ["bob"]
    world.first.refuse_with = ConnectionLost("It broke.")
    world.start(second, marks=marks)
    marks.note(ReadUpTo(7))
    gevent.sleep(0.01)
    world.first.lose()
    world.wait_for(second)
    marks.note(ReadUpTo(8))
    wait_until_told(second, Command("read", seq=8))


def test_another_account_is_told_before_its_first_message(world: World) -> None:
    world.start()
    texts = [Text("carol", NINE, f"hi {n}", "bob", account=f"c{n}") for n in (1, 2)]
    for text in texts:
        world.first.receive(text)
    run_until_idle()
    assert world.audience.news[1:] == [texts[0], OtherAccount("carol"), texts[1]]
