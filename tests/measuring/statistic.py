"""Tell whether two samples of times differ: the Mann-Whitney test, and medians.

It asks how often a time of the one is above a time of the other (ties count half). Where nothing tells the two apart
that is a half of all pairs, whatever the times look like: no assumption is made on their distribution, and a few very
slow ones weigh nothing.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from statistics import NormalDist, median
from typing import NamedTuple

LEVEL = 0.01  # of what is called distinguishable: so often it is said of what is the same


class Comparison(NamedTuple):
    """``share`` of the pairs in which the first is above the second, with the ends of its 95 % interval.

    ``p``: how often a share at least as far from a half comes about where there is no difference. Medians in seconds.
    """

    share: float
    low: float
    high: float
    p: float
    medians: tuple[float, float]

    @property
    def is_distinguishable(self) -> bool:
        return self.p < LEVEL


def compare(first: Sequence[float], second: Sequence[float]) -> Comparison:
    """Neither may be empty. The normal approximation: for some dozens of each, or more."""
    n, m = len(first), len(second)
    ordered = sorted(second)
    above = sum((bisect_left(ordered, x) + bisect_right(ordered, x)) / 2 for x in first)
    share = above / (n * m)
    total = n + m
    ties = sum(count**3 - count for count in Counter([*first, *second]).values())
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    deviation = math.sqrt(variance) / (n * m)
    z = (share - 0.5) / deviation if deviation else 0.0
    margin = NormalDist().inv_cdf(0.975) * deviation
    p = 2 * (1 - NormalDist().cdf(abs(z)))
    return Comparison(share, share - margin, share + margin, p, (median(first), median(second)))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of ``values`` that so large a ``share`` of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
