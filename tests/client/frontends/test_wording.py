from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from chat.client.connection.events import Attachment
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.conversation.ui_events import UserFound, UserList
from chat.client.frontends.wording import (
    file_and_size,
    leave_reason,
    local_times,
    people,
    percent,
    some_names,
    transfer_line,
    transfer_state,
    user_found,
)
from chat.protocol.descriptor import MessageType
from chat.protocol.notices import LeaveReason


def transfer(state: TransferState, **values: object) -> Transfer:
    fields = {"filename": "a.txt", "size": 2048, "peer": "alice", **values}
    return Transfer(3, MessageType.FILE, state=state, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (None, ""),
        ("quit", ""),
        ("too-slow", " (too slow)"),
        ("banned", " (banned)"),
        ("abducted", " (abducted)"),  # by a server that is newer than we are
        ("\x1b[2J", " (␛[2J)"),
    ],
)
def test_why_somebody_left(reason: str | None, words: str) -> None:
    assert leave_reason(reason) == words


@pytest.mark.parametrize("reason", [r for r in LeaveReason if r is not LeaveReason.QUIT])
def test_every_reason_has_words(reason: LeaveReason) -> None:
    assert leave_reason(reason.value).startswith(" (")
    assert "-" not in leave_reason(reason.value)


def test_a_file_and_its_size() -> None:
    now = datetime.now(timezone.utc)
    assert file_and_size(Attachment(MessageType.FILE, "alice", now, "a\u202eb", 1536)) == (
        "a<U+202E>b (1.5 KiB)"
    )


def test_who_is_in_the_room() -> None:
    here = UserList(("Bob", "alice", "c\x1b"), complete=True)
    assert people(here) == "3 in the room: alice, Bob, c␛"
    assert people(UserList(("bob",), complete=False)) == "seen in the room so far: bob"


def test_what_users_are() -> None:
    registered, moderators = frozenset({"alice", "bob"}), frozenset({"alice"})
    here = UserList(("eve", "bob", "alice"), True, None, registered, moderators)
    assert people(here) == "3 in the room: alice (moderator), bob (registered), eve"


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (UserFound("alice", True, True, True), "alice is in the room (moderator)"),
        (UserFound("bob", True, True), "bob is in the room (registered)"),
        (UserFound("eve", True), "eve is in the room"),
        (UserFound("c\x1b", False), "nobody named c␛ is in the room"),
    ],
)
def test_one_user(found: UserFound, line: str) -> None:
    assert user_found(found) == line


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, ""),
        (1, "n0"),
        (2, "n0 and n1"),
        (3, "n0, n1 and n2"),
        (4, "n0, n1 and 2 others"),
        (1000, "n0, n1 and 998 others"),
    ],
)
def test_some_names_of_many(count: int, words: str) -> None:
    assert some_names([f"n{number}" for number in range(count)], most=3) == words


def test_names_of_a_hostile_server() -> None:
    assert some_names(["\x1b"]) == "␛"


@pytest.mark.parametrize(
    ("state", "values", "words"),
    [
        (TransferState.OFFERED, {}, "/get 3 saves it"),
        (TransferState.WAITING, {}, "waiting"),
        (TransferState.RUNNING, {"done": 1024}, "50 %"),
        (TransferState.DONE, {}, "sent"),
        (TransferState.DONE, {"path": Path("/x\x07/a.txt")}, "saved as /x␇/a.txt"),
        (TransferState.FAILED, {"problem": "The disk is full."}, "failed, The disk is full."),
        (TransferState.FAILED, {}, "failed, it could not be saved"),
        (TransferState.CANCELLED, {}, "cancelled"),
    ],
)
def test_how_far_a_transfer_is(state: TransferState, values: dict[str, object], words: str) -> None:
    assert transfer_state(transfer(state, **values)) == words


def test_transfers_in_a_list() -> None:
    assert transfer_line(transfer(TransferState.WAITING)) == "3. a.txt from alice, 2 KiB: waiting"
    sent = transfer(TransferState.DONE, outgoing=True, peer=None, filename="\x07")
    assert transfer_line(sent) == "3. ␇ to everyone, 2 KiB: sent"


@pytest.mark.parametrize(
    ("done", "size", "expected"), [(0, 0, 0), (0, 10, 0), (9, 10, 90), (10, 10, 100), (20, 10, 100)]
)
def test_percent(done: int, size: int, expected: int) -> None:
    assert percent(transfer(TransferState.RUNNING, done=done, size=size)) == expected


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        (
            "You are banned until 2026-11-24 14:35:00 UTC: spam.",
            "You are banned until 2026-11-24 23:35:00: spam.",
        ),
        (
            "a is banned by b, until 2026-12-31 15:00:00 UTC.\nc, until 2027-01-01 00:00:00 UTC.",
            "a is banned by b, until 2027-01-01 00:00:00.\nc, until 2027-01-01 09:00:00.",
        ),
        ("until 2026-13-24 14:35:00 UTC", "until 2026-13-24 14:35:00 UTC"),
        ("until 9999-12-31 23:59:59 UTC", "until 9999-12-31 23:59:59 UTC"),
        ("until further notice", "until further notice"),
    ],
)
def test_times_of_the_server_are_shown_in_the_zone_of_the_user(
    sentence: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC-9")
    time.tzset()
    try:
        assert local_times(sentence) == shown
    finally:
        monkeypatch.undo()
        time.tzset()
