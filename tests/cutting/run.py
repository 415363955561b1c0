"""One run: a server, clients that talk, trouble, and in the end the evidence and the judgement."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random

import gevent

from tests.cutting.checker import faults
from tests.cutting.evidence import Evidence, Fate, HoleShown
from tests.cutting.guards import Guard
from tests.cutting.proxy import Manner
from tests.cutting.schedule import MANNERS, USUAL, Schedule, Trouble, Weights
from tests.cutting.stage import LOOK, NO_LIBRARY, Stage

_RETURN = 1.0  # seconds in which some client that was cut off is back
_LAG = 0.4  # seconds for which the disk lags behind


class CuttingRun:
    """``pause`` is the mean time between two lines of a client, ``trouble_pause`` between two troubles, in seconds."""

    def __init__(
        self,
        directory: Path,
        *,
        cuts: int,
        seed: int,
        durable: bool = False,
        pause: float = 0.1,
        trouble_pause: float = 0.08,
        weights: Weights = USUAL,
        manners: Mapping[Manner, float] = MANNERS,
        library: Mapping[str, str] = NO_LIBRARY,
        screens: Sequence[str] = (),
        rooms: int = 0,
        without: Guard | None = None,
        two_servers: bool = False,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._cuts = cuts
        rng = Random(seed)
        self._schedule = Schedule(Random(rng.random()), weights, manners, trouble_pause)
        self._stage = Stage(
            directory,
            rng,
            library=library,
            durable=durable,
            screens=screens,
            rooms=rooms,
            pause=pause,
            without=without,
            two_servers=two_servers,
        )
        self._server = self._stage.server

    def run(self, told: Callable[[str], object]) -> list[str]:
        """Run, and return what is wrong; ``told`` is called with lines on the progress."""
        began = time.monotonic()
        try:
            self._stage.begin()
            self._cause_trouble(told)
            evidence, problems = self._stage.finish()
        finally:
            self._stage.close()
        self._count(evidence)
        told(f"{', '.join(f'{count:,} {what}' for what, count in self.counts.items())}")
        told(f"{time.monotonic() - began:.0f} s")
        return [*problems, *faults(evidence)]

    # Trouble

    def _cause_trouble(self, told: Callable[[str], object]) -> None:
        deeds = {
            Trouble.LINK: self._cut_link,
            Trouble.CLIENT: self._kill_client,
            Trouble.SERVER: self._kill_server,
            Trouble.DISK: self._slow_disk,
        }
        for number in range(1, self._cuts + 1):
            gevent.sleep(self._schedule.pause())
            self._stage.revive()
            trouble = self._schedule.trouble()
            deeds[trouble]()
            self.counts[trouble.value] += 1
            if number % 100 == 0:
                told(f"{number} of {self._cuts}")

    def _cut_link(self) -> None:
        proxies = self._stage.proxies
        cut, first = self._schedule.cut(), self._schedule.choose(len(proxies))
        deadline = time.monotonic() + _RETURN
        while time.monotonic() < deadline:
            # Rather the next client than none: one that comes back has no link for a moment.
            for proxy in (*proxies[first:], *proxies[:first]):
                if proxy.link is not None and proxy.link.cut(cut):
                    self.counts[f"links {cut.manner.value}"] += 1
                    return
            gevent.sleep(LOOK)

    def _kill_client(self) -> None:
        screens = self._stage.screens
        number = self._schedule.choose_screen(len(screens))
        if number is not None:
            screens[number].kill()
            screens[number].start()
            self.counts["screens killed"] += 1
            return
        peer = self._stage.peers[self._schedule.choose(len(self._stage.peers))]
        step = self._schedule.client_dies_at()
        if step is not None:
            peer.kill_at(step, at_answer=self._schedule.client_dies_at_an_answer())
        else:
            peer.kill()
            gevent.sleep(self._schedule.dead_for())

    def _kill_server(self) -> None:
        if self._schedule.lags_before_crash():
            self._server.slow_down("2")
            gevent.sleep(_LAG)
        self._server.kill()
        self._server.slow_down("")
        gevent.sleep(self._schedule.dead_for())
        self._server.start()
        if self._schedule.crashes_again():
            self.counts["second crashes"] += 1
            self._server.kill()
            self._server.start()

    def _slow_disk(self) -> None:
        word, seconds = self._schedule.disk()
        self._server.slow_down(word)
        gevent.spawn_later(seconds, self._server.slow_down, "")

    def _count(self, evidence: Evidence) -> None:
        stored = [*evidence.all_rooms.values(), *evidence.mailboxes.values()]
        self.counts["messages in history"] = sum(len(each.messages) for each in stored)
        of_rooms = sum(len(each.messages) for each in evidence.rooms.values())
        self.counts["of them in rooms"] = of_rooms
        for deed, count in self._stage.host.counts.items():
            self.counts[f"rooms: {deed}"] = count
        self.counts["holes in history"] = sum(len(each.lost) for each in stored)
        for fate in Fate:
            self.counts[f"lines {fate.value}"] = 0
        for observed in evidence.observed:
            self.counts["sessions replaced"] += observed.replaced
            for line in observed.lines.values():
                self.counts[f"lines {line.fate.value}"] += 1
                self.counts["lines said again"] += len(line.sessions) > 1
            for life in observed.lives:
                self.counts["holes shown"] += sum(isinstance(event, HoleShown) for event in life)
        kept = {message.body for each in stored for message in each.messages}
        self.counts["answered lines lost"] = sum(
            line.fate is Fate.ANSWERED
            and line.body not in kept
            and line.log not in observed.changing
            for observed in evidence.observed
            for line in observed.lines.values()
        )
