"""Contents that some want offered rather than sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.headers import ClientHeader
from chat.protocol.notices import LeaveReason
from chat.server.attachments.spool import Spool, SpooledFile
from tests.server.fakes import run_ready_greenlets
from tests.server.room_alone import FILE, PUBLIC, TEXT, TIMESTAMP, House


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(Spool(tmp_path_factory.mktemp("spool"), 1 << 30))
    yield house
    house.delivery.stop()
    house.shelf.clear()
    assert (house.spool.used, house.spool.files) == (0, 0), "a content was not given back"


@pytest.mark.parametrize("to", [None, "modern"])
@pytest.mark.parametrize("large", [False, True])
def test_who_wants_offers_gets_one_and_the_rest_the_content(
    house: House, to: str | None, large: bool
) -> None:
    alice, modern = house.enter("alice"), house.enter("modern", inline=3)
    house.heard(alice, modern)
    content = house.spooled(b"content") if large else b"content"
    type = MessageType.IMAGE

    house.say(alice, type, content, ClientHeader(to=to, filename="a.png", nonce="n"))
    if isinstance(content, SpooledFile):
        content.release()
    run_ready_greenlets()

    [header] = alice.headers
    [offer] = modern.headers
    assert header == {
        "from": "alice",
        "timestamp": TIMESTAMP,
        "filename": "a.png",
        "seq": 1,
        "nonce": "n",
    } | ({"to": to} if to else {})
    assert offer == header | {"size": 7, "id": offer["id"]}
    assert [(frame.type, frame.content) for frame in alice.frames] == [(type, b"content")]
    assert [(frame.type, frame.content) for frame in modern.frames] == [(type, b"")]


def test_the_sender_gets_an_offer_of_his_own_if_he_wants_it(house: House) -> None:
    alice, bob = house.enter("alice", inline=3), house.enter("bob")
    house.heard(alice, bob)

    house.say(alice, FILE, b"content", ClientHeader(to="bob"))

    assert house.heard(alice, bob) == [["FILE alice>bob"], ["FILE alice>bob: content"]]


def test_a_text_is_never_offered(house: House) -> None:
    alice = house.enter("alice", inline=0)

    house.say(alice, TEXT, b"content", PUBLIC)

    assert house.heard(alice) == [["UTF8 alice: content"]]
    assert len(house.shelf) == 0


def test_a_content_that_nobody_wants_offered_is_not_kept(house: House) -> None:
    alice = house.enter("alice", inline=7)
    content = house.spooled(b"content")

    house.say(alice, FILE, content, PUBLIC)
    content.release()

    assert house.heard(alice) == [["FILE alice: content"]]
    assert len(house.shelf) == 0
    assert house.spool.used == 0


def test_a_public_offer_is_for_all_who_were_here(house: House) -> None:
    alice, bob = house.enter("alice", inline=0), house.enter("bob", inline=0)
    house.heard(alice, bob)
    house.say(alice, FILE, b"content", PUBLIC)
    run_ready_greenlets()
    id = bob.headers[0]["id"]
    late = house.enter("late", inline=0)

    for member in (alice, bob):
        offer = house.shelf.find(id, member.serial)
        assert offer is not None
        assert offer.content == b"content"
    assert house.shelf.find(id, late.serial) is None


def test_a_private_offer_is_for_the_two_of_them(house: House) -> None:
    alice, bob, carol = (house.enter(name, inline=0) for name in ("alice", "bob", "carol"))
    house.heard(alice, bob, carol)
    house.say(alice, FILE, b"content", ClientHeader(to="bob"))
    run_ready_greenlets()
    id = bob.headers[0]["id"]

    assert house.shelf.find(id, alice.serial)
    assert house.shelf.find(id, bob.serial)
    assert house.shelf.find(id, carol.serial) is None


def test_an_offer_to_a_user_is_not_one_to_a_later_bearer_of_his_name(house: House) -> None:
    alice, bob = house.enter("alice"), house.enter("bob", inline=0)
    house.heard(alice, bob)
    house.say(alice, FILE, b"content", ClientHeader(to="bob"))
    run_ready_greenlets()
    id = bob.headers[0]["id"]
    house.leave(bob, LeaveReason.QUIT)

    assert house.shelf.find(id, house.enter("bob").serial) is None
