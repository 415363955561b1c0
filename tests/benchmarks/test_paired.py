"""The ratio of paired rounds and its interval."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.paired import FEWEST, ratio_interval

positive = st.floats(1e-6, 1e6)
pairs = st.lists(st.tuples(positive, positive), min_size=FEWEST, max_size=20)

NOISES: dict[str, Callable[[random.Random], float]] = {
    "normal": lambda chance: chance.gauss(0, 0.1),
    "uniform": lambda chance: chance.uniform(-0.2, 0.2),
    "a round in five is a wild one": lambda chance: (
        chance.gauss(0, 0.02) * (50 if chance.random() < 0.2 else 1)
    ),
    "of no variance": lambda chance: chance.gauss(0, 0.02) / math.sqrt(chance.expovariate(1)),
}


def test_a_published_example() -> None:
    # Depression scores of nine patients before and after: Hollander and Wolfe, examples 3.1, 3.3 and 3.4.
    before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]

    found = ratio_interval([math.exp(x) for x in after], [math.exp(x) for x in before])

    assert found is not None
    logs = [math.log(limit) for limit in found]
    assert logs == pytest.approx([-0.786, -0.46, -0.010], abs=0.0005)


@pytest.mark.parametrize(
    ("rounds", "outside"), [(6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (12, 13), (15, 25), (20, 52)]
)
def test_the_limits_are_those_of_published_tables(rounds: int, outside: int) -> None:
    # Wilcoxon's table of the signed-rank statistic, two-sided, 5 %. Powers of two have Walsh averages without ties.
    logs = [2.0**number / 2**rounds for number in range(rounds)]
    walsh = sorted((a + b) / 2 for i, a in enumerate(logs) for b in logs[i:])

    found = ratio_interval([math.exp(x) for x in logs], [1.0] * rounds)

    assert found is not None
    assert math.log(found.low) == pytest.approx(walsh[outside])
    assert math.log(found.high) == pytest.approx(walsh[-1 - outside])


@pytest.mark.parametrize("rounds", [FEWEST, 9])
@pytest.mark.parametrize("noise", NOISES)
def test_the_interval_holds_as_often_as_it_says(rounds: int, noise: str) -> None:
    ratio = 1.1
    chance = random.Random(f"{rounds} {noise}")
    trials = 1000
    held = 0
    for _ in range(trials):
        # Each round has a speed of its own, which both share.
        speeds = [math.exp(chance.uniform(0, 2)) for _ in range(rounds)]
        ours = [ratio * speed * math.exp(NOISES[noise](chance)) for speed in speeds]
        theirs = [speed * math.exp(NOISES[noise](chance)) for speed in speeds]
        found = ratio_interval(ours, theirs)
        assert found is not None
        held += found.low <= ratio <= found.high

    # At least 95 %, and no wider than it need be: the exact share is from 95 to 97 %, the error of 1,000 trials 0.7 %.
    assert 0.935 < held / trials < 0.985


def test_a_difference_is_seen_through_the_noise_of_rounds() -> None:
    chance = random.Random(1)
    speeds = [math.exp(chance.uniform(0, 2)) for _ in range(9)]
    ours = [1.05 * speed * math.exp(chance.gauss(0, 0.01)) for speed in speeds]
    theirs = [speed * math.exp(chance.gauss(0, 0.01)) for speed in speeds]

    found = ratio_interval(ours, theirs)

    assert found is not None
    assert 1.03 < found.low < 1.05 < found.high < 1.08


@given(pairs)
def test_swapping_the_two_inverts_the_ratio(values: list[tuple[float, float]]) -> None:
    ours, theirs = zip(*values, strict=True)

    found, swapped = ratio_interval(ours, theirs), ratio_interval(theirs, ours)

    assert found is not None
    assert swapped is not None
    assert swapped == pytest.approx([1 / found.high, 1 / found.middle, 1 / found.low])


@given(pairs, st.lists(st.floats(0.01, 100), min_size=20, max_size=20), st.randoms())
def test_neither_the_speed_nor_the_order_of_rounds_counts(
    values: list[tuple[float, float]], speeds: list[float], chance: random.Random
) -> None:
    slowed = [
        (our * speed, their * speed) for (our, their), speed in zip(values, speeds, strict=False)
    ]
    chance.shuffle(slowed)

    found = ratio_interval(*zip(*values, strict=True))

    assert found is not None
    assert ratio_interval(*zip(*slowed, strict=True)) == pytest.approx(list(found), rel=1e-6)


@given(pairs)
def test_the_ratio_lies_in_its_interval(values: list[tuple[float, float]]) -> None:
    found = ratio_interval(*zip(*values, strict=True))

    assert found is not None
    ratios = [our / their for our, their in values]
    assert found.low <= found.middle <= found.high
    assert min(ratios) * 0.999 <= found.low
    assert found.high <= max(ratios) * 1.001


def test_equal_values_have_a_ratio_of_1() -> None:
    assert ratio_interval([3.0] * 9, [3.0] * 9) == (1.0, 1.0, 1.0)


def test_five_rounds_have_no_interval() -> None:
    assert ratio_interval([1.0] * 5, [2.0] * 5) is None
    assert ratio_interval([], []) is None
    assert ratio_interval([1.0] * 6, [2.0] * 6) is not None


@pytest.mark.parametrize(
    ("ours", "theirs"), [([0.0] * 9, [1.0] * 9), ([1.0] * 9, [-1.0] * 9), ([1.0] * 9, [1.0] * 8)]
)
def test_values_without_a_ratio_are_refused(ours: list[float], theirs: list[float]) -> None:
    with pytest.raises(ValueError):
        ratio_interval(ours, theirs)
