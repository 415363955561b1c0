"""Sockets that listen. The tests of the server cover the connections that they accept."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import closing
from pathlib import Path

import pytest

from chat.net.address import Address, parse_address
from chat.server.net.listening import listen, why_not_listening


def test_it_listens_where_it_was_told_to() -> None:
    [listening] = listen(parse_address("127.0.0.1:0"))
    with closing(listening):
        host, port = listening.getsockname()
        assert host == "127.0.0.1"
        with socket.create_connection((host, port), timeout=30):
            listening.accept()[0].close()


def test_of_several_addresses_it_has_all_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of addresses that no other test has: the port must be free on the first.
    first, second = "127.0.77.1", "127.0.77.2"
    with socket.create_server((second, 0)) as taken:
        port = taken.getsockname()[1]
        where = [(first, port), (second, port)]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in where]
        monkeypatch.setattr("socket.getaddrinfo", lambda *args, **options: found)

        with pytest.raises(OSError) as caught:
            listen(Address("both.example", port))

    assert caught.value.errno == errno.EADDRINUSE
    with socket.create_server((first, port)):
        pass  # the first was given back


def test_a_unix_socket_is_for_its_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    [listening] = listen(Address(path=str(path)))
    with closing(listening):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with pytest.raises(OSError) as caught:
            listen(Address(path=str(path)))
    assert caught.value.errno == errno.EADDRINUSE
    [second] = listen(Address(path=str(path)))  # the first is dead by now
    second.close()


@pytest.mark.parametrize(
    ("address", "number", "advice"),
    [
        ("0.0.0.0:80", errno.EACCES, "CAP_NET_BIND_SERVICE"),
        ("unix:/run/chat.socket", errno.EACCES, "must be able to write in /run"),
        ("127.0.0.1:8080", errno.EADDRINUSE, "another program listens there"),
        ("192.0.2.1:8080", errno.EADDRNOTAVAIL, "this machine does not have the address"),
    ],
)
def test_an_operator_reads_what_to_do(address: str, number: int, advice: str) -> None:
    problem = OSError(number, os.strerror(number))

    line = why_not_listening(parse_address(address), problem)

    assert line.startswith(f"cannot listen on {address}: {os.strerror(number)}; ")
    assert advice in line
