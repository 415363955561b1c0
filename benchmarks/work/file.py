"""One large file to a few."""

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
from benchmarks.processes import Meter, free_port, running
from benchmarks.results import GENERATOR, SERVER_CPU, Figure, quantile
from benchmarks.work.work import ServerWork

_MIB = 1024**2
_GIB = 1024**3
_RECEIVERS = 8
_SPACE = "/var/tmp"  # on a disk, as the server's own

CPU_PER_GIB = Figure("cpu_per_gib", "server CPU per GiB delivered", "s")
FILE_MEMORY = Figure("memory", "memory grows by", "MiB", 1 / _MIB)


class SendFile(ServerWork):
    """``inline``: to raw receivers, who get it as it is; ``fetched``: to our clients, who fetch it when offered."""

    name = "file"
    title = "a file of 256 MiB to 8 receivers, while two talk"
    figures = (
        CPU_PER_GIB,
        Figure("upload", "server CPU per GiB taken in", "s"),
        Figure("throughput", "delivered", "GiB/s", 1 / _GIB),
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
        size = (16 if plan.quick else 256) * _MIB
        with _file_of(size) as file:
            if isinstance(peer, Chat):
                return _in_chat(peer, file, size, fetched=case == "fetched")
            return _by_bare_loop(file, size)


def _in_chat(peer: Chat, file: IO[bytes], size: int, *, fetched: bool) -> dict[str, float]:
    with peer.running() as server, closing(Crowd()) as crowd:
        room = FileRoom(server, crowd, peer.encrypted, fetchers=_RECEIVERS if fetched else 0)
        if not fetched:
            room.let_in_raw_receivers(_RECEIVERS)
        before = server.memory()
        server.forget_peak()
        meter = Meter(server)
        room.upload(file, size)
        taken_in = meter.used()
        delivery = Meter(server)
        room.deliver(size)
        figures = _figures(delivery, size)
        return {
            **figures,
            "upload": taken_in / size * _GIB,
            "memory": server.peak_memory() - before,
            "p50": quantile(room.waits, 0.5),
            "p99": quantile(room.waits, 0.99),
            "server_cpu": meter.used(),
            "generator": meter.own_used() / meter.used(),
        }


def _by_bare_loop(file: IO[bytes], size: int) -> dict[str, float]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "benchmarks.peers.bare_loops",
        "sendfile",
        str(port),
        file.name,
    ]
    with (
        tempfile.TemporaryDirectory(prefix="bench-floor-") as directory,
        running(command, port, Path(directory)) as server,
        closing(Crowd()) as crowd,
    ):
        sockets = Entrance(crowd, server.address).let_in([Login(b"+", b"+")] * _RECEIVERS)
        for sock in sockets:
            crowd.read_by(sock, counting(sock))
        meter = Meter(server)
        sockets[0].send(b"!")
        crowd.turn_until(
            lambda: all(crowd.received[sock.fileno()] > size for sock in sockets),
            "the file had arrived",
        )
        return _figures(meter, size)


def _figures(meter: Meter, size: int) -> dict[str, float]:
    """Of the delivery."""
    used, delivered = meter.used(), _RECEIVERS * size
    return {
        "cpu_per_gib": used / delivered * _GIB,
        "throughput": delivered / meter.elapsed(),
        "server_cpu": used,
        "generator": meter.own_used() / used,
    }


@contextmanager
def _file_of(size: int) -> Iterator[IO[bytes]]:
    """Random bytes, in the page cache."""
    with tempfile.NamedTemporaryFile(prefix="bench-", dir=_SPACE) as file:
        block = os.urandom(_MIB)
        for _ in range(size // _MIB):
            file.write(block)
        file.flush()
        yield file
