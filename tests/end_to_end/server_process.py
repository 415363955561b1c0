"""The real server in a separate process, watched from outside: its log, its memory, its descriptors."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import gevent

from tests import homes
from tests.starting.programs import Program

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 30.0  # seconds after which something that should happen is taken not to


class ServerProcess:
    """A running ``chat-server`` on a free port of loopback. The log is collected as it comes."""

    # What is run: also another server with the same options.
    module = os.environ.get("CHAT_TEST_SERVER", "chat.server.cli")
    python = sys.executable
    start_patience = PATIENCE  # seconds that it may take to listen

    def __init__(
        self, *options: str, address: str = "127.0.0.1:0", descriptors: int | None = None
    ) -> None:
        # One of its own for each server; nothing is encrypted, which few tests are about, unless they say so.
        self.data_directory = Path(tempfile.mkdtemp(prefix="chat-server-"))
        # Many tests share a room, and must not hear what an earlier test said.
        defaults = ["--tls=off", "--history=off", f"--data-directory={self.data_directory}"]
        given = {option.partition("=")[0] for option in options}
        usual = [each for each in defaults if each.partition("=")[0] not in given]
        command = [self.python, "-m", self.module, f"--address={address}", *usual, *options]
        if descriptors is not None:
            command = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh", *command]
        # Of our own stdout it must know nothing: under pytest that is a nameless temporary file.
        self._process = Program(
            command,
            cwd=CHECKOUT,
            env=homes.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self.lines: list[str] = []  # of the log, as they come
        self._collector = threading.Thread(target=self._collect, daemon=True)
        self._collector.start()
        try:
            self._wait_for_start()
        except BaseException:
            self.end()
            raise

    def _wait_for_start(self) -> None:
        host, port = self.wait_for_line(r"listening on (\S+):(\d+)$", self.start_patience).groups()
        self.address = (host, int(port))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def wait_for_line(self, pattern: str, timeout: float = PATIENCE) -> re.Match[str]:
        """The first line of the log that ``pattern`` is found in, past or to come."""
        expression = re.compile(pattern, re.MULTILINE)
        with suppress(AssertionError):  # the next one has the log
            eventually(
                lambda: expression.search(self.log) or not self._collector.is_alive(), timeout
            )
        match = expression.search(self.log)
        assert match is not None, f"no line {pattern!r} in:\n{self.log}"
        return match

    def resident_memory(self) -> int:
        """Bytes, now."""
        return self._memory("VmRSS")

    def peak_memory(self) -> int:
        """Bytes, the most that were resident at any time."""
        return self._memory("VmHWM")

    def open_files(self) -> list[str]:
        """List the open files of the server, without the file for large batches, which stays open when users leave."""
        links = []
        for descriptor in Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                link = str(descriptor.readlink())
            except FileNotFoundError:
                continue  # closed since it was listed
            if not link.startswith("/memfd:batch "):
                links.append(link)
        return links

    def temporary_files(self) -> int:
        """The nameless files that contents are kept in."""
        return sum(link.endswith("(deleted)") for link in self.open_files())

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait until the server has ended; return its exit status."""
        eventually(lambda: self._process.poll() is not None, timeout)
        self._collector.join(timeout)
        return self._process.returncode

    def stop(self) -> int:
        """Ask it to stop; its exit status."""
        self.send_signal(signal.SIGTERM)
        return self.wait()

    def end(self) -> None:
        """However it is, it is gone afterwards."""
        if self.is_running:
            self._process.kill()
        self._process.wait()
        self._collector.join(PATIENCE)
        assert self._process.stderr is not None
        self._process.stderr.close()
        shutil.rmtree(self.data_directory, ignore_errors=True)

    def _memory(self, kind: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        match = re.search(rf"^{kind}:\s+(\d+) kB$", status, re.MULTILINE)
        assert match is not None
        return int(match[1]) * 1024

    def _collect(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line)


@contextmanager
def running_server(
    *options: str, address: str = "127.0.0.1:0", descriptors: int | None = None
) -> Iterator[ServerProcess]:
    """Run a server while the block runs; at the end, it must stop in good order, without a logged fault.

    ``descriptors``: the limit of open files that it starts with.
    """
    server = ServerProcess(*options, address=address, descriptors=descriptors)
    try:
        yield server
        if server.is_running:
            assert server.stop() == 0
        assert "Traceback" not in server.log, server.log
    finally:
        server.end()


def eventually(
    condition: Callable[[], object], timeout: float = PATIENCE, pause: float = 0.01
) -> None:
    """Wait until ``condition`` holds, for what nobody announces: another process's memory or descriptors.

    Other greenlets of the test, which talk to the server, run meanwhile. ``pause``: seconds between two looks.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {timeout} s"
        gevent.sleep(pause)
