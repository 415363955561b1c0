"""Lines that were perhaps said: each keeps its number until the user decides."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from chat.client.attention.doubts import Doubts, NoSuchDoubt
from chat.client.state.unanswered_line import UnansweredLine

NINE = datetime(2026, 1, 2, 21, 4, 5, tzinfo=timezone.utc)
ONE, TWO, THREE = (UnansweredLine(nonce, f"text {nonce}", None, NINE) for nonce in "abc")


def test_numbers_stay_and_are_not_given_again() -> None:
    doubts = Doubts()
    assert [doubts.add(line) for line in (ONE, TWO, ONE)] == [1, 2, 1]
    assert doubts.take(2) is TWO
    assert doubts.take(2) is None
    assert doubts.add(THREE) == 3
    assert (doubts.number_of("a"), doubts.number_of("b"), len(doubts)) == (1, None, 2)
    assert doubts.newest is THREE


def test_the_lines_that_a_user_may_mean() -> None:
    doubts = Doubts()
    with pytest.raises(NoSuchDoubt, match="No line is marked"):
        doubts.meant()
    for line in (ONE, TWO):
        doubts.add(line)
    assert doubts.meant() == ["a", "b"]
    assert doubts.meant(2) == ["b"]
    assert doubts.meant(nonce="a") == ["a"]
    for number, nonce in ((3, None), (None, "c")):
        with pytest.raises(NoSuchDoubt, match="has the number"):
            doubts.meant(number, nonce)
