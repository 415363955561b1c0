"""One server of ``benchmarks.cluster_log``: ``cluster_server URL NAME RATE SECONDS SIZE``.

Writes a line when it follows the log, waits for a line, appends, writes a line when all of it was read back, waits for
a line, and writes its results as JSON. A rate of 0 appends as fast as possible, and one below 0 only reads.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque

import gevent
from gevent.fileobject import FileObjectThread

from benchmarks.cluster_log import EPOCH
from chat.net.engine_url import parse_engine_url
from chat.process.fairness import yield_to_loop
from chat.server.cluster.log_entry import LogEntry
from chat.server.cluster.replicated_log import ReplicatedLog
from chat.server.cluster.standing import Standing

ON_THE_WAY = 4 << 20  # bytes
_QUIET = 0.3  # seconds without an entry, after which nothing more comes


class MeasuredServer:
    """A server that appends, and measures what it reads."""

    def __init__(self, url: str, name: str, size: int) -> None:
        self.applied = self.entries = 0
        self.begun = self.last = time.perf_counter()
        self.times: list[float] = []
        self._record = b"x" * size
        self._sent: deque[float] = deque()
        self.log = ReplicatedLog(
            parse_engine_url(url), name, EPOCH, apply=self._apply, tell=self._tell
        )

    def append(self) -> None:
        self._sent.append(time.perf_counter())
        self.log.append(self._record)

    def append_at(self, rate: float, seconds: float) -> None:
        """Append ``rate`` records a second."""
        begin = time.perf_counter()
        for number in range(int(rate * seconds)):
            early = begin + number / rate - time.perf_counter()
            if early > 0:
                gevent.sleep(early)
            self.append()

    def flood(self, seconds: float) -> None:
        """Append whatever the log takes."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for _ in range(64):
                if self.log.waiting[1] < ON_THE_WAY:
                    self.append()
            yield_to_loop()

    def forget(self) -> None:
        """Measure from now on."""
        self.applied = self.entries = 0
        self.begun = self.last = time.perf_counter()

    def _apply(self, entry: LogEntry) -> None:
        now = time.perf_counter()
        if entry.is_fence:
            return
        self.last = now
        self.entries += 1
        self.applied += len(entry.records)
        if entry.id.writer == self.log.incarnation:
            for _ in entry.records:
                self.times.append(now - self._sent.popleft())

    def _tell(self, standing: Standing, reason: str) -> None:
        if reason:
            print(standing.value, reason, file=sys.stderr)


def main() -> None:
    url, name, rate, seconds, size = sys.argv[1:]
    server = MeasuredServer(url, name, int(size))
    server.log.start()
    while server.log.standing is not Standing.FOLLOWING:
        gevent.sleep(0.01)
    print("ready", flush=True)
    orders = FileObjectThread(sys.stdin.fileno())
    orders.readline()
    server.forget()
    cpu = time.process_time()
    if float(rate) > 0:
        server.append_at(float(rate), float(seconds))
    elif float(rate) == 0:
        server.flood(float(seconds))
    while server.log.waiting[0]:
        gevent.sleep(0.01)
    print("done", flush=True)
    orders.readline()
    while time.perf_counter() - server.last < _QUIET:
        gevent.sleep(0.05)
    result = {
        "applied": server.applied,
        "entries": server.entries,
        "seconds": server.last - server.begun,
        "cpu": time.process_time() - cpu,
    }
    if server.times:
        times = sorted(server.times)
        result["p50"] = times[len(times) // 2] * 1000
        result["p99"] = times[len(times) * 99 // 100] * 1000
    print(json.dumps(result), flush=True)
    server.log.close(1.0)


if __name__ == "__main__":
    main()
