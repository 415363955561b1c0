"""One user's connection in the room, from the login to the end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from chat import framing
from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.notices import LeaveReason
from chat.protocol.runs import Run
from chat.server.log.log import Record
from chat.server.sessions.endings import ServerStopping
from chat.server.sessions.session import Session
from chat.server.sessions.welcome import SOFTWARE
from tests.peers.wire_client import WireClient, WireFrame
from tests.server.fakes import run_ready_greenlets, wait_until
from tests.server.server_in_test import TestServer, living_greenlets

UTF8, FILE, LOGOUT = MessageType.UTF8, MessageType.FILE, MessageType.LOGOUT
K, M = 1024, 1024**2

OpenTestServer = Callable[..., TestServer]


def pair(chat_server: TestServer, **options: Any) -> tuple[WireClient, WireClient]:
    """Alice and Bob, who have heard of each other."""
    alice, bob = chat_server.join("alice", **options), chat_server.join("bob")
    alice.expect_joined("bob")
    return alice, bob


# Frames and their answers


@pytest.mark.parametrize("order", list(ByteOrder))
@pytest.mark.parametrize("raw", [False, True])
def test_what_one_says_everyone_hears(chat_server: TestServer, order: ByteOrder, raw: bool) -> None:
    alice, bob = pair(chat_server, order=order, raw=raw)

    alice.say("привет 😀")

    for guest in (alice, bob):
        guest.expect_text("привет 😀", "alice", to=None)


def test_the_welcome_says_what_a_client_should_know(open_a_chat_server: OpenTestServer) -> None:
    chat_server = open_a_chat_server(max_text=1000, max_file=2000, motd="Be nice.\n\tАлиса")
    chat_server.join("bob")
    alice = chat_server.join("Alice", inline=77)

    session = chat_server.session("alice")
    assert alice.welcome == {
        "users": ["bob", "Alice"],
        "registered": [],
        "moderators": [],
        "server": SOFTWARE,
        "session": session.token,
        "limits": {"max_text": 1000, "max_file": 2000, "inline": 77},
        "motd": "Be nice.\n\tАлиса",
        "history": False,
        "default_room": "lobby",
    }


def test_each_frame_is_answered_once_in_order_with_its_nonce(chat_server: TestServer) -> None:
    alice, bob = pair(chat_server)
    frames: list[tuple[int, dict[str, Any] | str | bytes, bytes, str | None]] = [
        (UTF8, {"nonce": "0"}, b"hello", None),
        (UTF8, {"nonce": "1"}, b"", "empty"),
        (UTF8, {"nonce": "2"}, b"\xff", "not-utf8"),
        (UTF8, {"nonce": "3", "to": "nobody"}, b"hello", "no-such-user"),
        (UTF8, {"nonce": "4", "to": "bob"}, b"psst", None),
        (FILE, {"nonce": "5", "filename": "a.txt"}, b"content", None),
        (FILE, {"nonce": "6"}, b"", None),
        (MessageType.LOGIN, {"nonce": "7"}, b"what?", "bad-type"),
        (MessageType.BAD_LOGIN, {"nonce": "8"}, b"", "bad-type"),
        (77, {"nonce": "9"}, b"what?", "bad-type"),
        (UTF8, {"nonce": "10"}, b"x" * (64 * K), None),
        (UTF8, {"nonce": "11"}, b"x" * (64 * K + 1), "too-large"),
        (FILE, {"nonce": "12", "fetch": "id"}, b"", "bad-header"),
        (FILE, {"nonce": "13"}, b"x" * (64 * K + 1), None),
    ]
    alice.send_bytes(b"".join(alice.encode(*frame[:3]) for frame in frames))

    for number, (type, _, content, notice) in enumerate(frames):
        if notice is None:
            alice.expect(type, content, sender="alice", nonce=str(number))
            bob.expect(type, content, sender="alice")
        else:
            alice.expect_notice(notice, nonce=str(number))
    bob.say("nothing else")
    bob.expect_text("nothing else", "bob")


def test_texts_that_come_together_are_said_in_their_place_and_order(
    chat_server: TestServer,
) -> None:
    alice, bob = pair(chat_server)
    texts = [f"{number}: привет" for number in range(100)]
    frames = [alice.encode(UTF8, None, text.encode()) for text in texts]
    frames[30] = alice.encode(UTF8, None, b"\xff")
    frames[60] = alice.encode(UTF8, {"to": "bob"}, texts[60].encode())
    # In two pieces, cut inside a text.
    data = b"".join(frames)
    alice.send_bytes(data[:3000])
    alice.expect_text(texts[0], "alice")
    alice.send_bytes(data[3000:])

    for number, text in enumerate(texts[1:], 1):
        if number == 30:
            alice.expect_notice("not-utf8")
        else:
            alice.expect_text(text, "alice")
    for text in [*texts[:30], *texts[31:]]:
        bob.expect_text(text, "alice")


@pytest.mark.parametrize(
    ("type", "header"),
    [
        (UTF8, b"bob"),
        (UTF8, b'{"to": "bob"'),
        (UTF8, b'{"to": 7}'),
        (FILE, b"\xff"),
        (FILE, b'{"to": "b\\ud800"}'),
        (FILE, b'{"nonce": "no blanks"}'),
    ],
)
def test_a_broken_header_is_refused_and_reaches_nobody(
    chat_server: TestServer, type: MessageType, header: bytes
) -> None:
    alice, bob = pair(chat_server)

    alice.send(type, header, b"secret")
    alice.say("next")

    alice.expect_notice("bad-header")
    alice.expect_text("next", "alice")
    bob.expect_text("next", "alice")


def test_an_unknown_recipient_is_answered_before_the_content_comes(chat_server: TestServer) -> None:
    alice = chat_server.join("alice")

    alice.send_bytes(alice.encode(FILE, {"to": "nobody"}, content_size=100 * M))
    alice.expect_notice("no-such-user")

    assert chat_server.parts.spool.used == 0


def test_a_recipient_who_leaves_while_the_content_comes_is_unknown(chat_server: TestServer) -> None:
    alice, bob = pair(chat_server)
    alice.send_bytes(alice.encode(FILE, {"to": "bob"}, b"x" * 10, content_size=100))
    bob.leave()
    alice.expect_left("bob", "quit")

    alice.send_bytes(b"x" * 90)
    alice.say("next")

    alice.expect_notice("no-such-user")
    alice.expect_text("next", "alice")


def test_more_than_a_file_may_have_is_answered_on_the_descriptor_alone_then_closed(
    open_a_chat_server: OpenTestServer,
) -> None:
    chat_server = open_a_chat_server(max_file=1000)
    alice, bob = pair(chat_server)
    alice.send(FILE, None, b"x" * 1000)
    alice.expect(FILE)
    bob.expect(FILE)

    alice.send_bytes(alice.encode(FILE, header_size=20, content_size=1001))

    alice.expect_notice("too-large")
    alice.expect_closed()
    bob.expect_left("alice", "disconnected")


def test_no_space_is_a_notice_and_the_session_goes_on(open_a_chat_server: OpenTestServer) -> None:
    chat_server = open_a_chat_server(max_spool=400 * K)
    alice = chat_server.join("alice")

    alice.send(FILE, {"nonce": "n"}, b"x" * (101 * K))
    alice.say("next")

    alice.expect_notice("no-space", nonce="n")
    alice.expect_text("next", "alice")


# Ways to end


def leave(guest: WireClient) -> None:
    guest.leave()


def close(guest: WireClient) -> None:
    guest.close()


def close_inside_a_frame(guest: WireClient) -> None:
    guest.send_bytes(guest.encode(FILE, content_size=100) + b"x" * 50)
    guest.close()


def close_inside_a_large_content(guest: WireClient) -> None:
    guest.send_bytes(guest.encode(FILE, content_size=M) + b"x" * 100_000)
    guest.close()


def stall(guest: WireClient) -> None:
    guest.send_bytes(guest.encode(UTF8, content_size=100) + b"x")


def stall_inside_a_large_content(guest: WireClient) -> None:
    guest.send_bytes(guest.encode(FILE, content_size=M) + b"x")


def announce_too_much(guest: WireClient) -> None:
    guest.send_bytes(guest.encode(FILE, content_size=1 << 62))


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (leave, "quit"),
        (close, "disconnected"),
        (close_inside_a_frame, "disconnected"),
        (close_inside_a_large_content, "disconnected"),
        (WireClient.reset, "disconnected"),
        (stall, "timed-out"),
        (stall_inside_a_large_content, "timed-out"),
        (announce_too_much, "disconnected"),
    ],
)
def test_everyone_hears_why_and_nothing_is_left_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
    chat_server: TestServer,
    end: Callable[[WireClient], None],
    reason: str,
) -> None:
    bob = chat_server.join("bob")
    run_ready_greenlets()
    greenlets = living_greenlets()
    monkeypatch.setattr(framing, "STALL_WINDOW", 0.05)
    alice = chat_server.join("alice")
    bob.expect_joined("alice")

    end(alice)

    bob.expect_left("alice", reason)
    alice.close()
    wait_until(lambda: len(chat_server.connections) == 1, "the connection to end")
    wait_until(lambda: living_greenlets() <= greenlets, "the greenlets to end")
    assert chat_server.parts.spool.used == 0


def test_a_user_who_leaves_first_gets_what_was_said_before(chat_server: TestServer) -> None:
    alice, bob = pair(chat_server)
    for number in range(100):
        alice.say(str(number))
    alice.leave()

    for number in range(100):
        alice.expect_text(str(number), "alice")
    alice.expect_closed()
    for number in range(100):
        bob.expect_text(str(number), "alice")
    bob.expect_left("alice", "quit")


def test_the_log_says_who_came_and_left_and_why(
    chat_server: TestServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    alice, bob = pair(chat_server, raw=True)
    bob.leave()
    alice.expect_left("bob")
    alice.leave()
    alice.expect_closed()

    lines = [message.partition(" from ")[0] for message in caplog.messages]
    assert lines == ["alice joined", "bob joined", "bob left: quit", "alice left: quit"]
    assert caplog.messages[0].endswith("(raw)")
    assert caplog.messages[1].endswith("(JSON)")


def stuff(sender: WireClient) -> list[WireFrame]:
    """Let ``sender`` say a mebibyte and a word; return all frames that ``sender`` receives meanwhile."""
    for _ in range(32):
        sender.say("x" * (32 * K))
    sender.say("done")
    return sender.read_until(UTF8, b"done")


def test_one_who_does_not_read_is_closed_and_nobody_else_is_delayed(
    open_a_chat_server: OpenTestServer, caplog: pytest.LogCaptureFixture
) -> None:
    chat_server = open_a_chat_server(max_backlog=M, rate=None, byte_rate=None)
    alice = chat_server.join("alice")
    chat_server.join("sleepy", receive_buffer=4096)
    alice.expect_joined("sleepy")

    heard: list[WireFrame] = []
    while not any(frame.type == LOGOUT for frame in heard):
        heard = stuff(alice)
    left = next(frame for frame in heard if frame.type == LOGOUT)
    assert left.header["reason"] == "too-slow"

    [record] = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert record.getMessage() == "sleepy left: too-slow"
    assert chat_server.parts.backlogs.used == 0


def test_one_whose_upload_is_given_up_has_timed_out(chat_server: TestServer) -> None:
    alice, bob = pair(chat_server)
    alice.send_bytes(alice.encode(FILE, content_size=M) + b"x")
    chat_server.upload_begins(M)

    chat_server.session("alice").give_up()

    bob.expect_left("alice", "timed-out")
    assert chat_server.parts.spool.used == 0
    assert alice.at_end()


def test_the_first_reason_to_end_is_the_one_that_is_told(chat_server: TestServer) -> None:
    _, bob = pair(chat_server)
    session = chat_server.session("alice")

    session.send_queue.fail(LeaveReason.TOO_SLOW)

    bob.expect_left("alice", "too-slow")


@pytest.mark.parametrize("exception", [gevent.GreenletExit, ServerStopping])
@pytest.mark.parametrize("lagging", [False, True])
def test_a_session_that_is_killed_leaves_nothing_that_writes(
    open_a_chat_server: OpenTestServer, exception: type[gevent.GreenletExit], lagging: bool
) -> None:
    chat_server = open_a_chat_server(rate=None, byte_rate=None)
    bob = chat_server.join("bob")
    others = set(chat_server.connections)
    chat_server.join("alice", receive_buffer=4096)
    bob.expect_joined("alice")
    session = chat_server.session("alice")
    while lagging and not session.send_queue.waiting:
        stuff(bob)
    [greenlet] = set(chat_server.connections) - others

    for _ in range(3):  # out of the room, out of what waits, out of the linger
        greenlet.kill(exception, block=False)
        run_ready_greenlets()
    wait_until(lambda: greenlet.dead, "the greenlet to end")

    bob.expect_left("alice")
    assert session.send_queue.closed
    assert chat_server.parts.backlogs.used == 0


def test_a_fault_of_ours_costs_that_connection_alone(
    monkeypatch: pytest.MonkeyPatch, chat_server: TestServer, caplog: pytest.LogCaptureFixture
) -> None:
    alice, bob = pair(chat_server)
    session = chat_server.session("alice")
    publish = chat_server.parts.service.publish

    def fail_for_alice(sender: Session, run: Run) -> Record:
        if sender is session:
            raise RuntimeError("our fault")
        return publish(sender, run)

    monkeypatch.setattr(chat_server.parts.service, "publish", fail_for_alice)
    alice.say("hello")

    alice.expect_closed()
    bob.expect_left("alice", "disconnected")
    bob.say("still here")
    bob.expect_text("still here", "bob")
    assert session.send_queue.closed
    [record] = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert record.exc_info is not None


# Rates
