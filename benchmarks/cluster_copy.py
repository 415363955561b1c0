"""Measure how a new server comes into a cluster that has a long history, and what users who talk feel of it.

Usage:
  cluster_copy [--size=<size>] [--rate=<n>] [--users=<n>] [--rounds=<n>] [--directory=<directory>]

A server of a cluster has a history of the given size, with random bytes in it. A user says texts at a steady rate, and
others hear them. In each round another server starts with an empty directory, and takes a copy from the first one; then
nobody does for as long. The program prints how long it takes until the new server serves users, the memory of both
servers, the largest write-ahead log, and how long a text takes from the call that sends it until a listener has it.

Options:
  --size=<size>            of the history [default: 1G]
  --rate=<n>               texts a second [default: 200]
  --users=<n>              users who hear them [default: 10]
  --rounds=<n>             new servers, one after the other [default: 3]
  --directory=<directory>  put the files there; without it, they are in the directory for temporary files
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import gevent
import gevent.socket
from docopt import docopt

from benchmarks.fleets.chat import ChatFleet
from benchmarks.peer_copy import figures, prepare, tell_ratios
from benchmarks.plan import BenchmarkError
from benchmarks.processes import CHECKOUT, ServerProcess, free_port, running
from benchmarks.talk_beside_searches import Talk
from chat.client import Connection, connect
from chat.client.gevent_runtime import GEVENT
from chat.config.command_line import UsageError, parse_count, parse_size, report
from chat.net.engine_url import parse_engine_url
from chat.server.history.reader import FILE_NAME as HISTORY
from chat.server.replication.stored.founding import CannotFound, found_cluster

_LOOK = 0.05  # seconds between two looks at the sizes
_START = 600.0  # seconds for a new server


class Watch:
    """Note the most memory of servers, and the largest write-ahead log of a history, while a block runs."""

    def __init__(self, servers: dict[str, ServerProcess], history: Path) -> None:
        self.memory = dict.fromkeys(servers, 0)
        self.log = 0
        self._servers = servers
        self._wal = history.with_name(f"{history.name}-wal")

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look again and again while the block runs."""
        looking = gevent.spawn(self._look)
        try:
            yield
        finally:
            looking.kill()

    def _look(self) -> None:
        while True:
            if self._wal.exists():
                self.log = max(self.log, self._wal.stat().st_size)
            for name, server in self._servers.items():
                if not server.has_ended():
                    self.memory[name] = max(self.memory[name], server.memory())
            gevent.sleep(_LOOK)


def measure(directory: Path, size: int, rounds: int, rate: float, users: int) -> None:
    """Print a line for each new server, and then what they have in common. Raises BenchmarkError."""
    fleet = ChatFleet()
    data = directory / "data0"
    data.mkdir(mode=0o700)
    prepare(data, size)
    with ExitStack() as stack:
        engine = free_port()
        homes = [directory / name for name in ("engine", *map(str, range(rounds + 1)))]
        for home in homes:
            home.mkdir()
        stack.enter_context(running(fleet.engine_command(engine, homes[0]), engine, homes[0]))
        ports = [free_port() for _ in range(rounds + 1)]
        commands = [
            [*command, "--keep=forever", "--keep-size=1024G"]
            for command in fleet.commands(engine, ports, directory)
        ]
        found_cluster(data, parse_engine_url(fleet.url(engine)))
        source = stack.enter_context(running(commands[0], ports[0], homes[1]))

        def enter(name: str) -> Connection:
            address = f"127.0.0.1:{ports[0]}"
            return stack.enter_context(connect(address, name, runtime=GEVENT))

        talk = Talk(enter("speaker"), [enter(f"listener{number}") for number in range(users)], rate)
        beside, without = [], []
        for number in range(1, rounds + 1):
            gevent.sleep(1)
            talk.delays = []
            begun = time.perf_counter()
            address = ("127.0.0.1", ports[number])
            new = ServerProcess(commands[number], address, homes[number + 1], CHECKOUT)
            try:
                watch = Watch({"old": source, "new": new}, data / HISTORY)
                with watch.watching():
                    wait_until_it_listens(new)
                took, heard = time.perf_counter() - begun, talk.delays
            finally:
                new.end()
            gevent.sleep(1)
            talk.delays = []
            gevent.sleep(took)
            beside.append(heard)
            without.append(talk.delays)
            print(
                f"ready after {took:.1f} s: {size / took / 1e6:.0f} MB/s; memory at most"
                f" {watch.memory['old'] / 1e6:.0f} MB (old), {watch.memory['new'] / 1e6:.0f} MB (new);"
                f" write-ahead log {watch.log / 1e6:.1f} MB; texts {figures(heard)};"
                f" nothing, texts {figures(talk.delays)}",
                flush=True,
            )
        talk.end()
    tell_ratios("taken", beside, without)


def wait_until_it_listens(server: ServerProcess) -> None:
    """Wait until users can come. Raises BenchmarkError if the server ends instead, or takes too long."""
    deadline = time.perf_counter() + _START
    while True:
        try:
            gevent.socket.create_connection(server.address).close()
        except OSError:
            if server.has_ended() or time.perf_counter() > deadline:
                raise BenchmarkError(f"it did not start: {server.last_words()}") from None
            gevent.sleep(_LOOK)
        else:
            return


def main(argv: list[str]) -> int:
    """Execute the command line ``argv``; return the exit status."""
    options = docopt(__doc__ or "", argv)
    try:
        size = parse_size(options["--size"], "--size")
        rounds, users = (parse_count(options[name], name) for name in ("--rounds", "--users"))
        with tempfile.TemporaryDirectory(dir=options["--directory"]) as directory:
            measure(Path(directory), size, rounds, float(options["--rate"]), users)
    except (BenchmarkError, CannotFound, OSError, UsageError, ValueError) as problem:
        report("cluster_copy", str(problem))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
