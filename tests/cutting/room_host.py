"""An owner of rooms who makes and removes them, opens and closes them, invites users and puts them out."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import gevent

from tests import homes
from tests.cutting.evidence import log_of_room
from tests.cutting.wire_session import LoginRefused, WireSession
from tests.end_to_end.client_process import CHECKOUT
from tests.peers.wire import Address
from tests.starting.programs import run_program

NAME = "host"
ROOMS = ("yard", "attic", "cellar")
_PAUSE = 0.25  # seconds between two deeds
_REMOVES = 0.06  # part of the deeds; each takes a program of the operator

_DEEDS: Sequence[dict[str, str]] = (
    *[{"command": "join"}] * 2,
    {"command": "part"},
    *[{"command": "room", "kind": "open"}] * 2,
    {"command": "room", "kind": "closed"},
    *[{"command": "invite"}] * 2,
    {"command": "remove"},
)


class RoomHost:
    """The user ``NAME``. ``guests`` are the users whom it invites and puts out."""

    def __init__(self, password: str, directory: Path, rng: Random, guests: Sequence[str]) -> None:
        self.counts: Counter[str] = Counter()
        self._password = password
        self._directory = directory
        self._rng = rng
        self._guests = guests
        self._session: WireSession | None = None

    def make_all(self, address: Address) -> None:
        """Make the rooms, or join them; the server is there."""
        session = self._enter(address)
        for room in ROOMS:
            code = session.command({"command": "join", "room": room})
            assert code == "done", f"the host cannot join {room}: {code}"

    def live(self, address: Address) -> None:
        """Change rooms, until killed."""
        while True:
            gevent.sleep(self._rng.expovariate(1 / _PAUSE))
            try:
                self._do_something(address)
            except (OSError, EOFError, LoginRefused):
                self.leave()  # the server was killed

    def heads(self, address: Address) -> dict[str, tuple[str, int]]:
        """Return the epoch and the last number of each room, by log."""
        self.leave()
        self.make_all(address)
        self.leave()
        session = self._enter(address)
        facts = session.facts
        self.leave()
        return {log: (session.epoch, facts[log].head.seq) for log in map(log_of_room, ROOMS)}

    def leave(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(OSError):
                session.close()

    def _enter(self, address: Address) -> WireSession:
        if self._session is None:
            login: dict[str, object] = {"to": NAME, "password": self._password}
            self._session = WireSession(address, login, lambda header, message: None)
        return self._session

    def _do_something(self, address: Address) -> None:
        room, guest = self._rng.choice(ROOMS), self._rng.choice(self._guests)
        if self._rng.random() < _REMOVES:
            self._remove(room)
            return
        deed = self._rng.choice(_DEEDS)
        if deed["command"] in ("invite", "remove"):
            deed = {**deed, "target": guest}
        code = self._enter(address).command({**deed, "room": room})
        if code == "done":
            self.counts[deed.get("kind", deed["command"])] += 1

    def _remove(self, room: str) -> None:
        command = [sys.executable, "-m", "chat.server.cli", "rooms", "remove", room]
        done = run_program(
            [*command, f"--data-directory={self._directory}"],
            cwd=CHECKOUT,
            env=homes.environment(),
            timeout=60,
        )
        self.counts["removed"] += done.returncode == 0
