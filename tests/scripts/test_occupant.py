"""The occupants of addresses, with real sockets."""

from __future__ import annotations

import contextlib
import random
import socket

import pytest

from chat.net.address import Address
from scripts.occupant import Occupant, occupant_of
from tests.peers.listeners import Kind, listener
from tests.peers.original_server import OriginalServer


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.occupant.PATIENCE", 0.3)


def free_port() -> int:
    """Return a port that no connection of another program gets by chance: those begin at 32768."""
    for port in random.sample(range(20_000, 32_000), 100):
        with contextlib.suppress(OSError), socket.create_server(("", port)):
            return port
    raise AssertionError("a hundred ports are in use")


@pytest.mark.parametrize(
    ("kind", "occupant"),
    [
        ("http", Occupant.HTTP),
        ("silent", Occupant.SILENT),
        ("banner", Occupant.OTHER),
        ("closes", Occupant.OTHER),
    ],
)
def test_a_program_that_is_no_chat_server(kind: Kind, occupant: Occupant) -> None:
    with listener(kind) as port:
        assert occupant_of(Address("127.0.0.1", port)) is occupant


def test_an_original_server_is_a_chat_server_and_lets_nobody_in_for_the_question() -> None:
    with OriginalServer() as server:
        assert occupant_of(Address(*server.wire_address)) is Occupant.CHAT
        assert server.logins == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", ""])
def test_nothing_at_all(host: str) -> None:
    assert occupant_of(Address(host, free_port())) is Occupant.NOTHING


def test_a_port_that_is_taken_on_ipv6_only() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listener("http", "::1") as port:
        assert occupant_of(Address("127.0.0.1", port)) is Occupant.NOTHING
        assert occupant_of(Address("::1", port)) is Occupant.HTTP
        # A server for all interfaces could not listen there.
        assert occupant_of(Address("", port)) is not Occupant.NOTHING


def test_a_port_that_is_taken_but_does_not_listen() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = Address("127.0.0.1", bound.getsockname()[1])
        assert occupant_of(address) is Occupant.UNREACHABLE


def test_a_socket_file() -> None:
    assert occupant_of(Address(path="/nowhere/at/all")) is Occupant.NOTHING
