"""Logins and leaves that the log commits late: until then a session is not there, or still is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.entrance import entrance
from chat.server.log.log import Change
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.late_log import LateLog
from tests.server.server_in_test import TestServer, living_greenlets

LOGIN, FILE = MessageType.LOGIN, MessageType.FILE
NAME_EXISTS, BAD_LOGIN = MessageType.USERNAME_EXISTS, MessageType.BAD_LOGIN
DEVICE = "laptop" * 4

OpenTestServer = Callable[..., TestServer]


class HeldServer:
    """A server whose logins and leaves wait until the test commits them."""

    def __init__(self, chat_server: TestServer) -> None:
        self.chat_server = chat_server
        log = chat_server.parts.log
        assert isinstance(log, LateLog)
        self.log = log

    def hold(self) -> None:
        self.log.holds_changes = True

    def release(self) -> None:
        """Commit what waits, and everything else at once."""
        self.log.holds_changes = False
        self.log.is_full = False
        self.log.commit()

    def changes_wait(self, *names: str) -> None:
        """Wait until these changes, and nothing else, wait for their commit."""
        wait_until(lambda: self.waiting == list(names), f"{names} to be appended")

    @property
    def waiting(self) -> list[str]:
        return [each.name if isinstance(each, Change) else "run" for each in self.log.waiting]

    def ask_in(self, name: str, **fields: object) -> WireClient:
        """Send a login, and wait until it is appended."""
        client, before = self.chat_server.connect(), self.waiting
        client.name = name
        client.send(LOGIN, {"to": name, **fields})
        self.changes_wait(*before, "join")
        return client


@pytest.fixture
def held(open_a_chat_server: OpenTestServer) -> Iterator[HeldServer]:
    held = HeldServer(open_a_chat_server(make_log=LateLog, login_timeout=30))
    yield held
    held.release()


def test_of_two_logins_for_one_name_the_first_in_the_log_wins(held: HeldServer) -> None:
    held.hold()
    first, second = held.ask_in("alice"), held.ask_in("Alice")
    assert held.chat_server.here() == []

    held.log.commit()

    assert first.read_frame().type == LOGIN
    assert second.read_frame().type == NAME_EXISTS
    assert held.chat_server.here() == ["alice"]


@pytest.mark.parametrize("end", [WireClient.close, WireClient.reset])
def test_a_client_that_is_gone_before_the_commit_leaves_again(
    held: HeldServer, end: Callable[[WireClient], None]
) -> None:
    held.hold()
    alice = held.ask_in("alice")
    end(alice)
    held.log.commit(1)
    held.changes_wait("leave")
    held.log.commit()
    held.chat_server.connections_end()
    assert held.chat_server.here() == []


def test_a_login_waits_for_its_commit_no_longer_than_any_login(
    open_a_chat_server: OpenTestServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    held = HeldServer(open_a_chat_server(make_log=LateLog, login_timeout=0.2))
    held.hold()
    alice = held.ask_in("alice")
    refusal = alice.read_frame()
    assert (refusal.type, refusal.header["error"]) == (BAD_LOGIN, "busy")
    alice.expect_closed()
    alice.close()
    held.chat_server.connections_end()
    # The next connection gets the descriptor of the one that has ended.
    other = held.chat_server.connect()
    held.chat_server.connections_are_accepted()

    held.log.commit()

    assert held.chat_server.here() == ["alice"]
    held.changes_wait("leave")
    held.log.commit()
    assert held.chat_server.here() == []
    assert "alice left: disconnected" in caplog.text
    held.release()
    assert other.try_login({"to": "bob"}).type == LOGIN
    assert other.expect(LOGIN, sender="bob").header["from"] == "bob", "and nothing of alice's"


def test_a_user_who_is_removed_in_the_entry_of_their_login_hears_why(held: HeldServer) -> None:
    parts = held.chat_server.parts
    sentence = "Kicked."

    def kick(change: Change) -> None:
        parts.directory.find("alice").eject(LeaveReason.KICKED, NoticeCode.MODERATED, sentence)

    parts.operations.add("kick in a test", kick)
    held.hold()
    alice = held.ask_in("alice")
    parts.operations.post("kick in a test", {})

    held.log.commit()

    assert held.chat_server.here() == []
    assert alice.read_frame().type == LOGIN
    assert alice.read_frame().type == LOGIN
    # Bytes that the server has not read reset a connection that is closed too early.
    alice.say("not read any more")
    assert alice.expect_notice("moderated").text == sentence
    alice.finish()
    alice.expect_closed()
    held.chat_server.connections_end()
    assert held.waiting == []


def test_a_device_takes_over_a_session_that_came_in_the_same_entry(held: HeldServer) -> None:
    held.hold()
    first, second = held.ask_in("alice", device=DEVICE), held.ask_in("alice", device=DEVICE)

    held.log.commit()

    assert [first.read_frame().type, first.read_frame().type] == [LOGIN, LOGIN]
    first.expect_notice("replaced")
    first.expect_closed()
    second.expect(LOGIN)
    second.expect(LOGIN, sender="alice")
    assert held.chat_server.here() == ["alice"]


@pytest.mark.parametrize("is_committed_at_the_end", [True, False])
def test_the_server_stops_while_a_login_waits(
    open_a_chat_server: OpenTestServer, is_committed_at_the_end: bool
) -> None:
    greenlets = living_greenlets()
    held = HeldServer(open_a_chat_server(make_log=LateLog))
    held.hold()
    alice = held.ask_in("alice")
    waiting = list(held.log.waiting)
    if not is_committed_at_the_end:
        held.log.waiting.clear()

    held.chat_server.server.stop()

    assert held.chat_server.here() == []
    assert not held.chat_server.connections
    frames = alice.read_to_end()
    codes = [frame.header.get("notice") for frame in frames if "notice" in frame.header]
    assert codes == (["shutting-down"] if is_committed_at_the_end else [])
    if not is_committed_at_the_end:
        # A log that could not commit in time may have had it all the same. Nobody is there any more.
        held.log.waiting = waiting
        held.log.commit()
        wait_until(lambda: not list(held.chat_server.parts.directory), "the session to end")
    wait_until(lambda: living_greenlets() <= greenlets, "the greenlets to end")


def test_a_name_is_free_when_the_leave_is_committed(held: HeldServer) -> None:
    alice = held.chat_server.join("alice")
    bob = held.chat_server.join("bob")
    alice.expect_joined("bob")
    held.hold()
    alice.leave()
    alice.expect_closed()
    held.changes_wait("leave")
    assert held.chat_server.here() == ["alice", "bob"]
    early = held.chat_server.connect()
    assert early.try_login({"to": "alice"}).type == NAME_EXISTS
    bob.say("still there?", to="alice")
    wait_until(lambda: len(held.log.waiting) == 2, "the text to be appended")

    held.log.commit()

    bob.expect_left("alice", "quit")
    bob.expect_notice("no-such-user")
    held.release()
    assert held.chat_server.connect().try_login({"to": "alice"}).type == LOGIN


def test_a_device_that_comes_back_does_not_wait_for_the_leave_of_its_session(
    held: HeldServer,
) -> None:
    former = held.chat_server.connect()
    assert former.try_login({"to": "alice", "device": DEVICE}).type == LOGIN
    bob = held.chat_server.join("bob")
    held.hold()
    former.reset()
    held.changes_wait("leave")
    alice = held.ask_in("alice", device=DEVICE)

    # In the other order than they were appended: a log may commit the leave of another server's session later.
    held.log.waiting.reverse()
    held.log.commit()

    assert alice.read_frame().type == LOGIN
    alice.expect(LOGIN, sender="alice")
    assert held.chat_server.here() == ["bob", "alice"]
    alice.say("I am back")
    wait_until(lambda: held.log.waiting, "the text to be appended")
    held.log.commit()
    assert bob.expect_text("I am back", "alice").sender == "alice"


def test_a_full_log_takes_no_login(held: HeldServer) -> None:
    held.hold()
    held.log.is_full = True
    alice = held.chat_server.connect()
    refusal = alice.try_login({"to": "alice"})
    assert (refusal.type, refusal.header["error"]) == (BAD_LOGIN, "busy")
    alice.expect_closed()


def test_users_leave_when_a_full_log_has_room_again(
    held: HeldServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "_TRY_AGAIN", 0.01)
    clients = [held.chat_server.join(name) for name in ("alice", "bob", "carol")]
    held.hold()
    held.log.is_full = True
    for client in clients:
        client.leave()
    held.chat_server.connections_end()
    assert held.waiting == []
    assert held.chat_server.here() == ["alice", "bob", "carol"]

    held.log.is_full = False

    held.changes_wait("leave", "leave", "leave")
    held.log.commit()
    assert held.chat_server.here() == []
    assert held.chat_server.parts.entrance._timer is None


def test_a_closed_log_takes_no_login(held: HeldServer) -> None:
    alice = held.chat_server.join("alice")
    held.log.close(1)
    late = held.chat_server.connect()
    refusal = late.try_login({"to": "bob"})
    assert (refusal.type, refusal.header["error"]) == (BAD_LOGIN, "busy")
    late.expect_closed()
    # Those who are here get out without it.
    alice.leave()
    held.chat_server.connections_end()
    assert held.chat_server.here() == []


def test_no_transfer_outlives_the_leave_of_its_session(held: HeldServer) -> None:
    alice = held.chat_server.join("alice")
    token = alice.welcome["session"]
    during = held.chat_server.transfer(alice)
    held.hold()
    alice.reset()
    held.changes_wait("leave")
    during.expect_closed()

    late = held.chat_server.connect()
    refusal = late.try_login({"session": token})
    assert (refusal.type, refusal.header["error"]) == (BAD_LOGIN, "no-such-session")

    held.log.commit()
    late.close()
    held.chat_server.connections_end()


def test_a_transfer_of_a_session_whose_last_words_are_under_way_ends_with_it(
    held: HeldServer,
) -> None:
    alice = held.chat_server.join("alice")
    session = held.chat_server.session("alice")
    held.hold()
    # The session has ended at this server, but the client does not close the connection.
    alice.send(MessageType.LOGOUT)
    held.changes_wait("leave")
    late = held.chat_server.transfer(alice)
    late.send(FILE, None, b"content")
    held.changes_wait("leave", "run")

    held.log.commit()

    assert late.at_end()
    wait_until(lambda: not session.transfers, "the transfer to end")


def test_nothing_leaks_when_logins_wait_and_end_in_every_way(held: HeldServer) -> None:
    greenlets = living_greenlets()
    held.hold()
    for number in range(30):
        client = held.ask_in(f"user{number}")
        if number % 3 == 0:
            client.reset()
        elif number % 3 == 1:
            client.close()
    held.log.commit()
    wait_until(lambda: held.waiting.count("leave") == 20, "the leaves")
    held.release()
    wait_until(lambda: len(held.chat_server.here()) == 10, "the others to be there")
    held.chat_server.server.stop()
    gevent.sleep(0)
    wait_until(lambda: living_greenlets() <= greenlets, "the greenlets to end")
