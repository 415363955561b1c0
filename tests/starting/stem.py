"""A process that has one side's modules loaded, and from which programs are forked: see ``tests/starting/programs.py``.

It reads one request after the other from a socket. In each new process ``serve`` returns, and the program is then run
as ``python -m`` or ``python -c`` would, in the interpreter that is there already, down to its end.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
import termios
import time
import types
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gevent

# Modules that nearly each program of a side imports late.
_LATE = (
    *("docopt", "encodings.idna", "platformdirs", "gevent.threadpool"),
    *("cryptography.x509", "cryptography.hazmat.primitives.serialization"),
)
LATE = {
    "chat.client": _LATE,
    "chat.server": (*_LATE, "argon2", "cryptography.hazmat.backends.openssl.backend"),
}
LENGTH = 4  # bytes that say how long a request is, and with which its descriptors come


@dataclass(frozen=True)
class Request:
    """A program to start: all that it does not inherit."""

    command: list[str]  # of Python: -m MODULE ... or -c SCRIPT ...
    directory: str
    environment: dict[str, str]
    ignored: list[int]  # signals
    is_leader: bool  # of a session of its own
    takes_terminal: bool  # its input is its controlling terminal

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()  # also surrogates, of names that are not UTF-8


def load(package: str) -> set[str]:
    """Import all of ``package`` but its command line; the modules that want an event loop as soon as they are loaded.

    They are to be loaded again in each program, because none may have its loop from here.
    """
    wanting: set[str] = set()
    get_hub = gevent.get_hub

    def noted() -> Any:
        wanting.add(sys._getframe(1).f_globals["__name__"])
        return get_hub()

    gevent.get_hub = noted
    try:
        parent = importlib.import_module(package)
        for module in pkgutil.walk_packages(parent.__path__, f"{package}."):
            if not module.name.endswith(".cli"):  # it is to be __main__
                importlib.import_module(module.name)
        for name in LATE[package]:
            importlib.import_module(name)
    finally:
        gevent.get_hub = get_hub
    if package == "chat.server":
        _make_hashes_cheap()
    if wanting:
        get_hub().destroy(destroy_loop=True)
    return wanting


def _make_hashes_cheap() -> None:
    """Make hashes cheap in the stem and in each server that is forked from it, but not in one that is executed."""
    from chat.server.accounts import passwords
    from tests.cheap_hashes import HASHER

    setattr(passwords, "_hasher", lambda: HASHER)  # noqa: B010 - no option of the server may do this


def serve(requests: socket.socket) -> tuple[Request, list[int]]:
    """Fork for each request and say the process's number. Returns in the new processes alone, with its streams."""
    while True:
        head, descriptors, _, _ = socket.recv_fds(requests, LENGTH, 3)
        if not head:
            os._exit(0)  # nobody is there any more
        length = int.from_bytes(head, "big")
        data = b""
        while len(data) < length:
            data += requests.recv(length - len(data))
        reader, writer = os.pipe()
        gate, holder = os.pipe()
        between = os.fork()
        if not between:
            # The new process must be a child of the process that asked, which is the next that takes orphans.
            process = os.fork()
            if not process:
                # The program may ask for its parent at once, so it starts only after the adoption.
                os.close(holder)
                os.read(gate, 1)
                return Request(**json.loads(data)), descriptors
            os.write(writer, b"%d" % process)
            os._exit(0)
        os.waitpid(between, 0)
        os.close(holder)
        os.close(writer)
        number = os.read(reader, 20)
        for descriptor in (reader, gate, *descriptors):
            os.close(descriptor)
        requests.sendall(number.rjust(20))


