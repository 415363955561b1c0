"""One connection of the reference client: the login, the look-up, catching up, and then one frame after the other."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from gevent.lock import RLock

from chat.protocol.descriptor import MessageType
from tests.cutting.evidence import MAILBOX, Message, log_of_room, room_of_log
from tests.cutting.lines import Line, body_of
from tests.cutting.state_file import Place
from tests.peers.wire import Address
from tests.peers.wire_client import WireClient, WireFrame

# A client gives up a silent connection after so many seconds; a cut shows earlier.
_PATIENCE = 30.0
INLINE = 65536
MAX_NONCES = 64  # of a query


class LoginRefused(Exception):
    """The server does not let the client in now."""


class BadPlace(Exception):
    """The server does not know the place."""


class NoHistory(Exception):
    """The server cannot read its history now."""


class Found(NamedTuple):
    """Hold a page of history. ``lost``: the holes in it."""

    messages: list[Message]
    more: bool
    lost: list[tuple[int, int]]


class Query(NamedTuple):
    """Ask for a page; the fields are header keys of the command ``history``."""

    log: str
    after: int
    before: int | None = None
    epoch: str | None = None
    time: str | None = None
    limit: int | None = None
    nonces: tuple[str, ...] = ()

    @property
    def header(self) -> dict[str, object]:
        fields = {name: value for name, value in self._asdict().items() if value is not None}
        del fields["log"]
        if not self.nonces:
            del fields["nonces"]
        if self.log == MAILBOX:
            fields["private"] = True
        elif (room := room_of_log(self.log)) is not None:
            fields["room"] = room
        return {"command": "history", **fields}


class LogFacts(NamedTuple):
    """Hold what the welcome says of a log."""

    head: Place
    lost: list[tuple[int, int]]


class WireSession:
    """A connection to ``address`` that is logged in.

    ``take`` is called with the header and the message, None for a notice, of each frame that answers no query.
    """

    def __init__(
        self,
        address: Address,
        login: dict[str, object],
        take: Callable[[dict[str, Any], Message | None], None],
    ) -> None:
        self._take = take
        self.is_open = True
        self._queries = 0
        self._sending = RLock()
        self._wire = WireClient(address, timeout=_PATIENCE)
        try:
            reply = self._wire.try_login({"inline": INLINE, "replay": 0, "join": [], **login})
            if reply.type != MessageType.LOGIN:
                raise LoginRefused(f"{reply.header.get('error')}: {reply.header.get('message')}")
            announcement = self._wire.read_frame()
            self.welcome: dict[str, Any] = json.loads(announcement.content)
        except BaseException:
            self.close()
            raise
        self.epoch: str = self.welcome["epoch"]
        self.facts = {
            log_of_room(None if name == "lobby" else name): _facts(facts)
            for name, facts in self.welcome["rooms"].items()
        }
        if "private" in self.welcome:
            self.facts[MAILBOX] = _facts(self.welcome["private"])

    def close(self) -> None:
        self.is_open = False
        self._wire.close()

    def leave(self) -> None:
        """Log out, and wait until the server has ended the session."""
        self._send(MessageType.LOGOUT, {})
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                self.receive()
        self.close()

    def say(self, line: Line) -> None:
        self._send(line.type, line.header, line.content)

    def receive(self) -> None:
        """Take the next frame."""
        frame = self._wire.read_frame()
        self._handle(frame)

    def ask(self, query: Query) -> Found:
        """Send a query, and return its answer. Frames that come meanwhile are taken.

        Raises BadPlace and NoHistory.
        """
        self._queries += 1
        nonce = f"query-{self._queries}"
        self._send(MessageType.UTF8, {**query.header, "nonce": nonce})
        found: list[Message] = []
        while True:
            frame = self._wire.read_frame()
            header = frame.header
            if header.get("for") == nonce:
                assert header.get("replay") is True, f"an answer that is not shown again: {header}"
                found.append(_message(frame))
            elif "notice" in header and header.get("nonce") == nonce:
                break
            else:
                self._handle(frame)
        if header["notice"] == "bad-place":
            raise BadPlace(frame.text)
        if header["notice"] != "done":
            raise NoHistory(f"{header['notice']}: {frame.text}")
        assert header["count"] == len(found), f"{len(found)} messages came: {header}"
        return Found(found, header.get("more", False), _holes(header.get("lost", ())))

    def command(self, fields: dict[str, object]) -> str:
        """Give a command, and return the code of its answer."""
        self._queries += 1
        nonce = f"command-{self._queries}"
        self._send(MessageType.UTF8, {**fields, "nonce": nonce})
        while True:
            frame = self._wire.read_frame()
            if "notice" in frame.header and frame.header.get("nonce") == nonce:
                return str(frame.header["notice"])
            self._handle(frame)

    def _handle(self, frame: WireFrame) -> None:
        header = frame.header
        if header.get("from") == "server" or "notice" in header:
            self._take(header, None)
        elif frame.type not in (MessageType.LOGIN, MessageType.LOGOUT):
            self._take(header, _message(frame))

    def _send(self, type: MessageType, header: dict[str, object], content: bytes = b"") -> None:
        with self._sending:
            self._wire.send(type, header, content)


def _message(frame: WireFrame) -> Message:
    header = frame.header
    return Message(
        header["seq"],
        header["timestamp"],
        header["from"],
        header.get("to"),
        body_of(frame.type, header.get("filename"), frame.content),
        header.get("nonce"),
        header.get("room"),
    )


def _facts(fields: dict[str, Any]) -> LogFacts:
    return LogFacts(Place(fields["seq"], fields["time"]), _holes(fields["lost"]))


def _holes(pairs: Iterable[Iterable[int]]) -> list[tuple[int, int]]:
    return [(first, last) for first, last in pairs]
