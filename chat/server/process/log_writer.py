"""Write the log from a thread, so that the server never waits for the reader of its log.

A terminal under Ctrl-S or a full pipe blocks ``write(2)`` for as long as nobody reads. The descriptor cannot be made
non-blocking instead, because other processes share it.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

# Bytes that wait for the reader. Further lines are dropped and counted.
MAX_QUEUED = 4 * 1024**2
_WRITE_SIZE = 64 * 1024

NOT_READ = "the log was not read fast enough"

# Makes the line that marks a gap, from the number of missing lines and the reason.
DescribeGap = Callable[[int, str], str]


class LogWriter:
    """Write text to ``descriptor`` in the order of the calls, from a daemon thread.

    Once a text does not fit into ``max_queued`` bytes, all texts are dropped until the queue is empty. Then one line
    says how many lines are missing, at the place of the gap.
    """

    def __init__(
        self, descriptor: int, describe_gap: DescribeGap, max_queued: int = MAX_QUEUED
    ) -> None:
        self._descriptor = descriptor
        self._describe_gap = describe_gap
        self._max_queued = max_queued
        # The lock of a Condition is reentrant: a finalizer may log while its own thread holds the lock.
        self._changed = threading.Condition()
        self._queue: deque[bytes] = deque()
        self._size = 0  # bytes in the queue and on their way to the descriptor
        self._dropped = 0  # lines, since the queue was full
        self._is_closed = False
        # Used only by the thread: lines that could not be written, why, and whether the last line was written in part.
        self._failed = 0
        self._failure = ""
        self._is_torn = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Queue whole lines, from any thread. Never wait for the descriptor."""
        data = text.encode("utf-8", "backslashreplace")
        with self._changed:
            if self._is_closed:
                return
            if self._dropped or self._size + len(data) > self._max_queued:
                self._dropped += data.count(b"\n")
                return
            self._queue.append(data)
            self._size += len(data)
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until all is written, for at most ``timeout`` seconds; return whether it is."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while self._size or self._dropped:
                left = deadline - time.monotonic()
                if left <= 0 or self._is_closed:
                    return False
                self._changed.wait(left)
        return True

    def close(self, timeout: float) -> bool:
        """Flush for at most ``timeout`` seconds and take nothing more; return whether all is written.

        A thread that is stuck in a write is left behind: it is a daemon, so the process can exit.
        """
        is_written = self.flush(timeout)
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if is_written:
            self._thread.join(timeout)
        return is_written

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._is_closed:
                    self._changed.wait()
                if self._is_closed:
                    return
                batch = self._pop()
            self._write_batch(batch)
            with self._changed:
                self._size -= len(batch)
                if self._dropped and not self._queue:
                    notice = self._describe_gap(self._dropped, NOT_READ).encode()
                    self._dropped = 0
                    self._queue.append(notice)
                    self._size += len(notice)
                self._changed.notify_all()

    def _pop(self) -> bytes:
        taken = [self._queue.popleft()]
        size = len(taken[0])
        while self._queue and size + len(self._queue[0]) <= _WRITE_SIZE:
            size += len(self._queue[0])
            taken.append(self._queue.popleft())
        return b"".join(taken)

    def _write_batch(self, batch: bytes) -> None:
        data = memoryview(batch)
        if self._failed:
            gap = self._describe_gap(self._failed, f"it could not be written ({self._failure})")
            data = memoryview((b"\n" if self._is_torn else b"") + gap.encode() + batch)
        try:
            while data:
                try:
                    written = os.write(self._descriptor, data)
                except BlockingIOError:  # another process made the descriptor non-blocking
                    _wait_until_writable(self._descriptor)
                    continue
                self._is_torn = data[written - 1] != ord("\n")
                data = data[written:]
        except OSError as problem:  # a full disk, or a pipe without a reader
            if len(data) <= len(batch):  # the line about the gap before was written
                self._failed = 0
            self._failed += bytes(data[-len(batch) :]).count(b"\n")
            self._failure = problem.strerror or str(problem)
        else:
            self._failed = 0


def _wait_until_writable(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()
