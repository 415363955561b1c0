"""A durable server whose disk takes writes and fails to sync them: a refused message does not come back.

The disk fails for real: a small library in C, which is loaded before that of SQLite, returns errors to it.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from tests.end_to_end.server_process import ServerProcess
from tests.peers.wire_client import WireClient

UTF8 = MessageType.UTF8
COMPILER = shutil.which("cc")
SOURCE = Path(__file__).with_name("failing_sync.c")

pytestmark = pytest.mark.skipif(
    COMPILER is None or sys.platform != "linux",
    reason="the failing disk needs Linux and a C compiler",
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("library") / "failing_sync.so"
    assert COMPILER is not None
    command = [COMPILER, "-shared", "-fPIC", "-o", str(path), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return path


class Disk:
    """The disk of the servers that a test starts, all with the same data directory."""

    def __init__(self, directory: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._control = directory / "disk"
        self._data = directory / "data"
        monkeypatch.setenv("LD_PRELOAD", str(library))
        monkeypatch.setenv("FAILING_DISK", str(self._control))

    def fail(self, what: str) -> None:
        self._control.write_text(what)

    def recover(self) -> None:
        self._control.unlink(missing_ok=True)

    def start_server(self) -> ServerProcess:
        return ServerProcess("--durable", "--history=on", f"--data-directory={self._data}")


@pytest.fixture
def disk(tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, library, monkeypatch)


def history_after_a_crash(disk: Disk, server: ServerProcess) -> list[str]:
    server.send_signal(signal.SIGKILL)
    server.wait()
    server.end()
    disk.recover()
    again = disk.start_server()
    try:
        with WireClient.joined(again.address, "bob") as bob:
            bob.send(UTF8, {"command": "history", "after": 0, "nonce": "h"})
            texts = []
            while (frame := bob.read_frame()).header.get("notice") != "done":
                texts.append(frame.text)
            return texts
    finally:
        again.end()


def test_a_message_whose_sync_failed_is_refused_and_does_not_come_back(disk: Disk) -> None:
    server = disk.start_server()
    try:
        with WireClient.joined(server.address, "alice") as alice:
            alice.say("heard")
            alice.expect_text("heard", "alice")
            disk.fail("sync")
            alice.say("refused", nonce="1")
            alice.expect_notice("no-space", nonce="1")
            alice.say("refused too", nonce="2")
            alice.expect_notice("no-space", nonce="2")
            assert history_after_a_crash(disk, server) == ["heard"]
    finally:
        server.end()


def leave_in_doubt(alice: WireClient, disk: Disk, server: ServerProcess) -> None:
    """Say something whose sync fails, and let the disk take nothing more, so that nothing can be written over it."""
    alice.say("heard")
    alice.expect_text("heard", "alice", seq=1)
    disk.fail("sync, then write")
    alice.say("in doubt", nonce="1")
    server.wait_for_line("messages wait, since the disk fails: cannot sync ")
    alice.send(UTF8, {"command": "ping", "nonce": "2"})


@pytest.mark.thorough(
    "executes its servers; server/history/test_failing_disk.py has failing writes"
)
def test_a_message_that_a_crash_may_bring_back_is_not_refused(disk: Disk) -> None:
    server = disk.start_server()
    try:
        with WireClient.joined(server.address, "alice") as alice:
            leave_in_doubt(alice, disk, server)
            assert history_after_a_crash(disk, server) == ["heard", "in doubt"]
            assert not [frame for frame in alice.read_to_end() if frame.header.get("nonce") == "1"]
    finally:
        server.end()


@pytest.mark.thorough(
    "executes its servers; server/history/test_failing_disk.py has failing writes"
)
def test_a_message_in_doubt_is_refused_when_the_disk_works_again(disk: Disk) -> None:
    server = disk.start_server()
    try:
        with WireClient.joined(server.address, "alice") as alice:
            leave_in_doubt(alice, disk, server)
            disk.recover()
            alice.expect_notice("no-space", nonce="1")
            alice.expect_notice("done", nonce="2")
            server.wait_for_line("the disk works again")
            alice.say("heard again")
            alice.expect_text("heard again", "alice", seq=2)
    finally:
        server.end()
