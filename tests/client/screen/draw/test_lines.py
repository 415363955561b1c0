from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.attention.names_in_texts import Mentions
from chat.client.conversation.recall.search_terms import parse_terms
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.screen.draw.lines import (
    day_name,
    entry_lines,
    local_day,
    movement_phrases,
    progress_bar,
)
from chat.client.screen.model.entries import (
    Entry,
    Movement,
    Pending,
    Remark,
    Said,
    Shared,
    Step,
    Unsent,
)
from chat.client.screen.model.search import EntryMatcher
from chat.client.screen.text.spans import Row, Span, text_of
from chat.protocol.descriptor import MessageType
from chat.sanitize import sanitize
from tests.tables import table

NINE = datetime(2026, 11, 24, 21, 4, 5, tzinfo=timezone.utc)
YEAR_9999 = datetime.max.replace(tzinfo=timezone(timedelta(hours=-23)))


def drawn(entry: Entry) -> list[str]:
    return [text_of(line) for line in entry_lines(entry)]


def styles(entry: Entry) -> list[tuple[str, object]]:
    """Return the styles of the first line, after the time."""
    return [(span.text, span.style) for span in entry_lines(entry)[0][1:]]


def shared(
    state: TransferState | None = None, kind: MessageType = MessageType.IMAGE, **of: object
) -> Entry:
    fields = {"to": of.pop("to", None), "own": of.pop("own", False)}
    transfer = None if state is None else Transfer(3, kind, "cat.png", 2048, state=state)
    for name, value in of.items():
        setattr(transfer, name, value)
    return Shared(NINE, "alice", kind, "cat.png", 2048, transfer=transfer, **fields)  # type: ignore[arg-type]


def joins(name: str) -> Step:
    return Step(NINE, name, joined=True)


def leaves(name: str, reason: str | None = "quit") -> Step:
    return Step(NINE, name, joined=False, reason=reason)


@table(
    ("entry", "lines"),
    [
        (Said(NINE, "alice", "hello"), ["<21:04:05> [alice]: hello"]),
        (Said(NINE, "алиса", "привет 👋"), ["<21:04:05> [алиса]: привет 👋"]),
        (Said(NINE, "alice", "psst", to="bob"), ["<21:04:05> [alice -> bob]: psst"]),
        (Said(NINE, "alice", "/me waves"), ["<21:04:05> * alice waves"]),
        (Said(NINE, "alice", "/me nods", to="bob"), ["<21:04:05> * alice -> bob nods"]),
        (Said(NINE, "alice", "/menu"), ["<21:04:05> [alice]: /menu"]),
        (Said(NINE, "alice", "a\n\nb\n"), ["<21:04:05> [alice]:", "a", "", "b"]),
        # A sender who began with a line end gets no second one.
        (Said(NINE, "alice", "\na\n b"), ["<21:04:05> [alice]:", "a", " b"]),
        (
            Said(NINE, "alice", "if x:\n\treturn"),
            ["<21:04:05> [alice]:", "if x:", "        return"],
        ),
        (Said(NINE, "alice", "/me a\nb"), ["<21:04:05> * alice", "a", "b"]),
        (Said(NINE, "a\x1b", "\x1b[2J\u202e", to="\x07"), ["<21:04:05> [a␛ -> ␇]: ␛[2J<U+202E>"]),
        (shared(own=True), ["<21:04:05> -- alice sent an image: cat.png (2 KiB)"]),
        (
            shared(kind=MessageType.FILE, own=True, to="bob"),
            ["<21:04:05> -- alice sent a file to bob alone: cat.png (2 KiB)"],
        ),
        (
            shared(TransferState.OFFERED, MessageType.VOICE),
            [
                "<21:04:05> -- alice sent a voice message: cat.png (2 KiB), "
                "number 3: /get 3 saves it"
            ],
        ),
        (
            shared(TransferState.RUNNING, done=1024),
            ["<21:04:05> -- alice sent an image: cat.png (2 KiB), number 3: [#####-----] 50 %"],
        ),
        (
            shared(TransferState.DONE, path=Path("/home\n/cat.png")),
            [
                "<21:04:05> -- alice sent an image: cat.png (2 KiB), "
                "number 3: saved as /home␊/cat.png"
            ],
        ),
        (Movement(joins("al\x1bice")), ["<21:04:05> -- al␛ice joined"]),
        (Remark(NINE, ("one\x1b", "two"), "dim"), ["<21:04:05> -- one␛", "two"]),
        (Pending(NINE, 1, "bob", "hello\nyou"), ["<21:04:05> [bob]:", "hello", "you …"]),
        (Pending(NINE, 1, "bob", "/me waves"), ["<21:04:05> * bob waves …"]),
        (
            Pending(NINE, 1, "bob", "a.txt", "alice", MessageType.FILE),
            ["<21:04:05> -- sending a file to alice alone: a.txt …"],
        ),
        (
            Unsent(Pending(NINE, 1, "bob", "hi", "eve"), "No such user."),
            ["<21:04:05> [bob -> eve]: hi", "not sent: No such user."],
        ),
    ],
)
def test_what_an_entry_says(entry: Entry, lines: list[str]) -> None:
    assert drawn(entry) == lines


