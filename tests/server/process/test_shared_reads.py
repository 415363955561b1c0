"""Thousands of users who come back ask for the same page; it is read once."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event

from chat.server.history.faults import HistoryFault
from chat.server.history.stored import HistoryPage
from chat.server.process.shared_reads import SharedReads

MOST = 16


class Disk:
    """Counts reads, each of which waits until the disk is ``ready``, and fails while there is a ``fault``."""

    def __init__(self) -> None:
        self.reads = 0
        self.ready = Event()
        self.fault: Exception | None = None

    def read(self) -> HistoryPage:
        self.reads += 1
        self.ready.wait()
        if self.fault is not None:
            raise self.fault
        return HistoryPage([], False, [])


def test_those_who_ask_at_the_same_time_share_one_read() -> None:
    disk = Disk()
    shared: SharedReads[HistoryPage] = SharedReads(MOST)
    tasks = [gevent.spawn(shared.get, 1, "page", disk.read) for _ in range(5)]
    gevent.sleep(0)
    disk.ready.set()
    pages = [task.get(timeout=30) for task in tasks]
    assert disk.reads == 1
    assert all(page is pages[0] for page in pages)
    assert shared.get(1, "page", disk.read) is pages[0]
    assert shared.get(1, "another page", disk.read) is not pages[0]
    assert shared.get(2, "page", disk.read) is not pages[0]
    assert disk.reads == 3


def test_a_page_that_is_read_when_history_changes_is_not_kept() -> None:
    disk = Disk()
    shared: SharedReads[HistoryPage] = SharedReads(MOST)
    early = gevent.spawn(shared.get, 1, "page", disk.read)
    gevent.sleep(0)
    late = gevent.spawn(shared.get, 2, "page", disk.read)
    gevent.sleep(0)
    disk.ready.set()
    assert early.get(timeout=30) is not late.get(timeout=30)
    assert shared.get(2, "page", disk.read) is late.get()


def test_a_failed_read_fails_for_all_who_waited_and_for_nobody_later() -> None:
    disk = Disk()
    shared: SharedReads[HistoryPage] = SharedReads(MOST)
    disk.fault = HistoryFault("disk full")
    tasks = [gevent.spawn(shared.get, 1, "page", disk.read) for _ in range(3)]
    gevent.sleep(0)
    disk.ready.set()
    for task in tasks:
        with pytest.raises(HistoryFault):
            task.get(timeout=30)
    assert disk.reads == 1
    disk.fault = None
    assert shared.get(1, "page", disk.read).runs == []


def test_a_reader_who_is_killed_leaves_the_read_to_the_next() -> None:
    disk = Disk()
    shared: SharedReads[HistoryPage] = SharedReads(MOST)
    first = gevent.spawn(shared.get, 1, "page", disk.read)
    gevent.sleep(0)
    second = gevent.spawn(shared.get, 1, "page", disk.read)
    gevent.sleep(0)
    first.kill()
    disk.ready.set()
    assert second.get(timeout=30).runs == []
    assert disk.reads == 2


def test_pages_are_kept_in_a_bounded_number() -> None:
    disk = Disk()
    shared: SharedReads[HistoryPage] = SharedReads(MOST)
    disk.ready.set()
    for number in range(100):
        shared.get(1, number, disk.read)
    shared.get(1, 99, disk.read)
    assert disk.reads == 100
    shared.get(1, 0, disk.read)
    assert disk.reads == 101
