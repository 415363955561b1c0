"""The keys that decide about lines of which nobody knows whether they were said."""

from __future__ import annotations

import pytest

from chat.client.conversation.requests import DropLine, SayAgain
from chat.client.conversation.ui_events import Doubted
from chat.client.state.unanswered_line import UnansweredLine
from tests.client.screen.desks import NINE, Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


def requests(desk: Desk) -> list[object]:
    return [asked.request for asked in desk.asked]


LINE = UnansweredLine("n1", "buy milk", None, NINE)


def doubt(desk: Desk, line: UnansweredLine) -> None:
    number = desk.model.attention.doubts.add(line)
    desk.take(Doubted(line, "The server began anew.", number))


def test_keys_decide_about_the_last_line(desk: Desk) -> None:
    desk.type("<alt-s><alt-x>")
    assert requests(desk) == []
    assert desk.log()[-2:] == ["-- no line here is marked as perhaps said"] * 2
    doubt(desk, LINE)
    doubt(desk, LINE._replace(nonce="n2"))
    desk.type("draft<alt-s><alt-x>")
    assert requests(desk) == [SayAgain("n2"), DropLine("n2")]
    assert desk.draft() == "draft"


def test_a_line_of_another_view_is_left_alone(desk: Desk) -> None:
    desk.model.query("carol")
    doubt(desk, LINE)
    desk.type("<alt-s>")
    assert requests(desk) == []
    desk.type("<alt-1><alt-s>")
    assert requests(desk) == [SayAgain("n1")]


def test_a_line_that_was_found_is_not_asked_about(desk: Desk) -> None:
    doubt(desk, LINE)
    desk.model.attention.doubts.take(1)
    desk.type("<alt-x>")
    assert requests(desk) == []
