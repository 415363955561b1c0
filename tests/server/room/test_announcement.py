"""The text of an announcement, before it goes to everyone."""

from __future__ import annotations

import pytest

from chat.server.room.announcement import BadAnnouncement, read_announcement


@pytest.mark.parametrize(
    ("text", "announced"),
    [
        ("Restart at ten.\n", "Restart at ten."),
        ("\n one \r\ntwo  \n\nthree\n\n", " one\ntwo\n\nthree"),
        ("a\tb", "a       b"),
        ("bell\a \x1b[2J\x9b2J \u202eevil \u2066x", "bell [2J2J evil x"),
        ("Привет \N{PARTY POPPER}", "Привет \N{PARTY POPPER}"),
        ("broken \udcff", "broken"),
    ],
)
def test_a_text_stays_as_it_is_without_what_a_terminal_obeys(text: str, announced: str) -> None:
    assert read_announcement(text, 1000) == announced


@pytest.mark.parametrize("text", [None, 7, "", " \n", "\x1b", "x" * 1001, "ж" * 501])
def test_what_cannot_be_announced(text: object) -> None:
    with pytest.raises(BadAnnouncement):
        read_announcement(text, 1000)
