"""Run what is measured in a process of its own, and read its costs from the kernel."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, TypeVar

from benchmarks.cores import beside_the_load
from benchmarks.plan import BenchmarkError

CHECKOUT = Path(__file__).resolve().parent.parent
_START_TIMEOUT = 10.0
_CPUCLOCK_SCHED = (
    2  # linux/posix-timers.h: the exact run time, where /proc/PID/stat has ticks of 10 ms
)


N = TypeVar("N", int, float)


class Costs(Protocol):
    """A process, or several, with a cost in CPU time."""

    def cpu(self) -> float:
        """Return the seconds of CPU time so far."""


class ProcessTree:
    """Hold a running process and all its descendants."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def cpu(self) -> float:
        """Return the seconds of CPU time so far, user and system."""
        return self._sum(cpu_of)

    def memory(self) -> int:
        """Return the resident bytes."""
        return self._sum(lambda pid: _status(pid, "VmRSS"))

    def peak_memory(self) -> int:
        """Return the most resident bytes since ``forget_peak``."""
        return self._sum(lambda pid: _status(pid, "VmHWM"))

    def forget_peak(self) -> None:
        """Count the peak from now on (proc(5), clear_refs)."""
        for pid in self._processes():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def end(self) -> None:
        """Kill the process: it has nothing to save."""
        self._process.kill()
        self._process.wait()

    def _sum(self, measure: Callable[[int], N]) -> N:
        """Sum over the process and all its descendants; a descendant that ends meanwhile counts as 0."""
        total = measure(self.pid)
        for pid in descendants(self.pid):
            with suppress(OSError):
                total += measure(pid)
        return total

    def _processes(self) -> Iterator[int]:
        yield self.pid
        yield from descendants(self.pid)


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes that ``pid`` and its descendants have started."""
    waiting = [pid]
    while waiting:
        pid = waiting.pop()
        with suppress(OSError):  # it has ended
            for each in Path(f"/proc/{pid}/task").glob("*/children"):  # those of each thread
                children = each.read_text().split()
                waiting += map(int, children)
                yield from map(int, children)


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU time of a process so far, user and system. Raises OSError if it has ended."""
    return time.clock_gettime(_cpu_clock(pid))


class ServerProcess(ProcessTree):
    """Hold a running server that listens on ``address``."""

    def __init__(
        self, command: Sequence[str], address: tuple[str, int], directory: Path, source: Path
    ) -> None:
        self.address = address
        self._log = directory / "log"
        with self._log.open("wb") as log, beside_the_load():
            super().__init__(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=directory,
                    env=python_environment(source),
                )
            )

    def wait_until_it_listens(self) -> None:
        """Wait until it listens. Raises BenchmarkError if it ends instead, or takes too long."""
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            try:
                socket.create_connection(self.address, timeout=1.0).close()
            except OSError:
                if self.has_ended() or time.monotonic() > deadline:
                    raise BenchmarkError(f"it did not start: {self.last_words()}") from None
                time.sleep(0.01)
            else:
                return

    def last_words(self) -> str:
        """Return the end of its log."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


@contextmanager
def running(
    command: Sequence[str], port: int, directory: Path, source: Path = CHECKOUT
) -> Iterator[ServerProcess]:
    """Run a server until the block ends; a server in Python finds our packages in ``source``.

    Raises BenchmarkError if the server does not start.
    """
    server = ServerProcess(command, ("127.0.0.1", port), directory, source)
    try:
        server.wait_until_it_listens()
        yield server
    finally:
        server.end()


def python_environment(source: Path) -> dict[str, str]:
    """Return an environment in which Python finds the packages in ``source`` before installed ones."""
    return {**os.environ, "PYTHONPATH": str(source)}


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Meter:
    """Measure from its making on, in seconds: time, and CPU time of the measured program and of this process."""

    def __init__(self, measured: Costs) -> None:
        self._measured = measured
        self._began = time.monotonic()
        self._cpu_began = measured.cpu()
        self._own_began = time.process_time()

    def elapsed(self) -> float:
        return time.monotonic() - self._began

    def used(self) -> float:
        return self._measured.cpu() - self._cpu_began

    def own_used(self) -> float:
        return time.process_time() - self._own_began


def _cpu_clock(pid: int) -> int:
    """Return the clock that counts the CPU time of ``pid``, all threads (clock_getcpuclockid(3))."""
    return (~pid << 3) | _CPUCLOCK_SCHED


def _status(pid: int, field: str) -> int:
    """Return bytes from a field of /proc/PID/status in kB; a process that has ended has none."""
    text = Path(f"/proc/{pid}/status").read_text()
    match = re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)
    return int(match[1]) * 1024 if match is not None else 0
