"""Choose the troubles of a run and their moments, by a seed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from random import Random
from typing import NamedTuple

from tests.cutting.proxy import Cut, Manner
from tests.cutting.slow_disk_server import FAILS, STANDS_STILL


class Trouble(str, Enum):
    """List the kinds of trouble; a run counts them."""

    LINK = "links cut"
    CLIENT = "clients killed"
    SERVER = "servers killed"
    DISK = "times a slow disk"


class Weights(NamedTuple):
    """Tell how often each kind of trouble comes, relative to the others."""

    link: float = 70
    client: float = 17
    server: float = 5
    disk: float = 8


USUAL = Weights()
# Of the cuts of a link. Late frames are what exactly-once has to mind most.
MANNERS = {Manner.CLOSE: 3, Manner.RESET: 2, Manner.HELD: 2, Manner.LATE: 4}


class Schedule:
    """Choices of one run, by ``rng``; ``pause`` is the mean time between two troubles in seconds."""

    def __init__(
        self, rng: Random, weights: Weights, manners: Mapping[Manner, float], pause: float
    ) -> None:
        self._rng = rng
        self._manners = manners
        self._weights = weights
        self._mean = pause

    def trouble(self) -> Trouble:
        return self._rng.choices(list(Trouble), self._weights)[0]

    def pause(self) -> float:
        return self._rng.expovariate(1 / self._mean)

    def choose(self, count: int) -> int:
        """Choose one of ``count`` clients."""
        return self._rng.randrange(count)

    def choose_screen(self, count: int) -> int | None:
        """Choose one of ``count`` screens; None: another client is to die."""
        return self._rng.randrange(count) if count and self._rng.random() < 0.3 else None

    def cut(self) -> Cut:
        """Choose how a link is cut: at which byte, in which directions."""
        manner = self._rng.choices(list(self._manners), list(self._manners.values()))[0]
        up, down = self._rng.choice(((True, False), (False, True), (True, True)))
        after = self._rng.choice((0, self._rng.randrange(40), self._rng.randrange(3000)))
        # Late frames count only if they come when the client is back.
        shortest = 0.3 if manner is Manner.LATE else 0.02
        return Cut(manner, after, up, down, shortest + self._rng.uniform(0, 0.5))

    def client_dies_at(self) -> int | None:
        """Choose the step at which a client dies; None: now."""
        return self._rng.choice((None, *range(8)))

    def client_dies_at_an_answer(self) -> bool:
        """Choose whether the steps count from the next answer to the client, and not from now."""
        return self._rng.random() < 0.5

    def dead_for(self) -> float:
        """Choose how many seconds a program is gone."""
        return self._rng.choice((0.0, self._rng.uniform(0, 0.3)))

    def crashes_again(self) -> bool:
        """Choose whether the server crashes a second time, right after its start."""
        return self._rng.random() < 0.25

    def lags_before_crash(self) -> bool:
        """Choose whether the disk lags behind what was said when the server crashes."""
        return self._rng.random() < 0.5

    def disk(self) -> tuple[str, float]:
        """Choose how slow the disk is, and for how many seconds."""
        word = self._rng.choice(("0.02", "0.2", "1", STANDS_STILL, FAILS))
        return word, 6.0 if word == STANDS_STILL else self._rng.uniform(0.1, 1.5)
