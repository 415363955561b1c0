"""Commands that change only what this user sees, and the lines that report them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chat.client.attention.attention import Attention
from chat.client.attention.presence import PresenceMode
from chat.client.connection.events import Joined, Left, StatusChanged, Text, Welcome
from chat.client.conversation.commands import Availability, parse_line
from chat.client.conversation.requests import Reply, Say
from chat.client.conversation.ui_events import Failed, MentionList, Told, UiEvent
from chat.client.frontends.plain import PlainFrontend
from chat.client.screen.model.entries import Movement, Remark
from chat.client.screen.model.model import Model
from chat.client.screen.updates.model_updates import ModelUpdater
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
            for entry in model.default.entries
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
    assert not model.default.entries


def test_programs_are_told_everything(room: Room) -> None:
    news: list[UiEvent] = [*COMING_AND_GOING]
    told(room, "/presence none")
    room.audience.news.clear()
    for event in COMING_AND_GOING:
        room.conversation.handle_event(event)
    assert room.audience.news == news


def test_ignored_users_are_listed_and_forgotten(room: Room) -> None:
    assert told(room, "/ignore") == ["nobody is ignored"]
    assert told(room, "/ignore Mallory") == ["Mallory is ignored from now on"]
    assert told(room, "/ignore *-bot") == ["*-bot is ignored from now on"]
    assert told(room, "/ignore") == ["ignored: Mallory, *-bot"]
    assert told(room, "/unignore mallory") == ["mallory is no longer ignored"]
    assert told(room, "/unignore mallory") == []
    assert room.audience.of(Failed)[-1].sentence == "mallory is not ignored."


def test_a_user_whom_a_pattern_hides_stays_hidden_and_it_is_said_why(room: Room) -> None:
    told(room, "/ignore *-bot")
    told(room, "/unignore my-bot")
    assert room.audience.of(Failed)[-1].sentence == (
        "my-bot is not ignored by itself; /unignore *-bot would show it."
    )
    told(room, "/ignore my-bot")
    assert told(room, "/unignore my-bot") == ["my-bot is still ignored, by *-bot"]


def test_highlighted_words_are_listed_and_forgotten(room: Room) -> None:
    assert told(room, "/highlight") == ["highlighted: your name"]
    assert told(room, "/highlight the build") == ["the build is highlighted from now on"]
    assert told(room, "/highlight") == ["highlighted: your name, the build"]
    assert told(room, "/unhighlight The Build") == ["The Build is no longer highlighted"]
    assert told(room, "/unhighlight x") == []
    assert room.audience.of(Failed)[-1].sentence == "x is not highlighted."


def test_a_reply_does_not_go_to_an_ignored_user(room: Room) -> None:
    told(room, "/ignore mallory")
    room.conversation.handle_event(Text("alice", NINE, "psst", to="bob"))
    room.conversation.handle_event(Text("mallory", NINE, "spam", to="bob"))
    assert room.conversation.addressed(Reply("yes")) == Say("yes", "alice")


WHAT_IS_HEARD = (
    Welcome("bob", NINE, ("bob",)),
    Text("my-bot", NINE, "bob, build 7 is done"),
    Text("bob", NINE, "deploy it, bob", own=True),
    Text("alice", NINE, "the deploy is done\nat last"),
    Text("alice", NINE, "hello"),
    Text("alice", NINE, "psst, bob", to="bob"),
    Joined("my-bot", NINE),
    StatusChanged("my-bot", NINE, registered=True, moderator=False),
    Left("my-bot", NINE),
)
STAMP = f"{NINE.astimezone():%Y-%m-%d %H:%M:%S}"
MENTIONS = [
    "mentions:",
    f"{STAMP} [alice]: the deploy is done …",
    f"{STAMP} [alice -> bob]: psst, bob",
]


def test_ignored_users_and_mentions_in_plain_lines() -> None:
    lines: list[str] = []
    attention = Attention(ignore=["*-bot"], highlight=["deploy"])
    frontend = PlainFrontend(lines.extend, lines.extend, attention=attention)
    for event in WHAT_IS_HEARD:
        frontend.show(event)
    assert not any("my-bot" in line for line in lines)
    lines.clear()
    frontend.show(MentionList(tuple(attention.mentions)))
    assert [line.partition("-- ")[2] or line.lstrip(" |") for line in lines] == MENTIONS


def test_ignored_users_and_mentions_on_the_screen() -> None:
    attention = Attention(ignore=["*-bot"], highlight=["deploy"])
    model = Model("chat.example:1", "bob", attention=attention)
    updater = ModelUpdater(model)
    alerts = [updater.update(event, NINE) is not None for event in WHAT_IS_HEARD]
    assert alerts == [False, False, False, True, False, True, False, False, False]
    assert not any("my-bot" in entry.search_text() for entry in model.default.entries)
    updater.update(MentionList(tuple(attention.mentions)), NINE)
    listed = model.default.entries[-1]
    assert isinstance(listed, Remark)
    assert list(listed.lines) == MENTIONS


def test_no_mentions_yet(room: Room) -> None:
    room.do(parse_line("/mentions", Availability.PLAIN))
    assert room.audience.news == [MentionList(())]
    lines: list[str] = []
    PlainFrontend(lines.extend, lines.extend).show(MentionList(()))
    assert lines[0].endswith("-- nobody has mentioned you yet")


def test_a_user_who_ignores_everybody_still_sees_their_own_lines() -> None:
    model = Model("chat.example:1", "bob", attention=Attention(ignore=["*"]))
    updater = ModelUpdater(model)
    updater.update(Text("bob", NINE, "hello", own=True), NINE)
    updater.update(Text("alice", NINE, "hello"), NINE)
    assert [entry.search_text() for entry in model.default.entries] == ["hello"]
