"""Other devices of the user, and messages that wait, on the screen."""

from __future__ import annotations

import pytest

from chat.client.connection.events import Notice, ReadElsewhere
from chat.client.conversation.ui_events import Announced, Done, Failed, UiEvent
from chat.client.resuming.events import Disconnected
from chat.client.screen.draw.lines import entry_lines
from chat.client.screen.text.styles import DIM, OWN_NAME
from chat.structs import replace
from tests.client.screen.intake_bench import NINE, Bench, file, shown_status, text


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_copy_of_another_device_looks_like_an_own_line_with_a_mark(bench: Bench) -> None:
    bench.model.focus(False)
    copy = replace(text("hi", sender="bob"), elsewhere=True)
    assert bench.take(copy, replace(copy, text="/me waves", to="carol")) == [None, None]
    assert bench.lines() == ["[bob (elsewhere)]: hi", "* bob (elsewhere) -> carol waves"]
    _, _, name, mark, *_ = entry_lines(bench.model.default.entries[0])[0]
    assert (name.text, name.style) == ("bob", OWN_NAME)
    assert (mark.text, mark.style) == (" (elsewhere)", DIM)
    assert bench.model.default.unread == 0


def test_a_file_of_another_device_is_marked(bench: Bench) -> None:
    bench.take(Announced(replace(file(sender="bob"), elsewhere=True), None))
    assert bench.lines() == ["-- bob (elsewhere) sent a file: a.txt (100 bytes)"]


def test_the_sender_sees_that_a_message_waits(bench: Bench) -> None:
    words = replace(text("hi", to="carol", sender="bob"), waiting=True)
    shared = replace(file(to="carol", sender="bob"), waiting=True)
    bench.take(words, Announced(shared, None))
    later = "carol gets it when they come back"
    assert bench.lines() == [
        "[bob -> carol]: hi",
        later,
        "-- bob sent a file to carol alone: a.txt (100 bytes)",
        later,
    ]


def test_what_is_read_on_another_device_is_not_unread_here(bench: Bench) -> None:
    bench.model.query("alice")
    bench.model.switch(1)
    bench.model.focus(False)
    room = [replace(text(f"text {seq}"), seq=seq) for seq in (1, 2, 3)]
    private = [replace(text("psst", to="bob"), seq=seq) for seq in (1, 2)]
    bench.take(*room, *private)
    assert shown_status(bench.model) == " [1 room] [2 alice 2]"
    bench.take(ReadElsewhere(2, NINE))
    assert (bench.model.default.unread, bench.lines()[-1]) == (1, "[alice]: text 3")
    assert bench.model.default.left_off == bench.model.default.end - 1
    assert bench.model.views[1].unread == 2
    bench.take(ReadElsewhere(2, NINE, "Alice"), ReadElsewhere(3, NINE))
    assert [view.unread for view in bench.model.views] == [0, 0]
    assert [view.left_off for view in bench.model.views] == [None, None]


@pytest.mark.parametrize(
    "end",
    [
        replace(text(sender="bob"), seq=7),
        Done(),
        Failed("muted", "You are muted."),
        Disconnected("It broke.", 1.0),
    ],
)
def test_a_server_that_has_not_confirmed_yet(bench: Bench, end: UiEvent) -> None:
    bench.take(Notice("waiting", "Not yet.", NINE), Notice("waiting", "Not yet.", NINE))
    assert bench.lines() == []
    assert (
        shown_status(bench.model) == " the server cannot confirm messages now, for 0 s │ [1 room]"
    )
    bench.take(end)
    assert "cannot confirm" not in shown_status(bench.model)
