"""A server and its clients, each behind a proxy of its own; and the evidence of all that they did."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import gevent

from tests.cutting import final_history
from tests.cutting.evidence import MAILBOX, ROOM, Evidence, Observed
from tests.cutting.guards import Guard
from tests.cutting.proxy import Proxy
from tests.cutting.screen_peer import ScreenPeer
from tests.cutting.server_control import ServerControl
from tests.cutting.wire_peer import WirePeer
from tests.end_to_end.server_process import eventually

NAMES = ("anna", "boris", "chloe", "dario", "edith", "felix", "greta", "henri")
# Clients and their accounts. Two people have two devices.
CLIENTS = (
    *((name, name) for name in NAMES),
    ("anna-phone", "anna"),
    ("boris-phone", "boris"),
)
PASSWORD = "the password of all"
_DRAIN = 60.0  # seconds within which all lines are answered when the trouble is over
_TYPING = 0.3  # seconds between two lines that are typed
LOOK = 0.02


class Stage:
    """``clients`` are names of clients and of their accounts, the same for several devices of one user.

    ``screens`` are users of the real screen client. ``pause`` is the mean time between two lines of a client, in
    seconds.
    """

    def __init__(
        self,
        directory: Path,
        rng: Random,
        *,
        clients: Sequence[tuple[str, str]] = CLIENTS,
        durable: bool = False,
        screens: Sequence[str] = (),
        pause: float = 0.1,
        without: Guard | None = None,
    ) -> None:
        self._durable = durable
        self.accounts = list(dict.fromkeys(account for _, account in clients))
        options = ["--durable"] if durable else []
        self.server = ServerControl(directory / "data", *options, without=without)
        self.server.register(*self.accounts, *screens, password=PASSWORD)
        self.server.start()
        self.proxies = [Proxy(self.server.address) for _ in (*clients, *screens)]
        self.peers = [
            WirePeer(
                Observed(client, account),
                PASSWORD,
                proxy.address,
                directory / f"{client}.json",
                rng=Random(rng.random()),
                recipients=self.accounts,
                pause=pause,
                without=without,
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

    def close(self) -> None:
        """End all programs and connections."""
        for peer in self.peers:
            peer.kill()
        for screen in self.screens:
            screen.kill()
        for proxy in self.proxies:
            proxy.close()
        self.server.end()

    def begin(self) -> None:
        """Start all clients; wait until those whose state is known are in the room."""
        self.revive()
        for screen in self.screens:
            screen.start()
        eventually(lambda: all(peer.is_in for peer in self.peers))

    def revive(self) -> None:
        """Start the clients that are dead, but for the screens."""
        for peer in self.peers:
            if not peer.is_alive:
                peer.kill()
                peer.start()

    def settle(self) -> list[str]:
        """Let all lines be answered, and no further ones be typed; return what is wrong with clients that do not."""
        for peer in self.peers:
            peer.is_quiet = True
        deadline = time.monotonic() + _DRAIN
        while waiting := [peer for peer in self.peers if not peer.is_settled]:
            if time.monotonic() > deadline:
                break
            self.revive()
            gevent.sleep(LOOK)
        return [f"{peer.name} does not come to an end: {peer.status}" for peer in waiting]

    def finish(self) -> tuple[Evidence, list[str]]:
        """End the talk; return the evidence, and what is wrong beside it."""
        eventually(lambda: all(proxy.is_calm for proxy in self.proxies))
        self.server.slow_down("")
        self.server.wait_until_kept()
        for screen in self.screens:
            screen.kill()
        problems = self.settle()
        # Nobody talks now, so a client that comes back gets everything.
        for peer in self.peers:
            peer.reconnect()
        problems += self.settle()
        for peer in self.peers:
            peer.kill()
        # Another server is asked, so that nothing comes from memory.
        self.server.stop()
        self.server.start()
        evidence = self._gather()
        export = final_history.exported(self.server.directory)
        problems += final_history.differences(evidence.room, export)
        self.server.stop()
        return evidence, [*problems, *self.server.complaints]

    def _gather(self) -> Evidence:
        address = self.server.address
        found = {name: final_history.asked(address, name, PASSWORD) for name in self.accounts}
        return Evidence(
            [
                *(peer.observed for peer in self.peers),
                *(screen.observed for screen in self.screens),
            ],
            found[self.accounts[0]][ROOM],
            {name: logs[MAILBOX] for name, logs in found.items()},
            self.server.crashes,
            self.server.suspensions,
            self._durable,
        )
