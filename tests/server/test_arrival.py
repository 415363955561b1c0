"""From an accepted socket to a connection: whose it is, whether it may come in, whether anybody can listen."""

from __future__ import annotations

import pytest

from chat.server.arrival import Origin, origin_of
from tests.server.house import House


@pytest.mark.parametrize(
    ("peer", "origin"),
    [
        ("", Origin(None, "the unix socket", is_private=True)),
        (("127.0.0.1", 4711), Origin("127.0.0.1", "127.0.0.1:4711", is_private=True)),
        (("127.1.2.3", 4711), Origin("127.1.2.3", "127.1.2.3:4711", is_private=True)),
        (("::1", 4711, 0, 0), Origin("::1", "[::1]:4711", is_private=True)),
        (("::ffff:127.0.0.1", 1, 0, 0), Origin("127.0.0.1", "127.0.0.1:1", is_private=True)),
        (("192.0.2.1", 4711), Origin("192.0.2.1", "192.0.2.1:4711", is_private=False)),
        (("fe80::1%eth0", 1, 0, 2), Origin("fe80::1", "[fe80::1]:1", is_private=False)),
    ],
)
def test_what_does_not_leave_the_machine_is_private(peer: object, origin: Origin) -> None:
    assert origin_of(peer) == origin


def test_a_plain_client_over_loopback_is_private_and_not_encrypted(house: House) -> None:
    house.join("alice")

    connection = house.session("alice").connection

    assert connection.is_private
    assert not connection.is_encrypted
