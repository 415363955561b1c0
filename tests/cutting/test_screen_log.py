"""The log of a screen is read, and gets its numbers from what others saw."""

from __future__ import annotations

from tests.cutting.evidence import ROOM, EpochShown, HoleShown, Message, Shown
from tests.cutting.screen_log import Kind, events_of, read_items

LOG = """\
2026-11-29 12:59:13 -- the log is written to life-1.log from now on
2026-11-29 12:59:13 [anna]: anna-1 ab ab
2026-11-29 12:59:14 -- boris sent a file: boris-1-5ed1937e (1 byte), number 1: /get 1 saves it
2026-11-29 12:59:14 [anna (elsewhere)]: anna-phone-1
2026-11-29 12:59:15 -- up to 7 messages are lost here: the server crashed before they were stored
2026-11-29 12:59:15 -- up to 9 private messages are lost here: the server crashed before they were stored
2026-11-29 12:59:16 [kilian]: kilian-1
                    | perhaps said: The server lost messages, perhaps this one too. /again 1 says it again
2026-11-29 12:59:16 [kilian]: kilian-2
                    | not sent: The server cannot write to its disk.
2026-11-29 12:59:16 -- dario joined
2026-11-29 12:59:17 [chloe]: half a li"""
RENUMBERED = (
    "2026-11-29 12:59:18 -- The server's history began anew. Some messages may be missing, and some may be shown twice."
    " Nothing is said again by itself.\n"
)


def message(seq: int, sender: str, body: str) -> Message:
    return Message(seq, f"t{seq}", sender, None, body)


def test_the_lines_of_a_log() -> None:
    assert [(item.kind, item.sender, item.body, item.messages) for item in read_items(LOG)] == [
        (Kind.MESSAGE, "anna", "anna-1 ab ab", 0),
        (Kind.MESSAGE, "boris", "boris-1-5ed1937e", 0),
        (Kind.MESSAGE, "anna", "anna-phone-1", 0),
        (Kind.HOLE, "", "", 7),
        (Kind.PERHAPS, "kilian", "kilian-1", 0),
        (Kind.UNSENT, "kilian", "kilian-2", 0),
    ]
    assert [item.kind for item in read_items(RENUMBERED)] == [Kind.RENUMBERED]


def test_the_numbers_of_what_was_shown() -> None:
    anna, boris = message(5, "anna", "a"), message(13, "boris", "b")
    known = {each.body: ("e1", each) for each in (anna, boris)}
    first = "2026-11-29 12:59:13 [anna]: a\n2026-11-29 12:59:13 [kilian]: k\n"
    hole = "2026-11-29 12:59:13 -- up to 6 messages are lost here: the server crashed\n"
    second = f"{hole}2026-11-29 12:59:13 [boris]: b\n{RENUMBERED}"
    lives = [read_items(each) for each in (first + hole, second)]
    assert events_of(lives, known) == [
        [
            Shown(ROOM, "e1", anna),
            Shown(ROOM, "e1", Message(6, "", "kilian", None, "k")),
            HoleShown(ROOM, "e1", 7, 12),
        ],
        # The second life shows the hole again, which nothing but the message behind it tells.
        [HoleShown(ROOM, "e1", 7, 12), Shown(ROOM, "e1", boris), EpochShown(ROOM, "")],
    ]
