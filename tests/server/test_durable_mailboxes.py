"""A durable server: nobody is told of a message, by a number or a count, before the disk has it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.history.faults import HistoryFault
from chat.server.sessions.answers import Answer
from chat.server.settings import WaitingBounds
from tests.peers.wire_client import WireClient, WireFrame
from tests.server.disk import Disk
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer

UTF8 = MessageType.UTF8
PASSWORD = "correct horse"


@pytest.fixture
def durable(open_durable: Callable[..., TestServer], cheap_hashes: None) -> TestServer:
    return open_durable(max_waiting=WaitingBounds(10, 1 << 20, of_one=2))


def answer(client: WireClient, content: bytes = b"", **header: Any) -> WireFrame:
    """The answer to a frame."""
    client.send(UTF8, {**header, "nonce": "x"}, content)
    return read_until_nonce(client, "x")


def read_until_nonce(client: WireClient, nonce: str) -> WireFrame:
    """The next frame with this nonce."""
    while True:
        frame = client.read_frame()
        if frame.header.get("nonce") == nonce:
            return frame


def register(chat_server: TestServer, *names: str) -> list[WireClient]:
    clients = [chat_server.join(name) for name in names]
    for client in clients:
        assert answer(client, command="register", password=PASSWORD).header["notice"] == "done"
    return clients


def come_back(chat_server: TestServer, name: str) -> WireClient:
    """Send a login, and wait until the room has it. Its answer waits for the disk."""
    client = chat_server.remember(WireClient(chat_server.address))
    client.send(MessageType.LOGIN, {"to": name, "password": PASSWORD})
    wait_until(lambda: name in chat_server.here(), "the login")
    return client


def private_facts(client: WireClient) -> Any:
    """The facts about private messages in the welcome, which comes next."""
    client.expect(MessageType.LOGIN, b"")
    return json.loads(client.expect(MessageType.LOGIN).content)["private"]


def leave(chat_server: TestServer, client: WireClient) -> None:
    client.leave()
    wait_until(lambda: client.name not in chat_server.here(), "the user to leave")


def test_a_welcome_counts_what_was_heard_and_not_what_waits_behind_it(
    durable: TestServer, disk: Disk
) -> None:
    alice, bob = register(durable, "alice", "bob")
    leave(durable, bob)
    disk.stand_still(alice, to="bob")
    again = come_back(durable, "bob")
    alice.say("second", to="bob")
    unwritten = durable.parts.history._queue.unwritten  # type: ignore[union-attr]
    wait_until(lambda: len(unwritten) == 4, "the copies of both texts")
    disk.goes_on.set()

    facts = private_facts(again)

    assert (facts["seq"], facts["unread"], facts["partners"]["alice"]["seq"]) == (1, 1, 1)
    again.expect_text("second", "alice", seq=2)


def test_a_refused_message_is_not_unread_and_leaves_its_place_among_those_that_wait(
    durable: TestServer, disk: Disk
) -> None:
    alice, bob, carol = register(durable, "alice", "bob", "carol")
    leave(durable, bob)
    leave(durable, carol)
    disk.stand_still(alice, to="bob")
    alice.say("waits", to="carol")
    alice.say("waits too", to="carol")
    alice.send(UTF8, {"to": "carol", "nonce": "over"}, b"over the limit")
    waiting = durable.session("alice")._answers
    wait_until(lambda: waiting is not None and isinstance(waiting._places[-1], Answer), "a refusal")
    again = come_back(durable, "bob")
    disk.fault = HistoryFault("cannot use history.db: disk I/O error")
    disk.goes_on.set()

    facts = private_facts(again)
    assert (facts["seq"], facts["unread"], facts["partners"]) == (0, 0, {})
    # The limit held while the texts waited for the disk.
    over = read_until_nonce(alice, "over")
    assert "the limit" in over.text
    disk.recover()
    wait_until(lambda: not durable.parts.history.is_suspended, "the disk to be used again")  # type: ignore[union-attr]
    for seq in (1, 2):
        assert answer(alice, b"once more", to="carol").header["seq"] == seq
    assert answer(alice, b"once more", to="carol").header["notice"] == "mailbox-full"


def test_a_read_mark_does_not_reach_over_what_was_heard(durable: TestServer, disk: Disk) -> None:
    alice, bob = register(durable, "alice", "bob")
    assert answer(alice, b"heard", to="bob").header["seq"] == 1
    bob.expect_text("heard", "alice", seq=1)
    disk.stand_still(alice, to="bob")
    alice.say("to all")
    unwritten = durable.parts.history._queue.unwritten  # type: ignore[union-attr]
    wait_until(lambda: len(unwritten) == 3, "the texts")
    bob.send(UTF8, {"command": "read", "seq": 99, "private": True, "with": "alice", "nonce": "p"})
    marks = durable.parts.mailboxes.marks
    [account] = [each.id for each in durable.parts.accounts.known if each.name == "bob"]
    wait_until(lambda: marks.partner(account, "alice"), "the mark")
    disk.goes_on.set()

    assert read_until_nonce(bob, "p").header["seq"] == 1
    assert marks.partner(account, "alice") == 1
    leave(durable, bob)
    assert private_facts(come_back(durable, "bob"))["unread"] == 1


def test_what_is_said_while_the_last_messages_are_read_again_is_replayed(
    durable: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = durable.join("alice")
    assert answer(alice, b"one").header["seq"] == 1
    history, recording = durable.parts.history, durable.parts.recording
    assert history is not None
    assert recording is not None
    read = history.before

    def read_slowly(*arguments: Any) -> Any:
        page = read(*arguments)
        assert answer(alice, b"two").header["seq"] == 2
        return page

    monkeypatch.setattr(history, "before", read_slowly)
    recording.load_recent()

    carol = durable.remember(WireClient(durable.address))
    carol.send(MessageType.LOGIN, {"to": "carol", "replay": 10})
    carol.read_until(MessageType.LOGIN, b"")
    carol.read_frame()  # the welcome
    carol.expect_text("one", "alice", seq=1)
    carol.expect_text("two", "alice", seq=2)
