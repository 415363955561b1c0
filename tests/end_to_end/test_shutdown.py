"""SIGTERM and SIGINT: everyone is told, what is queued goes out, and nobody hears what others don't."""

from __future__ import annotations

import signal
from contextlib import ExitStack, suppress

import gevent
import pytest

from chat.protocol.descriptor import ByteOrder, MessageType
from tests.end_to_end.server_process import ServerProcess, running_server
from tests.peers.wire_client import WireClient, WireFrame
from tests.tiers import quick_first

UTF8, FILE = MessageType.UTF8, MessageType.FILE
M = 1024**2

SIGNALS = [signal.SIGTERM, signal.SIGINT]


def send_until_cut(client: WireClient) -> None:
    """Send numbered texts until the server takes no more."""
    number = 0
    with suppress(ConnectionError):
        while True:
            data = bytearray()
            for _ in range(20):
                number += 1
                data += client.encode(UTF8, None, f"{client.name} {number}".encode())
            client.send_bytes(bytes(data))
            gevent.sleep(0)


def read_all(client: WireClient) -> list[WireFrame]:
    """Read to the end of the stream, and then end our side too, so that a greenlet that still sends stops."""
    frames = client.read_to_end()
    client.finish()
    return frames


def is_farewell(frame: WireFrame) -> bool:
    return frame.sender == "server" and frame.header.get("notice") == "shutting-down"


@pytest.mark.parametrize("number", quick_first(SIGNALS, "both end by the same code"))
def test_under_load_a_message_that_came_back_was_heard_by_all(
    number: signal.Signals,
) -> None:
    orders = list(ByteOrder)
    with running_server("--rate=0") as server, ExitStack() as stack:
        users = [
            stack.enter_context(
                WireClient.joined(server.address, f"user{n}", raw=n % 3 == 0, order=orders[n % 2])
            )
            for n in range(15)
        ]
        readers = [gevent.spawn(read_all, user) for user in users]
        senders = users[:4]
        for sender in senders:
            stack.callback(gevent.spawn(send_until_cut, sender).kill)
        witness = stack.enter_context(WireClient.joined(server.address, "witness"))
        for _ in range(500):
            witness.read_frame()
        server.send_signal(number)
        rest = witness.read_to_end()
        assert server.wait() == 0
        assert is_farewell(rest[-1])
        heard = [reader.get() for reader in readers]
        texts = [
            [frame.text for frame in frames if frame.type == UTF8 and not is_farewell(frame)]
            for frames in heard
        ]
        for sender in senders:
            assert sum(text.startswith(f"{sender.name} ") for text in texts[0]) > 0
        # It is more than was asked: all have heard the same, in the same order, to the end.
        assert all(each == texts[0] for each in texts)
        for frames in heard:
            assert [frame for frame in frames if is_farewell(frame)] == [frames[-1]]


def test_nobody_is_let_in_any_more() -> None:
    with (
        running_server() as server,
        WireClient.joined(server.address, "alice") as alice,
        WireClient(server.address) as waiting,
    ):
        server.send_signal(signal.SIGTERM)
        server.wait_for_line("stopping, with 1 user here")
        alice.expect_notice("shutting-down")
        alice.expect_closed()
        waiting.expect_closed()
        with pytest.raises(ConnectionRefusedError):
            WireClient(server.address)
        alice.close()
        assert server.wait() == 0


def stop_with_a_backlog(server: ServerProcess, stack: ExitStack) -> tuple[WireClient, bytes]:
    """Stop the server while a lot waits for a user; return the user, and the last content sent to them."""
    alice = stack.enter_context(WireClient.joined(server.address, "alice"))
    slow = stack.enter_context(WireClient.joined(server.address, "slow", receive_buffer=4096))
    alice.expect_joined("slow")
    content = b""
    for number in range(120):
        content = b"%d" % number * 20_000
        alice.send(UTF8, None, content)
        alice.expect(UTF8, content)
    alice.send(FILE, {"filename": "f"}, bytes(range(256)) * 4 * 1024 * 4)
    alice.expect(FILE)
    server.send_signal(signal.SIGTERM)
    alice.expect_notice("shutting-down")
    alice.expect_closed()
    alice.close()
    return slow, content


def test_what_is_queued_goes_out_first() -> None:
    with running_server("--rate=0") as server, ExitStack() as stack:
        slow, last = stop_with_a_backlog(server, stack)
        assert server.is_running
        frames = slow.read_to_end()
        assert [frame.type for frame in frames] == [UTF8] * 120 + [FILE, UTF8]
        assert frames[-3].content == last
        assert frames[-2].content == bytes(range(256)) * 4 * 1024 * 4
        assert is_farewell(frames[-1])
        slow.close()
        assert server.wait() == 0


def test_a_second_signal_ends_it_at_once() -> None:
    with running_server("--rate=0") as server, ExitStack() as stack:
        slow, _ = stop_with_a_backlog(server, stack)
        assert server.is_running
        server.send_signal(signal.SIGTERM)
        # The server neither waits for the user, who has read nothing yet, nor reports that it gave up.
        assert server.wait() == 1, server.log
        assert "stopped" not in server.log
        del slow


def test_transfers_end_with_the_server() -> None:
    with (
        running_server() as server,
        WireClient.joined(server.address, "alice") as alice,
        alice.open_transfer(server.address) as transfer,
    ):
        transfer.send_bytes(transfer.encode(FILE, None, b"half", content_size=M))
        server.send_signal(signal.SIGTERM)
        alice.expect_notice("shutting-down")
        alice.expect_closed()
        transfer.expect_closed()
        alice.close()
        assert server.wait() == 0


def test_an_idle_server_stops_too() -> None:
    with running_server() as server:
        assert server.stop() == 0
        server.wait_for_line("stopped$")
