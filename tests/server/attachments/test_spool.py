"""Contents too large for memory: the space that they take is reserved, bounded, shared out and given back."""

from __future__ import annotations

import errno
import gc
import logging
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Hashable
from pathlib import Path
from types import SimpleNamespace

import gevent
import pytest

from chat.server.attachments import spool as spool_module
from chat.server.attachments.spool import NoSpaceError, Spool, SpooledFile
from tests.server.fakes import FakeClock, wait_until

SIZE = 400  # of the space, in bytes: a share is 100


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, SIZE)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(spool_module, "time", SimpleNamespace(monotonic=clock))
    return clock


def reserve(spool: Spool, owner: str, size: int) -> SpooledFile:
    return spool.reserve(owner, size, lambda: None)


class SlowUpload:
    """An upload that nothing comes for, which ends when it is given up."""

    def __init__(self, spool: Spool, owner: str, size: int) -> None:
        self.given_up = 0
        self.file = spool.reserve(owner, size, self.give_up)

    def give_up(self) -> None:
        self.given_up += 1
        gevent.spawn(self.file.release)  # as the greenlet that reads it would, in its turn


# Files


def test_a_content_that_is_there_does_not_keep_what_it_came_by(spool: Spool) -> None:
    class Upload:
        def give_up(self) -> None:
            raise AssertionError("it is there")

    upload = Upload()
    gone = weakref.ref(upload)
    file = spool.reserve("alice", 4, upload.give_up)
    file.append(memoryview(b"01"))
    assert gone() is not None
    del upload
    file.append(memoryview(b"23"))
    gc.collect()
    assert gone() is None
    file.give_up()
    file.release()


def test_a_content_is_kept_as_it_came(spool: Spool) -> None:
    file = reserve(spool, "alice", 10)
    file.append(memoryview(b"01234"))
    assert not file.is_complete
    file.append(memoryview(b"56789"))

    assert file.is_complete
    assert os.pread(file.fileno(), 100, 0) == b"0123456789"
    file.release()


def test_a_kept_content_has_no_name(spool: Spool) -> None:
    file = reserve(spool, "alice", 10)

    assert list(spool.directory.iterdir()) == []
    file.release()


def test_space_is_taken_before_the_first_byte_comes(spool: Spool) -> None:
    file = reserve(spool, "alice", 10)

    assert (spool.used, spool.files) == (10, 1)
    file.release()
    assert (spool.used, spool.files) == (0, 0)


def test_a_file_is_closed_when_the_last_holder_lets_go(spool: Spool) -> None:
    file = reserve(spool, "alice", 10)
    file.hold()
    descriptor = file.fileno()

    file.release()
    os.fstat(descriptor)
    assert spool.used == 10
    file.release()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert spool.used == 0


def test_a_write_that_takes_less_goes_on(monkeypatch: pytest.MonkeyPatch, spool: Spool) -> None:
    write = os.write
    monkeypatch.setattr(
        spool_module, "os", SimpleNamespace(write=lambda fd, data: write(fd, data[:3]))
    )
    file = reserve(spool, "alice", 10)

    file.append(memoryview(b"0123456789"))

    assert os.pread(file.fileno(), 100, 0) == b"0123456789"
    file.release()


def test_others_run_while_a_disk_is_slow(monkeypatch: pytest.MonkeyPatch, spool: Spool) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def write_slowly(fd: int, data: memoryview, digest: object) -> None:
        begun.set()
        assert may_end.wait(30)
        os.write(fd, data)

    monkeypatch.setattr(spool_module, "_write_all", write_slowly)
    file = reserve(spool, "alice", 10)
    writing = gevent.spawn(file.append, memoryview(b"0123456789"))

    wait_until(begun.is_set)
    assert not writing.ready()

    may_end.set()
    writing.get(timeout=30)
    file.release()


