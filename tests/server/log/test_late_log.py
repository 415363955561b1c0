"""A server whose log commits late: nobody hears more than what is committed, and every answer keeps its turn."""

from __future__ import annotations

import gc
import json
import random
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.headers import encode_json
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.protocol.runs import Run
from chat.server.directory.member import Member
from chat.server.moderation.bans import Mute
from chat.server.sessions.answers import MAX_OPEN
from chat.server.sessions.session import Session
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.late_log import LateLog, commit_at_random
from tests.server.server_in_test import TestServer

UTF8, FILE = MessageType.UTF8, MessageType.FILE
K = 1024
UNLIMITED = {"rate": None, "byte_rate": None}


@pytest.fixture
def late_chat_server(open_a_chat_server: Callable[..., TestServer]) -> TestServer:
    return open_a_chat_server(make_log=LateLog, **UNLIMITED)


def log_of(chat_server: TestServer) -> LateLog:
    log = chat_server.parts.log
    assert isinstance(log, LateLog)
    return log


def pair(chat_server: TestServer) -> tuple[WireClient, WireClient]:
    alice, bob = chat_server.join("alice"), chat_server.join("bob")
    alice.expect_joined("bob")
    return alice, bob


def is_silent(chat_server: TestServer, guest: WireClient) -> bool:
    """Return whether the server has sent ``guest`` nothing but announcements of others."""
    chat_server.parts.broadcast.flush()
    chat_server.parts.service.notify(
        chat_server.session(guest.name), NoticeCode.DONE, "Here.", "the-end"
    )
    while True:
        frame = guest.read_frame()
        if frame.header.get("nonce") == "the-end":
            return True
        if frame.type != MessageType.LOGIN:
            return False


def test_nobody_hears_a_text_before_it_is_committed(late_chat_server: TestServer) -> None:
    alice, bob = pair(late_chat_server)
    alice.say("hello", nonce="a")
    wait_until(lambda: log_of(late_chat_server).waiting, "the text to be appended")
    for guest in (alice, bob):
        assert is_silent(late_chat_server, guest)

    log_of(late_chat_server).commit()

    for guest in (alice, bob):
        guest.expect_text("hello", "alice", nonce="a", seq=1)


def test_a_refusal_that_is_known_at_once_waits_for_its_turn(late_chat_server: TestServer) -> None:
    alice, _ = pair(late_chat_server)
    alice.say("first", nonce="1")
    alice.send(UTF8, {"nonce": "2"})  # empty
    alice.send(UTF8, {"to": 1, "nonce": "3"}, b"text")  # no name
    alice.send(UTF8, {"command": "ping", "nonce": "4"})
    alice.say("second", nonce="5")
    alice.say("for nobody", to="eve", nonce="6")
    wait_until(lambda: len(log_of(late_chat_server).waiting) == 2, "the texts to be appended")
    assert is_silent(late_chat_server, alice)

    log_of(late_chat_server).commit(1)
    alice.expect_text("first", "alice", nonce="1")
    alice.expect_notice("empty", nonce="2")
    alice.expect_notice("bad-header", nonce="3")
    alice.expect_notice("done", nonce="4")
    assert is_silent(late_chat_server, alice)

    log_of(late_chat_server).commit()
    alice.expect_text("second", "alice", nonce="5")
    alice.expect_notice("no-such-user", nonce="6")


def test_a_user_who_is_muted_meanwhile_is_not_heard(late_chat_server: TestServer) -> None:
    alice, bob = pair(late_chat_server)
    alice.say("one", nonce="1")
    wait_until(lambda: log_of(late_chat_server).waiting, "the text to be appended")
    late_chat_server.parts.moderation.entries.add(Mute("alice", None, "bob", None, 0))

    log_of(late_chat_server).commit()

    alice.expect_notice("muted", nonce="1")
    assert is_silent(late_chat_server, bob)


def test_a_user_who_is_ejected_meanwhile_is_not_heard(late_chat_server: TestServer) -> None:
    alice, bob = pair(late_chat_server)
    alice.say("one")
    wait_until(lambda: log_of(late_chat_server).waiting, "the text to be appended")
    late_chat_server.session("alice").eject(
        LeaveReason.KICKED, NoticeCode.MODERATED, "You were kicked."
    )

    log_of(late_chat_server).commit()

    bob.expect_left("alice", "kicked")
    assert is_silent(late_chat_server, bob)


def test_a_recipient_who_leaves_meanwhile_does_not_get_it(late_chat_server: TestServer) -> None:
    alice, bob = pair(late_chat_server)
    alice.say("psst", to="bob", nonce="1")
    wait_until(lambda: log_of(late_chat_server).waiting, "the text to be appended")
    bob.leave()
    alice.expect_left("bob")

    log_of(late_chat_server).commit()

    alice.expect_notice("no-such-user", nonce="1")


