"""The programs that the documents show, taken from them as they stand and run against the real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from tests import homes
from tests.end_to_end.server_process import CHECKOUT, ServerProcess, running_server
from tests.peers.wire_client import WireClient

PATIENCE = 30.0


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    with running_server() as server:
        yield server


def block(document: str, language: str, server: ServerProcess) -> str:
    """The program in ``language`` that ``document`` shows, pointed at our server."""
    text = (CHECKOUT / document).read_text()
    (program,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    host, port = server.address
    return str(program).replace("8080", str(port)).replace("127.0.0.1", host)


@contextmanager
def running(
    *command: str, directory: Path = CHECKOUT, environment: dict[str, str] | None = None
) -> Iterator[None]:
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=homes.environment(**(environment or {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(process.pid, 9)
        process.communicate(timeout=PATIENCE)


def test_the_bot_in_five_lines_of_python(server: ServerProcess, tmp_path: Path) -> None:
    bot = block("README.md", "python", server)
    with (
        WireClient.joined(server.address, "alice", timeout=PATIENCE) as alice,
        running(
            sys.executable,
            "-c",
            bot,
            directory=tmp_path,
            environment={"PYTHONPATH": str(CHECKOUT)},
        ),
    ):
        alice.expect_joined("echo")
        alice.send(MessageType.UTF8, {"to": "echo"}, b"anybody there?")
        alice.expect(MessageType.UTF8, b"anybody there?", sender="alice")
        alice.expect(MessageType.UTF8, b"anybody there?", sender="echo", to="alice")
    assert (tmp_path / "echo.state").exists()


def test_the_bot_in_one_line_of_shell(server: ServerProcess, tmp_path: Path) -> None:
    host, port = server.address
    program = tmp_path / "chat-client"
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m chat.client.cli --address={host}:{port} "$@"\n'
    )
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    bot = block("README.md", "sh", server)
    with (
        WireClient.joined(server.address, "alice", timeout=PATIENCE) as alice,
        running("bash", "-c", bot, environment={"PATH": path}),
    ):
        alice.expect_joined("clock")
        alice.send(MessageType.UTF8, None, b"time?")
        alice.expect(MessageType.UTF8, b"time?", sender="alice")
        answer = alice.read_frame()
        assert answer.sender == "clock"
        assert re.fullmatch(r"\d\d:\d\d:\d\d", answer.text)


def test_the_client_in_one_page(server: ServerProcess) -> None:
    program = block("docs/protocol.md", "python", server)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    here, echo = done.stdout.splitlines()
    assert here == "here: ['eve']"
    assert "'from': 'eve'" in echo
    assert "b'hello'" in echo
