"""A hundred thousand contents in the index: each answer is right, and only what must go goes."""

from __future__ import annotations

from pathlib import Path

from chat.server.history.files.file_index import FileIndex
from chat.server.history.files.file_keeper import FileKeeper
from chat.server.history.files.file_use import FileUse
from chat.server.history.stored import DEFAULT_ROOM
from chat.server.history.writer import Writer

MANY = 100_000


def digest_of(number: int) -> bytes:
    return number.to_bytes(32, "big")


def uses(count: int) -> list[FileUse]:
    return [
        FileUse(DEFAULT_ROOM, seq, digest_of(seq), 10, False, f"plan {seq}.pdf", b"", None)
        for seq in range(1, count + 1)
    ]


def test_a_hundred_thousand_contents(tmp_path: Path) -> None:
    Writer(tmp_path, bound=0).close()
    keeper = FileKeeper(tmp_path, 10 * MANY)
    keeper.open()
    index: FileIndex = keeper.index
    index.replace_uses(uses(MANY))
    index.correct((), ((digest_of(seq), 10, "ab" if seq % 2 else "") for seq in range(1, MANY + 1)))
    assert (index.count, index.bytes, index.owned["ab"]) == (MANY, 10 * MANY, 5 * MANY)
    assert index.find(DEFAULT_ROOM, "PLAN", None, 3) == [MANY, MANY - 1, MANY - 2]
    assert index.find(DEFAULT_ROOM, "plan 77777", None, 3) == [77_777]
    assert index.find(DEFAULT_ROOM, "no such file", None, 3) == []
    arrived = keeper.directory.new_path()
    arrived.write_bytes(b"x" * 25)
    # Three of the same owner, the oldest, make way.
    assert keeper.keep(arrived, digest_of(0), 25, "ab")
    assert [index.has(digest_of(seq)) for seq in range(7)] == [
        *(True, False, True),
        *(False, True, False, True),
    ]
    keeper.let_go(digest_of(0))
    keeper.forget(DEFAULT_ROOM, [MANY])
    assert index.count == MANY - 4
    keeper.close(clean=True)
