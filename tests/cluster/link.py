"""One connection of a client in a run: frames, signs of life, and answers to those who wait for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import AsyncResult
from gevent.lock import RLock

from chat.protocol.descriptor import MessageType
from tests.peers.wire import Address
from tests.peers.wire_client import WireClient, WireFrame

INLINE = 65536
_QUIET = 2.0  # seconds after which the client asks whether the server is alive
_DEAD = 8.0  # seconds without a byte after which it goes elsewhere
_LOGIN = 6.0  # seconds that a login may take
# Notices that answer no frame.
UNASKED = {
    *(
        "moderated",
        "account",
        "announcement",
        "replaced",
        "status",
        "epoch",
        "read",
        "waiting",
        "topic",
        "room",
    ),
    *("invited", "removed", "here", "shutting-down", "move"),
}


class Refused(Exception):
    """The server does not let the client in. The text is the code."""


class Ended(Exception):
    """The connection is over. The text says why."""


class ClientLink:
    """Log in at ``address``. ``take`` gets each frame, in order, from ``run``.

    Raises Refused, and Ended if the server is not there or says nothing.
    """

    def __init__(
        self,
        address: Address,
        login: dict[str, object],
        take: Callable[[WireFrame], None],
    ) -> None:
        self._take = take
        self._sending = RLock()
        self._waiting: dict[str, AsyncResult[WireFrame]] = {}
        try:
            self._wire = WireClient(address, timeout=_LOGIN)
        except OSError as problem:
            raise Ended(f"no connection: {problem}") from problem
        try:
            reply = self._wire.try_login({"inline": INLINE, "replay": 0, **login})
            if reply.type != MessageType.LOGIN:
                raise Refused(str(reply.header.get("error")))
            self.welcome: dict[str, Any] = json.loads(self._wire.read_frame().content)
        except (OSError, EOFError) as problem:
            self.close()
            raise Ended(f"no login: {problem!r}") from problem
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._wire.close()
        for waiting in self._waiting.values():
            waiting.set_exception(Ended("the connection is closed"))
        self._waiting.clear()

    def send(self, kind: int, header: dict[str, object], content: bytes = b"") -> None:
        """Send a frame. Raises Ended."""
        try:
            with self._sending:
                self._wire.send(kind, header, content)
        except OSError as problem:
            raise Ended(f"cannot send: {problem!r}") from problem

    def expect(self, nonce: str) -> AsyncResult[WireFrame]:
        """Return what will hold the notice that answers the frame ``nonce``. It may raise Ended."""
        result: AsyncResult[WireFrame] = AsyncResult()
        self._waiting[nonce] = result
        return result

    def run(self) -> str:
        """Take frames until the connection ends; return why."""
        silent = 0.0
        while True:
            self._wire.timeout = _QUIET
            try:
                if self._wire.at_end():
                    return "closed"
                self._wire.timeout = _DEAD
                frame = self._wire.read_frame()
            except TimeoutError:
                silent += self._wire.timeout
                if silent >= _DEAD:
                    return "silent"
                gevent.spawn(self._ping)
                continue
            except (OSError, EOFError) as problem:
                return f"{problem!r}"
            silent = 0.0
            self._take(frame)
            nonce = frame.header.get("nonce")
            if frame.header.get("notice") not in (None, *UNASKED) and nonce in self._waiting:
                self._waiting.pop(nonce).set(frame)

    def _ping(self) -> None:
        try:
            self.send(MessageType.UTF8, {"command": "ping"})
        except Ended:
            return  # ``run`` notices it, too


def fetch(address: Address, session: str, header: dict[str, object]) -> WireFrame | None:
    """Fetch a content by a transfer connection; None: the connection failed."""
    try:
        with WireClient(address, timeout=_DEAD) as wire:
            reply = wire.try_login({"session": session})
            if reply.type != MessageType.LOGIN:
                return WireFrame(MessageType.UTF8, {"notice": reply.header.get("error")}, b"")
            wire.send(MessageType.FILE, header)
            return wire.read_frame()
    except (OSError, EOFError):
        return None
