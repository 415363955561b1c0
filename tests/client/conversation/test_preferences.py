"""Commands that change only what this user sees, and the lines that report them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chat.client.attention.attention import Attention
from chat.client.attention.presence import PresenceMode
from chat.client.connection.events import Joined, Left, Text
from chat.client.conversation.commands import Availability, parse_line
from chat.client.conversation.ui_events import Told, UiEvent
from chat.client.frontends.plain import PlainFrontend
from chat.client.screen.model.entries import Movement
from chat.client.screen.model.model import Model
from chat.client.screen.updates import ModelUpdater
from tests.client.conversation.test_conversation_commands import Room
from tests.client.fake_connection import NINE


@pytest.fixture
def room() -> Iterator[Room]:
    made = Room()
    yield made
    made.sender.kill()


def told(room: Room, line: str) -> list[str]:
    """Type ``line``; return the lines that it is answered with."""
    room.audience.news.clear()
    room.do(parse_line(line, Availability.PLAIN))
    return [line for event in room.audience.of(Told) for line in event.lines]


def test_presence_is_told_and_changed(room: Room) -> None:
    assert told(room, "/presence") == ["all joins and leaves are shown"]
    changed = ["joins and leaves are shown of users who have talked lately"]
    assert told(room, "/presence smart") == changed
    assert told(room, "/presence") == changed
    assert told(room, "/presence none") == ["no joins and leaves are shown"]


COMING_AND_GOING = (
    Joined("alice", NINE),
    Joined("bob", NINE),
    Text("alice", NINE, "hello"),
    Left("alice", NINE),
    Left("bob", NINE),
)


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        (PresenceMode.ALL, ["alice joined", "bob joined", "alice left", "bob left"]),
        (PresenceMode.SMART, ["alice left"]),
        (PresenceMode.NONE, []),
    ],
)
class TestComingAndGoing:
    def test_in_plain_lines(self, mode: PresenceMode, shown: list[str]) -> None:
        lines: list[str] = []
        frontend = PlainFrontend(lines.extend, lines.extend, attention=Attention(mode))
        for event in COMING_AND_GOING:
            frontend.show(event)
        assert [line.partition("-- ")[2] for line in lines if "-- " in line] == shown

    def test_on_the_screen(self, mode: PresenceMode, shown: list[str]) -> None:
        model = Model("chat.example:1", "eve", attention=Attention(mode))
        updater = ModelUpdater(model)
        for event in COMING_AND_GOING:
            updater.update(event, NINE)
        steps = [
            f"{step.name} {'joined' if step.joined else 'left'}"
            for entry in model.room.entries
            if isinstance(entry, Movement)
            for step in entry.steps
        ]
        assert steps == shown
        assert not model.people.names


def test_a_private_view_always_tells_that_its_user_left() -> None:
    model = Model("chat.example:1", "eve", attention=Attention(PresenceMode.NONE))
    view = model.query("bob")
    ModelUpdater(model).update(Left("bob", NINE), NINE)
    assert [type(entry) for entry in view.entries] == [Movement]
    assert not model.room.entries


def test_programs_are_told_everything(room: Room) -> None:
    news: list[UiEvent] = [*COMING_AND_GOING]
    told(room, "/presence none")
    room.audience.news.clear()
    for event in COMING_AND_GOING:
        room.conversation.handle_event(event)
    assert room.audience.news == news
