"""Earlier messages on the screen: marked, and of no other effect."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chat.client.connection.events import RoomHistory, Welcome
from chat.client.conversation.ui_events import Announced, Disconnected, Earlier, Renumbered
from chat.client.frontends.wording import RENUMBERED
from chat.client.screen.draw.lines import entry_lines
from chat.client.screen.text.styles import EARLIER, TEXT
from chat.structs import replace
from tests.client.screen.intake_bench import NINE, Bench, download, file, text


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_earlier_messages_are_marked_and_have_no_other_effect(bench: Bench) -> None:
    bench.model.focus(False)
    gone = replace(text("hi Bob", sender="dora"), replay=True)
    attachment = Announced(replace(file(sender="dora"), replay=True), download())
    assert bench.take(gone, attachment, Earlier(2)) == [None, None, None]
    assert bench.lines() == [
        "[dora]: hi Bob",
        "-- dora sent a file: a.txt (100 bytes), number 3: 0 %".replace(
            ": 0 %", ": [----------] 0 %"
        ),
        "-- above: 2 earlier messages",
    ]
    said, shared, _ = bench.model.room.entries
    assert {span.style for span in entry_lines(said)[0][-2:]} == {EARLIER}
    assert entry_lines(shared)[0][1].style == EARLIER
    assert (bench.model.room.unread, bench.model.room.calls) == (0, 0)
    assert not bench.model.attention.mentions
    assert "dora" not in bench.model.people.names
    assert "dora" in list(bench.model.speakers())  # for Tab


def test_what_is_said_after_them_counts(bench: Bench) -> None:
    bench.model.focus(False)
    _, alert = bench.take(replace(text("bob?"), replay=True), text("bob!"))
    assert alert is not None
    assert (bench.model.room.unread, bench.model.room.calls) == (1, 1)
    assert entry_lines(bench.last)[0][-1].style == TEXT


def test_removed_messages_say_so(bench: Bench) -> None:
    purged = replace(text(""), replay=True, purged=True)
    bench.take(purged, Announced(replace(file(), replay=True, purged=True, size=0), None))
    assert bench.lines() == ["[alice]: (removed)", "-- alice sent a file: a.txt (removed)"]


def test_ignored_users_stay_hidden(bench: Bench) -> None:
    bench.model.attention.ignored.add("alice")
    bench.take(replace(text(), replay=True))
    assert bench.lines() == []


def test_a_user_who_comes_back_hears_what_is_missing(bench: Bench) -> None:
    begun = Earlier(1, away=True, begins=True, missing=2)
    bench.take(begun, replace(text(), replay=True), Earlier(1, away=True))
    assert bench.lines() == [
        "-- 2 messages before these are not shown",
        "[alice]: hello",
        "-- above: 1 message while you were away",
    ]


def test_a_history_that_began_anew(bench: Bench) -> None:
    bench.take(Renumbered())
    assert bench.lines() == [f"-- {RENUMBERED}"]


@pytest.mark.parametrize(
    ("keep", "line"),
    [
        (30 * 86400, "messages are kept for 30 days on this server"),
        (86400, "messages are kept for 1 day on this server"),
        (90 * 60, "messages are kept for 90 minutes on this server"),
        (None, "messages are kept on this server"),
    ],
)
def test_recording_is_announced_once(bench: Bench, keep: float | None, line: str) -> None:
    event = Welcome("bob", NINE + timedelta(0), ("bob",), history=RoomHistory("e", keep))
    bench.take(event, Disconnected("It broke.", 1.0), event)
    assert [each.strip() for each in bench.lines()].count(line) == 1
