"""Record the session of a client: frames that it sends, frames that come, and its place in each log."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from chat.protocol.descriptor import MessageType
from tests.cluster.link import UNASKED
from tests.cluster.recording import (
    LOBBY,
    Answered,
    Asked,
    Came,
    Entered,
    Event,
    Heard,
    Left,
    Named,
    Sent,
    Session,
    Told,
    Went,
    mailbox_of,
)
from tests.peers.wire_client import WireFrame


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


class Place:
    """How far the view of a log is whole: up to ``seq``, of the timestamp ``time``; and what came behind a hole."""

    def __init__(self, seq: int, time: str | None = None) -> None:
        self.seq, self.time = seq, time
        self._ahead: dict[int, str] = {}

    def add(self, seq: int, time: str) -> None:
        if seq > self.seq:  # not a line of before that was looked for
            self._ahead[seq] = time
        while self.seq + 1 in self._ahead:
            self.seq += 1
            self.time = self._ahead.pop(self.seq)

    @property
    def hole_ends(self) -> int | None:
        """The first number behind a hole."""
        return min(self._ahead) if self._ahead else None

    def pass_over(self, last: int) -> None:
        """Take the numbers up to ``last`` as done."""
        if last > self.seq:
            self.seq, self.time = last, None
        self._ahead = {seq: time for seq, time in self._ahead.items() if seq > self.seq}


class SessionLog:
    """``places`` are those of the client, by log, which the session moves."""

    def __init__(self, session: Session, epoch: str, places: dict[str, Place]) -> None:
        self.session = session
        self.epoch = epoch
        self.places = places
        self.rooms: set[str] = set()  # in which the client is
        self.offers: list[
            tuple[str, str]
        ] = []  # the id and the nonce of each content that can be fetched
        self._asked: dict[str, Asked] = {}
        self._sent = 0

    def begin(self, welcome: dict[str, Any]) -> None:
        """Note what the welcome tells. A room in which the client was not before begins at its head."""
        logs = dict(welcome.get("rooms", {}))
        private = welcome.get("private")
        if private is not None:
            logs[mailbox_of(self.session.user)] = private
        else:
            logs[mailbox_of(self.session.user)] = {"seq": 0, "time": None}
            self.places.pop(mailbox_of(self.session.user), None)
        for log in [*self.places]:
            if log not in logs:
                del self.places[log]
        for log, facts in logs.items():
            users = frozenset(welcome["users"]) if log == LOBBY and "users" in welcome else None
            self._note(Entered(self._now, log, facts["seq"], users, at_login=True))
            self.places.setdefault(log, Place(facts["seq"], facts["time"]))
        self.rooms = {log for log in logs if log != mailbox_of(self.session.user)}

    def sent(self, nonce: str) -> tuple[int, int]:
        """Note that a line is sent; return the number of the try."""
        self._sent += 1
        self._note(Sent(self._now, nonce))
        return self.session.number, self._sent

    def asked(self, nonce: str, command: str, log: str = "", target: str = "") -> None:
        question = Asked(self._now, nonce, command, log, target)
        self._asked[nonce] = question
        self._note(question)

    def take(self, frame: WireFrame) -> Heard | Answered | None:
        """Note what came; return a message, or the answer to a frame."""
        header = frame.header
        log = header.get("room", LOBBY)
        if "notice" in header:
            return self._take_notice(frame, log)
        if frame.type in (MessageType.LOGIN, MessageType.LOGOUT):
            self._take_move(frame, log)
            return None
        if "to" in header:
            log = mailbox_of(self.session.user)
        digest = header["sha256"][:16] if "sha256" in header else digest_of(frame.content)
        heard = Heard(
            *(self._now, self.epoch, log, header["seq"], header["timestamp"], header["from"]),
            *(header.get("nonce", ""), digest, "replay" not in header),
        )
        self._note(heard)
        if (place := self.places.get(log)) is not None:
            place.add(heard.seq, heard.time)
        if "id" in header:
            self.offers.append((header["id"], heard.nonce))
        return heard

    @property
    def _now(self) -> float:
        return time.monotonic()

    def _note(self, event: Event) -> None:
        self.session.events.append(event)

    def _take_move(self, frame: WireFrame, log: str) -> None:
        user = frame.header["from"]
        is_login = frame.type == MessageType.LOGIN
        if user != self.session.user:
            came, reason = Came(self._now, log, user), frame.header.get("reason", "")
            self._note(came if is_login else Went(self._now, log, user, reason))
        elif is_login and log != LOBBY:
            # Another device of the user has joined.
            self._enter(log, None, None)
        elif not is_login and log != LOBBY:
            self._leave(log)

    def _take_notice(self, frame: WireFrame, log: str) -> Answered | None:
        code, nonce = frame.header["notice"], frame.header.get("nonce", "")
        if code in UNASKED:
            self._note(Told(self._now, code, log if "room" in frame.header else ""))
            if code == "removed":
                self._leave(log)
            elif code == "epoch":
                self.epoch = frame.header["epoch"]
                self.places.clear()
            return None
        if not nonce:
            return None  # of a ping
        answer = Answered(self._now, nonce, code)
        self._note(answer)
        question = self._asked.pop(nonce, None)
        if question is not None and code == "done":
            self._take_done(question, frame)
        return answer

    def _take_done(self, question: Asked, frame: WireFrame) -> None:
        if question.command == "join":
            facts = json.loads(frame.content)
            users = frozenset(facts["users"]) if "users" in facts else None
            self._enter(question.log, facts["seq"], users, facts["time"])
        elif question.command == "part":
            self._leave(question.log)
        elif question.command == "names":
            self._note(Named(self._now, question.log, frozenset(json.loads(frame.content))))

    def _enter(
        self, log: str, head: int | None, users: frozenset[str] | None, time: str | None = None
    ) -> None:
        self._note(Entered(self._now, log, head, users))
        self.rooms.add(log)
        self.places.pop(log, None)
        if head is not None:
            self.places[log] = Place(head, time)

    def _leave(self, log: str) -> None:
        self._note(Left(self._now, log))
        self.rooms.discard(log)
        self.places.pop(log, None)
