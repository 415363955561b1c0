"""Other devices of the user, and messages that wait, as plain lines."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from chat.client.connection.events import Attachment, Notice, ReadElsewhere, Text
from chat.client.conversation.ui_events import Announced, UiEvent, Unconfirmed
from chat.client.frontends import plain
from chat.client.frontends.plain import PlainFrontend
from chat.protocol.descriptor import MessageType

NINE = datetime(2026, 1, 2, 21, 4, 5, tzinfo=timezone.utc)


def shown(*events: UiEvent) -> list[str]:
    lines: list[str] = []
    frontend = PlainFrontend(lines.extend, lines.extend)
    for event in events:
        frontend.show(event)
    return lines


@pytest.mark.parametrize(
    ("text", "to", "line"),
    [
        ("hi", None, "[bob (elsewhere)]: hi"),
        ("hi", "alice", "[bob (elsewhere) -> alice]: hi"),
        ("/me waves", None, "* bob (elsewhere) waves"),
    ],
)
def test_what_another_device_sent_is_marked(text: str, to: str | None, line: str) -> None:
    copy = Text("bob", NINE, text, to, own=True, elsewhere=True)
    assert shown(copy) == [f"<21:04:05> {line}"]


def test_a_file_of_another_device_is_marked() -> None:
    file = Attachment(MessageType.FILE, "bob", NINE, "a", 5, own=True, elsewhere=True)
    assert shown(Announced(file, None)) == [
        "<21:04:05> -- bob (elsewhere) sent a file: a (5 bytes)"
    ]


def test_the_sender_hears_that_a_message_waits() -> None:
    later = "<21:04:05> -- al␛ice gets it when they come back"
    text = Text("bob", NINE, "hi", "al\x1bice", own=True, waiting=True)
    assert shown(text) == ["<21:04:05> [bob -> al␛ice]: hi", later]
    file = Attachment(MessageType.FILE, "bob", NINE, "a", 5, "al\x1bice", own=True, waiting=True)
    assert shown(Announced(file, None))[1:] == [later]


def test_a_server_that_cannot_confirm_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [NINE + timedelta(seconds=5 * n) for n in range(100)]
    clock = [NINE]
    monkeypatch.setattr(plain, "now", lambda: clock[0])
    lines: list[str] = []
    frontend = PlainFrontend(lines.extend, lines.extend)
    for moment in [*moments, NINE + timedelta(minutes=12)]:
        clock[0] = moment
        for event in (
            Notice("waiting", "Not yet.", moment),
            Unconfirmed(moment),
            Unconfirmed(None),
        ):
            frontend.show(event)
    assert lines == [
        "<21:04:05> -- the server cannot confirm messages now",
        "<21:16:05> -- the server cannot confirm messages now",
    ]


def test_what_was_read_elsewhere_changes_no_line() -> None:
    assert shown(ReadElsewhere(7, NINE)) == []
