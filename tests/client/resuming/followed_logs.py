"""The numbers that a user has seen of each log: a client must show each once, in order, or name it as missing."""

from __future__ import annotations

from chat.client.connection.events import EnteredRoom, LeftRoom, RoomHistory, Text, Welcome
from chat.client.resuming.events import LineFound, MissingMessages, Renumbered, ResumedEvent
from chat.client.resuming.resumer import Resumer
from chat.client.state.contents import Contents
from chat.client.state.places import MAILBOX, ROOM, LogKey, log_of, room_log
from tests.client.resuming.late_server import LateServer


class FollowedLogs:
    """The numbers that one run of the client has seen of each log: every number once, in order, or named as missing."""

    def __init__(self) -> None:
        self.next: dict[LogKey, int] = {}
        self.end: dict[LogKey, int] = {}  # as the last welcome told it
        self.found: set[str] = set()  # lines that were perhaps said, and turned up
        self._rooms: list[LogKey] = []  # that an earlier run was in
        self._known: dict[LogKey, int] = {}  # what this run is to see first
        self._first: dict[LogKey, int] = {}  # to see after the first login, by whatever run

    def begin_run(self, contents: Contents) -> None:
        self._known = {
            **self._first,
            **{log: place.seq + 1 for log, place in contents.places.items()},
        }
        # The run has not been told yet whether the user is in a room.
        self.next = {log: self._known[log] for log in (ROOM, MAILBOX) if log in self._known}
        self._rooms = [room_log(name) for name in contents.rooms.names]

    def log_in(self, welcome: Welcome) -> None:
        """Note a login of a program, which may be killed before it sees the welcome."""
        for log, facts in _facts(welcome)[:2]:
            self._first.setdefault(log, facts.last + 1)

    def show(self, events: list[ResumedEvent]) -> None:
        for event in events:
            if isinstance(event, Welcome):
                for log, facts in _facts(event):
                    self.end[log] = _end_of(facts)
                    self.next.setdefault(log, self._known.get(log, self.end[log]))
            elif isinstance(event, LineFound):
                self.found.add(event.line.nonce)
            elif isinstance(event, LeftRoom):
                log = room_log(event.room)
                is_known = log in (*self.next, *self._rooms) or event.receipt is not None
                assert is_known, f"{event}: of what room?"
                self.next.pop(log, None)
                self._known.pop(log, None)
            elif isinstance(event, EnteredRoom):
                assert event.facts.topic is not None, "the server was asked for the facts"
                log = room_log(event.facts.name)
                self.next.setdefault(log, self._known.get(log, int(event.facts.topic)))
                self.end[log] = _end_of(event.facts.history)
            elif isinstance(event, Renumbered):
                self.next[event.log] = self.end[event.log]
            elif isinstance(event, MissingMessages):
                self._expect(event.log, event.first, f"missing {event}")
                self.next[event.log] = event.last + 1
            elif isinstance(event, Text) and event.seq is not None:
                log = log_of(event.to, event.room)
                assert log in self.next, f"{event.text} of {log}, which the user is not in"
                self._expect(log, event.seq, event.text)
                self.next[log] = event.seq + 1

    def _expect(self, log: LogKey, seq: int, what: str) -> None:
        expected = self.next.get(log)
        assert expected in (None, seq), f"{log}: {what} has number {seq}, not {expected}"

    def check(self, server: LateServer, resumer: Resumer) -> None:
        for log, book in server.books.items():
            assert (log in self.next) is book.has_user, f"{log}: the user is in it or not"
            assert self.next.get(log) in (None, book.head + 1), f"{log}: not all was seen"


def _facts(welcome: Welcome) -> list[tuple[LogKey, RoomHistory]]:
    assert welcome.history is not None
    assert welcome.mailbox is not None
    rooms = [(room_log(each.name), each.history) for each in welcome.rooms if each.history]
    return [(ROOM, welcome.history), (MAILBOX, welcome.mailbox), *rooms]


def _end_of(facts: RoomHistory | None) -> int:
    assert facts is not None
    return facts.last + 1
