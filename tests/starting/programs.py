"""Starts the programs under test, at the price of a fork.

To start Python and to load a program takes ten times as long as most tests need of it. So the first start of a client
or of a server makes a *stem* of that side (``tests/starting/stem.py``): a process that has loaded the modules, and
forks for each start. The fork is a child of the process of the tests, as after ``subprocess.Popen``, with
the same streams, environment, directory, signals, session and terminal; ``tests/starting/test_programs.py`` compares.

Programs that a stem can't start exactly are truly executed: another locale, PYTHON* variables, other limits, a mask
of signals. With ``CHAT_TESTS_EXEC=1`` all programs are.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import termios
import threading
from functools import cache, partial
from pathlib import Path
from typing import Any, AnyStr

from tests.starting.stem import LENGTH, Request

CHECKOUT = Path(__file__).resolve().parent.parent.parent
_SIDES = ("chat.client", "chat.server")
# Variables that the interpreter, or a library, reads but once.
_READ_AT_START = re.compile(r"(PYTHON(?!PATH$)|LC_|LANG|LD_|GEVENT|GLIBC|MALLOC_|OPENSSL)")
# Of a process, what a program inherits. With another umask or mask of signals than a stem's it is executed.
_INHERITED = re.compile(r"^(?:Umask|SigBlk|SigIgn):.*$", re.MULTILINE)
_PR_SET_CHILD_SUBREAPER = 36


def take_terminal() -> None:
    """Let Ctrl-C and hang-ups come from the standard input; call this in a new process."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def ignoring(number: signal.Signals | None) -> partial[Any] | None:
    """Make a ``preexec_fn`` that lets a new process ignore a signal."""
    return None if number is None else partial(signal.signal, number, signal.SIG_IGN)


class Program(subprocess.Popen[AnyStr]):
    """Start a program as ``subprocess.Popen`` does, by a fork of a stem if the result is the same."""

    was_forked = False

    def _execute_child(self, *given: Any) -> None:
        arguments, executable, preexec, _, descriptors, directory, environment = given[:7]
        is_shell, stdin, _, _, stdout, _, stderr = given[9:16]
        restores, *rest = given[16:]
        is_leader = rest[4]
        # Changes that nobody asked for: a group, a user, groups, a umask, a group of processes.
        is_usual = all(each in (None, -1) for each in (*rest[:4], *rest[5:]))
        request = None
        if is_usual and restores and executable is None and not (is_shell or descriptors):
            request = _request(arguments, preexec, directory, environment, is_leader)
        process = None
        if request is not None and (stem := _stem_for(request)) is not None:
            inherited = zip((stdin, stdout, stderr), range(3), strict=True)
            process = stem.fork(request, [own if each == -1 else each for each, own in inherited])
        if process is None:
            super()._execute_child(*given)  # type: ignore[misc]
            return
        self.was_forked = True
        self.pid = process
        self._child_created = True
        self._close_pipe_fds(*given[10:16])  # type: ignore[attr-defined]


def run_program(
    command: list[str],
    *,
    input: Any = None,
    timeout: float | None = None,
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """Run a program as ``subprocess.run`` does, with pipes for the output unless ``options`` say otherwise."""
    streams = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    if input is not None:
        streams["stdin"] = subprocess.PIPE
    with Program(command, **{**streams, **options}) as process:
        try:
            said, complained = process.communicate(input, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, said, complained)


class _Stem:
    """The process that is forked, from this side; it is gone when this one is."""

    def __init__(self, package: str) -> None:
        self._lock = threading.Lock()
        self._state = _inherited()
        self._fixed = _fixed(os.environ)
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.starting.stem", package, str(number)],
                cwd=CHECKOUT,
                pass_fds=(number,),
            )
        self._requests = ours
        assert self._answer() == b"ready"

    def can_start(self, request: Request) -> bool:
        return self._fixed == _fixed(request.environment) and self._state == _inherited()

    def fork(self, request: Request, descriptors: list[int]) -> int:
        data = request.encode()
        with self._lock:
            # Only now: nobody else's orphans are to be our children.
            _prctl(_PR_SET_CHILD_SUBREAPER, 1)
            try:
                socket.send_fds(self._requests, [len(data).to_bytes(LENGTH, "big")], descriptors)
                self._requests.sendall(data)
                return int(self._answer())
            finally:
                _prctl(_PR_SET_CHILD_SUBREAPER, 0)

    def _answer(self) -> bytes:
        data = b""
        while len(data) < 20:
            more = self._requests.recv(20 - len(data))
            assert more, "the process that programs are forked from has ended"
            data += more
        return data.strip()


def _request(
    command: Any, preexec: Any, directory: Any, environment: Any, is_leader: bool
) -> Request | None:
    """None if it is not what a stem can start."""
    ignored: list[int] = []
    if isinstance(preexec, partial) and preexec.func is signal.signal:
        if preexec.args[1:] != (signal.SIG_IGN,):
            return None
        ignored = [int(preexec.args[0])]
    elif preexec not in (None, take_terminal):
        return None
    if environment is None:
        return None  # what libraries put into it, os.environ does not know
    words = [] if isinstance(command, str) else [os.fspath(each) for each in command]
    if len(words) < 3 or words[0] != sys.executable or words[1] not in ("-m", "-c"):
        return None
    where = Path.cwd() if directory is None else Path(os.fspath(directory)).absolute()
    if not where.is_dir():
        return None  # subprocess says what is wrong
    takes = preexec is take_terminal
    return Request(words[1:], str(where), dict(environment), ignored, is_leader, takes)


def _stem_for(request: Request) -> _Stem | None:
    if sys.platform != "linux" or os.environ.get("CHAT_TESTS_EXEC"):
        return None
    sides = [side for side in _SIDES if side in request.command[1]]
    stem = _stem(sides[0], os.getpid()) if len(sides) == 1 else None
    return stem if stem is not None and stem.can_start(request) else None


@cache
def _stem(package: str, of: int) -> _Stem:
    """``of``: the process that asks, because one that it forked has another."""
    return _Stem(package)


def _fixed(environment: Any) -> dict[str, str]:
    return {name: value for name, value in environment.items() if _READ_AT_START.match(name)}


def _inherited() -> list[str]:
    status = Path("/proc/thread-self/status").read_text()
    return [*_INHERITED.findall(status), Path("/proc/self/limits").read_text()]


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