def become(request: Request, descriptors: list[int]) -> None:
    """Be as a process is that has just been started for ``request``."""
    if request.is_leader:
        os.setsid()
    spare = [os.dup(each) for each in descriptors]  # none of them is 0, 1 or 2
    for number, descriptor in enumerate(spare):
        os.dup2(descriptor, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    if request.takes_terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in request.ignored:
        signal.signal(number, signal.SIG_IGN)
    os.chdir(request.directory)
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = _stream(number, name)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _stream(number: int, name: str) -> io.TextIOWrapper:
    """Make a stream as the interpreter does at its start."""
    mode = "r" if name == "stdin" else "w"
    like = getattr(sys, name)
    unbuffered = like.write_through  # by PYTHONUNBUFFERED
    buffering = 0 if unbuffered and mode == "w" else -1
    buffer: Any = open(number, f"{mode}b", buffering, closefd=False)  # noqa: SIM115 - to the end
    raw = buffer.raw if buffering else buffer
    raw.name = f"<{name}>"
    by_line = not unbuffered and (name == "stderr" or raw.isatty())
    stream: Any = io.TextIOWrapper(buffer, like.encoding, like.errors, "\n", by_line, unbuffered)
    stream.mode = mode
    return stream


def set_path(request: Request, usual: list[str]) -> None:
    """Set where modules are found: the program's own directory, PYTHONPATH, the ``usual``."""
    first = request.directory if request.command[0] == "-m" else ""
    named = request.environment.get("PYTHONPATH")
    sys.path[:] = [first, *(named.split(os.pathsep) if named else ()), *usual]


class QuickEnd:
    """Ends a process where the interpreter would begin to take itself apart, which costs more than most programs do.

    Threads have been joined then, and callbacks called. An interpreter that is taken apart writes to all of its memory,
    of which a forked process then makes a copy.
    """

    def __init__(self) -> None:
        self.status: int | None = None  # None: unknown, or another end than by an exit status
        # The last callback: later ones are called before it.
        atexit.register(self._end)

    def _end(self) -> None:
        if self.status is None:
            return
        try:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None and not stream.closed:
                    stream.flush()
        except OSError:
            return  # the interpreter knows what its status is then
        os._exit(self.status & 0xFF)


def run(request: Request, end: QuickEnd) -> None:
    """The program itself; the interpreter ends as it says."""
    try:
        execute(request)
        end.status = 0
    except SystemExit as exit:
        if exit.code is None or isinstance(exit.code, int):
            end.status = exit.code or 0
        raise


def execute(request: Request) -> None:
    kind, what, *arguments = request.command
    main = types.ModuleType("__main__")
    for name in ("__builtins__", "__annotations__"):
        if name in globals():
            main.__dict__[name] = {} if name == "__annotations__" else globals()[name]
    sys.modules["__main__"] = main
    sys.orig_argv[:] = [sys.executable, *request.command]
    sys.argv[:] = [kind, *arguments]
    if kind == "-m":
        runpy._run_module_as_main(what)  # type: ignore[attr-defined]
    else:
        exec(compile(what, "<string>", "exec"), main.__dict__)


def main() -> None:
    """``python -m tests.starting.stem PACKAGE DESCRIPTOR``: a socket to be asked on."""
    package, descriptor = sys.argv[1:]
    end = QuickEnd()
    named = os.environ.get("PYTHONPATH")
    usual = sys.path[1 + (named.count(os.pathsep) + 1 if named else 0) :]
    wanting = load(package)
    requests = socket.socket(fileno=int(descriptor))
    held = {int(each.name) for each in Path("/proc/self/fd").iterdir()}
    stray = {each for each in held - {0, 1, 2, requests.fileno()} if _is_open(each)}
    assert not stray, f"to import {package} opens files"
    requests.sendall(b"ready".rjust(20))
    # Loaded modules stay. A look at them by the collector would also copy their pages in each program.
    gc.collect()
    gc.freeze()
    request, descriptors = serve(requests)
    requests.detach()
    become(request, descriptors)
    set_path(request, usual)
    for module in wanting:
        importlib.reload(sys.modules[module])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # destroyed loops leave their handler behind
    run(request, end)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False  # it was the one that the list was read from
    return True


if __name__ == "__main__":
    main()
