"""Moderators for tests: their commands, and the server's answers."""

from __future__ import annotations

from typing import Any

from chat.protocol.descriptor import MessageType
from tests.peers.wire_client import WireClient
from tests.server.server_in_test import TestServer


def bob_who_moderates(chat_server: TestServer) -> WireClient:
    bob = chat_server.join("bob")
    chat_server.session("bob").moderator = True
    return bob


def ask(client: WireClient, verb: str, target: str | None = None, **fields: Any) -> None:
    client.send(MessageType.UTF8, {"command": verb, "target": target, **fields})


def answer_of(client: WireClient) -> tuple[str, str]:
    """The code and the sentence of the answer to a command, whatever else is heard before it."""
    while True:
        frame = client.read_frame()
        if frame.header.get("notice") not in (None, "moderated"):
            return frame.header["notice"], frame.text


def command(client: WireClient, verb: str, target: str | None = None, **fields: Any) -> str:
    """The sentence of the answer to a command that is done."""
    ask(client, verb, target, **fields)
    code, sentence = answer_of(client)
    assert code == "done", sentence
    return sentence


def refused(client: WireClient, verb: str, target: str | None = None, **fields: Any) -> str:
    """The code of the answer to one that is not."""
    ask(client, verb, target, **fields)
    code, sentence = answer_of(client)
    assert code != "done", sentence
    return code


def expect_told(client: WireClient, told: str) -> None:
    """The announcement of what a moderator has done."""
    client.expect(MessageType.UTF8, told.encode(), sender="server", notice="moderated", to=None)


def try_login(chat_server: TestServer, name: str, source: str | None = None) -> str | None:
    """Return the code with which a login is refused; None if it is not."""
    with WireClient(chat_server.address, source=source) as guest:
        error = guest.try_login({"to": name}).header.get("error")
        return None if error is None else str(error)