def test_a_full_disk_is_no_space(
    monkeypatch: pytest.MonkeyPatch,
    spool: Spool,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fill(fd: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spool_module, "os", SimpleNamespace(write=fill))
    file = reserve(spool, "alice", 10)

    with pytest.raises(NoSpaceError, match=r"\.$"):
        file.append(memoryview(b"0123456789"))
    file.release()

    assert spool.used == 0
    assert "No space left on device" in caplog.text
    assert "Traceback" not in capfd.readouterr().err


def test_a_file_is_not_closed_under_a_thread_that_writes_to_it(
    monkeypatch: pytest.MonkeyPatch, spool: Spool
) -> None:
    begun, may_end = threading.Event(), threading.Event()
    written: list[int] = []

    def write_slowly(fd: int, data: memoryview, digest: object) -> None:
        begun.set()
        assert may_end.wait(30)
        written.append(os.write(fd, data))

    def upload(file: SpooledFile) -> None:
        try:
            file.append(memoryview(b"01234"))
        finally:
            file.release()

    monkeypatch.setattr(spool_module, "_write_all", write_slowly)
    uploading = gevent.spawn(upload, reserve(spool, "alice", 10))
    wait_until(begun.is_set)
    uploading.kill(timeout=30)
    assert uploading.dead
    assert spool.used == 10  # until the thread is done

    may_end.set()
    wait_until(lambda: spool.used == 0, "the space")
    assert written == [5]
    assert spool.files == 0


# Limits


def test_one_user_may_have_a_quarter(spool: Spool) -> None:
    file = reserve(spool, "alice", 100)

    with pytest.raises(NoSpaceError, match="your attachments"):
        reserve(spool, "alice", 1)
    reserve(spool, "bob", 100).release()
    file.release()
    reserve(spool, "alice", 100).release()


def test_what_is_larger_than_a_share_is_refused_at_once(spool: Spool) -> None:
    with pytest.raises(NoSpaceError, match="at most 100 bytes"):
        reserve(spool, "alice", 101)


def test_the_share_is_told_in_units_that_people_read(tmp_path: Path) -> None:
    with pytest.raises(NoSpaceError, match=r"keeps at most 2\.5 GiB for one user"):
        reserve(Spool(tmp_path, 10 * 1024**3), "alice", 3 * 1024**3)


def test_all_together_may_have_all_of_it(spool: Spool) -> None:
    files = [reserve(spool, f"user{number}", 100) for number in range(4)]
    for file in files:
        file.received = file.size  # none of them is on its way any more

    with pytest.raises(NoSpaceError, match="no space"):
        reserve(spool, "late", 1)

    files.pop().release()
    reserve(spool, "late", 100).release()
    for file in files:
        file.release()
    assert (spool.used, spool.files) == (0, 0)


def test_the_number_of_files_is_bounded_a_quarter_of_them_for_one_user(tmp_path: Path) -> None:
    spool = Spool(tmp_path, SIZE, max_files=8)
    files = [reserve(spool, f"user{number // 2}", 1) for number in range(7)]
    for file in files:
        file.received = file.size

    with pytest.raises(NoSpaceError, match="your attachments"):
        reserve(spool, "user0", 1)
    files.append(reserve(spool, "user3", 1))
    files[-1].received = 1
    with pytest.raises(NoSpaceError, match="no space"):
        reserve(spool, "user4", 1)

    for file in files:
        file.release()
    assert spool.files == 0


def test_what_is_promised_to_others_is_not_free(
    monkeypatch: pytest.MonkeyPatch, spool: Spool
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=150))
    file = reserve(spool, "alice", 100)
    file.received = 100  # what has come is not free any more, and is not counted twice
    reserve(spool, "bob", 100).release()
    file.received = 49
    monkeypatch.setattr(spool_module, "_PATIENCE", 0.0)
    with pytest.raises(NoSpaceError):
        reserve(spool, "bob", 100)
    file.release()


def test_a_directory_that_has_gone_is_no_space(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "spool"
    directory.mkdir()
    spool = Spool(directory, SIZE)
    directory.rmdir()

    with pytest.raises(NoSpaceError):
        reserve(spool, "alice", 10)

    assert spool.used == 0
    assert "No such file or directory" in caplog.text


def test_no_descriptor_for_a_file_is_no_space(
    monkeypatch: pytest.MonkeyPatch, spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    def run_out(**options: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(tempfile, "TemporaryFile", run_out)

    with pytest.raises(NoSpaceError):
        reserve(spool, "alice", 10)

    assert (spool.used, spool.files) == (0, 0)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


# Making room


def test_what_can_be_spared_is_dropped_as_far_as_needed(spool: Spool) -> None:
    kept = [reserve(spool, f"user{number}", 100) for number in range(4)]
    asked: list[Hashable | None] = []

    def drop_oldest(owner: Hashable | None) -> bool:
        asked.append(owner)
        kept.pop(0).release()
        return True

    spool.when_short(drop_oldest)
    file = reserve(spool, "late", 100)

    assert asked == [None]
    for each in [*kept, file]:
        each.release()


def test_over_a_users_share_their_own_is_dropped(spool: Spool) -> None:
    kept = [reserve(spool, "alice", 40) for _ in range(2)]
    asked: list[Hashable | None] = []

    def drop_oldest(owner: Hashable | None) -> bool:
        asked.append(owner)
        kept.pop(0).release()
        return True

    spool.when_short(drop_oldest)
    file = reserve(spool, "alice", 90)

    assert asked == ["alice", "alice"]
    assert spool.used == 90
    file.release()


# Slow uploads
