"""History as the room uses it: kept messages can be read back, over crashes and clean stops."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.server.history.history import HistoryStore
from chat.server.history.pages import PageSize
from chat.server.history.purging import Purge
from chat.server.history.queues.keeping import MAX_UNWRITTEN
from chat.server.history.reader import Reader
from chat.server.history.stored import DEFAULT_ROOM, MAILBOX, Hole, LogName, StoredRun
from tests.tiers import quick_first

LOGS = (DEFAULT_ROOM, LogName(MAILBOX, "a1"), LogName(MAILBOX, "b2"))
AUTHORS = (b"", b"alice's account", b"bob's account")


class Said:
    """The messages of this test, by log and number: the truth that pages are compared with."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.messages: dict[LogName, dict[int, tuple[str, bytes, bytes | None, bytes]]] = {
            name: {} for name in LOGS
        }
        self.clock = 0

    def next_run(self, name: LogName, first: int) -> StoredRun:
        rng = self.rng
        self.clock += 1
        count = rng.choice((1, 1, 2, 5, 64))
        type = MessageType.UTF8 if count > 1 or rng.random() < 0.5 else MessageType.FILE
        contents = [rng.randbytes(rng.choice((1, 10, 100))) for _ in range(count)]
        if type is MessageType.UTF8:
            contents = [content.decode("latin-1").encode() for content in contents]
        nonces = [rng.randbytes(8).hex().encode() if rng.random() < 0.7 else None for _ in contents]
        run = StoredRun(
            name,
            first,
            f"2026-11-24T09:30:{self.clock // 1000:02d}.{self.clock % 1000:06d}Z",
            "alice",
            None,
            rng.choice(AUTHORS),
            type,
            nonces,
            contents,
            "plan.txt" if type is MessageType.FILE else None,
            sum(map(len, contents)),
        )
        for index, (content, nonce) in enumerate(zip(contents, nonces, strict=True)):
            self.messages[name][first + index] = (run.timestamp, content, nonce, run.author)
        return run

    def between(self, name: LogName, after: int, before: int) -> dict[int, bytes]:
        return {
            number: content
            for number, (_, content, _, _) in self.messages[name].items()
            if after < number < before
        }


def contents_of(runs: list[StoredRun]) -> dict[int, bytes]:
    found = [(each.first, each.contents[0]) for run in runs for each in run.messages()]
    assert found == sorted(found), "a page is in order"
    return dict(found)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[HistoryStore]:
    history = HistoryStore(tmp_path, linger=0)
    history.start()
    yield history
    history.stop(5)


