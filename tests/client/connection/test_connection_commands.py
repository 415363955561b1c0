"""Commands that a connection sends to its server."""

from __future__ import annotations

import threading

import pytest

from chat.client import (
    Command,
    Connection,
    ConnectionLost,
    Dismissed,
    MessageType,
    NotSent,
    NotSupported,
    Status,
    Verb,
    connect,
)
from chat.client.connection.events import Notice
from chat.client.runtime.runtime import Runtime
from tests.client.runtimes import with_both_runtimes
from tests.peers.original_server import OriginalServer
from tests.peers.scripted_server import Peer, ScriptedServer

pytestmark = with_both_runtimes

KICK = Command(Verb.KICK, "bob", reason="He shouts.")


def read_notice(room: Connection) -> Notice:
    for event in room:
        if isinstance(event, Notice):
            return event
    raise AssertionError("the connection was closed")


def test_done(runtime: Runtime) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        frame = peer.expect(MessageType.UTF8)
        nonce = frame.fields["nonce"]
        assert frame.content == b""
        assert frame.fields == {
            "command": "kick",
            "target": "bob",
            "reason": "He shouts.",
            "nonce": nonce,
        }
        peer.notice("moderated", "alice kicked bob.")
        peer.notice("done", "bob was told to leave.", nonce=nonce)
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime) as room,
    ):
        receipt = room.command(KICK)
        assert room.unanswered() == [receipt]
        assert read_notice(room).receipt is None
        assert read_notice(room).receipt is receipt
        assert (receipt.status, receipt.answer) == (Status.ACCEPTED, "bob was told to leave.")
        assert (receipt.code, receipt.refusal) == (None, None)


def test_not_done(runtime: Runtime) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        nonce = peer.expect(MessageType.UTF8).fields["nonce"]
        peer.notice("not-allowed", "Only moderators may.", nonce=nonce)
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime) as room,
    ):
        receipt = room.command(KICK)
        read_notice(room)
        assert receipt.status is Status.REFUSED
        assert (receipt.code, receipt.refusal) == ("not-allowed", "Only moderators may.")
        assert receipt.answer is None


@pytest.mark.parametrize("code", ["moderated", "replaced"])
@pytest.mark.parametrize("end", ["closed", "reset"])
def test_the_server_says_why_it_ends_the_connection(runtime: Runtime, code: str, end: str) -> None:
    over = threading.Event()

    def script(peer: Peer) -> None:
        name = peer.welcome()
        peer.notice(code, "That was enough.", to=name)
        if end == "reset":
            over.wait(30)
            peer.reset()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime) as room,
    ):
        assert read_notice(room).dismisses
        over.set()
        with pytest.raises(Dismissed, match=r"^That was enough\.$") as caught:
            room.read()
        assert caught.value.code == code


def test_a_notice_long_ago_is_not_why(runtime: Runtime) -> None:
    def script(peer: Peer) -> None:
        name = peer.welcome()
        peer.notice("moderated", "You talk too much.", to=name)
        peer.say(MessageType.UTF8, "bob", b"hi")

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime) as room,
        pytest.raises(ConnectionLost) as caught,
    ):
        list(room)
    assert not isinstance(caught.value, Dismissed)


def test_a_password_does_not_go_where_anybody_could_read_it(runtime: Runtime) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        while (frame := peer.read()) is not None:
            assert b"correct horse" not in frame.header

    register = Command(Verb.REGISTER, password="correct horse")
    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime) as room,
    ):
        room._link.is_private = False  # as if the server were elsewhere
        with pytest.raises(NotSent, match="not encrypted"):
            room.command(register)
        assert room.unanswered() == []


def test_the_original_takes_none(runtime: Runtime) -> None:
    with (
        OriginalServer() as server,
        connect(server.address, "alice", runtime=runtime) as room,
    ):
        assert room.session is None
        with pytest.raises(NotSupported, match="takes no commands"):
            room.command(KICK)


def test_what_cannot_be_sent(runtime: Runtime) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime) as room,
    ):
        with pytest.raises(NotSent, match="too long"):
            room.command(Command(Verb.KICK, "bob", reason="x" * 70_000))
        with pytest.raises(NotSent, match="surrogate"):
            room.command(Command(Verb.KICK, "\udcff"))
