"""Search in a process of its own.

A search computes for many milliseconds. In a thread of the server it would hold up the event loop, and so all who talk:
Python executes one thread at a time.
"""

from __future__ import annotations

import math
import pickle
import select
import struct
import subprocess
import time
from pathlib import Path
from typing import IO

from chat.server.history.faults import HistoryFault
from chat.server.history.search.looking import REST, SearchPage, SearchRequest
from chat.server.process.helper_process import helper_command, helper_environment

# Seconds that a search may take. Then it ends with what it has found, and the user goes on.
BUDGET = 0.5
# Seconds for the start of the process, and for a disk or a machine that is slow.
_PATIENCE = 15.0
# Of both directions: a length, and so many bytes of pickle.
_LENGTH = struct.Struct(">Q")
_PROGRAM = "chat.server.history.search.worker"


class _Ended(Exception):
    """The process has ended without an answer."""


class SearchProcess:
    """Search in the files in ``directory``. The process starts with the first search.

    The methods are called in one thread at a time.
    """

    def __init__(self, directory: Path, *, budget: float = BUDGET) -> None:
        self._directory = directory
        self._budget = budget
        self._process: subprocess.Popen[bytes] | None = None

    def find(self, request: SearchRequest) -> SearchPage:
        """Return the page that was asked for. Waits. Raises HistoryFault, and IndexFault if the index is at fault."""
        data = pickle.dumps(request, pickle.HIGHEST_PROTOCOL)
        try:
            try:
                answer = self._ask(data)
            except _Ended:
                answer = self._ask(data)  # somebody has killed the process, perhaps long ago
        except _Ended:
            raise HistoryFault("the process that searches has ended unexpectedly") from None
        if isinstance(answer, HistoryFault):
            raise answer
        assert isinstance(answer, SearchPage)
        return answer

    def close(self) -> None:
        """End the process. A later search starts another one."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.kill()  # it changes nothing
        process.wait()
        process.stdin.close()
        process.stdout.close()

    def _ask(self, data: bytes) -> object:
        """Send a request and return the answer. Raises HistoryFault, and _Ended."""
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            write(process.stdin, data)
            deadline = time.monotonic() + self._budget * (1 + REST) + _PATIENCE
            answer = read(process.stdout, deadline)
        except TimeoutError:
            self.close()
            raise HistoryFault("a search did not end in time") from None
        except (OSError, EOFError):
            self.close()
            raise _Ended from None
        # What our own process wrote, to a pipe that nobody else has.
        return pickle.loads(answer)

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                helper_command(_PROGRAM, str(self._directory), str(self._budget)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=helper_environment(),
                bufsize=0,
            )
        except OSError as problem:
            raise HistoryFault(f"cannot start a search: {problem.strerror or problem}") from None


def write(pipe: IO[bytes], data: bytes) -> None:
    """Write a request or an answer. Raises OSError."""
    rest = memoryview(_LENGTH.pack(len(data)) + data)
    while rest:
        rest = rest[pipe.write(rest) :]


def read(pipe: IO[bytes], deadline: float = math.inf) -> bytes:
    """Read a request or an answer until the ``deadline`` (monotonic). Raises TimeoutError, EOFError and OSError."""
    [length] = _LENGTH.unpack(_read_exactly(pipe, _LENGTH.size, deadline))
    return _read_exactly(pipe, length, deadline)


def _read_exactly(pipe: IO[bytes], size: int, deadline: float) -> bytes:
    poll = select.poll()  # select() knows no descriptors over 1023
    poll.register(pipe, select.POLLIN)
    data = bytearray()
    while len(data) < size:
        rest = None if deadline == math.inf else max(0.0, deadline - time.monotonic()) * 1000
        if not poll.poll(rest):
            raise TimeoutError
        piece = pipe.read(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)
