"""Two users inside, as a process of their own: they talk all the time, and tell what was lost and how late it came.

    python -m tests.hostile.witnesses PORT

Each line on stdin ends a phase, of which a JSON object on stdout tells; the end of stdin ends it all.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import gevent
from gevent.fileobject import FileObject

from chat.protocol.descriptor import MessageType
from tests.end_to_end.server_process import CHECKOUT
from tests.peers.wire_client import WireClient

_PAUSE = 0.05  # seconds between two texts of one user: well within the user's rate
_TICK = 0.005  # seconds
_PATIENCE = 20.0  # seconds after which a text counts as lost
NAMES = ("alice", "bob")


class Phase(NamedTuple):
    """Figures of two users who saw each other for a while; times in seconds.

    ``own`` is how late the watch of their process itself went off, at most: a machine with too few processors for the
    attack and them is no fault of the server's.
    """

    said: int
    lost: int
    p50: float
    p99: float
    longest: float
    own: float

    def __str__(self) -> str:
        times = " ".join(f"{1000 * time:6.1f}" for time in self[2:])
        return f"{self.said:5d} said  {self.lost} lost  p50, p99, max, own: {times} ms"


class Witness:
    """One of the two users; ``latencies`` are of the texts that the other said."""

    def __init__(self, port: int, name: str, other: str) -> None:
        self.name = name
        self.said = 0
        self.heard = 0
        self.latencies: list[float] = []
        self._other = other
        self._client = WireClient.joined(("127.0.0.1", port), name, timeout=3600)

    def talk(self) -> None:
        while True:
            self._client.say(str(time.monotonic()))
            self.said += 1
            gevent.sleep(_PAUSE)

    def listen(self) -> None:
        while True:
            frame = self._client.read_frame()
            if frame.type == MessageType.UTF8 and frame.sender == self._other:
                self.heard += 1
                self.latencies.append(time.monotonic() - float(frame.text))


class Watch:
    """Measure how late this process itself is."""

    def __init__(self) -> None:
        self.latest = 0.0

    def run(self) -> None:
        while True:
            due = time.monotonic() + _TICK
            gevent.sleep(_TICK)
            self.latest = max(self.latest, time.monotonic() - due)


def main() -> None:
    port = int(sys.argv[1])
    alice, bob = Witness(port, *NAMES), Witness(port, *reversed(NAMES))
    speaking = [gevent.spawn(witness.talk) for witness in (alice, bob)]
    listening = [gevent.spawn(witness.listen) for witness in (alice, bob)]
    watch = Watch()
    watching = gevent.spawn(watch.run)
    said = 0
    print("ready", flush=True)
    for _ in FileObject(sys.stdin.fileno(), "r"):
        told = alice.said + bob.said - said
        said += told
        deadline = time.monotonic() + _PATIENCE
        while alice.heard + bob.heard < said and time.monotonic() < deadline:
            gevent.sleep(0.01)
        lost = max(0, said - alice.heard - bob.heard)
        latencies = sorted(alice.latencies + bob.latencies)
        alice.latencies, bob.latencies = [], []
        found = {"said": told, "lost": lost, "latencies": latencies, "own": watch.latest}
        watch.latest = 0.0
        print(json.dumps(found), flush=True)
    gevent.killall([*speaking, *listening, watching])


class Witnesses:
    """The process, from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def read_line(self) -> str:
        """Return the next line of the process; other greenlets run meanwhile."""
        assert self._process.stdout is not None
        line: str = gevent.get_hub().threadpool.apply(self._process.stdout.readline)
        assert line, "a user inside was thrown out"
        return line

    def end_phase(self) -> Phase:
        """End a phase; return its figures."""
        assert self._process.stdin is not None
        self._process.stdin.write("next\n")
        self._process.stdin.flush()
        told = json.loads(self.read_line())
        latencies = told["latencies"] or [0.0]
        p50, p99 = (latencies[int(part * (len(latencies) - 1))] for part in (0.5, 0.99))
        return Phase(told["said"], told["lost"], p50, p99, latencies[-1], told["own"])


@contextmanager
def witnesses_on(port: int) -> Iterator[Witnesses]:
    """Two users who talk as long as the block lasts."""
    command = [sys.executable, "-m", "tests.hostile.witnesses", str(port)]
    # Not gevent's: code that resets its watch over children would let it wait for ever.
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            witnesses = Witnesses(process)
            assert witnesses.read_line() == "ready\n"
            yield witnesses
        finally:
            process.kill()


if __name__ == "__main__":
    main()