def test_what_one_said_before_leaving_is_said(late_chat_server: TestServer) -> None:
    alice, bob = pair(late_chat_server)
    alice.say("bye")
    alice.leave()
    wait_until(lambda: log_of(late_chat_server).waiting, "the text to be appended")
    assert is_silent(late_chat_server, bob)

    log_of(late_chat_server).commit()

    bob.expect_text("bye", "alice")
    bob.expect_left("alice", "quit")


def test_a_user_who_can_be_sent_nothing_does_not_stay_for_answers(
    late_chat_server: TestServer,
) -> None:
    alice, bob = pair(late_chat_server)
    alice.say("bye")
    wait_until(lambda: log_of(late_chat_server).waiting, "the text to be appended")

    late_chat_server.session("alice").send_queue.fail(LeaveReason.TOO_SLOW)

    bob.expect_left("alice", "too-slow")
    log_of(late_chat_server).commit()
    assert is_silent(late_chat_server, bob)


def test_a_session_that_waited_for_answers_is_freed_at_once(late_chat_server: TestServer) -> None:
    alice, _ = pair(late_chat_server)
    alice.say("bye")
    wait_until(lambda: log_of(late_chat_server).waiting, "the text to be appended")
    alice.leave()
    gc.collect()
    gc.disable()
    try:
        log_of(late_chat_server).commit()
        wait_until(lambda: len(late_chat_server.connections) == 1, "the session to end")
        sessions = [one for one in gc.get_objects() if isinstance(one, Session)]
        assert [session.name.key for session in sessions] == ["bob"]
    finally:
        gc.enable()


def test_a_large_content_is_kept_until_it_is_said(late_chat_server: TestServer) -> None:
    alice, bob = pair(late_chat_server)
    content = random.Random(1).randbytes(200 * K)
    transfer = late_chat_server.transfer(alice)
    transfer.send(FILE, {"filename": "a.bin", "nonce": "1"}, content)
    wait_until(lambda: log_of(late_chat_server).waiting, "the file to be appended")
    assert late_chat_server.parts.spool.used == len(content)

    log_of(late_chat_server).commit()

    for guest in (alice, bob):
        guest.expect(FILE, content, sender="alice", nonce="1")
    transfer.expect(FILE, b"")  # the confirmation


def test_a_transfer_is_refused_where_it_was_sent(late_chat_server: TestServer) -> None:
    alice, bob = pair(late_chat_server)
    transfer = late_chat_server.transfer(alice)
    transfer.send(FILE, {"to": "bob", "nonce": "1"}, b"content")
    wait_until(lambda: log_of(late_chat_server).waiting, "the file to be appended")
    bob.leave()
    alice.expect_left("bob")

    log_of(late_chat_server).commit()

    transfer.expect_notice("no-such-user", nonce="1")
    assert is_silent(late_chat_server, alice)


def test_what_waits_of_one_user_is_bounded(late_chat_server: TestServer) -> None:
    alice, _ = pair(late_chat_server)
    text = "x" * (60 * K)
    sending = gevent.spawn(
        alice.send_bytes,
        b"".join(alice.encode(UTF8, {"nonce": str(n)}, text.encode()) for n in range(60)),
    )
    log = log_of(late_chat_server)
    wait_until(lambda: log.waiting_bytes > MAX_OPEN, "the texts")
    all_others_are_served(late_chat_server)
    assert log.waiting_bytes <= MAX_OPEN + 64 * K * 4

    committing = gevent.spawn(commit_at_random, log, random.Random(1))
    assert answered_texts(alice, 60) == [str(n) for n in range(60)]
    committing.kill()
    sending.join()


@pytest.mark.parametrize("text", ["x", ""])  # said, and refused at once
def test_small_frames_that_wait_are_bounded_too(late_chat_server: TestServer, text: str) -> None:
    alice, bob = pair(late_chat_server)
    alice.say("first", nonce="first")
    log = log_of(late_chat_server)
    wait_until(lambda: log.waiting, "the first text to be appended")
    frames = [alice.encode(UTF8, {"nonce": str(n)}, text.encode()) for n in range(5_000)]
    sending = gevent.spawn(alice.send_bytes, b"".join(frames))
    queue = late_chat_server.session("alice")._answers  # the queue has no public name
    assert queue is not None
    wait_until(lambda: len(queue._places) > 1900, "the queue to fill")
    for number in range(300):  # more than enough turns for the server to read the rest
        bob.send(UTF8, {"command": "ping", "nonce": str(number)})
        bob.expect_notice("done")
    assert len(queue._places) < 3000

    committing = gevent.spawn(commit_steadily, log)
    nonces: list[str] = []
    while "4999" not in nonces:
        nonces += filter(None, [alice.read_frame().header.get("nonce")])
    committing.kill()
    sending.join()
    assert nonces == ["first", *(str(number) for number in range(5_000))]


