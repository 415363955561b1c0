"""The log that the program of the screen keeps in a file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.client.connection.events import Text
from chat.client.screen import app as module
from chat.client.screen.log_file import LogFile
from chat.structs import replace
from tests.client.fake_connection import NINE
from tests.client.screen.fake_terminal import PATIENCE
from tests.client.screen.test_app import SETTINGS, Run, problem


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    run = Run(monkeypatch)
    yield run
    run.kill()


def test_the_log_is_kept_from_the_beginning(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "room.log"
    run.enter(replace(SETTINGS, log=True, log_file=path))
    run.connection.receive(Text("alice", NINE, "hello"))
    run.terminal.wait_for("hello")
    run.terminal.type("<ctrl-d>")
    assert run.wait() == 0
    text = path.read_text(encoding="utf-8")
    assert "you are in the room as bob" in text
    assert text.endswith("[alice]: hello\n")


def test_a_log_that_cannot_be_kept_is_reported(run: Run) -> None:
    path = Path(os.devnull) / "room.log"  # short, or what is said of it would not fit a row
    run.enter(replace(SETTINGS, log=True, log_file=path))
    run.terminal.wait_for("can't be written")


def test_an_end_of_the_log_that_cannot_be_written_is_reported(
    run: Run,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(module, "TICK", PATIENCE)
    run.enter(replace(SETTINGS, log=True, log_file=tmp_path / "room.log"))
    run.terminal.wait_for("the log is written to")

    def fail(log: LogFile) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(LogFile, "write_new", fail)
    run.terminal.type("<ctrl-d>")
    assert run.wait() == 0
    assert problem(capfd) == (
        f"the end of the log could not be written: {os.strerror(errno.ENOSPC)}"
    )
