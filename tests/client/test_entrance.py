from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chat.address import parse_address
from chat.client import entrance
from chat.client.entrance import NAME_REFUSALS, enter
from chat.client.gevent_runtime import GEVENT
from chat.client.settings import Settings
from chat.protocol.notices import Refusal


def test_all_that_the_settings_say_of_a_connection_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(
        entrance, "connect", lambda *given, **named: asked.update(named, given=given)
    )
    address = parse_address("chat.example:8080")
    enter(Settings(address, "bob", Path("in"), "little", max_save=7), "robert")
    assert asked == {
        "given": ("chat.example:8080", "robert"),
        "byte_order": "little",
        "save_directory": Path("in"),
        "max_save": 7,
        "runtime": GEVENT,
    }


def test_another_name_helps_against_refusals_of_a_name() -> None:
    assert {Refusal.USERNAME_EXISTS.value, Refusal.BAD_USERNAME.value} == NAME_REFUSALS
