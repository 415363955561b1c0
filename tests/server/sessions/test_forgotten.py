"""A user who has left takes no memory: their objects are freed at once, and need no garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.sessions.connection import AcceptedConnection
from chat.server.sessions.session import Session
from chat.server.sessions.transfer import TransferConnection
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer

Memory = Callable[[], list[str]]


@pytest.fixture
def remembered() -> Iterator[Memory]:
    """Tells what is there of people who have come since, while the collector rests."""
    gc.collect()
    gc.disable()
    before = {id(thing) for thing in _things()}
    yield lambda: [type(thing).__name__ for thing in _things() if id(thing) not in before]
    gc.enable()


def _things() -> Iterator[object]:
    kinds = (AcceptedConnection, Session, TransferConnection)
    yield from (thing for thing in gc.get_objects() if isinstance(thing, kinds))


def leave(client: WireClient) -> None:
    client.leave()
    client.read_to_end()
    client.close()


def break_off(client: WireClient) -> None:
    client.send_bytes(client.encode(MessageType.FILE, "name", b"half", content_size=100_000))
    client.reset()


def transfer(client: WireClient, chat_server: TestServer) -> None:
    with client.open_transfer(chat_server.address) as transfer:
        transfer.send(MessageType.FILE, {"to": client.name, "nonce": "1"}, bytes(70_000))
        transfer.expect(MessageType.FILE)
    client.leave()
    client.read_to_end()
    client.close()


ENDS: list[Callable[[WireClient, TestServer], None]] = [
    lambda client, chat_server: leave(client),
    lambda client, chat_server: client.reset(),
    lambda client, chat_server: break_off(client),
    transfer,
]


@pytest.mark.parametrize("end", ENDS, ids=["leaves", "vanishes", "breaks off", "transfers"])
def test_a_user_who_has_left_is_forgotten(
    end: Callable[[WireClient, TestServer], None], chat_server: TestServer, remembered: Memory
) -> None:
    client = chat_server.join("alice", inline=0)
    assert "Session" in remembered()
    end(client, chat_server)
    wait_until(lambda: not remembered())


def test_a_user_who_was_refused_is_forgotten(chat_server: TestServer, remembered: Memory) -> None:
    with chat_server.connect() as stranger:
        stranger.try_login({"to": "not a name"})
    wait_until(lambda: not remembered())
