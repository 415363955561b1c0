"""The library shows earlier messages again, and takes none of them for new."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.client import (
    Attachment,
    Connection,
    MessageType,
    Notice,
    RoomHistory,
    Status,
    Text,
    Welcome,
    connect,
)
from chat.client.connection.events import Event
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.runtime.runtime import Runtime
from chat.protocol.names import parse_user_name
from tests.client.runtimes import with_both_runtimes
from tests.peers.scripted_server import Peer, ScriptedServer
from tests.server.server_in_test import open_chat_server

NOON = "2026-11-24T12:00:00Z"


def read(connection: Connection, count: int) -> list[Event | None]:
    return [connection.read() for _ in range(count)]


def test_a_program_that_asks_for_no_rooms_learns_the_name_of_the_default_room(
    tmp_path: Path,
) -> None:
    hall = parse_user_name("Hall")
    with open_chat_server(tmp_path, data_directory=tmp_path / "data", default_room=hall) as server:
        address = "{}:{}".format(*server.address)
        with connect(address, "bob", runtime=GEVENT) as bob:
            welcome = bob.read()
            assert isinstance(welcome, Welcome)
            assert (welcome.default_room, welcome.rooms) == ("Hall", ())
            assert welcome.history is not None
            assert (welcome.history.last, welcome.here) == (0, 1)


def test_a_user_who_asks_sees_the_last_messages_of_the_room(tmp_path: Path) -> None:
    with open_chat_server(tmp_path, data_directory=tmp_path / "data") as server:
        alice = server.join("alice")
        for text in ("one", "two", "three"):
            alice.say(text)
            alice.expect_text(text, "alice")
        address = "{}:{}".format(*server.address)
        with connect(address, "bob", runtime=GEVENT, replay=2) as bob:
            welcome, *earlier = read(bob, 3)
            assert isinstance(welcome, Welcome)
            assert welcome.history is not None
            assert (welcome.history.last, welcome.history.oldest) == (3, 1)
            assert [
                (event.text, event.seq, event.replay)
                for event in earlier
                if isinstance(event, Text)
            ] == [("two", 2, True), ("three", 3, True)]
            bob.send_text("hi")
            now = bob.read()
            assert isinstance(now, Text)
            assert (now.seq, now.replay) == (4, False)
        with connect(address, "carol", runtime=GEVENT) as carol:
            assert isinstance(carol.read(), Welcome)
            carol.send_text("hi")
            now = carol.read()  # nothing old before it
            assert isinstance(now, Text)
            assert (now.sender, now.seq) == ("carol", 5)


@with_both_runtimes
def test_an_earlier_message_settles_nothing_and_brings_nobody_back(runtime: Runtime) -> None:
    def script(peer: Peer) -> None:
        peer.welcome(users=["alice"])
        nonce = peer.expect(MessageType.UTF8).fields["nonce"]
        peer.say(MessageType.UTF8, "alice", b"old", seq=1, nonce=nonce, replay=True)
        peer.say(MessageType.UTF8, "gone", b"old", seq=2, replay=True)
        peer.say(MessageType.FILE, "ghost", b"x", seq=3, filename="a", replay=True)
        peer.say(MessageType.UTF8, "server", b"Anew.", notice="epoch", epoch="e2")
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime, replay=3) as room,
    ):
        receipt = room.send_text("hi")
        *_, notice = read(room, 5)
        assert receipt.status is Status.WAITING
        assert room.users == ["alice"]
        assert isinstance(notice, Notice)
        assert (notice.receipt, notice.epoch) == (None, "e2")


@with_both_runtimes
def test_an_earlier_attachment_is_not_saved_again(tmp_path: Path, runtime: Runtime) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.say(MessageType.FILE, "bob", b"old", filename="a", replay=True)
        peer.say(MessageType.IMAGE, "bob", filename="b", size=5, id="gone", replay=True)
        peer.say(MessageType.FILE, "bob", filename="c", replay=True, purged=True)
        peer.say(MessageType.UTF8, "bob", replay=True, purged=True)
        peer.say(MessageType.FILE, "bob", b"new", filename="d")
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime, save_directory=tmp_path) as room,
    ):
        _, old, offer, purged, text, new = read(room, 6)
        for event in (old, offer, purged, new):
            assert isinstance(event, Attachment)
        assert isinstance(text, Text)
        assert (old.content, old.saving) == (b"old", None)  # type: ignore[union-attr]
        assert (offer.offer, offer.size, offer.saving) == ("gone", 5, None)  # type: ignore[union-attr]
        assert (purged.purged, purged.content, text.purged) == (True, None, True)  # type: ignore[union-attr]
        saving = new.saving  # type: ignore[union-attr]
        assert saving is not None
        saving.wait(20)
        assert [path.name for path in tmp_path.iterdir()] == ["d"]


@with_both_runtimes
@pytest.mark.parametrize(
    ("fields", "history"),
    [
        ({"history": False}, None),
        ({"history": True}, None),
        ({"history": True, "epoch": "e"}, RoomHistory("e")),
        (
            {
                "history": True,
                "epoch": "e",
                "keep": 60,
                "rooms": {"lobby": {"seq": 9, "oldest": 2, "lost": [[3, 4], [5], "x"]}},
            },
            RoomHistory("e", 60, 9, 2, ((3, 4),)),
        ),
        (
            {"history": True, "epoch": "e", "keep": True, "rooms": {"lobby": {"seq": "9"}}},
            RoomHistory("e"),
        ),
    ],
)
def test_what_the_welcome_says_of_the_room(
    runtime: Runtime, fields: dict[str, object], history: RoomHistory | None
) -> None:
    def script(peer: Peer) -> None:
        peer.welcome(**fields)
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime) as room,
    ):
        welcome = room.read()
        assert isinstance(welcome, Welcome)
        assert welcome.history == history


@with_both_runtimes
@pytest.mark.parametrize("replay", [-1, 201])
def test_more_than_a_server_shows_is_refused_at_once(runtime: Runtime, replay: int) -> None:
    with pytest.raises(ValueError, match="invalid replay"):
        connect("127.0.0.1:1", "alice", runtime=runtime, replay=replay)
