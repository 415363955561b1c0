"""One copy of a large batch, to which sockets are given references."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest

from chat.server.delivery.batch_file import BatchFile


@pytest.fixture
def file() -> Iterator[BatchFile]:
    file = BatchFile()
    yield file
    file.close()


def content(descriptor: int | None) -> bytes:
    assert descriptor is not None
    return os.pread(descriptor, 1 << 20, 0)


def test_it_holds_what_was_put_last_and_nothing_else(file: BatchFile) -> None:
    assert content(file.put(b"x" * 10_000)) == b"x" * 10_000
    file.clear()

    descriptor = file.put(b"the next")

    assert content(descriptor) == b"the next"
    file.clear()
    assert content(descriptor) == b""


def test_after_it_was_closed_it_opens_another(file: BatchFile) -> None:
    descriptor = file.put(b"batch")
    assert descriptor is not None
    file.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)

    assert content(file.put(b"batch")) == b"batch"


def test_an_unused_file_can_be_cleared_and_closed(file: BatchFile) -> None:
    file.clear()
    file.close()


def test_a_system_without_such_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")

    assert BatchFile().put(b"batch") is None


@pytest.mark.parametrize("call", ["memfd_create", "pwrite"])
def test_a_system_that_has_none_left_is_asked_once_and_the_log_says_so(
    call: str, file: BatchFile, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*args: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, refuse)
    assert file.put(b"batch") is None
    monkeypatch.undo()

    assert file.put(b"batch") is None
    assert [record.getMessage() for record in caplog.records] == [
        "large batches are copied for each user: [Errno 28] No space left on device"
    ]


def test_what_does_not_fit_is_not_shared_this_time(
    file: BatchFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: whole(fd, data[:-1], offset))
    assert file.put(b"batch") is None
    monkeypatch.undo()

    assert content(file.put(b"ok")) == b"ok"
