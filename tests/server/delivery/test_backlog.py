"""The backlog of one user keeps the order of frames, and counts every byte."""

from __future__ import annotations

import random

import pytest

from chat.server.delivery.backlog import Backlog, FileSlice
from tests.server.fakes import FakeContent


def drain(backlog: Backlog, step: int) -> bytes:
    """All that is in it, taken ``step`` bytes at a time."""
    taken = b""
    while backlog:
        item = backlog.head()
        if isinstance(item, FileSlice):
            size = min(step, item.left)
            content = item.content
            assert isinstance(content, FakeContent)
            taken += content.data[item.offset : item.offset + size]
        else:
            assert isinstance(item, memoryview)
            size = min(step, len(item))
            taken += item[:size]
        backlog.consume(size)
    return taken


def put(backlog: Backlog, data: bytes) -> None:
    backlog.append(memoryview(data))


def test_an_empty_backlog_is_false_and_holds_nothing() -> None:
    backlog = Backlog()

    assert not backlog
    assert backlog.size == 0


@pytest.mark.parametrize("step", [1, 7, 4096, 1 << 20])
def test_bytes_leave_in_the_order_in_which_they_came(step: int) -> None:
    backlog = Backlog()
    pieces = [bytes([number]) * size for number, size in enumerate([1, 5000, 3, 3, 70_000, 4096])]
    for piece in pieces:
        put(backlog, piece)

    assert backlog.size == sum(map(len, pieces))
    assert drain(backlog, step) == b"".join(pieces)
    assert backlog.size == 0


def test_small_pieces_are_gathered_into_one() -> None:
    backlog = Backlog()
    for _ in range(100):
        put(backlog, b"a small message")

    head = backlog.head()

    assert isinstance(head, memoryview)
    assert len(head) == backlog.size == 1500


def test_what_is_gathered_is_bounded() -> None:
    backlog = Backlog()
    for _ in range(100):
        put(backlog, b"x" * 4096)

    head = backlog.head()

    assert isinstance(head, memoryview)
    assert len(head) <= 64 * 1024 + 4096


def test_nothing_is_gathered_into_what_is_being_sent() -> None:
    backlog = Backlog()
    put(backlog, b"first")
    head = backlog.head()

    put(backlog, b"second")

    assert isinstance(head, memoryview)
    assert bytes(head) == b"first"
    backlog.consume(2)
    assert backlog.size == len(b"rstsecond")
    assert drain(backlog, 3) == b"rstsecond"


def test_a_large_piece_is_a_view_of_the_batch_that_all_share() -> None:
    backlog = Backlog()
    batch = b"x" * 100_000
    backlog.append(memoryview(batch)[10:])

    head = backlog.head()

    assert isinstance(head, memoryview)
    assert head.obj is batch


def test_a_small_rest_does_not_keep_its_whole_batch_alive() -> None:
    backlog = Backlog()
    batch = b"x" * 100_000
    backlog.append(memoryview(batch)[80_000:])

    head = backlog.head()

    assert isinstance(head, memoryview)
    assert head.obj is not batch
    assert len(head) == backlog.size == 20_000


def test_a_file_keeps_its_place_and_does_not_count_as_memory() -> None:
    backlog = Backlog()
    content = FakeContent(b"the content of a file")
    put(backlog, b"before ")
    backlog.append_file(content, 4)
    put(backlog, b" after")

    assert backlog.size == len(b"before  after")
    assert drain(backlog, 3) == b"before content of a file after"
    assert backlog.size == 0


def test_a_file_is_held_until_its_last_byte_has_left() -> None:
    backlog = Backlog()
    content = FakeContent(b"0123456789")
    backlog.append_file(content, 0)
    assert content.holders == 2

    backlog.consume(9)
    assert content.holders == 2
    backlog.consume(1)
    assert content.holders == 1
    assert not backlog


def test_a_file_may_stand_in_it_twice() -> None:
    backlog = Backlog()
    content = FakeContent(b"0123456789")
    backlog.append_file(content, 0)
    backlog.append_file(content, 5)

    assert content.holders == 3
    assert drain(backlog, 4) == b"012345678956789"
    assert content.holders == 1


def test_clear_forgets_everything_and_releases_files() -> None:
    backlog = Backlog()
    content = FakeContent(b"0123456789")
    put(backlog, b"small")
    backlog.append_file(content, 0)
    put(backlog, b"x" * 10_000)

    backlog.clear()

    assert not backlog
    assert backlog.size == 0
    assert content.holders == 1


def test_its_size_is_what_it_holds_through_any_life() -> None:
    chance = random.Random(1)
    for _ in range(50):
        backlog, expected, content = Backlog(), b"", FakeContent(b"f" * 5000)
        for _ in range(chance.randrange(1, 200)):
            action = chance.random()
            if action < 0.5:
                data = chance.randbytes(chance.choice([1, 20, 300, 4096, 4097, 30_000]))
                start = chance.randrange(len(data))
                backlog.append(memoryview(data)[start:])
                expected += data[start:]
            elif action < 0.6:
                offset = chance.randrange(5000)
                backlog.append_file(content, offset)
                expected += content.data[offset:]
            elif backlog:
                item = backlog.head()
                assert isinstance(item, FileSlice | memoryview)
                left = item.left if isinstance(item, FileSlice) else len(item)
                size = chance.randint(1, left)
                if not isinstance(item, FileSlice):
                    assert item[:size] == expected[:size]
                backlog.consume(size)
                expected = expected[size:]
            files = 0 if content.holders == 1 else sum(_files_left(backlog))
            assert backlog.size == len(expected) - files
        assert drain(backlog, 1000) == expected
        assert (backlog.size, content.holders) == (0, 1)


def _files_left(backlog: Backlog) -> list[int]:
    # How much of a file is left shows otherwise only once all is sent.
    return [item.left for item in backlog._items if isinstance(item, FileSlice)]
