"""A server and its clients, each behind a proxy of its own; and the evidence of all that they did."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import TypeAlias

import gevent

from tests.cutting import final_history, room_host
from tests.cutting.evidence import (
    LOGS,
    MAILBOX,
    ROOM,
    Evidence,
    Message,
    Observed,
    Shown,
    log_of_room,
    room_of_log,
)
from tests.cutting.guards import Guard
from tests.cutting.library_peer import LibraryPeer
from tests.cutting.proxy import Proxy
from tests.cutting.room_host import RoomHost
from tests.cutting.screen_peer import ScreenPeer
from tests.cutting.server_control import ServerControl
from tests.cutting.two_servers import TwoServers
from tests.cutting.wire_peer import WirePeer
from tests.end_to_end.server_process import eventually

NAMES = ("anna", "boris", "chloe", "dario", "edith", "felix", "greta", "henri")
# Clients and their accounts. Two people have two devices.
CLIENTS = (
    *((name, name) for name in NAMES),
    ("anna-phone", "anna"),
    ("boris-phone", "boris"),
)
# The clients that are programs with our library, and the runtime of each.
LIBRARY = MappingProxyType({"greta": "gevent", "henri": "threads", "boris-phone": "threads"})
NO_LIBRARY: Mapping[str, str] = MappingProxyType({})
PASSWORD = "the password of all"
# Rooms beside the default one; each account is in some of them.
ROOMS = tuple(f"room-{number}" for number in range(1, 14))
_DRAIN = 60.0  # seconds within which all lines are answered when the trouble is over
_TYPING = 0.3  # seconds between two lines that are typed
LOOK = 0.02

Peer: TypeAlias = WirePeer | LibraryPeer
ClientProgram: TypeAlias = LibraryPeer | ScreenPeer


class Stage:
    """``clients`` are names of clients and of their accounts, the same for several devices of one user.

    ``library`` has the runtimes of those among them that are programs with our library. ``screens`` are users of the
    real screen client. ``rooms``: so many of ``ROOMS``, all closed, has each account; and programs with our library
    that are the only client of their account come and go in further rooms, which a host changes.
    ``pause`` is the mean time between two lines of a client, in seconds. ``two_servers``: those of a cluster, in place
    of one alone.
    """

    def __init__(
        self,
        directory: Path,
        rng: Random,
        *,
        clients: Sequence[tuple[str, str]] = CLIENTS,
        library: Mapping[str, str] = NO_LIBRARY,
        durable: bool = False,
        screens: Sequence[str] = (),
        rooms: int = 0,
        pause: float = 0.1,
        without: Guard | None = None,
        two_servers: bool = False,
    ) -> None:
        self._durable = durable
        self._directory = directory
        self._rng = rng
        self._pause = pause
        self._without = without
        self.accounts = list(dict.fromkeys(account for _, account in clients))
        options = ["--durable"] if durable else []
        self.server: ServerControl = ServerControl(directory / "data", *options, without=without)
        self._pair: TwoServers | None = None
        if two_servers:
            self._pair = TwoServers(directory / "data", Random(rng.random()), *options)
            self.server = self._pair
        self.server.register(*self.accounts, *screens, room_host.NAME, password=PASSWORD)
        devices = Counter(account for _, account in clients)
        guests = [name for name, account in clients if name in library and devices[account] == 1]
        self.host = RoomHost(PASSWORD, self.server.directory, Random(rng.random()), guests)
        self._hosting: gevent.Greenlet[..., object] | None = None
        self._guests = guests if rooms else []
        choice = Random(rng.random())
        in_rooms = {account: choice.sample(ROOMS, rooms) for account in self.accounts}
        self._members = {
            room: [account for account, chosen in in_rooms.items() if room in chosen]
            for room in ROOMS
            if any(room in chosen for chosen in in_rooms.values())
        }
        self.server.make_rooms(self._members)
        self.server.start()
        target = self.server.address if self._pair is None else self._pair.any_address
        self.proxies = [Proxy(target) for _ in (*clients, *screens)]
        self.peers = [
            self._make_peer(
                self._observed(client, account),
                proxy.address,
                library.get(client),
            )
            for (client, account), proxy in zip(clients, self.proxies, strict=False)
        ]
        self.screens = [
            ScreenPeer(
                Observed(name, name),
                PASSWORD,
                proxy.address,
                directory / name,
                rng=Random(rng.random()),
                pause=max(pause, _TYPING),
            )
            for name, proxy in zip(screens, self.proxies[len(clients) :], strict=True)
        ]

    def _observed(self, client: str, account: str) -> Observed:
        rooms = (log_of_room(room) for room, members in self._members.items() if account in members)
        changing = tuple(map(log_of_room, room_host.ROOMS)) if client in self._guests else ()
        return Observed(client, account, logs=(*LOGS, *rooms, *changing), changing=changing)

    def _make_peer(self, observed: Observed, address: tuple[str, int], runtime: str | None) -> Peer:
        rng, path = Random(self._rng.random()), self._directory / f"{observed.client}.json"
        if runtime is not None:
            return LibraryPeer(
                observed,
                PASSWORD,
                address,
                path,
                runtime=runtime,
                rng=rng,
                recipients=self.accounts,
                pause=self._pause,
            )
        return WirePeer(
            observed,
            PASSWORD,
            address,
            path,
            rng=rng,
            recipients=self.accounts,
            pause=self._pause,
            without=self._without,
        )

    def close(self) -> None:
        """End all programs and connections."""
        self._stop_hosting()
        for peer in (*self.peers, *self.screens):
            peer.kill()
        for proxy in self.proxies:
            proxy.close()
        self.server.end()

    def begin(self) -> None:
        """Start all clients, and wait until they are in the room."""
        if self._guests:
            self.host.make_all(self.server.address)
            self._hosting = gevent.spawn(self.host.live, self.server.address)
        # Our programs show no messages of before their first login, so they are there before anyone speaks.
        libraries = [peer for peer in self.peers if isinstance(peer, LibraryPeer)]
        programs: list[ClientProgram] = [*libraries, *self.screens]
        for program in programs:
            program.is_quiet = True
            program.start()
        eventually(lambda: all(program.is_in for program in programs))
        for program in programs:
            program.is_quiet = False
        self.revive()
        eventually(lambda: all(peer.is_in for peer in self.peers))

    def _stop_hosting(self) -> None:
        if self._hosting is not None:
            self._hosting.kill()
            self._hosting = None
        self.host.leave()

    def revive(self) -> None:
        """Start the clients that are dead."""
        for peer in (*self.peers, *self.screens):
            if not peer.is_alive:
                peer.kill()
                peer.start()

    def settle(self) -> list[str]:
        """Let all lines be answered, and no further ones be typed; return what is wrong with clients that do not."""
        everyone = (*self.peers, *self.screens)
        for peer in everyone:
            peer.is_quiet = True
        deadline = time.monotonic() + _DRAIN
        while waiting := [peer for peer in everyone if not peer.is_settled]:
            if time.monotonic() > deadline:
                break
            self.revive()
            gevent.sleep(LOOK)
        return [f"{peer.name} does not come to an end: {peer.status}" for peer in waiting]

    def finish(self) -> tuple[Evidence, list[str]]:
        """End the talk; return the evidence, and what is wrong beside it."""
        self._stop_hosting()
        eventually(lambda: all(proxy.is_calm for proxy in self.proxies))
        self.server.slow_down("")
        self.server.wait_until_kept()
        problems = self.settle()
        # Nobody talks now, so a client that comes back gets everything.
        for peer in (*self.peers, *self.screens):
            peer.reconnect()
        problems += self.settle()
        for peer in (*self.peers, *self.screens):
            peer.kill()
        # Another server is asked, so that nothing comes from memory.
        self.server.stop()
        self.server.start()
        evidence = self._gather()
        export = final_history.exported(self.server.directory)
        problems += final_history.differences(evidence.room, export)
        self.server.stop()
        if self._pair is not None:
            self._pair.gather()
        return evidence, [*problems, *self.server.complaints]

    def _gather(self) -> Evidence:
        address = self.server.address
        accounts = [*self.accounts, *(screen.observed.account for screen in self.screens)]
        found = {name: final_history.asked(address, name, PASSWORD) for name in accounts}
        room = found[self.accounts[0]][ROOM]
        known = {
            event.message.body: (event.epoch, event.message)
            for peer in self.peers
            for life in peer.observed.lives
            for event in life
            if isinstance(event, Shown) and event.log == ROOM
        }
        known |= _of_epoch(room.epoch, room.messages)
        for screen in self.screens:
            screen.note_what_was_shown(known)
        rooms = {
            log: stored
            for logs in found.values()
            for log, stored in logs.items()
            if log not in LOGS and room_of_log(log) not in room_host.ROOMS
        }
        changing = self.host.heads(address) if self._guests else {}
        return Evidence(
            [peer.observed for peer in (*self.peers, *self.screens)],
            room,
            {name: logs[MAILBOX] for name, logs in found.items()},
            self.server.crashes,
            self.server.suspensions,
            self._durable,
            rooms=rooms,
            changing=changing,
        )


def _of_epoch(epoch: str, messages: Sequence[Message]) -> dict[str, tuple[str, Message]]:
    return {message.body: (epoch, message) for message in messages}
