"""The servers and the clients of a run, from their start to what is there at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import gevent
from gevent.threadpool import ThreadPool

from tests import homes
from tests.cluster.actor import Actor
from tests.cluster.ending import read_all
from tests.cluster.people import (
    MODERATOR,
    PASSING_ROOM,
    PASSWORD,
    READER,
    Person,
    accounts_of,
    make_people,
)
from tests.cluster.recording import Recording
from tests.cluster.server_program import LATE_LOG
from tests.cluster.tested_server import TestedServer
from tests.cluster.trouble import ALONE, LATE, Kind
from tests.end_to_end.client_process import CHECKOUT
from tests.end_to_end.server_process import eventually
from tests.peers.wire import Address
from tests.starting.programs import run_program

_DRAIN = 150.0  # seconds within which all lines are answered when the trouble is over
_BEGIN = 60.0  # seconds within which the clients are there at first
_REMOVAL = 20.0  # seconds that the operator's program may take


class Stage:
    """One server without a cluster, and ``count`` clients that do something every ``pause`` seconds, on average."""

    weights: Mapping[Kind, int] = ALONE
    only_talks = False  # nobody joins or leaves rooms, or is put out, muted or banned
    sets_clock_back = False  # its timestamps begin with the clock of the machine at each start

    def __init__(self, directory: Path, rng: Random, *, count: int, pause: float) -> None:
        self.recording = Recording(removable=frozenset({PASSING_ROOM}))
        self.rooms_removed = self.ended_by_themselves = 0
        self._watching: gevent.Greenlet[..., None] | None = None
        self.server_deeds: dict[Kind, Callable[[TestedServer, float], None]] = {}
        self.engine_deeds: dict[Kind, Callable[[float], str]] = {}
        self.people = make_people(count)
        self.accounts = [*accounts_of(self.people), READER]
        self.servers = {server.name: server for server in self.make_servers(directory)}
        self.actors: list[Actor] = []
        self._rng = rng
        self._pause = pause
        self._pool = ThreadPool(1)

    def make_servers(self, directory: Path) -> list[TestedServer]:
        """Return the servers, which are not started yet."""
        return [TestedServer("alone", directory / "alone", ["--durable"])]

    def start_servers(self) -> None:
        for server in self.servers.values():
            server.register(self.accounts, PASSWORD, MODERATOR)
            server.start()

    def watch(self) -> None:
        """Start servers again that have ended by themselves, as a supervisor does, until killed."""
        while True:
            gevent.sleep(0.2)
            for server in self.servers.values():
                if server.has_ended:
                    self.ended_by_themselves += 1
                    gevent.spawn(server.restart)

    @property
    def complaints(self) -> list[str]:
        return [each for server in self.servers.values() for each in server.complaints]

    def begin(self) -> None:
        """Start everything, and wait until all users are there."""
        self.start_servers()
        self._watching = gevent.spawn(self.watch)
        addresses = {server.name: server.client_address for server in self.servers.values()}
        victims = [person.user for person in self.people if person.is_victim]
        self.actors = [self._make_actor(person, addresses, victims) for person in self.people]
        for actor in self.actors:
            actor.start()
        members = [actor for actor in self.actors if not actor.person.is_guest]
        eventually(lambda: all(actor.is_in for actor in members), _BEGIN)

    def _make_actor(
        self, person: Person, addresses: Mapping[str, Address], victims: list[str]
    ) -> Actor:
        return Actor(
            person,
            self.recording,
            addresses,
            Random(self._rng.random()),
            accounts=[name for name in self.accounts if name != READER],
            victims=victims,
            pause=self._pause,
            only_talks=self.only_talks,
            run_of=lambda name: self.servers[name].run,
        )

    def remove_room(self) -> None:
        """Remove the passing room, as an operator does at a server that runs."""
        if self.only_talks:
            return
        running = [server for server in self.servers.values() if server.is_running]
        if not running:
            return
        directory = self._rng.choice(running).directory
        command = [sys.executable, "-m", "chat.server.cli", "rooms", "remove", PASSING_ROOM]

        def remove() -> int:
            done = run_program(
                [*command, f"--data-directory={directory}"],
                cwd=CHECKOUT,
                env=homes.environment(),
                timeout=_REMOVAL,
            )
            return done.returncode

        try:
            self.rooms_removed += self._pool.apply(remove) == 0
        except TimeoutError:
            return  # the server is paused

    def settle(self) -> None:
        """Let all servers run, all lines be answered, and no further ones be said."""
        eventually(lambda: all(server.is_running for server in self.servers.values()), _DRAIN)
        for server in self.servers.values():
            proxy = server.proxy
            eventually(lambda proxy=proxy: proxy.is_calm)  # type: ignore[misc]
        for actor in self.actors:
            actor.is_quiet = True
            if actor.person.is_guest:
                actor.leave()
        deadline = time.monotonic() + _DRAIN
        while waiting := [actor for actor in self.actors if not actor.is_settled]:
            if time.monotonic() > deadline:
                break
            gevent.sleep(0.05)
        self.recording.complaints += [f"no end: {actor.status}" for actor in waiting]
        # Nobody talks now, so a client that comes back gets everything.
        members = [actor for actor in self.actors if not actor.person.is_guest]
        sessions = len(self.recording.sessions)
        for actor in members:
            actor.go_elsewhere()
        eventually(lambda: len(self.recording.sessions) >= sessions + len(members), _DRAIN)
        eventually(lambda: all(actor.is_in for actor in members), _DRAIN)

    def gather(self) -> None:
        """Read what the servers have."""
        eventually(lambda: all(server.is_running for server in self.servers.values()), _DRAIN)
        for actor in self.actors:
            actor.stop()
        addresses = {server.name: server.address for server in self.servers.values()}
        self.recording.stored = read_all(addresses, self.accounts)
        self._stop_watching()
        for server in self.servers.values():
            if (status := server.stop()) != 0:
                self.recording.complaints.append(f"{server.name} ended with status {status}")

    def close(self) -> None:
        """End all programs and connections."""
        self._stop_watching()
        for actor in self.actors:
            actor.stop()
        for server in self.servers.values():
            server.close()
        self._pool.kill()

    def _stop_watching(self) -> None:
        if self._watching is not None:
            self._watching.kill()
            self._watching = None


class LateStage(Stage):
    """One server whose log commits late. It is not killed: nothing keeps such a log."""

    weights = LATE

    def make_servers(self, directory: Path) -> list[TestedServer]:
        return [TestedServer("late", directory / "late", [LATE_LOG])]