@pytest.mark.parametrize("seed", quick_first(range(5), "many schedules", quick=2))
def test_pages_have_what_was_said_over_crashes_and_clean_stops(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    said = Said(rng)
    holes: dict[LogName, list[Hole]] = {name: [] for name in LOGS}
    epoch = None
    for _ in range(4):
        history = HistoryStore(tmp_path, linger=rng.choice((0, 0.002)))
        history.start()
        assert epoch in (None, history.epoch)
        epoch = history.epoch
        for name in LOGS:
            history.begin(name)
        for _ in range(150):
            name = rng.choice(LOGS)
            history.keep(said.next_run(name, history.state(name).head + 1))
            if rng.random() < 0.4:
                check_a_page(history, said, holes, rng)
        if rng.random() < 0.5:
            history.stop(5)
            continue
        heads = {name: history.state(name).head for name in LOGS}
        crash(history)
        for name, written in read_heads(tmp_path).items():
            for number in range(written + 1, heads[name] + 1):
                del said.messages[name][number]
            holes[name].append(Hole(written + 1, written + MAX_UNWRITTEN))


def test_a_page_lacks_what_was_purged_since_it_was_read(tmp_path: Path) -> None:
    history = HistoryStore(tmp_path, linger=60)
    history.start()
    history.begin(DEFAULT_ROOM)
    said = Said(random.Random(1))
    for _ in range(3):
        history.keep(said.next_run(DEFAULT_ROOM, history.state(DEFAULT_ROOM).head + 1))
    last = history.state(DEFAULT_ROOM).head

    def read() -> bytes | None:
        page = history.after(DEFAULT_ROOM, last - 1, None, PageSize(10, 1000))
        return contents_of(page.runs)[last]

    assert read()
    purging = gevent.spawn(history.purge, Purge(number=last))
    gevent.sleep(0)
    assert not read(), "not even until the disk has it"
    assert purging.get(timeout=30) == 1
    assert not read()
    assert history.purge(Purge(number=last)) == 0
    history.stop(5)


def test_a_message_that_is_purged_before_it_is_written_counts(tmp_path: Path) -> None:
    history = HistoryStore(tmp_path, linger=0.05)
    history.start()
    history.begin(DEFAULT_ROOM)
    said = Said(random.Random(1))
    history.keep(said.next_run(DEFAULT_ROOM, 1))
    assert (
        history.purge(Purge(number=history.state(DEFAULT_ROOM).head + 1)) == 0
    )  # waits for the disk
    last = history.state(DEFAULT_ROOM).head + 1
    history.keep(said.next_run(DEFAULT_ROOM, last))
    # The thread of the file does nothing before this greenlet waits.
    assert history.purge(Purge(number=last)) == 1
    assert history.purge(Purge(number=last)) == 0
    history.stop(5)


def check_a_page(
    history: HistoryStore, said: Said, holes: dict[LogName, list[Hole]], rng: random.Random
) -> None:
    name = rng.choice(LOGS)
    head = history.state(name).head
    size = PageSize(rng.choice((1, 7, 50, 200)), rng.choice((1, 500, 1 << 20)))
    before = rng.choice((None, rng.randint(0, head + 5)))
    end = head + 1 if before is None else min(before, head + 1)
    if rng.random() < 0.5:
        after = rng.randint(0, head)
        page = history.after(name, after, before, size)
        found, wanted = contents_of(page.runs), said.between(name, after, end)
        assert list(found.items()) == list(wanted.items())[: len(found)]
        covered = (after + 1, max(found, default=after) if page.more else end - 1)
    else:
        page = history.before(name, before, size)
        found, wanted = contents_of(page.runs), said.between(name, 0, end)
        assert list(found.items()) == list(wanted.items())[len(wanted) - len(found) :]
        covered = (min(found, default=1) if page.more else 1, end - 1)
    assert page.more == (len(found) < len(wanted))
    assert not wanted or found, "a page has one message at least"
    assert len(found) <= size.messages
    assert len(found) == 1 or sum(map(len, found.values())) <= size.bytes
    assert page.lost == [
        Hole(max(hole.first, covered[0]), min(hole.last, covered[1]))
        for hole in holes[name]
        if hole.first <= covered[1] and hole.last >= covered[0]
    ]
    check_nonces_and_times(history, said, name, rng)


def check_nonces_and_times(
    history: HistoryStore, said: Said, name: LogName, rng: random.Random
) -> None:
    messages = said.messages[name]
    if not messages:
        return
    sample = rng.sample(sorted(messages), min(3, len(messages)))
    nonces = frozenset(filter(None, (messages[number][2] for number in sample)))
    after, author = rng.choice((0, sample[0])), rng.choice(AUTHORS)
    found = history.find_nonces(name, after, nonces, author)
    assert contents_of(found) == {
        number: content
        for number, (_, content, nonce, by) in messages.items()
        if number > after and nonce in nonces and by == author
    }
    timestamp = messages[sample[0]][0]
    assert history.number_at(name, timestamp) == min(
        number for number, (time, *_) in messages.items() if time >= timestamp
    )


def crash(history: HistoryStore) -> None:
    """End ``history`` as kill -9 does: only transactions that have ended are kept."""
    keeping = history._queue
    assert keeping._task is not None
    assert keeping._writer is not None
    keeping._task.kill()
    keeping._pool.join()
    keeping._writer.abandon()


def read_heads(directory: Path) -> dict[LogName, int]:
    return {name: state.head for name, state in Reader(directory).logs().items()}
