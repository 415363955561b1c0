"""A program on the library sends what was lost with one connection again over the next."""

from __future__ import annotations

import pytest

from chat.client import ConnectionLost, MessageType, Status, connect
from chat.client.runtime.runtime import Runtime
from tests.client.runtimes import with_both_runtimes
from tests.peers.scripted_server import Peer, ScriptedServer

pytestmark = with_both_runtimes


def test_a_lost_message_that_is_sent_again_bears_its_nonce(runtime: Runtime) -> None:
    nonces: list[str] = []

    def take(peer: Peer) -> str:
        frame = peer.expect(MessageType.UTF8)
        nonces.append(frame.fields["nonce"])
        return nonces[-1]

    def break_off(peer: Peer) -> None:
        peer.welcome()
        take(peer)
        peer.reset()

    def answer(peer: Peer) -> None:
        peer.welcome()
        peer.say(MessageType.UTF8, "alice", b"hello", nonce=take(peer))

    with ScriptedServer(break_off, answer) as server:
        with connect(server.address, "alice", runtime=runtime) as room:
            room.send_text("hello")
            with pytest.raises(ConnectionLost):
                list(room)
            (lost,) = room.unanswered()
            assert lost.status is Status.LOST
            assert lost.text == "hello"
        with connect(server.address, "alice", runtime=runtime) as room:
            again = room.send_text(lost.text, nonce=lost.nonce)
            with pytest.raises(ConnectionLost):
                list(room)
            assert again.status is Status.ACCEPTED
    assert nonces == [lost.nonce] * 2


@pytest.mark.parametrize("nonce", ["", "a b", "x" * 65, "é"])
def test_a_nonce_that_no_server_takes(runtime: Runtime, nonce: str) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime) as room,
        pytest.raises(ValueError, match="invalid nonce"),
    ):
        room.send_text("hello", nonce=nonce)


def test_a_nonce_in_use_is_no_other_message_s(runtime: Runtime) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime) as room,
    ):
        room.send_text("hello", nonce="n")
        with pytest.raises(ValueError, match="not answered yet"):
            room.send_text("hello, too", nonce="n")
        assert [receipt.text for receipt in room.unanswered()] == ["hello"]
