"""The server of a run: started, killed and started again, always on the same data directory and address."""

from __future__ import annotations

import re
import signal
from collections.abc import Collection, Mapping
from pathlib import Path

from chat.protocol.commands import RoomKind
from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import read_accounts
from chat.server.rooms.room import RoomAccess, RoomState
from chat.server.rooms.room_records import Place, RoomChanges, write_rooms
from chat.server.storage.database import Database
from tests.cutting.guards import Guard
from tests.cutting.slow_disk_server import CONTROL, NO_JUMP
from tests.end_to_end.accounts import register
from tests.end_to_end.server_process import ServerProcess, eventually

_FAULT = re.compile(r"Traceback|cannot write history|begins a new epoch")

_SUSPENDED, _GOES_ON = "history is suspended", "history goes on"


class _SlowDiskServer(ServerProcess):
    module = "tests.cutting.slow_disk_server"


class ServerControl:
    """``options`` are further options of the server."""

    def __init__(self, directory: Path, *options: str, without: Guard | None = None) -> None:
        self.directory = directory
        self.crashes = self.suspensions = 0
        self.complaints: list[str] = []
        self._options = ["--history=on", f"--data-directory={directory}", "--rate=0", *options]
        if without is Guard.JUMP:
            self._options.append(NO_JUMP)
        self._process: _SlowDiskServer | None = None
        self.address = ("127.0.0.1", 0)

    @property
    def process(self) -> ServerProcess:
        assert self._process is not None, "the server was not started"
        return self._process

    def register(self, *accounts: str, password: str) -> None:
        """Make accounts; the server need not run."""
        self.directory.mkdir(exist_ok=True)
        for account in accounts:
            register(self.directory, account, password)

    def make_rooms(self, members: Mapping[str, Collection[str]]) -> None:
        """Make closed rooms, each with the accounts that are its members; the server need not run."""
        database = Database(self.directory)
        ids = {account.name: account.id for account in read_accounts(database)}
        names = {room: parse_user_name(room) for room in members}
        states = {
            name.key: RoomState(name, RoomKind.CLOSED, is_operators=True) for name in names.values()
        }
        access: dict[Place, RoomAccess | None] = {
            (names[room].key, ids[account]): RoomAccess(is_member=True)
            for room, accounts in members.items()
            for account in accounts
        }
        write_rooms(database, RoomChanges(states, access), known_version=0)

    def start(self) -> None:
        host, port = self.address
        self._process = _SlowDiskServer(*self._options, address=f"{host}:{port}")
        self.address = self._process.address

    def kill(self) -> None:
        """Kill the server, whatever it does."""
        self.crashes += 1
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._end()

    def stop(self) -> None:
        """Stop the server in good order."""
        status = self.process.stop()
        if status != 0:
            self.complaints.append(f"the server ended with status {status}")
        self._end()

    def end(self) -> None:
        """See to it that no server runs."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def slow_down(self, word: str) -> None:
        """Let each write take so many seconds, or fail; an empty word: as fast as the disk is."""
        control = self.directory / CONTROL
        new = control.with_suffix(".new")
        new.write_text(word)
        new.replace(control)

    def wait_until_kept(self) -> None:
        """Wait until history is not suspended."""
        log = self.process.log
        if log.count(_SUSPENDED) > log.count(_GOES_ON):
            [*_, last] = re.finditer(_SUSPENDED, log)
            eventually(lambda: _GOES_ON in self.process.log[last.end() :])

    def _end(self) -> None:
        log = self.process.log
        self.suspensions += log.count(_SUSPENDED)
        for line in log.splitlines():
            if _FAULT.search(line):
                self.complaints.append(f"the server's log says: {line}")
        if "Traceback" in log:
            self.complaints.append(log[log.index("Traceback") :][:3000])
        self.end()
