"""Send one large file to a few."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from benchmarks.file_room import FileRoom
from benchmarks.load import Crowd, Entrance, Login, counting
from benchmarks.peers.chat import Chat
from benchmarks.peers.peer import Peer
from benchmarks.plan import Plan
from benchmarks.processes import Meter, ServerProcess, free_port, running
from benchmarks.results import GENERATOR, SERVER_CPU, Better, Figure, quantile
from benchmarks.work.work import ServerWork

_MIB = 1024**2
_GIB = 1024**3
_RECEIVERS = 8
_SECONDS_PER_GIB = 6.0  # to make it, take it in and deliver it to all, about
_SPACE = "/var/tmp"  # on a disk, as the server's own

CPU_PER_GIB = Figure("cpu_per_gib", "server CPU per GiB delivered", "s")
FILE_MEMORY = Figure("memory", "memory grows by", "MiB", 1 / _MIB, resolution=_MIB)


class SendFile(ServerWork):
    """Send a file ``inline`` to raw receivers, who get it whole, or ``fetched``: our clients fetch it when offered.

    The cost depends on where in memory the file lies, so several files are sent, one after the other.
    """

    name = "file"
    title = "files of 256 MiB, one after the other, to 8 receivers, while two talk"
    figures = (
        CPU_PER_GIB,
        Figure("upload", "server CPU per GiB taken in", "s"),
        Figure("throughput", "delivered", "GiB/s", 1 / _GIB, Better.MORE),
        FILE_MEMORY,
        Figure("p50", "wait of those who talk, p50", "ms", 1e3),
        Figure("p99", "wait of those who talk, p99", "ms", 1e3),
        SERVER_CPU,
        GENERATOR,
    )

    def cases(self, plan: Plan) -> Sequence[str]:
        return ["inline", "fetched"]

    def suits(self, peer: Peer, case: str) -> bool:
        return isinstance(peer, Chat) or not peer.is_server

    def measure(self, peer: Peer, case: str, plan: Plan) -> dict[str, float]:
        size = _size(plan)
        if isinstance(peer, Chat):
            return _in_chat(peer, plan.files, size, fetched=case == "fetched")
        return _by_bare_loop(plan.files, size)

    def lasts(self, case: str, plan: Plan) -> float:
        return 1 + plan.files * _size(plan) / _GIB * _SECONDS_PER_GIB


def _size(plan: Plan) -> int:
    return (16 if plan.quick else 256) * _MIB


class _Delivered:
    """Sum what all deliveries took, in seconds."""

    def __init__(self) -> None:
        self.bytes = 0
        self.used = self.own_used = self.elapsed = 0.0

    def add(self, meter: Meter, size: int) -> None:
        self.bytes += _RECEIVERS * size
        self.used += meter.used()
        self.own_used += meter.own_used()
        self.elapsed += meter.elapsed()

    def figures(self) -> dict[str, float]:
        return {
            "cpu_per_gib": self.used / self.bytes * _GIB,
            "throughput": self.bytes / self.elapsed,
            "server_cpu": self.used,
            "generator": self.own_used / self.used,
        }


def _in_chat(peer: Chat, files: int, size: int, *, fetched: bool) -> dict[str, float]:
    with peer.running() as server, closing(Crowd()) as crowd:
        room = FileRoom(server, crowd, peer.encrypted, fetchers=_RECEIVERS if fetched else 0)
        if not fetched:
            room.let_in_raw_receivers(_RECEIVERS)
        before = server.memory()
        server.forget_peak()
        taken_in = 0.0
        delivered = _Delivered()
        for _ in range(files):
            with _file_of(size) as file:
                meter = Meter(server)
                room.upload(file, size)
                taken_in += meter.used()
                meter = Meter(server)
                room.deliver(size)
                delivered.add(meter, size)
        return {
            **delivered.figures(),
            "upload": taken_in / (files * size) * _GIB,
            "memory": server.peak_memory() - before,
            "p50": quantile(room.waits, 0.5),
            "p99": quantile(room.waits, 0.99),
        }


def _by_bare_loop(files: int, size: int) -> dict[str, float]:
    delivered = _Delivered()
    for _ in range(files):
        with _file_of(size) as file, _bare_loop(file.name) as server, closing(Crowd()) as crowd:
            delivered.add(_have_sent(server, crowd, size), size)
    return delivered.figures()


def _have_sent(server: ServerProcess, crowd: Crowd, size: int) -> Meter:
    """Have a bare loop send its file; return a meter of that time."""
    sockets = Entrance(crowd, server.address).let_in([Login(b"+", b"+")] * _RECEIVERS)
    for sock in sockets:
        crowd.read_by(sock, counting(sock))
    meter = Meter(server)
    sockets[0].send(b"!")
    crowd.turn_until(
        lambda: all(crowd.received[sock.fileno()] > size for sock in sockets),
        "the file had arrived",
    )
    return meter


@contextmanager
def _bare_loop(path: str) -> Iterator[ServerProcess]:
    port = free_port()
    program = (sys.executable, "-m", "benchmarks.peers.bare_loops")
    with (
        tempfile.TemporaryDirectory(prefix="bench-floor-") as directory,
        running((*program, "sendfile", str(port), path), port, Path(directory)) as server,
    ):
        yield server


@contextmanager
def _file_of(size: int) -> Iterator[IO[bytes]]:
    """Make a file of random bytes, in the page cache."""
    with tempfile.NamedTemporaryFile(prefix="bench-", dir=_SPACE) as file:
        block = os.urandom(_MIB)
        for _ in range(size // _MIB):
            file.write(block)
        file.flush()
        yield file
