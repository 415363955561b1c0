"""Attachments in rooms are fetched by the users who may read their messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from tests.server.membership.visitors import come
from tests.server.server_in_test import TestServer, open_chat_server

OpenServer = Callable[..., TestServer]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TestServer]:
    with open_chat_server(tmp_path, data_directory=tmp_path / "data") as server:
        yield server


def test_an_attachment_in_a_room_is_fetched_by_members_only(server: TestServer) -> None:
    alice, bob, eve = (
        come(server, "alice", inline=10),
        come(server, "bob", inline=10),
        come(server, "eve"),
    )
    for visitor in (alice, bob):
        visitor.do("join", room="dev")
    offer = alice.ask(b"secret content", MessageType.FILE, room="dev", filename="a.txt")
    id = offer.header["id"]
    with server.transfer(bob) as transfer:
        transfer.send(MessageType.FILE, {"fetch": id})
        assert transfer.read_frame().content == b"secret content"
        transfer.send(MessageType.FILE, {"fetch": 1, "room": "dev"})
        assert transfer.read_frame().content == b"secret content"
    with server.transfer(eve) as transfer:
        for header in (
            {"fetch": id},
            {"fetch": 1, "room": "dev"},
            {"fetch": id.rpartition(".")[0]},
        ):
            transfer.send(MessageType.FILE, header)
            transfer.expect_notice("gone")


def test_an_attachment_that_is_not_kept_is_for_those_who_were_in_the_room(
    open_a_chat_server: OpenServer,
) -> None:
    server = open_a_chat_server()
    alice, bob, eve = (come(server, name, inline=10) for name in ("alice", "bob", "eve"))
    for visitor in (alice, bob):
        visitor.do("join", room="dev")
    id = alice.ask(b"secret content", MessageType.FILE, room="dev", filename="a").header["id"]
    eve.do("join", room="dev")
    with server.transfer(bob) as transfer:
        transfer.send(MessageType.FILE, {"fetch": id})
        assert transfer.read_frame().content == b"secret content"
    with server.transfer(eve) as transfer:
        transfer.send(MessageType.FILE, {"fetch": id})
        transfer.expect_notice("gone")
