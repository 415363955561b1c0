from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.screen.model.subsequence import fit

letters = st.text(st.sampled_from("ab-"), max_size=4)
names = st.text(st.sampled_from("abc-"), max_size=8)


@given(letters, names)
def test_it_fits_if_the_letters_are_there_in_this_order(wanted: str, name: str) -> None:
    ways = [
        places
        for places in combinations(range(len(name)), len(wanted))
        if "".join(name[at] for at in places) == wanted
    ]
    found = fit(wanted, name)
    assert (found is not None) == bool(ways)
    if found is not None:
        assert found[1] in ways
        assert found[0] == max(map(worth, ways, [name] * len(ways)))


def worth(places: tuple[int, ...], name: str) -> int:
    """Return what one way to find the letters is worth."""
    total = -min(places[0], 5) if places else 0
    for number, at in enumerate(places):
        total += 10 if at == 0 else 0 if name[at - 1].isalnum() else 8
        total += 9 if number and places[number - 1] == at - 1 else 0
    return total


@pytest.mark.parametrize(
    ("wanted", "better", "worse"),
    [
        ("al", "alice", "anna-lee"),  # letters in a row
        ("al", "alice", "coral"),  # early ones
        ("bs", "build-server", "abs"),  # starts of words
        ("ro", "room", "carol"),
        ("jl", "jean-luc", "jail"),
    ],
)
def test_what_fits_better(wanted: str, better: str, worse: str) -> None:
    one, other = fit(wanted, better), fit(wanted, worse)
    assert one is not None
    assert other is not None
    assert one[0] > other[0]
