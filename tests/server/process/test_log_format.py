from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import pytest

from chat.server.process.log_format import JournalFormatter, formatter_for


def line(formatter: logging.Formatter, level: int, message: str, *values: object) -> str:
    return formatter.format(logging.LogRecord("chat", level, __file__, 1, message, values, None))


def test_people_are_told_when(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    with open(tmp_path / "log", "w", encoding="utf-8") as file:
        text = line(formatter_for(file.fileno()), logging.WARNING, "the disk is %s", "full")
    assert text.endswith(" WARNING the disk is full")
    assert re.match(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [+-]\d{4} WARNING", text)


def test_the_journal_is_told_how_important_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(tmp_path / "journal", "w", encoding="utf-8") as file:
        status = os.fstat(file.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        formatter = formatter_for(file.fileno())
    levels = ("debug", "info", "warning", "error", "critical")
    assert [
        line(formatter, getattr(logging, name.upper()), f"it is {name}") for name in levels
    ] == [
        "<7>it is debug",
        "<6>it is info",
        "<4>it is warning",
        "<3>it is error",
        "<2>it is critical",
    ]
    assert line(formatter, logging.ERROR, "two\nlines") == "<3>two\n<3>lines"


@pytest.mark.parametrize("journal", ["", "1:2", "nonsense"])
def test_another_stream_is_not_the_journal(
    journal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", journal)
    with open(tmp_path / "log", "w", encoding="utf-8") as file:
        assert not isinstance(formatter_for(file.fileno()), JournalFormatter)
        descriptor = file.fileno()
    assert not isinstance(formatter_for(descriptor), JournalFormatter), "it is closed"
