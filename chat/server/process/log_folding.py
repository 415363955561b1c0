"""Fold log lines, so that clients cannot fill the log: repeated and very frequent events become counts."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable

import gevent

from chat.server.limits.limits import TokenBucket
from chat.server.settings import Rate

log = logging.getLogger("chat.server")

WINDOW = 60.0  # seconds; within them a repeated event of the same subject is only counted
MAX_SUBJECTS = 50  # different subjects in a window; further subjects are counted together

# Lines for all events that clients can cause. Together with COUNT_LINES, there are at most 100 lines in any second.
LINES = Rate(per_second=35, burst=35)
COUNT_LINES = Rate(per_second=10, burst=20)  # lines with counts, after the end of a window
TRACEBACK_LINES = 25  # a bug in the server, with its traceback, counts as so many lines
# Seconds between the first event that is only counted and the line with the counts.
TELL_AFTER = 1.0


class FoldingLog:
    """Log the events that clients can cause, within a bounded number of lines.

    Of refusals and problems, the first one of each kind and subject is logged at once. The number of repetitions is
    logged at the end of the window. Of other events (a user joined or left), each one is logged. ``LINES`` limits both
    together. Events beyond the limit are counted, and the counts are logged ``TELL_AFTER`` seconds later.

    ``call_later(seconds, function)`` calls a function later.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        call_later: Callable[[float, Callable[[], None]], object] = gevent.spawn_later,
    ) -> None:
        self._clock = clock
        self._call_later = call_later
        self._lines = TokenBucket(LINES, clock)
        self._count_lines = TokenBucket(COUNT_LINES, clock)
        self._counts: dict[tuple[int, str, str], int] = {}
        self._window_end = 0.0
        # Counts of past windows that are not logged yet. When the deque is full, the oldest counts are dropped.
        self._overdue: deque[tuple[int, str, str, int]] = deque(maxlen=4 * MAX_SUBJECTS)
        self._unwritten: Counter[str] = Counter()  # events that are only counted, by what happened
        self._first_unwritten = 0.0  # when the first of these happened

    def refused(self, address: str, reason: str) -> None:
        """Log that the server refused ``address``. ``reason`` is a phrase without anything that the peer sent."""
        self.log_event_of(f"refused {address}", reason, crowd="refused other addresses")

    def log_event_of(
        self, subject: str, what: str, level: int = logging.INFO, crowd: str = "others"
    ) -> None:
        """Log that ``what`` happened to ``subject``, or count a repetition.

        Subjects beyond ``MAX_SUBJECTS`` are logged under the common name ``crowd``.
        """
        self.flush_if_due()
        key = (level, subject, what)
        if key not in self._counts and len(self._counts) >= MAX_SUBJECTS:
            key = (level, crowd, what)
        if key in self._counts:
            self._counts[key] += 1
        elif _consume_lines(self._lines):
            self._counts[key] = 0
            log.log(level, "%s: %s", *key[1:])
        else:
            self._counts[key] = (
                1  # no line is left: logged with the other counts at the end of the window
            )

    def log_event(self, what: str, line: str, *values: object, level: int = logging.INFO) -> None:
        """Log ``line`` with ``values``, or count one more of ``what``, such as "joined"."""
        if _consume_lines(self._lines):
            log.log(level, line, *values)
        else:
            self._count(what)

    def failed(self, problem: Exception, line: str, *values: object) -> None:
        """Log ``line`` with the traceback of ``problem``, a bug in the server, or count it if no lines are left."""
        if _consume_lines(self._lines, TRACEBACK_LINES):
            log.error(line, *values, exc_info=problem)
        else:
            self._count("failed")

    def flush_if_due(self) -> None:
        """Log the counts of past windows, as many as the limit allows. Later calls log the rest."""
        if self._clock() >= self._window_end:
            counts, self._counts = self._counts, {}
            self._window_end = self._clock() + WINDOW
            self._overdue.extend((*key, count) for key, count in counts.items() if count)
        while self._overdue and _consume_lines(self._count_lines):
            level, subject, what, count = self._overdue.popleft()
            log.log(level, "%s %d more times: %s", subject, count, what)

    def log_counts(self) -> None:
        """Log in one line how many events were only counted, and in how many seconds."""
        if not self._unwritten:
            return
        unwritten, self._unwritten = self._unwritten, Counter()
        seconds = self._clock() - self._first_unwritten
        counts = ", ".join(f"{count:,} more {what}" for what, count in sorted(unwritten.items()))
        log.info("%s in the last %.0f s", counts, max(1.0, seconds))

    def _count(self, what: str) -> None:
        if not self._unwritten:
            self._first_unwritten = self._clock()
            self._call_later(TELL_AFTER, self.log_counts)
        self._unwritten[what] += 1


def _consume_lines(lines: TokenBucket, amount: int = 1) -> bool:
    """Take ``amount`` lines from the bucket, if it has as many; return whether it had."""
    if lines.available() < amount:
        return False
    lines.consume(amount)
    return True
