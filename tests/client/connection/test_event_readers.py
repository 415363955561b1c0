"""Readers of rooms and of the rest, in several tasks: each event reaches one reader, in order, and nobody stalls."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import Any

import gevent
import gevent.event
import pytest

from chat.client.connection.events import (
    EnteredRoom,
    Event,
    EventsDropped,
    Invited,
    LeftRoom,
    RoomFacts,
    Text,
)
from chat.client.connection.reading import event_readers
from chat.client.connection.reading.event_readers import EventReaders
from chat.client.errors import ConnectionLost
from chat.client.runtime.gevent_runtime import GEVENT, GeventRuntime
from chat.client.runtime.runtime import PLAIN, Runtime
from tests.client.runtimes import with_both_runtimes

NOON = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
PATIENCE = 30.0


def text(room: str | None, number: int = 0) -> Text:
    return Text("bob", NOON, "x", seq=number, room=room)


class Source:
    """The events of a connection, one by one; one task at a time may fetch. ``pauses``: seconds before each."""

    def __init__(self, runtime: Runtime, events: list[Event], pauses: Callable[[], float]) -> None:
        self._runtime = runtime
        self._events = iter(events)
        self._pauses = pauses
        self._is_read = False

    def fetch(self) -> Event | None:
        assert not self._is_read, "two tasks read at once"
        self._is_read = True
        self._runtime.sleep(self._pauses())
        event = next(self._events, None)
        self._is_read = False
        return event


@with_both_runtimes
@pytest.mark.parametrize("seed", range(3))
def test_each_event_reaches_its_reader_once_and_in_order(runtime: Runtime, seed: int) -> None:
    """Several tasks read each room, the rest, or for themselves as one that waits for an answer does."""
    chance = random.Random(seed)
    rooms = [None, "a", "b", "c", "unread"]
    events: list[Event] = [text(chance.choice(rooms), number) for number in range(600)]
    pauses = [chance.choice([0, 0, 0, 0.001]) for _ in range(5000)]
    source = Source(runtime, events, lambda: pauses.pop() if pauses else 0)
    readers: EventReaders[Event] = EventReaders(runtime, source.fetch)
    for room in ("a", "b", "c"):
        readers.put(text(room, -1))  # came before anybody read the room
    heard: dict[str | None, list[Text]] = {None: [], "a": [], "b": [], "c": []}

    def read(room: str | None) -> None:
        while True:
            event = readers.read() if room is None else readers.read_room(room, is_member=True)
            if event is None:
                return
            assert isinstance(event, Text)
            heard[room].append(event)
            runtime.sleep(pauses[-1] if pauses else 0)

    def wait_for_answers() -> None:
        for _ in range(50):
            if readers.acquire():
                event = source.fetch()
                if event is not None:
                    readers.put(event)
                readers.release()
            runtime.sleep(0.001)

    tasks = [runtime.spawn(read, room) for room in ("a", "a", "b", "c")]
    eventually_open(runtime, readers, {"a", "b", "c"})
    tasks += [runtime.spawn(read, None), runtime.spawn(wait_for_answers)]
    for task in tasks:
        task.join(PATIENCE)

    for room in ("b", "c"):
        assert [each.seq for each in heard[room]] == [-1, *numbers(events, room)]
    assert sorted(each.seq or 0 for each in heard["a"]) == [-1, *numbers(events, "a")]
    assert {each.room for each in heard["a"]} == {"a"}
    rest = [each.seq for each in heard[None]]
    assert rest == [
        each.seq for each in events if isinstance(each, Text) and each.room in (None, "unread")
    ]
    assert readers.is_idle


def numbers(events: list[Event], room: str) -> list[int | None]:
    return [each.seq for each in events if isinstance(each, Text) and each.room == room]


def eventually_open(runtime: Runtime, readers: EventReaders[Event], rooms: set[str]) -> None:
    while set(readers.open_rooms) != rooms:
        runtime.sleep(0.001)


class YieldingLock:
    """A lock around which other greenlets may run, as ``turns`` says: like threads, which may run anywhere."""

    def __init__(self, turns: Callable[[], int]) -> None:
        self._turns = turns
        self._lock = GEVENT.lock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        self._let_others_run()
        is_mine = self._lock.acquire(blocking, timeout)
        self._let_others_run()
        return is_mine

    def release(self) -> None:
        self._lock.release()
        self._let_others_run()

    def _let_others_run(self) -> None:
        for _ in range(self._turns()):
            gevent.sleep(0)


class YieldingRuntime(GeventRuntime):
    """Greenlets that run in a random order."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        # Greenlets that are killed, which gevent does only where a greenlet waits.
        self.killed: set[object] = set()

    def lock(self) -> Any:
        return YieldingLock(self._turns)

    def _turns(self) -> int:
        return 0 if gevent.getcurrent() in self.killed else self._chance.choice([0, 0, 1, 2])


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_no_reader_waits_for_a_task_that_has_stopped(first: int) -> None:
    """Each task reads some events and no more. All get theirs, although the connection goes on in silence."""
    for seed in range(first, first + 100):
        chance = random.Random(seed)
        runtime = YieldingRuntime(chance)
        tasks = {room: chance.randrange(1, 4) for room in (None, "a", "b", "c")}
        # Each task of a room gets a text, or is told that the user has left.
        events: list[Any] = [text(room) for room, count in tasks.items() for _ in range(count)]
        chance.shuffle(events)
        parted = chance.choice(["a", "b", "c"])
        events = [each for each in events if each.room != parted]
        events.insert(chance.randrange(len(events) + 1), LeftRoom(parted, NOON))
        readers, left = silent_after(runtime, events)
        ends: list[str | None] = []
        task = partial(read_one, readers, left, ends)

        waiting = [room for room, count in tasks.items() for _ in range(count)]
        for room in ("a", "b", "c"):
            readers._open(room)  # before the first task stops
        chance.shuffle(waiting)
        greenlets = [gevent.spawn(task, room) for room in waiting]
        # This one has no event, and is interrupted at any time.
        interrupted = gevent.spawn(readers.read_room, "d", is_member=True)
        runtime.killed.add(interrupted)
        for _ in range(chance.randrange(10)):
            gevent.sleep(0)
        interrupted.kill()
        gevent.joinall(greenlets, timeout=PATIENCE)
        gevent.killall(greenlets)
        assert sorted(map(str, ends)) == sorted(map(str, waiting)), f"seed {seed}"


