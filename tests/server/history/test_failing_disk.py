"""A disk that fails or stands still: the chat goes on, and no number is ever given twice under one epoch."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from chat.protocol.descriptor import MessageType
from chat.server.history.faults import DamagedFile, HistoryFault
from chat.server.history.history import HistoryStore
from chat.server.history.pages import PageSize
from chat.server.history.queues.keeping import MAX_UNWRITTEN
from chat.server.history.reader import FILE_NAME, Reader
from chat.server.history.stored import DEFAULT_ROOM, MAILBOX, Hole, LogName, StoredRun
from chat.server.history.writer import Writer
from tests.server.disk import Disk
from tests.server.fakes import wait_until

PAGE = PageSize(200, 1 << 20)


class Epochs:
    """The epochs that users are told, and an event for each."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self._changed = Event()

    def __call__(self, epoch: str) -> None:
        self.told.append(epoch)
        self._changed.set()

    def wait_for(self, count: int) -> None:
        while len(self.told) < count:
            self._changed.clear()
            assert self._changed.wait(30), f"{len(self.told)} of {count} epochs told"


@pytest.fixture
def epochs() -> Epochs:
    return Epochs()


@pytest.fixture
def history(tmp_path: Path, epochs: Epochs, disk: Disk) -> Iterator[HistoryStore]:
    history = HistoryStore(tmp_path, patience=0.05, linger=0, on_epoch=epochs)
    history.start()
    history.begin(DEFAULT_ROOM)
    yield history
    disk.recover()
    history.stop(10)


def say(history: HistoryStore, count: int = 1) -> int:
    first = history.state(DEFAULT_ROOM).head + 1
    texts = [b"text %d" % number for number in range(first, first + count)]
    nonces = [None] * count
    run = StoredRun(
        DEFAULT_ROOM,
        first,
        "2026-11-24T09:30:00.000000Z",
        "alice",
        None,
        b"",
        MessageType.UTF8,
        nonces,
        texts,
    )
    history.keep(run)
    return first


def read_all(history: HistoryStore) -> tuple[list[int], list[Hole]]:
    page = history.after(DEFAULT_ROOM, 0, None, PAGE)
    return [message.first for run in page.runs for message in run.messages()], page.lost


def test_a_failed_disk_makes_a_hole_and_another_epoch_until_it_works_again(
    history: HistoryStore, disk: Disk, epochs: Epochs
) -> None:
    epoch = history.epoch
    say(history, 3)
    history.after(DEFAULT_ROOM, 0, None, PAGE)
    history._queue.wait_until_written()
    disk.fault = HistoryFault("cannot use history.db: disk full")
    say(history, 2)
    epochs.wait_for(1)
    assert history.epoch == epochs.told[0] != epoch
    say(history)
    disk.fault = None
    epochs.wait_for(2)
    assert history.epoch == epochs.told[1] == epoch
    assert say(history) == 7
    assert read_all(history) == ([1, 2, 3, 7], [Hole(4, 6)])


def test_while_history_is_suspended_the_messages_since_then_are_a_hole(
    history: HistoryStore, disk: Disk, epochs: Epochs
) -> None:
    say(history, 3)
    history._queue.wait_until_written()
    disk.fault = HistoryFault("cannot use history.db: disk full")
    say(history, 2)
    epochs.wait_for(1)
    assert read_all(history) == ([1, 2, 3], [Hole(4, 5)])
    say(history)
    assert history.state(DEFAULT_ROOM).lost == (Hole(4, 6),)
    assert history.state(LogName(MAILBOX, "unknown")).lost == ()
    disk.fault = None
    epochs.wait_for(2)
    assert history.state(DEFAULT_ROOM).lost == (Hole(4, 6),)


def test_a_disk_that_stands_still_keeps_what_it_took_when_it_goes_on(
    history: HistoryStore, disk: Disk, epochs: Epochs
) -> None:
    disk.goes_on.clear()
    say(history)
    epochs.wait_for(1)
    say(history, 2)
    disk.goes_on.set()
    epochs.wait_for(2)
    say(history)
    assert read_all(history) == ([1, 4], [Hole(2, 3)])


def test_a_login_does_not_wait_for_a_disk_that_stands_still(
    history: HistoryStore, disk: Disk, epochs: Epochs
) -> None:
    disk.goes_on.clear()
    say(history)
    wait_until(disk.is_asked.is_set, "the transaction")
    mailbox = LogName(MAILBOX, "a1")
    history.begin(mailbox)
    assert len(epochs.told) == 1
    disk.goes_on.set()
    epochs.wait_for(2)
    assert history.state(mailbox).head == 0


