"""The lists in a server's answers: devices, and blocked users."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from chat.client.answers.listings import KnownDevice, read_devices, read_names

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
