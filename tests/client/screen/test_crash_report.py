from __future__ import annotations

from pathlib import Path

import pytest

from chat.client.screen.crash_report import describe, write_report
from chat.client.screen.log_file import default_path


def fault() -> BaseException:
    try:
        raise KeyError("missing")
    except KeyError as problem:
        return problem


def test_a_report_tells_where_it_happened(tmp_path: Path) -> None:
    written = write_report(fault(), tmp_path / "logs")
    assert written is not None
    text = written.read_text(encoding="utf-8")
    assert "Traceback" in text
    assert "KeyError: 'missing'" in text
    assert "Python 3." in text


def test_it_is_among_the_logs_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    written = write_report(fault())
    assert written is not None
    assert written.parent == default_path("any:1").parent
    assert tmp_path in written.parents
    assert written.stat().st_mode & 0o077 == 0  # it may quote what was said


def test_each_has_a_file_of_its_own(tmp_path: Path) -> None:
    assert write_report(fault(), tmp_path) != write_report(fault(), tmp_path)


def test_the_sentence_says_where_the_report_is(tmp_path: Path) -> None:
    assert describe(fault(), tmp_path / "fault.txt") == (
        f"internal fault: KeyError: 'missing'; the details are in {tmp_path / 'fault.txt'}"
    )


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert write_report(fault(), tmp_path / "file" / "logs") is None
    assert describe(fault(), None) == "internal fault: KeyError: 'missing'"


def test_a_user_without_a_home_gets_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_log_path", lambda name, **_: Path("~") / name)
    assert write_report(ZeroDivisionError("made by a test")) is None
