"""The reference client: an independent implementation of coming back and exactly-once, small enough to be read.

It runs in a greenlet. When it is killed, all but its file is gone, as after kill -9 of a process. It can also be killed
at a chosen *step*: before or behind the write of a file, or the sending of a line.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import gevent
from gevent.lock import RLock

from tests.cutting.evidence import (
    EpochShown,
    Event,
    Fate,
    HoleShown,
    LineRecord,
    Message,
    Observed,
    Shown,
    room_of_log,
)
from tests.cutting.guards import Guard
from tests.cutting.lines import Line, make_line
from tests.cutting.state_file import Place, State, StateFile
from tests.cutting.wire_session import (
    BadPlace,
    Found,
    LoginRefused,
    NoHistory,
    Query,
    WireSession,
)
from tests.peers.wire import Address

_ENDS = (OSError, EOFError, LoginRefused, NoHistory)  # how a connection ends
_LOGIN = 0.5  # seconds that a login may take, where the look-up comes before it
_MOST_WAITING = 8  # lines; a user who gets no answer stops typing


class WirePeer:
    """One client of the account ``observed.account``, over all its lives.

    ``recipients`` are the accounts to which it may whisper, ``pause`` is the mean time between two lines in seconds.
    """

    def __init__(
        self,
        observed: Observed,
        password: str,
        address: Address,
        path: Path,
        *,
        rng: Random,
        recipients: list[str],
        pause: float,
        without: Guard | None = None,
    ) -> None:
        self.observed = observed
        self.is_quiet = False  # types no further lines
        self._password = password
        self._address = address
        self._rng = rng
        self._recipients = recipients
        # Beside the default one.
        self._rooms = [room for log in observed.logs if (room := room_of_log(log)) is not None]
        self._pause = pause
        self._without = without
        self._file = StateFile(path, self._step, in_one_write=without is not Guard.ONE_WRITE)
        self._number = self._sessions = 0
        self._fuse: int | None = None  # steps until it dies
        self._fuse_at_answer: int | None = None
        self._last_end = ""  # of a connection
        self._is_dead = True
        self._begin_life()

    # Life and death

    def _begin_life(self) -> None:
        """Forget all that a process has in its memory."""
        self._life: list[Event] = []
        self._state = State("", self.observed.logs)
        self._session: WireSession | None = None
        self._said: set[str] = set()  # the nonces of this session
        self._saying = RLock()
        self._coming: dict[str, list[Message]] = {}
        self._newest: dict[str, int] = {}
        self._is_settling = False
        self._task: gevent.Greenlet[..., None] | None = None

    @property
    def name(self) -> str:
        return self.observed.client

    @property
    def is_alive(self) -> bool:
        return not self._is_dead

    @property
    def is_in(self) -> bool:
        """Whether it is in the room, and has caught up."""
        return self._session is not None and not self._is_settling

    @property
    def is_settled(self) -> bool:
        """Whether it is in the room, has caught up, and no line waits for an answer."""
        return self.is_in and not self._state.lines

    @property
    def status(self) -> str:
        """Describe its state, for a report."""
        where = "in the room" if self._session is not None else "not in the room"
        return f"{where}, {len(self._state.lines)} lines wait; last end: {self._last_end!r}"

    def start(self) -> None:
        """Begin a life with what the file has."""
        self._begin_life()
        self._is_dead, self._fuse, self._fuse_at_answer = False, None, None
        self.observed.lives.append(self._life)
        self._task = gevent.spawn(self._live)

    def kill(self) -> None:
        """Kill it now, whatever it does."""
        self._is_dead = True
        if self._task is not None:
            self._task.kill()

    def kill_at(self, step: int, *, at_answer: bool = False) -> None:
        """Kill it after so many further steps, or steps behind the next answer to one of its lines."""
        if at_answer:
            self._fuse_at_answer = step
        else:
            self._fuse = step

    def reconnect(self) -> None:
        """Give up the connection and come back."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _step(self) -> None:
        if self._fuse is not None:
            self._fuse -= 1
        if self._fuse is not None and self._fuse < 0 and not self._is_dead:
            self._is_dead = True
            assert self._task is not None
            self._task.kill(block=False)
        if self._is_dead:
            raise gevent.GreenletExit

    def _live(self) -> None:
        self._state = self._file.load() or State(
            f"{self._rng.getrandbits(256):064x}", self.observed.logs
        )
        for line in self._state.lines:
            if self._record(line).fate is Fate.TYPED:
                self._record(line).fate = Fate.WAITING
        typing = gevent.spawn(self._type_lines)
        try:
            while True:
                try:
                    self._follow()
                except _ENDS as problem:
                    self._last_end = f"{type(problem).__name__}: {problem}"
                    gevent.sleep(self._rng.uniform(0.01, 0.2))
                except BadPlace:
                    self._begin_anew()
        finally:
            self._is_dead = True
            typing.kill()

    # Typing

    def _type_lines(self) -> None:
        while True:
            gevent.sleep(self._rng.expovariate(1 / self._pause))
            if self.is_quiet or len(self._state.lines) >= _MOST_WAITING:
                continue
            self._number += 1
            line = make_line(self._rng, self.name, self._number, self._recipients, self._rooms)
            record = LineRecord(line.body, line.to, room=line.room)
            self.observed.lines[line.body] = record
            self._step()
            self._state.lines.append(line)
            if self._session is not None:
                self._state.said.add(line.nonce)
            self._file.save(self._state)
            if record.fate is Fate.TYPED:
                record.fate = Fate.WAITING
            if self._session is not None:
                self._say_waiting(self._session)

    def _say_waiting(self, session: WireSession) -> None:
        """Say each line that waits and was not said in ``session``."""
        with self._saying:
            for line in self._state.lines[:]:
                if not session.is_open:
                    return
                if line.nonce in self._said or line not in self._state.lines:
                    continue
                self._said.add(line.nonce)
                if line.nonce not in self._state.said:
                    self._state.said.add(line.nonce)
                    self._file.save(self._state)
                self._record(line).sessions.append(self._sessions)
                self._step()
                try:
                    session.say(line)
                except OSError:
                    return  # the reader meets the end, too
                self._step()

    # A connection

    def _follow(self) -> None:
        """Log in, look up, catch up, say what is missing, and follow the room until the connection ends."""
        self._sessions += 1
        self._said.clear()
        self._coming = {log: [] for log in self.observed.logs}
        self._newest = dict.fromkeys(self.observed.logs, 0)
        self._is_settling = True
        looked_up = False
        if self._without is Guard.LOOK_UP and self._state.lines:
            # By another session, while late frames of the former session may still count.
            scout = WireSession(self._address, self._login("scout"), lambda header, message: None)
            try:
                self._look_up(scout)
            finally:
                scout.close()
            gevent.sleep(self._rng.uniform(0, _LOGIN))
            looked_up = True
        device = self._state.device
        if self._without is Guard.DEVICE:
            device = f"{self._rng.getrandbits(256):064x}"
        session = WireSession(self._address, self._login(device), self._take)
        try:
            if looked_up:
                self._say_waiting(session)
            self._come_back(session, looked_up)
            self._session = session
            self._say_waiting(session)
            while True:
                session.receive()
                if self._session is None:
                    return
        finally:
            self._session = None
            session.close()

    def _login(self, device: str) -> dict[str, object]:
        if device == "scout":
            device = "5" * 64
        return {"to": self.observed.account, "password": self._password, "device": device}

    def _come_back(self, session: WireSession, looked_up: bool) -> None:
        if self._state.epoch is None:
            self._state.epoch = session.epoch
        if self._state.epoch != session.epoch:
            self._begin_anew(session)
        elif not looked_up:
            self._look_up(session)
        for log in self.observed.logs:
            self._catch_up(session, log)
        self._is_settling = False
        self._settle(session)

    def _begin_anew(self, session: WireSession | None = None) -> None:
        """Tell the user that places mean nothing any more. Say nothing again."""
        for line in self._lines_said():
            self._state.remove(line)
            self._record(line).fate = Fate.PERHAPS
        self._state.epoch = None if session is None else session.epoch
        for log in self.observed.logs:
            head = Place() if session is None else session.facts[log].head
            self._state.places[log] = head
            self._life.append(EpochShown(log, "" if session is None else session.epoch))
        self._file.save(self._state)

    def _look_up(self, session: WireSession) -> None:
        """Find out which lines were said. Mark the lines of which nobody can know."""
        for log in self.observed.logs:
            lines = [line for line in self._lines_said() if self._record(line).log == log]
            if not lines:
                continue
            place = self._state.places[log]
            nonces = tuple(line.nonce for line in lines)
            query = Query(log, place.seq, epoch=session.epoch, time=place.time, nonces=nonces)
            found = session.ask(query)
            for message in found.messages:
                self._note_answer(message, session.epoch)
            is_undecided = any(last > place.seq for _, last in session.facts[log].lost)
            for line in lines:
                if is_undecided and line in self._state.lines:
                    self._state.remove(line)
                    self._record(line).fate = Fate.PERHAPS
        self._file.save(self._state)

    def _lines_said(self) -> list[Line]:
        """List the unanswered lines that may have been said."""
        return [line for line in self._state.lines if line.nonce in self._state.said]

    def _catch_up(self, session: WireSession, log: str) -> None:
        while True:
            place = self._state.places[log]
            limit = self._rng.choice((1, 7, 50, 200))
            query = Query(log, place.seq, epoch=session.epoch, time=place.time, limit=limit)
            page = session.ask(query)
            self._show_page(session, log, page)
            if not page.more:
                return

    def _show_page(self, session: WireSession, log: str, page: Found) -> None:
        items: list[tuple[int, Message | None]] = [(each.seq, each) for each in page.messages]
        items += [(last, None) for _, last in page.lost]
        for last, message in sorted(items, key=lambda item: item[0]):
            place = self._state.places[log]
            if last <= place.seq:
                continue
            if message is not None:
                self._show(session, log, message)
            else:
                first = max(place.seq + 1, min(a for a, b in page.lost if b == last))
                self._life.append(HoleShown(log, session.epoch, first, last))
                self._state.places[log] = Place(last)
        self._file.save(self._state)

    # Frames

    def _take(self, header: dict[str, Any], message: Message | None) -> None:
        session = self._session
        if message is None:
            self._take_notice(header)
            return
        log = message.log
        if log not in self._coming:
            self.observed.complaints.append(f"{message} came, and the client is not in that room")
            return
        if message.seq <= self._newest[log]:
            self.observed.complaints.append(f"{message} came behind {self._newest[log]}")
        self._newest[log] = message.seq
        self._coming[log].append(message)
        if session is not None:
            self._note_answer(message, session.epoch)
            self._settle(session)

    def _take_notice(self, header: dict[str, Any]) -> None:
        session, nonce = self._session, header.get("nonce")
        for line in self._state.lines:
            if line.nonce == nonce:
                self._state.remove(line)
                self._record(line).fate = Fate.REFUSED
                self._file.save(self._state)
                break
        if header["notice"] == "replaced":
            self.observed.replaced += 1
        if header["notice"] == "epoch":
            if session is None:
                raise NoHistory("the epoch changed while the client caught up")
            session.epoch = self._state.epoch = header["epoch"]
            self._life += [EpochShown(log, session.epoch) for log in self.observed.logs]
            self._file.save(self._state)

    def _settle(self, session: WireSession) -> None:
        """Show what came, in the order of the numbers; fetch what is missing before it."""
        if self._is_settling:
            return
        self._is_settling = True
        while log := next((log for log, coming in self._coming.items() if coming), None):
            message = self._coming[log].pop(0)
            seq = self._state.places[log].seq
            if message.seq > seq + 1:
                self._show_page(session, log, session.ask(Query(log, seq, message.seq)))
            if message.seq > self._state.places[log].seq:
                self._show(session, log, message)
        self._file.save(self._state)
        self._is_settling = False

    def _show(self, session: WireSession, log: str, message: Message) -> None:
        self._note_answer(message, session.epoch)
        self._life.append(Shown(log, session.epoch, message))
        self._state.places[log] = Place(message.seq, message.time)

    def _record(self, line: Line) -> LineRecord:
        return self.observed.lines[line.body]

    def _note_answer(self, message: Message, epoch: str) -> None:
        if message.sender != self.observed.account:
            return
        for line in self._state.lines:
            if line.nonce == message.nonce:
                self._state.remove(line)
                record = self._record(line)
                record.fate, record.seq, record.epoch = Fate.ANSWERED, message.seq, epoch
                if self._fuse_at_answer is not None:
                    self._fuse, self._fuse_at_answer = self._fuse_at_answer, None
                return
