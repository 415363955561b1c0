"""A run: servers and clients are started, trouble is caused, all come to rest, and the checker judges."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from random import Random

import gevent

from tests.cluster.checker import faults
from tests.cluster.figures import figures_of
from tests.cluster.recording import Recording
from tests.cluster.stage import Stage
from tests.cluster.trouble import Trouble

log = logging.getLogger(__name__)

_REMOVAL = 15.0  # seconds between two removals of a room by the operator, on average


class ClusterRun:
    """``seconds`` is how long there is trouble; ``longest`` is the longest time that something is broken.

    With a ``script``, that causes the trouble, and nothing happens at random.
    """

    def __init__(
        self,
        stage: Stage,
        *,
        rng: Random,
        seconds: float = 0.0,
        longest: float = 0.0,
        script: Callable[[], object] | None = None,
    ) -> None:
        self.recording: Recording = stage.recording
        self.counts: Counter[str] = Counter()
        self.troubles: list[str] = []
        self._stage = stage
        self._seconds = seconds
        self._rng = rng
        self._longest = longest
        self._script = script

    def run(self, told: Callable[[str], object]) -> list[str]:
        """Run, and return what is wrong; ``told`` is called with lines on the progress."""
        began = time.monotonic()
        stage = self._stage
        trouble: Trouble | None = None
        try:
            stage.begin()
            told(f"{len(stage.actors)} clients at {len(stage.servers)} servers")
            trouble = self._make_trouble()
            self._cause(trouble)
            told(f"trouble is over after {time.monotonic() - began:.0f} s")
            stage.settle()
            stage.gather()
        except Exception as problem:
            # What was recorded so far may tell the cause.
            self.recording.complaints.append(f"the run broke off: {problem!r}")
            log.exception("the run broke off")
        finally:
            stage.close()
        self.recording.complaints += stage.complaints
        if trouble is not None:
            self.recording.complaints += trouble.problems
            self.troubles = trouble.told
            self.counts.update({kind.value: count for kind, count in trouble.counts.items()})
        found = faults(self.recording)
        told("trouble: " + (", ".join(f"{n} {what}" for what, n in self.counts.items()) or "none"))
        for line in figures_of(self.recording):
            told(line)
        told(
            f"servers that ended by themselves, and were started again: {stage.ended_by_themselves}"
        )
        told(f"rooms removed: {stage.rooms_removed}; {time.monotonic() - began:.0f} s in all")
        return found

    def _make_trouble(self) -> Trouble:
        return Trouble(
            list(self._stage.servers.values()),
            self._stage.actors,
            Random(self._rng.random()),
            weights=self._stage.weights,
            longest=self._longest,
            sets_clock_back=self._stage.sets_clock_back,
            server_deeds=self._stage.server_deeds,
            engine_deeds=self._stage.engine_deeds,
        )

    def _cause(self, trouble: Trouble) -> None:
        if self._script is not None:
            self._script()
            return
        removing = gevent.spawn(self._remove_rooms)
        trouble.run(self._seconds)
        removing.kill()

    def _remove_rooms(self) -> None:
        while True:
            gevent.sleep(self._rng.expovariate(1 / _REMOVAL))
            self._stage.remove_room()
