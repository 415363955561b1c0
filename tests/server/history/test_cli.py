"""``chat-server history``: with and without a running server."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.server.history.reader import FILE_NAME
from chat.server.history.rows import pack
from chat.server.history.search.index_file import INDEX_FILE
from chat.server.history.search.index_upkeep import IndexUpkeep
from chat.server.history.stored import DEFAULT_ROOM
from chat.server.history.writer import Writer
from chat.server.storage.data_directory import held
from tests.server.history.kept_room import exported, text
from tests.server.server_in_test import TestServer


@pytest.mark.usefixtures("kept")
def test_stats(run: Any) -> None:
    status, out, _ = run("stats", "--json")
    stats = json.loads(out)
    assert (status, stats["messages"], stats["private_messages"]) == (0, 5, 1)
    assert stats["rooms"]["lobby"] == {"last": 5, "first": 1, "lost": []}
    assert "5, and 1 private" in run("stats")[1]


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("what", "left"),
    [
        ("--before=2026-11-03", ["", "", "on day 3", "on day 4", "on day 5"]),
        ("--user=ALICE", ["", "on day 2", "", "on day 4", ""]),
        ("--number=4", ["on day 1", "on day 2", "on day 3", "", "on day 5"]),
    ],
)
def test_messages_are_purged_at_rest(run: Any, what: str, left: list[str], tmp_path: Path) -> None:
    assert run("purge", what)[0] == 0
    assert list(exported(run).values()) == left
    is_private_gone = what != "--number=4"
    assert (b"very private" in (tmp_path / "data" / FILE_NAME).read_bytes()) != is_private_gone


@pytest.fixture
def indexed(kept: None, tmp_path: Path) -> Path:
    """The path of an index of what is kept."""
    upkeep = IndexUpkeep(tmp_path / "data")
    upkeep.add_some(upkeep.open())
    upkeep.close()
    return tmp_path / "data" / INDEX_FILE


def test_stats_tell_of_the_index(run: Any, indexed: Path, tmp_path: Path) -> None:
    assert json.loads(run("stats", "--json")[1])["search"] == {
        "bytes": indexed.stat().st_size,
        "messages": 6,
        "behind": 0,
    }
    writer = Writer(tmp_path / "data", bound=0)
    writer.write([pack(text(DEFAULT_ROOM, 6, "alice", "not indexed"))])
    writer.close()
    assert "6 messages indexed" in run("stats")[1]
    assert "; 1 are not indexed yet" in run("stats")[1]
    indexed.write_bytes(b"damaged" * 1000)
    assert "no index" in run("stats")[1]
    indexed.unlink()
    assert json.loads(run("stats", "--json")[1])["search"] is None


@pytest.mark.parametrize("is_damaged", [False, True])
def test_messages_are_purged_from_the_index_too(
    run: Any, indexed: Path, *, is_damaged: bool
) -> None:
    assert b"private" in indexed.read_bytes()
    if is_damaged:
        indexed.write_bytes(b"damaged" + indexed.read_bytes()[7:])
    assert run("purge", "--user=alice")[0] == 0
    assert b"private" not in indexed.read_bytes()
    if not is_damaged:
        assert b"on day 2" in indexed.read_bytes()
        assert json.loads(run("stats", "--json")[1])["search"]["messages"] == 6


def test_a_restored_history_has_no_index_of_the_former_one(
    run: Any, indexed: Path, tmp_path: Path
) -> None:
    assert run("backup", str(tmp_path / "copy.db"))[0] == 0
    assert run("restore", str(tmp_path / "copy.db"))[0] == 0
    assert not indexed.exists()


def test_an_import_removes_the_index_of_the_former_numbers(
    run: Any, indexed: Path, log: str
) -> None:
    assert run("import", log, "--format=irssi")[0] == 0
    assert not indexed.exists()


@pytest.mark.usefixtures("kept")
def test_a_backup_is_restored(run: Any, tmp_path: Path) -> None:
    copy = str(tmp_path / "copy.db")
    assert run("backup", copy)[0] == 0
    assert run("purge", "--user=alice")[0] == 0
    status, out, _ = run("restore", copy)
    assert (status, "new epoch" in out) == (0, True)
    assert exported(run)[1] == "on day 1"


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["export"], "history.db: permission denied; run this as the user that the server runs as"),
        (["stats"], "history.db: permission denied"),
        (["backup", "{tmp}/copy.db"], "history.db: permission denied"),
        (["purge", "--number=1"], "server.lock: Permission denied"),
        (["import", "{log}", "--format=irssi"], "server.lock: Permission denied"),
        (["restore", "{tmp}/data/history.db"], "history.db: permission denied"),
        (["export", "{tmp}/no/such"], "no/such: No such file or directory"),
        (["export", "--format=html", "{tmp}/data"], "data exists already"),
        (["backup", "{tmp}/irssi.log"], "irssi.log: File exists"),
        (["restore", "{tmp}/fifo"], "fifo: it is not a file"),
        (["restore", "{tmp}/irssi.log"], "irssi.log: file is not a database"),
        (["restore", "{tmp}/none"], "none: No such file"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(
    run: Any, log: str, tmp_path: Path, command: list[str], words: str
) -> None:
    os.mkfifo(tmp_path / "fifo")
    before = exported(run)
    (tmp_path / "data" / "server.lock").touch(0o600)
    arguments = [each.format(tmp=tmp_path, log=log) for each in command]
    if "ermission" in words:
        with without_rights(tmp_path / "data" / words.partition(":")[0]):
            status, out, err = run(*arguments)
    else:
        status, out, err = run(*arguments)
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert words in err
    assert exported(run) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "fifo", "irssi.log"]


@contextmanager
def without_rights(path: Path) -> Iterator[None]:
    """Be a user who may do everything in the directory, but not read ``path``."""
    user, modes = os.geteuid(), {path: 0o600}
    if user == 0:
        for parent in path.parents:
            modes[parent] = stat.S_IMODE(parent.stat().st_mode)
            parent.chmod(modes[parent] | stat.S_IXGRP | stat.S_IXOTH)
        for each in (path.parent, path.parent.parent, *path.parent.iterdir()):
            os.chown(each, 65534, -1)
    path.chmod(0)
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        for each, mode in modes.items():
            each.chmod(mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("command", ["restore", "import"])
def test_files_that_root_makes_belong_to_the_server(
    run: Any, log: str, tmp_path: Path, command: str
) -> None:
    assert run("import", log, "--format=irssi")[0] == 0
    data, copy = tmp_path / "data", tmp_path / "copy.db"
    assert run("backup", str(copy))[0] == 0
    for path in data.iterdir():
        path.unlink()
    os.chown(data, 65534, 65534)
    arguments = (
        ["restore", str(copy)] if command == "restore" else ["import", log, "--format=irssi"]
    )
    assert run(*arguments)[0] == 0
    assert {path.name: path.stat().st_uid for path in data.iterdir()} == dict.fromkeys(
        (FILE_NAME, "server.lock"), 65534
    )


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    "command",
    [["restore", "copy.db"], ["purge", "--number=1"], ["import", os.devnull, "--format=irssi"]],
)
def test_nothing_is_changed_behind_the_back_of_a_server(
    run: Any, tmp_path: Path, command: list[str]
) -> None:
    with held(tmp_path / "data"):
        status, _, err = run(*command)
    assert (status, "uses" in err) == (1, True)


@pytest.mark.parametrize("command", [["export"], ["stats"], ["backup", "x"], ["purge", "--user=a"]])
def test_without_history_there_is_one_line(run: Any, command: list[str]) -> None:
    status, _, err = run(*command)
    assert (status, len(err.splitlines())) == (1, 1)
    assert "no history" in err


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    "wrong",
    [
        ["export", "--format=xml"],
        ["export", "--since=yesterday"],
        ["purge"],
        ["purge", "--number=0"],
        ["purge", "--user=a", "--number=1"],
    ],
)
def test_a_mistake_is_one_line(run: Any, wrong: list[str]) -> None:
    status, _, err = run(*wrong)
    assert (status, len(err.splitlines())) == (2, 1)


def test_a_running_server_purges_what_it_would_show(
    run: Any, open_a_chat_server: Callable[..., TestServer], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    server = open_a_chat_server(data_directory=data)
    control = server.parts.make_control_server(data, list)
    control.start()
    try:
        alice = server.join("alice")
        for number in (1, 2):
            alice.say(f"text {number}")
            alice.expect_text(f"text {number}", "alice")
        # In a thread: the server goes on meanwhile.
        status = gevent.get_hub().threadpool.apply(run, ("purge", "--number=1"))
        assert status[:2] == (0, "purged 1 message\n")
        bob = server.connect()
        bob.try_login({"to": "bob", "replay": 10})
        bob.expect(MessageType.LOGIN)
        bob.expect(MessageType.UTF8, b"", sender="alice", seq=1, purged=True)
        bob.expect_text("text 2", "alice", seq=2)
    finally:
        control.stop()
