"""The full-screen client on a real terminal, and what a person would see there.

Two terminals: one in this process (pyte on a pseudo-terminal), and tmux, which knows emoji and right-to-left text.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import shutil
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import pyte
import pytest

from tests.end_to_end.client_process import CLIENT, PATIENCE, client_environment
from tests.starting.programs import Program, take_terminal

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

# The bytes that an xterm sends.
KEYS = {
    "<enter>": "\r",
    "<tab>": "\t",
    "<shift-tab>": "\x1b[Z",
    "<esc>": "\x1b",
    "<backspace>": "\x7f",
    "<delete>": "\x1b[3~",
    "<home>": "\x1b[H",
    "<end>": "\x1b[F",
    "<up>": "\x1b[A",
    "<down>": "\x1b[B",
    "<right>": "\x1b[C",
    "<left>": "\x1b[D",
    "<pageup>": "\x1b[5~",
    "<pagedown>": "\x1b[6~",
    "<wheel-up>": "\x1b[<64;1;1M",
    "<wheel-down>": "\x1b[<65;1;1M",
    "<focus-in>": "\x1b[I",
    "<focus-out>": "\x1b[O",
    "<f1>": "\x1bOP",
    "<alt-enter>": "\x1b\r",
    "<alt-backspace>": "\x1b\x7f",
    "<shift-enter>": "\x1b[27;2;13~",
    **{
        f"<{modifier}-{name}>": f"\x1b[1;{code}{letter}"
        for modifier, code in (("shift", 2), ("alt", 3), ("ctrl", 5))
        for name, letter in zip(
            ("up", "down", "right", "left", "home", "end"), "ABCDHF", strict=True
        )
    },
    "<ctrl-delete>": "\x1b[3;5~",
}


# Variables of the developer who runs the tests; no client may see them.
_PERSONAL = ("NO_COLOR", "TMUX", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")


def sent_by(key: str) -> str:
    """Return the bytes that a terminal sends for a named key."""
    if key in KEYS:
        return KEYS[key]
    if len(key) == 1:
        return key
    if match := re.fullmatch(r"<ctrl-(.)>", key):
        return chr(ord(match[1].upper()) & 0x1F)
    match = re.fullmatch(r"<alt-(.)>", key)
    assert match, f"no xterm sends {key}"
    return f"\x1b{match[1]}"


class Screen:
    """A client on a terminal: the part that both kinds of terminal share."""

    def rows(self) -> list[str]:
        """Without blanks at the ends."""
        raise NotImplementedError

    def send(self, data: str) -> None:
        raise NotImplementedError

    def press(self, *keys: str) -> None:
        """By their names; everything else is typed as it stands."""
        for key in keys:
            self.send(sent_by(key) if key.startswith("<") and key.endswith(">") else key)

    def command(self, line: str) -> None:
        """Type ``line`` and Enter, and wait until the input is another: keys that followed at once would be a paste."""
        end = line.replace(" ", "")[-8:]
        self.press(line)
        # An emulator puts something beside characters of two columns.
        typed = self.wait_until(lambda rows: rows[-1].replace(" ", "").endswith(end), f"no {line}")
        self.press("<enter>")
        # Not any change: messages come meanwhile.
        self.wait_until(
            lambda rows: rows[-1] != typed[-1] or self.has_ended(), f"nothing came of {line}"
        )

    def has_ended(self) -> bool:
        """Tell whether the program is known to have ended."""
        return False

    def wait_for(self, *patterns: str) -> list[str]:
        """Wait until all are on the screen, each in some row; return the rows."""
        return self.wait_until(
            lambda rows: all(any(re.search(p, row) for row in rows) for p in patterns),
            f"not {patterns}",
        )

    def wait_until(
        self, condition: Callable[[list[str]], object], complaint: str = "never"
    ) -> list[str]:
        deadline = time.monotonic() + PATIENCE
        while True:
            rows = self.rows()
            if condition(rows):
                return rows
            assert time.monotonic() < deadline, "\n".join([complaint, *rows])
            self.pause()

    def pause(self) -> None:
        """Wait until something may have changed."""
        # Not only until the next byte is drawn: a test that goes on at once types into the same burst of keys, and
        # the client takes both for one paste.
        time.sleep(0.01)


class _Emulator(pyte.Screen):
    """With what pyte does not know of an xterm and curses makes use of: SU, SD and REP (ECMA-48)."""

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__(columns, rows)
        self._drawn = " "

    def draw(self, data: str) -> None:
        super().draw(data)
        self._drawn = data[-1:] or self._drawn

    def set_margins(
        self, top: int | None = None, bottom: int | None = None, private: bool = False
    ) -> None:
        # With a question mark, the sequence restores a private mode (xterm).
        if not private:
            super().set_margins(top, bottom)

    def scroll_up(self, count: int = 1) -> None:
        self._scroll(self.delete_lines, count)

    def scroll_down(self, count: int = 1) -> None:
        self._scroll(self.insert_lines, count)

    def repeat(self, count: int = 1) -> None:
        self.draw(self._drawn * (count or 1))

    def _scroll(self, change: Callable[[int], None], count: int) -> None:
        at = self.cursor.x, self.cursor.y
        self.cursor.y = self.margins.top if self.margins else 0
        change(count or 1)
        self.cursor.x, self.cursor.y = at


class _Stream(pyte.ByteStream):
    csi = {**pyte.ByteStream.csi, "S": "scroll_up", "T": "scroll_down", "b": "repeat"}  # noqa: RUF012
    events = pyte.ByteStream.events | {"scroll_up", "scroll_down", "repeat"}


class PyteScreen(Screen):
    """``with`` sees to it that the process is gone afterwards."""

    def __init__(
        self,
        command: Sequence[str],
        directory: Path,
        *,
        columns: int = 80,
        rows: int = 24,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.raw = b""
        self._is_gone = False
        self._screen = _Emulator(columns, rows)
        self._stream = _Stream(self._screen)
        self._lock = threading.Lock()
        self._changes = 0  # of what is shown
        self._seen = -1  # of these, when rows() was called last
        self._rows: list[str] = []  # then
        self._reads = threading.Lock()
        self.near, far = pty.openpty()
        self._set_size(columns, rows)
        known = {
            name: value for name, value in client_environment().items() if name not in _PERSONAL
        }
        self.process = Program(
            command,
            cwd=directory,
            env={**known, "HOME": str(directory), "TERM": "xterm-256color", **(environment or {})},
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
        self.far = far
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> PyteScreen:
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
        self.hang_up()

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def hang_up(self) -> None:
        """The terminal is closed."""
        if self.far >= 0:
            os.close(self.far)
            self.far = -1
            self._thread.join(PATIENCE)
            os.close(self.near)

    def pull_away(self) -> None:
        """The terminal is closed while the client runs on it."""
        self._is_gone = True
        self._thread.join(PATIENCE)  # while it reads, the terminal is open
        os.close(self.far)
        os.close(self.near)
        self.far = -1

    def rows(self) -> list[str]:
        with self._lock:
            if self._seen != self._changes:
                self._seen = self._changes
                self._rows = [row.rstrip() for row in self._screen.display]  # takes 2 ms
            return self._rows.copy()

    def send(self, data: str) -> None:
        os.write(self.near, data.encode())

    def resize(self, columns: int, rows: int) -> None:
        with self._lock:
            self._screen.resize(rows, columns)
            self._changes += 1
        self._set_size(columns, rows)

    def wait(self) -> int:
        """The exit status, with all that was said before it."""
        status = self.process.wait(PATIENCE)
        deadline = time.monotonic() + 1
        seen = -1
        while seen != len(self.raw) and time.monotonic() < deadline:
            seen = len(self.raw)
            time.sleep(0.05)
        return status

    @contextmanager
    def unread(self) -> Iterator[None]:
        """Let nobody read the terminal meanwhile, so that it takes no further byte."""
        with self._reads:
            line = os.open(os.ttyname(self.far), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            with suppress(BlockingIOError):
                while True:
                    os.write(line, b"\0" * 256)
            with suppress(BlockingIOError):
                while True:
                    os.write(line, b"\0")
            os.close(line)
            yield

    def modes(self) -> list[int | list[bytes]]:
        """Return the modes of the line discipline."""
        return termios.tcgetattr(self.far)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.near, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self) -> None:
        while not self._is_gone:
            if not select.select([self.near], [], [], 0.1)[0]:
                continue
            try:
                with self._reads:
                    # Meanwhile somebody may have wanted that nobody reads.
                    if not select.select([self.near], [], [], 0)[0]:
                        continue
                    data = os.read(self.near, 65536)
            except OSError:
                return
            if not data:
                return
            with self._lock:
                self.raw += data
                self._stream.feed(data)
                self._changes += 1


class TmuxScreen(Screen):
    """A client in a tmux of its own."""

    def __init__(
        self, command: Sequence[str], directory: Path, *, columns: int = 80, rows: int = 24
    ) -> None:
        self._socket = directory / f"tmux-{time.monotonic_ns()}"
        unset = [word for name in _PERSONAL if name != "TMUX" for word in ("-u", name)]
        known = client_environment()
        given = [f"{name}={known[name]}" for name in ("TZ", "PYTHONPATH", "TMPDIR")]
        words = shlex.join(["env", *unset, *given, f"HOME={directory}", *command])
        size = ("-x", str(columns), "-y", str(rows))
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, "-c", str(directory), words)

    def __enter__(self) -> TmuxScreen:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        subprocess.run(
            ["tmux", "-S", str(self._socket), "kill-server"], capture_output=True, check=False
        )

    def rows(self) -> list[str]:
        return [row.rstrip() for row in self._tmux("capture-pane", "-p").split("\n")[:-1]]

    def selected(self) -> list[str]:
        """Return what a selection of the whole screen copies: rows that tmux itself wrapped are one line."""
        return self._tmux("capture-pane", "-p", "-J").split("\n")[:-1]

    def send(self, data: str) -> None:
        self._tmux("send-keys", "-H", *(f"{byte:x}" for byte in data.encode()))

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def pause(self) -> None:
        time.sleep(0.03)  # each look at the screen starts a program

    def pids(self) -> tuple[int, int]:
        """Return the process ids of the client and of tmux."""
        client_pid, tmux_pid = self._tmux("display-message", "-p", "#{pane_pid} #{pid}").split()
        return int(client_pid), int(tmux_pid)

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-u", "-S", str(self._socket), *arguments],
            capture_output=True,
            check=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        return done.stdout.decode()


def client(address: str, name: str | None, *options: str) -> list[str]:
    """The command of a client for the screen."""
    names = [] if name is None else [f"--username={name}"]
    return [*CLIENT, f"--address={address}", *names, *options]


def broken_client(address: str, name: str, where: str) -> list[str]:
    """Return the command for a client in which the function ``where`` (module:class.function) raises, as by a bug."""
    script = (
        "import sys, importlib, functools\n"
        f"module, _, path = {where!r}.partition(':')\n"
        "*parents, last = path.split('.')\n"
        "owner = functools.reduce(getattr, parents, importlib.import_module(module))\n"
        "def broken(*arguments, **named): raise ZeroDivisionError('made by a test')\n"
        "setattr(owner, last, broken)\n"
        "from chat.client.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    return [sys.executable, "-c", script, f"--address={address}", f"--username={name}"]
