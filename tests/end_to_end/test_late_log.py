"""The real server on a log that commits late: users hear what was said, in one order, and each answer has its turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gevent.pool import Pool

from chat.protocol.descriptor import MessageType
from tests.end_to_end.server_process import ServerProcess
from tests.peers.wire_client import WireClient

UTF8 = MessageType.UTF8


class LateServer(ServerProcess):
    """A server whose records are committed up to 2 seconds after they were appended."""

    module = "tests.late_log_server"


@pytest.fixture
def late() -> Iterator[LateServer]:
    server = LateServer("--rate=0")
    yield server
    assert server.stop() == 0
    assert "Traceback" not in server.log, server.log
    server.end()


def test_users_of_a_late_log_hear_one_order_and_get_each_answer_in_its_turn(
    late: LateServer,
) -> None:
    names = ("alice", "bob", "carol")
    guests = [WireClient.joined(late.address, name) for name in names]
    for number in range(120):
        guest = guests[number % 3]
        header: dict[str, object] = {"nonce": f"{guest.name}-{number}"}
        if number % 5 == 4:
            header["command"] = "ping"
        guest.send(UTF8, header, b"" if "command" in header else b"text %d" % number)
    for guest in guests:
        guest.leave()
    heard = Pool(3).map(WireClient.read_to_end, guests)
    for guest, frames in zip(guests, heard, strict=True):
        nonces = [frame.header.get("nonce", "") for frame in frames]
        mine = [nonce for nonce in nonces if nonce.startswith(guest.name)]
        assert mine == [f"{guest.name}-{n}" for n in range(120) if names[n % 3] == guest.name]
        guest.close()
    orders = [
        [frame.header["seq"] for frame in frames if "seq" in frame.header] for frames in heard
    ]
    longest = max(orders, key=len)
    assert longest == list(range(1, 97))
    assert all(order == longest[: len(order)] for order in orders)