def read_one(
    readers: EventReaders[Any], left: set[str], ends: list[str | None], room: str | None
) -> None:
    if room is None:
        readers.read()
    else:
        readers.read_room(room, is_member=room not in left)
    ends.append(room)


def silent_after(runtime: Runtime, events: list[Any]) -> tuple[EventReaders[Any], set[str]]:
    """Readers of a connection that is silent after ``events``, and the rooms that the user has left."""
    rest, left = iter(events), set[str]()

    def fetch() -> Any:
        runtime.sleep(0)
        event = next(rest, None)
        if event is None:
            gevent.event.Event().wait()
        if isinstance(event, LeftRoom):
            left.add(event.room)
        return event

    return EventReaders(runtime, fetch), left


class Script:
    """Readers in one task, for what comes."""

    def __init__(self, *events: Any) -> None:
        self._events = list(events)
        self.readers: EventReaders[Any] = EventReaders(PLAIN, self._fetch)

    def _fetch(self) -> Any:
        if not self._events:
            return None
        event = self._events.pop(0)
        if isinstance(event, Exception):
            raise event
        return event

    def room(self, name: str = "dev", *, is_member: bool = True) -> list[Any]:
        events = []
        while (event := self.readers.read_room(name, is_member=is_member)) is not None:
            events.append(event)
        return events

    def rest(self) -> list[Any]:
        events = []
        while (event := self.readers.read()) is not None:
            events.append(event)
        return events


ENTERED = EnteredRoom(RoomFacts("dev"), NOON)
LEFT = LeftRoom("dev", NOON)


