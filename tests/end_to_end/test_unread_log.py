"""Nobody reads the server's log, as on a terminal under Ctrl-S: those who talk do not notice."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import homes
from tests.end_to_end.server_process import CHECKOUT, PATIENCE, eventually
from tests.peers.wire_client import WireClient
from tests.starting.programs import Program

F_SETPIPE_SZ = getattr(fcntl, "F_SETPIPE_SZ", 1031)  # named since Python 3.10


class Unread:
    """A server on a unix socket whose log nobody reads, unless the test does."""

    def __init__(self, log: int, directory: Path, name: str, *options: str) -> None:
        self.path = str(directory / name)
        command = [
            *(sys.executable, "-m", "chat.server.cli", "--tls=off", f"--address=unix:{self.path}"),
            *(f"--data-directory={directory}/data", *options),
        ]
        self.process = Program[bytes](
            command,
            cwd=CHECKOUT,
            env=homes.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    def wait_until_it_listens(self) -> None:
        eventually(lambda: self._accepts() or self.process.poll() is not None)
        assert self.process.poll() is None

    def _accepts(self) -> bool:
        """The path is there a moment before anybody listens on it."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.path) == 0

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        eventually(lambda: self.process.poll() is not None)
        return self.process.returncode


@contextmanager
def unread(log: int, *options: str, socket: str = "chat.socket") -> Iterator[Unread]:
    with tempfile.TemporaryDirectory(prefix="unread-") as directory:
        server = Unread(log, Path(directory), socket, *options)
        try:
            yield server
        finally:
            server.process.kill()
            server.process.wait()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Make a pipe that is full except for a page; return the reading end and the writing end."""
    reading, writing = os.pipe()
    size = fcntl.fcntl(writing, F_SETPIPE_SZ, 4096)
    os.write(writing, b"x" * (size - 1) + b"\n")
    yield reading, writing
    os.close(reading)
    os.close(writing)


def talk(path: str) -> None:
    """Twenty come, talk and leave, each of which is a line of the log."""
    with WireClient.joined(path, "alice") as alice:
        for number in range(20):
            with WireClient.joined(path, f"guest-{number}") as guest:
                alice.expect_joined(guest.name)
                guest.say(f"hello {number}")
                alice.expect_text(f"hello {number}", guest.name)
            alice.expect_left(f"guest-{number}")


def test_a_pipe_that_nobody_reads_stops_nobody(pipe: tuple[int, int]) -> None:
    with unread(pipe[1], "--log-level=debug") as server:
        server.wait_until_it_listens()
        talk(server.path)
        assert server.stop() == 0


def test_a_terminal_under_ctrl_s_stops_nobody_and_shows_all_after_ctrl_q() -> None:
    near, far = pty.openpty()
    termios.tcflow(far, termios.TCOOFF)  # as Ctrl-S does
    with unread(far, "--log-level=debug") as server:
        server.wait_until_it_listens()
        talk(server.path)
        termios.tcflow(far, termios.TCOON)
        shown = b""
        while b"listening on" not in shown:
            shown += os.read(near, 65536)
        assert server.stop() == 0
    os.close(near)
    os.close(far)


def test_what_was_dropped_is_told_once_somebody_reads_again(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    with unread(writing, "--log-level=debug") as server:
        server.wait_until_it_listens()
        talk(server.path)
        data = b""
        while b"listening on" not in data:
            data += os.read(reading, 65536)
        os.set_blocking(reading, False)
        assert server.stop() == 0

        def read_on() -> bool:
            nonlocal data
            data += os.read(reading, 65536)
            return data.endswith(b" stopped\n")

        eventually(read_on)
    stamps = [line[:23] for line in data.decode().lstrip("x\n").splitlines()]
    assert stamps == sorted(stamps)


def test_the_second_signal_ends_it_at_once_though_nobody_reads(pipe: tuple[int, int]) -> None:
    with unread(pipe[1]) as server:
        server.wait_until_it_listens()
        with WireClient.joined(server.path, "alice") as alice:
            server.process.send_signal(signal.SIGTERM)
            alice.expect_notice("shutting-down")  # and the farewell waits for her
            server.process.send_signal(signal.SIGTERM)
            eventually(lambda: server.process.poll() is not None)
            assert server.process.returncode == 1


def test_a_reader_who_waits_for_an_error_of_the_start_sees_it(tmp_path: Path) -> None:
    taken = tmp_path / "missing" / "chat.socket"
    done = subprocess.run(
        [sys.executable, "-m", "chat.server.cli", f"--address=unix:{taken}", "--tls=off"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        env={**os.environ, "XDG_DATA_HOME": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 1
    assert re.search(r"^chat-server: cannot listen on .*No such file", done.stderr, re.MULTILINE)


def test_an_error_of_the_start_that_nobody_reads_ends_it_all_the_same(
    pipe: tuple[int, int],
) -> None:
    with unread(pipe[1], socket="missing/chat.socket") as server:
        eventually(lambda: server.process.poll() is not None)
        assert server.process.returncode == 1
