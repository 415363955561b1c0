from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from chat.client.connection.events import Joined, Text
from chat.client.frontends.clock import USUAL_FORMAT, sample_time, shown_time, use_time_format
from chat.client.frontends.plain import PlainFrontend
from chat.client.program.settings import Settings
from chat.client.screen.draw.log_pane import LogPane
from chat.client.screen.log_file import save
from chat.client.screen.model.entries import Said
from chat.client.screen.model.model import Model
from chat.client.screen.text.spans import text_of

NINE = datetime(2026, 11, 24, 21, 4, 5, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    use_time_format(USUAL_FORMAT)
    monkeypatch.undo()
    time.tzset()


def rows(text: str) -> list[str]:
    model = Model("chat.example:8080", "bob")
    model.default.append(Said(NINE, "alice", text))
    pane = LogPane()
    pane.prepare(80, model.mentions, None)
    return [text_of(row).rstrip() for row in pane.rows(model.default, 10)][1:]


def test_the_usual_format() -> None:
    assert Settings().time_format == USUAL_FORMAT
    assert shown_time(NINE) == "21:04:05"
    assert len(sample_time()) == len("21:04:05")


def test_a_format_without_seconds() -> None:
    use_time_format("%H:%M")
    assert shown_time(NINE) == "21:04"
    assert shown_time(datetime.max.replace(tzinfo=timezone.utc)) != ""


def test_the_screen_indents_by_the_width_of_its_times() -> None:
    assert rows("one\ntwo") == ["<21:04:05> [alice]:", "           one", "           two"]
    use_time_format("%H:%M")
    assert rows("one\ntwo") == ["<21:04> [alice]:", "        one", "        two"]


def test_plain_lines_have_it_too() -> None:
    use_time_format("%I:%M %p")
    told: list[str] = []
    frontend = PlainFrontend(told.extend, told.extend)
    frontend.show(Text("alice", NINE, "hello"))
    frontend.show(Joined("carol", NINE))
    assert told == ["<09:04 PM> [alice]: hello", "<09:04 PM> -- carol joined"]


def test_a_saved_log_keeps_the_time_to_the_second(tmp_path: Path) -> None:
    use_time_format("%H:%M")
    path = tmp_path / "log"
    save((Said(NINE, "alice", "hello"),), path, lambda: None)
    assert path.read_text(encoding="utf-8") == "2026-11-24 21:04:05 [alice]: hello\n"
