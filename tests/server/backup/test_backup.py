"""All that a server keeps goes into a backup while it runs, and comes back from it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.server import cli
from chat.server.accounts.accounts import add_account
from chat.server.backup import contents as contents_module
from chat.server.backup.copies import back_up
from chat.server.history.files.file_directory import FileDirectory
from chat.server.history.reader import FILE_NAME as HISTORY
from chat.server.history.reader import Reader
from chat.server.history.search.index_file import INDEX_FILE
from chat.server.storage.database import FILE_NAME as DATABASE
from chat.server.storage.database import Database
from tests.cheap_hashes import hash_cheaply
from tests.end_to_end.server_process import ServerProcess, eventually, running_server
from tests.peers.wire_client import WireClient
from tests.server.cluster.engine_process import needs_engine
from tests.server.moderators import ask
from tests.server.replication.shared_servers import shared_servers

Types = Callable[..., str]
FILE, TEXT = MessageType.FILE, MessageType.UTF8
SIZE = 100_000


@pytest.fixture
def types(capsys: pytest.CaptureFixture[str]) -> Types:
    """Type a command of the operator; return what it prints, or its error."""

    def run(*words: object, status: int = 0) -> str:
        found = cli.main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert found == status, (out, err)
        return err if status else out

    return run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with an account."""
    directory = tmp_path / "data"
    directory.mkdir()
    add_account(Database(directory), parse_user_name("alice"), hash_cheaply("secret"))
    return directory


def options(directory: Path) -> list[str]:
    return [f"--data-directory={directory}", "--history=on", "--tls=optional"]


def fingerprint(server: ServerProcess) -> str:
    return server.wait_for_line(r"the fingerprint of the key is (\S+)")[1]


