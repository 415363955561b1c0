from __future__ import annotations

import pytest

from chat.client.attention.attention import MAX_MENTIONS, Attention
from chat.client.attention.highlights import Highlights, Mention
from tests.client.fake_connection import NINE


def marked(highlights: Highlights, text: str) -> list[str]:
    return [text[place.start() : place.end()] for place in highlights.finditer(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bob, the deploy failed", ["bob", "deploy"]),
        ("Deploying bobbins", []),
        ("DEPLOY now", ["DEPLOY"]),
        ("the build bot and the build", ["build bot", "build"]),
        ("生产环境deploy了", ["deploy"]),
        ("nothing", []),
    ],
)
def test_the_name_and_the_words_are_found_and_marked(text: str, found: list[str]) -> None:
    highlights = Highlights("bob", ("deploy", "build", "build bot"))
    assert marked(highlights, text) == found
    assert (text in highlights) is bool(found)


def test_words_come_and_go_in_any_case() -> None:
    attention = Attention(highlight=["Deploy"])
    attention.rename("bob")
    attention.add_word("lunch")
    assert attention.words == ["Deploy", "lunch"]
    assert attention.remove_word("DEPLOY")
    assert not attention.remove_word("DEPLOY")
    assert marked(attention.highlights, "bob: lunch, no deploy") == ["bob", "lunch"]


def test_another_name_keeps_the_words() -> None:
    attention = Attention(highlight=["deploy"])
    attention.rename("bob")
    attention.rename("robert")
    assert marked(attention.highlights, "bob robert deploy") == ["robert", "deploy"]


def test_mentions_are_kept_the_last_ones() -> None:
    attention = Attention(highlight=["deploy"])
    attention.rename("bob")
    assert not attention.hear(NINE, "alice", "nothing", None)
    for number in range(MAX_MENTIONS + 1):
        assert attention.hear(NINE, "alice", f"deploy {number}", None)
    assert len(attention.mentions) == MAX_MENTIONS
    assert attention.mentions[0] == Mention(NINE, "alice", "deploy 1")
