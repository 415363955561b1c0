"""A backup is made while the server runs; a restored one never passes for the history that users have seen."""

from __future__ import annotations

import errno
import os
from itertools import pairwise
from pathlib import Path
from random import randbytes

import pytest

from chat.files import syncing
from chat.protocol.descriptor import MessageType
from chat.server.history.copies import backup, keep_former, restore
from chat.server.history.faults import HistoryFault
from chat.server.history.pages import PageSize
from chat.server.history.reader import FILE_NAME, Reader
from chat.server.history.rows import pack
from chat.server.history.stored import DEFAULT_ROOM, StoredRun
from chat.server.history.writer import Writer

PAGE = PageSize(100, 1 << 20)


def say(writer: Writer, number: int, padding: bytes = b"") -> None:
    text, time = b"text %d" % number + padding, "2026-11-24T09:30:00.000000Z"
    run = StoredRun(
        DEFAULT_ROOM, number, time, "alice", None, b"", MessageType.UTF8, [None], [text]
    )
    writer.write([pack(run)])


def texts(directory: Path) -> list[bytes]:
    return [run.contents[0] for run in Reader(directory).after(DEFAULT_ROOM, 0, None, PAGE).runs]


def test_a_restored_backup_begins_a_new_epoch(tmp_path: Path) -> None:
    directory, copy = tmp_path / "data", tmp_path / "backup.db"
    writer = Writer(directory, bound=100)
    writer.add_logs([DEFAULT_ROOM])
    say(writer, 1)
    assert backup(directory, copy) == copy.stat().st_size
    assert copy.stat().st_mode & 0o777 == 0o600
    say(writer, 2)
    writer.close()
    former = restore(directory, copy)
    assert texts(directory) == [b"text 1"]
    restored = Writer(directory, bound=100)
    assert restored.opened.epoch != writer.opened.epoch
    restored.close()
    # Only the restored copy is another history; later starts go on with it.
    again = Writer(directory, bound=100)
    assert again.opened.epoch == restored.opened.epoch
    again.close()
    assert former is not None
    assert former.exists()
    assert (directory / FILE_NAME).stat().st_mode & 0o777 == 0o600


MIB = 1 << 20


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of a history of 16 MiB. Of a copy, 1 MiB may wait for the disk."""
    monkeypatch.setattr(syncing, "MOST_UNSYNCED", MIB)
    writer = Writer(tmp_path / "data", bound=100)
    writer.add_logs([DEFAULT_ROOM])
    for number in range(1, 257):
        say(writer, number, randbytes(MIB // 32).hex().encode())
    writer.close()
    return tmp_path / "data"


def test_the_disk_writes_a_large_copy_while_it_grows(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [0]
    monkeypatch.setattr(syncing, "_sync_data", lambda file: sizes.append(os.fstat(file).st_size))
    size = backup(large, large / "copy")
    # SQLite holds 2 MB back, and writes them at once.
    assert max(after - before for before, after in pairwise([*sizes, size])) < 5 * MIB
    assert texts(large)[0].startswith(b"text 1")


def test_a_copy_that_the_disk_refuses_is_removed(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(syncing, "_sync_data", fail)
    with pytest.raises(HistoryFault, match=r"cannot use .*/copy: Input/output error$"):
        backup(large, large / "copy")
    assert not (large / "copy").exists()


def test_two_restores_at_once_keep_both_former_histories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.strftime", lambda form: "now")
    directory, copy = tmp_path / "data", tmp_path / "backup.db"
    writer = Writer(directory, bound=100)
    writer.add_logs([DEFAULT_ROOM])
    say(writer, 1)
    writer.close()
    backup(directory, copy)
    former = [restore(directory, copy), restore(directory, copy)]
    assert [path.name for path in former if path is not None and path.exists()] == [
        f"{FILE_NAME}.before-now",
        f"{FILE_NAME}.before-now-2",
    ]


def test_a_restore_that_stops_at_the_last_step_leaves_the_former_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, copy = tmp_path / "data", tmp_path / "backup.db"
    writer = Writer(directory, bound=100)
    writer.add_logs([DEFAULT_ROOM])
    backup(directory, copy)
    say(writer, 1)
    writer.close()

    def stop(path: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        restore(directory, copy)
    assert texts(directory) == [b"text 1"]


@pytest.mark.parametrize("has_links", [True, False])
def test_the_former_history_is_kept_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_links: bool
) -> None:
    directory, copy = tmp_path / "data", tmp_path / "backup.db"
    writer = Writer(directory, bound=100)
    writer.add_logs([DEFAULT_ROOM])
    backup(directory, copy)
    # In the write-ahead log, as after a crash.
    say(writer, 1)
    if not has_links:
        monkeypatch.setattr("os.link", failing_link)
    former = restore(directory, copy)
    assert former is not None
    assert texts(directory) == []
    assert restore(tmp_path / "again", former) is None
    assert texts(tmp_path / "again") == [b"text 1"]


def test_the_journal_of_an_interrupted_change_stays_with_its_file(tmp_path: Path) -> None:
    """SQLite would write it over whatever has the name of the file."""
    path = tmp_path / "chat.db"
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{path}{suffix}").write_text(suffix)
    former = keep_former(path)
    path.unlink()  # the new file takes its place
    assert {each.name for each in tmp_path.iterdir()} == {
        f"{former.name}{suffix}" for suffix in ("", "-wal", "-shm", "-journal") if former
    }


def failing_link(*paths: Path) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_a_copy_with_its_write_ahead_log_is_restored_whole(tmp_path: Path) -> None:
    directory, other = tmp_path / "data", tmp_path / "other"
    writer = Writer(directory, bound=100)
    writer.add_logs([DEFAULT_ROOM])
    say(writer, 1)
    assert restore(other, directory / FILE_NAME) is None
    writer.close()
    assert texts(other) == [b"text 1"]


def test_a_backup_never_overwrites_a_file(tmp_path: Path) -> None:
    writer = Writer(tmp_path, bound=100)
    (tmp_path / "there").write_bytes(b"mine")
    with pytest.raises(HistoryFault, match="there"):
        backup(tmp_path, tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == b"mine"
    writer.close()


@pytest.mark.parametrize("content", [b"", b"no database" * 1000])
def test_a_file_that_is_no_history_is_not_restored(tmp_path: Path, content: bytes) -> None:
    directory = tmp_path / "data"
    Writer(directory, bound=100).close()
    (tmp_path / "copy").write_bytes(content)
    before = (directory / FILE_NAME).read_bytes()
    with pytest.raises(HistoryFault, match="copy"):
        restore(directory, tmp_path / "copy")
    assert (directory / FILE_NAME).read_bytes() == before


def test_without_history_there_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(HistoryFault, match="no history"):
        backup(tmp_path, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
