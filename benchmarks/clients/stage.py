"""Run one client in a terminal of its own; this process plays its server.

One loop serves both, at little cost: the client's output is read in pieces as large as the system gives, searched for
the one text that is waited for, and dropped.
"""

from __future__ import annotations

import fcntl
import math
import os
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.clients.hosts import Host
from benchmarks.cores import beside_the_load
from benchmarks.plan import BenchmarkError
from benchmarks.processes import ProcessTree

COLUMNS, ROWS = 120, 40
_READ = 1024 * 1024
_PATIENCE = 20.0  # seconds without output after which nothing more is expected
_TAIL = 4096  # bytes of what was drawn last
_CONTROLS = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[ -/]*[0-~])")


class Stage:
    """Run a client. ``drawn``: bytes that the client has sent to its terminal.

    ``seen_at``: when the text of the last search was drawn, by ``time.monotonic``; None: not yet.
    """

    def __init__(self, host: Host, columns: int = COLUMNS, rows: int = ROWS) -> None:
        self.host = host
        self._size = struct.pack("HHHH", rows, columns, 0, 0)
        self.drawn = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connection: socket.socket | None = None
        self._unsent = memoryview(b"")
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)
        self._process: ProcessTree | None = None
        self._terminal, self._far = os.openpty()
        self._poll.register(self._terminal, select.POLLIN)
        self._tail = b""
        self._awaited = b""
        self.seen_at: float | None = None

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def process(self) -> ProcessTree:
        assert self._process is not None, "it has not been started"
        return self._process

    def start(self, command: Sequence[str], directory: Path, environment: dict[str, str]) -> None:
        """Start the client in the terminal."""
        far = self._far
        fcntl.ioctl(far, termios.TIOCSWINSZ, self._size)
        with beside_the_load():
            process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=far,
                stdout=far,
                stderr=far,
                start_new_session=True,
                preexec_fn=_take_terminal,
            )
        self._process = ProcessTree(process)
        os.close(far)
        self._far = -1

    def type(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def say(self, data: bytes) -> None:
        """Queue bytes for the client; they are sent as fast as the client takes them."""
        assert self._connection is not None, "the client has not come yet"
        self._unsent = memoryview(bytes(self._unsent) + data if self._unsent else data)
        self._send()

    def look_for(self, text: bytes) -> None:
        """Search for ``text``, drawn in one piece now or later; ``seen_at`` tells when."""
        self._awaited = text
        self.seen_at = time.monotonic() if text in self._tail else None

    def wait_for_text(self, text: bytes) -> None:
        """Search for ``text`` until it is drawn. Raises BenchmarkError if it does not come."""
        self.look_for(text)
        self.wait_for(lambda: self.seen_at is not None, f"it drew {text.decode()!r}")

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Go on until ``condition`` holds. Raises BenchmarkError if nothing happens any more before that."""
        last = time.monotonic()
        while not condition():
            if self.turn():
                last = time.monotonic()
            elif time.monotonic() - last > _PATIENCE:
                raise BenchmarkError(f"it went silent before {what}; {self._last_words()}")

    def turn(self, timeout: float = 0.1) -> bool:
        """Wait for an event, so many seconds at most, and handle it; return whether there was one."""
        events = self._poll.poll(math.ceil(1000 * timeout))
        for descriptor, event in events:
            if descriptor == self._terminal:
                self._read_terminal()
            elif descriptor == self._listener.fileno():
                self._accept()
            else:
                if event & select.POLLOUT:
                    self._send()
                if event & ~select.POLLOUT:
                    self._answer()
        return bool(events)

    def settle(self, quiet: float) -> None:
        """Go on until nothing has been drawn for ``quiet`` seconds."""
        last, drawn = time.monotonic(), self.drawn
        while time.monotonic() - last < quiet:
            self.turn()
            if self.drawn != drawn:
                last, drawn = time.monotonic(), self.drawn

    def close(self) -> None:
        """Kill the client, which has nothing to save."""
        if self._process is not None:
            if not self._process.has_ended():
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.end()
        for sock in (self._connection, self._listener):
            if sock is not None:
                sock.close()
        for descriptor in (self._terminal, self._far):
            if descriptor >= 0:
                os.close(descriptor)

    def _read_terminal(self) -> None:
        try:
            data = os.read(self._terminal, _READ)
        except OSError:  # EIO: no process has the terminal open any more
            raise BenchmarkError(f"it ended; {self._last_words()}") from None
        self.drawn += len(data)
        recent = self._tail + data
        if self.seen_at is None and self._awaited in recent:
            self.seen_at = time.monotonic()
        self._tail = recent[-_TAIL:]

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        if self._connection is not None:
            self._poll.unregister(self._connection)
            self._connection.close()
        self._connection = sock
        self._poll.register(sock, select.POLLIN)

    def _answer(self) -> None:
        assert self._connection is not None
        try:
            data = self._connection.recv(_READ)
        except ConnectionError:
            data = b""
        if not data:
            raise BenchmarkError(f"it left the room; {self._last_words()}")
        answer = self.host.answer(data)
        if answer:
            self._connection.sendall(answer)

    def _send(self) -> None:
        assert self._connection is not None
        try:
            sent = self._connection.send(self._unsent)
        except BlockingIOError:
            sent = 0
        self._unsent = self._unsent[sent:]
        events = select.POLLIN | (select.POLLOUT if self._unsent else 0)
        self._poll.modify(self._connection, events)

    def _last_words(self) -> str:
        """Return the last output without control sequences."""
        words = b" ".join(_CONTROLS.sub(b" ", self._tail).split()).decode(errors="replace")
        return f"drawn last: {words[-200:]!r}" if words else "it drew nothing"


def _take_terminal() -> None:
    """In the child process, make standard input the controlling terminal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
