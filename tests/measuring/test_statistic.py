from __future__ import annotations

from random import Random

import pytest

from tests.measuring.statistic import LEVEL, compare, percentile


def test_all_pairs_count_and_ties_count_half() -> None:
    assert compare([1, 3], [2, 3]).share == (0 + 0 + 1 + 0.5) / 4
    assert compare([2, 3], [1, 1]).share == 1
    assert compare([1, 1], [2, 3]).share == 0


def test_an_example_worked_by_hand() -> None:
    # U = 21 of 25 pairs; without ties its deviation is sqrt(5 * 5 * 11 / 12) = 4.787, so z = 8.5 / 4.787.
    found = compare([2, 7, 8, 9, 10], [1, 3, 4, 5, 6])
    assert found.share == 21 / 25
    assert found.p == pytest.approx(0.0758, abs=0.0005)
    assert (found.low + found.high) / 2 == pytest.approx(found.share)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 4.787 / 25, rel=0.001)
    assert found.medians == (8, 4)


def test_what_is_the_same_is_seldom_called_different() -> None:
    rng = Random(1)
    called = sum(
        compare(
            [rng.lognormvariate(0, 1) for _ in range(100)],
            [rng.lognormvariate(0, 1) for _ in range(100)],
        ).is_distinguishable
        for _ in range(400)
    )
    assert called <= 400 * LEVEL * 3


def test_a_small_difference_is_found_among_large_noise() -> None:
    rng = Random(1)
    first = [rng.gauss(100, 10) for _ in range(1000)]
    second = [rng.gauss(102, 10) for _ in range(1000)]
    found = compare(first, second)
    assert found.is_distinguishable
    assert found.high < 0.5


def test_what_is_all_one_is_not_different() -> None:
    found = compare([1.0] * 50, [1.0] * 60)
    assert (found.share, found.p, found.is_distinguishable) == (0.5, 1.0, False)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1, 100), (0, 1)])
def test_a_percentile_is_a_value_that_is_there(share: float, expected: int) -> None:
    values = list(range(1, 101))
    Random(1).shuffle(values)
    assert percentile(values, share) == expected
