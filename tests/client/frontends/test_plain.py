from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from chat.client.connection.events import (
    Attachment,
    BadFrame,
    Joined,
    Left,
    Limits,
    Notice,
    Text,
    Welcome,
)
from chat.client.conversation.requests import Get, Quit, RequestError, Say
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.conversation.ui_events import (
    Announced,
    Asked,
    Done,
    Explanation,
    Failed,
    Lag,
    Problem,
    TransferChanged,
    TransferListing,
    UiEvent,
    UserList,
)
from chat.client.frontends.line_io import Line
from chat.client.frontends.plain import PlainFrontend
from chat.client.frontends.plain_requests import read_line
from chat.client.resuming.events import Disconnected
from chat.protocol.descriptor import MessageType

NINE = datetime(2026, 1, 2, 21, 4, 5, tzinfo=timezone.utc)


class Shown:
    """A plain frontend, and the lines that it has written."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.frontend = PlainFrontend(self.lines.extend, self.warnings.extend)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shown]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield Shown()
    monkeypatch.undo()
    time.tzset()


def transfer(state: TransferState, **values: object) -> Transfer:
    made = Transfer(3, MessageType.FILE, "a.txt", 2048, peer="alice", state=state)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def photo(**values: object) -> Attachment:
    fields = {"to": None, "filename": "cat.png", **values}
    return Attachment(MessageType.IMAGE, "alice", NINE, size=1536, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("news", "lines"),
    [
        (Text("alice", NINE, "hello"), ["<21:04:05> [alice]: hello"]),
        (Text("алиса", NINE, "привет 👋"), ["<21:04:05> [алиса]: привет 👋"]),
        (Text("alice", NINE, "psst", to="bob"), ["<21:04:05> [alice -> bob]: psst"]),
        (Text("alice", NINE, "/me waves"), ["<21:04:05> * alice waves"]),
        (Text("alice", NINE, "/me nods", to="bob"), ["<21:04:05> * alice -> bob nods"]),
        (Text("alice", NINE, "/menu"), ["<21:04:05> [alice]: /menu"]),
        (
            Text("alice", NINE, "one\n<21:04:06> [bob]: two\r\nthree\n"),
            [
                "<21:04:05> [alice]:",
                "         | one",
                "         | <21:04:06> [bob]: two",
                "         | three",
            ],
        ),
        (Text("alice", NINE, "/me a\nb"), ["<21:04:05> * alice", "         | a", "         | b"]),
        (
            Text("alice", NINE, "id\tname\n1\tбоб\n漢字\t3"),
            [
                "<21:04:05> [alice]:",
                "         | id      name",
                "         | 1       боб",
                "         | 漢字    3",
            ],
        ),
        (Text("alice", NINE, "\x1b[2J\u202e"), ["<21:04:05> [alice]: ␛[2J<U+202E>"]),
        (Text("a\nb", NINE, "x"), ["<21:04:05> [a␊b]: x"]),
        (Joined("alice", NINE), ["<21:04:05> -- alice joined"]),
        (Left("alice", NINE), ["<21:04:05> -- alice left"]),
        (Left("alice", NINE, "quit"), ["<21:04:05> -- alice left"]),
        (Left("alice", NINE, "too-slow"), ["<21:04:05> -- alice left (too slow)"]),
        (Left("alice", NINE, "new\x1b"), ["<21:04:05> -- alice left (new␛)"]),
        (
            Notice("moderated", "You are muted.\nSorry.", NINE),
            ["<21:04:05> -- the server says: You are muted.", "         | Sorry."],
        ),
        (
            Notice("announcement", "Restart at ten.\nBe back soon.", NINE),
            [
                "<21:04:05> -- the operator announces: Restart at ten.",
                "         | Be back soon.",
            ],
        ),
        (
            Notice("moderated", "alice muted bob.", NINE),
            ["<21:04:05> -- the server says: alice muted bob."],
        ),
        (
            Welcome("bob", NINE, ("alice", "bob"), motd="Be nice.\nOr leave.\x07"),
            [
                "<21:04:05> -- you are in the room as bob, with alice",
                "         | Be nice.",
                "         | Or leave.␇",
            ],
        ),
        (Welcome("bob", NINE), ["<21:04:05> -- you are in the room as bob"]),
        (
            Welcome("bob", NINE, here=2000),
            ["<21:04:05> -- you are in the room as bob, one of 2000 users"],
        ),
        (
            Announced(photo(), transfer(TransferState.OFFERED)),
            ["<21:04:05> -- alice sent an image: cat.png (1.5 KiB), number 3, /get 3 saves it"],
        ),
        (
            Announced(photo(to="bob"), transfer(TransferState.WAITING)),
            ["<21:04:05> -- alice sent an image to bob: cat.png (1.5 KiB), number 3"],
        ),
        (
            Announced(photo(own=True), None),
            ["<21:04:05> -- alice sent an image: cat.png (1.5 KiB)"],
        ),
        (Explanation(("/quit  leave",)), ["/quit  leave"]),
    ],
)
def test_what_comes_in_is_shown_on_lines_of_its_own(
    news: UiEvent, lines: list[str], shown: Shown
) -> None:
    shown.frontend.show(news)
    assert shown.lines == lines
    assert not shown.warnings


@pytest.mark.parametrize(
    ("news", "warnings"),
    [
        (
            Failed("no-such-user", "No user with this name is here."),
            ["No user with this name is here."],
        ),
        (Problem("The disk is full."), ["The disk is full."]),
        (BadFrame("a\x1bb"), ["The server sent an invalid frame: a␛b"]),
        (Disconnected("It broke.", 1.0), ["It broke. Trying again."]),
        (Lag(5.2), ["The server has not answered for 5 s."]),
        (Lag(0.0), []),
        (
            TransferChanged(transfer(TransferState.FAILED, problem="It is gone.")),
            ["number 3, a.txt, failed: It is gone."],
        ),
    ],
)
def test_what_went_wrong_is_told_apart(news: UiEvent, warnings: list[str], shown: Shown) -> None:
    shown.frontend.show(news)
    assert shown.warnings == warnings
    assert not shown.lines


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            transfer(TransferState.DONE, path=Path("in/a.txt")),
            "-- number 3, a.txt, is saved as in/a.txt",
        ),
        (transfer(TransferState.CANCELLED), "-- number 3, a.txt, is cancelled"),
        (transfer(TransferState.RUNNING), None),
        (transfer(TransferState.DONE, outgoing=True), None),  # its echo is shown
    ],
)
def test_how_a_transfer_ended(changed: Transfer, line: str | None, shown: Shown) -> None:
    shown.frontend.show(TransferChanged(changed))
    assert [text.partition("> ")[2] for text in shown.lines] == ([] if line is None else [line])


def test_where_nobody_can_ask_it_is_said_what_would_save_it() -> None:
    lines: list[str] = []
    why = "not saved: use --save-directory=DIR to save attachments"
    frontend = PlainFrontend(lines.extend, lines.extend, why)
    frontend.show(Announced(photo(), transfer(TransferState.OFFERED)))
    frontend.show(Announced(photo(), transfer(TransferState.WAITING)))
    assert lines == [
        f"<21:04:05> -- alice sent an image: cat.png (1.5 KiB), number 3, {why}",
        "<21:04:05> -- alice sent an image: cat.png (1.5 KiB), number 3",
    ]


def test_who_is_here(shown: Shown) -> None:
    shown.frontend.show(UserList(("bob", "Alice"), complete=True))
    shown.frontend.show(UserList(("bob",), complete=False))
    assert [line.partition(" -- ")[2] for line in shown.lines] == [
        "2 in the room: Alice, bob",
        "seen in the room so far: bob",
    ]


def test_the_list_of_transfers(shown: Shown) -> None:
    shown.frontend.show(TransferListing(()))
    shown.frontend.show(
        TransferListing(
            (
                transfer(TransferState.OFFERED),
                transfer(TransferState.RUNNING, done=512),
                transfer(TransferState.FAILED, problem="It is gone."),
                transfer(TransferState.DONE, path=Path("in/a.txt")),
                transfer(TransferState.WAITING),
                transfer(TransferState.DONE, outgoing=True, peer=None),
            )
        )
    )
    assert shown.lines[0].endswith("-- no attachments yet")
    assert shown.lines[2:] == [
        "         | 3. a.txt from alice, 2 KiB: /get 3 saves it",
        "         | 3. a.txt from alice, 2 KiB: 25 %",
        "         | 3. a.txt from alice, 2 KiB: failed, It is gone.",
        "         | 3. a.txt from alice, 2 KiB: saved as in/a.txt",
        "         | 3. a.txt from alice, 2 KiB: waiting",
        "         | 3. a.txt to everyone, 2 KiB: sent",
    ]


def test_the_stop_of_the_server_is_told_once(shown: Shown) -> None:
    shown.frontend.show(Notice("shutting-down", "The server is shutting down.", NINE))
    shown.frontend.show(Disconnected("The server is shutting down.", 1.0))
    assert shown.lines == []
    assert shown.warnings == ["The server is shutting down. Trying again."]


def test_a_user_at_a_terminal_is_told_once_where_help_is() -> None:
    lines: list[str] = []
    frontend = PlainFrontend(lines.extend, lines.extend, greeting="/help lists the commands")
    for _ in range(2):
        frontend.show(Welcome("bob", NINE, motd="Be nice."))
    assert [line for line in lines if "/help" in line] == ["<21:04:05> -- /help lists the commands"]
    assert lines.index("<21:04:05> -- /help lists the commands") == 2


def test_messages_that_can_be_copied(shown: Shown) -> None:
    for text in ("one", "/me waves", "a\n\tb\x1b"):
        shown.frontend.show(Text("alice", NINE, text))
    assert [shown.frontend.copied(number)[0] for number in (1, 2, 3)] == ["a\n\tb␛", "waves", "one"]
    assert " -- copied 5 characters of alice, " in shown.frontend.copied(1)[1]
    with pytest.raises(RequestError, match="There is no such message"):
        shown.frontend.copied(4)


def test_a_long_outage_is_told_once_for_each_reason(shown: Shown) -> None:
    for reason in ("It broke.", "Nobody answers.", "Nobody answers."):
        shown.frontend.show(Disconnected(reason, 1.0))
    assert shown.warnings == ["It broke. Trying again.", "Nobody answers. Trying again."]
    shown.frontend.show(Welcome("bob", NINE))
    shown.frontend.show(Disconnected("Nobody answers.", 1.0))
    assert len(shown.warnings) == 3


def test_no_text_begins_as_the_client_itself_does(shown: Shown) -> None:
    for text in ("-- alice left", "/me -- bob left", "x\n<21:04:05> -- alice left", "\n-- x"):
        shown.frontend.show(Text("eve", NINE, text))
    assert not [line for line in shown.lines if line.startswith("<21:04:05> --")]


def test_what_only_programs_want_to_know_is_not_shown(shown: Shown) -> None:
    shown.frontend.show(Done("7"))
    assert not shown.lines + shown.warnings


def test_the_answer_to_a_command_is_told(shown: Shown) -> None:
    shown.frontend.show(Done(None, "Kept out:\nmallory\x1b"))
    first, second = shown.lines
    assert first.endswith(" -- the server says: Kept out:")
    assert second == "         | mallory␛"


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        (b"hello", [Say("hello")]),
        (b"/quit", [Say("/quit")]),
        (b"//x", [Say("//x")]),
        (b"", []),
        (b" \t ", []),
        (b"caf\xe9", [Say("caf\N{REPLACEMENT CHARACTER}")]),
        (b"abcdefghijk", [Say("abcdefgh"), Say("ijk")]),
        ("жжжжж".encode(), [Say("жжжж"), Say("ж")]),
    ],
)
def test_a_line_is_a_text_whatever_it_begins_with(line: bytes, asked: list[Say]) -> None:
    assert list(read_line(Line(line), commands=False, max_text=8)) == [Asked(say) for say in asked]


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        (Line(b"/quit"), [Quit()]),
        (Line(b"/get 3"), [Get(3)]),
        (Line(b"//x"), [Say("/x")]),
        (Line(b"/msg bob abcdefghijk"), [Say("abcdefgh", "bob"), Say("ijk", "bob")]),
        # The rest of a line that was too long is no command, whatever it happens to begin with.
        (Line(b"/quit", continued=True), [Say("/quit")]),
    ],
)
def test_where_commands_are_allowed(line: Line, asked: list[Say | Quit | Get]) -> None:
    assert list(read_line(line, commands=True, max_text=8)) == [Asked(each) for each in asked]


def test_a_command_that_is_none_is_not_said() -> None:
    with pytest.raises(RequestError, match="Unknown command /qiut"):
        list(read_line(Line(b"/qiut"), commands=True, max_text=Limits().max_text))