def test_an_upload_under_way() -> None:
    pending = Pending(NINE, 1, "bob", "a.iso", kind=MessageType.FILE)
    pending.transfer = Transfer(1, MessageType.FILE, "a.iso", 100, done=30)
    assert drawn(pending) == ["<21:04:05> -- sending a file: a.iso: [###-------] 30 % …"]


def test_styles_of_what_is_said() -> None:
    assert styles(Said(NINE, "alice", "hi")) == [
        ("[", "text"),
        ("alice", "name-7"),
        ("", "text"),
        ("]: ", "text"),
        ("hi", "text"),
    ]
    assert ("bob", "own-name") in styles(Said(NINE, "bob", "hi", own=True))
    assert ("alice", "mention") in styles(Said(NINE, "alice", "hi bob", mentions=True))
    assert {style for _, style in styles(Said(NINE, "alice", "hi", to="bob"))} == {
        "private",
        "name-7",
    }


def test_styles_of_own_words_on_their_way() -> None:
    pending = Pending(NINE, 1, "bob", "hi")
    assert {style for _, style in styles(pending)} == {"pending", "own-name"}
    assert {style for _, style in styles(Unsent(pending, "Why."))} == {"error"}


def marked(rows: list[Row], style: str) -> list[str]:
    return [span.text for row in rows for span in row if span.style == style]


def test_our_name_stands_out() -> None:
    said = Said(NINE, "alice", "Bob and bob\nbobby bob", mentions=True)
    rows = entry_lines(said, Mentions("bob"))
    assert marked(rows, "mention") == ["alice", "Bob", "bob", "bob"]
    assert marked(entry_lines(Said(NINE, "bob", "I am bob"), Mentions("bob")), "mention") == []


def test_what_is_searched_for_stands_out_but_not_in_the_time() -> None:
    four = EntryMatcher(parse_terms("4"))
    said = Said(NINE, "4lice", "2+2=4\n44")
    assert marked(entry_lines(said, match=four), "match") == ["4", "4", "4", "4"]
    current = entry_lines(said, match=four, is_current=True)
    assert marked(current, "current-match") == ["<21:04:05> ", "4", "4", "4", "4"]


@table(
    ("steps", "phrases"),
    [
        ([joins("alice"), joins("bob"), joins("carol")], ["alice, bob and carol joined"]),
        ([leaves("alice"), leaves("bob", "timed-out")], ["alice left", "bob left (timed out)"]),
        (
            [leaves("alice", "too-slow"), joins("bob"), leaves("carol", "too-slow")],
            ["alice and carol left (too slow)", "bob joined"],
        ),
        ([joins("alice"), leaves("alice")], ["alice came and went"]),
        ([joins("alice"), leaves("alice", "quit")], ["alice came and went"]),
        ([joins("alice"), leaves("alice", "banned")], ["alice joined and left (banned)"]),
        ([joins("alice"), leaves("alice", "kicked"), joins("alice")], ["alice joined"]),
        ([leaves("alice"), joins("alice")], ["alice came back"]),
        ([leaves("alice", "replaced"), joins("alice")], ["alice came back"]),
        ([joins("alice"), leaves("alice"), joins("alice")], ["alice joined"]),
        (
            [joins(f"n{n}") for n in range(99)],
            [f"{', '.join(f'n{n}' for n in range(7))} and 92 others joined"],
        ),
    ],
)
def test_joins_and_leaves_in_one_line(steps: list[Step], phrases: list[str]) -> None:
    assert movement_phrases(steps) == phrases


def test_groups_stand_in_one_line() -> None:
    movement = Movement(joins("alice"))
    movement.fold(leaves("bob"))
    assert drawn(movement) == ["<21:04:05> -- alice joined; bob left"]
    assert styles(movement) == [("-- alice joined; bob left", "dim")]


@pytest.mark.parametrize(
    ("share", "bar"),
    [(0, "----------"), (9, "----------"), (10, "#---------"), (100, "##########")],
)
def test_bars(share: int, bar: str) -> None:
    assert progress_bar(share) == bar


def test_days() -> None:
    assert day_name(local_day(NINE)) == "Tuesday, 24 November 2026"
    assert local_day(NINE + timedelta(hours=3)) != local_day(NINE)
    assert day_name(local_day(YEAR_9999)) == "another day"


@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None)), st.booleans())
def test_any_message_is_sanitized(sender: str, text: str, mentions: bool) -> None:
    said = Said(YEAR_9999, sender, text, to=sender, mentions=mentions)
    first, *further = entry_lines(said, Mentions("a"))
    assert first[0] == Span("<--:--:--> ", "dim")
    for row in (first, *further):
        assert sanitize(text_of(row)) == text_of(row)
