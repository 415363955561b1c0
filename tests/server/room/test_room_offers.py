"""Contents that some want offered rather than sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.headers import ClientHeader
from chat.protocol.notices import LeaveReason
from chat.server.attachments.spool import Spool, SpooledFile
from tests.server.fakes import run_ready_greenlets
from tests.server.room_alone import FILE, PUBLIC, TEXT, TIMESTAMP, RoomAlone


@pytest.fixture
def chat_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoomAlone]:
    chat_server = RoomAlone(Spool(tmp_path_factory.mktemp("spool"), 1 << 30))
    yield chat_server
    chat_server.broadcast.stop()
    chat_server.offers.clear()
    assert (chat_server.spool.used, chat_server.spool.files) == (0, 0), (
        "a content was not given back"
    )


@pytest.mark.parametrize("to", [None, "modern"])
@pytest.mark.parametrize("large", [False, True])
def test_a_user_who_wants_offers_gets_one_and_the_rest_the_content(
    chat_server: RoomAlone, to: str | None, large: bool
) -> None:
    alice, modern = chat_server.enter("alice"), chat_server.enter("modern", inline=3)
    chat_server.heard(alice, modern)
    content = chat_server.spooled(b"content") if large else b"content"
    type = MessageType.IMAGE

    chat_server.say(alice, type, content, ClientHeader(to=to, filename="a.png", nonce="n"))
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
    digest = hashlib.sha256(b"content").hexdigest()
    assert offer == header | {"size": 7, "id": offer["id"], "sha256": digest}
    assert [(frame.type, frame.content) for frame in alice.frames] == [(type, b"content")]
    assert [(frame.type, frame.content) for frame in modern.frames] == [(type, b"")]


def test_the_sender_gets_an_offer_of_their_own_if_they_want_it(chat_server: RoomAlone) -> None:
    alice, bob = chat_server.enter("alice", inline=3), chat_server.enter("bob")
    chat_server.heard(alice, bob)

    chat_server.say(alice, FILE, b"content", ClientHeader(to="bob"))

    assert chat_server.heard(alice, bob) == [["FILE alice>bob"], ["FILE alice>bob: content"]]


def test_a_text_is_never_offered(chat_server: RoomAlone) -> None:
    alice = chat_server.enter("alice", inline=0)

    chat_server.say(alice, TEXT, b"content", PUBLIC)

    assert chat_server.heard(alice) == [["UTF8 alice: content"]]
    assert len(chat_server.offers) == 0


def test_a_content_that_nobody_wants_offered_is_not_kept(chat_server: RoomAlone) -> None:
    alice = chat_server.enter("alice", inline=7)
    content = chat_server.spooled(b"content")

    chat_server.say(alice, FILE, content, PUBLIC)
    content.release()

    assert chat_server.heard(alice) == [["FILE alice: content"]]
    assert len(chat_server.offers) == 0
    assert chat_server.spool.used == 0


def test_a_public_offer_is_for_all_who_were_here(chat_server: RoomAlone) -> None:
    alice, bob = chat_server.enter("alice", inline=0), chat_server.enter("bob", inline=0)
    chat_server.heard(alice, bob)
    chat_server.say(alice, FILE, b"content", PUBLIC)
    run_ready_greenlets()
    id = bob.headers[0]["id"]
    late = chat_server.enter("late", inline=0)

    for member in (alice, bob):
        offer = chat_server.offers.find(id, member.serial)
        assert offer is not None
        assert offer.content == b"content"
    assert chat_server.offers.find(id, late.serial) is None


def test_a_private_offer_is_for_the_two_of_them(chat_server: RoomAlone) -> None:
    alice, bob, carol = (chat_server.enter(name, inline=0) for name in ("alice", "bob", "carol"))
    chat_server.heard(alice, bob, carol)
    chat_server.say(alice, FILE, b"content", ClientHeader(to="bob"))
    run_ready_greenlets()
    id = bob.headers[0]["id"]

    assert chat_server.offers.find(id, alice.serial)
    assert chat_server.offers.find(id, bob.serial)
    assert chat_server.offers.find(id, carol.serial) is None


def test_an_offer_to_a_user_is_not_one_to_a_later_bearer_of_the_name(
    chat_server: RoomAlone,
) -> None:
    alice, bob = chat_server.enter("alice"), chat_server.enter("bob", inline=0)
    chat_server.heard(alice, bob)
    chat_server.say(alice, FILE, b"content", ClientHeader(to="bob"))
    run_ready_greenlets()
    id = bob.headers[0]["id"]
    chat_server.leave(bob, LeaveReason.QUIT)

    assert chat_server.offers.find(id, chat_server.enter("bob").serial) is None
