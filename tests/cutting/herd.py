"""Very many clients that log in at once and catch up, in one process, with little work for each."""

from __future__ import annotations

import json
import selectors
import socket
import struct
import time
from collections import Counter
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from chat.protocol.descriptor import MessageType
from tests.cutting.state_file import Place

_SCRATCH = bytearray(256 * 1024)
# As long as the nonces of other clients.
_NONCE = "a-nonce-of-many-"
_FOUND = b'"for":"%b"' % _NONCE.encode()
_ANSWERED = b'"nonce":"%b"' % _NONCE.encode()
_LAYOUT = ">HH4xQ"
_PAGE = 200


class _Step(Enum):
    """List how far a client is."""

    CONNECTING = "connecting"
    LOGIN = "waiting for the answer to the login"
    WELCOME = "waiting for the welcome"
    CATCHING_UP = "catching up"
    IN = "in"


class Returned(NamedTuple):
    """Tell how a herd came in.

    ``seconds`` until the last one was in; ``again``: how many connections were made anew; ``problems``: how many
    clients had each problem.
    """

    seconds: float
    complete: int
    again: int
    problems: Counter[str]


class _Member:
    """One client; ``missed`` counts the messages that it got."""

    def __init__(self, address: tuple[str, int], login: dict[str, str], place: Place) -> None:
        self.problem = ""
        self.is_broken = False
        self._address = address
        self._login = login
        self._place = place
        self.connect()

    def connect(self) -> None:
        """Begin a connection."""
        self.step = _Step.CONNECTING
        self.is_broken = False
        self.missed = 0
        self._data = b""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.connect_ex(self._address)

    def write(self) -> None:
        """Log in: the connection is there."""
        if self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.is_broken = True
            return
        self._send(MessageType.LOGIN, {"replay": 0, "inline": 0, **self._login})
        self.step = _Step.LOGIN

    def read(self) -> None:
        """Take what came."""
        try:
            size = self.socket.recv_into(_SCRATCH)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if not size:
            self.is_broken = True
        elif self.step is not _Step.IN:
            self._data += _SCRATCH[:size]
            self._advance()

    def _advance(self) -> None:
        if self.step is _Step.LOGIN and (reply := self._frame()):
            type, header, _ = reply
            if type != MessageType.LOGIN:
                self.problem = f"refused: {header.decode()}"
                return
            self.step = _Step.WELCOME
        if self.step is _Step.WELCOME and (announcement := self._frame()):
            welcome = json.loads(announcement[2])
            seq, time = self._place
            query = {"after": seq, "epoch": welcome["epoch"], "limit": _PAGE}
            if time is not None:
                query["time"] = time
            self._send(MessageType.UTF8, {"command": "history", "nonce": _NONCE, **query})
            self.step = _Step.CATCHING_UP
        if self.step is _Step.CATCHING_UP:
            self._search()

    def _frame(self) -> tuple[int, bytes, bytes] | None:
        """Take a frame from the data; None if it is not there as a whole."""
        if len(self._data) < 16:
            return None
        type, header, content = struct.unpack_from(_LAYOUT, self._data)
        end = 16 + header + content
        if len(self._data) < end:
            return None
        frame = type, self._data[16 : 16 + header], self._data[16 + header : end]
        self._data = self._data[end:]
        return frame

    def _search(self) -> None:
        """Count the messages of the page. To look at each frame would take a minute: thousands of users join."""
        answered = self._data.find(_ANSWERED)
        if answered >= 0:
            self.missed += self._data.count(_FOUND, 0, answered)
            self.step, self._data = _Step.IN, b""
            return
        last = self._data.rfind(_FOUND)
        self.missed += self._data.count(_FOUND)
        # A mark may have come in part.
        keep = max(last + len(_FOUND), len(self._data) - len(_ANSWERED))
        self._data = self._data[keep:]

    def _send(self, type: MessageType, header: dict[str, object]) -> None:
        data = json.dumps(header).encode()
        self.socket.send(struct.pack(_LAYOUT, type, len(data), 0) + data)


class Herd:
    """Clients with ``logins``, each with the keys of a JSON login; all of them saw the messages up to ``place``."""

    def __init__(
        self, address: tuple[str, int], logins: Sequence[dict[str, str]], place: Place
    ) -> None:
        self._began = time.monotonic()
        self._members = [_Member(address, login, place) for login in logins]
        self._selector = selectors.DefaultSelector()
        for member in self._members:
            self._selector.register(member.socket, selectors.EVENT_WRITE, member)

    def come_in(self, missed: int, timeout: float) -> Returned:
        """Run until all clients have caught up or failed; each of them must get so many messages."""
        deadline = self._began + timeout
        last = self._began
        outside, again = len(self._members), 0
        while outside and time.monotonic() < deadline:
            for key, events in self._selector.select(0.5):
                member: _Member = key.data
                before = member.step
                if events & selectors.EVENT_WRITE:
                    self._selector.modify(member.socket, selectors.EVENT_READ, member)
                    member.write()
                else:
                    member.read()
                if member.problem or member.is_broken:
                    self._selector.unregister(member.socket)
                    member.socket.close()
                if member.is_broken:
                    # As a real client does: the queue of the kernel has an end.
                    again += 1
                    outside += before is _Step.IN
                    member.connect()
                    self._selector.register(member.socket, selectors.EVENT_WRITE, member)
                if member.problem or (member.step is _Step.IN and before is not _Step.IN):
                    outside -= 1
                    last = time.monotonic()
        problems = Counter(member.problem for member in self._members if member.problem)
        problems.update(
            f"still {member.step.value}"
            for member in self._members
            if not member.problem and member.step is not _Step.IN
        )
        complete = sum(
            member.step is _Step.IN and member.missed == missed for member in self._members
        )
        return Returned(last - self._began, complete, again, problems)

    def close(self) -> None:
        self._selector.close()
        for member in self._members:
            member.socket.close()
