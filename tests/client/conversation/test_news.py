from __future__ import annotations

from typing import get_args

from chat.client.conversation.news import Explanation, News, Preview, TransferChanged
from chat.client.frontends.json_lines import JsonFace
from chat.client.frontends.plain import PlainFace


def ignore(lines: list[str]) -> None:
    """No test here looks at what is written."""


def test_people_are_shown_every_kind_of_news() -> None:
    face = PlainFace(ignore, ignore)
    known = {TransferChanged, *face.formats, *face.warnings}
    assert known == set(get_args(News)) - {Preview}


def test_programs_are_told_every_kind_of_news() -> None:
    assert set(get_args(News)) - set(JsonFace(ignore).writers) == {Explanation, Preview}
