"""One accepted connection, before a user has logged in on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from gevent import socket

from chat.protocol.descriptor import ByteOrder, MessageType
from chat.server.sessions import connection as connection_module
from chat.server.sessions.connection import AcceptedConnection
from tests.server.fakes import frames_of

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812


@pytest.fixture
def pair() -> Iterator[tuple[AcceptedConnection, GeventSocket]]:
    ours, peers = socket.socketpair()
    peers.settimeout(30)
    yield AcceptedConnection(ours, "192.0.2.1", "192.0.2.1:4711"), peers
    ours.close()
    peers.close()


@pytest.mark.parametrize(
    ("first", "order"), [(b"\0\1", ByteOrder.BIG), (b"\1\0", ByteOrder.LITTLE)]
)
def test_it_answers_in_the_byte_order_of_its_first_two_bytes(
    pair: tuple[AcceptedConnection, GeventSocket], first: bytes, order: ByteOrder
) -> None:
    connection, peers = pair
    peers.sendall(first)
    connection.reader.read_byte_order()

    connection.answer(MessageType.BAD_LOGIN, b"{}")

    assert connection.order is order
    assert frames_of(peers.recv(100), order) == [(MessageType.BAD_LOGIN, b"{}", b"")]


def test_an_answer_that_is_not_taken_ends_in_time(
    monkeypatch: pytest.MonkeyPatch, pair: tuple[AcceptedConnection, GeventSocket]
) -> None:
    monkeypatch.setattr(connection_module, "_LOGIN_GRACE", 0.01)
    connection, peers = pair
    peers.sendall(b"\0\1")
    connection.reader.read_byte_order()
    while connection.transport.try_send(b"x" * 65536):
        continue

    with pytest.raises(TimeoutError):
        connection.answer(MessageType.LOGIN)


def test_after_an_answer_a_peer_may_be_silent_for_as_long_as_it_likes(
    pair: tuple[AcceptedConnection, GeventSocket],
) -> None:
    connection, peers = pair
    peers.sendall(b"\0\1")
    connection.reader.read_byte_order()

    connection.answer(MessageType.LOGIN)

    # Only the socket tells that the time limit of the login is gone.
    assert connection.transport._sock.gettimeout() is None