def test_too_many_unwritten_messages_suspend_history(
    history: HistoryStore, disk: Disk, epochs: Epochs
) -> None:
    disk.goes_on.clear()
    for _ in range(MAX_UNWRITTEN // 64 + 1):
        say(history, 64)
    assert len(epochs.told) == 1
    assert history.state(DEFAULT_ROOM).head == MAX_UNWRITTEN + 64


def test_hundreds_of_senders_who_wait_for_the_disk_do_not_suspend_history(
    tmp_path: Path, disk: Disk, epochs: Epochs
) -> None:
    history = HistoryStore(tmp_path, on_epoch=epochs)
    history.start()
    history.begin(DEFAULT_ROOM)

    def speak() -> None:
        history.wait_for_room(60)
        say(history, 64)

    disk.goes_on.clear()
    while history.has_room:
        say(history, 64)
    senders = [gevent.spawn(speak) for _ in range(300)]
    gevent.sleep(0)
    disk.goes_on.set()
    gevent.joinall(senders, raise_error=True)
    history.stop(10)
    assert epochs.told == []
    assert Reader(tmp_path).logs()[DEFAULT_ROOM].head > 300 * 64


def test_messages_that_come_one_by_one_share_transactions(tmp_path: Path, disk: Disk) -> None:
    history = HistoryStore(tmp_path, linger=60)
    history.start()
    history.begin(DEFAULT_ROOM)
    for _ in range(20):
        say(history)
        gevent.sleep(0.001)
    assert disk.transactions == 1, "after a silence, the first one is written at once"
    history.stop(5)
    assert disk.transactions <= 3
    assert Reader(tmp_path).logs()[DEFAULT_ROOM].head == 20


def test_a_file_damaged_while_the_server_runs_is_set_aside(
    history: HistoryStore, disk: Disk, epochs: Epochs, tmp_path: Path
) -> None:
    epoch = history.epoch
    say(history)
    history._queue.wait_until_written()
    disk.fault = DamagedFile("cannot use history.db: database disk image is malformed")
    say(history)
    epochs.wait_for(1)
    disk.fault = None
    epochs.wait_for(2)
    assert history.epoch != epoch
    say(history)
    assert read_all(history)[0] == [3]
    assert list(tmp_path.glob(f"{FILE_NAME}.damaged-*"))


# When the server starts


def open_and_say(directory: Path, boot_id: str, *, clean: bool, durable: bool = False) -> str:
    writer = Writer(directory, bound=100, boot_id=boot_id, durable=durable)
    writer.add_logs([DEFAULT_ROOM])
    if clean:
        writer.close()
    else:
        writer.abandon()
    return writer.opened.epoch


@pytest.mark.parametrize(
    ("boot_id", "clean", "durable", "is_same"),
    [
        ("boot 1", False, False, True),  # the process was killed
        ("boot 2", True, False, True),  # an ordinary reboot
        ("boot 2", False, False, False),  # a power loss
        (
            "boot 2",
            False,
            True,
            True,
        ),  # a power loss, but nothing was said before it was on the disk
    ],
)
def test_a_power_loss_begins_an_epoch(
    tmp_path: Path, boot_id: str, clean: bool, durable: bool, is_same: bool
) -> None:
    first = open_and_say(tmp_path, "boot 1", clean=clean, durable=durable)
    assert (open_and_say(tmp_path, boot_id, clean=True) == first) is is_same


def test_a_second_crash_gives_no_number_twice(tmp_path: Path) -> None:
    for crash in range(3):
        open_and_say(tmp_path, "boot", clean=False)
        assert Reader(tmp_path).logs()[DEFAULT_ROOM].head == 100 * crash
    assert Reader(tmp_path).logs()[DEFAULT_ROOM].lost == (Hole(1, 200),)


def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database at all" * 1000)
    history = HistoryStore(tmp_path)
    history.start()
    history.stop(5)
    [aside] = tmp_path.glob(f"{FILE_NAME}.damaged-*")
    assert aside.read_bytes().startswith(b"not a database")


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    open_and_say(tmp_path, "boot", clean=True)
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(HistoryFault, match="newer version"):
        HistoryStore(tmp_path).start()
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    history = HistoryStore(tmp_path / "new")
    history.start()
    history.begin(DEFAULT_ROOM)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()}
    history.stop(5)
    assert set(modes.values()) == {0o600}, modes
