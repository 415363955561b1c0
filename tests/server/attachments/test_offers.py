"""Offers: the users who may fetch them, the time they are kept, and which of them are dropped first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.protocol.headers import ServerHeader
from chat.server.attachments import offers as offers_module
from chat.server.attachments.offers import MAX_AGE, OfferStore
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
def offers(spool: Spool, clock: FakeClock) -> Iterator[OfferStore]:
    offers = OfferStore(spool, clock)
    yield offers
    offers.clear()
    # The sum must come back to zero; a wrong one shows only much later.
    assert (len(offers), offers._in_memory) == (0, 0)
    assert (spool.used, spool.files) == (0, 0)


def keep(offers: OfferStore, content: bytes | SpooledFile, *to: int, latest: int = 9) -> str:
    """Offer ``content`` to members with these serials or to all; the caller's hold on it ends."""
    id = offers.keep(content, HEADER, latest=latest, serials=frozenset(to) if to else None)
    if isinstance(content, SpooledFile):
        content.release()
    return id


def spooled(spool: Spool, size: int, owner: str = "alice") -> SpooledFile:
    file = spool.reserve(owner, size, lambda: None)
    file.append(memoryview(b"x" * size))
    return file


def is_kept(offers: OfferStore, id: str) -> bool:
    return offers.find(id, 1) is not None


def test_what_is_kept_is_found_by_its_id(offers: OfferStore, spool: Spool) -> None:
    file = spooled(spool, 50)
    small, large = keep(offers, b"content"), keep(offers, file)

    found = offers.find(small, 1)
    assert found is not None
    assert (found.content, found.size, found.header) == (b"content", 7, HEADER)
    found = offers.find(large, 1)
    assert found is not None
    assert (found.content, found.size, found.header) == (file, 50, HEADER)
    assert len(offers) == 2


def test_ids_cannot_be_guessed_from_each_other(offers: OfferStore) -> None:
    ids = {keep(offers, b"x") for _ in range(100)}

    assert len(ids) == 100
    assert all(len(id) == 16 for id in ids)


def test_an_unknown_id_is_nothing(offers: OfferStore) -> None:
    keep(offers, b"content")

    assert offers.find("", 1) is None


@pytest.mark.parametrize(("serial", "may"), [(1, True), (9, True), (10, False)])
def test_a_public_offer_is_for_all_who_had_come_by_then(
    offers: OfferStore, serial: int, may: bool
) -> None:
    id = keep(offers, b"content", latest=9)

    assert (offers.find(id, serial) is not None) is may


@pytest.mark.parametrize(("serial", "may"), [(2, True), (3, False), (4, True)])
def test_a_private_offer_is_for_those_two(offers: OfferStore, serial: int, may: bool) -> None:
    id = keep(offers, b"content", 2, 4)

    assert (offers.find(id, serial) is not None) is may


def test_an_offer_holds_its_file(offers: OfferStore, spool: Spool) -> None:
    keep(offers, spooled(spool, 50))
    assert spool.used == 50

    offers.clear()
    assert spool.used == 0


def test_an_offer_is_kept_for_a_day(offers: OfferStore, spool: Spool, clock: FakeClock) -> None:
    first = keep(offers, spooled(spool, 50))
    clock.advance(10)
    second = keep(offers, b"content")

    clock.advance(MAX_AGE - 10.1)
    offers.drop_old()
    assert is_kept(offers, first)
    clock.advance(0.1)
    offers.drop_old()
    assert not is_kept(offers, first)
    assert is_kept(offers, second)
    clock.advance(10)
    offers.drop_old()
    assert len(offers) == 0


def test_keeping_drops_what_is_old(offers: OfferStore, clock: FakeClock) -> None:
    keep(offers, b"content")
    clock.advance(MAX_AGE)

    keep(offers, b"content")

    assert len(offers) == 1


def test_the_oldest_makes_way_for_what_comes(offers: OfferStore, spool: Spool) -> None:
    ids = [keep(offers, spooled(spool, 100, f"user{number}")) for number in range(4)]

    spooled(spool, 100, "late").release()

    assert [is_kept(offers, id) for id in ids] == [False, True, True, True]


def test_no_more_makes_way_than_is_needed(offers: OfferStore, spool: Spool) -> None:
    ids = [keep(offers, spooled(spool, 50, f"user{number}")) for number in range(8)]

    spooled(spool, 100, "late").release()

    assert [is_kept(offers, id) for id in ids] == [False, False] + 6 * [True]


def test_what_is_being_sent_does_not_make_way(offers: OfferStore, spool: Spool) -> None:
    files = [spooled(spool, 100, f"user{number}") for number in range(4)]
    ids = [keep(offers, file) for file in files]
    files[0].hold()  # by somebody's backlog

    spooled(spool, 100, "late").release()
    assert [is_kept(offers, id) for id in ids] == [True, False, True, True]

    for file in files[2:]:
        file.hold()
    filler = spooled(spool, 100, "filler")
    with pytest.raises(NoSpaceError):
        spooled(spool, 100, "later")
    for file in [filler, files[0], *files[2:]]:
        file.release()


def test_over_a_users_share_their_own_oldest_makes_way(offers: OfferStore, spool: Spool) -> None:
    other = keep(offers, spooled(spool, 100, "bob"))
    ids = [keep(offers, spooled(spool, 50, "alice")) for _ in range(2)]

    spooled(spool, 50, "alice").release()

    assert is_kept(offers, other)
    assert [is_kept(offers, id) for id in ids] == [False, True]


def test_small_contents_give_back_no_space(offers: OfferStore, spool: Spool) -> None:
    small = keep(offers, b"content")
    ids = [keep(offers, spooled(spool, 100, f"user{number}")) for number in range(4)]

    spooled(spool, 100, "late").release()

    assert is_kept(offers, small)
    assert not is_kept(offers, ids[0])


def test_small_contents_are_bounded_with_what_an_offer_costs(
    monkeypatch: pytest.MonkeyPatch, offers: OfferStore, spool: Spool
) -> None:
    monkeypatch.setattr(offers_module, "MAX_MEMORY", 3 * (1024 + 10))
    file = keep(offers, spooled(spool, 50))
    ids = [keep(offers, b"0123456789") for _ in range(3)]
    assert all(is_kept(offers, id) for id in ids)

    ids.append(keep(offers, b"x"))

    assert [is_kept(offers, id) for id in ids] == [False, True, True, True]
    assert is_kept(offers, file)
