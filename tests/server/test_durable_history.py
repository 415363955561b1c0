"""A durable server: nobody finds a message in history, or in a replay, before the disk has it."""

from __future__ import annotations

import json
from collections.abc import Callable

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.server.delivery.held_broadcast import HeldBroadcast
from chat.server.history.faults import HistoryFault
from chat.server.history.queues.committing import MAX_GROUP
from chat.server.history.writer import Writer
from tests.peers.wire_client import WireClient
from tests.server.disk import Disk
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer

UTF8 = MessageType.UTF8
PASSWORD = "correct horse"


@pytest.fixture
def durable(open_durable: Callable[..., TestServer], cheap_hashes: None) -> TestServer:
    return open_durable()


def registered(chat_server: TestServer, name: str) -> WireClient:
    """A user who has an account now."""
    client = chat_server.join(name)
    client.send(UTF8, {"command": "register", "password": PASSWORD, "nonce": "register"})
    while client.read_frame().header.get("nonce") != "register":
        pass
    return client


def held(chat_server: TestServer) -> int:
    """How much waits for the disk."""
    broadcast = chat_server.parts.broadcast
    assert isinstance(broadcast, HeldBroadcast)
    return len(broadcast._held)


def all_others_are_served(chat_server: TestServer) -> None:
    """Return when the server has seen all that was sent before."""
    witness = chat_server.connect()
    witness.send_bytes(b"x" * 32)
    witness.expect_closed()


def test_history_and_replay_have_no_message_that_is_refused_later(
    durable: TestServer, disk: Disk
) -> None:
    alice, bob = durable.join("alice"), durable.join("bob")
    disk.stand_still(alice)
    before = held(durable)
    bob.send(UTF8, {"command": "history", "nonce": "h"})
    wait_until(lambda: held(durable) > before, "the answer to be made")
    carol = durable.remember(WireClient(durable.address))
    carol.send(MessageType.LOGIN, {"to": "carol", "replay": 10})
    wait_until(lambda: "carol" in durable.here(), "carol")
    disk.fault = HistoryFault("cannot use history.db: disk I/O error")
    disk.goes_on.set()

    bob.expect_notice("done", nonce="h", count=0)
    carol.expect(MessageType.LOGIN, b"")
    welcome = carol.expect(MessageType.LOGIN, sender="carol")
    assert json.loads(welcome.content)["rooms"]["lobby"]["seq"] == 0
    disk.recover()
    wait_until(lambda: not durable.parts.log._disk.is_suspended, "the disk to be used again")  # type: ignore[attr-defined]
    bob.say("heard")
    carol.expect_text("heard", "bob", seq=1, replay=None)


@pytest.mark.parametrize("fails", [False, True], ids=["works", "fails"])
def test_the_answer_to_a_query_comes_behind_its_page(
    durable: TestServer, disk: Disk, fails: bool
) -> None:
    alice, bob = durable.join("alice"), durable.join("bob")
    bob.say("first")
    bob.expect_text("first", "bob")
    # The query is executed as soon as the disk has bob's text, and its page comes behind alice's.
    disk.stand_still(bob)
    before = held(durable)
    alice.say("later")
    wait_until(lambda: held(durable) > before, "alice's text")
    bob.send(UTF8, {"command": "history", "nonce": "h"})
    all_others_are_served(durable)
    if fails:
        disk.fault = HistoryFault("cannot use history.db: disk I/O error")
    disk.goes_on.set()
    frames = [bob.read_frame()]
    while frames[-1].header.get("notice") != "done":
        frames.append(bob.read_frame())
    count = frames[-1].header["count"]
    page = [frame.text for frame in frames if frame.header.get("for") == "h"]
    assert [frame.text for frame in frames[-1 - count : -1]] == page
    assert page == ["first"] if fails else page[:2] == ["first", "on its way"]


def test_a_look_for_nonces_finds_no_message_that_is_refused_later(
    durable: TestServer, disk: Disk
) -> None:
    alice = registered(durable, "alice")
    disk.stand_still(alice, nonce="n1")
    alice.send(UTF8, {"command": "history", "nonces": ["n1"], "after": 0, "nonce": "h"})
    all_others_are_served(durable)
    disk.fault = HistoryFault("cannot use history.db: disk I/O error")
    disk.goes_on.set()
    frames = [alice.read_frame() for _ in range(2)]
    assert [frame.header["notice"] for frame in frames] == ["no-space", "done"]
    assert frames[1].header["count"] == 0


def test_a_user_who_comes_back_while_their_messages_wait_gets_no_number_twice(
    durable: TestServer, disk: Disk
) -> None:
    alice, bob = registered(durable, "alice"), registered(durable, "bob")
    disk.stand_still(alice, to="bob")
    bob.reset()
    wait_until(lambda: durable.here() == ["alice"], "bob to leave")
    again = durable.remember(WireClient(durable.address))
    again.send(MessageType.LOGIN, {"to": "bob", "password": PASSWORD})
    wait_until(lambda: "bob" in durable.here(), "bob to come back")
    alice.say("second", to="bob")
    disk.goes_on.set()
    again.read_until(MessageType.LOGIN, b"")
    again.read_frame()  # the welcome
    again.expect_text("second", "alice", seq=2)


def test_the_two_copies_of_a_private_message_share_a_transaction(
    durable: TestServer, disk: Disk
) -> None:
    alice, bob = registered(durable, "alice"), registered(durable, "bob")
    disk.stand_still(alice, to="bob")
    text = "x" * 40_000
    for _ in range(3):
        alice.say(text, to="bob")
    alice.say("x" * (MAX_GROUP - 6 * 40_000), to="bob")
    alice.say("the last", to="bob")
    wait_until(lambda: held(durable) > 20, "the messages to be appended")
    disk.goes_on.set()
    bob.read_until(UTF8, b"the last")
    assert disk.groups == [2, 8, 2]


def test_answers_to_commands_do_not_pile_up(durable: TestServer, disk: Disk) -> None:
    alice, bob = durable.join("alice"), durable.join("bob")
    disk.stand_still(alice)
    commands = [alice.encode(UTF8, {"command": "bans", "nonce": str(n)}) for n in range(500)]
    sending = gevent.spawn(bob.send_bytes, b"".join(commands))
    wait_until(lambda: held(durable) > 5, "the first answer")
    carol = durable.remember(WireClient(durable.address))
    carol.send(MessageType.LOGIN, {"to": "carol"})
    wait_until(lambda: "carol" in durable.here(), "carol")
    assert held(durable) < 15
    disk.goes_on.set()
    answers = 0
    while answers < 500:
        answers += bob.read_frame().header.get("notice") == "not-allowed"
    sending.join()


def test_a_commit_survives_a_power_loss(durable: TestServer) -> None:
    def synchronous(writer: Writer) -> int:
        with writer.changing() as run:
            [mode] = run("PRAGMA synchronous").fetchone()
        return int(mode)

    assert durable.parts.history is not None
    assert durable.parts.history.call(synchronous) == 2  # FULL: each commit ends with a sync
