"""Let ten thousand remembered devices come back at once after a restart of the server."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.server.history.rows import pack
from chat.server.history.stored import DEFAULT_ROOM, MAILBOX, LogName, StoredRun
from chat.server.history.writer import Writer
from chat.server.storage.database import Database
from tests.cheap_hashes import hash_cheaply
from tests.cutting.herd import Herd, Returned
from tests.cutting.server_control import ServerControl
from tests.cutting.state_file import Place

MISSED = 100  # messages that were said while they were away
_KNOWN = 50
_PASSWORD = "the password of all"
_TIME = "2026-11-24T09:30:00.000000Z"
_TIMEOUT = 120.0  # seconds


class Returning:
    """``users`` have an account and a device each; the server keeps its data in ``directory``."""

    def __init__(self, directory: Path, users: int) -> None:
        self._server = ServerControl(directory / "data", "--max-users=20000")
        self._server.directory.mkdir()
        self._names = [f"user-{number}" for number in range(users)]
        self._devices = [secrets.token_urlsafe(32) for _ in self._names]
        self._ids = [secrets.token_bytes(16) for _ in self._names]
        _remember(self._server.directory, self._names, self._ids, self._devices)
        self._keep(1, _KNOWN + MISSED)

    def run(self, told: Callable[[str], object]) -> list[str]:
        """Start the server, and let all come back; return what is wrong."""
        try:
            self._server.start()
            herd = Herd(self._server.address, self._logins(), Place(_KNOWN, _TIME))
            returned = herd.come_in(MISSED, _TIMEOUT)
            herd.close()
            told(_describe(returned))
            self._server.stop()
        finally:
            self._server.end()
        problems = [f"{count:,} {problem}" for problem, count in returned.problems.items()]
        if returned.complete < len(self._names):
            problems.append(f"only {returned.complete:,} got all that they had missed")
        return [*problems, *self._server.complaints]

    def _logins(self) -> list[dict[str, str]]:
        return [
            {"to": name, "device": device}
            for name, device in zip(self._names, self._devices, strict=True)
        ]

    def _keep(self, first: int, count: int) -> None:
        """Put messages into the history while no server runs. All mailboxes are there, too."""
        writer = Writer(self._server.directory, bound=0)
        writer.add_logs([DEFAULT_ROOM, *(LogName(MAILBOX, id.hex()) for id in self._ids)])
        writer.write([pack(_message(number)) for number in range(first, first + count)])
        writer.close()


def _message(number: int) -> StoredRun:
    content = b"message %d" % number
    text = MessageType.UTF8
    return StoredRun(DEFAULT_ROOM, number, _TIME, "alice", None, b"", text, [None], [content])


def _describe(returned: Returned) -> str:
    troubles = ", ".join(f"{count:,} {problem}" for problem, count in returned.problems.items())
    return (
        f"{returned.complete:,} in and complete after {returned.seconds:.1f} s;"
        f" {returned.again:,} connections were made anew; {troubles or 'no problem'}"
    )


def _remember(directory: Path, names: list[str], ids: list[bytes], devices: list[str]) -> None:
    """Add accounts with a remembered device each, in one transaction; ten thousand logins would take minutes."""
    password, now = hash_cheaply(_PASSWORD), int(time.time())
    accounts = [
        (parse_user_name(name).display, parse_user_name(name).key, password, now, id)
        for name, id in zip(names, ids, strict=True)
    ]
    hashes = [
        (id, hashlib.sha256(device.encode()).digest(), f"device-{number}", now, now)
        for number, (id, device) in enumerate(zip(ids, devices, strict=True))
    ]
    with Database(directory).writing() as connection:
        connection.executemany(
            "INSERT INTO users (name, key, password, moderator, created, id) VALUES (?, ?, ?, 0, ?, ?)",
            accounts,
        )
        connection.executemany(
            "INSERT INTO devices (account, hash, name, first_seen, last_seen) VALUES (?, ?, ?, ?, ?)",
            hashes,
        )
