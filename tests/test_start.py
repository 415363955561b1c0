"""The first moments of both programs, and their last: signals, closed streams, the exit status."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tiers import quick_first

CHECKOUT = Path(__file__).resolve().parent.parent
PATIENCE = 30.0  # seconds

# As the installed commands begin. Whenever something is imported from the program's own package on, the hook sends the
# signals: so each comes at all stages of the start, whatever the machine's pace.
HOOKED = """
import os, signal, sys

has_begun = False
numbers = [getattr(signal, name) for name in sys.argv.pop(1).split(",")]
times = int(sys.argv.pop(1))
heavy = {"gevent", "docopt", "ssl", "logging", "curses"}

def hook(event, arguments):
    global times, has_begun
    if event != "import":
        return
    if arguments[0].startswith("chat.%s"):
        assert has_begun or not heavy & sys.modules.keys(), "it takes a while until signals are seen to"
        has_begun = True
    if has_begun and times:
        times -= 1
        for number in numbers:
            os.kill(os.getpid(), number)

sys.addaudithook(hook)
from chat.start import %s as program
sys.exit(program())
"""


class Started:
    """A program, its stderr collected in a file so that nobody has to read meanwhile."""

    def __init__(self, command: list[str], *, ignore: signal.Signals | None = None) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end()
        self.process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            preexec_fn=None if ignore is None else lambda: signal.signal(ignore, signal.SIG_IGN),
        )

    @property
    def errors(self) -> str:
        return os.pread(self._errors.fileno(), 10**6, 0).decode()

    def wait_until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, (
                f"ended with {self.process.returncode}: {self.errors}"
            )
            assert time.monotonic() < deadline, self.errors
            time.sleep(0.002)

    def wait_until_it_listens(self) -> None:
        self.wait_until(lambda: "listening on" in self.errors)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def is_guarded(self, number: signal.Signals) -> bool:
        """Tell whether the signal would not kill the program now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        masks = re.findall(r"^Sig(?:Blk|Ign|Cgt):\s*(\w+)$", status, re.MULTILINE)
        return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._errors.close()


@contextmanager
def started(command: list[str], *, ignore: signal.Signals | None = None) -> Iterator[Started]:
    program = Started(command, ignore=ignore)
    try:
        yield program
        assert "Traceback" not in program.errors
    finally:
        program.end()


def hooked(side: str, names: str, times: int = 10**6) -> list[str]:
    return [sys.executable, "-c", HOOKED % (side, side), names, str(times)]


@pytest.fixture
def server_options(tmp_path: Path) -> list[str]:
    return ["--address=127.0.0.1:0", "--tls=off", f"--data-directory={tmp_path}/data"]


