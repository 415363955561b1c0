"""A client in lines or JSON whose output nobody reads, and files that would make anyone wait."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from chat.client import Joined, connect
from tests.end_to_end.client_process import CLIENT, PATIENCE, client_environment, run_client
from tests.end_to_end.screens import PyteScreen, client
from tests.end_to_end.server_process import eventually
from tests.starting.programs import Program
from tests.tiers import quick_first

# Seconds. A client promises two; a busy machine may need a little more, and one that hangs never ends.
PROMPTLY = 8.0
MODES = ["--plain", "--json"]


@contextmanager
def unread(address: str, home: Path, mode: str, far: int) -> Iterator[Program[bytes]]:
    """Bob, whose output goes to ``far``, and who is in the room."""
    with connect(address, "alice", save_directory=home) as alice:
        command = [*CLIENT, f"--address={address}", "--username=bob", "--listen", mode]
        process = Program[bytes](
            command,
            cwd=home,
            env=client_environment(),
            stdin=subprocess.DEVNULL,
            stdout=far,
            stderr=far,
        )
        try:
            next(event for event in alice if isinstance(event, Joined))
            for number in range(60):
                alice.send_text(f"{number} " + "x" * 10_000)
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def has_no_room(descriptor: int) -> bool:
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return not poll.poll(0)


def is_said(near: int) -> bool:
    """Tell whether much waits to be read from a terminal. A terminal may keep its last bytes of room for echoes."""
    return struct.unpack("i", fcntl.ioctl(near, termios.FIONREAD, bytes(4)))[0] > 1000


def fill(far: int) -> None:
    """The terminal takes no further byte."""
    line = os.open(os.ttyname(far), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    for data in (b"\0" * 256, b"\0"):
        with suppress(BlockingIOError):
            while True:
                os.write(line, data)
    os.close(line)


@pytest.mark.parametrize(
    "number", quick_first([signal.SIGTERM, signal.SIGHUP, signal.SIGINT], "each signal")
)
@pytest.mark.parametrize("mode", MODES)
def test_a_pipe_that_nobody_reads(
    address: str, home: Path, mode: str, number: signal.Signals
) -> None:
    near, far = os.pipe()
    try:
        with unread(address, home, mode, far) as bob:
            eventually(lambda: has_no_room(far))
            bob.send_signal(number)
            assert bob.wait(PROMPTLY) == 0
    finally:
        os.close(near)
        os.close(far)


@pytest.mark.parametrize("mode", MODES)
def test_a_terminal_that_nobody_reads(address: str, home: Path, mode: str) -> None:
    near, far = pty.openpty()
    tty.setraw(far)
    try:
        with unread(address, home, mode, far) as bob:
            eventually(lambda: is_said(near))
            fill(far)
            assert has_no_room(far)
            bob.send_signal(signal.SIGTERM)
            assert bob.wait(PROMPTLY) == 0
        assert os.get_blocking(far) is not False  # others that share the terminal find it as it was
    finally:
        os.close(near)
        os.close(far)


@pytest.mark.parametrize("mode", MODES)
def test_a_stopped_terminal_gets_the_rest_later(address: str, home: Path, mode: str) -> None:
    near, far = pty.openpty()
    tty.setraw(far)
    termios.tcflow(far, termios.TCOOFF)
    try:
        with unread(address, home, mode, far):
            termios.tcflow(far, termios.TCOON)
            seen = b""
            while b"59 xxx" not in seen:
                seen += os.read(near, 65536)
    finally:
        os.close(near)
        os.close(far)


def test_the_last_words_are_not_waited_for(home: Path) -> None:
    near, far = pty.openpty()
    tty.setraw(far)
    termios.tcflow(far, termios.TCOOFF)
    try:
        for mode in MODES:
            command = [*CLIENT, "--address=127.0.0.1:1", "--username=bob", mode]
            with Program(
                command, cwd=home, env=client_environment(), stdin=far, stdout=far, stderr=far
            ) as bob:
                try:
                    assert bob.wait(PATIENCE) == 1
                finally:
                    bob.kill()
    finally:
        os.close(near)
        os.close(far)


def test_a_screen_that_is_stuck_from_the_start(home: Path) -> None:
    """And whose last words nobody takes."""
    words = " ".join(client("127.0.0.1:1", "bob"))
    with PyteScreen(["sh", "-c", f"echo ready; read line; exec {words}"], home) as bob:
        bob.wait_for("ready")
        with bob.unread():
            bob.send("\r")
            assert bob.process.wait(PATIENCE) == 1


@pytest.fixture(params=quick_first(["fifo", "device"], "each kind of file"))
def waiting(request: pytest.FixtureRequest, home: Path) -> str:
    if request.param == "device":
        return "/dev/full"
    os.mkfifo(home / "fifo")
    return "fifo"


def test_a_log_that_would_wait(address: str, home: Path) -> None:
    os.mkfifo(home / "fifo")
    options = ("--log=on", "--log-file=fifo")
    with PyteScreen(client(address, "bob", *options), home) as bob:
        bob.wait_for("you are in the room as bob", "can't be written: it is a FIFO, a terminal or")
        bob.command("/quit")
        assert bob.wait() == 0


@pytest.mark.parametrize(
    "command", quick_first(["/file", "/save", "/image"], "each command", quick=2)
)
def test_a_path_that_would_wait(address: str, home: Path, waiting: str, command: str) -> None:
    with PyteScreen(client(address, "bob"), home) as bob:
        bob.wait_for("you are in the room as bob")
        bob.command(f"{command} {waiting}")
        bob.wait_for(f"{waiting} (is neither a file|exists already)")
        bob.press("<ctrl-c>", "<ctrl-c>")
        assert bob.wait() == 0


@pytest.mark.parametrize("option", ["--config", "--password-file"])
def test_a_file_without_an_end(home: Path, option: str) -> None:
    done = run_client("127.0.0.1:1", "bob", f"{option}=/dev/zero", directory=home)
    assert done.returncode == 2
    assert "expected" in done.stderr


def test_known_hosts_that_would_wait(home: Path) -> None:
    os.mkfifo(home / "fifo")
    done = run_client("192.0.2.1:1", "bob", "--known-hosts=fifo", directory=home)
    assert done.returncode == 1
    assert "fifo can't be read" in done.stderr
