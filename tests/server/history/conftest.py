"""Commands on a history of five messages in the room, and a private one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chat.server.history import cli
from chat.server.history.rows import pack
from chat.server.history.stored import DEFAULT_ROOM
from chat.server.history.writer import Writer
from tests.server.history.kept_room import MAIL, text

IRSSI = """\
--- Log opened Sun Nov 01 09:00:00 2026
09:00 -!- carol [~carol@example.org] has joined #chat
09:00 < carol> first of all
rubbish
--- Day changed Mon Nov 02 2026
13:00 <@carol> between
"""


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command on the data directory; its exit status and what it printed."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.main(["history", *arguments, f"--data-directory={tmp_path / 'data'}"])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def kept(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "data", bound=100)
    for log in (DEFAULT_ROOM, MAIL):
        writer.add_logs([log])
    for day in range(1, 6):
        writer.write(
            [pack(text(DEFAULT_ROOM, day, "alice" if day % 2 else "bob", f"on day {day}"))]
        )
    writer.write([pack(text(MAIL, 1, "alice", "very private"))])
    writer.close()


@pytest.fixture
def log(tmp_path: Path) -> str:
    path = tmp_path / "irssi.log"
    path.write_text(IRSSI)
    return str(path)
