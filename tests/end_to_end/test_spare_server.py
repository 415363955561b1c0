"""A server that tests share one after the other is as a new one for each."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from chat.protocol.descriptor import MessageType
from tests.end_to_end.accounts import register
from tests.end_to_end.spare_server import SpareServer
from tests.peers.wire_client import WireClient


@pytest.fixture
def spare() -> Iterator[SpareServer]:
    spare = SpareServer()
    yield spare
    spare.stop()


def test_one_that_was_left_as_it_was_is_taken_again_with_an_empty_log(spare: SpareServer) -> None:
    server = spare.take()
    with WireClient.joined(server.address, "alice") as alice:
        alice.say("hello")
        alice.expect(MessageType.UTF8, b"hello")
    server.wait_for_line("alice left")
    spare.put_back(server)

    again = spare.take()

    assert again is server
    assert again.log == ""
    spare.put_back(again)


def test_one_that_keeps_something_is_not_taken_again(spare: SpareServer) -> None:
    server = spare.take()
    register(server.data_directory, "alice", "correct horse")
    spare.put_back(server)

    assert not server.is_running
    other = spare.take()
    assert other is not server
    spare.put_back(other)


def test_one_that_keeps_a_content_is_not_taken_again(spare: SpareServer) -> None:
    server = spare.take()
    with WireClient.joined(server.address, "alice", inline=0) as alice:
        alice.send(MessageType.FILE, None, bytes(200_000))
        alice.expect(MessageType.FILE)
    server.wait_for_line("alice left")
    spare.put_back(server)

    assert not server.is_running


def test_one_that_has_ended_is_not_taken_again(spare: SpareServer) -> None:
    server = spare.take()
    server.send_signal(signal.SIGTERM)
    assert server.wait() == 0
    spare.put_back(server)

    other = spare.take()
    assert other is not server
    assert other.is_running
    spare.put_back(other)
