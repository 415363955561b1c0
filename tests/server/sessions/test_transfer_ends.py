"""The ends of transfer connections: closed, stalled, killed, in the way of others, or with their session."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.event import Event

from chat import framing
from chat.protocol.descriptor import MessageType
from chat.protocol.notices import LeaveReason
from chat.server.attachments import spool as spool_module
from chat.server.limits import limits
from chat.server.sessions.endings import ServerStopping
from chat.server.sessions.transfer import TransferConnection
from chat.server.settings import Rate
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer

FILE, UTF8 = MessageType.FILE, MessageType.UTF8
LARGE = os.urandom(300_000)

OpenTestServer = Callable[..., TestServer]


def upload(chat_server: TestServer, name: str = "alice") -> tuple[WireClient, WireClient]:
    """Return a user, and their transfer connection after half of a large file."""
    client = chat_server.join(name)
    transfer = chat_server.transfer(client)
    transfer.send_bytes(transfer.encode(FILE, None, LARGE[:150_000], content_size=len(LARGE)))
    chat_server.upload_begins(len(LARGE))
    return client, transfer


def test_a_transfer_ends_by_logout_or_by_closing(chat_server: TestServer) -> None:
    alice = chat_server.join("alice")
    session = chat_server.session("alice")
    first, second = chat_server.transfer(alice), chat_server.transfer(alice)
    assert len(session.transfers) == 2

    first.leave()
    first.expect_closed()
    first.close()
    second.close()

    wait_until(lambda: not session.transfers, "the transfers to end")
    alice.say("still here")
    alice.expect_text("still here", "alice")


@pytest.mark.parametrize("end", [WireClient.leave, WireClient.close, WireClient.reset])
def test_transfers_end_with_their_session(
    chat_server: TestServer, end: Callable[[WireClient], None]
) -> None:
    bob = chat_server.join("bob")
    alice, uploading = upload(chat_server)
    bob.expect_joined("alice")
    idle = chat_server.transfer(alice)

    end(alice)

    bob.expect_left("alice")
    assert uploading.at_end()
    assert idle.at_end()
    chat_server.space_is_given_back()


@pytest.mark.parametrize("end", [WireClient.close, WireClient.reset])
def test_an_upload_that_is_cut_off_reaches_nobody(
    chat_server: TestServer, end: Callable[[WireClient], None]
) -> None:
    alice, uploading = upload(chat_server)

    end(uploading)
    chat_server.space_is_given_back()

    alice.say("next")
    alice.expect_text("next", "alice")


def test_an_upload_that_stalls_is_given_up(
    monkeypatch: pytest.MonkeyPatch, chat_server: TestServer
) -> None:
    monkeypatch.setattr(framing, "STALL_WINDOW", 0.05)
    alice, uploading = upload(chat_server)

    assert uploading.at_end()

    chat_server.space_is_given_back()
    alice.say("still here")
    alice.expect_text("still here", "alice")


@pytest.mark.parametrize("exception", [gevent.GreenletExit, ServerStopping])
def test_a_transfer_that_is_killed_gives_everything_back(
    chat_server: TestServer, exception: type[gevent.GreenletExit]
) -> None:
    alice = chat_server.join("alice")
    before = set(chat_server.connections)
    transfer = chat_server.transfer(alice)
    transfer.send_bytes(transfer.encode(FILE, None, b"x", content_size=len(LARGE)))
    chat_server.upload_begins()
    [greenlet] = set(chat_server.connections) - before

    greenlet.kill(exception, timeout=30)

    assert greenlet.dead
    chat_server.space_is_given_back()
    assert not chat_server.session("alice").transfers
    assert transfer.at_end()


def test_only_a_slow_upload_makes_way(
    monkeypatch: pytest.MonkeyPatch, open_a_chat_server: OpenTestServer
) -> None:
    monkeypatch.setattr(spool_module, "_GRACE", 0.0)
    chat_server = open_a_chat_server(max_spool=4 * len(LARGE))
    slow = []
    for number in range(4):
        client = chat_server.join(f"slow{number}")
        slow.append((client, chat_server.transfer(client)))
        slow[-1][1].send_bytes(slow[-1][1].encode(FILE, None, b"x", content_size=len(LARGE)))
    wait_until(lambda: chat_server.parts.spool.files == 4, "the uploads to begin")
    alice = chat_server.join("alice")

    alice.send(FILE, {"to": "alice"}, LARGE)

    alice.expect(FILE, LARGE)
    for client, transfer in slow:
        assert transfer.at_end()
        client.say("still here")
        client.read_until(UTF8, b"still here")


class SlowDisk:
    """A disk on which writes begin at once and end when the test allows it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may_write = threading.Event()
        self.begun = threading.Event()
        write_all = spool_module._write_all

        def write(fd: int, data: memoryview, digest: Any) -> None:
            self.begun.set()
            assert self.may_write.wait(30)
            write_all(fd, data, digest)

        monkeypatch.setattr(spool_module, "_write_all", write)


def test_an_upload_that_is_whole_after_its_user_has_left_reaches_nobody(
    monkeypatch: pytest.MonkeyPatch, chat_server: TestServer
) -> None:
    bob, alice = chat_server.join("bob"), chat_server.join("alice")
    bob.expect_joined("alice")
    transfer = chat_server.transfer(alice)
    disk = SlowDisk(monkeypatch)
    transfer.send(FILE, None, b"x" * 70_000)
    wait_until(disk.begun.is_set, "the disk to be written to")

    alice.leave()
    bob.expect_left("alice", "quit")
    disk.may_write.set()

    assert transfer.at_end()
    chat_server.space_is_given_back()
    bob.say("next")
    bob.expect_text("next", "bob")


def test_an_upload_of_a_user_whose_connection_failed_is_not_confirmed(
    monkeypatch: pytest.MonkeyPatch, open_a_chat_server: OpenTestServer
) -> None:
    chat_server = open_a_chat_server(rate=Rate(1, 1), byte_rate=None)
    alice = chat_server.join("alice")
    transfer = chat_server.transfer(alice)
    transfer.name = "alice"
    disk = SlowDisk(monkeypatch)
    transfer.send(FILE, None, b"x" * 70_000)
    wait_until(disk.begun.is_set, "the disk to be written to")
    asleep, may_wake = Event(), Event()

    def sleep(seconds: float) -> None:
        asleep.set()
        may_wake.wait(30)

    # Its rate holds the session back, so the session does not notice at once that its connection failed.
    monkeypatch.setattr(limits, "gevent", SimpleNamespace(sleep=sleep))
    alice.say("too fast")
    assert asleep.wait(30)
    chat_server.session("alice").send_queue.fail(LeaveReason.TOO_SLOW)
    disk.may_write.set()

    transfer.expect_notice("gone")
    transfer.expect_closed()
    may_wake.set()
    chat_server.connections_end()


def test_ending_a_transfer_twice_is_ending_it(chat_server: TestServer) -> None:
    alice = chat_server.join("alice")
    transfer = chat_server.transfer(alice)
    [ours] = chat_server.session("alice").transfers
    assert isinstance(ours, TransferConnection)

    ours.end()
    ours.end()

    assert transfer.at_end()
    wait_until(lambda: not chat_server.session("alice").transfers, "the transfer to end")
