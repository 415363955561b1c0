"""Hold the lease of one server, and judge whether it still holds.

A lease is judged by a clock that runs on while the process is stopped and while the machine sleeps, and that nobody
sets. It counts from before the renewal was sent. So a server never believes in its lease for longer than the engine.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from chat.server.cluster.engine_line import EngineLine, EngineVerdict, Redialing, WriterId
from chat.server.cluster.log_entry import EntryId
from chat.server.cluster.redis_connection import EngineAway
from chat.server.cluster.replication_limits import ReplicationLimits
from chat.server.cluster.standing import Standing, StandingBoard

log = logging.getLogger("chat.server")

PART = "lease"
LOST = "the log in the engine is another one than this server has applied"
TRIMMED = "entries that this server has not applied are no longer in the engine"
RAN_OUT = "the lease of this server has run out"


def boot_time() -> float:
    """Return seconds since the machine started, also those in which it slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class LeaseRefused(Exception):
    """Report that a server cannot begin to follow the log. ``standing`` says why, the text is a line."""

    def __init__(self, standing: Standing, reason: str) -> None:
        super().__init__(reason)
        self.standing = standing

    @property
    def is_final(self) -> bool:
        """Whether a later try fails as well."""
        return self.standing is not Standing.OVER


class Lease:
    """The lease of ``writer``. ``applied`` returns the last applied entry; ``on_head`` gets n of the log's last one."""

    def __init__(
        self,
        redialing: Redialing,
        writer: WriterId,
        board: StandingBoard,
        limits: ReplicationLimits,
        *,
        applied: Callable[[], EntryId],
        on_head: Callable[[int], object],
        clock: Callable[[], float] = boot_time,
    ) -> None:
        self._redialing = redialing
        self._writer = writer
        self._board = board
        self._limits = limits
        self._applied = applied
        self._on_head = on_head
        self._clock = clock
        self._end = 0.0
        self._next_trim = 0.0

    @property
    def is_held(self) -> bool:
        """Return whether no other server can have fenced this one."""
        return self._clock() < self._end

    def check(self) -> bool:
        """Return whether the lease is held, and leave the log if it is not."""
        if not self.is_held:
            self._board.end(Standing.OVER, RAN_OUT)
        return not self._board.has_ended

    def take(self) -> None:
        """Take the lease. Raises EngineAway or LeaseRefused."""
        sent = self._clock()
        with self._redialing.line() as line:
            answer = line.take_lease(self._writer, self._limits.lease, self._applied())
        if answer.verdict is EngineVerdict.HELD:
            raise LeaseRefused(
                Standing.OVER,
                f"another server is running under the name {self._writer.name!r}; "
                f"if it has died, its lease ends in {answer.value / 1000:.0f} s",
            )
        if answer.verdict is not EngineVerdict.OK:
            standing, reason = _ENDS[answer.verdict]
            raise LeaseRefused(standing, reason)
        self._end = sent + self._limits.lease
        self._on_head(answer.value)

    def run(self) -> None:
        """Renew the lease until the log ends."""
        # Checked here too: the timer of ``watch`` stands still while the machine sleeps.
        while self.check():
            self._board.ended.wait(
                self._limits.renewal
                if self._renew()
                else min(self._limits.retry, self._limits.renewal)
            )

    def watch(self) -> None:
        """Leave the log when the lease runs out, also while a renewal waits for its answer."""
        while self.check():
            self._board.ended.wait(max(0.001, self._end - self._clock()))

    def release(self) -> None:
        """End the lease at once, if the engine can be reached."""
        try:
            with self._redialing.line() as line:
                line.release_lease(self._writer)
        except EngineAway as away:
            log.warning("the lease stays until it runs out: %s", away)

    def _renew(self) -> bool:
        """Renew the lease once; return whether that worked."""
        sent = self._clock()
        try:
            with self._redialing.line() as line:
                answer = line.renew_lease(self._writer, self._limits.lease, self._applied())
                if answer.verdict is EngineVerdict.OK:
                    self._end = sent + self._limits.lease
                    self._trim_if_due(line, sent)
        except EngineAway as away:
            self._board.trouble(PART, str(away))
            return False
        if answer.verdict is not EngineVerdict.OK:
            end_by(self._board, answer.verdict)
            return False
        self._on_head(answer.value)
        self._board.well(PART)
        return True

    def _trim_if_due(self, line: EngineLine, now: float) -> None:
        if now >= self._next_trim:
            line.trim(self._writer, self._limits.keep)
            self._next_trim = now + self._limits.trim


def end_by(board: StandingBoard, verdict: EngineVerdict) -> None:
    """Leave the log because the engine gave ``verdict``: OVER, CUT or BEHIND."""
    board.end(*_ENDS[verdict])


_ENDS = {
    EngineVerdict.OVER: (Standing.OVER, RAN_OUT),
    EngineVerdict.CUT: (Standing.CUT, LOST),
    EngineVerdict.BEHIND: (Standing.BEHIND, TRIMMED),
}
