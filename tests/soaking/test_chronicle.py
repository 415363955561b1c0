"""The comparison of a soak must find missing entries, repeated entries and a wrong order."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.soaking.chronicle import Chronicle, Entry, entry_of_frame, entry_of_object
from tests.soaking.soak_state import SoakState, is_intact, make_content, named

ONE, TWO, THREE = (("text", "bob", f"number {number}") for number in (1, 2, 3))
CAME, LEFT = ("+", "alice"), ("-", "alice")


@pytest.fixture
def chronicle() -> Chronicle:
    chronicle = Chronicle()
    for entry in (("+", "bob"), ONE, CAME, TWO, THREE, LEFT, ("-", "bob")):
        chronicle.add(entry)
    return chronicle


@pytest.mark.parametrize("whole", [True, False])
def test_what_the_room_heard_from_coming_to_leaving_is_right(
    chronicle: Chronicle, whole: bool
) -> None:
    assert chronicle.problem("alice", [CAME, TWO, THREE], whole) == ""


def test_a_member_who_dies_may_miss_the_end_and_nothing_before(chronicle: Chronicle) -> None:
    assert chronicle.problem("alice", [CAME, TWO], whole=False) == ""
    assert "they missed" in chronicle.problem("alice", [CAME, TWO], whole=True)
    assert "number 1" in chronicle.problem("alice", [CAME, THREE], whole=False)


@pytest.mark.parametrize(
    "record",
    [
        [CAME, TWO, TWO, THREE],
        [CAME, THREE, TWO],
        [ONE, CAME, TWO, THREE],
        [CAME, TWO, THREE, LEFT],
        [CAME, ("text", "bob", "never said"), THREE],
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_what_is_twice_or_elsewhere_or_another_is_a_problem(
    chronicle: Chronicle, record: list[Entry], whole: bool
) -> None:
    assert chronicle.problem("alice", record, whole)


def test_a_member_who_was_not_announced_can_have_heard_nothing(chronicle: Chronicle) -> None:
    assert chronicle.problem("eve", [], whole=False) == ""
    assert "never announced" in chronicle.problem("eve", [TWO], whole=False)


def test_nobody_comes_or_leaves_twice(chronicle: Chronicle) -> None:
    with pytest.raises(AssertionError, match="came twice"):
        chronicle.add(CAME)
    with pytest.raises(AssertionError, match="left twice"):
        chronicle.add(LEFT)


def test_what_came_twice_is_found(chronicle: Chronicle) -> None:
    assert chronicle.repeated() == []
    chronicle.add(TWO)
    assert chronicle.repeated() == [TWO]


def test_an_offer_and_its_content_are_the_same_entry() -> None:
    offer = entry_of_frame(8, {"from": "bob", "filename": "a", "size": 9, "id": "x"}, 0, b"")
    inline = entry_of_frame(8, {"from": "bob", "filename": "a"}, 9, bytes(9))
    told = entry_of_object({"type": "file", "from": "bob", "filename": "a", "size": 9})
    assert offer == inline == told == ("file", "bob", "a", 9)


def test_what_is_private_or_a_notice_is_nobody_elses() -> None:
    assert entry_of_frame(7, {"from": "bob", "to": "alice"}, 2, b"hi") is None
    assert entry_of_frame(7, {"from": "server", "notice": "gone"}, 2, b"hi") is None
    assert entry_of_object({"type": "text", "from": "bob", "to": "alice", "text": "hi"}) is None


WHISPERED = [
    # echoed, heard, who has heard all, whether it is right
    ("ab", "ab", "sr", True),
    ("ab", "a", "sr", False),
    ("ab", "a", "s", True),
    ("ab", "b", "s", False),
    ("a", "ab", "r", True),
    ("a", "b", "r", False),
    ("a", "ab", "sr", False),
    ("a", "ab", "", True),
]


@pytest.mark.parametrize(("echoed", "heard", "polite", "right"), WHISPERED)
def test_whispers_are_heard_as_they_were_said(
    echoed: str, heard: str, polite: str, right: bool, tmp_path: Path
) -> None:
    soak_state = SoakState(("127.0.0.1", 1), tmp_path, 1, 1, tls=False)
    for text in echoed:
        soak_state.echoed("s", "r", text)
    for text in heard:
        soak_state.heard("s", "r", text)
    soak_state.heard_all = set(polite)
    soak_state.check_whispers()
    assert (soak_state.problems == []) is right


def test_a_content_is_known_by_its_file_name() -> None:
    content = make_content(Random(1), 1000)
    assert is_intact(named("bob", 1, content), content)
    assert not is_intact(named("bob", 1, content), content[1:])
