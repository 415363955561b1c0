"""The lists in a server's answers: devices, and blocked users."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from chat.client.answers.listings import (
    KnownDevice,
    ListedRoom,
    read_devices,
    read_names,
    read_rooms,
)

NOON = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
LAPTOP = {"name": "ab12", "first": "2026-11-24T12:00:00Z", "last": "2026-11-24T12:00:00Z"}


def test_devices() -> None:
    answer = json.dumps([{**LAPTOP, "here": True, "current": True}, {**LAPTOP, "new": 1}])
    here = KnownDevice("ab12", NOON, NOON, is_here=True, is_this=True)
    assert read_devices(answer) == (here, KnownDevice("ab12", NOON, NOON))
    assert read_devices("[]") == ()


@pytest.mark.parametrize(
    "answer",
    [
        "Devices: none.",
        "{}",
        "[7]",
        "[null]",
        '[{"name": "a"}]',
        json.dumps([{**LAPTOP, "name": 7}]),
        json.dumps([{**LAPTOP, "last": "noon"}]),
        json.dumps([{**LAPTOP, "last": 7}]),
    ],
)
def test_an_answer_of_another_form_is_a_sentence(answer: str) -> None:
    assert read_devices(answer) is None


def test_blocked_users() -> None:
    assert read_names('["eve", "mallory"]') == ("eve", "mallory")
    assert read_names("[]") == ()
    for answer in ("nobody", "[1]", '"eve"'):
        assert read_names(answer) is None


def test_rooms_of_a_list() -> None:
    answer = [
        {"room": "dev", "here": 2, "kind": "open"},
        {"room": "den", "here": -1, "kind": 7},
        {},
    ]
    assert read_rooms(json.dumps(answer)) == (ListedRoom("dev", "open", None, 2), ListedRoom("den"))


def test_half_characters_are_no_names() -> None:
    assert read_names('["\\ud800"]') is None
    assert read_rooms('[{"room": "\\uDFFF"}]') is None
    assert read_names('["\\ud83d\\ude00"]') == ("\U0001f600",)
