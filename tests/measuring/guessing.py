"""Very many wrong passwords from one address, while others talk and the owner of the name wants to come in."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import gevent
import gevent.subprocess

from tests.end_to_end.server_process import CHECKOUT, ServerProcess
from tests.measuring.accounts import PASSWORD, register
from tests.measuring.statistic import percentile
from tests.peers.wire_client import WireClient

ATTACKER = "127.0.0.2"
_OWNER = "olivia"
_PAUSE = 0.02  # seconds between two texts
_PATIENCE = 60.0
_AT_ONCE = 16  # connections of the attacker


class Latency(NamedTuple):
    """Seconds from saying a text to another's hearing it."""

    p50: float
    p99: float
    texts: int


class Outcome(NamedTuple):
    """``answers`` to the guesses, by their codes; ``owner``: seconds until the owner of the name was let in."""

    quiet: Latency
    attacked: Latency
    owner: float
    answers: Counter[str]
    seconds: float

    @property
    def is_well(self) -> bool:
        return self.attacked.p99 <= 2 * self.quiet.p99


def measure(
    guesses: int, quiet: float, per_second: float, directory: Path, limits: bool
) -> Outcome:
    """``limits``: those on connections and logins of one address are on; else every guess gets as far as it can.

    No address is exempt from anything.
    """
    register(directory, [_OWNER])
    options = ["--exempt=192.0.2.1", f"--data-directory={directory}"]
    if not limits:
        options += ["--max-connects=1000000", "--max-logins=1000000"]
    server = ServerProcess(*options)
    try:
        talk = _Talk(server)
        gevent.sleep(quiet)
        calm = talk.take()
        started = time.perf_counter()
        attacker = gevent.subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.measuring.guessing"),
                *map(str, (*server.address, guesses, per_second)),
            ],
            cwd=CHECKOUT,
            stdout=gevent.subprocess.PIPE,
        )
        gevent.sleep(guesses / per_second / 2)
        owner = _come_in(server)
        report = attacker.communicate()[0].decode()
        seconds = time.perf_counter() - started
        attacked = talk.take()
        talk.end()
        assert server.stop() == 0, server.log
        assert "Traceback" not in server.log, server.log
    finally:
        server.end()
    answers = Counter({word: int(n) for word, n in (line.split() for line in report.splitlines())})
    return Outcome(calm, attacked, owner, answers, seconds)


class _Talk:
    """Two who talk, and how long it takes each text to get from the one to the other."""

    def __init__(self, server: ServerProcess) -> None:
        self._times: list[float] = []
        self._sent: list[float] = []
        self._speaker = WireClient.joined(server.address, "alice", timeout=_PATIENCE)
        self._hearer = WireClient.joined(server.address, "bob", timeout=_PATIENCE)
        self._tasks = [gevent.spawn(task) for task in (self._speak, self._drain, self._hear)]

    def take(self) -> Latency:
        """Return the latencies of all texts since the last call."""
        times, self._times = self._times, []
        return Latency(percentile(times, 0.5), percentile(times, 0.99), len(times))

    def end(self) -> None:
        for task in self._tasks:
            assert not task.ready(), f"one who talks has ended: {task.exception!r}"
        gevent.killall(self._tasks)
        self._speaker.close()
        self._hearer.close()

    def _speak(self) -> None:
        while True:
            self._sent.append(time.perf_counter())
            self._speaker.say(str(len(self._sent) - 1))
            gevent.sleep(_PAUSE)

    def _drain(self) -> None:
        while True:
            self._speaker.read_frame()

    def _hear(self) -> None:
        while True:
            frame = self._hearer.read_frame()
            if frame.sender == "alice" and frame.type == 7:
                self._times.append(time.perf_counter() - self._sent[int(frame.text)])


def _come_in(server: ServerProcess) -> float:
    """Log the owner in, from another address, in one try; return the seconds."""
    started = time.perf_counter()
    with WireClient(server.address, timeout=_PATIENCE) as owner:
        answer = owner.try_login({"to": _OWNER, "password": PASSWORD})
        assert answer == (1, {}, b""), f"the owner was kept out: {answer}"
        return time.perf_counter() - started


def guess(host: str, port: int, guesses: int, per_second: float) -> Counter[str]:
    """Play the attacker: send the guesses, evenly spread, and count the answers."""
    answers: Counter[str] = Counter()
    numbers = iter(range(guesses))
    started = time.perf_counter()

    def work() -> None:
        client: WireClient | None = None
        for number in numbers:
            gevent.sleep(max(0.0, started + number / per_second - time.perf_counter()))
            try:
                if client is None:
                    client = WireClient((host, port), timeout=_PATIENCE, source=ATTACKER)
                answer = client.try_login({"to": _OWNER, "password": f"guess number {number}"})
                answers[str(answer.header.get("error"))] += 1
            except (OSError, EOFError):
                answers["closed"] += 1
                if client is not None:
                    client.close()
                client = None
        if client is not None:
            client.close()

    gevent.joinall([gevent.spawn(work) for _ in range(_AT_ONCE)], raise_error=True)
    return answers


if __name__ == "__main__":
    os.nice(10)  # it stands for another machine, and is not to take the time of this one
    for word, count in guess(
        sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    ).items():
        print(word, count)
