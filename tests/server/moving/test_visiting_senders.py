"""Transfer connections here of sessions that other servers have."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.names import UserName, parse_user_name
from chat.protocol.notices import LeaveReason
from chat.server.accounts.accounts import Account
from chat.server.entrance.entrance import Entering
from chat.server.entrance.joining import Joining
from chat.server.replication.remote_member import RemoteMember
from chat.server.settings import MAX_TRANSFERS, Rate
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.late_log import LateLog
from tests.server.server_in_test import TestServer

LOGIN, BAD_LOGIN = MessageType.LOGIN, MessageType.BAD_LOGIN
FILE, UTF8, NAME_EXISTS = MessageType.FILE, MessageType.UTF8, MessageType.USERNAME_EXISTS
LARGE = os.urandom(300_000)
TOKEN = "a token of another server"

OpenTestServer = Callable[..., TestServer]


class Elsewhere:
    """Another server, as the server of a test knows it: sessions that come and go by the log."""

    def __init__(self, chat_server: TestServer) -> None:
        self.chat_server = chat_server
        self.parts = parts = chat_server.parts
        self._number = 0

        def open_elsewhere(
            joining: Joining, writer: str, name: UserName, account: Account | None
        ) -> Entering:
            return RemoteMember(
                joining, "another run", name, account, parts.service, parts.directory
            )

        parts.entrance._open_elsewhere = open_elsewhere

    def join(self, name: str, token: str = TOKEN) -> RemoteMember:
        self._number += 1
        digest = hashlib.sha256(token.encode()).digest()
        joining = Joining(self._number, parse_user_name(name), token=digest, host="192.0.2.7")
        member = self.parts.operations.perform("join", joining.fields())
        assert isinstance(member, RemoteMember)
        return member

    def transfer(self, token: str = TOKEN) -> WireClient:
        """A transfer connection here of a session there."""
        client = self.chat_server.connect()
        reply = client.try_login({"session": token})
        assert reply == (LOGIN, {}, b""), f"the transfer was refused: {reply}"
        return client


@pytest.fixture
def elsewhere(open_a_chat_server: OpenTestServer) -> Elsewhere:
    return Elsewhere(open_a_chat_server())


@pytest.mark.parametrize("content", [b"small", LARGE])
def test_a_content_is_said_as_by_the_session_elsewhere(
    elsewhere: Elsewhere, content: bytes
) -> None:
    alice = elsewhere.join("alice")
    bob = elsewhere.chat_server.join("bob")
    transfer = elsewhere.transfer()

    transfer.send(FILE, {"filename": "a.bin", "nonce": "n"}, content)

    assert transfer.read_frame() == (FILE, {}, b"")
    bob.expect(FILE, content, sender="alice", filename="a.bin")
    alice.depart(LeaveReason.QUIT)


def test_the_record_has_the_session_elsewhere_as_its_sender(
    open_a_chat_server: OpenTestServer,
) -> None:
    elsewhere = Elsewhere(open_a_chat_server(make_log=LateLog))
    alice, log = elsewhere.join("alice"), elsewhere.parts.log
    assert isinstance(log, LateLog)
    transfer = elsewhere.transfer()
    transfer.send(FILE, None, b"content")
    wait_until(lambda: log.waiting, "the content to be appended")
    assert getattr(log.waiting[0], "sender", None) is alice
    log.commit()
    assert transfer.read_frame() == (FILE, {}, b"")
    # With the next one on its way, the session leaves.
    transfer.send(FILE, None, b"content")
    wait_until(lambda: log.waiting, "the content to be appended")
    alice.depart(LeaveReason.QUIT)
    assert transfer.at_end()
    log.commit()


def test_a_content_is_fetched_as_by_the_session_elsewhere(
    open_a_chat_server: OpenTestServer, tmp_path: Path
) -> None:
    elsewhere = Elsewhere(open_a_chat_server(data_directory=tmp_path / "data"))
    bob = elsewhere.chat_server.join("bob", inline=0)
    alice = elsewhere.join("alice")
    bob.expect_joined("alice")
    bob.send(FILE, {"filename": "a.bin"}, LARGE)
    offered = bob.expect(FILE, size=len(LARGE)).header
    transfer = elsewhere.transfer()

    transfer.send(FILE, {"fetch": offered["id"], "nonce": "f"})

    transfer.expect(FILE, LARGE, sender="bob", filename="a.bin", nonce="f")
    alice.depart(LeaveReason.QUIT)


@pytest.mark.parametrize("token", ["another token", "й"])
def test_a_wrong_token_opens_nothing(elsewhere: Elsewhere, token: str) -> None:
    alice = elsewhere.join("alice")
    reply = elsewhere.chat_server.connect().try_login({"session": token})
    assert reply.header["error"] == "no-such-session"
    alice.depart(LeaveReason.QUIT)


def test_the_token_counts_as_long_as_the_session(elsewhere: Elsewhere) -> None:
    alice = elsewhere.join("alice")
    during = elsewhere.transfer()
    alice.depart(LeaveReason.QUIT)
    assert during.at_end()
    late = elsewhere.chat_server.connect()
    assert late.try_login({"session": TOKEN}).header["error"] == "no-such-session"
    late.close()
    elsewhere.chat_server.connections_end()
    assert not elsewhere.parts.visitors


def test_a_session_elsewhere_has_only_so_many_transfers_here(elsewhere: Elsewhere) -> None:
    alice = elsewhere.join("alice")
    transfers = [elsewhere.transfer() for _ in range(MAX_TRANSFERS)]
    assert elsewhere.parts.visitors.count() == MAX_TRANSFERS
    more = elsewhere.chat_server.connect().try_login({"session": TOKEN})
    assert more.header["error"] == "too-many-transfers"
    transfers[0].leave()
    wait_until(lambda: elsewhere.parts.visitors.count() == MAX_TRANSFERS - 1, "a transfer to end")
    elsewhere.transfer()
    alice.depart(LeaveReason.QUIT)


def test_rates_hold_over_all_its_transfers_here(open_a_chat_server: OpenTestServer) -> None:
    elsewhere = Elsewhere(open_a_chat_server(rate=Rate(5, 2)))
    alice = elsewhere.join("alice")
    began = time.monotonic()
    for _ in range(4):
        transfer = elsewhere.transfer()
        transfer.send(FILE, None, b"content")
        assert transfer.read_frame() == (FILE, {}, b"")
        transfer.close()
    assert time.monotonic() - began > 0.35
    alice.depart(LeaveReason.QUIT)


def test_a_login_takes_over_the_session_elsewhere(elsewhere: Elsewhere) -> None:
    elsewhere.join("alice")
    assert elsewhere.chat_server.connect().try_login({"to": "alice"}).type == NAME_EXISTS
    bob = elsewhere.chat_server.join("bob")
    during = elsewhere.transfer()

    alice = elsewhere.chat_server.connect()
    assert alice.try_login({"to": "alice", "session": TOKEN}).type == LOGIN

    alice.expect(LOGIN, sender="alice")
    bob.expect_left("alice", "replaced")
    assert during.at_end()


def test_a_user_of_an_address_that_tries_too_often_comes_by_the_token(
    open_a_chat_server: OpenTestServer,
) -> None:
    elsewhere = Elsewhere(open_a_chat_server(max_logins=1, exempt=()))
    alice = elsewhere.join("alice")
    stranger = elsewhere.chat_server.connect()
    while (reply := stranger.try_login("")).type != BAD_LOGIN:
        assert reply.type == MessageType.BAD_USERNAME
        stranger = elsewhere.chat_server.connect()
    elsewhere.transfer()
    alice.depart(LeaveReason.QUIT)


def test_no_transfer_begins_when_the_server_has_to_end(elsewhere: Elsewhere) -> None:
    alice = elsewhere.join("alice")
    during = elsewhere.transfer()
    elsewhere.parts.visitors.end_transfers()
    assert during.at_end()
    late = elsewhere.chat_server.connect()
    assert late.try_login({"session": TOKEN}).header["error"] == "no-such-session"
    alice.depart(LeaveReason.QUIT)


def test_transfers_end_when_the_server_stops(elsewhere: Elsewhere) -> None:
    alice = elsewhere.join("alice")
    transfer = elsewhere.transfer()
    elsewhere.chat_server.server.stop()
    assert transfer.at_end()
    alice.depart(LeaveReason.QUIT)
