"""A server of a run: a process that is killed, paused and started again, behind a proxy for its clients."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import gevent

from tests import homes
from tests.cluster.server_program import InjectedClock
from tests.cutting.proxy import Proxy
from tests.end_to_end.accounts import register
from tests.end_to_end.server_process import CHECKOUT, ServerProcess
from tests.peers.wire import Address
from tests.server.cluster.engine_process import free_port

# A supervisor starts a server again that cannot begin, for example because the engine is away.
_TRIES, _AGAIN = 20, 1.0
_PROGRAM = 60.0  # seconds that a program of the operator may take
_FAULT = re.compile(r"Traceback|cannot write history")


class _InjectedServer(ServerProcess):
    module = "tests.cluster.server_program"
    # A server that was killed begins when its former lease is over. Without an engine it gives up after a minute.
    start_patience = 75.0


class TestedServer:
    """The server ``name``, whose data are in ``directory``. ``options`` are further options.

    Clients connect to ``proxy``, which stays while the process does not. ``python`` is the interpreter.
    """

    __test__ = False  # pytest would take it for tests

    def __init__(self, name: str, directory: Path, options: Sequence[str] = ()) -> None:
        self.name = name
        self.directory = directory
        self.complaints: list[str] = []
        self.runs = 0
        self.python = sys.executable
        self.failed_starts: list[str] = []
        self.cluster_options: tuple[str, ...] = ()
        directory.mkdir(parents=True, exist_ok=True)
        self._options = ["--history=on", f"--data-directory={directory}", "--rate=0", *options]
        self._clock = InjectedClock(directory)
        self._process: ServerProcess | None = None
        self._is_paused = self._is_busy = False
        self.logs: list[str] = []  # of the processes that have ended
        self.address = ("127.0.0.1", free_port())
        self.proxy = Proxy(self.address)

    @property
    def is_running(self) -> bool:
        """Whether it has begun, and has not ended."""
        return self._process is not None and self._process.is_running and not self._is_busy

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended by itself."""
        return self._process is not None and not self._process.is_running and not self._is_busy

    def restart(self) -> None:
        """Start again, after the process has ended by itself."""
        with self._busy():
            self._end()
            self._start()

    @property
    def process(self) -> ServerProcess:
        assert self._process is not None, f"{self.name} was not started"
        return self._process

    @property
    def client_address(self) -> Address:
        """Where its clients connect."""
        return self.proxy.address

    @property
    def run(self) -> str:
        """Name the present process."""
        return f"{self.name}-{self.runs}"

    def call_program(self, *words: str) -> str:
        """Run ``chat-server`` with these words and the data directory; return what it says."""
        command = [sys.executable, "-m", "chat.server.cli", *words]
        done = subprocess.run(
            [*command, f"--data-directory={self.directory}"],
            check=False,
            cwd=CHECKOUT,
            env=homes.environment(),
            capture_output=True,
            text=True,
            timeout=_PROGRAM,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def register(self, accounts: Sequence[str], password: str, moderator: str) -> None:
        """Make accounts; the server must not run."""
        for account in accounts:
            register(self.directory, account, password, is_moderator=account == moderator)

    def start(self) -> None:
        with self._busy():
            self._start()

    def _start(self) -> None:
        host, port = self.address
        options = (*self._options, *self.cluster_options)
        self.runs += 1
        for _ in range(_TRIES):
            try:
                self._process = self._program()(*options, address=f"{host}:{port}")
                break
            except AssertionError as problem:
                self.failed_starts.append(str(problem))
                gevent.sleep(_AGAIN)
        assert self._process is not None, f"{self.name} does not start: {self.failed_starts[-1]}"
        self._is_paused = False

    def _program(self) -> type[ServerProcess]:
        return type("_OfPython", (_InjectedServer,), {"python": self.python})

    def kill(self) -> None:
        """Kill the process as a loss of power does."""
        with self._busy():
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self._end()

    def stop(self) -> int:
        """Stop it in good order; return its status."""
        with self._busy():
            self.resume()
            status = self.process.stop()
            self._end()
        return status

    @contextmanager
    def _busy(self) -> Iterator[None]:
        self._is_busy = True
        try:
            yield
        finally:
            self._is_busy = False

    def pause(self) -> None:
        self._is_paused = True
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self.process.send_signal(signal.SIGCONT)

    def jump(self, seconds: float) -> None:
        """Set the clock of the day forward, or back."""
        ahead, slept = self._clock.ahead
        self._clock.set(ahead + seconds, slept)

    def sleep(self, seconds: float) -> None:
        """Let the clock that leases are judged by go on, as if the machine had slept."""
        ahead, slept = self._clock.ahead
        self._clock.set(ahead, slept + seconds)

    def close(self) -> None:
        """End everything."""
        if self._process is not None:
            self.resume()
            self._end()
        self.proxy.close()
        self._clock.close()

    def _end(self) -> None:
        log = self.process.log
        self.logs.append(log)
        for line in log.splitlines():
            if _FAULT.search(line):
                self.complaints.append(f"the log of {self.name} says: {line}")
        if "Traceback" in log:
            self.complaints.append(log[log.index("Traceback") :][:3000])
        self.process.end()
        self._process = None
