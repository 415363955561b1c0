"""Measure a copy of a server's data that another server takes, and what users who talk feel of it.

Usage:
  peer_copy [--size=<size>] [--rounds=<n>] [--rate=<n>] [--users=<n>] [--directory=<directory>] [--in-loop]
  peer_copy serve <directory> <secret> [--in-loop]

A server keeps a history of the given size, with random bytes in it. A user says texts at a steady rate, and others hear
them. In each round another server takes a copy; then nobody does for as long. The program prints the speed of the copy,
the memory of both processes for peers, and how long a text takes from the call that sends it until a listener has it.

Options:
  --size=<size>            of the history [default: 1G]
  --rounds=<n>             rounds [default: 5]
  --rate=<n>               texts a second [default: 200]
  --users=<n>              users who hear them [default: 10]
  --directory=<directory>  keep the files there; without it, they are in a temporary directory
  --in-loop                send the copy in the event loop of the server, to compare
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import gevent
from docopt import docopt
from gevent.fileobject import FileObjectThread

from benchmarks.processes import CHECKOUT, cpu_of
from benchmarks.talk_beside_searches import Talk
from chat.client import Connection, connect
from chat.client.gevent_runtime import GEVENT
from chat.config.command_line import parse_size
from chat.net.address import Address, parse_address
from chat.server.composition import Composition
from chat.server.history.files.opened_files import FileGone
from chat.server.history.reader import FILE_NAME as HISTORY
from chat.server.history.writer import Writer
from chat.server.net.listening import listen
from chat.server.peers.copies import open_copy
from chat.server.peers.links.answering import CopyPart
from chat.server.peers.links.encryption import make_listener_tls
from chat.server.peers.links.listener import LinkListener
from chat.server.peers.peer_client import PeerClient
from chat.server.peers.peer_facts import KeyPair, PeerFacts
from chat.server.peers.peer_process import PeerProcess
from chat.server.peers.peer_server import HeldContent, PeerServer, SharedData
from chat.server.replication.stored.copying import copy_data
from chat.server.settings import Settings, TlsMode
from chat.server.storage.database import Database

_SECRET = "of servers that live for a benchmark"
_BLOCK = 1 << 20
_FREE_PORT = parse_address("127.0.0.1:0")


def prepare(directory: Path, size: int) -> None:
    """Make a history with ``size`` bytes more than its messages have."""
    Writer(directory, bound=0).close()
    with closing(sqlite3.connect(directory / HISTORY)) as connection, connection:
        connection.execute("CREATE TABLE ballast (content BLOB)")
        blocks = ([os.urandom(_BLOCK)] for _ in range(size // _BLOCK))
        connection.executemany("INSERT INTO ballast VALUES (?)", blocks)


# The server


def serve(directory: Path, secret: str, *, in_loop: bool) -> None:
    """Run a chat server and its server for peers, until the standard input ends."""
    settings = Settings(
        address=_FREE_PORT,
        data_directory=directory,
        spool_directory=directory,
        rate=None,
        byte_rate=None,
        tls=TlsMode.OFF,
        keep_size=1 << 40,
    )
    server = Composition(settings).server
    server.start()

    # Nobody has an account, so there is no such file yet.
    with Database(directory).reading():
        pass

    def make_copy(target: Path) -> None:
        begun = time.perf_counter()
        copy_data(directory, target)
        print(time.perf_counter() - begun, flush=True)

    [listening] = listen(_FREE_PORT)
    facts = PeerFacts("source", "1", 1)
    number: int | None = os.getpid()
    if in_loop:
        source = _LoopSource(facts, directory, make_copy)
        LinkListener(secret.encode(), make_listener_tls(directory), source).listen([listening])
    else:
        process = PeerProcess(secret.encode(), facts, directory)
        process.start()
        PeerServer(process, [listening], SharedData(make_copy, _no_content, _no_key)).start()
        number = process.number
    [address] = server.addresses
    ready = {"address": str(address), "peers": listening.getsockname()[1], "process": number}
    print(json.dumps(ready), flush=True)
    FileObjectThread(sys.stdin.fileno()).read()


class _LoopSource:
    """Give copies to a listener that runs in the event loop of the chat server."""

    def __init__(
        self, facts: PeerFacts, directory: Path, make_copy: Callable[[Path], None]
    ) -> None:
        self.facts = facts
        self._directory = directory
        self._make_copy = make_copy

    def await_server(self) -> None:
        """Return at once: the server is here."""

    def take_copy(self) -> list[CopyPart]:
        parts: list[CopyPart] = gevent.get_hub().threadpool.apply(
            open_copy, (self._directory, self._make_copy)
        )
        return parts

    def open_content(self, digest: bytes, size: int) -> int:
        raise NotImplementedError

    def read_key(self) -> KeyPair:
        raise NotImplementedError


def _no_content(digest: bytes, size: int) -> HeldContent:
    raise FileGone


def _no_key() -> KeyPair:
    raise FileNotFoundError


# The measurement


class Source:
    """The server, in a process of its own."""

    def __init__(self, directory: Path, *, in_loop: bool) -> None:
        command = [sys.executable, "-m", "benchmarks.peer_copy", "serve", str(directory), _SECRET]
        self._process = subprocess.Popen(
            [*command, *(["--in-loop"] if in_loop else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=CHECKOUT,
        )
        assert self._process.stdout is not None
        self._output = FileObjectThread(self._process.stdout.fileno(), "rb", closefd=False)
        ready = json.loads(self._output.readline())
        self.address: str = ready["address"]
        self.peers = Address("127.0.0.1", ready["peers"])
        self.process: int = ready["process"]

    def seconds_of_copy(self) -> float:
        """Return how long it took to make the last copy."""
        return float(self._output.readline())

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


class Taken(NamedTuple):
    """Hold the bytes of a copy; the seconds to make it, and then to send it; and the delays of texts in both times."""

    size: int
    made: float
    sent: float
    beside_making: list[float]
    beside_sending: list[float]


def take(source: Source, client: PeerClient, directory: Path, talk: Talk) -> Taken:
    talk.delays = []
    begun = time.perf_counter()
    task = gevent.spawn(client.take_copy, source.peers, directory)
    made = source.seconds_of_copy()
    beside_making, talk.delays = talk.delays, []
    copy = task.get()
    sent = time.perf_counter() - begun - made
    beside_sending = talk.delays
    size = copy.database.stat().st_size + copy.history.stat().st_size
    # In a thread: the users who talk are in this process, and to remove a large file takes a while.
    gevent.get_hub().threadpool.apply(copy.remove)
    return Taken(size, made, sent, beside_making, beside_sending)


def measure(source: Source, receiver: PeerProcess, rounds: int, rate: float, users: int) -> None:
    """Print the speed of each copy, and the delays of texts beside it and without it."""
    client = PeerClient(receiver)
    with ExitStack() as stack:

        def enter(name: str) -> Connection:
            return stack.enter_context(connect(source.address, name, runtime=GEVENT))

        talk = Talk(enter("speaker"), [enter(f"listener{number}") for number in range(users)], rate)
        take(source, client, receiver.directory, talk)  # opens what is opened once
        assert receiver.number is not None
        numbers = {"source": source.process, "receiver": receiver.number}
        cpu = {name: cpu_of(number) for name, number in numbers.items()}
        all_taken: list[Taken] = []
        without: list[list[float]] = []
        for _ in range(rounds):
            gevent.sleep(1)
            taken = take(source, client, receiver.directory, talk)
            gevent.sleep(1)
            talk.delays = []
            gevent.sleep(taken.made + taken.sent)
            all_taken.append(taken)
            without.append(talk.delays)
            print(
                f"{taken.size / 1e6:.0f} MB, made in {taken.made:.1f} s, texts {figures(taken.beside_making)};"
                f" sent at {taken.size / taken.sent / 1e6:.0f} MB/s, texts {figures(taken.beside_sending)};"
                f" nothing, texts {figures(talk.delays)}",
                flush=True,
            )
        talk.end()
    speed = statistics.median(taken.size / taken.sent / 1e6 for taken in all_taken)
    print(f"median {speed:.0f} MB/s")
    tell_ratios("made", [taken.beside_making for taken in all_taken], without)
    tell_ratios("sent", [taken.beside_sending for taken in all_taken], without)
    gigabytes = sum(taken.size for taken in all_taken) / 1e9
    for name, number in numbers.items():
        print(
            f"{name}: {(cpu_of(number) - cpu[name]) / gigabytes:.2f} s of CPU for a GB,"
            f" {peak_memory(number) / 1e6:.0f} MB of memory at most"
        )


def tell_ratios(what: str, beside: list[list[float]], without: list[list[float]]) -> None:
    ratios = sorted(p99(a) / p99(b) for a, b in zip(beside, without, strict=True))
    print(
        f"p99 while a copy is {what} to p99 without: {statistics.median(ratios):.2f}"
        f" ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


def p99(delays: list[float]) -> float:
    return statistics.quantiles(delays, n=100)[98]


def figures(delays: list[float]) -> str:
    return f"p50 {statistics.median(delays) * 1000:.2f} ms, p99 {p99(delays) * 1000:.2f} ms"


def peak_memory(number: int) -> int:
    status = Path(f"/proc/{number}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def main(argv: list[str]) -> None:
    """Execute the command line ``argv``."""
    options = docopt(__doc__ or "", argv)
    if options["serve"]:
        serve(Path(options["<directory>"]), options["<secret>"], in_loop=options["--in-loop"])
        return
    with tempfile.TemporaryDirectory(dir=options["--directory"]) as temporary:
        given, taken = Path(temporary) / "given", Path(temporary) / "taken"
        given.mkdir()
        taken.mkdir()
        prepare(given, parse_size(options["--size"], "--size"))
        receiver = PeerProcess(_SECRET.encode(), PeerFacts("receiver", "1", 1), taken)
        receiver.start()
        source = Source(given, in_loop=options["--in-loop"])
        try:
            rounds, rate = int(options["--rounds"]), float(options["--rate"])
            measure(source, receiver, rounds, rate, int(options["--users"]))
        finally:
            source.end()
            receiver.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
