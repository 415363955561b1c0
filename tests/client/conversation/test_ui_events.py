from __future__ import annotations

from typing import get_args

from chat.client.connection.events import ReadElsewhere
from chat.client.conversation.ui_events import (
    Explanation,
    MentionList,
    Preview,
    ServerInfo,
    Told,
    TransferChanged,
    UiEvent,
    UserFound,
)
from chat.client.frontends.json_lines import JsonFrontend
from chat.client.frontends.plain import PlainFrontend


def ignore(lines: list[str]) -> None:
    """No test here looks at what is written."""


def test_people_are_shown_every_kind_of_event() -> None:
    frontend = PlainFrontend(ignore, ignore)
    known = {TransferChanged, *frontend.formats, *frontend.warnings}
    # Plain lines are read as they come: there is nothing to mark as read.
    assert known == set(get_args(UiEvent)) - {Preview, ReadElsewhere}


def test_programs_are_told_every_kind_of_event() -> None:
    for_people = {Explanation, MentionList, Preview, ServerInfo, Told, UserFound}
    assert set(get_args(UiEvent)) - set(JsonFrontend(ignore).writers) == for_people
