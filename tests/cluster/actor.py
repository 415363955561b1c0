"""One client of a run: it logs in, catches up, looks for its lines, talks, and goes elsewhere in trouble."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from random import Random

import gevent

from chat.protocol.descriptor import MessageType
from tests.cluster.deeds import Deed, Deeds
from tests.cluster.link import ClientLink, Ended, Refused, fetch
from tests.cluster.people import PASSWORD, Person
from tests.cluster.recording import (
    Answered,
    Fate,
    Fetched,
    Heard,
    Line,
    Recording,
    Session,
    is_mailbox,
    mailbox_of,
)
from tests.cluster.session_log import Place, SessionLog, digest_of
from tests.peers.wire import Address
from tests.peers.wire_client import WireFrame

_PAGE = 200
_MAX_NONCES = 64
_MAX_WAITING = 8  # lines; a user who gets no answer stops typing
_AGAIN = 0.3  # seconds between two tries to get in
_ANSWER = 90.0  # seconds that a command may take: servers and engine may be paused


class Actor:
    """``addresses`` are those of the servers, by name; ``run_of`` names the present process of a server.

    ``pause`` is the mean time between two deeds, in seconds.
    """

    def __init__(
        self,
        person: Person,
        recording: Recording,
        addresses: Mapping[str, Address],
        rng: Random,
        *,
        accounts: Sequence[str],
        victims: Sequence[str],
        pause: float,
        only_talks: bool,
        run_of: Callable[[str], str],
    ) -> None:
        self.person = person
        self.is_quiet = False  # does nothing more
        self.is_in = False
        self.refusals = 0
        self.moved = 0
        self._recording = recording
        self._addresses = addresses
        self._rng = rng
        self._pause = pause
        self._run_of = run_of
        self._deeds = Deeds(person, rng, accounts, victims, only_talks=only_talks)
        self._device = secrets.token_urlsafe(24)
        self._lines: list[Line] = []  # that are not settled
        self._after: dict[
            str, int
        ] = {}  # the place in its log from which to look for a line, by nonce
        self._contents: dict[str, tuple[int, dict[str, object], bytes]] = {}
        self._places: dict[str, Place] = {}
        self._epoch = ""
        self._sessions = self._nonces = 0
        self._server = rng.choice(list(addresses))
        self._link: ClientLink | None = None
        self._log: SessionLog | None = None
        self._task: gevent.Greenlet[..., None] | None = None
        self._is_leaving = False
        self._why = ""  # it is not in

    # From outside

    def start(self) -> None:
        self._task = gevent.spawn(self._live)

    def stop(self) -> None:
        """Vanish."""
        if self._task is not None:
            self._task.kill()
            self._task = None

    def leave(self) -> None:
        """Log out when no line waits, and do not come back."""
        self._is_leaving = True

    @property
    def is_alive(self) -> bool:
        return self._task is not None and not self._task.dead

    @property
    def is_settled(self) -> bool:
        """Whether no line waits for an answer, and a user with an account is in and has caught up."""
        if self._lines or self._deeds.has_debts:
            return False
        if self.person.is_guest:
            return not self.is_alive
        return self.is_in and all(place.hole_ends is None for place in self._places.values())

    @property
    def status(self) -> str:
        """Describe its state, for a report."""
        where = f"in at {self._server}" if self.is_in else f"not in ({self._server})"
        waiting = ", ".join(line.nonce for line in self._lines[:3])
        return f"{self.person.client} is {where}; waiting: {waiting or 'nothing'}; {self._why}"

    def send_files(self) -> None:
        """Send and fetch large files from now on, and do nothing else."""
        self._deeds.send_files()

    def go_elsewhere(self) -> None:
        """Break the connection; the next one leads to any server."""
        if self._link is not None:
            self._link.close()

    # Life

    def _live(self) -> None:
        while not (self._is_leaving and not self._lines):
            try:
                self._be_in_session()
            except Refused as refused:
                self.refusals += 1
                self._why = str(refused)
                if str(refused) == "username-exists" and self._is_leaving and not self._lines:
                    return
                gevent.sleep(_AGAIN * self._rng.uniform(1, 3))
            except Ended as ended:
                self._why = str(ended)
            self._server = self._rng.choice(list(self._addresses))
            gevent.sleep(_AGAIN * self._rng.random())

    def _be_in_session(self) -> None:
        login: dict[str, object] = {"to": self.person.user, "device": self._device, "join": []}
        if not self.person.is_guest:
            login["password"] = PASSWORD
        run = self._run_of(self._server)
        link = ClientLink(self._addresses[self._server], login, self._take)
        self._sessions += 1
        session = Session(
            *(self.person.client, self.person.user, self._sessions, self._server, run),
            is_guest=self.person.is_guest,
            began=time.monotonic(),
        )
        self._recording.sessions.append(session)
        epoch = link.welcome["epoch"]
        if epoch != self._epoch:
            self._lose_places()
            self._epoch = epoch
        if session.is_guest:
            self._places.clear()
        self._link, self._log = link, SessionLog(session, epoch, self._places)
        heads = {log: facts["seq"] for log, facts in link.welcome["rooms"].items()}
        if "private" in link.welcome:
            heads[mailbox_of(session.user)] = link.welcome["private"]["seq"]
        self._log.begin(link.welcome)
        work = gevent.spawn(self._work, link, self._log, heads)
        try:
            session.why = link.run()
        finally:
            self.is_in = False
            session.ended = time.monotonic()
            self._epoch = self._log.epoch
            work.kill()
            link.close()
            self._why = session.why

    def _take(self, frame: WireFrame) -> None:
        assert self._log is not None
        told = self._log.take(frame)
        code = frame.header.get("notice")
        if code == "move":
            self.moved += 1
            gevent.spawn(self.go_elsewhere)
        elif code == "epoch":
            for line in self._lines[:]:
                self._settle(line, Fate.PERHAPS)
        if isinstance(told, Heard):
            self._note_echo(told)
        elif isinstance(told, Answered):
            for line in self._lines:
                if line.nonce == told.nonce:
                    self._settle(line, Fate.REFUSED)
                    break

    def _note_echo(self, heard: Heard) -> None:
        for line in self._lines:
            if line.nonce == heard.nonce:
                line.epoch, line.seq = heard.epoch, heard.seq
                self._settle(line, Fate.ECHOED if heard.is_live else Fate.FOUND)
                return

    def _settle(self, line: Line, fate: Fate) -> None:
        line.fate = fate
        self._lines.remove(line)
        del self._contents[line.nonce]

    # What a session does, beside taking frames

    def _work(self, link: ClientLink, log: SessionLog, heads: dict[str, int]) -> None:
        try:
            for name, head in heads.items():
                self._catch_up(link, log, name, head)
            self._find_lines(link, log)
            for room in sorted(log.rooms):
                self._ask(link, log, Deed("names", room))
            self.is_in = True
            while not self._is_leaving:
                gevent.sleep(self._rng.expovariate(1 / self._pause))
                for name, place in list(self._places.items()):
                    if (end := place.hole_ends) is not None:
                        self._catch_up(link, log, name, end - 1)
                self._do(link, log)
            link.send(MessageType.LOGOUT, {})
        except Ended:
            link.close()  # its reader notices

    def _do(self, link: ClientLink, log: SessionLog) -> None:
        if self.is_quiet:
            deed = self._deeds.pay()
        elif len(self._lines) < _MAX_WAITING:
            deed = self._deeds.choose(log.rooms)
        else:
            return
        if deed is None:
            return
        if deed.command == "say":
            self._say_new(link, log, deed)
        elif deed.command == "fetch":
            self._fetch(link, log)
        elif deed.command == "move":
            link.close()
        else:
            self._deeds.note(deed, self._ask(link, log, deed) == "done")

    def _say_new(self, link: ClientLink, log: SessionLog, deed: Deed) -> None:
        nonce = self._next_nonce()
        header: dict[str, object] = {"nonce": nonce}
        if deed.target:
            header["to"] = deed.target
        elif deed.log != "lobby":
            header["room"] = deed.log
        content = f"{nonce} ".encode() + deed.filling
        if deed.is_file:
            header["filename"] = f"{nonce}.bin"
        line = Line(
            *(nonce, self.person.client, self.person.user, "" if deed.target else deed.log),
            *(deed.target or None, digest_of(content), deed.is_file),
        )
        type = MessageType.FILE if deed.is_file else MessageType.UTF8
        self._recording.lines[nonce] = line
        self._lines.append(line)
        place = self._places.get(line.place)
        self._after[nonce] = place.seq if place is not None else 0
        self._contents[nonce] = (type, header, content)
        line.epoch = log.epoch
        self._say(link, log, line)

    def _say(self, link: ClientLink, log: SessionLog, line: Line) -> None:
        line.tries.append(log.sent(line.nonce))
        link.send(*self._contents[line.nonce])

    def _next_nonce(self) -> str:
        self._nonces += 1
        return f"{self.person.client}_{self._nonces}_{secrets.token_hex(4)}"

    def _ask(self, link: ClientLink, log: SessionLog, deed: Deed) -> str:
        """Give a command, and return the code of its answer."""
        fields: dict[str, object] = {"command": deed.command, **deed.fields}
        if deed.log and deed.log != "lobby":
            fields["room"] = deed.log
        if deed.target:
            fields["target"] = deed.target
        return str(self._command(link, log, deed, fields).header["notice"])

    def _command(
        self, link: ClientLink, log: SessionLog, deed: Deed, fields: dict[str, object]
    ) -> WireFrame:
        nonce = self._next_nonce()
        answer = link.expect(nonce)
        log.asked(nonce, deed.command, deed.log, deed.target)
        link.send(MessageType.UTF8, {**fields, "nonce": nonce})
        with gevent.Timeout(_ANSWER, Ended(f"no answer to {deed.command}")):
            frame = answer.get()
        assert frame is not None  # the types of gevent allow it
        return frame

    # Coming back

    def _lose_places(self) -> None:
        """Begin anew: the numbers mean nothing any more."""
        self._places.clear()
        for line in self._lines[:]:
            if line.epoch != "":
                self._settle(line, Fate.PERHAPS)

    def _catch_up(self, link: ClientLink, log: SessionLog, name: str, head: int) -> None:
        """Fetch what lies between the place and the head of the welcome, page by page."""
        while (place := self._places.get(name)) is not None and place.seq < head:
            fields = {**_of_log(name), "after": place.seq, "before": head + 1, "limit": _PAGE}
            if place.time is not None:
                fields |= {"epoch": log.epoch, "time": place.time}
            before = place.seq
            answer = self._command(
                link, log, Deed("history", name), {"command": "history", **fields}
            )
            code = answer.header["notice"]
            if code in ("not-in-room", "no-such-room"):
                return  # put out meanwhile
            if code == "no-history":
                raise Ended(code)
            if code != "done":
                # What was said and heard was lost with a part of the log.
                if not self._recording.may_lose:
                    self._recording.complaints.append(
                        f"{log.session.name} cannot catch up behind {before} of {name}: {answer.text}"
                    )
                place.pass_over(head)
                return
            for first, last in answer.header.get("lost", ()):
                if first <= place.seq + 1:
                    place.pass_over(last)
            if place.seq == before:
                if not answer.header.get("more"):
                    return
                raise Ended("an empty page")

    def _find_lines(self, link: ClientLink, log: SessionLog) -> None:
        """Find out what became of the lines that were not answered; say again what is not there."""
        for place in sorted({line.place for line in self._lines}):
            lines = [line for line in self._lines if line.place == place]
            if is_mailbox(place) and self.person.is_guest:
                for line in lines:
                    self._settle(line, Fate.PERHAPS)
                continue
            for first in range(0, len(lines), _MAX_NONCES):
                self._find(link, log, place, lines[first : first + _MAX_NONCES])

    def _find(self, link: ClientLink, log: SessionLog, place: str, lines: list[Line]) -> None:
        after = min(self._after[line.nonce] for line in lines)
        fields = {
            **_of_log(place),
            "nonces": [line.nonce for line in lines],
            "after": after,
            "limit": _MAX_NONCES,
        }
        answer = self._command(link, log, Deed("history", place), {"command": "history", **fields})
        code = answer.header["notice"]
        if code == "no-history":
            raise Ended(code)
        left = [line for line in lines if line in self._lines]
        holes = any(last > after for _, last in answer.header.get("lost", ()))
        for line in left:
            # Of a room that the user is not in, the answer tells only what is there.
            if code not in ("done", "not-in-room") or holes or line.epoch != log.epoch:
                self._settle(line, Fate.PERHAPS)
            else:
                self._say(link, log, line)

    def _fetch(self, link: ClientLink, log: SessionLog) -> None:
        if not log.offers:
            return
        id, nonce = self._rng.choice(log.offers[-10:])
        address = self._addresses[self._rng.choice(list(self._addresses))]
        frame = fetch(address, link.welcome["session"], {"fetch": id})
        if frame is not None:
            code = frame.header.get("notice", "")
            digest = "" if code else digest_of(frame.content)
            log.session.events.append(Fetched(time.monotonic(), nonce, digest, code))


def _of_log(log: str) -> dict[str, object]:
    if is_mailbox(log):
        return {"private": True}
    return {} if log == "lobby" else {"room": log}
