"""Run a chat server of this checkout in the background, for ``make run`` and ``make stop``.

For each address there is a log and a pid file in one directory. The server inherits its pid file open and locked, so
the lock tells whether the server lives. A number alone may belong to another process by now.
"""

import fcntl
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from chat.files.private_files import make_private_directory, private_opener
from chat.net.address import Address
from scripts.occupant import Occupant, connect, occupant_of

# Importing gevent and the tables of names takes a second, and many on a small, busy machine.
START_PATIENCE = 60.0
# The server itself takes up to 10 seconds to send what is queued.
STOP_PATIENCE = 15.0
POLL_INTERVAL = 0.05
LOG_TAIL = 20  # lines


class BackgroundServerError(Exception):
    """Report that a server did not start or stop; the text is for the user."""


class AddressesInUse(BackgroundServerError):
    """Other programs use all addresses on which the server might have listened."""


class Found(NamedTuple):
    """A server that listens on ``address``. ``passed`` are the addresses before it that other programs use."""

    address: Address
    was_started: bool
    passed: list[tuple[Address, Occupant]]


def ensure_listening(
    candidates: Sequence[Address], command: Callable[[Address], list[str]], directory: Path
) -> Found:
    """Find our server on one of ``candidates``, or a chat server on the first that no other program uses; or start one.

    ``command`` returns the command that starts a server on an address. Returns when the server listens. Raises
    BackgroundServerError, with the end of the log, if it does not, and AddressesInUse.
    """
    make_private_directory(directory)
    passed: list[tuple[Address, Occupant]] = []
    # Of two that start at once, one waits and finds the other's server.
    with _locked(directory / "lock"):
        # First ours: an address before it may have become free since it was started.
        for address in candidates:
            if _is_ours(_pid_file(address, directory)) and listens(address):
                return Found(address, False, passed)
        for address in candidates:
            pid_file = _pid_file(address, directory)
            log_file = pid_file.with_suffix(".log")
            occupant = occupant_of(address)
            if occupant is Occupant.CHAT:
                return Found(address, False, passed)
            if occupant is Occupant.NOTHING:
                _start(command(address), pid_file, log_file, address)
                return Found(address, True, passed)
            passed.append((address, occupant))
    address, occupant = passed[0]
    raise AddressesInUse(f"{address} is in use: {occupant.value}.")


def is_running(address: Address, directory: Path) -> bool:
    """Return whether the server that was started on ``address`` with ``directory`` still runs."""
    return _is_ours(_pid_file(address, directory))


def first_free(candidates: Sequence[Address]) -> Address | None:
    """Return the first address that no program uses."""
    return next((each for each in candidates if occupant_of(each) is Occupant.NOTHING), None)


def listens(address: Address) -> bool:
    """Return whether a server accepts connections on ``address``."""
    try:
        connect(address).close()
    except OSError:
        return False
    return True


def stop_all(directory: Path) -> list[str]:
    """Stop the servers that were started with ``directory``, the last one first, and return their addresses.

    Raises BackgroundServerError for a server that does not end.
    """
    stopped = []
    with _locked(directory / "lock"):
        pid_files = directory.glob("*.pid")
        for pid_file in sorted(pid_files, key=lambda file: file.stat().st_mtime_ns, reverse=True):
            with pid_file.open("r") as pid:
                if _is_running(pid):
                    number, _, address = pid.read().partition(" ")
                    _stop(int(number), pid)
                    stopped.append(address)
            pid_file.unlink()
    return stopped


def _pid_file(address: Address, directory: Path) -> Path:
    stem = re.sub(r"[^0-9A-Za-z.]+", "-", str(address)).strip("-.")
    return directory / f"{stem}.pid"


def _start(command: list[str], pid_file: Path, log_file: Path, address: Address) -> None:
    with (
        open(pid_file, "a+", opener=private_opener) as pid,
        open(log_file, "w", opener=private_opener) as log,
    ):
        if not _lock(pid):
            raise BackgroundServerError(
                f"The server for {address} runs but does not listen; end it with 'make stop'."
            )
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # In its own session, neither Ctrl-C nor a closed terminal ends it.
            start_new_session=True,
            pass_fds=[pid.fileno()],
        )
        pid.truncate(0)
        pid.write(f"{server.pid} {address}")
        pid.flush()
        try:
            _wait_until_listening(server, address, log_file)
        except BaseException:
            server.kill()
            server.wait()
            raise


def _wait_until_listening(
    server: "subprocess.Popen[bytes]", address: Address, log_file: Path
) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while not listens(address):
        if server.poll() is not None:
            reason = f"ended with status {server.returncode}"
        elif time.monotonic() > deadline:
            reason = f"does not listen after {START_PATIENCE:.0f} seconds"
        else:
            time.sleep(POLL_INTERVAL)
            continue
        lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL:]
        tail = "".join(f"\n    {line}" for line in lines) or " (nothing)"
        raise BackgroundServerError(f"The server for {address} {reason}. Its log ends with:{tail}")


def _stop(pid: int, pid_file: IO[str]) -> None:
    # The second SIGTERM asks for an end at once.
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + STOP_PATIENCE
        while time.monotonic() < deadline:
            if not _is_running(pid_file):
                return
            time.sleep(POLL_INTERVAL)
    raise BackgroundServerError(f"The server with process id {pid} does not end; kill it.")


def _is_ours(pid_file: Path) -> bool:
    """Return whether the server that was started with ``pid_file`` still runs."""
    try:
        with pid_file.open("r") as pid:
            return _is_running(pid)
    except FileNotFoundError:
        return False


def _is_running(pid_file: IO[str]) -> bool:
    return not _lock(pid_file)


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "w", opener=private_opener) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
