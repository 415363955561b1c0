"""Scripts for ``ScriptedServer``: a server's part on the connections of one client that moves files."""

from __future__ import annotations

import os
from collections.abc import Callable

from chat.protocol.descriptor import MessageType
from tests.peers.scripted_server import ClientFrame, Peer, Script

CONTENT = os.urandom(1_000_000)


def offer(size: int = len(CONTENT)) -> Script:
    """A main connection on which bob offers a file."""

    def script(peer: Peer) -> None:
        peer.welcome()
        peer.say(MessageType.FILE, "bob", filename="big.bin", size=size, id="o-1")
        peer.wait_for_end()

    return script


def only_welcome(peer: Peer) -> None:
    peer.welcome()
    peer.wait_for_end()


def take_request(peer: Peer) -> int:
    """The login and the request on a transfer connection; the offset asked for."""
    peer.let_transfer()
    fields = peer.expect(MessageType.FILE).fields
    assert fields["fetch"] == "o-1"
    return int(fields.get("offset", 0))


def serve(until: int | None = None) -> Script:
    """Answer a request, or only to byte ``until`` of the whole."""

    def script(peer: Peer) -> None:
        offset = take_request(peer)
        peer.send(
            MessageType.FILE,
            {"from": "bob", "timestamp": "2026-11-24T12:00:00Z", "offset": offset},
            CONTENT[offset:until],
            size=len(CONTENT) - offset,
        )

    return script


def refuse_login(code: str) -> Script:
    def script(peer: Peer) -> None:
        peer.expect(MessageType.LOGIN)
        peer.send(MessageType.BAD_LOGIN, {"error": code, "message": "Who?"})

    return script


def answer(reply: Callable[[Peer], object]) -> Script:
    """Answer a request with something."""

    def script(peer: Peer) -> None:
        take_request(peer)
        reply(peer)

    return script


def announce(
    peer: Peer,
    type: MessageType = MessageType.FILE,
    header: bytes | None = None,
    size: int = len(CONTENT),
) -> None:
    """The beginning of an answer."""
    proper = {"from": "bob", "timestamp": "2026-11-24T12:00:00Z"}
    peer.send(type, proper if header is None else header, size=size)


def take_upload(peer: Peer) -> ClientFrame:
    peer.let_transfer()
    return peer.expect(MessageType.FILE)


def reset_upload(peer: Peer) -> None:
    peer.let_transfer()
    peer.reset()


def answer_wrongly(peer: Peer) -> None:
    take_upload(peer)
    peer.send(MessageType.VOICE)
