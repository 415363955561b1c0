"""Read what the servers have at the end: each log, by those who may read it, at each server."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import gevent

from chat.protocol.descriptor import MessageType
from tests.cluster.link import INLINE
from tests.cluster.people import CLOSED_ROOM, HOST, OPEN_ROOMS, PASSWORD, READER
from tests.cluster.recording import LOBBY, Heard, Stored, mailbox_of
from tests.cluster.session_log import digest_of
from tests.peers.wire import Address
from tests.peers.wire_client import WireClient, WireFrame

_PAGE = 200
_PATIENCE = 30.0  # seconds in which all servers must have applied everything


def read_all(addresses: Mapping[str, Address], accounts: Sequence[str]) -> list[Stored]:
    """Return each room and each mailbox, as each server has it."""
    with _Reader(next(iter(addresses.values())), READER) as reader:
        for room in OPEN_ROOMS:
            reader.command({"command": "join", "room": room})
    deadline = time.monotonic() + _PATIENCE
    while True:
        found = [
            stored
            for server, address in addresses.items()
            for account in accounts
            for stored in _read_account(server, address, account)
        ]
        heads = {(each.log, each.epoch, each.head) for each in found}
        if len(heads) == len({each.log for each in found}) or time.monotonic() > deadline:
            return found
        gevent.sleep(0.5)  # a server lags behind, and nobody tells when it does not


def _read_account(server: str, address: Address, account: str) -> list[Stored]:
    logs = [mailbox_of(account)]
    if account == READER:
        logs = [LOBBY, *OPEN_ROOMS]
    elif account == HOST:
        logs.append(CLOSED_ROOM)
    with _Reader(address, account) as reader:
        return [reader.read(server, log) for log in logs if log in reader.facts]


class _Reader:
    """A session of ``account`` that reads history."""

    def __init__(self, address: Address, account: str) -> None:
        self._wire = WireClient(address, timeout=30.0)
        self._asked = 0
        login = {"to": account, "password": PASSWORD, "inline": INLINE, "replay": 0, "join": []}
        reply = self._wire.try_login(login)
        assert reply.type == MessageType.LOGIN, f"{account} is not let in: {reply}"
        welcome: dict[str, Any] = json.loads(self._wire.read_frame().content)
        self._epoch: str = welcome["epoch"]
        self.facts: dict[str, dict[str, Any]] = dict(welcome["rooms"])
        if "private" in welcome:
            self.facts[mailbox_of(account)] = welcome["private"]

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *given: object) -> None:
        self._wire.close()

    def read(self, server: str, log: str) -> Stored:
        facts = self.facts[log]
        messages: list[Heard] = []
        after, more = 0, True
        while more:
            page, more = self._page(log, after)
            messages += page
            after = page[-1].seq if page else after
        lost = tuple((first, last) for first, last in facts["lost"])
        # What was said behind the welcome is not in its head.
        kept = tuple(message for message in messages if message.seq <= facts["seq"])
        return Stored(server, self._epoch, log, facts["seq"], kept, lost)

    def command(self, fields: dict[str, object]) -> list[WireFrame]:
        """Give a command; return the messages that are shown again, and the answer."""
        self._asked += 1
        nonce = f"reader-{self._asked}"
        self._wire.send(MessageType.UTF8, {**fields, "nonce": nonce})
        frames: list[WireFrame] = []
        while True:
            frame = self._wire.read_frame()
            if frame.header.get("for") == nonce:
                frames.append(frame)
            elif "notice" in frame.header and frame.header.get("nonce") == nonce:
                return [*frames, frame]

    def _page(self, log: str, after: int) -> tuple[list[Heard], bool]:
        fields: dict[str, object] = {"command": "history", "after": after, "limit": _PAGE}
        if log.startswith("@"):
            fields["private"] = True
        elif log != LOBBY:
            fields["room"] = log
        *frames, answer = self.command(fields)
        assert answer.header["notice"] == "done", f"{log} cannot be read: {answer}"
        return [self._heard(log, frame) for frame in frames], answer.header.get("more", False)

    def _heard(self, log: str, frame: WireFrame) -> Heard:
        header = frame.header
        digest = header["sha256"][:16] if "sha256" in header else digest_of(frame.content)
        return Heard(
            *(0.0, self._epoch, log, header["seq"], header["timestamp"], header["from"]),
            *(header.get("nonce", ""), digest, False),
        )
