"""Earlier messages as plain lines: between two lines of the client, with the date where it is not today."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest

from chat.client.connection.events import Attachment, RoomHistory, Text, Welcome
from chat.client.conversation.ui_events import Announced, UiEvent
from chat.client.frontends.plain import PlainFrontend
from chat.client.resuming.events import CatchUpBegan, CatchUpEnded, MissingMessages
from chat.client.state.places import ROOM
from chat.protocol.descriptor import MessageType

TODAY = datetime.now(timezone.utc).astimezone()
LONG_AGO = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def frontend(lines: list[str]) -> PlainFrontend:
    return PlainFrontend(lines.extend, lines.extend)


def show(frontend: PlainFrontend, *events: UiEvent) -> None:
    for event in events:
        frontend.show(event)


def test_they_stand_between_two_lines(frontend: PlainFrontend, lines: list[str]) -> None:
    show(
        frontend,
        CatchUpBegan(ROOM, 3),
        Text("alice", LONG_AGO, "old", replay=True),
        Text("alice", TODAY, "bob, are you here?", replay=True),
        Text("alice", LONG_AGO, "", replay=True, purged=True),
        CatchUpEnded(ROOM, 3),
    )
    first, old, today, removed, last = lines
    assert first.endswith("> -- 3 earlier messages:")
    assert re.fullmatch(r"<2026-01-0\d \d\d:\d\d:\d\d> \[alice\]: old", old)
    assert re.fullmatch(r"<\d\d:\d\d:\d\d> \[alice\]: bob, are you here\?", today)
    assert removed.endswith("[alice]: (removed)")
    assert last.endswith("> -- end of the 3 earlier messages")


def test_earlier_files_have_their_date_too(frontend: PlainFrontend, lines: list[str]) -> None:
    file = Attachment(MessageType.FILE, "alice", LONG_AGO, "a.txt", 5, replay=True, purged=True)
    show(frontend, Announced(file, None))
    assert re.fullmatch(r"<2026-01-0\d [\d:]{8}> -- alice sent a file: a.txt \(removed\)", lines[0])


def test_a_user_who_comes_back_hears_what_is_missing(
    frontend: PlainFrontend, lines: list[str]
) -> None:
    show(
        frontend,
        Welcome("bob", TODAY),
        CatchUpBegan(ROOM, 2, TODAY),
        MissingMessages(ROOM, 5, 5, "lost"),
        Text("alice", TODAY, "bob?", replay=True),
        Text("alice", TODAY, "hi", replay=True),
        CatchUpEnded(ROOM, 2),
        MissingMessages(ROOM, 8, 19, "expired"),
    )
    since = f"2 messages since {TODAY:%H:%M}"
    _, begin, hole, _, _, end, older = [line.partition("> -- ")[2] for line in lines]
    assert (begin, end) == (f"{since}:", f"end of the {since}")
    assert hole == "1 message is lost here: the server crashed before it was stored"
    assert older == "12 messages are missing here: they are older than what the server keeps"
    # Such a mention is listed, once.
    assert [mention.text for mention in frontend._attention.mentions] == ["bob?"]


def test_an_earlier_mention_is_no_mention(frontend: PlainFrontend) -> None:
    show(frontend, Welcome("bob", TODAY), Text("alice", LONG_AGO, "hi bob", replay=True))
    assert not frontend._attention.mentions
    show(frontend, Text("alice", LONG_AGO + timedelta(1), "hi bob"))
    assert len(frontend._attention.mentions) == 1


def test_recording_is_announced_at_the_first_login(
    frontend: PlainFrontend, lines: list[str]
) -> None:
    event = Welcome("bob", TODAY, history=RoomHistory("e", 7200))
    show(frontend, event, event)
    kept = [line for line in lines if line.endswith("messages are kept for 2 hours on this server")]
    assert len(kept) == 1
