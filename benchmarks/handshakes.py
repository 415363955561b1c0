"""Measure whether the TLS handshakes of new connections delay users who talk.

Twenty users say something ten times a second each. Again and again a crowd of clients, connected already, begins its
handshakes all at once, from another process. Messages should arrive as soon as without the crowd; or at least as soon
as when the same crowd goes to another server on this machine, which takes as much of its processors.

Usage:
  handshakes [options]
  handshakes (-h | --help)

Options:
  --newcomers=<n>  at once [default: 200]
  --bursts=<n>     how often the crowd comes; the quiet room is measured as long before each [default: 20]
  -h --help        show this help
"""

from __future__ import annotations

import multiprocessing
import re
import selectors
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.load import raise_descriptor_limit
from benchmarks.peers.chat import ORDER, raw_login
from benchmarks.plan import BenchmarkError
from benchmarks.processes import Meter, ServerProcess, free_port, running
from benchmarks.results import quantile
from chat.config.command_line import EXIT_FAILED, EXIT_OK, parse_count, parse_options, report
from chat.protocol.descriptor import MessageType, encode_frame

_TALKERS = 20
_INTERVAL = 0.1  # seconds between two messages of one talker
_PATIENCE = 30.0
_AFTER = 0.05  # seconds after a burst in which its end may still be felt
_LONGEST = 64  # bytes of a message that may lie across two reads
_SAID = re.compile(rb"<(\d+\.\d+)>")


class Talk:
    """Hold users who talk, and measure how long their messages take to each of them."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.waits: list[float] = []
        self._selector = selectors.DefaultSelector()
        self._ends: dict[socket.socket, bytes] = {}
        for number in range(_TALKERS):
            sock = socket.create_connection(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(raw_login(f"talker{number}").hello)
            self._ends[sock] = b""
            self._selector.register(sock, selectors.EVENT_READ)
        self._turn = 0
        self._due = time.monotonic()

    def go_on_until(self, condition: Callable[[], object]) -> list[float]:
        """Talk until ``condition`` holds; return the delays in seconds. Raises BenchmarkError."""
        self.waits = []
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise BenchmarkError("the newcomers did not come in")
            self._say_what_is_due()
            for key, _ in self._selector.select(max(0.0, self._due - time.monotonic())):
                self._hear(key.fileobj)  # type: ignore[arg-type]
        return self.waits

    def go_on_for(self, seconds: float) -> list[float]:
        end = time.monotonic() + seconds
        return self.go_on_until(lambda: time.monotonic() >= end)

    def _say_what_is_due(self) -> None:
        speakers = list(self._ends)
        while (now := time.monotonic()) >= self._due:
            text = b"<%.6f>" % now
            speakers[self._turn % _TALKERS].sendall(
                encode_frame(MessageType.UTF8, b"", text, ORDER)
            )
            self._turn += 1
            self._due += _INTERVAL / _TALKERS

    def _hear(self, sock: socket.socket) -> None:
        data = sock.recv(65536)
        now = time.monotonic()
        if not data:
            raise BenchmarkError("the server has closed a connection")
        data = self._ends[sock] + data
        end = 0
        for said in _SAID.finditer(data):
            self.waits.append(now - float(said[1]))
            end = said.end()
        self._ends[sock] = data[max(end, len(data) - _LONGEST) :]


def main(argv: list[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    options = parse_options(__doc__ or "", argv, "")
    address_limits = parse_count(options["--newcomers"], "--newcomers", minimum=1)
    bursts = parse_count(options["--bursts"], "--bursts", minimum=1)
    raise_descriptor_limit(address_limits + 200)
    port, other = free_port(), free_port()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="bench-handshakes-") as directory,
            tempfile.TemporaryDirectory(prefix="bench-elsewhere-") as elsewhere,
            running(_command(port, directory), port, Path(directory)) as server,
            running(_command(other, elsewhere), other, Path(elsewhere)),
        ):
            print(_measure(server, (server.address[0], other), address_limits, bursts))
    except (BenchmarkError, OSError) as problem:
        report("handshakes", str(problem))
        return EXIT_FAILED
    return EXIT_OK


def _command(port: int, directory: str) -> list[str]:
    options = ("--tls=optional", f"--data-directory={directory}/data", "--max-per-address=100000")
    address = f"--address=127.0.0.1:{port}"
    return [sys.executable, "-m", "chat.server.cli", address, *options]


def _measure(
    server: ServerProcess, other: tuple[str, int], address_limits: int, bursts: int
) -> str:
    talk = Talk(server.address)
    ours, theirs = multiprocessing.Pipe()
    crowd = multiprocessing.get_context("spawn").Process(
        target=_come_again_and_again, args=(theirs, address_limits), daemon=True
    )
    crowd.start()
    quiet: list[float] = []
    waits: dict[tuple[str, int], list[float]] = {server.address: [], other: []}
    took: list[float] = []
    cpu = 0.0
    for _ in range(bursts):
        for address in waits:
            ours.send(address)
            talk.go_on_until(ours.poll)
            ours.recv()  # they are connected
            talk.go_on_for(0.2)
            quiet += talk.go_on_for(0.3)
            meter = Meter(server)
            ours.send("go")
            waits[address] += talk.go_on_until(ours.poll)
            seconds = float(ours.recv())
            waits[address] += talk.go_on_for(_AFTER)
            if address == server.address:
                took.append(seconds)
                cpu += meter.used()
    crowd.kill()
    lines = [
        f"{address_limits} newcomers at once, {bursts} times: done after "
        f"{1e3 * quantile(took, 0.5):.0f} ms (median), "
        f"{1e3 * cpu / bursts / address_limits:.2f} ms of server CPU each, the talk included",
        _line("quiet", quiet),
        _line("to us", waits[server.address]),
        _line("elsewhere", waits[other]),
    ]
    return "\n".join(lines)


def _line(when: str, waits: list[float]) -> str:
    figures = (f"p{name} {1e3 * quantile(waits, q):.1f} ms" for name, q in _QUANTILES)
    return f"{when:>9}: {len(waits)} deliveries, {', '.join(figures)}, longest {1e3 * max(waits):.1f} ms"


_QUANTILES = (("50", 0.5), ("99", 0.99))


def _come_again_and_again(pipe: Connection, number: int) -> None:
    """Connect and do handshakes when told, in a process of their own; report how long they took."""
    raise_descriptor_limit(number + 100)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    while True:
        address = pipe.recv()
        sockets = [_connect(context, address) for _ in range(number)]
        pipe.send("connected")
        pipe.recv()
        began = time.monotonic()
        with selectors.DefaultSelector() as selector:
            for sock in sockets:
                selector.register(sock, selectors.EVENT_WRITE)
            while selector.get_map():
                for key, _ in selector.select():
                    _step(selector, key.fileobj)  # type: ignore[arg-type]
        pipe.send(time.monotonic() - began)
        for sock in sockets:
            sock.close()


def _connect(context: ssl.SSLContext, address: tuple[str, int]) -> ssl.SSLSocket:
    sock = context.wrap_socket(socket.create_connection(address), do_handshake_on_connect=False)
    sock.setblocking(False)
    return sock


def _step(selector: selectors.BaseSelector, sock: ssl.SSLSocket) -> None:
    try:
        sock.do_handshake()
    except ssl.SSLWantReadError:
        selector.modify(sock, selectors.EVENT_READ)
    except ssl.SSLWantWriteError:
        selector.modify(sock, selectors.EVENT_WRITE)
    else:
        selector.unregister(sock)


if __name__ == "__main__":
    sys.exit(main())