def test_a_room_ends_when_the_user_leaves_it_and_begins_when_they_come_back() -> None:
    script = Script(text(None, 1), text("dev", 2), LEFT, ENTERED, text("dev", 3), text(None, 4))
    assert script.room() == [text("dev", 2), LEFT]
    assert script.readers.read() == text(None, 1)
    assert script.readers.read() == ENTERED, "nobody reads the room now"
    assert script.room() == [text("dev", 3)]
    assert script.rest() == [text(None, 4)]


def test_what_came_before_somebody_reads_the_room_is_first() -> None:
    script = Script(text("dev", 9))
    for event in (text(None, 1), ENTERED, text("dev", 2), text("ops", 3)):
        script.readers.put(event)
    assert script.room() == [ENTERED, text("dev", 2), text("dev", 9)]
    assert script.rest() == [text(None, 1), text("ops", 3)]


def test_a_room_that_the_user_has_left_before_ends_at_once() -> None:
    script = Script()
    for event in (text("dev", 1), LEFT, ENTERED):
        script.readers.put(event)
    assert script.room(is_member=False) == [text("dev", 1), LEFT]
    assert script.rest() == [ENTERED]
    assert Script(ConnectionLost("never read")).room(is_member=False) == []


def test_an_invitation_is_not_for_the_room() -> None:
    invited = Invited("dev", "bob", "Come!", NOON)
    script = Script(text("dev", 1), invited)
    assert script.room() == [text("dev", 1)]
    assert script.rest() == [invited]


def test_each_reader_hears_that_the_connection_is_lost() -> None:
    script = Script(text("dev", 1), *[ConnectionLost("It broke.")] * 2)
    assert script.readers.read_room("dev", is_member=True) == text("dev", 1)
    with pytest.raises(ConnectionLost):
        script.room()
    with pytest.raises(ConnectionLost):
        script.rest()


@with_both_runtimes
def test_a_reader_who_is_stopped_while_another_reads(runtime: Runtime) -> None:
    woken = runtime.event()
    heard: list[object] = []

    def fetch() -> Event | None:
        woken.wait(PATIENCE)
        return None

    readers: EventReaders[Event] = EventReaders(runtime, fetch)
    tasks = [runtime.spawn(lambda: heard.append(readers.read()))]
    tasks += [
        runtime.spawn(lambda: heard.append(readers.read_room("dev", is_member=True)))
        for _ in range(3)
    ]
    eventually_open(runtime, readers, {"dev"})
    readers.put(text("dev"))
    readers.stop()
    woken.set()
    for task in tasks:
        task.join(PATIENCE)
    assert set(map(type, heard)) <= {type(None), Text}
    assert len(heard) == 4


@pytest.mark.parametrize(("number", "size"), [(10, 10_000), (10_000, 10)])
def test_too_many_events_take_the_place_of_the_oldest_and_it_is_told(
    monkeypatch: pytest.MonkeyPatch, number: int, size: int
) -> None:
    monkeypatch.setattr(event_readers, "MAX_EVENTS", number)
    monkeypatch.setattr(event_readers, "MAX_SIZE", size)
    script = Script(*(text(None, number) for number in range(25)), text("dev", 1))
    assert script.readers.read_room("dev", is_member=True) == text("dev", 1)
    dropped, *rest = script.rest()
    assert dropped == EventsDropped(15)
    assert [each.seq for each in rest] == [*range(15, 25)]
    assert script.readers.is_idle
    for seq in range(12):
        script.readers.put(text("dev", seq))
    assert script.room()[0] == EventsDropped(2, "dev")


def test_a_task_that_is_interrupted_when_it_is_its_turn_to_read() -> None:
    readers, _ = silent_after(GEVENT, [text("a")])
    assert readers.acquire()
    first = gevent.spawn(readers.read_room, "d", is_member=True)
    second = gevent.spawn(readers.read_room, "a", is_member=True)
    gevent.idle()
    first.kill(block=False)
    readers.release()  # wakes the first one, which has not run since
    assert second.get(timeout=PATIENCE) == text("a")
