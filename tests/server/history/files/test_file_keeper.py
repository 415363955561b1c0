"""Kept contents over random schedules of messages, purges, limits and crashes: the disk has exactly what is used."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.history.faults import HistoryFault
from chat.server.history.files.file_index import FILE_NAME
from chat.server.history.files.file_keeper import FileKeeper
from chat.server.history.files.file_use import use_of
from chat.server.history.purging import Purge, purge
from chat.server.history.reader import Reader
from chat.server.history.rows import pack
from chat.server.history.stored import DEFAULT_ROOM, MAILBOX, LogName, StoredRun
from chat.server.history.upkeep import expire
from chat.server.history.writer import Writer
from tests.tiers import quick_first

LOGS = (DEFAULT_ROOM, LogName(MAILBOX, "a1"))
ALICE, GUEST = b"a" * 16, b""


def message(
    log: LogName, seq: int, digest: bytes, size: int, author: bytes, name: str = "plan.pdf"
) -> StoredRun:
    time = f"2026-11-24T09:30:00.{seq:06d}Z"
    return StoredRun(
        log, seq, time, "alice", None, author, MessageType.FILE, [None], [digest], name, size
    )


class Disk:
    """A history with its kept files, which can crash at any moment."""

    def __init__(self, directory: Path, rng: random.Random, limit: int) -> None:
        self.directory, self.rng, self.limit = directory, rng, limit
        self.heads = dict.fromkeys(LOGS, 0)
        self.start()

    def start(self) -> None:
        self.writer = Writer(self.directory, bound=0)
        self.writer.add_logs(LOGS)
        self.keeper = FileKeeper(self.directory, self.limit)
        self.keeper.open()

    def stop(self, *, clean: bool) -> None:
        self.writer.close()
        self.keeper.close(clean=clean)

    def arrive(self, content: bytes) -> tuple[Path, bytes]:
        path = self.keeper.directory.new_path()
        path.write_bytes(content)
        return path, hashlib.sha256(content).digest()

    def say(self, content: bytes, author: bytes, crash_before: str = "") -> None:
        """Keep a content, and write its message; end before a step, as a crash would."""
        arrived, digest = self.arrive(content)
        if crash_before == "keep":
            return
        if not self.keeper.keep(arrived, digest, len(content), author.hex()):
            arrived.unlink()
            return
        if crash_before == "message":
            return
        log = self.rng.choice(LOGS)
        self.heads[log] += 1
        run = message(log, self.heads[log], digest, len(content), author)
        self.writer.write([pack(run)])
        if crash_before == "use":
            return
        use = use_of(run)
        assert use is not None
        self.keeper.add_uses([use])
        self.keeper.let_go(digest)

    def purge(self, log: LogName, seq: int) -> None:
        def call(function: Callable[..., Any], *values: Any) -> Any:
            return function(self.writer, *values)

        if log == DEFAULT_ROOM:
            purge(call, Purge(number=seq), on_purged=self.keeper.forget)

    def expire(self) -> None:
        before = f"2026-11-24T09:30:00.{self.rng.randrange(max(self.heads.values()) + 1):06d}Z"
        while states := expire(self.writer, before, None):
            self.keeper.forget_old(states)

    def check(self) -> None:
        """Check that the directory and the index have the same contents, and only contents that a message uses."""
        there = self.keeper.directory.sizes()
        assert there == self.keeper.index.sizes()
        assert self.keeper.index.bytes == sum(there.values()) <= self.limit
        assert self.keeper.index.count == len(there)
        assert not list(self.keeper.directory.incoming.iterdir())
        used = self.used()
        assert there.keys() <= used
        for digest in there:
            assert self.keeper.directory.is_whole(digest)

    def used(self) -> set[bytes]:
        reader = Reader(self.directory)
        try:
            return {run.digest for run in reader.attachments() if run.digest is not None}
        finally:
            reader.close()


@pytest.mark.parametrize("seed", quick_first(range(6), "many seeds"))
def test_the_disk_has_exactly_what_messages_use_whatever_happens(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    disk = Disk(tmp_path, rng, limit=2000)
    contents = [rng.randbytes(rng.choice((50, 100, 400, 900))) for _ in range(12)]
    for _ in range(60):
        action = rng.random()
        if action < 0.6:
            disk.say(rng.choice(contents), rng.choice((ALICE, GUEST)))
        elif action < 0.75:
            log = rng.choice(LOGS)
            disk.purge(log, rng.randint(1, disk.heads[log] + 1))
        elif action < 0.8:
            disk.expire()
        elif action < 0.85:
            disk.stop(clean=True)
            disk.start()
        else:
            disk.say(
                rng.choice(contents), ALICE, crash_before=rng.choice(("keep", "message", "use"))
            )
            disk.stop(clean=False)
            disk.start()
        disk.check()
    disk.stop(clean=True)


def test_a_message_in_the_history_has_its_content_after_each_crash(tmp_path: Path) -> None:
    disk = Disk(tmp_path, random.Random(1), limit=10_000)
    for step in ("keep", "message", "use"):
        disk.say(step.encode() * 100, ALICE, crash_before=step)
        disk.stop(clean=False)
        disk.start()
        assert disk.used() == set(disk.keeper.directory.sizes())
    assert len(disk.used()) == 1
    disk.stop(clean=True)


def test_a_lost_or_damaged_index_is_made_again_from_the_history(tmp_path: Path) -> None:
    disk = Disk(tmp_path, random.Random(1), limit=10_000)
    for number in range(20):
        disk.say(bytes([number]) * 100, ALICE)
    before = disk.keeper.index.sizes()
    disk.stop(clean=True)
    (tmp_path / FILE_NAME).write_bytes(b"no database " * 1000)
    disk.start()
    disk.check()
    assert disk.keeper.index.sizes() == before
    assert disk.keeper.index.owned == {ALICE.hex(): 2000}
    disk.stop(clean=True)
    for path in tmp_path.glob(f"{FILE_NAME}*"):
        path.unlink()
    disk.start()
    assert disk.keeper.index.sizes() == before
    disk.stop(clean=True)


def test_a_users_files_take_half_of_the_space_and_the_oldest_go_first(tmp_path: Path) -> None:
    disk = Disk(tmp_path, random.Random(1), limit=1000)
    digests = []
    for number in range(8):
        content = bytes([number]) * 100
        digests.append(hashlib.sha256(content).digest())
        disk.say(content, ALICE)
    assert disk.keeper.index.sizes().keys() == set(digests[3:])
    # Said again, the oldest becomes the youngest.
    disk.say(bytes([3]) * 100, ALICE)
    disk.say(b"x" * 100, ALICE)
    assert digests[3] in disk.keeper.index.sizes()
    assert digests[4] not in disk.keeper.index.sizes()
    # Guests share one half, under whatever names.
    for number in range(100, 110):
        disk.say(bytes([number]) * 100, GUEST)
    assert disk.keeper.index.owned == {ALICE.hex(): 500, "": 500}
    assert not disk.keeper.keep(*disk.arrive(b"y" * 600), 600, "")
    disk.stop(clean=True)


def test_a_content_on_its_way_is_not_removed_for_another(tmp_path: Path) -> None:
    disk = Disk(tmp_path, random.Random(1), limit=1000)
    on_its_way, digest = disk.arrive(b"a" * 500)
    assert disk.keeper.keep(on_its_way, digest, 500, "")
    assert not disk.keeper.keep(*disk.arrive(b"b" * 500), 500, "")
    assert disk.keeper.index.has(digest)
    disk.keeper.let_go(digest)
    assert not disk.keeper.index.has(digest)
    assert not disk.keeper.directory.sizes()
    disk.stop(clean=True)


def test_a_newer_index_is_not_touched(tmp_path: Path) -> None:
    disk = Disk(tmp_path, random.Random(1), limit=1000)
    disk.stop(clean=True)
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(HistoryFault, match="newer version"):
        FileKeeper(tmp_path, 1000).open()
