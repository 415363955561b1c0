"""Rooms of a connection, with servers that are original, hostile or broken."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from chat.client import (
    BadFrame,
    ConnectionLost,
    EnteredRoom,
    LeftRoom,
    MessageType,
    Notice,
    NotSupported,
    QueryRefused,
    Receipt,
    Status,
    Text,
    Welcome,
    connect,
)
from chat.client.connection.reading.answers import Answers
from chat.client.runtime.runtime import PLAIN, Runtime
from tests.client.runtimes import with_both_runtimes
from tests.peers.scripted_server import Peer, ScriptedServer

NOON = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
UTF8, LOGIN = MessageType.UTF8, MessageType.LOGIN


@with_both_runtimes
def test_an_original_server_has_no_rooms(runtime: Runtime) -> None:
    def script(peer: Peer) -> None:
        peer.welcome_raw()
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        connect(
            server.address, "alice", byte_order="little", rooms=["dev"], runtime=runtime
        ) as room,
    ):
        welcome = room.read()
        assert isinstance(welcome, Welcome)
        assert welcome.refused == (("dev", "no-such-room"),)
        for ask in (
            lambda: room.send_text("hi", room="dev"),
            lambda: room.join("dev"),
            lambda: list(room.names()),
        ):
            with pytest.raises(NotSupported, match="original one, which has no rooms"):
                ask()
        with pytest.raises(ValueError, match="not to both"):
            room.send_text("hi", "bob", room="dev")


def test_one_name_is_not_several() -> None:
    with pytest.raises(ValueError, match="expected several names"):
        connect("127.0.0.1:1", "alice", rooms="dev")


def answer(peer: Peer, content: object, **fields: object) -> None:
    """Answer the next command."""
    nonce = peer.expect(UTF8).fields["nonce"]
    peer.notice("done", json.dumps(content), nonce=nonce, **fields)


@with_both_runtimes
def test_a_server_that_lies_about_rooms(runtime: Runtime) -> None:
    """The client skips what makes no sense, goes on, and keeps a limited number of rooms."""

    def script(peer: Peer) -> None:
        rooms = {f"r{number}": {"kind": "open", "here": 1} for number in range(100_000)}
        peer.welcome(rooms={"lobby": {"here": 1}, **rooms})
        peer.say(LOGIN, "alice", room="one more")
        peer.say(UTF8, "bob", b"hi", room="never joined")
        peer.notice("removed", "Gone.")
        answer(peer, ["garbage"], room="r1")
        answer(peer, {"users": 7})  # no room
        answer(peer, [1, 2, 3], more=True)
        answer(peer, ["a"], more=True)
        answer(peer, ["a"], more=True)
        peer.notice("removed", "Gone.", room="r1")
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", rooms=(), runtime=runtime) as room,
    ):
        assert len(room.rooms) == 200
        r1 = room.join("r1")
        assert (r1.name, r1.users) == ("r1", [])
        with pytest.raises(ValueError, match="default room"):
            room.join("dev")
        assert list(r1.names()) == []
        assert list(r1.names()) == ["a", "a"], "a page that leads no further ends the list"
        assert [type(event) for event in r1] == [EnteredRoom, LeftRoom]
        events = [room.read() for _ in range(5)]
        assert [type(event) for event in events] == [Welcome, BadFrame, Text, BadFrame, EnteredRoom]


@with_both_runtimes
def test_a_connection_that_is_lost_while_a_room_is_read(runtime: Runtime) -> None:
    def script(peer: Peer) -> None:
        peer.welcome(rooms={"lobby": {}, "dev": {"kind": "open"}})
        peer.say(UTF8, "bob", b"hi", room="dev")
        nonce = peer.expect(UTF8).fields["nonce"]
        peer.notice("not-invited", "This room is closed.", nonce=nonce)
        peer.expect(UTF8)
        peer.reset()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", rooms=["dev"], runtime=runtime) as room,
    ):
        dev = room.rooms["dev"]
        with pytest.raises(QueryRefused, match="closed") as refused:
            room.join("den")
        assert refused.value.code == "not-invited"
        with pytest.raises(ConnectionLost):
            room.join("den")
        assert isinstance(dev.read(), Text)
        with pytest.raises(ConnectionLost):
            dev.read()
        assert isinstance(room.read(), Welcome)
        with pytest.raises(ConnectionLost):
            room.read()


@with_both_runtimes
def test_an_answer_of_another_kind_ends_the_wait(runtime: Runtime) -> None:
    def script(peer: Peer) -> None:
        peer.welcome(rooms={f"r{number}": {"kind": "open"} for number in range(200)})
        nonce = peer.expect(UTF8).fields["nonce"]
        peer.say(UTF8, "alice", b"an echo of a command", nonce=nonce)
        nonce = peer.expect(UTF8).fields["nonce"]
        peer.notice("done", "{}", nonce=nonce, room="one more")
        nonce = peer.expect(UTF8).fields["nonce"]
        peer.say(UTF8, "alice", b"an echo of a query", nonce=nonce)
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", rooms=(), runtime=runtime) as room,
    ):
        assert list(room.names()) == []
        one_more = room.join("one more")
        assert not one_more.is_member
        assert list(one_more), "the event that it was entered, and then the end"
        with pytest.raises(ConnectionLost, match="something else"):
            room.history()


def test_an_answer_that_another_thread_has_read_just_now() -> None:
    """A receipt is settled a moment before the answer can be had."""
    readers = Answers(PLAIN, lambda: None)
    receipts: list[Receipt] = []

    def send(nonce: str) -> Receipt:
        receipts.append(Receipt(PLAIN.event(), UTF8, nonce=nonce))
        return receipts[0]

    def read_on() -> None:
        PLAIN.sleep(0.01)
        receipts[0].settle(Status.ACCEPTED)
        PLAIN.sleep(0.1)
        assert readers._pages.take(Notice("done", "Yes.", NOON, receipts[0]))

    assert readers.readers.acquire()
    task = PLAIN.spawn(read_on)
    answer = readers.wait_for_answer(send)
    assert isinstance(answer, Notice)
    assert answer.sentence == "Yes."
    task.join()
