"""A session that others end: he hears why as the last thing, and everyone else that he has left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.notices import LeaveReason, Notice
from chat.server.sessions import session as session_module
from chat.server.settings import TlsMode
from tests.peers.tls_wire_client import TlsWireClient
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.house import House

UTF8, FILE = MessageType.UTF8, MessageType.FILE
M = 1024**2


def throw_out(house: House, name: str) -> None:
    sentence = "You were kicked."
    house.session(name).eject(LeaveReason.KICKED, Notice.MODERATED, sentence)


def nothing(guest: WireClient) -> None:
    """He waits."""


def half_a_text(guest: WireClient) -> None:
    guest.send_bytes(guest.encode(UTF8, content_size=100) + b"x")


def half_a_file(guest: WireClient) -> None:
    guest.send_bytes(guest.encode(FILE, content_size=M) + b"x" * 1000)


@pytest.mark.parametrize("doing", [nothing, half_a_text, half_a_file])
@pytest.mark.parametrize("raw", [False, True])
def test_he_hears_why_and_his_name_is_free_at_once(
    house: House, doing: Callable[[WireClient], None], raw: bool
) -> None:
    alice, bob = house.join("alice", raw=raw), house.join("bob")
    alice.expect_joined("bob")
    bob.say("hello")
    alice.expect_text("hello", "bob")
    doing(alice)
    gevent.sleep(0.02)

    throw_out(house, "alice")
    house.parts.room.announce(Notice.MODERATED, "alice was kicked.")
    second = house.join("alice")

    assert alice.expect_notice("moderated").text == "You were kicked."
    alice.expect_closed()
    bob.expect_text("hello", "bob")
    bob.expect_left("alice", "kicked")
    told = bob.expect(UTF8, b"alice was kicked.", sender="server", notice="moderated")
    assert "to" not in told.header
    bob.expect_joined("alice")
    second.say("again")
    second.expect_text("again", "alice")
    alice.close()
    wait_until(lambda: len(house.connections) == 2, "the connection to end")
    house.space_is_given_back()


def test_what_he_sends_on_a_transfer_reaches_nobody(house: House) -> None:
    alice, bob = house.join("alice"), house.join("bob")
    transfer = house.transfer(alice)
    transfer.send_bytes(transfer.encode(FILE, content_size=M) + b"x" * 1000)
    house.upload_begins(M)

    throw_out(house, "alice")

    bob.expect_left("alice", "kicked")
    assert transfer.at_end()
    house.space_is_given_back()


def test_one_who_does_not_read_is_not_waited_for(
    open_a_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "LAST_WORDS_TIMEOUT", 0.05)
    house = open_a_house(rate=None, byte_rate=None)
    bob = house.join("bob")
    house.join("alice", receive_buffer=4096)
    bob.expect_joined("alice")
    session = house.session("alice")
    while not session.outbox.waiting:
        bob.say("x" * 60_000)
        bob.expect(UTF8)

    throw_out(house, "alice")

    bob.expect_left("alice", "kicked")
    wait_until(lambda: len(house.connections) == 1, "the connection to end")
    assert house.parts.backlogs.used == 0


def test_one_who_has_left_is_not_thrown_out(house: House) -> None:
    alice, bob = house.join("alice"), house.join("bob")
    alice.expect_joined("bob")
    session = house.session("alice")
    alice.leave()
    bob.expect_left("alice", "quit")

    session.eject(LeaveReason.KICKED, Notice.MODERATED, "You were kicked.")
    bob.say("next")

    bob.expect_text("next", "bob")
    alice.expect_closed()


def test_one_who_fails_is_out_at_once_for_his_first_reason(house: House) -> None:
    house.join("alice")
    bob = house.join("bob")
    session = house.session("alice")

    session.outbox.fail(LeaveReason.TOO_SLOW)
    throw_out(house, "alice")

    assert not house.parts.room.is_here(session)
    bob.expect_left("alice", "too-slow")
    wait_until(lambda: len(house.connections) == 1, "the connection to end")


@pytest.mark.parametrize("doing", [nothing, half_a_text, half_a_file])
def test_over_tls_it_is_the_same(
    open_a_house: Callable[..., House], tmp_path: Path, doing: Callable[[WireClient], None]
) -> None:
    house = open_a_house(data_directory=tmp_path / "data", tls=TlsMode.OPTIONAL)
    bob, alice = house.join("bob"), house.remember(TlsWireClient(house.address))
    alice.login("alice")
    bob.expect_joined("alice")
    doing(alice)
    gevent.sleep(0.02)

    throw_out(house, "alice")

    bob.expect_left("alice", "kicked")
    alice.expect_notice("moderated")
    alice.expect_closed()
    # What a thread is writing just then is let go of when it has.
    house.space_is_given_back()