def commit_steadily(log: LateLog) -> None:
    while True:
        log.commit()
        gevent.sleep(0.001)


def all_others_are_served(chat_server: TestServer) -> None:
    for number in range(3):
        client = chat_server.join(f"witness{number}")
        client.send(UTF8, {"command": "ping", "nonce": "n"})
        while client.read_frame().header.get("notice") != "done":
            pass


def answered_texts(guest: WireClient, count: int) -> list[str]:
    nonces: list[str] = []
    while len(nonces) < count:
        frame = guest.read_frame()
        if frame.type == UTF8 and frame.sender == guest.name:
            nonces.append(frame.header["nonce"])
    return nonces


def test_a_message_that_fails_keeps_no_other_message_from_its_users(
    late_chat_server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = pair(late_chat_server)
    log, room = log_of(late_chat_server), late_chat_server.parts.service
    for guest, text in ((alice, "one"), (bob, "fails"), (alice, "two")):
        before = len(log.waiting)
        guest.say(text, nonce=text)
        wait_until(lambda before=before: len(log.waiting) > before, "the text to be appended")  # type: ignore[misc]
    say_texts = room._say_texts

    def fail(sender: Member, run: Run, *rest: Any) -> None:
        if run.contents == [b"fails"]:
            raise RuntimeError("a bug")
        say_texts(sender, run, *rest)

    monkeypatch.setattr(room, "_say_texts", fail)
    log.commit()

    for guest in (alice, bob):
        guest.expect_text("one", "alice", nonce="one")
        if guest is bob:
            guest.expect_notice("no-space", nonce="fails")
        guest.expect_text("two", "alice", nonce="two")


def test_a_log_that_is_full_refuses_and_the_session_goes_on(late_chat_server: TestServer) -> None:
    alice, _ = pair(late_chat_server)
    log_of(late_chat_server).is_full = True
    alice.send_bytes(
        b"".join(alice.encode(UTF8, encode_json({"nonce": n}), b"text") for n in ("1", "2"))
    )
    alice.expect_notice("no-space", nonce="1")
    alice.expect_notice("no-space", nonce="2")

    log_of(late_chat_server).is_full = False
    alice.say("again", nonce="3")
    wait_until(lambda: log_of(late_chat_server).waiting, "the text to be appended")
    log_of(late_chat_server).commit()
    alice.expect_text("again", "alice", nonce="3", seq=1)


def test_a_server_that_stops_commits_what_was_appended(late_chat_server: TestServer) -> None:
    alice, bob = pair(late_chat_server)
    alice.say("last words")
    wait_until(lambda: log_of(late_chat_server).waiting, "the text to be appended")

    stopping = gevent.spawn(late_chat_server.server.stop)

    for guest in (alice, bob):
        guest.expect_text("last words", "alice")
        guest.expect_notice("shutting-down")
        guest.close()
    stopping.join()


def test_an_answer_describes_the_point_of_the_stream_at_which_it_comes(
    late_chat_server: TestServer,
) -> None:
    alice = late_chat_server.join("alice")
    alice.say("text", nonce="1")
    alice.send(UTF8, {"command": "names", "nonce": "2"})
    wait_until(lambda: log_of(late_chat_server).waiting, "the text to be appended")
    late_chat_server.join("bob")
    alice.expect_joined("bob")

    log_of(late_chat_server).commit()

    alice.expect_text("text", "alice", nonce="1")
    answer = alice.expect(UTF8, sender="server", notice="done", nonce="2")
    assert json.loads(answer.content) == ["alice", "bob"]


def test_an_answer_comes_where_its_command_was_executed(late_chat_server: TestServer) -> None:
    alice, bob = (late_chat_server.connect() for _ in range(2))
    for client, name in ((alice, "alice"), (bob, "bob")):
        client.send(MessageType.LOGIN, {"to": name, "join": []})
        client.expect(MessageType.LOGIN, b"", sender=None)
        client.expect(MessageType.LOGIN)
    alice.expect_joined("bob")
    log = log_of(late_chat_server)
    log.holds_changes = True
    for number, client in enumerate((alice, bob), 1):
        client.send(UTF8, {"command": "join", "room": "dev", "nonce": "join"})
        wait_until(lambda number=number: len(log.waiting) == number, "the join to be appended")  # type: ignore[misc]

    log.commit()
    log.holds_changes = False

    answer = alice.expect(UTF8, sender="server", notice="done", nonce="join")
    assert json.loads(answer.content)["users"] == ["alice"]
    alice.expect(MessageType.LOGIN, sender="bob", room="dev")
