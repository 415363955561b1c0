from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.server.log_format import log_to


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """It is as it was, afterwards."""
    root = logging.getLogger()
    level = root.level
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    yield
    root.setLevel(level)
    for handler in list(root.handlers):
        if type(handler) is logging.StreamHandler:  # pytest's own are of other kinds
            root.removeHandler(handler)


def test_people_are_told_when() -> None:
    stream = io.StringIO()
    log_to(stream, "warning")
    logging.getLogger("chat.server").info("alice joined")
    logging.getLogger("chat.server").warning("the disk is %s", "full")
    line = stream.getvalue()
    assert line.endswith(" WARNING the disk is full\n")
    assert line[:2] == "20"
    assert line.count("\n") == 1


def test_the_journal_is_told_how_important_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(tmp_path / "journal", "w+", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        log_to(stream, "debug")
        for level in ("debug", "info", "warning", "error", "critical"):
            getattr(logging.getLogger("chat.server"), level)("it is %s", level)
        logging.getLogger("chat.server").error("two\nlines")
        stream.seek(0)
        assert stream.read().splitlines() == [
            "<7>it is debug",
            "<6>it is info",
            "<4>it is warning",
            "<3>it is error",
            "<2>it is critical",
            "<3>two",
            "<3>lines",
        ]


@pytest.mark.parametrize("journal", ["", "1:2", "nonsense"])
def test_another_stream_is_not_the_journal(
    journal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", journal)
    with open(tmp_path / "log", "w+", encoding="utf-8") as stream:
        log_to(stream, "info")
        logging.getLogger("chat.server").info("hello")
        stream.seek(0)
        assert stream.read().endswith(" INFO hello\n")
