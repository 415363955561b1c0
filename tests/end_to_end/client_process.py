"""The real client in a separate process, with pipes for its streams, or a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from tests import homes
from tests.starting.programs import Program, ignoring, run_program, take_terminal

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 30.0  # seconds after which something that should happen is taken not to
CLIENT = (sys.executable, "-m", "chat.client.cli")


def client_environment() -> dict[str, str]:
    """Make the environment for a new client, with an empty home of its own."""
    return homes.environment(TZ="UTC", PYTHONPATH=str(CHECKOUT), TERM="xterm")


class Collector:
    """Reads a descriptor to its end, in a thread, so that a test can wait for what it should say."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._data = b""
        self._grown = threading.Condition()
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        with self._grown:
            return self._data.decode(errors="replace")

    def wait_for(self, pattern: str, count: int = 1) -> re.Match[str]:
        """The ``count``-th place where ``pattern`` is found, past or to come."""
        deadline = time.monotonic() + PATIENCE
        with self._grown:
            while True:
                text = self._data.decode(errors="replace")
                found = list(re.finditer(pattern, text, re.MULTILINE))
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                assert left > 0, f"not {count} times {pattern!r} in:\n{text}"
                assert self._thread.is_alive(), f"ended without {pattern!r}:\n{text}"
                self._grown.wait(min(left, 0.5))

    def wait_for_end(self) -> str:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), f"no end after:\n{self.text}"
        return self.text

    def _collect(self) -> None:
        while True:
            try:
                data = os.read(self._descriptor, 65536)
            except OSError:
                data = b""  # a terminal that nobody has open any more
            if not data:
                break
            with self._grown:
                self._data += data
                self._grown.notify_all()
        with self._grown:
            self._grown.notify_all()


class ClientProcess:
    """A running ``chat-client``; ``with`` sees to it that it is gone afterwards.

    ``terminal``: it has one, as a person's does, for all of its streams. ``source``: where its input comes from, if
    the test does not type it. ``ignore``: a signal that it starts with ignored. ``environment``: variables that
    differ from a new client's.
    """

    # What is run: also another client with the same options.
    command: Sequence[str] = CLIENT

    def __init__(
        self,
        address: str,
        name: str,
        *options: str,
        directory: Path,
        terminal: bool = False,
        source: IO[bytes] | None = None,
        ignore: signal.Signals | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        known = {**client_environment(), **(environment or {})}
        command = [*self.command, f"--address={address}", f"--username={name}", *options]
        self._near: int | None = None
        self.process: Program[bytes]
        if terminal:
            self._near, far = pty.openpty()
            fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            self.process = Program(
                command,
                cwd=directory,
                env=known,
                stdin=far,
                stdout=far,
                stderr=far,
                start_new_session=True,
                preexec_fn=take_terminal,
            )
            os.close(far)
            self.output = self.errors = Collector(self._near)
        else:
            self.process = Program(
                command,
                cwd=directory,
                env=known,
                stdin=subprocess.PIPE if source is None else source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                preexec_fn=ignoring(ignore),
            )
            assert self.process.stdout is not None
            assert self.process.stderr is not None
            self.output = Collector(self.process.stdout.fileno())
            self.errors = Collector(self.process.stderr.fileno())

    def __enter__(self) -> ClientProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert "Traceback" not in self.errors.wait_for_end()
        self.output.wait_for_end()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue  # something was left that the client will not read any more
        if self._near is not None:
            os.close(self._near)

    def type(self, text: str) -> None:
        """Give it input; on a terminal these are keys."""
        data = text.encode()
        if self._near is not None:
            os.write(self._near, data)
        else:
            assert self.process.stdin is not None
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def ask(self, **request: Any) -> None:
        """Send one request to ``--json``."""
        self.type(json.dumps(request) + "\n")

    def end_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def send_signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait until the client has ended and all of its output was read; return its exit status."""
        status = self.process.wait(PATIENCE)
        self.output.wait_for_end()
        self.errors.wait_for_end()
        return status

    @property
    def terminal(self) -> int:
        """A descriptor of its terminal."""
        assert self._near is not None
        return self._near

    @property
    def lines(self) -> list[str]:
        """Return the lines that the client has written, without the times."""
        return [re.sub(r"^<\d\d:\d\d:\d\d> ", "", line) for line in self.output.text.splitlines()]

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Return the objects that the client has written with ``--json``."""
        return [json.loads(line) for line in self.output.text.splitlines()]


def run_client(
    address: str, name: str, *options: str, said: str | bytes = "", directory: Path
) -> subprocess.CompletedProcess[str]:
    """A whole run of the client with ``said`` as its input."""
    done = run_program(
        [*CLIENT, f"--address={address}", f"--username={name}", *options],
        cwd=directory,
        env=client_environment(),
        input=said.encode() if isinstance(said, str) else said,
        timeout=PATIENCE * 2,
    )
    assert b"Traceback" not in done.stderr
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


@contextmanager
def listening(
    address: str,
    name: str,
    *options: str,
    directory: Path,
    ignore: signal.Signals | None = None,
) -> Iterator[ClientProcess]:
    """A client that is in the room and only listens."""
    with ClientProcess(
        address, name, "--listen", *options, directory=directory, ignore=ignore
    ) as client:
        client.output.wait_for("you are in the room")
        yield client