@pytest.fixture
def silent_server() -> Iterator[str]:
    """An address where a client waits for an answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_no_signal_kills_a_server_that_starts(server_options: list[str]) -> None:
    harmless = ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGWINCH", "SIGTTOU"]
    with started([*hooked("server", ",".join(harmless)), *server_options]) as server:
        server.wait_until_it_listens()
        for name in harmless:
            server.process.send_signal(getattr(signal, name))
        assert server.stop() == 0


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_server_that_is_told_to_stop_while_it_starts_stops(
    number: str, server_options: list[str]
) -> None:
    with started([*hooked("server", number, 1), *server_options]) as server:
        assert server.process.wait(PATIENCE) == 0
        assert "listening on" not in server.errors


def test_as_typed_in_a_checkout_it_lives_through_hangups_without_end(
    server_options: list[str],
) -> None:
    with started([str(CHECKOUT / "bin" / "chat-server"), *server_options]) as server:
        # Until the interpreter has come to the first line of ours, the kernel's own action holds.
        server.wait_until(lambda: server.is_guarded(signal.SIGHUP))

        def hang_up() -> bool:
            assert server.is_guarded(signal.SIGHUP), "there was a gap"
            server.process.send_signal(signal.SIGHUP)
            return "listening on" in server.errors

        server.wait_until(hang_up)
        assert server.stop() == 0


def test_as_typed_in_a_checkout_nothing_is_loaded_before_signals_wait(
    server_options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In both interpreters, of which the first only starts the second: with each module, a hangup."""
    (tmp_path / "sitecustomize.py").write_text(
        """
import os, signal, sys

def hook(event, arguments):
    is_launcher = event == "exec" and arguments[0].co_filename.endswith("launch.py")
    if is_launcher or (
        event == "import" and signal.SIGHUP in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    ):
        os.kill(os.getpid(), signal.SIGHUP)

sys.addaudithook(hook)
"""
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with started([str(CHECKOUT / "bin" / "chat-server"), *server_options]) as server:
        server.wait_until_it_listens()
        assert server.stop() == 0


def test_a_hangup_of_the_start_is_made_good(tmp_path: Path) -> None:
    options = ["--address=127.0.0.1:0", f"--data-directory={tmp_path}/data"]
    with started([*hooked("server", "SIGHUP", 1), *options]) as server:
        server.wait_until(lambda: "read the certificate again" in server.errors)
        assert server.stop() == 0


@pytest.mark.thorough("executes a server; tests/process/test_signals.py has ignored signals")
def test_a_server_under_nohup_can_still_read_its_certificate_again(tmp_path: Path) -> None:
    options = ["--address=127.0.0.1:0", f"--data-directory={tmp_path}/data"]
    command = [str(CHECKOUT / "bin" / "chat-server"), *options]
    with started(command, ignore=signal.SIGHUP) as server:
        server.wait_until_it_listens()

        def reloads() -> bool:
            server.process.send_signal(signal.SIGHUP)
            return "read the certificate again" in server.errors

        server.wait_until(reloads)
        assert server.stop() == 0


@pytest.mark.thorough("executes a server; tests/process/test_signals.py has ignored signals")
def test_a_server_in_the_background_of_a_script_is_not_interrupted(
    server_options: list[str],
) -> None:
    command = [str(CHECKOUT / "bin" / "chat-server"), *server_options]
    with started(command, ignore=signal.SIGINT) as server:
        server.wait_until_it_listens()
        server.process.send_signal(signal.SIGINT)
        assert server.stop() == 0


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_client_that_is_ended_while_it_starts_ends_without_a_word(
    number: str, silent_server: str
) -> None:
    command = [*hooked("client", number, 1), f"--address={silent_server}", "--username=alice"]
    with started([*command, "--listen"]) as client:
        assert client.process.wait(PATIENCE) == 1
        assert client.errors == ""


@pytest.mark.parametrize(
    ("side", "option", "status"),
    [("server", "--motd", 0), ("client", "--password-file", 1)],
)
def test_a_start_that_waits_for_a_file_can_be_ended(
    side: str, option: str, status: int, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    command = [sys.executable, "-m", f"chat.{side}.cli", f"{option}={fifo}"]
    with started(command if side == "server" else [*command, "--username=alice"]) as program:
        # Once it has opened the FIFO to read, this does not wait.
        writer = os.open(fifo, os.O_WRONLY)
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(PATIENCE) == status
        assert program.errors == ""
        os.close(writer)


def test_a_client_under_nohup_stays(silent_server: str) -> None:
    command = [*hooked("client", "SIGHUP"), f"--address={silent_server}", "--username=alice"]
    with started([*command, "--listen"], ignore=signal.SIGHUP) as client:
        client.wait_until(lambda: client.is_guarded(signal.SIGTERM))
        assert client.stop() == 1


CLOSED = ["<&- >&- 2>&-", "2>&-", ">&- 2>&-", "2>/dev/full"]


@pytest.mark.parametrize("closed", quick_first(CLOSED, "each set of closed streams"))
def test_a_server_without_streams_serves_and_ends_well(closed: str, tmp_path: Path) -> None:
    path = tmp_path / "chat.socket"
    options = f"--tls=off --address=unix:{path} --data-directory={tmp_path}/data --log-level=debug"
    command = f"exec {sys.executable} -m chat.server.cli {options} {closed}"
    with started(["sh", "-c", command]) as server:
        with socket.socket(socket.AF_UNIX) as sock:
            # The path is there a moment before the server listens.
            server.wait_until(lambda: sock.connect_ex(str(path)) == 0)
            # Its log lines about this must not come here.
            sock.sendall(b"no protocol at all")
            sock.shutdown(socket.SHUT_WR)
            while data := sock.recv(4096):
                assert b"INFO" not in data
                assert b"DEBUG" not in data
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("program", "arguments", "redirections", "status"),
    quick_first(
        [
            ("chat-client", "--version", ">/dev/full", 1),
            ("chat-client", "--help", "2>&-", 0),
            ("chat-client", "--version", ">&-", 0),
            ("chat-client", "--nonsense", "2>&-", 2),
            ("chat-client", "--nonsense", "2>/dev/full", 2),
            ("chat-client", "--nonsense", ">&- 2>&-", 2),
            # Both programs end by the same code.
            ("chat-server", "--version", ">/dev/full", 1),
            ("chat-server", "--nonsense", ">&- 2>&-", 2),
        ],
        "each stream and status",
    ),
)
def test_the_status_is_right_whatever_the_streams_are(
    program: str, arguments: str, redirections: str, status: int
) -> None:
    command = f"{CHECKOUT}/bin/{program} {arguments} {redirections}"
    assert (
        subprocess.run(["sh", "-c", command], stdout=subprocess.DEVNULL, check=False).returncode
        == status
    )


@pytest.mark.parametrize(
    ("mode", "closed"),
    quick_first(
        [("--plain", "2>/dev/full"), ("", "2>&-"), ("--json", ">&-"), ("--listen", ">/dev/full")],
        "each frontend",
    ),
)
def test_a_client_that_cannot_be_heard_ends_with_the_status_of_its_failure(
    mode: str, closed: str
) -> None:
    nowhere = "unix:/no/such/socket"
    options = f"--username=alice --address={nowhere} {mode}"
    command = f"{sys.executable} -m chat.client.cli {options} {closed}"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
