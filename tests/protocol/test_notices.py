"""The codes are part of the wire: programs compare them."""

from __future__ import annotations

import re

from chat.protocol.headers import encode_json
from chat.protocol.notices import SERVER_NAME, LeaveReason, NoticeCode, Refusal


def test_the_codes_of_notices() -> None:
    assert [notice.value for notice in NoticeCode] == [
        "no-such-user",
        "bad-header",
        "bad-type",
        "not-utf8",
        "empty",
        "too-large",
        "no-space",
        "gone",
        "shutting-down",
        "done",
        "bad-command",
        "not-allowed",
        "wrong-password",
        "encryption-needed",
        "muted",
        "no-history",
        "bad-place",
        "no-such-room",
        "not-in-room",
        "not-invited",
        "too-many-rooms",
        "blocked",
        "mailbox-full",
        "replaced",
        "account",
        "announcement",
        "status",
        "moderated",
        "epoch",
        "read",
        "waiting",
        "move",
        "topic",
        "room",
        "invited",
        "removed",
        "here",
    ]


def test_the_codes_of_refused_logins() -> None:
    assert [refusal.value for refusal in Refusal] == [
        "username-exists",
        "bad-username",
        "bad-header",
        "too-large",
        "not-logged-in",
        "server-full",
        "too-many-connections",
        "no-such-session",
        "too-many-transfers",
        "too-many-attempts",
        "encryption-needed",
        "password-needed",
        "wrong-password",
        "banned",
        "busy",
    ]


def test_the_reasons_for_leaving() -> None:
    assert [reason.value for reason in LeaveReason] == [
        "quit",
        "disconnected",
        "timed-out",
        "too-slow",
        "kicked",
        "banned",
        "replaced",
        "server-stopping",
        "parted",
        "removed",
    ]


def test_the_name_of_the_server() -> None:
    assert SERVER_NAME == "server"


def test_a_code_is_a_plain_word_that_travels_as_it_is() -> None:
    for code in (*NoticeCode, *Refusal, *LeaveReason):
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
        assert encode_json(code) == f'"{str.__str__(code)}"'.encode()
