"""Ctrl-C, and time limits of gevent's, at the worst moments."""

from __future__ import annotations

import threading

import gevent
import pytest

from chat.client import ConnectionLost, Text, Welcome, connect
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.runtime.runtime import Runtime
from chat.protocol.descriptor import ByteOrder, MessageType, encode_frame
from chat.protocol.headers import ServerHeader, encode_server_header
from tests.client.runtimes import with_both_runtimes
from tests.peers.scripted_server import Peer, ScriptedServer


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@with_both_runtimes
def test_a_reader_interrupted_inside_a_frame_reads_no_more(runtime: Runtime) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.say(MessageType.UTF8, "bob", b"hi")
        peer.expect(MessageType.LOGOUT)

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime) as room,
    ):
        assert isinstance(room.read(), Welcome)
        # No signal can be timed to arrive between two reads.
        room._incoming._read_rest = interrupt  # type: ignore[method-assign, assignment]
        with pytest.raises(KeyboardInterrupt):
            room.read()
        with pytest.raises(ConnectionLost, match="interrupted"):
            room.read()


@pytest.mark.parametrize("begun", [0, 7, 15])
def test_a_time_limit_before_the_descriptor_is_there_costs_nothing(begun: int) -> None:
    waited = threading.Event()
    header = encode_server_header(ServerHeader("bob", "2026-11-24T12:00:00Z"))
    frame = encode_frame(MessageType.UTF8, header, b"hi", ByteOrder.BIG)

    def script(peer: Peer) -> None:
        peer.welcome()
        peer.sock.sendall(frame[:begun])
        waited.wait(30)
        peer.sock.sendall(frame[begun:])
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=GEVENT) as room,
    ):
        assert isinstance(room.read(), Welcome)
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
            room.read()
        waited.set()
        assert isinstance(room.read(), Text)