def content(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest() * (SIZE // 32)


def send(server: ServerProcess, directory: Path, number: int) -> None:
    """Let somebody say a text and send an attachment, both with this number, and wait until the disk has them."""
    with WireClient.joined(server.address, "bob", inline=0) as bob:
        bob.say(f"text {number}")
        bob.expect_text(f"text {number}", "bob")
        bob.send(FILE, {"filename": f"{number}.bin"}, content(number))
        seq = bob.expect(FILE, size=len(content(number))).header["seq"]
    eventually(lambda: last_of(directory) >= seq)


def back_up_after(data: Path, target: Path, types: Types, count: int) -> None:
    """Make a backup when a server has ``count`` texts and as many attachments; then the server ends."""
    with running_server(*options(data)) as server:
        for number in range(1, count + 1):
            send(server, data, number)
        types("backup", target, f"--data-directory={data}")


def last_of(directory: Path) -> int:
    """The number of the last message on the disk."""
    with closing(Reader(directory)) as reader:
        return max((state.head for state in reader.logs().values()), default=0)


def shown(server: ServerProcess) -> list[str]:
    """The texts and the attachments that a newcomer is shown; each attachment is whole."""
    found = []
    with WireClient.joined(server.address, "carol", inline=0) as client:
        ask(client, "history", nonce="end")
        while (frame := client.read_frame()).header.get("notice") is None:
            if frame.type == TEXT:
                found.append(frame.text)
            if frame.type == FILE:
                number = int(frame.header["filename"].partition(".")[0])
                assert frame.header["sha256"] == hashlib.sha256(content(number)).hexdigest()
                with client.open_transfer(server.address) as transfer:
                    transfer.send(FILE, {"fetch": frame.header["id"]})
                    assert transfer.read_frame().content == content(number)
                found.append(frame.header["filename"])
    return found


def epoch_of(directory: Path) -> str:
    with closing(Reader(directory)) as reader:
        return reader.epoch()


def test_all_comes_back_from_a_backup(data: Path, tmp_path: Path, types: Types) -> None:
    target, again = tmp_path / "backup", tmp_path / "again"
    with running_server(*options(data)) as server:
        key, epoch = fingerprint(server), epoch_of(data)
        send(server, data, 1)
        types("backup", target, f"--data-directory={data}")
        send(server, data, 2)
        said = types("backup", target, f"--data-directory={data}")
        send(server, data, 3)
    assert "2 attachments over 64 KiB, 1 of them new" in said
    assert {path.name for path in target.iterdir()} == {
        *(DATABASE, HISTORY, "files", "server.key", "server.crt")
    }

    said = types("restore", target, f"--data-directory={again}")
    assert "2 attachments" in said
    with running_server(*options(again)) as server:
        assert fingerprint(server) == key
        assert epoch_of(again) != epoch
        assert shown(server) == ["text 1", "1.bin", "text 2", "2.bin"]
    assert types("users", "list", f"--data-directory={again}").count("alice") == 1


def test_what_was_there_before_a_restore_stays(data: Path, tmp_path: Path, types: Types) -> None:
    target = tmp_path / "backup"
    with running_server(*options(data)) as server:
        send(server, data, 1)
        types("backup", target, f"--data-directory={data}")
        send(server, data, 2)
        in_use = types("restore", target, f"--data-directory={data}", status=1)
        assert re.search(r"another server \(process \d+\) uses", in_use)
    (data / INDEX_FILE).write_bytes(b"words of the former history")
    (data / "server.key").write_text("another")

    said = types("restore", target, f"--data-directory={data}")

    former = {Path(line.split()[-1]) for line in said.splitlines() if "former" in line}
    assert {path.name.partition(".before-")[0] for path in former} == {
        *(DATABASE, HISTORY, "server.key")
    }
    assert all(path.exists() for path in former)
    assert not (data / INDEX_FILE).exists()
    with running_server(*options(data)) as server:
        assert shown(server) == ["text 1", "1.bin"]


def test_a_backup_has_no_contents_that_are_gone_and_none_that_are_damaged(
    data: Path, tmp_path: Path, types: Types
) -> None:
    target = tmp_path / "backup"
    with running_server(*options(data)) as server:
        for number in (1, 2):
            send(server, data, number)
        types("backup", target, f"--data-directory={data}")
        kept = FileDirectory(data)
        digests = [hashlib.sha256(content(number)).digest() for number in range(5)]
        types("history", "purge", "--number=2", f"--data-directory={data}")
        for number in (3, 4):
            send(server, data, number)
        kept.path_of(digests[3]).write_bytes(bytes(len(content(3))))
        said = types("backup", target, f"--data-directory={data}", status=1)
    assert said.endswith(f"1 attachment not copied: damaged, such as {kept.path_of(digests[3])}\n")
    assert FileDirectory(target).sizes().keys() == {digests[2], digests[4]}


def test_a_backup_keeps_a_content_that_the_server_has_lost(
    data: Path, tmp_path: Path, types: Types
) -> None:
    """A message of the backup uses it. A restore puts it in its place again, also where it was damaged."""
    target = tmp_path / "backup"
    back_up_after(data, target, types, 2)
    lost, damaged = (hashlib.sha256(content(number)).digest() for number in (1, 2))
    kept = FileDirectory(data)
    kept.remove(lost)
    types("backup", target, f"--data-directory={data}")
    assert FileDirectory(target).sizes().keys() == {lost, damaged}

    kept.path_of(damaged).write_bytes(bytes(len(content(2))))
    assert "2 attachments" in types("restore", target, f"--data-directory={data}")
    with running_server(*options(data)) as server:
        assert shown(server) == ["text 1", "1.bin", "text 2", "2.bin"]


def test_what_was_interrupted_is_in_nobodys_way(data: Path, tmp_path: Path, types: Types) -> None:
    target = tmp_path / "backup"
    (target / "incomplete").mkdir(parents=True)
    for name in (DATABASE, f"{DATABASE}-journal", HISTORY):
        (target / "incomplete" / name).write_text("a part")
    (data / "restore-abc").mkdir()
    back_up_after(data, target, types, 1)
    assert not (target / "incomplete").exists()
    types("restore", target, f"--data-directory={data}")
    assert not list(data.glob("restore-*"))


def test_a_restore_that_fails_changes_nothing(
    data: Path, tmp_path: Path, types: Types, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, again = tmp_path / "backup", tmp_path / "again"
    back_up_after(data, target, types, 1)

    def refuse(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("chat.server.history.copies.put_in_place", refuse)
    assert "No space left" in types("restore", target, f"--data-directory={again}", status=1)
    assert not [path for path in again.rglob("*") if path.is_file() and path.name != "server.lock"]


def test_a_backup_is_not_replaced_by_one_without_messages(
    data: Path, tmp_path: Path, types: Types
) -> None:
    target = tmp_path / "backup"
    back_up_after(data, target, types, 1)
    (data / HISTORY).unlink()
    said = types("backup", target, f"--data-directory={data}", status=1)
    assert f"{data} has no history.db any more" in said


def test_accounts_can_change_while_they_are_copied(
    data: Path, tmp_path: Path, types: Types
) -> None:
    """Nobody can write a database without a write-ahead log until it is copied, so that must not take long."""
    with Database(data).writing() as connection:
        rows = ((os.urandom(16), "room", f"{number}", number) for number in range(100_000))
        connection.executemany("INSERT INTO marks VALUES (?, ?, ?, ?)", rows)
    copying = Thread(target=back_up, args=(data, tmp_path / "backup"))
    copying.start()
    changes = 0
    while copying.is_alive():
        add_account(Database(data), parse_user_name(f"bob{changes}"), hash_cheaply("secret"))
        changes += 1
    copying.join()
    assert changes > 0


def test_a_backup_is_for_its_owner_alone(data: Path, tmp_path: Path, types: Types) -> None:
    target = tmp_path / "backup"
    back_up_after(data, target, types, 1)
    for path in (target, *target.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_what_root_restores_belongs_to_the_server(data: Path, tmp_path: Path, types: Types) -> None:
    target, again = tmp_path / "backup", tmp_path / "again"
    back_up_after(data, target, types, 1)
    again.mkdir()
    os.chown(again, 65534, 65534)
    types("restore", target, f"--data-directory={again}")
    assert {path.stat().st_uid for path in again.rglob("*")} == {65534}


def test_a_disk_that_is_full_leaves_the_backup_before(
    data: Path, tmp_path: Path, types: Types, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "backup"

    def refuse(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    with running_server(*options(data)) as server:
        send(server, data, 1)
        types("backup", target, f"--data-directory={data}")
        before = {path: path.read_bytes() for path in target.iterdir() if path.is_file()}
        send(server, data, 2)
        monkeypatch.setattr(contents_module, "_copy", refuse)
        said = types("backup", target, f"--data-directory={data}", status=1)
    assert said == f"chat-server: cannot use {target}: No space left on device\n"
    assert {path: path.read_bytes() for path in target.iterdir() if path.is_file()} == before


def test_what_cannot_be_backed_up_or_restored_is_a_line(
    data: Path, tmp_path: Path, types: Types
) -> None:
    here, empty = f"--data-directory={data}", tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").touch()
    for name, written in (("broken", b"no database" * 1000), ("cut", b"")):
        (tmp_path / name).mkdir()
        (tmp_path / name / DATABASE).write_bytes(written)
    (tmp_path / "foreign").mkdir()
    shutil.copy(data / DATABASE, tmp_path / "foreign" / HISTORY)
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / DATABASE)
    for words, problem in (
        (("backup", tmp_path / "b", f"--data-directory={empty}"), "there are no data of a server"),
        (("backup", tmp_path / "mine", here), "has other files, such as photo.jpg"),
        (("backup", data, here), "is the data directory itself"),
        (("backup", data / DATABASE / "x", here), "Not a directory"),
        (("restore", empty, here), f"there is no backup in {empty}"),
        (("restore", data, here), "is the data directory itself"),
        (("restore", tmp_path / "broken", here), "file is not a database"),
        (("restore", tmp_path / "cut", here), "does not have the accounts of a server"),
        (("restore", tmp_path / "foreign", here), "is not a history of this program"),
        (("restore", tmp_path / "pipe", here), "is not a file"),
    ):
        said = types(*words, status=1)
        assert problem in said
        assert said.count("\n") == 1
    assert sorted(path.name for path in data.iterdir()) == [DATABASE]


@needs_engine
def test_a_cluster_begins_again_from_a_backup(tmp_path: Path, types: Types) -> None:
    target = tmp_path / "backup"
    with shared_servers(tmp_path / "town", "north", "south") as town:
        send(town.servers["north"], town.data_of("north"), 1)
        types("backup", target, f"--data-directory={town.data_of('north')}")
        send(town.servers["south"], town.data_of("south"), 2)
        for name in ("north", "south"):
            town.stop(name)
        town.engine.call("FLUSHALL")

        said = types("restore", target, f"--data-directory={town.data_of('north')}")
        assert "is that of a server alone now" in said
        town.found("north")
        for name in ("north", "south"):
            assert shown(town.start(name)) == ["text 1", "1.bin"]
