"""Run a chat server of this checkout in the background, for ``make run`` and ``make stop``.

For each address there is a log and a pid file in one directory. The server inherits its pid file open and locked, so
the lock tells whether the server lives. A number alone may belong to another process by now.
"""

import fcntl
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from chat.files.private_files import make_private_directory, private_opener
from chat.net.address import Address

# Importing gevent and the tables of names takes a second, and many on a small, busy machine.
START_PATIENCE = 60.0
# The server itself takes up to 10 seconds to send what is queued.
STOP_PATIENCE = 15.0
POLL_INTERVAL = 0.05
LOG_TAIL = 20  # lines


class BackgroundServerError(Exception):
    """Report that a server did not start or stop; the text is for the user."""


def ensure_listening(address: Address, command: list[str], directory: Path) -> bool:
    """Start ``command`` unless a server listens on ``address``; return whether it was started.

    Returns when the server listens. Raises BackgroundServerError, with the end of the log, if it does not.
    """
    make_private_directory(directory)
    with _locked(
        directory / "lock"
    ):  # of two that start at once, one waits and finds the other's server
        if listens(address):
            return False
        stem = re.sub(r"[^0-9A-Za-z.]+", "-", str(address)).strip("-.")
        _start(command, directory / f"{stem}.pid", directory / f"{stem}.log", address)
        return True


def listens(address: Address) -> bool:
    """Return whether a server accepts connections on ``address``."""
    try:
        _connect(address).close()
    except OSError:
        return False
    return True


def stop_all(directory: Path) -> list[str]:
    """Stop the servers that were started with ``directory``, and return their addresses.

    Raises BackgroundServerError for a server that does not end.
    """
    stopped = []
    with _locked(directory / "lock"):
        for pid_file in sorted(directory.glob("*.pid")):
            with pid_file.open("r") as pid:
                if _is_running(pid):
                    number, _, address = pid.read().partition(" ")
                    _stop(int(number), pid)
                    stopped.append(address)
            pid_file.unlink()
    return stopped


def _connect(address: Address) -> socket.socket:
    if address.path is None:
        return socket.create_connection((address.host or "localhost", address.port), timeout=5)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(5)
        connection.connect(address.path)
    except OSError:
        connection.close()
        raise
    return connection


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
