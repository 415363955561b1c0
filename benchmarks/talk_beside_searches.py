"""Measure what users who talk feel of a user who searches.

Usage:
  talk_beside_searches [--messages=<n>] [--searches=<n>] [--rounds=<n>] [--rate=<n>]
                       [--directory=<directory>]
  talk_beside_searches search <address>

A server keeps the history of ``python -m benchmarks.searching``. A user says texts at a steady rate, and ten others
hear them. In each round, another user searches without a pause; then nobody searches for as long. The program prints
how long a text takes from the call that sends it until a listener has it, with and without the searches.

Options:
  --messages=<n>           messages in the history [default: 1000000]
  --searches=<n>           searches in a round [default: 100]
  --rounds=<n>             rounds [default: 7]
  --rate=<n>               texts a second [default: 200]
  --directory=<directory>  keep the files there, and use those that are there; without it, they are temporary
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path

import gevent
from docopt import docopt
from gevent.threadpool import ThreadPool

from benchmarks.processes import CHECKOUT, free_port, running
from benchmarks.searching import Language, index, searches, write
from chat.client import Connection, Text, connect
from chat.client.gevent_runtime import GEVENT
from chat.server.history.reader import FILE_NAME

LISTENERS = 10
# Users who measure and are measured must not be delayed by what protects a server.
_OPTIONS = ("--rate=0", "--byte-rate=0", "--tls=off", "--keep=forever", "--keep-size=10G")


class Talk:
    """Texts of one user that others hear, and the seconds that each took to each of them."""

    def __init__(self, speaker: Connection, listeners: Sequence[Connection], rate: float) -> None:
        self.delays: list[float] = []
        self._speaker = speaker
        self._pause = 1 / rate
        self._sent: dict[str, float] = {}
        gevent.spawn(list, speaker)  # takes the echoes
        for listener in listeners:
            gevent.spawn(self._listen, listener)
        self._talking = gevent.spawn(self._talk)

    def end(self) -> None:
        """Say no more."""
        self._talking.kill()

    def _talk(self) -> None:
        following = time.perf_counter()
        for number in range(sys.maxsize):
            following += self._pause
            gevent.sleep(max(0.0, following - time.perf_counter()))
            text = f"text {number} " + "x" * 90
            # Of a text that should have been said earlier, its users have waited since then.
            self._sent[text] = following
            self._speaker.send_text(text)

    def _listen(self, listener: Connection) -> None:
        for event in listener:
            if isinstance(event, Text) and event.text in self._sent:
                self.delays.append(time.perf_counter() - self._sent[event.text])


class Searcher:
    """A user who searches when told, in a process of its own: its client must not hold up those that are measured."""

    def __init__(self, address: str) -> None:
        command = [sys.executable, "-m", "benchmarks.talk_beside_searches", "search", address]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=CHECKOUT
        )
        self._pool = ThreadPool(1)

    def search(self, count: int) -> None:
        """Search so often, and wait for the end."""
        self._pool.apply(self._ask, (count,))

    def _ask(self, count: int) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"%d\n" % count)
        self._process.stdin.flush()
        assert self._process.stdout.readline(), "the user who searches has ended"

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def search(address: str) -> None:
    """Search as often as each line of the standard input says, then write a line."""
    language = Language(random.Random(1))
    wanted = [each for _, kind in searches(language, 100) for each in kind]
    language.rng.shuffle(wanted)
    following = cycle(wanted)
    with connect(address, "searcher", runtime=GEVENT) as searcher:
        for line in sys.stdin:
            for words, sender, has in islice(following, int(line)):
                text = " ".join(word.decode() for word in words)
                next(searcher.search(text, sender=sender, has=has), None)
            print("done", flush=True)


def measure(address: str, count: int, rounds: int, rate: float) -> None:
    """Print the delays of both kinds of time, and the ratio of their 99th percentiles."""
    with ExitStack() as stack:

        def enter(name: str) -> Connection:
            return stack.enter_context(connect(address, name, runtime=GEVENT))

        listeners = [enter(f"listener{number}") for number in range(LISTENERS)]
        talk = Talk(enter("speaker"), listeners, rate)
        searcher = Searcher(address)
        stack.callback(searcher.end)
        searcher.search(1)
        beside: list[list[float]] = []
        without: list[list[float]] = []
        for _ in range(rounds):
            talk.delays = []
            start = time.perf_counter()
            searcher.search(count)
            took = time.perf_counter() - start
            beside.append(talk.delays)
            talk.delays = []
            gevent.sleep(took)
            without.append(talk.delays)
            print(
                f"{count} searches in {took:.1f} s: {_figures(beside[-1])}; none: {_figures(without[-1])}"
            )
        talk.end()
        ratios = sorted(_p99(a) / _p99(b) for a, b in zip(beside, without, strict=True))
        print(
            f"p99 with searches to p99 without: {statistics.median(ratios):.2f}"
            f" ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


def _figures(delays: list[float]) -> str:
    return f"p50 {statistics.median(delays) * 1000:.2f} ms, p99 {_p99(delays) * 1000:.2f} ms"


def _p99(delays: list[float]) -> float:
    return statistics.quantiles(delays, n=100)[98]


def main(argv: list[str]) -> None:
    """Execute the command line ``argv``."""
    options = docopt(__doc__ or "", argv)
    if options["search"]:
        search(options["<address>"])
        return
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(options["--directory"] or temporary)
        if not (directory / FILE_NAME).exists():
            write(directory, int(options["--messages"]), Language(random.Random(1)))
        index(directory)
        port = free_port()
        program = str(CHECKOUT / "bin" / "chat-server")
        command = [
            sys.executable,
            program,
            f"--address=127.0.0.1:{port}",
            f"--data-directory={directory}",
        ]
        rate = float(options["--rate"])
        with running([*command, *_OPTIONS], port, directory):
            measure(f"127.0.0.1:{port}", int(options["--searches"]), int(options["--rounds"]), rate)


if __name__ == "__main__":
    main(sys.argv[1:])
