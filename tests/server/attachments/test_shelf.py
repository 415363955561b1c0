"""Contents that were offered: who may fetch them, how long they are kept, and what is dropped first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.protocol.headers import ServerHeader
from chat.server.attachments import shelf as shelf_module
from chat.server.attachments.shelf import MAX_AGE, Shelf
from chat.server.attachments.spool import NoSpaceError, Spool, SpooledFile
from tests.server.fakes import FakeClock

HEADER = ServerHeader("alice", "2026-11-24T09:30:00.000000Z", filename="notes.txt")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, 400)


@pytest.fixture
def shelf(spool: Spool, clock: FakeClock) -> Iterator[Shelf]:
    shelf = Shelf(spool, clock)
    yield shelf
    shelf.clear()
    # The sum must come back to zero; a wrong one shows only much later.
    assert (len(shelf), shelf._in_memory) == (0, 0)
    assert (spool.used, spool.files) == (0, 0)


def keep(shelf: Shelf, content: bytes | SpooledFile, *to: int, latest: int = 9) -> str:
    """Put it on the shelf, for members of these serials or for all; what held it before lets go."""
    id = shelf.keep(content, HEADER, latest=latest, serials=frozenset(to) if to else None)
    if isinstance(content, SpooledFile):
        content.release()
    return id


def spooled(spool: Spool, size: int, owner: str = "alice") -> SpooledFile:
    file = spool.reserve(owner, size, lambda: None)
    file.append(memoryview(b"x" * size))
    return file


def is_kept(shelf: Shelf, id: str) -> bool:
    return shelf.find(id, 1) is not None


def test_what_is_kept_is_found_by_its_id(shelf: Shelf, spool: Spool) -> None:
    file = spooled(spool, 50)
    small, large = keep(shelf, b"content"), keep(shelf, file)

    found = shelf.find(small, 1)
    assert found is not None
    assert (found.content, found.size, found.header) == (b"content", 7, HEADER)
    found = shelf.find(large, 1)
    assert found is not None
    assert (found.content, found.size, found.header) == (file, 50, HEADER)
    assert len(shelf) == 2


def test_ids_cannot_be_guessed_from_each_other(shelf: Shelf) -> None:
    ids = {keep(shelf, b"x") for _ in range(100)}

    assert len(ids) == 100
    assert all(len(id) == 16 for id in ids)


def test_an_unknown_id_is_nothing(shelf: Shelf) -> None:
    keep(shelf, b"content")

    assert shelf.find("", 1) is None


@pytest.mark.parametrize(("serial", "may"), [(1, True), (9, True), (10, False)])
def test_a_public_offer_is_for_all_who_had_come_by_then(
    shelf: Shelf, serial: int, may: bool
) -> None:
    id = keep(shelf, b"content", latest=9)

    assert (shelf.find(id, serial) is not None) is may


@pytest.mark.parametrize(("serial", "may"), [(2, True), (3, False), (4, True)])
def test_a_private_offer_is_for_those_two(shelf: Shelf, serial: int, may: bool) -> None:
    id = keep(shelf, b"content", 2, 4)

    assert (shelf.find(id, serial) is not None) is may


def test_an_offer_holds_its_file(shelf: Shelf, spool: Spool) -> None:
    keep(shelf, spooled(spool, 50))
    assert spool.used == 50

    shelf.clear()
    assert spool.used == 0


def test_an_offer_is_kept_for_a_day(shelf: Shelf, spool: Spool, clock: FakeClock) -> None:
    first = keep(shelf, spooled(spool, 50))
    clock.advance(10)
    second = keep(shelf, b"content")

    clock.advance(MAX_AGE - 10.1)
    shelf.drop_old()
    assert is_kept(shelf, first)
    clock.advance(0.1)
    shelf.drop_old()
    assert not is_kept(shelf, first)
    assert is_kept(shelf, second)
    clock.advance(10)
    shelf.drop_old()
    assert len(shelf) == 0


def test_keeping_drops_what_is_old(shelf: Shelf, clock: FakeClock) -> None:
    keep(shelf, b"content")
    clock.advance(MAX_AGE)

    keep(shelf, b"content")

    assert len(shelf) == 1


def test_the_oldest_makes_way_for_what_comes(shelf: Shelf, spool: Spool) -> None:
    ids = [keep(shelf, spooled(spool, 100, f"user{number}")) for number in range(4)]

    spooled(spool, 100, "late").release()

    assert [is_kept(shelf, id) for id in ids] == [False, True, True, True]


def test_no_more_makes_way_than_is_needed(shelf: Shelf, spool: Spool) -> None:
    ids = [keep(shelf, spooled(spool, 50, f"user{number}")) for number in range(8)]

    spooled(spool, 100, "late").release()

    assert [is_kept(shelf, id) for id in ids] == [False, False] + 6 * [True]


def test_what_is_being_sent_does_not_make_way(shelf: Shelf, spool: Spool) -> None:
    files = [spooled(spool, 100, f"user{number}") for number in range(4)]
    ids = [keep(shelf, file) for file in files]
    files[0].hold()  # by somebody's backlog

    spooled(spool, 100, "late").release()
    assert [is_kept(shelf, id) for id in ids] == [True, False, True, True]

    for file in files[2:]:
        file.hold()
    filler = spooled(spool, 100, "filler")
    with pytest.raises(NoSpaceError):
        spooled(spool, 100, "later")
    for file in [filler, files[0], *files[2:]]:
        file.release()


def test_over_his_share_a_users_own_oldest_makes_way(shelf: Shelf, spool: Spool) -> None:
    other = keep(shelf, spooled(spool, 100, "bob"))
    ids = [keep(shelf, spooled(spool, 50, "alice")) for _ in range(2)]

    spooled(spool, 50, "alice").release()

    assert is_kept(shelf, other)
    assert [is_kept(shelf, id) for id in ids] == [False, True]


def test_small_contents_give_back_no_space(shelf: Shelf, spool: Spool) -> None:
    small = keep(shelf, b"content")
    ids = [keep(shelf, spooled(spool, 100, f"user{number}")) for number in range(4)]

    spooled(spool, 100, "late").release()

    assert is_kept(shelf, small)
    assert not is_kept(shelf, ids[0])


def test_small_contents_are_bounded_with_what_an_offer_costs(
    monkeypatch: pytest.MonkeyPatch, shelf: Shelf, spool: Spool
) -> None:
    monkeypatch.setattr(shelf_module, "MAX_MEMORY", 3 * (1024 + 10))
    file = keep(shelf, spooled(spool, 50))
    ids = [keep(shelf, b"0123456789") for _ in range(3)]
    assert all(is_kept(shelf, id) for id in ids)

    ids.append(keep(shelf, b"x"))

    assert [is_kept(shelf, id) for id in ids] == [False, True, True, True]
    assert is_kept(shelf, file)
