from __future__ import annotations

import pytest

from chat.client.attention.names import folded
from chat.client.screen.model.people import People


@pytest.fixture
def people() -> People:
    people = People()
    people.reset(["bob", "Alice"])
    return people


def test_those_who_come_and_go(people: People) -> None:
    people.add("carol")
    people.add("carol")
    people.remove("bob")
    people.remove("nobody")
    assert list(people.names) == ["Alice", "carol"]
    assert len(people) == 2


def test_names_that_never_end(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.client.connection.session.known_rooms.MAX_USERS", 4)
    monkeypatch.setattr("chat.client.screen.model.people.MAX_USERS", 4)
    for name in ("carol", "x" * 257, "dave", "eve", "bob"):
        people.add(name)
    assert list(people.names) == ["bob", "Alice", "carol", "dave"]
    people.reset(["x" * 257, *"abcdef"])
    assert list(people.names) == ["a", "b", "c", "d"]
    assert folded("X" * 70_000) == "x" * 70_000


def test_the_order_of_names(people: People) -> None:
    assert people.in_order() == ["Alice", "bob"]
    people.add("anna")
    assert people.in_order() == ["Alice", "anna", "bob"]
    people.remove("Alice")
    assert people.in_order() == ["anna", "bob"]
    people.reset(["zoe"])
    assert people.in_order() == ["zoe"]


def test_names_are_put_in_and_taken_out_without_sorting_all(people: People) -> None:
    order = people.in_order()
    for come, go in (
        ("Zoe", "nobody"),
        ("anna", "nobody"),
        ("ANNA", "Alice"),
        ("Anna", "ANNA"),
        ("\N{LATIN SMALL LIGATURE FI}", "bob"),
        ("fi", "anna"),
        ("zoe", "Zoe"),
    ):
        people.add(come)
        people.remove(go)
        anew = People()
        anew.reset(people.names)
        assert people.in_order() == anew.in_order()
    assert people.in_order() is order
    assert order == ["Anna", "\N{LATIN SMALL LIGATURE FI}", "fi", "zoe"]


def test_names_are_measured_again_only_after_a_change(people: People) -> None:
    measured: list[str] = []

    def measure(name: str) -> int:
        measured.append(name)
        return len(name)

    assert people.most(measure) == people.most(measure) == 5
    assert measured == ["bob", "Alice"]
    people.add("Charlotte")
    assert people.most(measure) == 9
    people.remove("Charlotte")
    assert people.most(measure) == 5
    people.reset([])
    assert people.most(measure) == 0


@pytest.mark.parametrize(
    ("typed", "name"), [("Alice", "Alice"), ("aLICE", "Alice"), ("dave", "dave")]
)
def test_a_name_as_the_server_writes_it(people: People, typed: str, name: str) -> None:
    assert people.spelling(typed) == name


def test_two_spellings_of_one_name() -> None:
    assert folded("Ａlice") == folded("alice")
    assert folded("é") == folded("e\u0301")
    assert folded("alice") != folded("alicia")
