"""Uploads that crawl make way when their space is needed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import gevent
import pytest

from chat.server.attachments import spool as spool_module
from chat.server.attachments.spool import NoSpaceError, Spool
from tests.server.attachments.test_spool import SIZE, SlowUpload, reserve
from tests.server.fakes import FakeClock, run_ready_greenlets


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, SIZE)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(spool_module, "time", SimpleNamespace(monotonic=clock))
    return clock


def test_an_upload_is_slow_below_a_kibibyte_a_second(spool: Spool, clock: FakeClock) -> None:
    file = Spool(spool.directory, 1 << 20).reserve("alice", 10_000, lambda: None)
    clock.advance(5)

    file.received = 5 * 1024 - 1
    assert file.is_slow(clock.now, 5)
    assert not file.is_slow(clock.now, 5.1)
    file.received = 5 * 1024
    assert not file.is_slow(clock.now, 5)
    file.received = 10_000
    clock.advance(1000)
    assert not file.is_slow(clock.now)
    file.release()


def test_slow_uploads_make_way(spool: Spool, clock: FakeClock) -> None:
    slow = [SlowUpload(spool, f"user{number}", 100) for number in range(4)]
    clock.advance(6)

    file = gevent.spawn(reserve, spool, "late", 100).get(timeout=30)

    assert [upload.given_up for upload in slow] == [1, 1, 1, 1]
    run_ready_greenlets()
    assert spool.used == 100
    file.release()


def test_an_upload_that_moves_does_not_make_way(tmp_path: Path, clock: FakeClock) -> None:
    spool = Spool(tmp_path, 400_000)
    slow, quick = SlowUpload(spool, "slow", 100_000), SlowUpload(spool, "quick", 100_000)
    clock.advance(6)
    quick.file.received = 50_000
    others = [reserve(spool, f"user{number}", 100_000) for number in range(2)]
    for file in others:
        file.received = file.size

    file = gevent.spawn(reserve, spool, "late", 100_000).get(timeout=30)

    assert (slow.given_up, quick.given_up) == (1, 0)
    for each in [*others, file, quick.file]:
        each.release()


def test_a_young_upload_is_given_some_seconds(spool: Spool, clock: FakeClock) -> None:
    young = [SlowUpload(spool, f"user{number}", 100) for number in range(4)]
    reserving = gevent.spawn(reserve, spool, "late", 100)
    run_ready_greenlets()
    assert [upload.given_up for upload in young] == [0, 0, 0, 0]

    clock.advance(5.5)

    file = reserving.get(timeout=30)
    assert [upload.given_up for upload in young] == [1, 1, 1, 1]
    file.release()


def test_waiting_for_slow_uploads_ends(spool: Spool, clock: FakeClock) -> None:
    stubborn = [reserve(spool, f"user{number}", 100) for number in range(4)]
    reserving = gevent.spawn(reserve, spool, "late", 100)
    run_ready_greenlets()

    clock.advance(8)

    with pytest.raises(NoSpaceError):
        reserving.get(timeout=30)
    for file in stubborn:
        file.release()


def test_the_share_holds_for_two_that_waited_for_the_same_space(
    spool: Spool, clock: FakeClock
) -> None:
    slow = [SlowUpload(spool, f"user{number}", 100) for number in range(4)]
    clock.advance(6)
    both = [gevent.spawn(reserve, spool, "late", 100) for _ in range(2)]

    gevent.joinall(both, timeout=30)

    assert all(upload.given_up for upload in slow)
    assert sorted(greenlet.successful() for greenlet in both) == [False, True]
    assert spool.used == 100
    [file] = [greenlet.get() for greenlet in both if greenlet.successful()]
    file.release()


def test_a_transfer_that_ends_while_it_waits_for_space_takes_none(
    spool: Spool, clock: FakeClock
) -> None:
    slow = [SlowUpload(spool, f"user{number}", 100) for number in range(4)]
    reserving = gevent.spawn(reserve, spool, "late", 100)
    run_ready_greenlets()

    reserving.kill(timeout=30)
    for upload in slow:
        upload.file.release()

    assert (spool.used, spool.files) == (0, 0)
