from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from chat.client.conversation.commands import Availability, parse_line
from chat.client.conversation.requests import (
    AboutServer,
    Cancel,
    CommonRequest,
    FetchEarlier,
    FetchFound,
    FollowLog,
    Get,
    Help,
    Highlight,
    Ignore,
    ListMentions,
    NeedsPassword,
    OpenFile,
    OpenView,
    Quit,
    Reconnect,
    Reply,
    Request,
    ScreenRequest,
    SearchLog,
    SetBell,
    SetPresence,
    ShowEarlier,
    Unhighlight,
    Unignore,
    Who,
    WhoIs,
)
from chat.client.conversation.room_requests import ShowRoom, ShowTopic
from chat.client.frontends import json_requests
from chat.client.frontends.line_io import Line

# A program knows by itself what these would tell it, or do for it, or has a request with more keys.
FOR_PEOPLE = {Help, Reply, WhoIs, AboutServer, Reconnect, OpenFile, ShowEarlier, SearchLog} | {
    *(ShowRoom, ShowTopic),
    *(SetPresence, Ignore, Unignore, Highlight, Unhighlight, ListMentions),
}
DOCUMENT = Path(__file__).parent.parent.parent.parent / "docs" / "json-lines.md"


def test_everything_that_can_be_asked_for_can_be_typed() -> None:
    lines = ["hello", "/reply hi", "/file a", "/get 1", "/cancel 1"]
    lines += ["/transfers", "/who", "/bans", "/register", "/passwd", "/help", "/quit"]
    lines += ["/whois a", "/where", "/reconnect", "/presence", "/open 1"]
    lines += ["/again", "/drop 1"]
    lines += ["/ignore", "/unignore a", "/highlight", "/unhighlight a", "/mentions"]
    lines += ["/history 10", "/search x", "/files x"]
    lines += ["/join dev", "/part", "/rooms", "/topic", "/topic x", "/invite a", "/remove a"]
    lines += ["/room", "/room kind open"]
    # Only programs name the numbers of messages.
    assert {type(parse_line(line, Availability.PLAIN)) for line in lines} == set(
        get_args(CommonRequest)
    ) - {FetchEarlier, FetchFound}


def test_everything_that_only_a_screen_does_can_be_typed() -> None:
    lines = ["/clear", "/save a", "/log", "/bell", "/names"]
    lines += [
        "/mouse",
        "/query a",
        "/close",
        "/keys",
        "/copy",
        "/bare",
        "/raw",
        "/sidebar",
        "/notify",
    ]
    assert {type(parse_line(line, Availability.SCREEN)) for line in lines} == set(
        get_args(ScreenRequest)
    )


def test_programs_can_ask_for_all_that_is_not_for_people() -> None:
    """By the examples of the document, each of which must work."""
    examples = re.findall(r"`(\{\"type\".*?\})`", DOCUMENT.read_text(encoding="utf-8"))
    asked = [json_requests.read_line(Line(example.encode())) for example in examples]
    made = {type(each.request) for each in asked if each is not None}
    # They have fields for passwords instead.
    prompts = set(get_args(NeedsPassword))
    assert made == set(get_args(CommonRequest)) - FOR_PEOPLE - prompts


@pytest.mark.parametrize(
    ("one", "alike", "another"),
    [
        (Get(1), Get(1), Cancel(1)),
        (Who(), Who(), Quit()),
        (Unignore("bob"), Unignore("bob"), OpenView("bob")),
        (SetBell(True), SetBell(True), FollowLog(True)),
    ],
)
def test_a_request_equals_only_those_of_its_own_kind(
    one: Request, alike: Request, another: Request
) -> None:
    assert one == alike
    assert hash(one) == hash(alike)
    assert one != another
    assert repr(one).startswith(f"{type(one).__name__}(")


def test_a_request_cannot_be_changed() -> None:
    get = Get(1)
    with pytest.raises(AttributeError):
        get.number = 2  # type: ignore[misc]
    assert get == Get(1)
