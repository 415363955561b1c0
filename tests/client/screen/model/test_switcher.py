from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chat.client.screen.model.switcher import Destination, Switcher

PLACES = [
    Destination(name)
    for name in ("room", "Алиса", "alina", "Jos\u00e9", "ci-bot", "ALICE", "straße")
]


def found(text: str) -> list[str]:
    switcher = Switcher(PLACES)
    switcher.find(text)
    return [each.name for each in switcher.found]


def test_names_are_found_in_any_case_and_form() -> None:
    assert found("") == [each.name for each in PLACES]
    assert found("AL") == ["alina", "ALICE"]  # equally well: the one that was used last
    assert found("Ли") == ["Алиса"]
    assert found("jose\u0301") == ["Jos\u00e9"]
    assert found("c b") == ["ci-bot"]
    assert found("ss") == ["straße"]
    assert found("zz") == []


def test_the_letters_that_fit_can_be_shown() -> None:
    switcher = Switcher(PLACES)
    switcher.find("cb")
    assert switcher.places(Destination("ci-bot")) == (0, 3)
    switcher.find("ss")
    assert switcher.places(Destination("straße")) == ()  # its folded name has another length


@given(st.lists(st.text(st.sampled_from("abx"), max_size=3), max_size=5))
def test_it_makes_no_difference_how_the_letters_were_typed(texts: list[str]) -> None:
    switcher = Switcher([Destination(name) for name in ("abx", "xba", "aab", "bax", "b", "xx")])
    for text in texts:
        switcher.find(text)
        fresh = Switcher([Destination(name) for name in ("abx", "xba", "aab", "bax", "b", "xx")])
        fresh.find(text)
        assert switcher.found == fresh.found


def test_moving_goes_round() -> None:
    switcher = Switcher(PLACES[:3])
    chosen = []
    for step in (0, 1, 1, 1, -1):
        switcher.move(step)
        chosen.append(switcher.chosen and switcher.chosen.name)
    assert chosen == ["room", "Алиса", "alina", "room", "alina"]
    switcher.find("zz")
    switcher.move(1)
    assert switcher.chosen is None
