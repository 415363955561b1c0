"""Set up what a scene needs: a server, users in pipes, and one user on a terminal."""

from __future__ import annotations

import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType

from scripts.screens.tmux import PATIENCE, NeverShown, Terminal

_ROOT = Path(__file__).resolve().parent.parent.parent
_PYTHON = (sys.executable, "-m")


class Stage:
    """Run a room on a free port of loopback, with terminals of a ``background`` such as ``#ffffff``.

    Scenes that share one server begin with nothing of the scene before, so the server keeps messages only on request.
    The end of the ``with`` block ends all that was started.
    """

    def __init__(self, background: str, *, keeps_messages: bool = False) -> None:
        self.background = background
        self._keeps_messages = keeps_messages
        self.directory = Path(tempfile.mkdtemp(prefix="screens-"))
        home = self.directory / "home"
        (home / "downloads").mkdir(parents=True)
        # Not the settings and the time zone of the user who runs this.
        self._environment = {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home),
            "XDG_DATA_HOME": str(home),
            "XDG_STATE_HOME": str(home),
            "PYTHONPATH": str(_ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_COLOR": "",
            "TZ": "UTC",
        }
        self._people: list[Person] = []
        self._terminal: Terminal | None = None
        self._line: SlowLine | None = None
        options = (
            "--address=127.0.0.1:0",
            "--tls=off",
            f"--history={'on' if keeps_messages else 'off'}",
            f"--data-directory={home}/server",
        )
        self._server = self._start("chat.server.cli", *options, errors=True)
        assert self._server.stderr is not None
        found = _read_until(self._server.stderr.fileno(), r"listening on \S+:(\d+)$")
        self.port = int(found[1])

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close_screen()
        for person in self._people:
            person.close()
        _end(self._server)
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def people(self) -> tuple[Person, ...]:
        return tuple(self._people)

    def person(self, name: str) -> Person:
        """Return a user in the room who talks through pipes; one client for each name."""
        for person in self._people:
            if person.name == name:
                return person
        process = self._start(
            "chat.client.cli",
            f"--address=127.0.0.1:{self.port}",
            f"--username={name}",
            "--commands",
            "--max-save=0",
        )
        self._people.append(Person(name, process))
        return self._people[-1]

    def screen(
        self, name: str, *options: str, columns: int = 84, rows: int = 22, slow: bool = False
    ) -> Terminal:
        """Return a client on a terminal, in the room; the last one is closed. ``slow``: over a slow line."""
        self.clear()
        port = self.port
        if slow:
            self._line = SlowLine(port)
            port = self._line.port
        command = [*_PYTHON, "chat.client.cli", f"--address=127.0.0.1:{port}"]
        command += [f"--username={name}", *options]
        if not self._keeps_messages:
            command.append("--no-state")
        home = self.directory / "home"
        words = ["env", "-C", str(home), *command]
        self._terminal = Terminal(
            words,
            columns,
            rows,
            directory=self.directory,
            environment=self._environment,
            background=self.background,
        )
        self._terminal.wait_for(r"you are in the room")
        for person in self._people:
            person.wait_for(rf"{re.escape(name)} joined")
        return self._terminal

    def clear(self) -> None:
        """Close the client on the terminal, and wait until the other users have seen it leave."""
        if self._terminal is None:
            return
        self._close_screen()
        for person in self._people:
            person.wait_for(r" left")

    def _close_screen(self) -> None:
        if self._terminal is not None:
            self._terminal.close()
            self._terminal = None
        if self._line is not None:
            self._line.close()
            self._line = None

    def manage(self, *words: str) -> None:
        """Run a command of the operator, such as ``rooms add dev``."""
        home = self.directory / "home"
        self._start("chat.server.cli", *words, f"--data-directory={home}/server").communicate()

    def kill_server(self) -> None:
        _end(self._server)

    def _start(self, module: str, *options: str, errors: bool = False) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*_PYTHON, module, *options],
            cwd=self.directory,
            env={**os.environ, **self._environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if errors else subprocess.DEVNULL,
        )


class Person:
    """Drive a client through pipes: its output shows that the room has got what it said."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self._process = process
        assert process.stdout is not None
        self._output = process.stdout.fileno()
        self._unread = ""
        self.wait_for("you are in the room")

    def say(self, line: str) -> None:
        """Say ``line``, and wait for its echo, so that the lines come in the order of the scene."""
        self.start(line)
        self.wait_for(rf"(\[{self.name}( -> \S+)?\]: |\* {self.name} |-- {self.name} sent )")

    def start(self, line: str) -> None:
        """Say ``line`` without waiting."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def wait_for(self, pattern: str) -> None:
        """Wait for a line after those that were waited for before."""
        found = _read_until(self._output, pattern, self._unread)
        self._unread = found.string[found.end() :]

    def close(self) -> None:
        _end(self._process)


class SlowLine:
    """Relay a port to the server, slowly once a connection has had its first bytes.

    So a transfer is under way for as long as the scene shows it, and always about as far.
    """

    fast = 9 << 20  # bytes of a connection that pass without delay
    trickle = 512  # bytes that pass after them, with a pause each time
    pause = 0.05

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._closed = threading.Event()
        self._sockets = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        for each in self._sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # its peer was faster
            finally:
                each.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                near = self._listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                return
            self._sockets += (near, far)
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        """Copy from ``source`` to ``target`` until one of them ends."""
        left = self.fast
        try:
            while data := source.recv(min(left, 65536) or self.trickle):
                target.sendall(data)
                left -= min(left, len(data))
                if not left and self._closed.wait(self.pause):
                    return
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the line was closed


def _read_until(descriptor: int, pattern: str, text: str = "") -> re.Match[str]:
    """Read on from ``text`` until ``pattern`` is found. Raises NeverShown."""
    expression = re.compile(pattern, re.MULTILINE)
    deadline = time.monotonic() + PATIENCE
    while (found := expression.search(text)) is None:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        data = os.read(descriptor, 65536) if ready else b""
        if not data:
            raise NeverShown(f"no {pattern!r} in:\n{text}")
        text += data.decode(errors="replace")
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
