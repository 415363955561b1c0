"""A client in a terminal is seen and heard, and one that ends is noticed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.clients.hosts import IrcHost, Message
from benchmarks.clients.stage import Stage
from benchmarks.plan import BenchmarkError

# Says and draws what it is told to by what comes over its connection, as a client does.
CLIENT = """
import os, socket, sys
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sock.sendall(b"JOIN #room\\n")
while data := sock.recv(65536):
    os.write(1, data)
"""


@pytest.fixture
def stage() -> Iterator[Stage]:
    with closing(Stage(IrcHost())) as stage:
        yield stage


def start(stage: Stage, directory: Path, program: str) -> None:
    command = [sys.executable, "-c", program, str(stage.port)]
    stage.start(command, directory, dict(os.environ))


def test_a_client_has_a_terminal_of_its_own(stage: Stage, tmp_path: Path) -> None:
    start(
        stage,
        tmp_path,
        "import os; print(os.get_terminal_size(os.open('/dev/tty', os.O_RDWR))); input()",
    )

    stage.wait_for_text(b"columns=120, lines=40")


def test_what_is_drawn_is_found_in_whatever_pieces_it_comes(stage: Stage, tmp_path: Path) -> None:
    start(
        stage,
        tmp_path,
        "import os, tty; tty.setcbreak(0)  # no echo\n"
        "os.write(1, b'one TH'); input(); os.write(1, b'REE'); input()",
    )

    stage.wait_for_text(b"one")
    stage.type(b"\n")
    stage.wait_for_text(b"THREE")
    assert stage.drawn >= len("one THREE")


def test_a_client_gets_all_that_is_said(stage: Stage, tmp_path: Path) -> None:
    start(stage, tmp_path, CLIENT)
    stage.wait_for(lambda: stage.host.is_inside, "it was in the room")
    before = stage.drawn
    messages = [Message("anna", b"x" * 400)] * 10_000 + [Message("anna", b"THE LAST")]

    stage.say(stage.host.encode(messages))
    stage.wait_for_text(b"THE LAST")

    assert stage.drawn - before > 4_000_000


def test_a_client_that_ends_is_noticed_with_its_last_words(stage: Stage, tmp_path: Path) -> None:
    start(stage, tmp_path, r"print('\x1b[31mno such\x1b[0;1m  thing\x1b]0;title\x07')")

    with pytest.raises(BenchmarkError, match="it ended; drawn last: 'no such thing'"):
        stage.wait_for_text(b"ready")


def test_a_client_that_hangs_up_is_noticed(stage: Stage, tmp_path: Path) -> None:
    start(stage, tmp_path, CLIENT.replace("while data", "sock.close(); input()\nwhile data"))

    with pytest.raises(BenchmarkError, match="it left the room"):
        stage.wait_for_text(b"ready")
