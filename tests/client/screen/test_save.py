from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from chat.client.screen.model import views
from chat.client.screen.model.entries import Movement, Pending, Remark, Said, Step, Unsent
from chat.client.screen.model.views import View
from chat.client.screen.save import Follower, saved_lines

NINE = datetime(2026, 11, 24, 21, 4, 5, tzinfo=timezone.utc)
SAID = "2026-11-24 21:04:05 [alice]: hello"


def said(text: str = "hello") -> Said:
    return Said(NINE, "alice", text)


def step(name: str, reason: str | None = None, *, joined: bool = True) -> Step:
    return Step(NINE, name, joined, reason)


def test_a_log_as_text() -> None:
    view = View()
    view.append(Remark(NINE, ("you are in the room as bob", "be nice"), "dim"))
    view.append(
        Said(NINE + timedelta(hours=3), "alice", "one\n2026-11-25 [eve]: two\x1b", to="bob")
    )
    movement = Movement(step("alice"))
    movement.fold(step("bo\x07b", "too-slow", joined=False))
    view.append(movement)
    view.append(Unsent(Pending(NINE, 1, "bob", "hi"), "It was refused."))
    assert list(saved_lines(view.entries)) == [
        "2026-11-24 21:04:05 -- you are in the room as bob",
        "                    | be nice",
        "2026-11-25 00:04:05 [alice -> bob]:",
        "                    | one",
        "                    | 2026-11-25 [eve]: two␛",
        "2026-11-24 21:04:05 -- alice joined",
        "2026-11-24 21:04:05 -- bo␇b left (too slow)",
        "2026-11-24 21:04:05 [bob]: hi",
        "                    | not sent: It was refused.",
    ]


def test_a_long_text_is_saved_whole() -> None:
    view = View()
    view.append(said("line\n" * 2000))
    assert len(list(saved_lines(view.entries))) == 2001


def test_a_time_that_nobody_knows() -> None:
    view = View()
    view.append(Said(datetime.max.replace(tzinfo=timezone(timedelta(hours=-23))), "alice", "hello"))
    assert list(saved_lines(view.entries)) == ["---------- --:--:-- [alice]: hello"]


def test_only_what_is_new_is_followed() -> None:
    view = View()
    view.append(said("old"))
    follower = Follower(view)
    assert follower.new_lines(50) == []
    view.append(said())
    assert follower.new_lines(50) == [SAID]
    assert follower.new_lines(50) == []


def test_joins_are_followed_one_by_one() -> None:
    view = View()
    movement = Movement(step("alice"))
    view.append(movement)
    follower = Follower(view)
    movement.fold(step("bob"))
    assert follower.new_lines(50) == ["2026-11-24 21:04:05 -- bob joined"]
    movement.fold(step("carol"))
    view.append(said())
    view.append(Movement(step("dave")))
    assert follower.new_lines(50) == [
        "2026-11-24 21:04:05 -- carol joined",
        SAID,
        "2026-11-24 21:04:05 -- dave joined",
    ]
    assert follower.new_lines(50) == []


def test_a_flood_is_followed_in_pieces() -> None:
    view = View()
    follower = Follower(view)
    movement = Movement(step("alice"))
    for entry in (said(), movement, said("bye")):
        view.append(entry)
    assert follower.has_more
    assert follower.new_lines(2) == [SAID, "2026-11-24 21:04:05 -- alice joined"]
    movement.fold(step("bob"))
    assert follower.has_more
    assert [line[20:] for line in follower.new_lines(2)] == ["-- bob joined", "[alice]: bye"]
    assert not follower.has_more


def test_an_empty_log_is_followed() -> None:
    view = View()
    follower = Follower(view)
    assert follower.new_lines(50) == []
    view.append(said())
    assert follower.new_lines(50) == [SAID]


def test_a_cleared_log_is_followed() -> None:
    view = View()
    view.append(Movement(step("alice")))
    follower = Follower(view)
    view.clear()
    assert follower.new_lines(50) == []
    view.append(said())
    assert follower.new_lines(50) == [SAID]


def test_what_was_forgotten_in_between_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MAX_ENTRIES", 2)
    view = View()
    follower = Follower(view)
    for text in "abcd":
        view.append(said(text))
    assert [line[-1] for line in follower.new_lines(50)] == ["c", "d"]
