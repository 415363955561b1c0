"""``chat-server history`` with kept files: counts, checks, backups, and purges while no server runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.history import cli
from chat.server.history.files.file_directory import FileDirectory
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer, open_chat_server

FILE = MessageType.FILE
SIZE = 100_000
Run = Callable[..., tuple[int, str, str]]


def fetch(server: TestServer, client: WireClient, seq: int) -> bytes | str:
    with server.transfer(client) as transfer:
        transfer.send(FILE, {"fetch": seq})
        frame = transfer.read_frame()
        return frame.header.get("notice") or frame.content


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with three messages, of which two have the same content."""
    with open_chat_server(tmp_path, data_directory=tmp_path / "data", rate=None) as server:
        alice = server.join("alice", inline=0)
        for content in (b"a", b"b", b"a"):
            alice.send(FILE, {"filename": "f"}, content * SIZE)
            alice.expect(FILE)
    return tmp_path / "data"


@pytest.fixture
def run(data: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.main(["history", *arguments, f"--data-directory={data}"])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_stats_count_each_content_once(run: Run) -> None:
    stats = json.loads(run("stats", "--json")[1])
    assert (stats["files"], stats["file_bytes"]) == (2, 2 * SIZE)
    assert "2 beside it" in run("stats")[1]


def test_a_purge_at_rest_removes_contents_that_no_other_message_has(run: Run, data: Path) -> None:
    directory = FileDirectory(data)
    for number, left in ((1, 2), (2, 1), (3, 0)):
        assert run("purge", f"--number={number}")[0] == 0
        assert len(directory.sizes()) == left


def test_a_check_finds_a_damaged_content_and_sets_it_aside(
    run: Run, data: Path, tmp_path: Path
) -> None:
    assert run("check")[:2] == (0, "checked 2 files of 195 KiB\n")
    directory = FileDirectory(data)
    digest = min(directory.sizes())
    with directory.path_of(digest).open("r+b") as file:
        file.write(b"x")
    status, out, err = run("check")
    aside = directory.damaged / digest.hex()
    assert (status, f"damaged: it is now {aside}" in out, "1 file damaged" in err) == (
        1,
        True,
        True,
    )
    assert aside.exists()
    assert run("check")[0] == 0
    with open_chat_server(tmp_path, data_directory=data, rate=None) as server:
        alice = server.join("alice", inline=0)
        found = [fetch(server, alice, seq) for seq in (1, 2, 3)]
        assert found.count("gone") in (1, 2)
        files = server.parts.files
        assert files is not None
        # A thread notes what is gone.
        wait_until(lambda: files.status().files == 1, "the index to know it")


def test_a_backup_names_the_files_and_a_restore_uses_them_again(
    run: Run, data: Path, tmp_path: Path
) -> None:
    assert "not in it: 2 files of 195 KiB" in run("backup", str(tmp_path / "copy.db"))[1]
    shutil.copytree(data / "files", tmp_path / "files")
    shutil.rmtree(data)
    data.mkdir()
    shutil.copytree(tmp_path / "files", data / "files")
    (data / "files" / "aa").mkdir()
    (data / "files" / "aa" / ("aa" * 32)).write_bytes(b"of no message")
    assert run("restore", str(tmp_path / "copy.db"))[0] == 0
    with open_chat_server(tmp_path, data_directory=data, rate=None) as server:
        alice = server.join("alice", inline=0)
        assert [fetch(server, alice, seq) for seq in (1, 2, 3)] == [
            each * SIZE for each in (b"a", b"b", b"a")
        ]
    assert len(FileDirectory(data).sizes()) == 2
